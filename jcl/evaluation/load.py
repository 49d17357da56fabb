"""`jcl.load`: a trained encoder, from its workdir alone."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from jcl.augment.pairs import TEXT
from jcl.augment.views import FEATURES, IMAGES, VIDEOS
from jcl.data.identity import Identity
from jcl.data.text.kept import read_kept
from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError
from jcl.evaluation.encode import output_function
from jcl.evaluation.encoder_inputs import MASK, EncoderInputs
from jcl.evaluation.preprocess import Preprocess
from jcl.experiment import method_of, read_run_config
from jcl.experiment.tables import named_options, option_of_views
from jcl.methods.base import Method, Variables
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import folder_at
from jcl.training.checkpoint import read_variables

_RANKS = {IMAGES: 3, FEATURES: 1, VIDEOS: 4, TEXT: 1}


class Encoder:
    """One output of trained networks as a function of parameters and inputs.

    It may be called inside `jax.jit` and other JAX transformations. Outside of these, inputs are
    fully checked. Inside, only their shape and dtype are checked, because values are not known.

    Attributes:
        preprocess: images of any size -> a batch that the function takes
            (`jcl.evaluation.preprocess`), or the frames of a video -> one example; None if inputs
            are not images.
        input_shape: of one example, such as (H, W, C); None for a size that may vary, or that a run
            of an older jcl did not record.
    """

    preprocess: Preprocess | None
    input_shape: tuple[int | None, ...]

    def __init__(
        self,
        config: ConfigDict,
        method: Method,
        output: str,
        inputs: EncoderInputs,
        *,
        recorded: bool,
    ):
        self._inputs, self._recorded = inputs, recorded
        self._apply = jax.jit(output_function(config, method, output))
        self.input_shape = inputs.shape
        self.preprocess = _preprocess(config, inputs)

    def __call__(self, params: Any, inputs: Any) -> Float[Array, "N ..."]:
        """The output for a batch.

        Args:
            params: from `load`.
            inputs: [N, ...] in the form of the run's data, or a mapping with them under their kind.
                Images [N, H, W, C] and videos [N, T, H, W, C] are bytes 0 to 255, or floats 0 to 1
                that are bytes divided by 255 (uint16 and 65535 if the run had uint16). Feature
                vectors are floats [N, F]. Texts are {"text": ids [N, L], "text_mask": [N, L]}.

        Returns:
            One row per example, with BatchNorm in inference mode.

        Raises:
            jcl.errors.UserError: inputs unlike those that the encoder was trained on.
        """
        if not isinstance(params, Mapping) or {*params} != {*Variables._fields}:
            raise UserError(
                f"{self._inputs.said} is called with other params than jcl.load returned: give "
                "these, and the inputs after them"
            )
        expected = self._inputs if self._recorded else _like(inputs, self._inputs)
        examples = expected.checked(inputs)
        try:
            return self._apply(Variables(**params), examples)
        except flax.errors.ScopeParamShapeError as error:  # no record of the shape said so before
            x = examples[expected.kind]
            raise UserError(
                f"{expected.said} was not trained on {expected.kind} like "
                f"{x.dtype}{list(x.shape)}: {str(error).split('(http')[0].strip()}"
            ) from error


def load(
    workdir: str | Path, step: int | str | None = None, *, output: str = "features"
) -> tuple[Encoder, dict]:
    """Opens a trained encoder; the workdir is all it needs.

    Args:
        workdir: of a run.
        step: step of the checkpoint; None takes the newest.
        output: of the method, such as "features", "projection" or "text/features".

    Returns:
        function: (params, inputs [N, ...]) -> float [N, D]: see `Encoder`, also for
            `function.preprocess` and `function.input_shape`.
        params: the first argument of the function: the weights, or their moving average if the run
            kept one, and the networks' running statistics.

    Raises:
        jcl.errors.UserError: not a workdir, no such checkpoint or output, or a checkpoint that
            cannot be read.

    Example:
        >>> features, params = jcl.load("runs/quickstart")  # doctest: +SKIP
        >>> features(params, features.preprocess(["a.jpg", "b.png"])).shape  # doctest: +SKIP
        (2, 128)
    """
    workdir = folder_at(str(workdir))
    config, _ = read_run_config(workdir)  # a teacher may need its paths
    method = method_of(workdir)
    variables, _ = read_variables(workdir, None if step is None else int(step))
    data = workdir_lib.read_data(workdir)
    said, tokenizer = f"the encoder of {workdir}", read_kept(workdir)
    inputs = _inputs_of(said, config, data, output, tokenizer)
    encoder = Encoder(config, method, output, inputs, recorded=bool(data))
    if None not in inputs.shape:
        _check_output(config, method, variables, inputs, output)
    return encoder, variables._asdict()


def _inputs_of(
    said: str,
    config: ConfigDict,
    data: Identity | None,
    output: str,
    tokenizer: Tokenizer | None,
) -> EncoderInputs:
    """The inputs that the run recorded; for older runs, those of their config."""
    kinds = (TEXT,) if output.startswith(f"{TEXT}/") else (IMAGES, FEATURES, VIDEOS, TEXT)
    example = data["example"] if data else {}
    kind = next((kind for kind in kinds if kind in example), kinds[0])
    dtype, shape = example.get(kind, ("uint8", [None] * _RANKS[kind]))
    shape = shape[-_RANKS[kind] :]  # an example may have several images or texts
    if kind == IMAGES and (size := config.data.get("image_size")):
        shape = [size, size, shape[-1]]
    if kind == VIDEOS and option_of_views(config, "frames") is not None:
        shape = [None, *shape[1:]]  # the clip in the middle, of any number of frames
    vocabulary = _vocabulary(config, tokenizer) if kind == TEXT else None
    return EncoderInputs(said, kind, tuple(shape), dtype, MASK in example, vocabulary)


def _like(given: Any, inputs: EncoderInputs) -> EncoderInputs:
    """The likely inputs of a run without a record; the rank tells the kind."""
    if inputs.kind == TEXT:
        return inputs
    if isinstance(given, Mapping):
        kind = next((kind for kind in given if kind in _RANKS), inputs.kind)
    else:
        ranks = {1 + rank: kind for kind, rank in _RANKS.items() if kind != TEXT}
        kind = ranks.get(np.ndim(given), inputs.kind)
    if kind == inputs.kind:
        return inputs
    return dataclasses.replace(inputs, kind=kind, shape=(None,) * _RANKS[kind])


def _vocabulary(config: ConfigDict, tokenizer: Tokenizer | None) -> int | None:
    if tokenizer is not None:
        return tokenizer.size
    taken = named_options("text_encoder", config.text_encoder.name)
    given = config.text_encoder.get("vocabulary")
    return given or (taken["vocabulary"].default if "vocabulary" in taken else None)


def _check_output(
    config: ConfigDict, method: Method, variables: Variables, inputs: EncoderInputs, output: str
) -> None:
    """Raises UserError if the method has no such output."""
    shapes = {inputs.kind: jax.ShapeDtypeStruct((1, *inputs.shape), jnp.dtype(inputs.dtype))}
    if inputs.masked and inputs.kind == TEXT:
        shapes[MASK] = jax.ShapeDtypeStruct((1, *inputs.shape), bool)
    jax.eval_shape(output_function(config, method, output), variables, shapes)


def _preprocess(config: ConfigDict, inputs: EncoderInputs) -> Preprocess | None:
    if inputs.kind not in (IMAGES, VIDEOS):
        return None
    height, width, channels = inputs.shape[-3:]
    size = config.data.get("image_size") or (height if height == width else None)
    value_range = config.data.get("image_range")
    decoding = {} if value_range is None else {"image_range": value_range}
    return Preprocess(inputs.said, size, (height, width, channels), decoding)
