"""NNCLR, and NNCLR with DCL, against formulas in NumPy float64."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data.dataset_shape import images_of
from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.nnclr import NNCLR
from jcl.methods.nnclr_dcl import NNCLRDCL, one_way_dcl
from tests.methods.contract import Normalised

TEMPERATURE, QUEUE, BATCH, WIDTH = 0.3, 12, 4, 5


def method(kind=NNCLR, **options):
    options = {"temperature": TEMPERATURE, "queue_size": QUEUE, **options}
    return kind(nn.Dense(1), nn.Dense(1), **options, predictor=nn.Dense(1))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def draw(seed=0):
    random = np.random.default_rng(seed)
    z, p = random.normal(size=(2, BATCH, 2, WIDTH))
    return z, p, unit(random.normal(size=(QUEUE, WIDTH)))


def cross_entropy(neighbours, predictions, *, positive):
    """Of neighbours with all predictions; with or without the positive in the denominator."""
    total = 0
    for i, neighbour in enumerate(neighbours):
        logits = [neighbour @ p / TEMPERATURE for p in unit(predictions)]
        below = [np.exp(x) for j, x in enumerate(logits) if positive or j != i]
        total += np.log(sum(below)) - logits[i]
    return total / len(neighbours)


def formula(z, p, queue, *, positive=True):
    neighbours = [queue[np.argmax(unit(z[:, v]) @ queue.T, axis=1)] for v in (0, 1)]
    pairs = (neighbours[0], p[:, 1]), (neighbours[1], p[:, 0])
    return sum(cross_entropy(*pair, positive=positive) for pair in pairs) / 2


def evaluate(kind, z, p, queue):
    nnclr = method(kind)

    def loss(embeddings, queue):
        variables = Variables({}, {}, {"rows": queue, "position": jnp.int32(0)})
        outcome = nnclr.objective(variables, embeddings, {}, None, None, None)
        return outcome.loss, outcome

    with jax.enable_x64(True):
        given = {"projection": jnp.asarray(z), "prediction": jnp.asarray(p)}, jnp.asarray(queue)
        found = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(*given)
        return jax.tree.map(np.asarray, found)


@pytest.mark.parametrize("kind", [NNCLR, NNCLRDCL])
def test_loss_and_gradient_against_numpy(kind):
    z, p, queue = draw()
    options = {"positive": kind is NNCLR}
    (loss, outcome), (gradient, of_queue) = evaluate(kind, z, p, queue)
    np.testing.assert_allclose(loss, formula(z, p, queue, **options), rtol=1e-12)
    chosen = queue[np.argmax(unit(z[:, 0]) @ queue.T, axis=1)]
    similarity = (unit(z[:, 0]) * chosen).sum(1).mean()
    np.testing.assert_allclose(outcome.metrics["neighbour_similarity"], similarity, rtol=1e-12)
    np.testing.assert_array_equal(outcome.carry["keys"], z[:, 0])
    # Neighbours get none, predictions all of it, also as negatives of other examples.
    assert not gradient["projection"].any()
    assert not of_queue.any()
    way = np.random.default_rng(1).normal(size=p.shape)
    ends = [formula(z, p + side * way, queue, **options) for side in (1e-6, -1e-6)]
    slope = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose((gradient["prediction"] * way).sum(), slope, rtol=1e-7)


def test_the_queue_takes_the_projections_of_first_views():
    nnclr, queue = method(), {"rows": jnp.ones((QUEUE, WIDTH)), "position": jnp.int32(8)}
    variables = Variables({}, {}, queue)
    keys = draw()[0][:, 0].astype(np.float32)
    after = nnclr.after_update(variables, {"keys": jnp.asarray(keys)}, None).method_state
    np.testing.assert_allclose(after["rows"][8:], unit(keys), rtol=1e-6)
    assert np.all(after["rows"][:8] == 1)
    assert after["position"] == 0


def test_it_begins_with_a_queue_as_wide_as_the_projections():

    class Head(nn.Module):
        width: int

        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(self.width)(x)

    networks = Normalised(), Head(7)
    nnclr = NNCLR(*networks, queue_size=QUEUE, predictor=Head(7))
    views = {"image": jnp.zeros((1, 2, 8, 8, 3))}
    data = images_of(8, 8, 3, examples=64)
    made = jax.eval_shape(lambda key: nnclr.init(key, views, data), jax.random.key(0))
    assert made.method_state["rows"].shape == (QUEUE, 7)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: method(queue_size=0), "method.queue_size=0"),
        (lambda: method(temperature=0.0), "method.temperature=0.0"),
        (
            lambda: evaluate(NNCLR, *(x[:3].repeat(2, 0)[:5] for x in draw()[:2]), draw()[2]),
            "method.queue_size=12 is impossible with batch_size=5",
        ),
        (
            lambda: one_way_dcl(jnp.ones((1, 2)), jnp.ones((1, 2)), temperature=1.0, mesh=None),
            "batch_size=1 leaves method.name='nnclr_dcl' no negatives",
        ),
        (
            lambda: evaluate(NNCLR, *(x[:, [0, 0, 0]] for x in draw()[:2]), draw()[2]),
            "takes two views",
        ),
    ],
    ids=["queue", "temperature", "batch", "one example", "three views"],
)
def test_what_is_impossible_ends_in_a_sentence(wrong, says):
    with pytest.raises(UserError, match=says) as error:
        wrong()
    assert "\n" not in str(error.value)
