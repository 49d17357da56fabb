"""Evaluates a run: `python -m jcl.evaluate --workdir=DIR [--step=N] [--config.KEY=VALUE ...]`.

Everything that it needs is in the workdir; the config is the run's own, with overrides.
"""

import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
from absl import flags

from jcl import runtime
from jcl.config.place import expanded
from jcl.data import Source
from jcl.data.dataset_shape import shape_of
from jcl.data.text.kept import own_tokenizer
from jcl.data.unrolled import every_image
from jcl.errors import UserError
from jcl.evaluation.cells import score_cells
from jcl.evaluation.concatenated import concatenate_features
from jcl.evaluation.embeddings import PROJECTION, embedding_geometry
from jcl.evaluation.encode import (
    output_function,
    output_names,
)
from jcl.evaluation.figures import draw, draw_retrieved
from jcl.evaluation.finetune import check_finetuning, finetune_shares
from jcl.evaluation.heads import predict_split, score_predictions
from jcl.evaluation.left_out import check_same_size, open_test_split
from jcl.evaluation.pairs import EmbeddedPairs, embed_pairs, score_planted, score_retrieval
from jcl.evaluation.probe_output import prober, score_features
from jcl.evaluation.remarks import remarks
from jcl.evaluation.results import results_file, suffix_of_dataset, write_results
from jcl.evaluation.views import view_drawer
from jcl.evaluation.zero_shot import score_zero_shot
from jcl.experiment import (
    Experiment,
    image_dtype,
    make_experiment,
    open_config,
    open_split,
    read_command_line,
    read_run_config,
)
from jcl.experiment.paths import same_place
from jcl.mesh import make_mesh
from jcl.methods.base import Method, Variables, declared
from jcl.probes import (
    Features,
    check_export,
    collapse,
    raw_inputs,
    results_table,
    save_features,
)
from jcl.runtime import cli
from jcl.runtime.folder import Folder
from jcl.runtime.workdir import FIGURES
from jcl.training.checkpoint import read_variables
from jcl.training.warm_start import check_same_names


