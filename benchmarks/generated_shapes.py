"""Stands in for the images of a generative model: `shapes` whose sizes are not quite right."""

from jcl.data import InMemorySource
from jcl.data.sources.shapes import make_shapes

EXAMPLES = 20_000
_AFTER = 10_000  # no image of the default dataset comes again
_SCALE = (0.3, 0.6)  # 0.5 to 0.8 in `shapes`


def generated_shapes(split: str) -> InMemorySource:
    """`data.name="benchmarks.generated_shapes:generated_shapes"`: smaller shapes.

    Args:
        split: "train", 20,000 images, or "test", 2,000.
    """
    examples = {"train": EXAMPLES, "test": 2_000}[split]
    return make_shapes(split, examples, first=_AFTER, scale=_SCALE)
