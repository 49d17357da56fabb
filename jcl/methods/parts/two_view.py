"""The base of methods that contrast two views of each example, or all pairs of more views."""

import abc
import dataclasses
from collections.abc import Mapping

import flax.linen as nn
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.config.checks import check_positive
from jcl.errors import UserError
from jcl.losses import unit_rows
from jcl.methods.base import Outcome
from jcl.methods.parts.chain import Chain
from jcl.methods.parts.diagnostics import several_view_diagnostics
from jcl.methods.parts.equal_views import EqualViews, mean_over_pairs


def pair_of(embeddings: Float[Array, "B V d"]) -> tuple[Float[Array, "B d"], Float[Array, "B d"]]:
    """The embeddings of the two views of each example.

    Raises:
        UserError: there are not exactly two views, which indexing would not detect.
    """
    count = embeddings.shape[1]
    if count != 2:
        raise UserError(
            "the method takes two views of an example, but the recipe of views (views.name, "
            f"views.count) makes {count}"
        )
    return embeddings[:, 0], embeddings[:, 1]


@dataclasses.dataclass(frozen=True)
class TwoViewNetworks(Chain):
    """Encoder and projector; both views pass through both. A subclass gives the objective.

    Attributes:
        projector: maps features to embeddings [N, d].
    """

    projector: nn.Module

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Encoder and projector."""
        return {"encoder": self.encoder, "projector": self.projector}

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D], and `projection` [N, d]: unit rows, as most losses compare them.

        Also `map` [N, h, w, D], if the encoder has a feature map.
        """
        features, projection = self.features_and_projection(variables, inputs)
        found = {"features": features, "projection": unit_rows(projection)}
        return {**found, **self.map_of(variables, inputs)}

    def features_and_projection(self, variables, inputs) -> tuple[Float[Array, "N ..."], ...]:
        """The outputs of encoder and projector for examples, BatchNorm in inference mode."""
        found = self.infer(variables, inputs, "encoder", "projector")
        return found["encoder"], found["projector"]


@dataclasses.dataclass(frozen=True)
class CosineContrast(TwoViewNetworks):
    """Two views that are compared by cosines divided by a temperature.

    `temperature` means the same in all methods that derive from this class. So the config's value
    is kept when the command line replaces one of them by another.

    Attributes:
        temperature: cosines are divided by it.
    """

    temperature: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.temperature", self.temperature)


@dataclasses.dataclass(frozen=True)
class TwoViewMethod(EqualViews, CosineContrast):
    """A loss of two views' embeddings, without further state; a subclass gives the loss.

    If an example has more views, the objective is the mean of the loss over all pairs of views.
    """

    @abc.abstractmethod
    def loss(
        self, z0: Float[Array, "B d"], z1: Float[Array, "B d"], mesh: Mesh | None
    ) -> Float[Array, ""]:
        """The loss of the raw embeddings of two views."""

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw, V >= 2."""
        loss = mean_over_pairs(lambda z0, z1: self.loss(z0, z1, mesh), embeddings)
        return Outcome(loss, several_view_diagnostics(embeddings), {})
