"""The tokenizer of a run, which is saved in its workdir."""

from pathlib import Path

from jcl.data.text.named import named_tokenizer
from jcl.data.text.tokenizer import Tokenizer, read_tokenizer
from jcl.errors import UserError
from jcl.runtime import workdir as workdir_lib


def write_kept(workdir: Path, tokenizer: Tokenizer | None) -> None:
    """Saves the tokenizer of a new run.

    Args:
        workdir: of the run, which has no checkpoint yet.
        tokenizer: None if the texts are not strings; this removes the file of an earlier launch.
    """
    path = workdir / workdir_lib.TOKENIZER
    if tokenizer is None:
        path.unlink(missing_ok=True)
    else:
        workdir_lib.write_atomically(path, tokenizer.json)


def read_kept(workdir: Path) -> Tokenizer | None:
    """The tokenizer of a run; None if its texts are not strings.

    Raises:
        UserError: it cannot be read.
    """
    path = workdir / workdir_lib.TOKENIZER
    return read_tokenizer(path) if path.exists() else None


def own_tokenizer(workdir: Path, named: str | None) -> Tokenizer:
    """The tokenizer of a run with checkpoints, whose networks depend on its token ids.

    Args:
        workdir: of the run.
        named: `data.tokenizer`. The file may have moved since; if it exists, it must be the same
            tokenizer.

    Raises:
        UserError: the workdir has none, or another one is named.
    """
    own = read_kept(workdir)
    if own is None:
        raise UserError(
            f"{workdir} has no {workdir_lib.TOKENIZER}, so its networks cannot read texts that are "
            "strings"
        )
    if named is not None and Path(named).exists() and not own.is_same(named_tokenizer(named)):
        raise UserError(
            f"data.tokenizer={named!r} is not the tokenizer of the run in {workdir}, which needs "
            f"its own, {workdir / workdir_lib.TOKENIZER}: leave data.tokenizer as it was"
        )
    return own
