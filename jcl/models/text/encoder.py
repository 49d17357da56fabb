"""What encoders of texts share."""

import abc

import flax.linen as nn
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.models.text.embedding import Text


class TextEncoder(nn.Module):
    """Maps texts to features; a subclass has the networks.

    Attributes:
        vocabulary: token ids lie in 0...vocabulary - 1; others give NaN. None takes those of the
            run's tokenizer; where examples hold token ids already, the 49,408 of CLIP's.
    """

    vocabulary: int | None = None

    @nn.compact
    def __call__(
        self, text: Text, *, train: bool, keys: Shaped[PRNGKeyArray, " N"] | None = None
    ) -> Float[Array, "N D"]:
        """Maps texts to features.

        Args:
            text: ids and mask [N, L]. The padding may hold any ids. What is pooled from the tokens
                of a text is zero where it has none.
            train: changes nothing here; there is no BatchNorm.
            keys: of the dropout, one a text; None drops nothing.
        """
        del train
        return self.features(text, keys)

    @abc.abstractmethod
    def features(self, text: Text, keys: Shaped[PRNGKeyArray, " N"] | None) -> Float[Array, "N D"]:
        """The same, within the call."""
