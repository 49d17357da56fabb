"""The base of methods with continuous targets."""

import dataclasses

from jcl.config.checks import check_positive

# The message of a method that ranks targets, for examples that have classes.
NO_ORDER = {
    "label": "only classes, whose numbers have no order (method.name='supcon' takes those)",
}


@dataclasses.dataclass(frozen=True)
class Binned:
    """Targets are rounded to multiples of a width, which turns them into classes.

    Attributes:
        bin_width: width of a class, in units of the target.
    """

    bin_width: float | None = None

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.bin_width", self.bin_width)
