"""Checks that token embeddings from another run belong to the same tokenizer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jcl.data.text.kept import read_kept
from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError
from jcl.optim.patterns import matches, parameter_name
from jcl.runtime.folder import folder_at
from jcl.runtime.workdir import TOKENIZER
from jcl.training.warm_start import is_file

PyTree = Any
_PART = "token_embedding"  # the parameter's name in jcl's text encoders


def check_taken_embeddings(
    params: PyTree, origins: Sequence[Mapping[str, Any]], own: Tokenizer | None
) -> None:
    """Raises UserError if token embeddings come from a run with another tokenizer.

    Their shapes may agree, and every token would have the vector of another one. Of a file of
    weights the tokenizer is the `tokenizer.json` beside it, where there is one.

    Args:
        params: of the new run.
        origins: from `jcl.training.warm_start`, {"workdir", "part"} each.
        own: tokenizer of the new run; None if its examples hold token ids, whose tokenizer is not
            known.
    """
    names = [parameter_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    names = [name for name in names if _PART in name.split("/")]
    for name in names if own is not None else ():
        taken = (o for o in origins if o["part"] == "everything" or matches(o["part"], name))
        workdir = next((origin["workdir"] for origin in taken), None)
        if workdir is None:
            continue
        folder = Path(workdir).parent if is_file(workdir) else folder_at(workdir)
        other = read_kept(folder)
        if other is not None and not own.is_same(other):
            raise UserError(
                f"init_from takes {name} from {workdir}, whose tokenizer is another: set "
                f"data.tokenizer={str(folder / TOKENIZER)!r}"
            )
