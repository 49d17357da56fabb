"""BECLR against formulas in NumPy float64."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.mesh import make_mesh
from jcl.methods.base import Variables
from jcl.methods.beclr import BECLR, beclr_loss
from jcl.methods.clock import Clock
from tests.methods.contract import DROPPING, OVERRIDES, Run, make_config
from tests.tiny import largest_difference, one_device

BATCH, WIDTH, MEMORY, P = 4, 5, 16, 2
OPTIONS = {"memory": MEMORY, "prototypes": P, "k": 2, "start_epochs": 0.5, "recluster_epochs": 2}


def method(**options):
    return BECLR(nn.Dense(1), nn.Dense(1), **{**OPTIONS, **options}, predictor=nn.Dense(1))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def negative_term(z, temperature=2.0):
    """Of [N, 2, d], pair by pair."""
    rows = unit(z).reshape(-1, z.shape[-1])
    means = []
    for a in range(len(rows)):
        others = [b for b in range(len(rows)) if b // 2 != a // 2]
        means.append(np.mean([np.exp(rows[a] @ rows[b] / temperature) for b in others]))
    return np.log(np.mean(means))


def plain(z, p, t):
    first, second = (np.mean((unit(p[:, v]) * unit(t[:, 1 - v])).sum(1)) for v in (0, 1))
    return -(first + second) / 2 + 0.1 * negative_term(z)


def near(memory, rows, k=2):
    """[B, 2, k, d]: the k nearest of the nearest prototype's cluster; all have more than k."""
    held, clusters, prototypes = memory
    found = np.empty((*rows.shape[:2], k, rows.shape[2]))
    for place in np.ndindex(rows.shape[:2]):
        row = unit(rows[place])
        inside = np.flatnonzero(clusters == np.argmax(prototypes @ row))
        found[place] = held[inside[np.argsort(-(held[inside] @ row))][:k]]
    return found


def as_positives(z, p, t, memories):
    positives = np.concatenate([unit(t)[:, :, None], near(memories["target"], t)], axis=2)
    cosines = [
        unit(p[i, v]) @ positives[i, 1 - v, a] for i, v, a in np.ndindex(BATCH, 2, 3)
    ]  # fmt: skip
    return -np.mean(cosines) + 0.1 * negative_term(z)


def as_released(z, p, t, memories):
    """The batch grows to B (1 + k) in all three; view 1's k-th neighbour is the partner of 0's."""
    names = {"projection": z, "prediction": p, "target": t}
    grown = []
    for name, rows in names.items():
        both = np.concatenate([unit(rows)[:, :, None], near(memories[name], rows)], axis=2)
        grown.append(np.concatenate([both[:, :, a] for a in range(3)]))
    return plain(*grown)


def draw(seed=0):
    random = np.random.default_rng(seed)
    memories = {
        name: (
            unit(random.normal(size=(MEMORY, WIDTH))),
            np.arange(MEMORY) % P,
            unit(random.normal(size=(P, WIDTH))),
        )
        for name in ("target", "prediction", "projection")
    }
    return random.normal(size=(3, BATCH, 2, WIDTH)), memories


def variables(memories):
    held = {
        name: {
            "queue": {"rows": rows, "position": np.int32(0)},
            "clusters": clusters.astype(np.int32),
            "prototypes": prototypes,
        }
        for name, (rows, clusters, prototypes) in memories.items()
    }
    return Variables({}, {}, {"momentum": {}, "memories": held})


@functools.cache
def evaluation(**options):
    beclr = method(**options)

    def loss(z, p, t, held, step):
        embeddings = {"projection": z, "prediction": p, "momentum": t}
        clock, key = Clock(step, steps_per_epoch=4, total_steps=40), jax.random.key(5)
        outcome = beclr.objective(held, embeddings, {}, clock, key, None)
        return outcome.loss, outcome

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))


def evaluate(rows, memories, step, **options):
    with jax.enable_x64(True):
        (loss, outcome), gradient = evaluation(**options)(*rows, variables(memories), step)
    return (float(loss), outcome), [np.asarray(x) for x in gradient]


@pytest.mark.parametrize(
    ("neighbours", "formula"),
    [
        ("positives", as_positives),
        pytest.param("released", as_released, marks=pytest.mark.slow),
    ],
)
def test_loss_and_gradient_against_numpy(neighbours, formula):
    rows, memories = draw()
    names = ("target",) if neighbours == "positives" else tuple(memories)
    held = {name: memories[name] for name in names}
    # It is full after two steps, and half an epoch are two.
    (before, _), _ = evaluate(rows, held, 1, neighbours=neighbours)
    np.testing.assert_allclose(before, plain(*rows), rtol=1e-12)
    (loss, outcome), gradient = evaluate(rows, held, 2, neighbours=neighbours)
    np.testing.assert_allclose(loss, formula(*rows, memories), rtol=1e-12)
    assert abs(loss - before) > 0.01
    assert outcome.carry["rows"].keys() == held.keys()
    assert not np.any(gradient[2])  # the teacher's
    # Neighbours are found again where embeddings move, but no gradient is in that; they are the
    # same ones in so small a step. Those of the student's rows are held in the released form.
    way = np.random.default_rng(1).normal(size=(2, BATCH, 2, WIDTH))
    ends = [formula(*(rows[:2] + s * way), rows[2], memories) for s in (1e-6, -1e-6)]
    slope = (ends[0] - ends[1]) / 2e-6
    found = sum((g * w).sum() for g, w in zip(gradient, way, strict=False))
    np.testing.assert_allclose(found, slope, rtol=1e-6)


