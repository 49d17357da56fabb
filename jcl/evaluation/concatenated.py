"""Features of several runs side by side, as one."""

import functools
from collections.abc import Sequence
from pathlib import Path

import flax.errors
import jax
import numpy as np

from jcl.augment.pairs import TEXT
from jcl.data import Source
from jcl.data.text.kept import read_kept
from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.experiment import method_of, read_run_config
from jcl.methods.base import declared
from jcl.probes import Features, extract
from jcl.probes.unit import unit
from jcl.runtime.folder import folder_at
from jcl.training.checkpoint import read_variables


def concatenate_features(
    workdirs: Sequence[Path],
    name: str,
    features: tuple[Features, Features],
    train: Source,
    test: Source,
) -> tuple[Features, Features]:
    """Concatenates the unit rows of other runs, in their order, and given ones, for both splits.

    Args:
        workdirs: of the other runs; their newest checkpoints are used.
        name: of the output, such as "features".
        features: this output of one more run, for both splits.
        train: the training split.
        test: the test split.

    Raises:
        UserError: no such run, or its networks do not take these examples.
    """
    tokenizer = getattr(train, "tokenizer", None)
    parts = [[] for _ in features]
    for workdir in workdirs:
        config, _ = read_run_config(folder_at(str(workdir)))
        variables, _ = read_variables(workdir, None)
        method = method_of(workdir)
        of_text = name.startswith(f"{TEXT}/") or "text_encoder" in declared(method, "feature_parts")
        if tokenizer is not None and of_text:
            _check_tokenizer(workdir, tokenizer)
        apply = functools.partial(jax.jit(output_function(config, method, name)), variables)
        for split, found in zip((train, test), parts, strict=True):
            batch_size = min(FEATURE_BATCH, len(split))
            try:
                found.append(extract(apply, split, batch_size=batch_size).features)
            except flax.errors.ScopeParamShapeError as error:
                raise UserError(
                    f"--concatenate={workdir}: its networks do not take these examples: "
                    f"{str(error).split('(http')[0].strip()}"
                ) from error
    joined = []
    for own, found in zip(features, parts, strict=True):
        rows = [unit(part).astype(np.float32) for part in (*found, own.features)]
        joined.append(own._replace(features=np.concatenate(rows, axis=1)))
    return joined[0], joined[1]


def _check_tokenizer(workdir: Path, tokenizer: Tokenizer) -> None:
    """Raises UserError if the token ids of these examples mean other tokens to the other run."""
    theirs = read_kept(folder_at(str(workdir)))
    if theirs is None or not theirs.is_same(tokenizer):
        raise UserError(
            f"--concatenate={workdir}: its tokenizer is another one, so its networks would read "
            "other texts; train both runs with one data.tokenizer"
        )
