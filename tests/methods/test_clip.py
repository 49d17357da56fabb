"""CLIP: loss and gradient in NumPy, its scale, outputs and cost, and what it learns of toys."""

import functools
import math
import signal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jcl.augment.tokens import text_of
from jcl.cost.flops import count_flops
from jcl.data import InMemorySource
from jcl.data.dataset_shape import images_of, shape_of
from jcl.errors import UserError
from jcl.evaluation.encode import output_function
from jcl.experiment import (
    check_needs,
    make_experiment,
    make_method,
    open_config,
    read_command_line,
)
from jcl.mesh import batch_sharding
from jcl.methods.base import Variables
from jcl.methods.clip import CLIP
from jcl.methods.clock import Clock
from jcl.models.projector import MLP
from jcl.models.text.bag import TokenBag
from jcl.optim.optimizers import adamw, lars
from jcl.runtime.metrics import read_metrics
from jcl.runtime.workdir import read_config
from jcl.training.checkpoint import read_variables
from jcl.training.step import compile_train_step, train_step
from tests.augment.quick_jit import quick_jit
from tests.binaries import run_ok, run_until, untimed
from tests.pairs import HELD_OUT, WORDS, found_first, pairs, write_pairs
from tests.tiny import assert_same_bits, one_device, tiny_config

BATCH = 16


class Linear(nn.Module):
    """An encoder without BatchNorm."""

    width: int = 3
    dtype: jnp.dtype = jnp.float64
    param_dtype: jnp.dtype = jnp.float64

    @nn.compact
    def __call__(self, images, *, train):
        dense = nn.Dense(self.width, dtype=self.dtype, param_dtype=self.param_dtype, name="dense")
        return dense(images.reshape(len(images), -1))


def whole():
    """Views that compile fast."""
    return lambda keys, examples: {
        "image": examples["image"][:, None],
        "text": jax.tree.map(lambda x: x[:, None], text_of(examples)),
    }


def rising(*, learning_rate):
    """SGD that adds 1 to the scale's logarithm, whatever its gradient."""
    raised = optax.stateless(lambda updates, params: {**updates, "log_scale": jnp.ones(())})
    return optax.chain(optax.sgd(learning_rate), raised)


def config(**overrides):
    return tiny_config(
        **{
            "batch_size": BATCH,
            "method.name": "clip",
            "method.temperature": 0.05,
            "views.name": f"{__name__}:whole",
            "encoder.name": "mlp",
            "encoder.widths": (16,),
            "projector.layers": 1,
            "text_encoder.name": "token_bag",
            "text_encoder.vocabulary": len(WORDS),
            "text_encoder.width": 6,
            "text_projector.layers": 1,
            "text_projector.output_dim": 8,
            **overrides,
        }
    )


@functools.cache
def source():
    return InMemorySource(pairs("train", renderings=1))


def batch():
    return {**source().batch(np.arange(BATCH)), "index": np.arange(BATCH, dtype=np.int32)}


def clip(temperature=0.07):
    """Without BatchNorm, in float64; images of any size, five token ids."""
    types = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    return CLIP(
        encoder=Linear(),
        projector=MLP(output_dim=2, layers=1, **types),
        text_encoder=TokenBag(vocabulary=5, width=3, **types),
        text_projector=MLP(output_dim=2, layers=1, **types),
        temperature=temperature,
    )


