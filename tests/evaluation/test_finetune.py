"""Fine-tuning against scikit-learn, where the encoder as good as stands still."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from jcl.config import base
from jcl.data import InMemorySource
from jcl.data.dataset_shape import shape_of
from jcl.data.groups import Grouped
from jcl.errors import UserError
from jcl.evaluation import finetune as module
from jcl.evaluation.finetune import check_finetuning, finetune, finetune_shares
from jcl.experiment import make_experiment, make_method, open_config
from jcl.methods.base import Variables
from jcl.probes import Features
from tests.tiny import one_device, tiny_config


def same_twice():

    def make(keys, examples):
        vectors = examples["features"]
        return {"features": jnp.stack([vectors, vectors], axis=1)}

    return make


def source(n, seed):
    random = np.random.RandomState(seed)
    features = random.normal(size=(n, 5)).astype(np.float32)
    target = 300 + 40 * np.abs(features[:, 0]) - 20 * features[:, 1] + random.normal(size=n)
    label = (features[:, 2] > 0).astype(np.int32)
    arrays = {"features": features, "target": target.astype(np.float32), "label": label}
    return InMemorySource(arrays, n_classes=2)


def config(**overrides):
    return tiny_config(
        **{
            "batch_size": 64,
            "encoder.name": "mlp",
            "encoder.widths": (6,),
            "views.name": f"{__name__}:same_twice",
            "probe.finetune_epochs": 400.0,
            "probe.finetune_learning_rate": 0.1,
            "probe.finetune_encoder_scale": 1e-7,
            **overrides,
        }
    )


TRAIN, TEST = source(200, 0), source(50, 1)
ROWS = np.arange(1, 193, 3)  # 64 of them, a batch


@pytest.fixture(scope="module")
def encoder():
    state = make_experiment(config(), shape_of(TRAIN)).init_state(one_device())
    return {"encoder": Variables(state.params["encoder"], state.model_state["encoder"])}


def features(encoder, inputs):
    """The encoder of `config` by hand, with the statistics of the rows it is fine-tuned with."""
    kernel = np.asarray(encoder["encoder"].params["layer0"]["kernel"], np.float64)
    hidden, of_rows = inputs @ kernel, TRAIN.arrays["features"][ROWS] @ kernel
    return np.maximum((hidden - of_rows.mean(0)) / np.sqrt(of_rows.var(0) + 1e-5), 0)


@pytest.fixture(scope="module")
def head_alone(encoder):
    """What a head says whose encoder stood still."""
    before = jax.tree.map(np.array, encoder)
    predicted = finetune(config(), encoder, TRAIN, ROWS, TEST, method="mse")[:, 0]
    jax.tree.map(np.testing.assert_array_equal, before, encoder)
    return predicted


def test_a_head_on_an_encoder_that_stands_still_is_least_squares(encoder, head_alone):
    rows = features(encoder, TRAIN.arrays["features"][ROWS])
    reference = LinearRegression().fit(rows, TRAIN.arrays["target"][ROWS])
    expected = reference.predict(features(encoder, TEST.arrays["features"]))
    np.testing.assert_allclose(head_alone, expected, atol=0.02 * np.std(expected))
    # Other rows, other head: the labels of these alone were used.
    others = LinearRegression().fit(
        features(encoder, TRAIN.arrays["features"]), TRAIN.arrays["target"]
    )
    off = others.predict(features(encoder, TEST.arrays["features"])) - expected
    assert np.abs(off).max() > 0.1 * np.std(expected)


@pytest.mark.slow
def test_the_whole_network_learns_what_a_head_cannot(encoder, head_alone):
    truth = TEST.arrays["target"]
    moving = config(**{"probe.finetune_encoder_scale": 0.3})
    tuned = finetune(moving, encoder, TRAIN, ROWS, TEST, method="mse")[:, 0]
    assert np.abs(tuned - truth).mean() < 0.7 * np.abs(head_alone - truth).mean()
    logits = finetune(moving, encoder, TRAIN, ROWS, TEST, method="cross_entropy")
    assert logits.shape == (50, 2)
    assert (logits.argmax(1) == TEST.arrays["label"]).mean() > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("examples", [40, 200])
def test_the_defaults_are_no_worse_than_a_linear_probe(encoder, examples):
    rows = np.arange(examples)
    x, y = features(encoder, TRAIN.arrays["features"])[rows], TRAIN.arrays["target"][rows]
    linear = LinearRegression().fit(x, y).predict(features(encoder, TEST.arrays["features"]))
    probe = {f"probe.{k}": v for k, v in base().probe.items() if k.startswith("finetune_")}
    tuned = finetune(config(**probe), encoder, TRAIN, rows, TEST, method="l1")[:, 0]
    truth = TEST.arrays["target"]
    assert np.abs(tuned - truth).mean() <= np.abs(linear - truth).mean()


@pytest.mark.slow
def test_it_says_when_it_diverges(encoder):
    wild = config(**{"probe.finetune_learning_rate": 1e38, "probe.finetune_epochs": 1.0})
    with pytest.raises(UserError, match="diverged"):
        finetune(wild, encoder, TRAIN, ROWS, TEST, method="mse")


def test_batches_are_of_all_examples_of_a_run_whose_batches_are_of_one_group(monkeypatch):
    class Reached(Exception):
        pass

    def look(config, data):
        order = make_experiment(config, data).order
        assert len({*order.batch_indices(0)}) == config.batch_size == len(ROWS)
        raise Reached

    monkeypatch.setattr(module, "make_experiment", look)
    groups = Grouped(TRAIN, np.arange(200), (np.arange(200) % 10).astype(np.int32))
    of_groups = config(**{"data.groups": "groups.npz"})
    with pytest.raises(Reached):
        finetune(of_groups, {}, groups, ROWS, TEST, method="mse")
    assert of_groups.data.groups == "groups.npz"


@pytest.mark.parametrize(("missing", "keys"), [(60, {"top1", "mae"}), (200, {"mae"})])
def test_examples_without_a_label_are_left_out_of_both_splits(monkeypatch, missing, keys):
    """Unless all are without: then there are targets to learn, and no labels."""
    splits = []
    for split in (TRAIN, TEST):
        label = split.arrays["label"].copy()
        label[:missing] = -1
        splits.append(Features(split.arrays["features"], {**split.arrays, "label": label}))
    seen = []

    def perfect(config, pretrained, train, rows, test, *, method):
        seen.append(rows)
        if method == "cross_entropy":
            return np.eye(2)[test.arrays["label"]]
        return test.arrays["target"][:, None]

    test = splits[1] if missing == 200 else Features(TRAIN.arrays["features"], splits[0].known)
    monkeypatch.setattr(module, "finetune", perfect)
    shares = config(**{"probe.finetune_shares": (0.5,)})
    scored = finetune_shares(shares, {}, TRAIN, TRAIN if missing == 60 else TEST, splits[0], test)
    assert keys <= scored["0.5"].keys()
    assert ("top1" in scored["0.5"]) == ("top1" in keys)
    assert scored["0.5"].get("top1", 1.0) == 1.0
    assert scored["0.5"]["mae"] == 0
    assert scored["0.5"]["examples"] == (70 if missing == 60 else 100)
    assert all(rows.min() >= (60 if missing == 60 else 0) for rows in seen)
    no_classes = InMemorySource(TRAIN.arrays)
    assert "top1" not in finetune_shares(shares, {}, no_classes, TRAIN, splits[0], test)["0.5"]


def test_encoders_of_texts_are_refused_in_a_sentence():
    own = {"method.name": "simcse", "views.name": "text_copies", "text_encoder.name": "token_bag"}
    for asked, refused in ((True, True), (False, False)):
        texts = open_config(tiny_config(**own, **{"probe.finetune": asked}))
        method = make_method(texts)
        if refused:
            with pytest.raises(UserError, match=r"method\.name='simcse' come from its text_encod"):
                check_finetuning(texts, method)
        else:
            check_finetuning(texts, method)
    images = open_config(config(**{"probe.finetune": True}))
    check_finetuning(images, make_method(images))
    motion = open_config(config(**{"probe.finetune": True, "probe.label": "motion"}))
    with pytest.raises(UserError, match=r"probe\.label='motion' asks for another class"):
        check_finetuning(motion, make_method(motion))
