"""From raw inputs to the features that probes and notebooks see."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from jcl.augment.crop import evaluation_view
from jcl.augment.image import examples_as_floats
from jcl.data import Source
from jcl.errors import UserError
from jcl.experiment import image_dtype, make_method, open_config
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
    a size of their own, the method sees the centre of that size.

    Args:
        config: of the run.
        method: of the run.
        name: of the output, such as "features".
    """
    size, dtype = config.views.get("size"), image_dtype(config)

    def output(variables: Variables, examples: Mapping[str, Any]) -> Float[Array, "N ..."]:
        found = chosen_output(method, variables, evaluation_inputs(examples, size, dtype), name)
        return found.astype(dtype)  # a network may compute in bfloat16

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
    size, dtype = config.views.get("size"), image_dtype(config)

    def outputs(examples):
        return method.outputs(variables, evaluation_inputs(examples, size, dtype))

    return {*jax.eval_shape(outputs, source.batch(np.arange(1)))}


def evaluation_inputs(
    examples: Mapping[str, Any], size: int | None, dtype: DTypeLike
) -> dict[str, Array]:
    """What networks see of examples as they are: floats, of images the centre of that size."""
    inputs = examples_as_floats(examples, dtype)
    if "image" in inputs:
        inputs["image"] = evaluation_view(inputs["image"], size)
    return inputs


def load(workdir: str | Path, step: int | None = None) -> tuple[Callable, dict]:
    """Opens a trained encoder; the workdir is all it needs.

    Args:
        workdir: of a run.
        step: which checkpoint; None takes the newest.

    Returns:
        features: a jitted function (params, images uint8 [N, H, W, C] or vectors float [N, F]) ->
            float [N, D], with BatchNorm in inference mode.
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
    apply = output_function(config, make_method(config), "features")
    size = config.data.get("image_size")

    def features(params, images):
        if size is not None and images.shape[1:3] != (size, size):
            raise UserError(
                f"the encoder of {workdir} was trained on images brought to {size}x{size} "
                f"(data.image_size), but these are {images.shape[1]}x{images.shape[2]}"
            )
        kind = "image" if images.ndim == 4 else "features"
        return apply(Variables(**params), {kind: images})

    variables, _ = read_variables(workdir, step)
    return jax.jit(features), variables._asdict()
