"""How a process starts, runs, tells and ends."""

from jcl.runtime.settings import compiler_options, configure

__all__ = ["compiler_options", "configure"]
