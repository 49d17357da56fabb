"""From raw inputs to the features that probes and notebooks see."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from jcl.augment.clips import evaluation_clip
from jcl.augment.crop import evaluation_view
from jcl.augment.image import examples_as_floats
from jcl.augment.views import FEATURES, IMAGES, VIDEOS
from jcl.data import Source
from jcl.errors import UserError
from jcl.experiment import image_dtype, method_of, open_config
from jcl.experiment.tables import named_options
from jcl.methods.base import Method, Variables
from jcl.runtime import workdir as workdir_lib
from jcl.training.checkpoint import read_variables

# Images a call when a whole dataset is embedded; results do not depend on it.
FEATURE_BATCH = 500


def output_function(
    config: ConfigDict, method: Method, name: str
) -> Callable[[Variables, Mapping[str, Any]], Float[Array, "N ..."]]:
    """Returns (variables, examples) -> one of the method's outputs.

    Examples are kind -> [N, ...] as data have them, images as bytes. Where the config's views have
    a size of their own, the method sees the centre of that size; of videos, the clip in the middle.

    Args:
        config: of the run.
        method: of the run.
        name: of the output, such as "features".
    """

    def output(variables: Variables, examples: Mapping[str, Any]) -> Float[Array, "N ..."]:
        found = chosen_output(method, variables, evaluation_inputs(examples, config), name)
        return found.astype(image_dtype(config))  # a network may compute in bfloat16

    return output


def chosen_output(
    method: Method, variables: Variables, inputs: Mapping[str, Array], name: str
) -> Float[Array, "N ..."]:
    """The output of that name; raises UserError where the method has none for these inputs."""
    found = method.outputs(variables, inputs)
    if name not in found:
        raise UserError(
            f"the output {name!r} is asked for, but the method has {', '.join(found)} of examples "
            f"with {', '.join(inputs)}"
        )
    return found[name]


def output_names(
    config: ConfigDict, method: Method, variables: Variables, source: Source
) -> set[str]:
    """Names of the outputs that the method has of such examples; nothing is computed."""

    def outputs(examples):
        return method.outputs(variables, evaluation_inputs(examples, config))

    return {*jax.eval_shape(outputs, source.batch(np.arange(1)))}


def evaluation_inputs(examples: Mapping[str, Any], config: ConfigDict) -> dict[str, Array]:
    """What networks see of examples as they are: floats, and the middle of images and videos.

    Args:
        examples: kind -> [N, ...] as data have them.
        config: whose views may have a `size` of their own in pixels, and `frames` and `stride` of
            clips.
    """
    inputs = examples_as_floats(examples, image_dtype(config))
    size, frames = _of_views(config, "size"), _of_views(config, "frames")
    if IMAGES in inputs:
        inputs[IMAGES] = evaluation_view(inputs[IMAGES], size)
    if VIDEOS in inputs and frames is not None:
        inputs[VIDEOS] = evaluation_clip(inputs[VIDEOS], frames, _of_views(config, "stride") or 1)
    if VIDEOS in inputs:
        of_frame = functools.partial(evaluation_view, size=size)
        inputs[VIDEOS] = jax.vmap(of_frame, 1, 1)(inputs[VIDEOS])
    return inputs


def _of_views(config: ConfigDict, key: str) -> Any:
    """An option of the recipe of views, its default where it is not set; None where it has none."""
    value, taken = config.views.get(key), named_options("views", config.views.name)
    return taken[key].default if value is None and key in taken else value


def load(workdir: str | Path, step: int | None = None) -> tuple[Callable, dict]:
    """Opens a trained encoder; the workdir is all it needs.

    Args:
        workdir: of a run.
        step: which checkpoint; None takes the newest.

    Returns:
        features: a jitted function (params, images uint8 [N, H, W, C], vectors float [N, F] or
            videos uint8 [N, T, H, W, C]) -> float [N, D], with BatchNorm in inference mode. Other
            examples are given as a dict: {"text": ids, "text_mask": mask}, which the run's
            tokenizer makes of strings (`jcl.data.text.kept.read_kept`).
        params: what to call it with: the moving average of the weights where the run kept one, and
            the networks' running statistics.

    Raises:
        jcl.errors.UserError: not a workdir, no such checkpoint, or one that cannot be read; from
            `features`, images of another size than the run's `data.image_size`, where it has one.

    Example:
        >>> features, params = jcl.load("runs/quickstart")  # doctest: +SKIP
        >>> features(params, images).shape  # doctest: +SKIP
        (16, 128)
    """
    config = open_config(workdir_lib.read_config(Path(workdir)))
    apply = output_function(config, method_of(workdir), "features")
    size = config.data.get("image_size")

    def features(params, images):
        if isinstance(images, dict):
            return apply(Variables(**params), images)
        if size is not None and images.shape[1:3] != (size, size):
            raise UserError(
                f"the encoder of {workdir} was trained on images brought to {size}x{size} "
                f"(data.image_size), but these are {images.shape[1]}x{images.shape[2]}"
            )
        kind = {4: IMAGES, 5: VIDEOS}.get(images.ndim, FEATURES)
        return apply(Variables(**params), {kind: images})

    variables, _ = read_variables(workdir, step)
    return jax.jit(features), variables._asdict()
