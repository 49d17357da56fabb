"""Networks of one linear layer each, and the same in NumPy, for methods that predict views."""

import jax
import jax.numpy as jnp
import numpy as np

from jcl.methods.clock import Clock
from jcl.models.projector import MLP

CLOCK = Clock(step=3, steps_per_epoch=4, total_steps=10)
EXAMPLES, INPUTS, WIDTH = 6, 7, 5


def layer():
    """A network of float64."""
    types = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    return MLP(output_dim=WIDTH, layers=1, norm="none", **types)


def views():
    """Two views of vectors."""
    random = np.random.RandomState(0)
    return {"features": jnp.asarray(random.normal(size=(EXAMPLES, 2, INPUTS)))}


def started(method):
    """What the method owns, drawn."""
    return jax.jit(lambda key: method.init(key, views(), None))(jax.random.key(0))


def drawn_like(tree, seed):
    """Arrays of these shapes."""
    random = np.random.RandomState(seed)
    return jax.tree.map(lambda leaf: random.normal(size=leaf.shape), tree)


def through(params, x, *names):
    """Passes rows through layers, in NumPy."""
    for name in names:
        dense = params[name]["dense0"]
        x = x @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])
    return x


def cosines(a, b):
    """Of rows [..., d], in NumPy."""
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def loss_and_gradient(method, variables):
    """Of one step's embeddings and objective by the parameters, and the outcome."""

    def loss(params):
        now = variables._replace(params=params)
        embeddings = method.embed(now, views(), None).embeddings
        outcome = method.objective(now, embeddings, {}, CLOCK, None, None)
        return outcome.loss, outcome

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(variables.params)


def assert_is_gradient(gradient, formula, params):
    """The slope of `formula(params)` in some direction is the gradient's."""
    direction = drawn_like(params, 1)

    def value(distance):
        return formula(jax.tree.map(lambda x, d: np.asarray(x) + distance * d, params, direction))

    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    products = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), gradient, direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=1e-6)
    assert abs(slope) > 1e-2
