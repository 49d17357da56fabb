"""SwAV against formulas in NumPy, and its prototypes through a run."""

import functools
import itertools
import shutil

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.mesh import make_mesh
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.swav import SwAV, effective_codes
from jcl.plan import step_flops
from jcl.runtime.metrics import read_metrics
from jcl.train import train as train_binary
from jcl.training.checkpoint import read_variables
from tests.binaries import untimed
from tests.losses import one_way_formulas as formulas
from tests.tiny import (
    assert_same_bits,
    largest_difference,
    one_device,
    tiny_config,
    tiny_experiment,
    train,
)

TEMPERATURE, EPSILON, K = 0.3, 0.2, 5


class Averages(nn.Module):
    """Maps images of any size to features, smoothly, each alone."""

    dtype: jnp.dtype = jnp.float32
    param_dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images, *, train):
        quarters = jnp.stack([x.mean((1, 2)) for x in jnp.split(images, 4, axis=2)], 1)
        x = quarters.reshape(len(images), -1)
        return nn.tanh(nn.Dense(16, dtype=self.dtype, param_dtype=self.param_dtype)(x))


def of_two_sizes():
    """Four views that differ and compile fast."""

    def make(keys, examples):
        images = examples["image"]
        mirrored, turned = images[:, :, ::-1], jnp.swapaxes(images, 1, 2)
        small = jnp.stack([images[:, ::2, ::2], turned[:, 1::2, ::2]], axis=1)
        return {"image": jnp.stack([images, mirrored], axis=1), "image_small": small}

    return make


def config(**overrides):
    return tiny_config(
        **{
            "total_steps": 6,
            "encoder.name": f"{__name__}:Averages",
            "encoder.widths": None,
            "projector.norm": "layer",
            "views.name": f"{__name__}:of_two_sizes",
            "method.name": "swav",
            "method.temperature": TEMPERATURE,
            "method.epsilon": EPSILON,
            "method.prototypes": K,
            "method.hold_epochs": 0.5,  # two steps of the four
            "optimizer.weight_decay": 0.1,
            **overrides,
        }
    )


def method(**options):
    ours = {"temperature": TEMPERATURE, "epsilon": EPSILON, "prototypes": K}
    return SwAV(nn.Dense(1), nn.Dense(1), **{**ours, **options})


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@functools.cache
def evaluation(**options):
    """(embeddings, prototypes, step) -> (loss, outcome), and the gradient by the first two."""
    swav = method(**options)

    def loss(embeddings, prototypes, step, queues):
        variables = Variables({"prototypes": prototypes}, {}, queues)
        clock = Clock(step, steps_per_epoch=4, total_steps=8)
        outcome = swav.objective(variables, embeddings, {}, clock, None, None)
        return outcome.loss, outcome

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))


def evaluate(embeddings, prototypes, *, step, queues=None, **options):
    with jax.enable_x64(True):
        found = evaluation(**options)(embeddings, prototypes, step, queues or {})
        return jax.tree.map(np.asarray, found)


def codes_of(z, prototypes, iterations=3, older=()):
    """Codes of the first two views, each over the whole batch, and over older rows of that view."""
    codes = []
    for view in (0, 1):
        rows = np.concatenate([unit(z[:, view]), *(part[view] for part in older)])
        codes.append(formulas.sinkhorn(rows @ prototypes.T, EPSILON, iterations)[: len(z)])
    return codes


def formula(z, prototypes, codes):
    """Equations 2 and 6 of the paper, term by term, as a mean."""
    terms = []
    for code_view, view in np.ndindex(2, z.shape[1]):
        if code_view != view:
            logits = unit(z[:, view]) @ prototypes.T / TEMPERATURE
            predicted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            terms.append(-(codes[code_view] * np.log(predicted)).sum(1).mean())
    return np.mean(terms)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(1)
    return random.normal(size=(6, 4, 7)), unit(random.normal(size=(K, 7)))


