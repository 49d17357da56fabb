"""What cells say of places, of a stand-in for a method whose map is the image in small."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from jcl.augment.recipes import none
from jcl.data import InMemorySource
from jcl.evaluation.cells import score_cells
from jcl.methods.base import Variables
from tests.tiny import tiny_config


@dataclasses.dataclass(frozen=True)
class Small:
    """Its map is the mean colours of blocks of four by four pixels."""

    names: tuple = ("features", "map")

    needs: ClassVar = ()
    init = embed = objective = after_update = staticmethod(lambda: None)  # not asked for

    def outputs(self, variables, inputs):
        images = inputs["image"]
        count, height, width, _ = images.shape
        blocks = images.reshape(count, height // 4, 4, width // 4, 4, 3).mean((2, 4))
        found = {"features": blocks.mean((1, 2)), "map": blocks}
        return {name: found[name] for name in self.names}


def painted(seed, count=700, side=16):
    """Squares of one block each, in the colour of their class, on gray."""
    random = np.random.RandomState(seed)
    mask = np.zeros((count, 2, side, side), bool)
    shape = random.randint(-1, 3, (count, 2)).astype(np.int32)
    image = np.full((count, side, side, 3), 100, np.uint8)
    for i in range(count):
        places = random.choice((side // 4) ** 2, 2, replace=False)
        for slot, place in enumerate(places):
            row, column = 4 * (place // (side // 4)), 4 * (place % (side // 4))
            mask[i, slot, row : row + 4, column : column + 4] = True
            if shape[i, slot] >= 0:
                image[i, row : row + 4, column : column + 4, shape[i, slot]] = 200
    return InMemorySource({"image": image, "mask": mask, "shape": shape})


def scored(train, test, method=Small(), **overrides):
    return score_cells(tiny_config(**overrides), method, Variables({}, {}), train, test)


def cropped(*, size: int = 8):
    """A recipe with a size of its own."""
    return none(size=size)


@pytest.mark.slow
@pytest.mark.parametrize(
    "views", [{}, {"views.size": 8}, {"views.name": f"{__name__}:cropped"}], ids=str
)
def test_a_map_that_shows_the_class_scores_one(views):
    found = scored(painted(0), painted(1, count=600), **views)
    assert set(found) == {"cells"}
    assert found["cells"]["top1"] == 1
    wrong = painted(1)
    wrong.arrays["mask"][:] = wrong.arrays["mask"][::-1]
    assert scored(painted(0), wrong, **views)["cells"]["top1"] < 0.6


def test_without_masks_or_maps_there_is_nothing_to_score():
    masked = painted(0, count=10)
    plain = InMemorySource({"image": masked.arrays["image"]})
    assert scored(masked, plain) == {}
    assert scored(plain, masked) == {}
    assert scored(masked, masked, Small(names=("features",))) == {}
    free = InMemorySource({**masked.arrays, "shape": np.full_like(masked.arrays["shape"], -1)})
    assert scored(masked, free) == {}
