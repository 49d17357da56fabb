"""Momentum networks: copies whose parameters are a moving average, without gradient.

The copies' parameters are `method_state["momentum"]`. Their own running statistics are
`model_state["momentum"]`. Both have the names of the original networks.
"""

import dataclasses
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.config.checks import check_probability
from jcl.methods.base import Embedded, Variables
from jcl.methods.clock import Clock
from jcl.methods.parts.chain import Networks, embed_chain, views_of_inputs

PyTree = Any

MOMENTUM = "momentum"
_NAMES = ("encoder", "projector")


def with_copies(variables: Variables, names: tuple[str, ...]) -> Variables:
    """The variables with new copies of the networks of these names; older copies are replaced."""
    params, model_state, method_state = variables
    copied = {name: params[name] for name in names}
    statistics = {name: model_state[name] for name in names}
    # New arrays, because a step that reuses the state's memory must not get an array twice.
    copied, statistics = jax.tree.map(jnp.copy, (copied, statistics))
    return Variables(
        params, {**model_state, MOMENTUM: statistics}, {**method_state, MOMENTUM: copied}
    )


def embed_copies(
    networks: Networks,
    variables: Variables,
    views: PyTree,
    keys: Shaped[PRNGKeyArray, " B"] | None,
) -> tuple[dict[str, Float[Array, "B V ..."]], dict[str, PyTree]]:
    """Passes views through the copies in training mode, as `embed_chain` does for the originals.

    The copies get no gradient, because the step differentiates by `params` alone.

    Args:
        networks: the networks that have copies, in order; or the first ones of them.
        variables: with copies.
        views: kind -> leaves [B, V, ...].
        keys: one per example. Dropout differs from that of the originals; None drops nothing.

    Returns:
        The output of each copy [B, V, ...], by its network's name, and the new statistics.
    """
    if keys is not None:
        keys = jax.vmap(lambda key: jax.random.fold_in(key, zlib.crc32(MOMENTUM.encode())))(keys)
    params, statistics = variables.method_state[MOMENTUM], variables.model_state[MOMENTUM]
    outputs, new = embed_chain(networks, params, statistics, views, keys)
    return outputs, {**statistics, **new}


def follow(variables: Variables, share: Float[Array, ""] | float) -> Variables:
    """Moves the parameters of the copies towards those of the original networks.

    Args:
        variables: after the optimizer's update.
        share: share of the new parameters, 1 minus the decay: 0 keeps the copies unchanged, 1
            copies the networks.
    """
    before = variables.method_state[MOMENTUM]
    now = {name: variables.params[name] for name in before}
    moved = optax.incremental_update(now, before, share)
    return variables._replace(method_state={**variables.method_state, MOMENTUM: moved})


@dataclasses.dataclass(frozen=True)
class Momentum:
    """Adds momentum copies of encoder and projector to a two-view method.

    It is a base class before the class that has the networks: `class MoCoV2(Momentum,
    CosineContrast)`. The embeddings are then {"online": those of that class, "momentum": the raw
    output [B, V, d] of the projector's copy}. A method that copies other networks, or passes other
    views to the copies, uses the functions of this file instead.

    Attributes:
        decay: of the moving average in the first step: 1 keeps the copies unchanged, 0 copies the
            networks.
        decay_end: the decay at the end of the run; a cosine leads to it; None holds it constant.

    Source: He et al. 2020 (MoCo), Eq. 2; the cosine is Grill et al. 2020 (BYOL), section 3.3.
    """

    decay: float = 0.99
    decay_end: float | None = None

    def __post_init__(self):
        super().__post_init__()
        for key in ("decay", "decay_end"):
            check_probability(f"method.{key}", getattr(self, key))

    def share(self, clock: Clock) -> Float[Array, ""]:
        """1 minus the decay of a step; float32 is more exact for it than for the decay."""
        end = self.decay if self.decay_end is None else self.decay_end
        return clock.cosine(1 - self.decay, 1 - end)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the copies start equal to the networks."""
        return self.adopt(super().init(key, views, data))

    def adopt(self, variables) -> Variables:
        """See `Method`: copies the networks again that were loaded from another run."""
        return with_copies(variables, _NAMES)

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; all views pass through the copies too."""
        online = super().embed(variables, views, keys)
        copied = {name: self.networks[name] for name in _NAMES}
        views = views_of_inputs(views)
        outputs, statistics = embed_copies(copied, variables, views, keys)
        return online._replace(
            embeddings={"online": online.embeddings, MOMENTUM: outputs[_NAMES[-1]]},
            model_state={**online.model_state, MOMENTUM: statistics},
        )

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """Outputs of the networks, and of their copies: `momentum/features` and so on.

        Checkpoints from before 2026-11-28 give those of the networks alone.
        """
        found = self.outputs_of_networks(variables, inputs)
        if MOMENTUM not in variables.method_state:
            return found
        copies = Variables(variables.method_state[MOMENTUM], variables.model_state[MOMENTUM])
        of_copies = self.outputs_of_networks(copies, inputs)
        return {**found, **{f"{MOMENTUM}/{name}": value for name, value in of_copies.items()}}

    def outputs_of_networks(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """See `Method.outputs`; the variables are those of the networks, or of their copies."""
        return super().outputs(variables, inputs)

    def after_update(self, variables, carry, clock) -> Variables:
        """Moves the copies towards the networks."""
        return follow(super().after_update(variables, carry, clock), self.share(clock))
