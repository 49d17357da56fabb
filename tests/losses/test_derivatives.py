"""Which derivatives beyond the gradient there are, as `jcl.losses` says."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jcl.losses
from tests.losses.contrastive_formulas import two_view_loss
from tests.losses.engine.test_door import ARGUMENTS

BY_HAND = ("bimodal_sogclr", "dcl", "info_nce", "nt_xent", "sogclr", "supcon")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_forward_mode(name):
    arrays, others = ARGUMENTS[name]
    arrays = {argument: jnp.asarray(x[:2]) for argument, x in arrays.items()}
    if name == "soft_info_nce":
        arrays["targets"] = arrays["targets"][:, :2]
    (first, z), *_ = arrays.items()

    def loss(z):
        return jax.tree.leaves(getattr(jcl.losses, name)(**{**arrays, first: z}, **others))[0].sum()

    if name not in BY_HAND:
        assert jax.eval_shape(jax.hessian(loss), z).shape == 2 * z.shape
        return
    with pytest.raises(TypeError, match="forward-mode"):
        jax.eval_shape(jax.hessian(loss), z)
    assert f"`{name}`" in jcl.losses.__doc__


def test_second_derivatives_of_gradients_by_hand():
    z0, z1 = np.random.default_rng(0).normal(size=(2, 2, 2))
    with jax.enable_x64(True):
        loss = partial(jcl.losses.nt_xent, z1=jnp.asarray(z1), temperature=0.3)
        second = jax.jit(jax.jacrev(jax.grad(loss)))(jnp.asarray(z0))
    for position in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[position] = 1e-6
        above, below = (
            two_view_loss(z0 + d, z1, 0.3, decoupled=False)[1][0] for d in (step, -step)
        )
        np.testing.assert_allclose(second[position], (above - below) / 2e-6, atol=1e-8)
