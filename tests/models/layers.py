"""Trains a layer for one step, to compare it with the layers that it stands for."""

import jax
import jax.numpy as jnp
import numpy as np


def trained(model, x, weights, *, spread=0.5):
    """Outputs, running statistics, and the gradients of a loss by parameters and input.

    Parameters are the initial ones and noise of that spread: scales begin at one, biases at zero.
    """
    variables = model.init(jax.random.key(0), x, train=True)
    leaves, tree = jax.tree.flatten(variables["params"])
    random = np.random.RandomState(1)
    leaves = [jnp.asarray(leaf + spread * random.randn(*leaf.shape), leaf.dtype) for leaf in leaves]
    params, stats = jax.tree.unflatten(tree, leaves), variables["batch_stats"]

    def loss(params, x):
        out, changed = model.apply(
            {"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"]
        )
        return jnp.sum(jnp.sin(out.astype(weights.dtype)) * weights), (out, changed)

    gradients, (out, changed) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, x)
    evaluated = model.apply({"params": params, **changed}, x, train=False)
    return out, changed, evaluated, gradients


def check_same(plain, ours, x, weights):
    """Both have parameters of the same names, shapes and first values, and the same results."""
    expected, found = (trained(model, x, weights) for model in (plain, ours))
    assert jax.tree.structure(expected) == jax.tree.structure(found)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), expected, found)


def check_rounding(plain, ours, x, weights, *, dtype):
    """In `dtype`, ours is at most about twice as far from float64 as the plain layer is.

    Args:
        plain: makes a layer of a dtype and a dtype of parameters.
        ours: likewise.
        x: float64.
        weights: float64.
        dtype: of both layers; their parameters are float32.
    """
    x = x.astype(dtype).astype(jnp.float64)
    exact = wide(trained(plain(jnp.float64, jnp.float64), x, weights))
    given = x.astype(dtype), weights.astype(jnp.float32)
    theirs, found = (
        relative_errors(wide(trained(model(dtype, jnp.float32), *given)), exact)
        for model in (plain, ours)
    )
    tiny = float(jnp.finfo(dtype).eps) / 4
    for one, other in zip(found, theirs, strict=True):
        assert one <= 2 * other + tiny


def wide(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def relative_errors(results, exact):
    """Of every leaf, in the Euclidean norm."""
    pairs = zip(jax.tree.leaves(results), jax.tree.leaves(exact), strict=True)
    return [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs]
