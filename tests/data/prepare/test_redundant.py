import numpy as np
import pytest

from jcl.data.prepare.redundant import repeat_images
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, labelled


def test_copies_are_their_image_but_for_a_pixel_and_some_noise():
    splits = labelled(train=300, test=5, shape=(10, 12, 3))
    made = repeat_images(splits, copies=5, seed=0)
    train = made["train"]
    assert_same_arrays(splits["test"], made["test"])
    np.testing.assert_array_equal(train["position"], np.repeat(np.arange(300), 5))
    np.testing.assert_array_equal(train["image"][::5], splits["train"]["image"])
    # Away from the edges and from 0 and 255 a copy is one of nine moves plus noise of 4 / 255.
    inner, moves, rest = slice(1, -1), [], []
    for i in range(len(train["image"])):
        if i % 5:
            copy, original = train["image"][i].astype(float), splits["train"]["image"][i // 5]
            errors = {
                (y, x): copy[inner, inner] - np.roll(original, (y, x), (0, 1))[inner, inner]
                for y in (-1, 0, 1)
                for x in (-1, 0, 1)
            }
            move = min(errors, key=lambda m: np.abs(errors[m]).mean())
            moves.append(move)
            rest.append(errors[move][np.roll(original, move, (0, 1))[inner, inner] // 64 == 1])
    counts = np.unique(moves, axis=0, return_counts=True)[1]
    assert len(counts) == 9
    assert counts.min() > 1200 / 9 - 4 * (1200 / 9) ** 0.5
    noise = np.concatenate(rest)
    assert abs(noise.mean()) < 0.1
    np.testing.assert_allclose(noise.std(), 4, rtol=0.03)
    # A copy does not depend on how many images there are.
    few = labelled(train=300, shape=(10, 12, 3))
    few["train"] = {key: array[:3] for key, array in few["train"].items()}
    again = repeat_images(few, copies=5, seed=0)["train"]["image"]
    np.testing.assert_array_equal(again, train["image"][:15])


def test_one_copy_is_the_dataset_and_none_is_refused():
    splits = labelled()
    assert_same_arrays(splits["train"], repeat_images(splits, copies=1, seed=0)["train"])
    with pytest.raises(UserError, match="copies=0"):
        repeat_images(splits, copies=0, seed=0)
    masked = {split: {**a, "mask": a["image"][..., 0] > 9} for split, a in splits.items()}
    with pytest.raises(UserError, match="copies moves pixels"):
        repeat_images(masked, copies=2, seed=0)
