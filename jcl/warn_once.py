"""A warning that is logged once."""

import functools
import logging


@functools.cache  # a step is traced several times
def warn_once(message: str) -> None:
    """Logs a sentence, once a process."""
    logging.getLogger(__name__).warning("%s", message)
