"""UniCon-HA against its definition in NumPy; how its stages are embedded; what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.mesh import make_mesh
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.unicon_ha import UniConHA
from jcl.models.convnet import ConvNet
from jcl.models.mlp import MLPEncoder
from jcl.models.projector import MLP
from tests.methods.contract import Run, make_config
from tests.tiny import largest_difference, one_device

B, D, T = 5, 4, 0.4
LABEL = np.array([0, 1, 0, 2, 1], np.int32)
NETWORKS = {
    "encoder": ConvNet(widths=(4, 8)),
    "projector": MLP(hidden_dim=6, output_dim=D, norm="none"),
}


def method(**options):
    return UniConHA(**NETWORKS, temperature=T, **options)


def embeddings(stages):
    return np.random.default_rng(stages).normal(size=(B, stages, 8, D))


def loss(method, embeddings):
    batch = {"label": jnp.asarray(LABEL), "index": jnp.arange(B)}

    @jax.jit
    def value(z):
        return method.objective(Variables({}, {}), z, batch, Clock(0, 1, 1), None, None).loss

    with jax.enable_x64(True):
        return float(value(jnp.asarray(embeddings)))


def cons(x, positives, negatives, weights):
    """The definition: the weighted mean of -log(e^{p.x/t} / sum_{P u Q} e^{z.x/t}) over P."""
    below = sum(np.exp(z @ x / T) for z in (*positives, *negatives))
    terms = [-np.log(np.exp(p @ x / T) / below) for p in positives]
    return np.average(terms, weights=weights)


def uni_clr(z, labels, weight_temperature):
    """Over all views of z [B, 8, d], one after the other."""
    z = z / np.linalg.norm(z, axis=2, keepdims=True)
    views = [(i, view // 2, z[i, view]) for i in range(B) for view in range(8)]

    def is_positive(one, other):
        if one[1] or other[1]:  # an outlier: its own other view alone
            return one[:2] == other[:2]
        return labels[one[0]] == labels[other[0]]

    def others(x):
        return [v for v in views if v is not x]

    def weight(x):
        if weight_temperature is None:
            return 1.0
        near = [v for v in others(x) if is_positive(x, v)]
        return sum(np.exp(x[2] @ v[2] / weight_temperature) for v in near)

    total = 0
    for x in views:
        positives = [v for v in others(x) if is_positive(x, v)]
        negatives = [v[2] for v in others(x) if not is_positive(x, v)]
        weights = [weight(v) for v in positives]
        total += cons(x[2], [v[2] for v in positives], negatives, weights)
    return total / len(views)


def test_one_stage_is_the_definition_and_keeps_labels_of_inliers():
    z = embeddings(1)
    found = loss(method(stages=1, labelled=True, weighted=False), z)
    np.testing.assert_allclose(found, uni_clr(z[:, 0], LABEL, None), rtol=1e-12)


def test_the_last_stage_alone_weighs_its_positives():
    z = embeddings(2)
    first, last = uni_clr(z[:, 0], np.zeros(B), None), uni_clr(z[:, 1], np.zeros(B), 0.3)
    found = loss(method(stages=2, weight_temperature=0.3), z)
    np.testing.assert_allclose(found, (first + last) / 2, rtol=1e-12)


def test_labels_are_needed_where_they_are_used():
    assert method().needs == ()
    assert method(labelled=True).needs == ("label",)


def test_an_inner_stage_sees_its_own_views_and_passes_no_later_stage():
    two = method(stages=2)
    views = {"image": jax.random.uniform(jax.random.key(0), (3, 16, 4, 4, 1))}

    @jax.jit
    def embedded(key, changed):
        made = two.init(key, views, None)
        encoder = dict(made.params["encoder"])
        later = encoder["conv_stage1"], made.params["projector"]
        encoder["conv_stage1"], projector = jax.tree.map(lambda x: x + changed, later)
        params = {**made.params, "encoder": encoder, "projector": projector}
        found = two.embed(made._replace(params=params), views, None)
        return made, found.embeddings, found.model_state

    made, z, model_state = embedded(jax.random.key(1), 0.0)
    assert {*made.params} == {"encoder", "projector", "head_before_last_1"}
    assert z.shape == (3, 2, 8, D)
    _, changed, _ = embedded(jax.random.key(1), 0.5)
    np.testing.assert_array_equal(changed[:, 0], z[:, 0])
    assert np.abs(changed[:, 1] - z[:, 1]).min() > 1e-3

    # The first stage, in NumPy: the first eight views go through its convolution alone.
    images = np.asarray(views["image"], np.float64)
    kernel = np.asarray(made.params["encoder"]["conv_stage0"]["kernel"], np.float64)

    def mean_of(images):
        padded = np.pad(2 * images.reshape(-1, 4, 4, 1) - 1, ((0, 0), (0, 1), (0, 1), (0, 0)))
        windows = [padded[:, r : r + 3, c : c + 3] for r in (0, 2) for c in (0, 2)]
        return np.mean([np.einsum("nklc,klcd->nd", w, kernel).mean(0) for w in windows], axis=0)

    weak, strong = mean_of(images[:, :8]), mean_of(images[:, 8:])
    running = model_state["encoder"]["batch_norm_stage0"]["mean"]
    np.testing.assert_allclose(running, 0.9 * 0.1 * weak + 0.1 * strong, atol=1e-6)


def test_what_leaves_out_all_is_refused():
    with pytest.raises(UserError, match="a ConvNet of 2 stages cannot leave out its last 2"):
        jax.eval_shape(
            lambda key: method(stages=3).init(key, {"image": jnp.zeros((1, 24, 4, 4, 1))}, None),
            jax.random.key(0),
        )


def test_other_views_are_refused():
    for views, says in (
        ({"image": jnp.zeros((2, 2, 4, 4, 1))}, "takes 16 views .* makes 2 of image"),
        ({"image": jnp.zeros((2, 8, 4, 4, 1))}, "makes 8 .* views.stages=2"),
        ({"features": jnp.zeros((2, 16, 4))}, "makes 16 of features"),
    ):
        with pytest.raises(UserError, match=says):
            method(stages=2).embed(Variables({}, {}), views, None)


def test_other_options_are_refused():
    for options, says in (
        ({"weight_temperature": 0.0}, "method.weight_temperature=0.0"),
        ({"stages": 0}, "method.stages=0"),
    ):
        with pytest.raises(UserError, match=says):
            method(**options)
    vectors = {**NETWORKS, "encoder": MLPEncoder()}
    with pytest.raises(UserError, match="which MLPEncoder does not have"):
        UniConHA(**vectors)
    UniConHA(**vectors, stages=1)


@pytest.mark.slow
def test_stages_on_any_mesh():
    sections = {
        "views": {"name": "tests.methods.contract:at_four_turns", "stages": 2},
        "encoder": {"name": "convnet", "widths": (4, 8)},
        "precision": "float64",
    }

    def run_on(mesh):
        config = make_config("unicon_ha", **sections)
        config.method = {"name": "unicon_ha", "stages": 2}
        return Run(config, mesh)

    with jax.enable_x64(True):
        runs = run_on(one_device()), run_on(make_mesh(4, 2))
        (one, losses), (two, found) = (run.steps(run.start(), 0, 3) for run in runs)
        np.testing.assert_allclose(found, losses, rtol=0, atol=1e-9)
        for kind in ("params", "model_state"):
            assert largest_difference(getattr(one, kind), getattr(two, kind)) < 1e-9