def test_loss_metrics_and_gradient_against_numpy():
    random = np.random.RandomState(0)
    images, ids = random.rand(6, 3, 2, 1), random.randint(0, 5, (6, 4))
    mask = np.arange(4) < np.array([4, 1, 2, 3, 2, 4])[:, None]

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def dense(params, x):
        return x @ params["kernel"] + params["bias"]

    def towers(params):
        image = dense(params["encoder"]["dense"], images.reshape(6, 6))
        text = params["text_encoder"]
        vectors = text["token_embedding"]["embedding"][ids] * mask[..., None]
        mean = vectors.sum(1) / mask.sum(1, keepdims=True)
        centred = mean - mean.mean(1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-6)
        x = dense(text["dense0"], normed * text["norm"]["scale"] + text["norm"]["bias"])
        x = x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
        image = dense(params["projector"]["dense0"], image)
        return unit(image), unit(dense(params["text_projector"]["dense0"], x))

    def loss(params):
        image, text = towers(params)
        logits = np.exp(params["log_scale"]) * image @ text.T
        sums = np.log(np.exp(logits).sum(0)) + np.log(np.exp(logits).sum(1))
        return np.mean(sums / 2 - np.diag(logits))

    with jax.enable_x64(True):
        method = clip(0.4)
        views = {"image": jnp.asarray(images), "text": {"ids": ids, "mask": mask}}
        views = jax.tree.map(lambda x: jnp.asarray(x[:, None]), views)
        variables = quick_jit(lambda key: method.init(key, views, None))(jax.random.key(0))
        noise = jax.tree.map(lambda p: 0.3 * random.standard_normal(p.shape), variables.params)
        params = jax.tree.map(lambda p, n: np.asarray(p) + n, variables.params, noise)

        def ours(params):
            given = variables._replace(params=params)
            embedded = method.embed(given, views, None)
            clock = Clock(0, 1, 1)
            outcome = method.objective(given, embedded.embeddings, {}, clock, None, None)
            return outcome.loss, outcome.metrics

        (value, metrics), gradient = quick_jit(jax.value_and_grad(ours, has_aux=True))(params)
        params, gradient = jax.tree.map(np.array, (params, gradient))

    assert math.exp(-variables.params["log_scale"]) == pytest.approx(0.4)
    assert value == pytest.approx(loss(params), abs=1e-12)
    image, text = towers(params)
    cosines = image @ text.T
    expected = {
        "temperature": np.exp(-params["log_scale"]),
        "positive_similarity": np.diag(cosines).mean(),
        "negative_similarity": cosines[~np.eye(6, dtype=bool)].mean(),
    }
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(expected)
    leaves, tree = jax.tree.flatten(params)
    for leaf, of_leaf in zip(leaves, jax.tree.leaves(gradient), strict=True):
        for place in np.ndindex(leaf.shape):
            values, middle = [], leaf[place]
            for change in (1e-6, -1e-6):
                leaf[place] = middle + change
                values.append(loss(tree.unflatten(leaves)))
            leaf[place] = middle
            assert of_leaf[place] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-8)


RISING = {
    "optimizer.name": f"{__name__}:rising",
    "optimizer.weight_ema": 0.75,
    "text_projector.layers": 2,
    "text_projector.hidden_dim": 4,
}


@pytest.fixture(scope="module")
def after_two_steps():
    """The state, and the metrics of the second step."""
    experiment, mesh = make_experiment(config(**RISING), shape_of(source())), one_device()
    state = experiment.init_state(mesh)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    for _ in range(2):
        state, metrics = step(state, jax.device_put(batch(), batch_sharding(mesh)))
    return state, metrics


def test_a_scale_that_would_pass_100_ends_there_and_is_averaged_so(after_two_steps):
    state, metrics = after_two_steps
    start, end = math.log(20), math.log(100)
    assert start + 1 < end < start + 2
    assert float(state.params["log_scale"]) == pytest.approx(end, abs=1e-6)
    average = 0.75 * (0.75 * start + 0.25 * (start + 1)) + 0.25 * end
    assert float(state.ema_params["log_scale"]) == pytest.approx(average, abs=1e-6)
    assert float(metrics["temperature"]) == pytest.approx(math.exp(-start - 1))


def test_both_towers_update_their_statistics(after_two_steps):
    statistics = after_two_steps[0].model_state
    assert np.abs(statistics["encoder"]["norm0"]["mean"]).max() > 0
    assert np.abs(statistics["text_projector"]["batch_norm0"]["mean"]).max() > 0


def test_a_scale_does_not_fall_below_one():
    variables = Variables({"log_scale": jnp.asarray(-0.1)}, {})
    assert float(clip().after_update(variables, {}, None).params["log_scale"]) == 0


@pytest.mark.parametrize("make", [adamw, lars])
def test_the_scale_is_neither_decayed_nor_adapted(make):
    optimizer = make(learning_rate=lambda step: 0.1, weight_decay=0.5)
    params = {"log_scale": jnp.asarray(2.0), "kernel": jnp.ones((2, 2))}
    gradient = {"log_scale": jnp.zeros(()), "kernel": jnp.zeros((2, 2))}
    updates, _ = quick_jit(lambda: optimizer.update(gradient, optimizer.init(params), params))()
    assert updates["log_scale"] == 0
    assert updates["kernel"].any()


