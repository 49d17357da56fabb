"""What methods share that send two views of each example through the same networks."""

import abc
import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.losses.engine.embeddings import unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.diagnostics import two_view_diagnostics


@dataclasses.dataclass(frozen=True)
class TwoViewNetworks(abc.ABC):
    """Encoder and projector, both views through both; a subclass gives the objective.

    Attributes:
        encoder: maps images [N, H, W, C], or vectors [N, F], to features [N, D].
        projector: maps features to embeddings [N, d].
    """

    encoder: nn.Module
    projector: nn.Module

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Method`: nothing but the images."""
        return ()

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """What views pass, in this order, by the names of their parameters."""
        return {"encoder": self.encoder, "projector": self.projector}

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
    def objective(self, params, embeddings, side, method_state, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, 2, d], raw."""

    def after_update(self, state, carry):
        """Nothing changes beside the optimizer's update."""
        del carry
        return state

    def features(self, params, model_state, inputs) -> Float[Array, "N D"]:
        """The encoder's output with BatchNorm in inference mode."""
        variables = {"params": params["encoder"], "batch_stats": model_state["encoder"]}
        return self.encoder.apply(variables, inputs, train=False)

    def project(self, params, model_state, inputs) -> Float[Array, "N d"]:
        """See `Method`: unit rows, as most losses compare them."""
        return unit_rows(self.raw_projection(params, model_state, inputs))

    def raw_projection(self, params, model_state, inputs) -> Float[Array, "N d"]:
        """The projector's output for features, BatchNorm in inference mode."""
        features = self.features(params, model_state, inputs)
        variables = {"params": params["projector"], "batch_stats": model_state["projector"]}
        return self.projector.apply(variables, features, train=False)


@dataclasses.dataclass(frozen=True)
class TwoViewMethod(TwoViewNetworks):
    """A loss of two views' embeddings and nothing else; a subclass gives the loss."""

    @abc.abstractmethod
    def loss(
        self, z0: Float[Array, "B d"], z1: Float[Array, "B d"], mesh: Mesh | None
    ) -> Float[Array, ""]:
        """The loss of the raw embeddings of the two views."""

    def objective(self, params, embeddings, side, method_state, key, mesh) -> Outcome:
        """See `Method.objective`."""
        del params, side, method_state, key
        z0, z1 = embeddings[:, 0], embeddings[:, 1]
        return Outcome(self.loss(z0, z1, mesh), two_view_diagnostics(z0, z1), {})


def _as_rows(views: Float[Array, "B V ..."]) -> Float[Array, "N ..."]:
    # Example-major, so that a batch sharded over devices stays where it is.
    return jnp.reshape(views, (-1, *views.shape[2:]))
