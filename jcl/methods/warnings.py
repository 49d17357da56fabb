"""Warnings of methods about what is allowed and rarely meant."""

import functools

from absl import logging


@functools.cache  # a step is traced several times
def warn_once(message: str) -> None:
    """Logs a sentence, once a process."""
    logging.warning("%s", message)
