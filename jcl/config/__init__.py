"""What a run is asked to do: keys, names, and their form on disk."""

from jcl.config.base import (
    PRECISIONS,
    arguments,
    base,
    changes_on_resume,
    flatten,
    from_json,
    to_json,
    update,
    validate,
)

__all__ = [
    "PRECISIONS",
    "arguments",
    "base",
    "changes_on_resume",
    "flatten",
    "from_json",
    "to_json",
    "update",
    "validate",
]
