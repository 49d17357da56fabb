"""Feature maps of encoders that pool them: what dense methods and probes of cells see."""

import inspect

import flax.linen as nn
from jaxtyping import Array, Float, PRNGKeyArray, Shaped


def has_feature_map(encoder: nn.Module) -> bool:
    """Whether the encoder has a method `feature_map`.

    It is called as the encoder is, `feature_map(images, train=...)`, has the same parameters and
    gives [N, h, w, D], whose mean over the cells h and w is what the encoder gives.
    """
    return callable(getattr(type(encoder), "feature_map", None))


def has_stages(encoder: nn.Module) -> bool:
    """Whether `feature_map` also takes `left_out`: how many last stages images do not pass."""
    return has_feature_map(encoder) and _takes(encoder, "left_out")


def _takes(encoder: nn.Module, name: str) -> bool:
    return name in inspect.signature(type(encoder).feature_map).parameters


class FeatureMap(nn.Module):
    """An encoder that gives its map instead of the mean over it, under the same parameters.

    Attributes:
        encoder: one that has a map, see `has_feature_map`.
    """

    encoder: nn.Module

    def setup(self):
        """Takes the encoder's place: parameters have no further level of names."""
        nn.share_scope(self, self.encoder)

    def __call__(
        self,
        images: Float[Array, "N ..."],
        *,
        train: bool,
        keys: Shaped[PRNGKeyArray, " N"] | None = None,
    ) -> Float[Array, "N h w D"]:
        """Maps images to feature maps.

        Args:
            images: as the encoder takes them.
            train: as the encoder takes it.
            keys: one a row, for encoders that take some.
        """
        given = {"keys": keys} if _takes(self.encoder, "keys") else {}
        return self.encoder.feature_map(images, train=train, **given)
