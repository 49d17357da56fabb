"""Measures a run: `python -m jcl.evaluate --workdir=DIR [--step=N] [--config.KEY=VALUE ...]`.

Everything it needs stands in the workdir; the config is the run's own, with overrides.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from absl import flags

from jcl import runtime
from jcl.augment.image import to_float
from jcl.data import Source
from jcl.data.dataset_shape import inputs_of, shape_of
from jcl.evaluation.encode import FEATURE_BATCH, feature_function
from jcl.evaluation.finetune import finetune_shares
from jcl.evaluation.heads import predict_split, score_predictions
from jcl.evaluation.results import results_file, suffix_of_dataset, write_results
from jcl.experiment import (
    Experiment,
    image_dtype,
    make_experiment,
    open_config,
    open_split,
    read_command_line,
)
from jcl.mesh import make_mesh
from jcl.methods.base import Method, Variables
from jcl.probes import (
    Features,
    check_export,
    embedding_map,
    extract,
    geometry,
    loss_curve,
    measure,
    raw_inputs,
    results_table,
    save_features,
    tsne,
    views_grid,
)
from jcl.probes.plots import LEAST_MAPPED
from jcl.runtime import cli
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.metrics import read_metrics
from jcl.training.checkpoint import read_variables
from jcl.training.warm_start import check_same_names

# Test images whose two views alignment is measured on, and that a picture shows.
_ALIGNMENT_IMAGES = 2000
_PICTURED = 8


def evaluate(
    config: ml_collections.ConfigDict,
    workdir: Path,
    *,
    step: int | None = None,
    export_features: Path | None = None,
) -> dict:
    """Probes a checkpoint's frozen features and writes results.json and figures/.

    `jcl.runtime.configure` comes first, as in the binary.

    Args:
        config: of the run; `probe.*` and `data.*` may differ from what it was trained with.
        workdir: of the run.
        step: None takes the newest checkpoint and writes results.json and figures/; a number takes
            that one and writes results-<step>.json and figures-<step>/. On another dataset than
            the run's, their names end in its name.
        export_features: also save the features of both splits to this .npz file.

    Returns:
        What was written: {"step", "settings", "data", "knn", "linear", "ridge", "geometry",
        "untrained": {..}, "pixels": {..}}; scores are fractions (errors in units of the target),
        means over seeds, with their settings beside them. "knn" has top1 where the data has labels
        and mae where it has targets; "linear" needs labels, "ridge" targets. Where examples are
        feature vectors, "inputs" stands for "pixels". A method that was trained with labels has a
        "head", which is scored too on the dataset it was trained on; `probe.finetune` adds
        "finetune" (`jcl.evaluation.finetune`), and `probe.projection` adds "projection", the same
        probes of what the projector makes of the features. "settings" and "data" are the config's
        sections `probe` and `data`.

    Raises:
        UserError: no such checkpoint, one that does not fit the config or the data, data that
            cannot be read, or a file that cannot be written.
    """
    config = open_config(config)
    if export_features is not None:
        check_export(export_features)
    train, test = open_split(config, "train"), open_split(config, "test")
    with (config := config.copy_and_resolve_references()).unlocked():
        # Nothing is trained with these, and other data may be less than a batch or an epoch.
        config.batch_size, config.total_steps = min(config.batch_size, len(train)), 1
    experiment = make_experiment(config, shape_of(train))
    own = workdir_lib.read_config(workdir).data
    own_data = config.data.name == own.name
    # What a head says of another dataset than the run's is about another question.
    own_head = own_data and config.data.get("label_key") == own.get("label_key")
    (params, model_state), at_step = _restore(experiment, workdir, step, with_head=own_head)
    suffix = "" if step is None else f"-{at_step}"
    suffix += "" if own_data else suffix_of_dataset(workdir, suffix, config.data.name)
    method, variables = experiment.method, (params, model_state)
    scores, trained = _probe(experiment, method.features, *variables, train, test)
    about = {"settings": config.probe.to_dict(), "data": config.data.to_dict()}
    results = {"step": at_step, **about, **scores}
    if hasattr(method, "predict") and own_head and _has_truth(method, *trained):
        results["head"] = _score_head(experiment, *variables, test, *trained)
    if config.probe.projection and hasattr(method, "project"):
        results["projection"], _ = _probe(experiment, method.project, *variables, train, test)
    if config.probe.baselines:
        start = experiment.init_state(make_mesh())
        results["untrained"], _ = _probe(
            experiment, method.features, start.probed_params, start.model_state, train, test
        )
        raw = raw_inputs(train), raw_inputs(test)
        if train.image_shape is None:
            results["inputs"] = _score(config, train, *raw, shares=config.probe.shares)
        else:  # low-shot probes of thousands of pixels take minutes, and score about chance
            results["pixels"] = _score(config, train, *raw, shares=())

    path = results_file(workdir, suffix)
    write_results(path, results)
    if export_features is not None:
        save_features(export_features, *trained)
    if config.probe.finetune:  # may take long, and fail: the rest is safe by then
        parts = _feature_parts(method, *variables)
        results["finetune"] = finetune_shares(config, parts, train, test, *trained)
        write_results(path, results)
    _draw(experiment, workdir, workdir / f"figures{suffix}", trained[1], test)
    return results


def _restore(
    experiment: Experiment, workdir: Path, step: int | None, *, with_head: bool
) -> tuple[Variables, int]:
    """What probes see of a checkpoint, in the precision of the config, and its step.

    Without a head, which has as many outputs as the run's own dataset has classes, the rest must
    fit the config.
    """
    variables, at_step = read_variables(workdir, step)
    shapes = experiment.state_shapes(make_mesh())
    held, needed = variables._asdict(), {"params": shapes.params, "model_state": shapes.model_state}
    if not with_head:
        head = experiment.method.head_parts
        held, needed = (
            {
                kind: {part: value for part, value in tree.items() if part not in head}
                for kind, tree in trees.items()
            }
            for trees in (held, needed)
        )
    check_same_names(held, needed, f"the checkpoint of step {at_step}")
    dtype = image_dtype(experiment.config)
    held = jax.tree.map(
        lambda x: jnp.asarray(x, dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, held
    )
    return Variables(**held), at_step


def _probe(
    experiment: Experiment, embed: Callable, params, model_state, train: Source, test: Source
) -> tuple[dict, tuple[Features, Features]]:
    """All probes of one set of parameters, and the features of both splits that they saw."""
    apply = jax.jit(feature_function(experiment.config, embed))

    def features(inputs):
        return apply(params, model_state, inputs)

    train_features = extract(features, train, batch_size=min(FEATURE_BATCH, len(train)))
    test_features = extract(features, test, batch_size=min(FEATURE_BATCH, len(test)))
    view_features = jax.jit(embed)
    pairs = [
        [np.asarray(view_features(params, model_state, views[:, i])) for i in range(2)]
        for views in _views(experiment, test, min(_ALIGNMENT_IMAGES, len(test)))
    ]
    pair = np.concatenate(pairs, axis=1)
    config = experiment.config
    scores = _score(config, train, train_features, test_features, shares=config.probe.shares)
    scores["geometry"] = geometry(*pair, *test_features)
    return scores, (train_features, test_features)


def _score(
    config: ml_collections.ConfigDict,
    source: Source,
    train_features: Features,
    test_features: Features,
    *,
    shares: tuple[float, ...],
) -> dict:
    """All probes that the data allows; {} where it has neither labels nor targets."""
    return measure(
        train_features,
        test_features,
        n_classes=source.n_classes,
        k=config.probe.knn_k,
        temperature=config.probe.knn_temperature,
        seeds=tuple(range(config.probe.linear_seeds)),
        shares=shares,
        bin_width=config.probe.target_bin,
    )


def _has_truth(method, train_features: Features, test_features: Features) -> bool:
    return all(
        getattr(split, key) is not None
        for key in method.needs
        for split in (train_features, test_features)
    )


def _score_head(
    experiment: Experiment,
    params,
    model_state,
    test: Source,
    train_features: Features,
    test_features: Features,
) -> dict:
    """Scores of the method's own predictions for the test split."""
    config, method = experiment.config, experiment.method
    predicted = predict_split(config, method, params, model_state, test)
    (key,) = method.needs
    truth = getattr(test_features, key), getattr(train_features, key)
    bin_width = config.probe.target_bin
    return score_predictions(predicted, *truth, needs=method.needs, bin_width=bin_width)


