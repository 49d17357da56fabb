"""Networks that one view of an example passes after the other: the base of most methods."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.methods.base import Embedded, Outcome, Variables


@dataclasses.dataclass(frozen=True)
class Chain(abc.ABC):
    """An encoder and what follows it, all views through all of it; a subclass says what follows.

    Attributes:
        encoder: maps images [N, H, W, C], or vectors [N, F], to features [N, D].
    """

    encoder: nn.Module

    feature_parts: ClassVar[tuple[str, ...]] = ("encoder",)
    head_parts: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[Mapping[str, str]] = {}

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Method`: nothing but the inputs."""
        return ()

    @property
    @abc.abstractmethod
    def networks(self) -> Mapping[str, nn.Module]:
        """What views pass, in this order, by the names of their parameters."""

    def init(self, key, views) -> Variables:
        """See `Method.init`; views [B, 2, ...]."""
        x, variables = _as_rows(views), {}
        keys = jax.random.split(key, len(self.networks))
        for key, (name, module) in zip(keys, self.networks.items(), strict=True):
            x, variables[name] = module.init_with_output(key, x, train=True)
        return Variables(
            params={name: v["params"] for name, v in variables.items()},
            model_state={name: v.get("batch_stats", {}) for name, v in variables.items()},
        )

    def init_method_state(self, key, variables, views, examples):
        """Nothing is kept besides the networks."""
        del key, variables, views, examples
        return {}

    def embed(self, params, model_state, method_state, views, key) -> Embedded:
        """See `Method.embed`; views [B, 2, ...], embeddings [B, 2, d].

        Both views pass the encoder in one call: with one call a view, BatchNorm's statistics would
        tell the views apart.
        """
        del method_state, key
        new_state = {}
        x = _as_rows(views)
        for name, module in self.networks.items():
            x, updated = module.apply(
                {"params": params[name], "batch_stats": model_state[name]},
                x,
                train=True,
                mutable=["batch_stats"],
            )
            new_state[name] = updated.get("batch_stats", {})
        return Embedded(x.reshape(*views.shape[:2], -1), {}, new_state)

    @abc.abstractmethod
    def objective(self, params, embeddings, batch, method_state, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, 2, d], raw."""

    def after_update(self, state, carry):
        """Nothing changes beside the optimizer's update."""
        del carry
        return state

    def features(self, params, model_state, inputs) -> Float[Array, "N D"]:
        """The encoder's output with BatchNorm in inference mode."""
        variables = {"params": params["encoder"], "batch_stats": model_state["encoder"]}
        return self.encoder.apply(variables, inputs, train=False)


def _as_rows(views: Float[Array, "B V ..."]) -> Float[Array, "N ..."]:
    # Example-major, so that a batch sharded over devices stays where it is.
    return jnp.reshape(views, (-1, *views.shape[2:]))