def evaluate(
    config: ml_collections.ConfigDict,
    workdir: Folder,
    *,
    step: int | None = None,
    export_features: Path | None = None,
    concatenate: Sequence[Path] = (),
) -> dict:
    """Probes a checkpoint's frozen features and writes results.json and figures/.

    Call `jcl.runtime.configure` first, as the binary does.

    Args:
        config: of the run; `probe.*` and `data.*` may differ from those of training.
        workdir: of the run.
        step: None takes the newest checkpoint and writes results.json and figures/; a number takes
            the checkpoint of this step and writes results-<step>.json and figures-<step>/. For
            another dataset than the run's, the dataset's name is appended.
        export_features: also save the features of both splits to this .npz file.
        concatenate: workdirs of other runs. Their features and then this run's are concatenated,
            and get the same probes in the section "concatenated".

    Returns:
        The content of the file: {"step", "settings", "data", "knn", "linear", "ridge", "geometry",
        "untrained": {..}, "pixels": {..}, "remarks": [sentences, `jcl.evaluation.remarks`]}.
        Scores are fractions (errors are in units of the target) and means over seeds, with their
        settings. "knn" has top1 for labels and mae for targets; "linear" needs labels, "ridge"
        targets. If examples are feature vectors, "inputs" replaces "pixels".
        All of these are for the first of `probe.outputs`. Every further output has a section of its
        name, such as "projection", with the same probes. "projection", if there is one, always has
        a short "geometry".
        "head" has the scores of a method that was trained with labels, on its own dataset.
        "finetune" comes with `probe.finetune` (`jcl.evaluation.finetune`). Two towers add
        "retrieval" (`jcl.evaluation.pairs`) and, if classes have names, "zero_shot"
        (`jcl.evaluation.zero_shot`). "planted" is there if bad pairs are planted. "cells" is there
        if examples have masks of their shapes and the encoder has a feature map
        (`jcl.evaluation.cells`). `jcl.probes.measure` has further scores for certain data.
        If an example has several images, each image is an example for the other probes. Without a
        test split nothing is predicted, and geometry is that of training examples. "settings" and
        "data" are the config's sections `probe` and `data`.

    Raises:
        UserError: no such checkpoint, a checkpoint that does not match the config or the data, data
            that cannot be read, or a file that cannot be written.
    """
    config = open_config(config)
    if export_features is not None:
        check_export(export_features)
    tokenizer = functools.partial(own_tokenizer, workdir, config.data.tokenizer)
    train = open_split(config, "train", tokenizer=tokenizer)
    test = open_test_split(config, tokenizer=tokenizer)
    if test is not None:
        check_same_size(config, train, test)
    elif concatenate:
        raise UserError(
            f"--concatenate compares what features predict, but data.name={config.data.name!r} has "
            "no test split: set data.held_out=0.1"
        )
    with (config := config.copy_and_resolve_references()).unlocked():
        # Nothing is trained with these values, and other data may be smaller than a batch.
        config.batch_size, config.total_steps = min(config.batch_size, len(train)), 1
    experiment = make_experiment(config, shape_of(train))
    check_finetuning(config, experiment.method)
    own = read_run_config(workdir)[0].data
    own_data = config.data.name == own.name or same_place(
        "data.name", own.name, config.data.name, None
    )
    # A head's predictions have no meaning for another dataset than the run's.
    own_head = own_data and config.data.get("label_key") == own.get("label_key")
    variables, at_step = _restore(experiment, workdir, step, with_head=own_head)
    suffix = "" if step is None else f"-{at_step}"
    suffix += "" if own_data else suffix_of_dataset(workdir, suffix, config.data.name)
    first, *others = config.probe.outputs
    pairs = None if test is None else embed_pairs(config, experiment.method, variables, test)
    of_pairs = _score_pairs(experiment, variables, train, test, pairs)
    whole_train, whole_test, train = train, test, every_image(train)
    test = None if test is None else every_image(test)
    shown = train if test is None else test
    draw_views = view_drawer(experiment)
    probe_first = prober(experiment, first, draw_views)
    scores, trained = probe_first(variables, train, test)
    about = {"settings": config.probe.to_dict(), "data": config.data.to_dict()}
    results = {"step": at_step, **about, **scores, **of_pairs}
    if test is not None:
        results |= score_cells(config, experiment.method, variables, train, test)
    results["remarks"] = remarks(config, workdir, whole_train, *trained)
    if own_head and test is not None and _has_prediction(experiment, variables, train, *trained):
        results["head"] = _score_head(experiment, variables, test, *trained)
    for name in others:
        results[name], _ = prober(experiment, name, draw_views)(variables, train, test)
    if PROJECTION not in config.probe.outputs:
        results |= _projection_geometry(experiment, variables, shown)
    if config.probe.baselines:
        # On one device, as the trained ones are, for which all is compiled.
        untrained = jax.device_get(experiment.init_state(make_mesh()).probed)
        results["untrained"], _ = probe_first(untrained, train, test)
        if test is not None:
            method = experiment.method
            results["untrained"] |= score_cells(config, method, untrained, train, test)
        if test is not None and train.image_shape is not None:
            raw = raw_inputs(train), raw_inputs(test)
            # Low-shot probes of thousands of pixels take minutes and score near chance.
            results["pixels"] = score_features(config, train, *raw, shares=())
        elif test is not None and "features" in experiment.data.example:
            raw = raw_inputs(train), raw_inputs(test)
            results["inputs"] = score_features(config, train, *raw, shares=config.probe.shares)

    path = results_file(workdir, suffix)
    write_results(path, results)
    if export_features is not None:
        save_features(export_features, *trained)
    # These may take long and fail, so all other results are written before.
    if concatenate:
        joined = concatenate_features(concatenate, first, trained, train, test)
        found = score_features(config, train, *joined, shares=config.probe.shares)
        results["concatenated"] = {"workdirs": [str(folder) for folder in concatenate], **found}
        write_results(path, results)
    if config.probe.finetune and _told_something(*trained):
        parts = _feature_parts(experiment.method, variables)
        results["finetune"] = finetune_shares(config, parts, train, test, *trained)
        write_results(path, results)
    figures = workdir / f"{FIGURES}{suffix}"
    draw(draw_views, workdir, figures, trained[1] or trained[0], shown)
    if pairs is not None:
        draw_retrieved(figures, pairs, whole_test)
    return results


def _told_something(train_features: Features, test_features: Features | None) -> bool:
    """Whether there are labels or targets for fine-tuning."""
    return test_features is not None and any(
        getattr(train_features, key) is not None and getattr(test_features, key) is not None
        for key in ("label", "target")
    )


