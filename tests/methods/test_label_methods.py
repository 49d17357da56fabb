"""Methods that are told labels or targets: what they contrast by and refuse; the controls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.dataset_shape import DatasetShape, images_of, shape_of
from jcl.data.order import batch_indices
from jcl.data.rows import Rows
from jcl.errors import UserError
from jcl.experiment import check_needs, make_experiment
from jcl.losses import supremix
from jcl.mesh import batch_sharding, make_mesh
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.cross_entropy import CrossEntropy
from jcl.methods.regression import L1, MSE
from jcl.methods.rnc import RankNContrast
from jcl.methods.supcon import SupCon
from jcl.methods.supremix import SupReMix
from jcl.models.mlp import MLPEncoder
from jcl.models.projector import MLP
from jcl.training.step import compile_train_step
from tests.losses import engine_example_formulas
from tests.losses.test_supcon import formula as supcon_formula
from tests.tiny import one_device, tiny_config

B = 8
NETWORKS = {"encoder": MLPEncoder(), "projector": MLP()}
EMBEDDINGS = np.asarray(jax.random.normal(jax.random.key(0), (B, 2, 5)))
LABEL = np.array([0, 1, 2, 0, 1, 2, 3, 3], np.int32)
# Their bins of 2 are neither those of 1 nor the labels.
TARGET = np.array([-3.1, 0.2, 0.9, 1.1, 4.9, 5.2, 7.0, 7.2], np.float32)
SIDE = {"label": LABEL, "target": TARGET, "index": np.arange(B, dtype=np.int32)}


def loss(method, embeddings=EMBEDDINGS, key=None):
    key = jax.random.key(1) if key is None else key
    batch = jax.tree.map(jnp.asarray, SIDE)
    embeddings = jax.tree.map(jnp.asarray, embeddings)
    variables = Variables({}, {})
    return method.objective(variables, embeddings, batch, Clock(0, 1, 1), key, None).loss


@pytest.mark.parametrize(
    ("bin_width", "classes"),
    [
        (None, LABEL),
        (2.0, np.round(TARGET / 2)),
        (1.0, np.round(TARGET)),
        (2.0**-31, TARGET),  # bins beyond the integers of 32 bits
        (100.0, np.zeros(B)),  # 0.0 and -0.0
    ],
)
def test_supcon_takes_labels_or_binned_targets(bin_width, classes):
    expected, *_ = supcon_formula(EMBEDDINGS[:, 0], EMBEDDINGS[:, 1], classes, 0.3)
    method = SupCon(**NETWORKS, temperature=0.3, bin_width=bin_width)
    np.testing.assert_allclose(loss(method), expected, rtol=1e-5)


def test_rank_n_contrast_ranks_by_target():
    expected = engine_example_formulas.rank_n_contrast(
        EMBEDDINGS[:, 0], EMBEDDINGS[:, 1], TARGET, 1.5
    )
    np.testing.assert_allclose(loss(RankNContrast(**NETWORKS, temperature=1.5)), expected, 1e-5)


@pytest.mark.slow
def test_supremix_hands_every_option_and_the_key_to_its_loss():
    options = {
        "temperature": 0.7,
        "window": 4.0,
        "bin_width": 2.0,
        "mix_neg": True,
        "mix_pos": True,
        "beta": (1.0, 3.0),
    }
    z0, z1 = jnp.asarray(EMBEDDINGS.swapaxes(0, 1))
    for changed in (
        {},
        {"mix_neg": False},
        {"mix_pos": False},
        {"window": 2.5},
        {"beta": (5.0, 1.0)},
    ):
        chosen = {**options, **changed}
        expected = supremix(z0, z1, jnp.asarray(TARGET), jax.random.key(3), **chosen)
        got = loss(SupReMix(**NETWORKS, **chosen), key=jax.random.key(3))
        np.testing.assert_array_equal(got, expected)


def test_projections_are_what_the_loss_compares():
    small = {"encoder": MLPEncoder(widths=(16,)), "projector": MLP(hidden_dim=16, output_dim=3)}
    inputs = jnp.asarray(EMBEDDINGS[:, 0])
    views = {"features": jnp.asarray(EMBEDDINGS)}
    variables = SupReMix(**small).init(jax.random.key(0), views, None)
    unit, raw = (
        np.asarray(method(**small).outputs(variables, {"features": inputs})["projection"])
        for method in (SupReMix, RankNContrast)
    )
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.ptp(norms) > 0.1
    np.testing.assert_allclose(unit, raw / norms, rtol=1e-5)


@pytest.mark.parametrize("beta", [(0, 8), (2.0,), (2, float("nan"))])
def test_supremix_refuses_a_beta_before_anything_starts(beta):
    with pytest.raises(UserError, match=r"method\.beta=.* two positive numbers"):
        SupReMix(**NETWORKS, beta=beta)


def test_supremix_counts_bins_of_the_window_where_it_has_mixed_positives():
    with pytest.raises(UserError, match="holds 100 bins"):
        SupReMix(**NETWORKS, bin_width=0.05)
    assert SupReMix(**NETWORKS, bin_width=0.05, mix_pos=False).bin_width == 0.05


def test_cross_entropy_and_regression_against_numpy():
    logits = EMBEDDINGS.astype(np.float64)
    log_sum = np.log(np.exp(logits).sum(-1))
    own = np.take_along_axis(logits, LABEL[:, None, None].repeat(2, 1), axis=2)[..., 0]
    got = loss(CrossEntropy(MLPEncoder(), n_classes=5))
    np.testing.assert_allclose(got, (log_sum - own).mean(), rtol=1e-6)
    output = EMBEDDINGS[..., 0].astype(np.float64)
    for count, mean, deviation in ((0, TARGET.mean(), TARGET.std()), (40, 5.0, 3.0)):
        # What was seen before is the scale; before anything was, the batch itself.
        seen = {"count": count, "mean": 5.0, "variance": 9.0}
        seen = {key: jnp.full(B, value, jnp.float32) for key, value in seen.items()}
        error = output - (TARGET[:, None].astype(np.float64) - mean) / deviation
        for method, expected in ((L1, np.abs(error).mean()), (MSE, (error**2).mean())):
            embeddings = {"output": jnp.asarray(EMBEDDINGS[..., 0]), "seen": seen}
            np.testing.assert_allclose(loss(method(MLPEncoder()), embeddings), expected, rtol=1e-5)


def halves():
    """Views of vectors: the first as they are, the second with signs changed."""

    def make(keys, examples):
        vectors = examples["features"]
        return {"features": jnp.stack([vectors, -vectors], axis=1)}

    return make


def vectors(n=64):
    random = np.random.RandomState(0)
    features = random.normal(size=(n, 6)).astype(np.float32)
    target = (1000 + 50 * features[:, 0] + random.normal(size=n)).astype(np.float32)
    return {"features": features, "target": target}


def test_a_regression_on_vectors_keeps_the_statistics_of_the_targets_it_saw():
    config = tiny_config(
        **{
            "encoder.name": "mlp",
            "encoder.widths": (16,),
            "views.name": f"{__name__}:halves",
            "method.name": "l1",
            "method.temperature": None,
            "total_steps": 6,
        }
    )
    data = vectors()
    example = {
        key: jax.ShapeDtypeStruct(value.shape[1:], value.dtype) for key, value in data.items()
    }
    experiment = make_experiment(config, DatasetShape(example, 64, None))
    mesh = make_mesh(devices=jax.devices()[:2])
    state = experiment.init_state(mesh)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    seen, method = [], experiment.method
    for t in range(6):
        rows = batch_indices(t, n=64, batch_size=16, seed=0)
        batch = {**{k: v[rows] for k, v in data.items()}, "index": rows.astype(np.int32)}
        if t:
            # The head is still small: it predicts about the mean of what was seen.
            inputs = {"features": jnp.asarray(data["features"])}
            predicted = method.outputs(state.probed, inputs)["prediction"]
            assert predicted.shape == (64,)
            assert abs(np.mean(predicted) - np.mean(seen)) < 3 * np.std(seen)
        state, metrics = step(state, jax.device_put(batch, batch_sharding(mesh)))
        seen = np.concatenate([seen, data["target"][rows].astype(np.float64)])
        kept = state.model_state["seen_targets"]
        np.testing.assert_allclose(kept["count"], len(seen))
        np.testing.assert_allclose(kept["mean"], seen.mean(), rtol=1e-6)
        np.testing.assert_allclose(kept["variance"], seen.var(), rtol=1e-4)
        scale = 1 if len(seen) == 16 else np.std(seen[:-16])
        if t == 0:
            # The head begins at zero: it says the mean of its first batch.
            scale, error = seen.std(), np.abs(seen - seen.mean()).mean()
            np.testing.assert_allclose(metrics["mean_absolute_error"], error, rtol=1e-4)
        np.testing.assert_allclose(
            metrics["loss"] * scale, metrics["mean_absolute_error"], rtol=1e-4
        )


@pytest.mark.parametrize("name", ["l1", "mse"])
def test_the_unit_of_the_target_changes_nothing(name):
    """Also under SGD, where it would change the step's length."""
    parameters = []
    for unit, zero in ((1.0, 0.0), (64.0, 4096.0)):
        config = tiny_config(
            **{
                "encoder.name": "mlp",
                "encoder.widths": (16,),
                "views.name": f"{__name__}:halves",
                "method.name": name,
                "method.temperature": None,
                "optimizer.name": "sgd",
            }
        )
        data = vectors()
        # Powers of two, and targets with few digits: nothing is rounded by the change of unit.
        data["target"] = (np.round(data["target"]) * unit + zero).astype(np.float32)
        experiment = make_experiment(config, shape_of(InMemorySource(data)))
        state = experiment.init_state(one_device())
        step = compile_train_step(state, mesh=one_device(), **experiment.step_options())
        for t in range(4):
            rows = batch_indices(t, n=64, batch_size=16, seed=0)
            batch = {**{k: v[rows] for k, v in data.items()}, "index": rows.astype(np.int32)}
            state, _ = step(state, jax.device_put(batch, batch_sharding(one_device())))
        parameters.append(state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), *parameters)


