"""PixPro against NumPy: which cells are positive, what propagates, and the loss."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.boxes import cell_places
from jcl.data.dataset_shape import shape_of
from jcl.errors import UserError
from jcl.experiment import make_experiment
from jcl.losses import unit_rows
from jcl.methods.clock import Clock
from jcl.methods.pixpro import PixPro, cell_consistency, positive_cells, propagate
from jcl.models.convnet import ConvNet
from jcl.models.mlp import MLPEncoder
from jcl.models.projector import MLP
from tests.methods import contract
from tests.tiny import one_device

SIDE = 3  # of a map


def positives(box0, box1, flips=(False, False), turns=(0, 0), distance=0.7):
    box = jnp.asarray([[box0, box1]], jnp.float32)
    place = cell_places(box, jnp.asarray([flips]), jnp.asarray([turns]), SIDE, SIDE)
    return np.asarray(positive_cells(*place, distance))[0]


WHOLE = (0.0, 0.0, 1.0, 1.0)


def test_identical_boxes_pair_every_cell_with_itself():
    for box in (WHOLE, (0.1, 0.3, 0.4, 0.4)):
        np.testing.assert_array_equal(positives(box, box), np.eye(SIDE**2, dtype=bool))
    # Beyond the side of a cell, neighbours are positive too.
    assert positives(WHOLE, WHOLE, distance=0.72).sum() == 9 + 2 * 12


def test_a_flipped_or_turned_view_has_the_mirrored_or_turned_positives():
    cells = np.arange(SIDE**2).reshape(SIDE, SIDE)
    flipped = np.eye(SIDE**2, dtype=bool)[cells[:, ::-1].ravel()]
    np.testing.assert_array_equal(positives(WHOLE, WHOLE, (True, False)), flipped)
    np.testing.assert_array_equal(positives(WHOLE, WHOLE, (False, True)), flipped.T)
    np.testing.assert_array_equal(positives(WHOLE, WHOLE, (True, True)), np.eye(SIDE**2))
    turned = np.eye(SIDE**2, dtype=bool)[np.rot90(cells, 3).ravel()]
    np.testing.assert_array_equal(positives(WHOLE, WHOLE, turns=(3, 0)), turned)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def places_by_hand(box, flip):
    """A list of the centres of cells, and the diagonal of one."""
    top, left, height, width = box
    centres = []
    for row in range(SIDE):
        for column in range(SIDE):
            across = (SIDE - 1 - column if flip else column) + 0.5
            centres.append((top + height * (row + 0.5) / SIDE, left + width * across / SIDE))
    return np.array(centres), np.hypot(height / SIDE, width / SIDE)


def loss_by_hand(x, g, k, boxes, flips, power=2.0, distance=0.7):
    """The formula for one example, in loops over pairs; x, g, k are [2, cells, d]."""
    (places0, diagonal0), (places1, diagonal1) = map(places_by_hand, boxes, flips)
    y = np.zeros_like(g)
    for view in range(2):
        for i in range(SIDE**2):
            for j in range(SIDE**2):
                cosine = unit(x[view, i]) @ unit(x[view, j])
                y[view, i] += max(cosine, 0) ** power * g[view, j]
    there, back, pairs = 0.0, 0.0, 0
    for i in range(SIDE**2):
        for j in range(SIDE**2):
            if np.linalg.norm(places0[i] - places1[j]) / max(diagonal0, diagonal1) < distance:
                pairs += 1
                there += unit(y[0, i]) @ unit(k[1, j])
                back += unit(y[1, j]) @ unit(k[0, i])
    return -2 * (there + back) / pairs if pairs else 0.0


def test_the_loss_of_random_boxes_is_the_formula():
    random = np.random.RandomState(0)
    x, g, k = random.normal(size=(3, 12, 2, SIDE**2, 5))
    extent = random.uniform(0.2, 0.7, (12, 2, 2))
    box = np.concatenate([random.uniform(size=extent.shape) * (1 - extent), extent], -1)
    box[3] = [[0, 0, 0.3, 0.3], [0.6, 0.6, 0.3, 0.4]]  # disjoint
    flip = random.uniform(size=(12, 2)) < 0.5
    expected = [loss_by_hand(*example) for example in zip(x, g, k, box, flip, strict=True)]
    assert expected[3] == 0
    assert np.count_nonzero(expected) > 6
    with jax.enable_x64(True):
        losses, slopes = loss_and_slopes(*map(jnp.asarray, (x, g, k, box, flip)))
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    assert not slopes[3].any()
    assert slopes[0].any() == (expected[0] != 0)


@jax.jit
def loss_and_slopes(x, g, k, box, flip):
    place = cell_places(box, flip, jnp.zeros(flip.shape, int), SIDE, SIDE)
    positive = positive_cells(*place, 0.7)

    def total(x):
        y = unit_rows(propagate(unit_rows(x), g, 2.0))
        losses = cell_consistency(y, unit_rows(k), positive)
        return losses.sum(), losses

    slopes, losses = jax.grad(total, has_aux=True)(x)
    return losses, slopes


@pytest.mark.slow
def test_embed_puts_the_parts_together():
    """The networks' maps go where the formula has them, and the copies are the targets."""
    with jax.enable_x64(True):
        config = contract.make_config("pixpro", precision="float64")
        experiment = make_experiment(config, shape_of(contract.source()))
        state, method = experiment.init_state(one_device()), experiment.method
        copies = jax.tree.map(lambda p: p + 0.1, state.method_state["momentum"])
        variables = state.probed._replace(method_state={"momentum": copies})
        examples = {"image": contract.source().batch(np.arange(8))["image"] / 255.0}
        keys = jax.random.split(jax.random.key(3), 8)
        views = contract.placed()(keys, examples)
        views["side"] = {**views["side"], "turns": jnp.zeros((8, 2), jnp.int32)}
        found = jax.jit(method.embed)(variables, views, keys).embeddings
        outcome = method.objective(variables, found, {}, Clock(0, 3, 4), None, None)
    found = jax.tree.map(np.asarray, found)
    params = jax.tree.map(np.asarray, state.params)
    images = np.asarray(views["image"]).reshape(16, 2, 4, 2, 4, 3).mean((2, 4))

    def projected(encoder, projector):
        z = images @ encoder["dense"]["kernel"] + encoder["dense"]["bias"]
        z = (z - z.mean((0, 1, 2))) / np.sqrt(z.var((0, 1, 2)) + 1e-5)
        z = np.tanh(z * encoder["norm"]["scale"] + encoder["norm"]["bias"])
        return z @ projector["dense0"]["kernel"] + projector["dense0"]["bias"]

    x = projected(params["encoder"], params["projector"])
    g = x @ params["predictor"]["dense0"]["kernel"] + params["predictor"]["dense0"]["bias"]
    k = projected(*(jax.tree.map(np.asarray, copies[n]) for n in ("encoder", "projector")))
    cells = (maps.reshape(8, 2, 4, -1) for maps in (x, g, k))
    box, flip = (np.asarray(views["side"][name]) for name in ("box", "flip"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.SIDE", 2)
        expected = [loss_by_hand(*e) for e in zip(*cells, box, flip, strict=True)]
    np.testing.assert_allclose(found["loss"], expected, rtol=0, atol=1e-10)
    projection = unit(x.reshape(8, 2, 4, -1)).mean(2)
    np.testing.assert_allclose(found["projection"], projection, atol=1e-12)
    np.testing.assert_allclose(outcome.loss, np.mean(expected), atol=1e-10)
    np.testing.assert_array_equal(found["overlap"], np.not_equal(expected, 0))
    assert float(outcome.metrics["overlap"]) == found["overlap"].mean()


def networks(encoder=None):
    head = MLP(layers=1, norm="none", output_dim=4)
    return {"encoder": encoder or ConvNet(widths=(4,)), "projector": head, "predictor": head}


def test_what_it_cannot_train_with_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="MLPEncoder has none; take encoder"):
        PixPro(**networks(MLPEncoder(widths=(4,))))
    method = PixPro(**networks())
    views = {"image": jnp.zeros((1, 2, 8, 8, 3))}
    with pytest.raises(UserError, match=r"take views\.name='byol_boxes'"):
        method.init(jax.random.key(0), views, None)
    for options, message in (
        ({"power": 0.5}, "method.power=0.5 is impossible: it must be 1 or more"),
        ({"distance": 0.0}, "method.distance=0.0 is impossible"),
        ({"decay": 1.5}, "method.decay=1.5"),
    ):
        with pytest.raises(UserError, match=message):
            dataclasses.replace(method, **options)
