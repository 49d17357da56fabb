"""A column in the place of one value for every example is refused."""

import jax.numpy as jnp
import pytest

from jcl.errors import UserError
from jcl.methods.genview import GenView
from jcl.methods.parts.known import one_each
from jcl.methods.san import SAN
from jcl.methods.sepclr import SepCLR
from tests.methods.contract import Normalised

Z = jnp.ones((4, 2, 3))


def test_values_are_passed_on():
    values = jnp.arange(4)
    assert one_each({"origin": values}, "origin") is values


@pytest.mark.parametrize(
    ("kind", "options", "embeddings", "key"),
    [
        (GenView, {}, Z, "quality"),
        (SepCLR, {}, {"common": Z, "salient": Z}, "background"),
        (SAN, {"n_classes": 2}, {"projection": Z, "logits": Z, "features": Z[:, 0]}, "origin"),
    ],
)
def test_a_column_is_refused(kind, options, embeddings, key):
    method = kind(encoder=Normalised(), projector=Normalised(), **options)
    batch = {key: jnp.ones((4, 1)), "label": jnp.zeros(4, jnp.int32)}
    with pytest.raises(UserError, match=rf"one {key} of every example, .* has \[n, 1\]"):
        method.objective(None, embeddings, batch, None, None, None)