@pytest.mark.parametrize(
    ("views", "iterations"), [(4, 3), pytest.param(2, 1, marks=pytest.mark.slow)]
)
def test_loss_and_metric_against_numpy(data, views, iterations):
    z, prototypes = data[0][:, :views], data[1]
    (_, outcome), _ = evaluate(z, prototypes, step=4, iterations=iterations)
    codes = codes_of(z, prototypes, iterations)
    np.testing.assert_allclose(outcome.loss, formula(z, prototypes, codes), rtol=1e-12)
    rows = np.concatenate(codes)
    information = (rows * np.log(rows / rows.mean(0))).sum(1).mean()
    np.testing.assert_allclose(outcome.metrics["prototypes_used"], np.exp(information), rtol=1e-12)


def test_gradient_takes_codes_as_given_and_waits_for_prototypes(data):
    z, prototypes = data
    codes = codes_of(z, prototypes)
    _, (of_z, of_prototypes) = evaluate(z, prototypes, step=4, iterations=3)
    _, (_, while_held) = evaluate(z, prototypes, step=3, iterations=3)
    random, step = np.random.default_rng(2), 1e-5
    for found, at in ((of_z, 0), (of_prototypes, 1)):
        way = random.normal(size=found.shape)
        ends = []
        for side in (step, -step):
            moved = [z, prototypes]
            moved[at] = moved[at] + side * way
            ends.append(formula(*moved, codes))
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose((found * way).sum(), slope, rtol=1e-6)
    assert not while_held.any()


@pytest.mark.parametrize(
    ("rows", "epochs", "first"),
    [(12, 1.0, 4), pytest.param(18, 0.25, 3, marks=pytest.mark.slow)],
    ids=["waits for its epoch", "waits until it is full"],
)
def test_the_queue_of_each_view_shares_the_prototypes(data, rows, epochs, first):
    (z, prototypes), random = data, np.random.default_rng(3)
    older = unit(random.normal(size=(2, rows, 7)))
    queues = {f"queue{view}": {"rows": older[view], "position": np.int32(0)} for view in (0, 1)}
    options = {"queues": queues, "queue_size": rows, "queue_epochs": epochs, "hold_epochs": 0.5}
    for step, parts in ((first - 1, ()), (first, (older,))):
        (loss, outcome), (_, of_prototypes) = evaluate(z, prototypes, step=step, **options)
        codes = codes_of(z, prototypes, older=parts)
        np.testing.assert_allclose(loss, formula(z, prototypes, codes), rtol=1e-12)
    way = random.normal(size=prototypes.shape)
    ends = [formula(z, prototypes + side * way, codes) for side in (1e-5, -1e-5)]
    np.testing.assert_allclose((of_prototypes * way).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-6)
    swav = method(**{name: options[name] for name in ("queue_size", "queue_epochs")})
    queues, carry = jax.tree.map(jnp.asarray, (queues, outcome.carry))
    before = Variables({"prototypes": carry["prototypes"]}, {}, queues)
    after = swav.after_update(before, carry, Clock(step, 4, 8)).method_state
    for view in (0, 1):
        kept = np.concatenate([unit(z[:, view]), older[view, 6:]])
        np.testing.assert_allclose(after[f"queue{view}"]["rows"], kept, rtol=1e-5, atol=1e-6)


def test_codes_that_are_all_the_same_use_one_prototype():
    used = jax.jit(effective_codes)
    assert float(used(np.full((K, 2, K), 1 / K, np.float32))) == pytest.approx(1)
    assert float(used(np.stack([np.eye(K, dtype=np.float32)] * 2, 1))) == pytest.approx(K)


def double_precision(mesh, **overrides):
    """The curve, and the prototypes before and after each step."""
    seen = []
    with jax.enable_x64(True):
        curve = train(
            config(precision="float64", **overrides),
            mesh,
            watch=lambda state: seen.append(np.array(state.params["prototypes"])),
        )
    return curve, seen


@pytest.fixture(scope="module")
def on_one_device():
    return double_precision(one_device())


def test_prototypes_are_held_and_then_move_on_the_sphere(on_one_device):
    _, seen = on_one_device
    assert seen[0].shape == (K, 8)
    for held in seen[1:3]:
        np.testing.assert_array_equal(held, seen[0])
    for before, after in itertools.pairwise(seen[2:]):
        assert np.abs(after - before).max() > 1e-4
    np.testing.assert_allclose(np.linalg.norm(seen, axis=2), 1, rtol=1e-12)