def test_outputs_are_those_of_what_the_inputs_hold(after_two_steps):
    state, _ = after_two_steps
    method = make_method(config(**RISING))
    examples = {**batch(), "image": batch()["image"] / np.float32(255)}
    image = {"features": (BATCH, 16), "projection": (BATCH, 8)}
    text = {"text/features": (BATCH, 6), "text/projection": (BATCH, 8)}
    for kinds, shapes in (
        (["image", "label"], image),
        (["text", "text_mask"], text),
        (["image", "text", "text_mask"], image | text),
    ):
        given = state.probed, {kind: examples[kind] for kind in kinds}
        found = jax.eval_shape(method.outputs, *given)
        assert {name: value.shape for name, value in found.items()} == shapes
    outputs = quick_jit(method.outputs)
    found = outputs(*given)
    for name in ("projection", "text/projection"):
        np.testing.assert_allclose(np.linalg.norm(found[name], axis=1), 1, atol=1e-5)
    padded = np.where(examples["text_mask"], examples["text"], 99)
    again = outputs(state.probed, {**given[1], "text": padded})
    np.testing.assert_array_equal(again["text/projection"], found["text/projection"])
    with pytest.raises(UserError, match="examples have label, but networks need image or text"):
        method.outputs(state.probed, {"label": examples["label"]})


def test_examples_and_views_without_a_text_are_refused():
    experiment = make_experiment(config(), images_of(16, 16, 3, examples=64))
    with pytest.raises(UserError, match=r"'clip' needs a text of every example, .* has none"):
        check_needs(experiment)
    experiment = make_experiment(config(**{"views.name": "none"}), shape_of(source()))
    with pytest.raises(UserError, match=r"no text; views\.name='image_and_text' makes both"):
        experiment.state_shapes(one_device())


def test_a_temperature_that_clipping_would_change_is_refused():
    for temperature in (0.009, 1.1, math.nan):
        with pytest.raises(UserError, match=r"it is learned, and stays between 0\.01 and 1"):
            clip(temperature)
    clip(0.01)


def test_frozen_layers_of_a_text_encoder_go_with_it():
    before = config(**{"frozen": ("text_encoder/dense0", "text_encoder/token_embedding")})
    flag = "--config.text_encoder.name=token_transformer"
    after, _, lines = read_command_line(before, [flag])
    assert after.frozen == ("text_encoder/token_embedding",)
    assert any("text_encoder/dense0" in line for line in lines)


@pytest.mark.slow
def test_operations_of_a_step_by_hand():
    experiment = make_experiment(config(), shape_of(source()))
    state = experiment.state_shapes(one_device())
    step = functools.partial(train_step, **experiment.step_options())
    layers = [(16, 8), (6, 6), (6, 8)]  # gradients of weights and of inputs
    forward = 2 * BATCH * sum(rows * columns for rows, columns in layers)
    pixels = 2 * BATCH * (16 * 16 * 3) * 16  # images get no gradient
    loss, diagnostics = 8 * BATCH**2 * 8, 2 * 8
    assert count_flops(step, state, batch()) == 3 * forward + 2 * pixels + loss + diagnostics


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.npz"
    write_pairs(path)
    return path


def train_arguments(archive, workdir):
    return (
        f"--config=configs/clip_pairs.py:path={archive}",
        f"--workdir={workdir}",
        "--config.log_every_steps=1",
        "--config.checkpoint.every_steps=20",
        "--config.checkpoint.keep=9",
    )


@pytest.fixture(scope="module")
def trained(archive, tmp_path_factory):
    """The workdir of a run that went through, 90 steps."""
    workdir = tmp_path_factory.mktemp("runs") / "straight"
    run_ok("jcl.train", *train_arguments(archive, workdir))
    return workdir


@pytest.mark.slow
def test_toy_pairs_find_each_other_even_in_new_combinations(trained, archive):
    run_config = open_config(read_config(trained))
    method = make_method(run_config)
    variables, _ = read_variables(trained)
    images, texts = (
        np.asarray(jax.jit(output_function(run_config, method, name))(variables, pairs("test")))
        for name in ("projection", "text/projection")
    )
    chance = 1 / len(images)
    for found in (found_first(images, texts), found_first(texts, images)):
        assert found.mean() > 0.7 > 10 * chance
        assert found[HELD_OUT].mean() > 0.6 > 10 * chance


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_state(trained, archive, tmp_path):
    workdir = tmp_path / "run"
    arguments = train_arguments(archive, workdir)
    killed = run_until("jcl.train", *arguments, condition=(workdir / "checkpoints" / "40").exists)
    assert killed == -signal.SIGKILL
    run_ok("jcl.train", *arguments)
    (ours, step), (theirs, _) = read_variables(workdir), read_variables(trained)
    assert step == 90
    assert_same_bits(ours, theirs)
    assert untimed(read_metrics(workdir)) == untimed(read_metrics(trained))
