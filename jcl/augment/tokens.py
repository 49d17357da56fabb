"""The texts of examples, as token ids."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped

from jcl.errors import UserError

TEXT = "text"


def text_of(
    examples: Mapping[str, Shaped[Array, "B ..."]],
) -> dict[str, Int[Array, "B L"] | Bool[Array, "B L"]]:
    """The text of examples, in the form that text encoders take.

    Args:
        examples: a batch. `text` holds token ids [B, L], and `text_mask` [B, L] is zero or False
            after the end of a text. Without `text_mask` all tokens count.

    Returns:
        `ids` int32 [B, L] and `mask` bool [B, L].

    Raises:
        UserError: examples have no text, or `text` does not hold token ids.
    """
    text = several_texts(examples)
    if (captions := text["ids"].shape[1]) > 1:
        raise UserError(
            f"a text is integer token ids [B, L], and these examples have {captions} texts each"
        )
    return {kind: x[:, 0] for kind, x in text.items()}


def several_texts(
    examples: Mapping[str, Array],
) -> dict[str, Int[Array, "B K L"] | Bool[Array, "B K L"]]:
    """The texts of examples, `ids` and `mask`; K is 1 for a single text."""
    ids = examples.get(TEXT)
    if ids is None or ids.ndim not in (2, 3) or not jnp.issubdtype(ids.dtype, jnp.integer):
        said = ", ".join(examples) if ids is None else f"{ids.dtype}{list(ids.shape)} as text"
        raise UserError(f"a text is integer token ids [B, L], and these examples have {said}")
    mask = examples.get("text_mask", jnp.ones(ids.shape, bool))
    if mask.shape != ids.shape:
        raise UserError(
            f"text_mask is {list(mask.shape)}, but it must be {list(ids.shape)} like text"
        )
    text = {"ids": ids.astype(jnp.int32), "mask": mask.astype(bool)}
    return {kind: x[:, None] if x.ndim == 2 else x for kind, x in text.items()}