@pytest.mark.parametrize(
    ("name", "missing", "says"),
    [
        ("supremix", "target", "only classes, whose numbers have no order .*'supcon' takes"),
        ("rnc", "target", "only classes"),
        ("l1", "target", "needs a target"),
        (
            "supcon",
            "label",
            "needs a label of every example, .* only targets .*bin_width",
        ),
        ("cross_entropy", "label", "needs a label"),
    ],
)
def test_data_without_what_a_method_needs_are_refused(name, missing, says):
    config = tiny_config(**{"method.name": name, "method.temperature": None})
    full = images_of(8, 8, 3, examples=64)
    check_needs(make_experiment(config, full))
    example = {key: value for key, value in full.example.items() if key != missing}
    with pytest.raises(UserError, match=says):
        check_needs(make_experiment(config, DatasetShape(example, 64, 10)))


@pytest.mark.parametrize(("name", "key"), [("supcon", "label"), ("l1", "target")])
def test_a_label_or_target_that_never_changes_is_refused(name, key):
    image = np.zeros((17, 8, 8, 3), np.uint8)
    values = np.array([*[3] * 16, 4], {"label": np.int32, "target": np.float32}[key])
    source = InMemorySource({"image": image, key: values}, n_classes=5)
    config = tiny_config(**{"method.name": name, "method.temperature": None})
    check_needs(make_experiment(config, shape_of(source)))
    with pytest.raises(UserError, match=f"all 16 training examples .* the same {key}: take other"):
        check_needs(make_experiment(config, shape_of(Rows(source, np.arange(16)))))


def test_supcon_with_bins_needs_targets():
    config = tiny_config(**{"method.name": "supcon", "method.bin_width": 1.0})
    example = {"image": images_of(8, 8, 3, examples=64).example["image"]}
    with pytest.raises(UserError, match="needs a target"):
        check_needs(make_experiment(config, DatasetShape(example, 64, None)))


def test_an_encoder_of_images_refuses_vectors():
    config = tiny_config(**{"views.name": f"{__name__}:halves"})
    example = {"features": jax.ShapeDtypeStruct((6,), np.float32)}
    experiment = make_experiment(config, DatasetShape(example, 64, None))
    with pytest.raises(UserError, match=r"ConvNet takes images.*6 features; encoder.name='mlp'"):
        experiment.init_state(one_device())
