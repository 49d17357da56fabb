"""MV-InfoNCE and MV-DHEL against the formulas of the paper."""

import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import mv_dhel, mv_info_nce
from tests.losses.exactness import Case, assert_exact, evaluate, every_layout, log_sum_exp, unit
from tests.losses.many_view_cases import BATCH, DIMENSIONS, VIEWS, many_view_cases
from tests.losses.test_two_view_losses import meshes

CASES = [Case((z, t), t) for z in many_view_cases() for t in (0.05, 0.5)]


def mv_info_nce_formula(z, temperature):
    batch, views, _ = z.shape
    logits = np.einsum("ild,jmd->ijlm", unit(z), unit(z)) / temperature
    other_view = np.tile(~np.eye(views, dtype=bool), (batch, 1, 1)).ravel()
    above = log_sum_exp(logits[np.arange(batch), np.arange(batch)][:, ~np.eye(views, dtype=bool)])
    return (log_sum_exp(logits.reshape(batch, -1), other_view) - above).mean()


def mv_dhel_formula(z, temperature):
    u, others = unit(z), ~np.eye(len(z), dtype=bool)
    pairs = [(u[:, a] * u[:, b]).sum(1) for b in range(z.shape[1]) for a in range(b)]
    loss = -log_sum_exp(np.stack(pairs, 1) / temperature)
    for view in range(z.shape[1]):
        loss = loss + log_sum_exp(u[:, view] @ u[:, view].T / temperature, others)
    return loss.mean()


LOSSES = {"mv_info_nce": (mv_info_nce, mv_info_nce_formula), "mv_dhel": (mv_dhel, mv_dhel_formula)}


@every_layout
@pytest.mark.parametrize("name", LOSSES)
def test_exact_and_linear_in_memory(name, layout):
    loss, formula = LOSSES[name]
    assert_exact(
        lambda z, temperature, **options: loss(z, temperature=temperature, **options),
        formula,
        CASES,
        layout,
        block_size=2,
        largest=BATCH * VIEWS * DIMENSIONS,  # fewer than a device's rows times all columns
    )


def test_two_views_of_two_examples_are_dhel_by_hand():
    z = np.float32(many_view_cases()[0][:2, :2])
    u = unit(np.float64(z))
    # Every sum of negatives has one term, the other example in the same view.
    negatives = (u[0] * u[1]).sum()
    positives = (u[:, 0] * u[:, 1]).sum(1)
    value, _ = evaluate(lambda z: mv_dhel(z, temperature=0.5), z)
    np.testing.assert_allclose(value, (negatives - positives.mean()) / 0.5, rtol=1e-5)


def test_few_examples_and_views():
    z = np.float32(many_view_cases()[0])
    value, gradient = evaluate(lambda z: mv_info_nce(z, temperature=0.005), z[:1])
    assert value == 0
    assert not gradient.any()
    # Sixteen anchors, yet a device cannot hold half an example.
    with pytest.raises(UserError, match=r"^A batch of 4 does not divide by the 8 devices"):
        mv_info_nce(jnp.zeros((4, 4, 3)), temperature=0.5, mesh=meshes()["8"])
