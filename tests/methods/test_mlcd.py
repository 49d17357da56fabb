"""MLCD's loss in NumPy, where it is other losses, and what a device holds of many classes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import logsumexp, softplus
from jax.sharding import NamedSharding, PartitionSpec

from jcl.data.dataset_shape import DatasetShape
from jcl.errors import UserError
from jcl.mesh import batch_sharding, make_mesh
from jcl.methods.base import Variables
from jcl.methods.mlcd import MLCD, cosines_and_negatives, draw, with_margin
from jcl.models.projector import MLP
from tests.losses.hlo import collectives, largest_array
from tests.methods.contract import Dropping, Run, make_config

N, D, K, L, SCALE = 6, 4, 30, 3, 5.0
RANDOM = np.random.RandomState(0)
Z, ROWS = RANDOM.normal(size=(N, D)), RANDOM.normal(size=(K, D))
POSITIVES = np.stack([RANDOM.permutation(K)[:L] for _ in range(N)])
SAMPLE = np.array([0, 4, 9, 10, 14, 17, 22, 23, 26, 29])  # one of each run of three


@pytest.fixture
def _in_float64():
    with jax.enable_x64(True):
        yield


def cosines():
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (Z, ROWS)]
    return unit[0] @ unit[1].T


def sums(positives=POSITIVES, sample=SAMPLE):
    """sum_p exp(-s_p) and sum_n exp(s_n) of each example."""
    s = SCALE * cosines()
    own = np.array([np.exp(-s[i, positives[i]]).sum() for i in range(N)])
    others = [[n for n in sample if n not in positives[i]] for i in range(N)]
    return own, np.array([np.exp(s[i, others[i]]).sum() for i in range(N)])


@functools.partial(jax.jit, static_argnames="mesh")
def parts(z, rows, positives, sample, mesh=None):
    return cosines_and_negatives(z, rows, positives, sample, scale=SCALE, mesh=mesh)


@pytest.mark.usefixtures("_in_float64")
def test_positives_and_drawn_negatives_against_loops():
    own, others = sums()
    found, negatives = parts(Z, ROWS, POSITIVES, SAMPLE)
    np.testing.assert_allclose(np.exp(-SCALE * found).sum(1), own, rtol=1e-12)
    np.testing.assert_allclose(np.exp(negatives), others, rtol=1e-12)
    # (1 + a)(1 + b) = 1 + ab + a + b: one softplus over all pairs, and the two sums besides.
    loss = softplus(logsumexp(-SCALE * found, axis=1)) + softplus(negatives)
    np.testing.assert_allclose(loss, np.log(1 + own * others + own + others), rtol=1e-12)


@pytest.mark.usefixtures("_in_float64")
def test_one_positive_and_all_others_are_softmax_cross_entropy_without_the_sums_alone():
    one, every = POSITIVES[:, :1], np.arange(K)
    found, negatives = parts(Z, ROWS, one, every)
    s = SCALE * cosines()
    expected = np.log(np.exp(s).sum(1)) - s[np.arange(N), one[:, 0]]
    np.testing.assert_allclose(softplus(negatives - SCALE * found[:, 0]), expected, rtol=1e-12)


@pytest.mark.usefixtures("_in_float64")
def test_one_positive_and_one_negative_are_two_binary_losses():
    one, drawn = np.full((N, 1), 3), np.array([8])
    found, negatives = parts(Z, ROWS, one, drawn)
    s = SCALE * cosines()
    sigmoid = 1 / (1 + np.exp(-s))
    expected = -np.log(sigmoid[:, 3]) - np.log(1 - sigmoid[:, 8])
    np.testing.assert_allclose(
        softplus(-SCALE * found[:, 0]) + softplus(negatives), expected, rtol=1e-12
    )


def method(**options):
    options = {"classes": K, "scale": SCALE, "share": 1 / 3, **options}
    return MLCD(encoder=Dropping(), projector=MLP(output_dim=D, norm="none"), **options)


KEY, VIEWS = jax.random.key(0), {"image": jnp.zeros((1, 2, 8, 8, 3))}
DATA = DatasetShape({"clusters": jax.ShapeDtypeStruct((L,), np.int32)}, 48, None)


@functools.partial(jax.jit, static_argnames="margin")
def value_and_gradients(z, rows, clusters, margin=0.0):
    def loss(z, rows):
        held = Variables({"classes": rows}, {})
        batch = {"clusters": clusters}
        made = method(margin=margin, positives=2)
        outcome = made.objective(held, z, batch, None, jax.random.key(3), None)
        return outcome.loss, outcome.metrics

    return jax.value_and_grad(loss, (0, 1), has_aux=True)(z, rows)


@pytest.mark.usefixtures("_in_float64")
def test_the_objective_counts_each_view_and_the_first_clusters():
    clusters = POSITIVES[: N // 2]
    z = Z.reshape(N // 2, 2, D)
    sample = np.asarray(draw(jax.random.key(3), K, 1 / 3))
    own, others = sums(np.repeat(clusters[:, :2], 2, axis=0), sample)
    (loss, _), gradients = value_and_gradients(z, ROWS, clusters)
    np.testing.assert_allclose(loss, np.mean(np.log1p(own) + np.log1p(others)), rtol=1e-12)
    step = RANDOM.normal(size=ROWS.shape)
    above, below = (
        value_and_gradients(z, ROWS + by * step, clusters)[0][0] for by in (1e-5, -1e-5)
    )
    np.testing.assert_allclose(np.sum(gradients[1] * step), (above - below) / 2e-5, rtol=1e-7)
    # A cluster that is no class is not passed over.
    assert np.isnan(value_and_gradients(z, ROWS, clusters + K)[0][0])


def test_the_margin_is_an_angle():
    angles = np.linspace(0.1, 2.8, 9)
    found = with_margin(jnp.cos(angles), 0.3)
    np.testing.assert_allclose(found, np.cos(angles + 0.3), atol=1e-6)
    assert np.isfinite(jax.grad(lambda c: with_margin(c, 0.3))(jnp.ones(())))


def test_a_draw_has_one_class_of_every_run():
    drawn = np.asarray([draw(jax.random.key(seed), 31, 0.3) for seed in range(200)])
    assert drawn.shape == (200, 9)
    assert (np.diff(drawn, axis=1) > 0).all()
    counts = np.bincount(drawn.ravel(), minlength=31)
    assert counts.min() > 20  # of 200 draws of 3 or 4 classes
    assert counts.max() < 110
    np.testing.assert_array_equal(draw(KEY, 31, 1.0), np.arange(31))


@pytest.mark.usefixtures("_in_float64")
@pytest.mark.parametrize("devices", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_negatives_on_either_side_of_a_devices_rows(devices):
    mesh = make_mesh(devices=jax.devices()[:devices])
    examples, drawn = np.arange(10) % N, draw(KEY, K, 0.5)  # runs do not divide by the devices
    place = functools.partial(jax.device_put, device=batch_sharding(mesh))
    arrays = place(Z[examples]), place(ROWS), place(POSITIVES[examples])
    found = parts(*arrays, drawn, mesh=mesh)
    expected = parts(Z[examples], ROWS, POSITIVES[examples], drawn)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_what_is_impossible_is_refused():
    for options in ({"classes": 1}, {"share": 1.5}, {"scale": 0.0}, {"margin": -0.1}):
        with pytest.raises(UserError, match=f"method.{next(iter(options))}="):
            method(**options)
    with pytest.raises(UserError, match=r"method\.positives=4 is impossible: examples have 3"):
        method(positives=4).init(KEY, VIEWS, DATA)
    for example in (jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((3,), jnp.float32)):
        data = DatasetShape({"clusters": example}, 64, None)
        with pytest.raises(UserError, match=r"as integers \[n, l\], but those of an example are"):
            method().init(KEY, VIEWS, data)
    mesh = make_mesh(devices=jax.devices()[:8])
    with pytest.raises(UserError, match=r"method\.classes=30 is not divisible by the 8 devices"):
        method().objective(None, jnp.zeros((8, 2, D)), {}, None, KEY, mesh)


@pytest.mark.slow
def test_a_device_holds_its_own_of_100_000_classes():
    classes, width, batch, held, devices = 100_000, 128, 256, 8, 8
    mesh = make_mesh(devices=jax.devices()[:devices])
    split = NamedSharding(mesh, PartitionSpec(mesh.axis_names))

    def array(dtype, *shape):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=split)

    def loss(z, rows, clusters, key):
        made = method(classes=classes, share=0.1, scale=32.0)
        variables = Variables({"classes": rows}, {})
        return made.objective(variables, z, {"clusters": clusters}, None, key, mesh).loss

    gradient = jax.jit(jax.value_and_grad(loss, (0, 1)), out_shardings=(None, (split, split)))
    arguments = array(np.float32, batch, 1, width), array(np.float32, classes, width)
    program = gradient.lower(*arguments, array(np.int32, batch, held), KEY).compile()
    rows = classes // devices * width * 4
    logits = batch * (classes // 10 // devices) * 4
    assert program.memory_analysis().temp_size_in_bytes <= 1.5 * (rows + logits)
    assert_no_device_has_the_classes_of_another(program.as_text(), classes, width)


@pytest.mark.slow
def test_the_step_gathers_no_classes_either():
    classes, width = 100_000, 8
    config = make_config("mlcd", fsdp_min_size=1, microbatches=2)
    config.method = {"name": "mlcd", "classes": classes, "share": 0.1}
    config.optimizer = {"name": "adamw", "learning_rate": 0.1}
    run = Run(config, make_mesh(2, 4, devices=jax.devices()[:8]))
    assert_no_device_has_the_classes_of_another(run.program.as_text(), classes, width)
    state = run.start()
    held = [state.params["classes"], *(m["classes"] for m in moments(state.opt_state))]
    assert len(held) == 3
    for rows in held:
        assert rows.addressable_shards[0].data.shape == (classes // 8, width)


def moments(opt_state):
    """The moving averages that AdamW keeps of gradients and of their squares."""
    found = []

    def look(leaf):
        if hasattr(leaf, "mu"):
            found.extend([leaf.mu, leaf.nu])

    jax.tree.map(look, opt_state, is_leaf=lambda leaf: hasattr(leaf, "mu"))
    return found


def assert_no_device_has_the_classes_of_another(text, classes, width):
    assert largest_array(text) <= classes * width // 4
    sent = collectives(text)
    assert sent
    assert max(elements for _, _, elements in sent) < classes
