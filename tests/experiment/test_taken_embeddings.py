"""Token embeddings of another run are taken with its tokenizer or not at all."""

import re

import jax.numpy as jnp
import pytest

from jcl.data.text.bpe import train_bpe
from jcl.data.text.kept import write_kept
from jcl.errors import UserError
from jcl.experiment import check_taken_embeddings

OWN, OTHER = (train_bpe([text] * 3, 270) for text in ("a red disc", "the blue square"))
TABLE = {"token_embedding": {"embedding": jnp.zeros(2)}, "norm": {"scale": jnp.zeros(2)}}
PARAMS = {"text_encoder": TABLE, "encoder": {"kernel": jnp.zeros(2)}}


@pytest.fixture
def runs(tmp_path):
    """Workdirs: of the same tokenizer, of another, and without one."""
    for name, tokenizer in (("same", OWN), ("other", OTHER), ("none", None)):
        (tmp_path / name).mkdir()
        if tokenizer is not None:
            write_kept(tmp_path / name, tokenizer)
    return tmp_path


def taken(runs, *pairs):
    return [{"part": part, "workdir": str(runs / name), "step": 1} for part, name in pairs]


@pytest.mark.parametrize(
    "pairs",
    [
        [("everything", "same")],
        [("encoder", "other")],
        [("text_encoder/norm", "other")],
        [("text_encoder", "none")],
        [("text_encoder/token.*", "same"), (".*", "other")],
        [],
    ],
)
def test_what_fits(runs, pairs):
    check_taken_embeddings(PARAMS, taken(runs, *pairs), OWN)


@pytest.mark.parametrize(
    "pairs", [[("everything", "other")], [("encoder", "same"), ("text_encoder", "other")]]
)
def test_embeddings_of_other_tokens_are_refused(runs, pairs):
    path = runs / "other"
    message = (
        f"init_from takes text_encoder/token_embedding/embedding from {path}, whose tokenizer is "
        f"another: set data.tokenizer={str(path / 'tokenizer.json')!r}"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        check_taken_embeddings(PARAMS, taken(runs, *pairs), OWN)
    check_taken_embeddings(PARAMS, taken(runs, *pairs), None)  # of ids nothing is known


def test_a_workdir_on_googles_storage_is_looked_at_there(monkeypatch):
    looked_at = []
    monkeypatch.setattr("jcl.experiment.taken_embeddings.read_kept", looked_at.append)
    origin = {"part": "everything", "workdir": "gs://bucket/run", "step": 1}
    check_taken_embeddings(PARAMS, [origin], OWN)
    assert [str(folder) for folder in looked_at] == ["gs://bucket/run"]
