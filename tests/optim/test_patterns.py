"""Frozen parameters stay where they are, and nothing else does."""

import jax
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.optim.patterns import is_frozen
from tests.tiny import assert_same_bits, one_device, tiny_config, tiny_experiment, train


def test_patterns_match_whole_parts_from_the_start_of_the_name():
    encoder = {name: {"kernel": 1.0} for name in ("block1", "block10")}
    params = {"encoder": encoder, "momentum": {"encoder": encoder}, "projector": 1.0}
    expected = {
        "encoder": {"block1": {"kernel": True}, "block10": {"kernel": False}},
        "momentum": {"encoder": {name: {"kernel": False} for name in encoder}},
        "projector": True,
    }
    for pattern in ("encoder/block1", "encoder/block1/", "encoder/block1/k.*", "en.*r/block1"):
        assert is_frozen(params, (pattern, "projector")) == expected


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("conv_stage0", "such as encoder/"),
        ("", "matches no parameter"),
        ("encoder/(", "is not a regular expression"),
        (".*", "leaves no parameter to train"),
    ],
)
def test_patterns_that_cannot_be_meant_are_named(pattern, says):
    with pytest.raises(UserError, match=says) as caught:
        tiny_experiment(tiny_config(frozen=(pattern,))).init_state(one_device())
    assert repr(pattern) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"optimizer.name": "adamw", "optimizer.weight_decay": 0.5},
        {
            "optimizer.name": "lars",
            "optimizer.weight_decay": 0.5,
            "optimizer.gradient_clip_norm": 0.1,
        },
    ],
    ids=["adamw", "lars, clipped"],
)
def test_frozen_parameters_keep_every_bit_and_cost_no_state(optimizer):
    """Weight decay would move them, and so would momentum."""
    states = []
    optimizer["views.name"] = "none"  # the quickest to compile
    config = tiny_config(
        total_steps=3, frozen=("encoder/conv_stage0/", "encoder/.*/bias"), **optimizer
    )
    curve = train(config, one_device(), watch=lambda state: states.append(jax.device_get(state)))
    before, after = states[0].params, states[-1].params
    assert_same_bits(before["encoder"]["conv_stage0"], after["encoder"]["conv_stage0"])
    moved = jax.tree.map(lambda a, b: bool((np.asarray(a) != np.asarray(b)).any()), before, after)
    expected = jax.tree.map(lambda frozen: not frozen, is_frozen(before, config.frozen))
    assert moved == expected
    frozen = sum(
        leaf.size * (not trained)
        for leaf, trained in zip(jax.tree.leaves(before), jax.tree.leaves(expected), strict=True)
    )
    sizes = sum(leaf.size for leaf in jax.tree.leaves(before))
    copies = 2 if config.optimizer.name == "adamw" else 1
    held = sum(leaf.size for leaf in jax.tree.leaves(states[0].opt_state) if leaf.ndim)
    assert held == copies * (sizes - frozen)
    # The logged norm is that of the gradients that are used.
    whole = train(tiny_config(total_steps=1, **optimizer), one_device())
    assert curve.metrics[0]["gradient_norm"] < whole.metrics[0]["gradient_norm"]
    np.testing.assert_allclose(curve.losses[0], whole.losses[0], rtol=1e-6)
