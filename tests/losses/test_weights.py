"""Weights of examples: the value by its definition, its gradient by finite differences of that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses import dcl, info_nce, nt_xent, supcon
from tests.losses.test_two_view_losses import meshes, shard

LABELS = np.array([4, 0, 4, 1, 1, 4, 7, 2])
WEIGHTS = np.array([1.5, 0, 2, 0.25, 1, 0, 3, 0.5])
LOSSES = {
    "nt_xent": nt_xent,
    "dcl": dcl,
    "dclw": lambda *views, **options: dcl(*views, weight_sigma=0.5, **options),
    "info_nce": info_nce,
    "supcon": lambda *views, **options: supcon(*views, jnp.asarray(LABELS), **options),
}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def hard_weights(views):
    """DCLW's own, of all anchors, by an example."""
    exponential = np.exp(np.sum(np.prod(unit(views), axis=0), axis=-1) / 0.5)
    return 2 - exponential / exponential.mean()


def weighted(name, views, temperature, own_weights):
    """Sum of weight times anchor value over the number of anchors, an anchor at a time."""
    x, y = unit(views)
    total = 0.0
    for i, weight in enumerate(WEIGHTS):
        others = np.arange(len(x)) != i
        for anchor, partner, same, other in ((x, y, x, y), (y, x, y, x)):
            positive = anchor[i] @ partner[i] / temperature
            near, far = (np.exp(anchor[i] @ z[others].T / temperature) for z in (same, other))
            if name == "info_nce":
                value = np.log(np.exp(positive) + far.sum()) - positive
            elif name == "nt_xent":
                value = np.log(np.exp(positive) + near.sum() + far.sum()) - positive
            elif name == "supcon":
                match = LABELS[others] == LABELS[i]
                matching = [positive, *np.log(near[match]), *np.log(far[match])]
                value = np.log(np.exp(positive) + near.sum() + far.sum()) - np.mean(matching)
            else:
                value = np.log(near.sum() + far.sum()) - own_weights[i] * positive
            total += weight * value
    return total / (2 * len(x))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("layout", ["one device", "4x2"])
def test_value_and_gradient(name, layout):
    random = np.random.default_rng(3)
    views, direction = random.normal(size=(2, 2, 8, 4))
    own_weights = hard_weights(views) if name == "dclw" else np.ones(8)
    mesh = None if layout == "one device" else meshes()[layout]

    def loss(z0, z1, temperature, weights):
        return LOSSES[name](z0, z1, temperature=temperature, weights=weights, mesh=mesh)

    with jax.enable_x64(True):
        inputs = *views, WEIGHTS
        z0, z1, weights = inputs if mesh is None else shard(mesh, *inputs)
        quickly = {"xla_backend_optimization_level": 0}
        compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3)), compiler_options=quickly)
        value, (*gradients, of_temperature, of_weights) = compiled(z0, z1, 0.3, weights)
    np.testing.assert_allclose(value, weighted(name, views, 0.3, own_weights), rtol=1e-12)
    step = 1e-5
    above, below = (
        weighted(name, views + s * direction, 0.3 + s, own_weights) for s in (step, -step)
    )
    slope = np.sum(np.stack(gradients) * direction) + of_temperature
    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-7)
    assert not np.any(of_weights)
