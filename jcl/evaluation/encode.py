"""From raw inputs to the features that probes and notebooks use."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from jcl.augment.clips import evaluation_clip
from jcl.augment.crop import evaluation_view
from jcl.augment.image import examples_as_floats
from jcl.augment.views import IMAGES, VIDEOS
from jcl.data import Source
from jcl.errors import UserError
from jcl.experiment import image_dtype
from jcl.experiment.tables import option_of_views
from jcl.methods.base import Method, Variables

# Images per call when a whole dataset is embedded; results do not depend on it.
FEATURE_BATCH = 500


def output_function(
    config: ConfigDict, method: Method, name: str
) -> Callable[[Variables, Mapping[str, Any]], Float[Array, "N ..."]]:
    """Returns (variables, examples) -> one of the method's outputs.

    Examples are kind -> [N, ...] as in the dataset, images as bytes. If the config's views have a
    size, images are cropped to their centre of this size. Of videos, the clip in the middle is
    used.

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
    """The output of this name; raises UserError if the method has none for these inputs."""
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
    """Names of the method's outputs for such examples; nothing is computed."""

    def outputs(examples):
        return method.outputs(variables, evaluation_inputs(examples, config))

    return {*jax.eval_shape(outputs, source.batch(np.arange(1)))}


def evaluation_inputs(examples: Mapping[str, Any], config: ConfigDict) -> dict[str, Array]:
    """Network inputs from unaugmented examples: floats, and the middle of images and videos.

    Args:
        examples: kind -> [N, ...] as in the dataset.
        config: its views may have a `size` in pixels, and `frames` and `stride` of clips.
    """
    inputs = examples_as_floats(examples, image_dtype(config))
    size, frames = option_of_views(config, "size"), option_of_views(config, "frames")
    if IMAGES in inputs:
        inputs[IMAGES] = evaluation_view(inputs[IMAGES], size)
    if VIDEOS in inputs and frames is not None:
        stride = option_of_views(config, "stride") or 1
        inputs[VIDEOS] = evaluation_clip(inputs[VIDEOS], frames, stride)
    if VIDEOS in inputs:
        of_frame = functools.partial(evaluation_view, size=size)
        inputs[VIDEOS] = jax.vmap(of_frame, 1, 1)(inputs[VIDEOS])
    return inputs


def evaluation_size(config: ConfigDict) -> int | None:
    """Side in pixels of probes' images; None if it is only known from the data."""
    return option_of_views(config, "size") or config.data.get("image_size")