def _feature_parts(method: Method, params, model_state) -> dict[str, Variables]:
    """The parts of the networks that features depend on, by name."""
    return {
        part: Variables(params[part], model_state.get(part, {})) for part in method.feature_parts
    }


def _views(experiment: Experiment, source: Source, count: int) -> Iterator[jax.Array]:
    """Views [n, V, ..] of the first examples, in batches, the same at every evaluation."""
    make_views = jax.jit(experiment.make_views)
    keys = jax.random.split(jax.random.key(experiment.config.seed, impl="threefry2x32"), count)
    for start in range(0, count, FEATURE_BATCH):
        rows = np.arange(start, min(start + FEATURE_BATCH, count))
        inputs = jnp.asarray(inputs_of(source.batch(rows)))
        yield make_views(keys[rows], to_float(inputs, image_dtype(experiment.config)))


def _draw(
    experiment: Experiment, workdir: Path, figures: Path, test_features: Features, test: Source
) -> None:
    figures.mkdir(exist_ok=True)
    if test.image_shape is not None:
        count = min(_PICTURED, len(test))
        originals = test.batch(np.arange(count))["image"] / np.float32(255)
        (views,) = _views(experiment, test, count)
        views_grid(np.asarray(views, np.float32), figures / "views.png", originals=originals)
    lines = read_metrics(workdir)
    if lines:
        loss_curve([x["step"] for x in lines], [x["loss"] for x in lines], figures / "loss.png")
    if (test_features.label is None and test_features.target is None) or len(test) < LEAST_MAPPED:
        return
    positions = tsne(test_features.features)
    if test_features.label is not None:
        names = getattr(test, "class_names", None)
        embedding_map(positions, test_features.label, figures / "embeddings.png", class_names=names)
    if test_features.target is not None:
        embedding_map(positions, test_features.target, figures / "targets.png")


def main(parsed) -> None:
    """The binary."""
    config, lines = parsed
    workdir = Path(_WORKDIR.value)
    export = Path(_EXPORT.value) if _EXPORT.value else None
    for line in lines:
        print(line, file=sys.stderr)
    runtime.configure(config.precision, deterministic=config.deterministic)
    results = evaluate(config, workdir, step=_STEP.value, export_features=export)
    print(results_table(results))
    print(f"\nscores and settings: {workdir}/results*.json; pictures: {workdir}/figures*")


def _parse(argv):
    def config_of():
        return workdir_lib.read_config(Path(_WORKDIR.value))

    return cli.parse_config(argv, config_of, read_command_line)


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
    _STEP = flags.DEFINE_integer("step", None, "Which checkpoint; the newest by default.")
    _EXPORT = flags.DEFINE_string("export_features", None, "Save the features to this .npz file.")
    flags.mark_flag_as_required("workdir")
    cli.run(main, _parse)