def test_without_neighbours_it_is_the_plain_loss_and_has_no_memory():
    rows, _ = draw()
    beclr, held = method(k=0), Variables({}, {}, {"momentum": {}, "memories": {}})

    @jax.jit
    def objective(z, p, t):
        embeddings = {"projection": z, "prediction": p, "momentum": t}
        return beclr.objective(held, embeddings, {}, Clock(30, 4, 40), jax.random.key(0), None)

    outcome = objective(*jnp.asarray(rows, jnp.float32))
    np.testing.assert_allclose(outcome.loss, plain(*rows), rtol=1e-5)
    assert outcome.carry == {}


def test_projections_that_are_alike_and_orthogonal():
    weights = {"temperature": 2.0, "negative_weight": 1.0, "mesh": None}
    negative = jax.jit(lambda z: beclr_loss(jnp.zeros_like(z), jnp.zeros_like(z), z, **weights))
    assert float(negative(jnp.ones((3, 2, 6)))) == pytest.approx(0.5, abs=1e-6)
    assert float(negative(jnp.eye(6).reshape(3, 2, 6))) == pytest.approx(0, abs=1e-6)


def test_the_memory_is_clustered_when_it_is_full_and_when_its_epochs_end():
    beclr, (rows, memories) = method(), draw()
    held = variables({"target": memories["target"]})
    carry = {
        "rows": {"target": rows[2].reshape(-1, WIDTH)},
        "clusters": {"target": np.zeros(2 * BATCH, np.int32)},
        "key": jax.random.key(1),
    }

    @jax.jit
    def after(step):
        given = jax.tree.map(jnp.asarray, (held, carry))
        return beclr.after_update(*given, Clock(step, 4, 40)).method_state["memories"]["target"]

    # Two pushes fill it, and two epochs are eight steps.
    for step, clustered in ((0, False), (1, True), (2, False), (3, False), (7, True), (8, False)):
        found = after(step)
        pushed = found["clusters"][: 2 * BATCH]
        nearest = np.argmax(unit(rows[2].reshape(-1, WIDTH)) @ found["prototypes"].T, axis=1)
        assert np.array_equal(pushed, np.zeros(2 * BATCH)) != clustered, step
        if clustered:
            np.testing.assert_array_equal(pushed, nearest)


@pytest.mark.slow
def test_the_released_form_is_the_same_on_a_mesh():
    section = {**OVERRIDES["beclr"]["method"], "neighbours": "released"}
    options = {"precision": "float64", "fsdp_min_size": 1, **DROPPING}
    places = [jax.devices()[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]

    def released():
        config = make_config("beclr", **options)
        config.method = section
        return config

    with jax.enable_x64(True):
        (one, losses), (other, found) = (
            run.steps(run.start(), 0, 4)
            for run in (
                Run(released(), mesh) for mesh in (one_device(), make_mesh(4, 2, devices=places))
            )
        )
        np.testing.assert_allclose(found, losses, rtol=0, atol=1e-9)
        assert largest_difference(other.method_state, one.method_state) < 1e-9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temperature": 0.0}, "method.temperature=0.0"),
        ({"epsilon": -1.0}, "method.epsilon=-1.0"),
        ({"negative_weight": -1.0}, "method.negative_weight"),
        ({"start_epochs": -1.0}, "method.start_epochs"),
        ({"recluster_epochs": 0}, "method.recluster_epochs=0"),
        ({"patch_size": 0}, "method.patch_size=0"),
        ({"mask_share": 1.0}, "method.mask_share=1.0"),
        ({"memory": 0}, "method.memory=0"),
        ({"k": -1}, "method.k=-1"),
        ({"k": 16}, "method.memory=16 is impossible: it must be more than method.k=16"),
        ({"prototypes": 1}, "method.prototypes=1 is impossible: it must be at least 2"),
        ({"prototypes": 17}, "at least method.prototypes=17"),
        ({"neighbours": "all"}, "allowed: positives, released"),
    ],
    ids=str,
)
def test_wrong_options_end_in_a_sentence(options, says):
    with pytest.raises(UserError, match=says):
        method(**options)


def test_a_memory_that_batches_do_not_fill_is_refused():
    rows, memories = draw()
    with pytest.raises(UserError, match=r"method.memory=12 is impossible with batches of 4"):
        evaluate(rows, {"target": memories["target"]}, 0, memory=12)
    one = jnp.ones((1, 2, 3))
    with pytest.raises(UserError, match=r"batch_size=1 leaves method.name='beclr' no negatives"):
        beclr_loss(one, one, one, temperature=2.0, negative_weight=0.1, mesh=None)
