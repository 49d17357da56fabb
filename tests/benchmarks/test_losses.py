"""The table of losses: nobody is forgotten, and all of a row's implementations agree."""

import jax
import numpy as np
import pytest

import jcl.losses
from benchmarks.agreement import check_agreement
from benchmarks.implementation import Implementation
from benchmarks.jax_losses import LOSSES, implementations


def test_every_public_loss_has_a_row():
    public = {
        name
        for name in jcl.losses.__all__
        if not getattr(jcl.losses, name).__module__.startswith("jcl.losses.engine.")
    }
    assert LOSSES.keys() == public
    assert all(next(iter(compared.functions)) == "jcl" for compared in LOSSES.values())


@pytest.mark.parametrize("wrong", ["nothing", "value", "gradient", "number"])
def test_a_loss_that_is_not_ours_ends_the_run(wrong):
    ours, theirs, alone = (
        Implementation(loss, by, 0, 0, None)
        for loss, by in (("a", "jcl"), ("a", "another"), ("b", "jcl"))
    )
    value, gradient = np.float32(3), np.ones((4, 2), np.float32)
    results = {
        ours: (value, {"x": gradient, "y": 2 * gradient}),
        theirs: (
            value * (1.01 if wrong == "value" else np.nan if wrong == "number" else 1),
            # In another order.
            {"y": 2 * gradient, "x": gradient * (0.9 if wrong == "gradient" else 1)},
        ),
        alone: (-value, {}),
    }
    if wrong == "nothing":
        check_agreement(results)
    else:
        with pytest.raises(SystemExit, match="another's a differs"):
            check_agreement(results)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_implementations_agree(loss):
    batch = {loss: jax.device_put(LOSSES[loss].make_inputs(np.random.default_rng(0), 96, 8))}
    made = implementations([loss], batch)
    check_agreement({x: x.call(batch[loss]) for x in made})
