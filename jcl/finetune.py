"""Fine-tuning: the whole network is trained further, with some of the labels."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict
from tqdm import tqdm

from jcl.config import base
from jcl.data import Source
from jcl.data.dataset_shape import shape_of
from jcl.data.loader import batches
from jcl.data.selected import Selected
from jcl.errors import UserError
from jcl.experiment import make_experiment
from jcl.mesh import batch_sharding, make_mesh
from jcl.predictions import predict_split, score_predictions
from jcl.probes.features import Features
from jcl.probes.low_shot import choose_share
from jcl.state import TrainState
from jcl.step import compile_train_step

PyTree = Any

# A hundred labels make few steps an epoch, and a new head needs some to get anywhere.
_LEAST_STEPS = 100


_TASKS = {"label": "cross_entropy", "target": "l1"}  # what is known -> how it is trained with


def finetune_shares(
    config: ConfigDict,
    encoder: PyTree,
    train: Source,
    test: Source,
    bank: Features,
    known: Features,
) -> dict[str, dict]:
    """Fine-tunes with each of `probe.finetune_shares` of the labels, and of the targets.

    Args:
        config: of the run; its seed chooses the examples, stratified by class where there are some.
        encoder: see `finetune`.
        train: the training split.
        test: the test split.
        bank: labels and targets of the training split.
        known: those of the test split.

    Returns:
        {"0.01": {"examples": s, "top1": x, "mae": .., ..}, ..}: see
        `jcl.predictions.score_predictions`; the whole network was trained once for each task.
    """
    scores = {}
    for share in config.probe.finetune_shares:
        rows = choose_share(share, n=len(train), label=bank.label, seed=config.seed)
        scores[str(share)] = {"examples": len(rows)}
        for key, method in _TASKS.items():
            truth = getattr(bank, key)
            if truth is None:
                continue
            predicted = finetune(config, encoder, train, rows, test, method=method)
            scores[str(share)] |= score_predictions(
                predicted,
                getattr(known, key),
                truth[rows],
                needs=(key,),
                bin_width=config.probe.target_bin,
            )
    return scores


def finetune(
    config: ConfigDict,
    encoder: PyTree,
    train: Source,
    rows: Int[np.ndarray, " s"],
    test: Source,
    *,
    method: str,
) -> Float[np.ndarray, "m outputs"]:
    """Trains a pretrained encoder and a new linear head with the labels of some examples.

    AdamW with a tenth of the steps as warm-up and a cosine, on the views that the run was
    pretrained with, in its precision; `probe.finetune_*` has the rest. The batch is that of the
    run, or the share where that is smaller.

    Args:
        config: of the run.
        encoder: its "params" and its "batch_stats", from a checkpoint; they are not changed.
        train: the training split.
        rows: its examples whose labels may be used, sorted.
        test: the split to predict.
        method: "cross_entropy" or "l1"; the fine-tuning's, not the run's.

    Returns:
        What the head says of every test example: logits [m, C], or targets [m, 1].

    Raises:
        UserError: the network diverged, or fewer rows than devices.
    """
    subset = Selected(train, rows)
    mesh = make_mesh()
    batch_size = min(config.batch_size, len(rows)) // mesh.size * mesh.size
    if not batch_size:
        raise UserError(f"{len(rows)} examples cannot be spread over {mesh.size} devices")
    config = _config(config, method, batch_size, len(rows))
    experiment = make_experiment(config, shape_of(subset))
    state = _with_encoder(experiment.init_state(mesh), encoder)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    stream = batches(
        subset,
        seed=config.seed,
        batch_size=batch_size,
        sharding=batch_sharding(mesh),
        start_step=0,
        stop_step=config.total_steps,
    )
    progress = tqdm(
        stream,
        desc=f"fine-tuning with {len(rows):,} examples",
        total=config.total_steps,
        disable=not sys.stderr.isatty(),
    )
    try:
        for batch in progress:
            state, _ = step(state, batch)
    finally:
        stream.close()
    return predict_split(config, experiment.method, state.params, state.model_state, test)


def _config(config: ConfigDict, method: str, batch_size: int, examples: int) -> ConfigDict:
    """What fine-tuning has of the run's config, and what of its own."""
    new = base()
    for key in ("seed", "precision", "data", "views", "encoder", "fsdp_min_size", "probe"):
        new[key] = config[key]
    steps = round(config.probe.finetune_epochs * examples / batch_size)
    new.batch_size = batch_size
    new.total_steps = max(steps, _LEAST_STEPS)
    new.method.name = method
    new.optimizer.name = "adamw"
    new.optimizer.learning_rate = config.probe.finetune_learning_rate
    new.optimizer.encoder_scale = config.probe.finetune_encoder_scale
    new.optimizer.warmup_steps = new.total_steps // 10
    return new


def _with_encoder(state: TrainState, encoder: PyTree) -> TrainState:
    def place(new, old):
        return jax.device_put(jnp.array(old, new.dtype), new.sharding)

    params = jax.tree.map(place, state.params["encoder"], encoder["params"])
    statistics = jax.tree.map(place, state.model_state["encoder"], encoder["batch_stats"])
    return state.replace(
        params={**state.params, "encoder": params},
        model_state={**state.model_state, "encoder": statistics},
    )
