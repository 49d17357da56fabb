"""What methods share that are trained with continuous targets."""

import dataclasses

from jcl.config.checks import check_positive

# What a method that ranks targets says of examples that have classes.
NO_ORDER = {
    "label": "only classes, whose numbers have no order (method.name='supcon' takes those)",
}


@dataclasses.dataclass(frozen=True)
class Binned:
    """Targets are rounded to multiples of a width, which makes classes of them.

    Attributes:
        bin_width: of a class, in units of the target.
    """

    bin_width: float | None = None

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.bin_width", self.bin_width)
