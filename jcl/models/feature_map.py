"""Feature maps of encoders that pool them, for dense methods and probes of cells."""

import inspect

import flax.linen as nn
from jaxtyping import Array, Float, PRNGKeyArray, Shaped


def has_feature_map(encoder: nn.Module) -> bool:
    """Whether the encoder has a method `feature_map`.

    It is called like the encoder, `feature_map(images, train=...)`, and has the same parameters. It
    returns [N, h, w, D], whose mean over the cells h and w is the encoder's output.
    """
    return callable(getattr(type(encoder), "feature_map", None))


def has_stages(encoder: nn.Module) -> bool:
    """Whether `feature_map` also takes `left_out`, the number of last stages to leave out."""
    return has_feature_map(encoder) and _takes(encoder, "left_out")


def _takes(encoder: nn.Module, name: str) -> bool:
    return name in inspect.signature(type(encoder).feature_map).parameters


class FeatureMap(nn.Module):
    """An encoder that returns its feature map instead of the mean, with the same parameters.

    Attributes:
        encoder: an encoder with a feature map, see `has_feature_map`.
    """

    encoder: nn.Module

    def setup(self):
        """Shares the encoder's scope, so that names of parameters get no further level."""
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
            keys: one per row, for encoders that take keys.
        """
        given = {"keys": keys} if _takes(self.encoder, "keys") else {}
        return self.encoder.feature_map(images, train=train, **given)
