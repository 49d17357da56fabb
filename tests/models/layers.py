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


def wide(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def relative_errors(results, exact):
    """Of every leaf, in the Euclidean norm."""
    pairs = zip(jax.tree.leaves(results), jax.tree.leaves(exact), strict=True)
    return [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs]
