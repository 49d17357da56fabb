"""Tables of names; reading a config; building the objects of a run from a config."""

from jcl.experiment.build import (
    Experiment,
    check_needs,
    describe_networks,
    image_dtype,
    make_experiment,
    make_method,
    method_of,
    needs_every_label,
)
from jcl.experiment.read import (
    changes_on_resume,
    check_resume,
    open_config,
    read_command_line,
    read_run_config,
    resolved_options,
)
from jcl.experiment.splits import open_split
from jcl.experiment.taken_embeddings import check_taken_embeddings
from jcl.experiment.view_sizes import check_view_sizes

__all__ = [
    "Experiment",
    "changes_on_resume",
    "check_needs",
    "check_resume",
    "check_taken_embeddings",
    "check_view_sizes",
    "describe_networks",
    "image_dtype",
    "make_experiment",
    "make_method",
    "method_of",
    "needs_every_label",
    "open_config",
    "open_split",
    "read_command_line",
    "read_run_config",
    "resolved_options",
]
