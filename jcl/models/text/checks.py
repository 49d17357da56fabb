"""Checks that the encoders of texts share."""

from typing import Any

from jcl.config.checks import check_count, check_decay
from jcl.errors import UserError


def check_counts_and_dropout(encoder: Any, *counts: str) -> None:
    """Raises UserError where one of these options, or the dropout, is impossible.

    Args:
        encoder: of a text, with its options as attributes.
        *counts: names of those that are positive integers.
    """
    for key in counts:
        check_count(f"text_encoder.{key}", getattr(encoder, key))
    check_decay("text_encoder.dropout", encoder.dropout)


def check_transformer(encoder: Any) -> None:
    """The same for `vocabulary`, `width`, `depth`, `heads` and `max_length`."""
    counts = "vocabulary", "width", "depth", "heads", "max_length"
    check_counts_and_dropout(encoder, *counts)
    if encoder.width % encoder.heads:
        raise UserError(
            f"text_encoder.heads={encoder.heads} is impossible: "
            f"it does not divide text_encoder.width={encoder.width}"
        )
