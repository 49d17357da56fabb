"""PamC's loss in loops of NumPy, its relation to losses of all pairs, and its clusters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data.dataset_shape import images_of
from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.epoch import Epoch
from jcl.methods.pamc import PamC, meta_node_nce
from jcl.models.projector import MLP
from tests.methods.contract import Normalised

B, D, SCALE = 6, 4, 1.7
RANDOM = np.random.RandomState(0)
Z = RANDOM.normal(size=(2, B, D))
CLUSTER = np.array([0, 3, 0, 1, 3, 0])


@jax.jit
def _loss(z, cluster):
    return meta_node_nce(*z, cluster, clusters=B, scale=SCALE)


def loss(z=Z, cluster=CLUSTER):
    with jax.enable_x64(True):
        return float(_loss(jnp.asarray(z), jnp.asarray(cluster)))


def cos(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def formula(cluster):
    positives = [SCALE * cos(Z[0, i], Z[1, i]) for i in range(B)]
    sums = {k: sum(Z[0, i] + Z[1, i] for i in range(B) if cluster[i] == k) for k in {*cluster}}
    negatives = []
    for k, row in sums.items():
        cosines = [0.0 if other == k else cos(row, sums[other]) for other in sums]
        negatives.append(np.log(np.sum(np.exp(SCALE * np.array(cosines)))))
    return -np.mean(positives) + np.mean(negatives)


def test_the_loss_against_loops_where_some_clusters_have_no_example():
    np.testing.assert_allclose(loss(), formula(CLUSTER.tolist()), rtol=1e-12)
    np.testing.assert_allclose(loss(cluster=np.zeros(B, int)), formula([0] * B), rtol=1e-12)


def test_every_example_alone_is_decoupled_contrast_with_a_zeroed_self_cosine():
    """Where the other view is the same, sums are directions, and DCL's negatives are all others."""
    z = Z[0] / np.linalg.norm(Z[0], axis=1, keepdims=True)
    s = SCALE * z @ z.T
    others = np.where(np.eye(B, dtype=bool), 0, np.exp(s)).sum(1)
    dcl_with_one = np.mean(-SCALE + np.log(1 + others))
    found = loss(np.stack([Z[0], Z[0]]), np.arange(B))
    np.testing.assert_allclose(found, dcl_with_one, rtol=1e-12)


def test_gradients_are_finite_where_a_sum_is_zero():
    opposite = jnp.asarray(np.stack([Z[0], -Z[0]]))
    assert np.isfinite(jax.grad(_loss)(opposite, jnp.arange(B))).all()


def method(**options):
    return PamC(encoder=Normalised(), projector=MLP(output_dim=6), n_classes=4, **options)


def test_clusters_come_from_projections_at_intervals():
    directions = np.arange(30) % 3
    projections = (np.eye(4)[directions] + 0.01 * RANDOM.normal(size=(30, 4))).astype(np.float32)
    pamc = method(clusters=3, recluster_epochs=2)
    variables = Variables({}, {}, {"clusters": jnp.zeros(30, jnp.int32)})

    def at(number, seed):
        read = {"projection": projections}.__getitem__
        return pamc.at_epoch(variables, Epoch(number, jax.random.key(seed), read, read))

    assert at(1, 0) is variables
    told = method(clusters=0, recluster_epochs=1)
    read = {}.__getitem__
    assert told.at_epoch(variables, Epoch(0, jax.random.key(0), read, read)) is variables
    for seed in range(20):  # until three first examples of three directions are drawn
        found = np.asarray(at(4, seed).method_state["clusters"])
        if len({*zip(directions.tolist(), found.tolist(), strict=True)}) == 3:
            break
    else:
        raise AssertionError("no key finds directions at right angles")
    np.testing.assert_array_equal(at(4, seed).method_state["clusters"], found)


def test_impossible_options_are_refused():
    for options, message in [
        ({"scale": 0.0}, r"method\.scale=0"),
        ({"clusters": -1}, r"method\.clusters=-1"),
        ({"recluster_epochs": 0}, r"method\.recluster_epochs=0"),
    ]:
        with pytest.raises(UserError, match=message):
            method(**options)
    views, data = {"image": jnp.zeros((1, 2, 8, 8, 3))}, images_of(8, 8, 3, examples=7)
    with pytest.raises(UserError, match=r"method\.clusters=8 is impossible with 7 examples"):
        method().init(jax.random.key(0), views, data)
    assert method(clusters=0).needs == ("label",)