def _restore(
    experiment: Experiment, workdir: Folder, step: int | None, *, with_head: bool
) -> tuple[Variables, int]:
    """The variables for probes from a checkpoint, in the precision of the config, and its step.

    A head is left out, because its outputs are the classes of the run's own dataset. The rest must
    match the config.
    """
    variables, at_step = read_variables(workdir, step)
    shapes = experiment.state_shapes(make_mesh())
    held = {"params": variables.params, "model_state": variables.model_state}
    needed = {"params": shapes.params, "model_state": shapes.model_state}
    if not with_head:
        head = declared(experiment.method, "head_parts")
        held, needed = (
            {
                kind: {part: value for part, value in tree.items() if part not in head}
                for kind, tree in trees.items()
            }
            for trees in (held, needed)
        )
    check_same_names(held, needed, f"the checkpoint of step {at_step}")
    dtype = image_dtype(experiment.config)
    variables = jax.tree.map(
        lambda x: jnp.asarray(x, dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x,
        variables._replace(**held),
    )
    return variables, at_step


def _score_pairs(
    experiment: Experiment,
    variables: Variables,
    train: Source,
    test: Source | None,
    pairs: EmbeddedPairs | None,
) -> dict:
    """Scores of pairs, for methods of two towers."""
    given = experiment.config, experiment.method, variables
    found = {"planted": score_planted(*given, train)}
    if pairs is not None:
        found["zero_shot"] = score_zero_shot(*given, test, pairs.images)
        found["retrieval"] = score_retrieval(pairs)
    return {name: scores for name, scores in found.items() if scores is not None}


def _projection_geometry(experiment: Experiment, variables: Variables, test: Source) -> dict:
    """The geometry of the projection, which shows a collapse, if the method has one."""
    config, method = experiment.config, experiment.method
    if PROJECTION not in output_names(config, method, variables, test):
        return {}
    apply = functools.partial(jax.jit(output_function(config, method, PROJECTION)), variables)
    return {PROJECTION: {"geometry": embedding_geometry(apply, test)}}


def _has_prediction(
    experiment: Experiment,
    variables: Variables,
    train: Source,
    train_features: Features,
    test_features: Features,
) -> bool:
    """Whether the method predicts its labels or targets, and both splits have them."""
    names = output_names(experiment.config, experiment.method, variables, train)
    return "prediction" in names and all(
        getattr(split, _told(experiment)) is not None for split in (train_features, test_features)
    )


def _told(experiment: Experiment) -> str:
    """The supervision of a method that predicts: "label" or "target"."""
    return "target" if "target" in experiment.method.needs else "label"


def _score_head(
    experiment: Experiment,
    variables: Variables,
    test: Source,
    train_features: Features,
    test_features: Features,
) -> dict:
    """Scores of the method's own predictions for the test split."""
    config, key = experiment.config, _told(experiment)
    predicted = predict_split(config, experiment.method, variables, test)
    truth = getattr(test_features, key), getattr(train_features, key)
    bin_width = config.probe.target_bin
    return score_predictions(predicted, *truth, needs=(key,), bin_width=bin_width)


def _feature_parts(method: Method, variables: Variables) -> dict[str, Variables]:
    """The parts of the networks that features depend on, by name."""
    params, model_state, _ = variables
    return {
        part: Variables(params[part], model_state.get(part, {}))
        for part in declared(method, "feature_parts")
    }


def _collapses(results: dict) -> Iterator[str]:
    """A sentence for each output that has collapsed."""
    first, *others = results["settings"]["outputs"]
    for name in dict.fromkeys([first, *others, PROJECTION]):
        scores = results if name == first else results.get(name, {})
        if said := collapse(name, scores.get("geometry", {})):
            yield said


def main(parsed) -> None:
    """The binary."""
    config, lines = parsed
    workdir = _WORKDIR.value
    export = Path(expanded(_EXPORT.value)) if _EXPORT.value else None
    for line in lines:
        print(line, file=sys.stderr)
    runtime.configure(config.precision, deterministic=config.deterministic)
    others = [Path(folder) for folder in _CONCATENATE.value or ()]
    results = evaluate(
        config, workdir, step=_STEP.value, export_features=export, concatenate=others
    )
    print(results_table(results))
    for said in results["remarks"]:
        print(f"\n{said}")
    for said in _collapses(results):
        print(f"\n{said}")
    print(f"\nscores and settings: {workdir}/results*.json; pictures: {workdir}/figures*")


def _parse(argv):
    said = []

    def config_of():
        config, lines = read_run_config(_WORKDIR.value)
        said.extend(lines)
        return config

    config, lines = cli.parse_config(argv, config_of, read_command_line)
    return config, [*said, *lines]


if __name__ == "__main__":
    _WORKDIR = cli.define_folder("workdir", "Folder of the run.")
    _STEP = flags.DEFINE_integer("step", None, "Step of the checkpoint; the newest by default.")
    _EXPORT = flags.DEFINE_string("export_features", None, "Save the features to this .npz file.")
    _CONCATENATE = flags.DEFINE_list(
        "concatenate", None, "Workdirs of other runs, to probe their features with the run's."
    )
    flags.mark_flag_as_required("workdir")
    cli.run(main, _parse)
