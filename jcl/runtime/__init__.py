"""The life of a process: start, several processes, preemption, metrics, exit."""

from jcl.runtime.settings import configure

__all__ = ["configure"]
