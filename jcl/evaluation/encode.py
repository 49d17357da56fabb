"""From raw inputs to the features that probes and notebooks see."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Num
from ml_collections import ConfigDict

from jcl.augment.crop import evaluation_view
from jcl.augment.image import to_float
from jcl.errors import UserError
from jcl.experiment import image_dtype, make_method, open_config
from jcl.runtime import workdir as workdir_lib
from jcl.training.checkpoint import read_variables

# Images a call when a whole dataset is embedded; results do not depend on it.
FEATURE_BATCH = 500


def feature_function(
    config: ConfigDict, embed: Callable[..., Float[Array, "N D"]]
) -> Callable[..., Float[Array, "N D"]]:
    """Returns (params, model_state, inputs) -> what a method's `features` or `project` gives.

    Inputs are images uint8 [N, H, W, C], or vectors float [N, F]. Where the config's views have a
    size of their own, the method sees the centre of that size.
    """
    size, dtype = config.views.get("size"), image_dtype(config)

    def features(params, model_state, inputs: Num[Any, "N ..."]) -> Float[Array, "N D"]:
        found = embed(params, model_state, evaluation_inputs(inputs, size, dtype))
        return found.astype(dtype)  # a network may compute in bfloat16

    return features


def evaluation_inputs(
    inputs: Num[Any, "N ..."], size: int | None, dtype: DTypeLike
) -> Float[Array, "N ..."]:
    """What networks see of inputs as they are: floats, of images the centre of that size."""
    inputs = to_float(inputs, dtype)
    return evaluation_view(inputs, size) if inputs.ndim == 4 else inputs


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
    apply = feature_function(config, make_method(config).features)
    size = config.data.get("image_size")

    def features(params, images):
        if size is not None and images.shape[1:3] != (size, size):
            raise UserError(
                f"the encoder of {workdir} was trained on images brought to {size}x{size} "
                f"(data.image_size), but these are {images.shape[1]}x{images.shape[2]}"
            )
        return apply(params["params"], params["model_state"], images)

    variables, _ = read_variables(workdir, step)
    return jax.jit(features), variables._asdict()
