"""How a process starts, runs, tells and ends."""

from jcl.runtime.settings import configure

__all__ = ["configure"]
