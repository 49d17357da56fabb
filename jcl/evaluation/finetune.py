"""Fine-tuning: the whole network is trained further with some of the labels."""

import sys
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jaxtyping import Float, Int
from ml_collections import ConfigDict
from tqdm import tqdm

from jcl.config import base
from jcl.data import Source
from jcl.data.dataset_shape import shape_of
from jcl.data.loader import batches
from jcl.data.rows import Rows
from jcl.errors import UserError
from jcl.evaluation.heads import predict_split, score_predictions
from jcl.experiment import make_experiment, open_config
from jcl.experiment.tables import networks_of
from jcl.mesh import batch_sharding, make_mesh
from jcl.methods import FINETUNING
from jcl.methods.base import Method, Variables, declared
from jcl.probes.extract import Features
from jcl.probes.low_shot import choose_share
from jcl.training.state import TrainState
from jcl.training.step import compile_train_step


def check_finetuning(config: ConfigDict, method: Method) -> None:
    """Raises UserError where `probe.finetune` is set and cannot train what is asked for.

    That is, features come from another network than an encoder of images, vectors or videos, or
    `probe.label` names another class than `label`.

    Args:
        config: of the evaluation.
        method: of the run.
    """
    if config.probe.finetune and config.probe.label != "label":
        raise UserError(
            f"probe.finetune=True trains with the label of examples, but probe.label="
            f"{config.probe.label!r} asks for another class: set probe.finetune=False"
        )
    taken = {name for tuning in FINETUNING.values() for name in networks_of(tuning)}
    others = [part for part in declared(method, "feature_parts") if part not in taken]
    if config.probe.finetune and others:
        raise UserError(
            f"probe.finetune=True trains encoders of images, feature vectors or videos, and the "
            f"features of method.name={config.method.name!r} come from its {others[0]}: set "
            "probe.finetune=False; probe.shares measures few labels with the encoder held still"
        )


def finetune_shares(
    config: ConfigDict,
    pretrained: Mapping[str, Variables],
    train: Source,
    test: Source,
    train_features: Features,
    test_features: Features,
) -> dict[str, dict]:
    """Fine-tunes with each of `probe.finetune_shares` of the labels, and of the targets.

    A share with fewer examples than devices is logged and left out.

    Args:
        config: of the run; its seed chooses the examples, stratified by class if there are classes.
        pretrained: see `finetune`.
        train: the training split.
        test: the test split.
        train_features: labels and targets of the training split.
        test_features: those of the test split.

    Returns:
        {"0.01": {"examples": s, "steps": t, "batch_size": b, "top1": x, "mae": .., ..}, ..}: see
        `jcl.evaluation.heads.score_predictions`. There is one training for each task.
    """
    scores = {}
    # Examples with a missing label, -1, are left out, unless all labels are missing.
    train_rows, test_rows = map(_rows_with_label, (train_features, test_features))
    label = train_features.labelled().label
    for share in config.probe.finetune_shares:
        chosen = choose_share(share, n=len(train_rows), label=label, seed=config.seed)
        rows = train_rows[chosen]
        batch_size = _batch_size(config, len(rows))
        if not batch_size:
            logging.warning("Fine-tuning leaves out %g of the labels: fewer than devices.", share)
            continue
        scored = {
            "examples": len(rows),
            "steps": _steps(config, len(rows)),
            "batch_size": batch_size,
        }
        for key, method in FINETUNING.items():
            truth, test_truth = train_features.known.get(key), test_features.known.get(key)
            if truth is None or test_truth is None:
                continue
            if key == "label" and (
                train.n_classes is None or min(truth[rows].min(), test_truth[test_rows].min()) < 0
            ):
                continue
            predicted = finetune(config, pretrained, train, rows, test, method=method)
            scored |= score_predictions(
                predicted[test_rows],
                test_truth[test_rows],
                truth[rows],
                needs=(key,),
                bin_width=config.probe.target_bin,
            )
        scores[f"{share:g}"] = scored
    return scores


def _rows_with_label(features: Features) -> Int[np.ndarray, " s"]:
    """Rows that have a label; all rows if none has one, or there are no labels."""
    n = len(features.features)
    rows = np.flatnonzero(features.known.get("label", np.zeros(n)) >= 0)
    return rows if len(rows) else np.arange(n)


def finetune(
    config: ConfigDict,
    pretrained: Mapping[str, Variables],
    train: Source,
    rows: Int[np.ndarray, " s"],
    test: Source,
    *,
    method: str,
) -> Float[np.ndarray, "m outputs"]:
    """Trains pretrained networks and a new linear head with the labels of some examples.

    The optimizer is AdamW with a tenth of the steps as warm-up and a cosine. Views and precision
    are those of pretraining. `probe.finetune_*` has the other settings.

    Args:
        config: of the run.
        pretrained: the networks that features depend on, by name, from a checkpoint; they are not
            changed.
        train: the training split.
        rows: sorted indices of the examples whose labels may be used.
        test: the split to predict.
        method: the method of fine-tuning, not of the run: one of `jcl.methods.FINETUNING`.

    Returns:
        The head's prediction for every test example: logits [m, C], or targets [m, 1].

    Raises:
        UserError: the network diverged, or there are fewer rows than devices.
    """
    subset, mesh = Rows(train, rows), make_mesh()
    config = _config(config, method, len(rows))
    experiment = make_experiment(config, shape_of(subset))
    state = _with_parts(experiment.init_state(mesh), pretrained)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    stream = batches(
        subset,
        order=experiment.order,
        batch_size=config.batch_size,
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
    return predict_split(config, experiment.method, state.probed, test)


def _batch_size(config: ConfigDict, examples: int) -> int:
    """The largest allowed batch size that is divisible by the number of devices, or 0."""
    devices = jax.device_count()
    return min(config.probe.finetune_batch_size, examples) // devices * devices


def _steps(config: ConfigDict, examples: int) -> int:
    steps = round(config.probe.finetune_epochs * examples / _batch_size(config, examples))
    return max(steps, config.probe.finetune_least_steps)


def _config(config: ConfigDict, method: str, examples: int) -> ConfigDict:
    """The config of fine-tuning, made from that of the run."""
    new = base()
    networks = networks_of(method)
    for key in ("seed", "precision", "views", *networks, "fsdp_min_size", "probe"):
        new[key] = config[key]
    # Groups are for negatives, and the head has none.
    new.data = ConfigDict({**config.data.to_dict(), "groups": None})
    new.batch_size = _batch_size(config, examples)
    if not new.batch_size:
        raise UserError(f"{examples} examples cannot be spread over {jax.device_count()} devices")
    new.total_steps = _steps(config, examples)
    new.method.name = method
    new.optimizer.name = "adamw"
    new.optimizer.learning_rate = config.probe.finetune_learning_rate
    new.optimizer.groups = (("encoder", {"scale": config.probe.finetune_encoder_scale}),)
    new.optimizer.warmup_steps = new.total_steps // 10
    return open_config(new)


def _with_parts(state: TrainState, parts: Mapping[str, Variables]) -> TrainState:
    def place(new, old):
        return jax.device_put(jnp.array(old, new.dtype), new.sharding)

    params, model_state = dict(state.params), dict(state.model_state)
    for name, part in parts.items():
        params[name] = jax.tree.map(place, params[name], part.params)
        model_state[name] = jax.tree.map(place, model_state[name], part.model_state)
    return state.replace(params=params, model_state=model_state)
