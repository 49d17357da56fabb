"""The config of a run: names, options, and their form on disk.

Every config starts from `base()`. `jcl.experiment.open_config` reads one.
"""

from jcl.config.base import PRECISIONS, arguments, base
from jcl.config.saved import flatten, from_json, to_json, update

__all__ = ["PRECISIONS", "arguments", "base", "flatten", "from_json", "to_json", "update"]