def test_what_an_optimizer_does_to_held_prototypes_is_undone(data):
    old, moved = jnp.asarray(data[1]), jnp.asarray(0.9 * data[1] + 0.01)
    others = {"encoder": jnp.ones(2)}
    swav = method(hold_epochs=0.5)

    @jax.jit
    def after_update(step):
        variables = Variables({**others, "prototypes": moved}, {})
        return swav.after_update(variables, {"prototypes": old, "newest": {}}, Clock(step, 4, 8))

    for step, expected in ((1, old), (2, unit(moved))):
        after = after_update(step)
        np.testing.assert_allclose(after.params["prototypes"], expected, rtol=1e-6)
        np.testing.assert_array_equal(after.params["encoder"], others["encoder"])
    adopted = jax.jit(swav.adopt)(Variables({"prototypes": moved}, {}))
    np.testing.assert_allclose(adopted.params["prototypes"], unit(moved), rtol=1e-6)


def assert_same(ours, theirs):
    np.testing.assert_allclose(ours[0].losses, theirs[0].losses, rtol=0, atol=1e-9)
    assert largest_difference(ours[0].state.params, theirs[0].state.params) < 1e-9
    assert np.ptp(theirs[0].losses) > 1e-2


def test_the_same_on_a_mesh(on_one_device):
    devices = [jax.devices()[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    on_mesh = double_precision(make_mesh(4, 2, devices=devices), fsdp_min_size=1)
    assert_same(on_mesh, on_one_device)


RUN = {"data.train_examples": 64, "checkpoint.every_steps": 1, "checkpoint.keep": 9}


def run(workdir):
    with pytest.MonkeyPatch.context() as patch:  # TensorFlow takes long to import
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        train_binary(config(**RUN), workdir, accept_config_changes=False)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [(2, 3, 4, 5, 6), (4, 5, 6)], ids=["while held", "later"])
def test_a_run_that_lost_its_last_steps_computes_the_same_again(lost, tmp_path):
    run(tmp_path / "straight")
    workdir = shutil.copytree(tmp_path / "straight", tmp_path / "run")
    for step in lost:
        shutil.rmtree(workdir / "checkpoints" / str(step))
    run(workdir)
    again, expected = (read_variables(folder, 6)[0] for folder in (workdir, tmp_path / "straight"))
    assert_same_bits(again, expected)
    assert untimed(read_metrics(workdir)) == untimed(read_metrics(tmp_path / "straight"))


def test_operations_of_a_step_are_those_counted_by_hand():
    experiment = tiny_experiment(config(**{"projector.norm": "none", "projector.layers": 1}))
    rows, features, width = 16 * 4, 16, 8
    encoder = 2 * rows * 12 * features  # and once more for the gradient of its weights
    projector = 2 * rows * features * width  # and twice more: of weights and of inputs
    scores = 2 * rows * width * K  # likewise
    diagnostics = 2 * width
    expected = 2 * encoder + 3 * projector + 3 * scores + diagnostics
    batch = experiment.data.batch(16)
    assert step_flops(experiment, one_device(), batch) == expected


def test_two_views_alone_are_enough():
    named = tiny_config(**{"method.name": "swav", "views.name": "none"})
    experiment = tiny_experiment(named)
    shapes = experiment.state_shapes(one_device()).params
    assert shapes["prototypes"].shape == (3000, 8)
    assert step_flops(experiment, one_device(), experiment.data.batch(16)) > 0


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0},
        {"epsilon": -1.0},
        {"prototypes": 0},
        {"prototypes": 1},
        {"iterations": 0},
        {"hold_epochs": -0.5},
        {"queue_size": -1},
        {"queue_epochs": -1.0},
    ],
    ids=str,
)
def test_wrong_options_end_in_a_sentence(options):
    (option,) = options
    with pytest.raises(UserError, match=f"method.{option}="):
        method(**options)
