"""The life of a process: start, several processes, preemption, metrics, exit."""

from jcl.runtime.settings import compiler_options, configure

__all__ = ["compiler_options", "configure"]
