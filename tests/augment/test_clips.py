"""Clips: where they start, which frames they have, and that a clip is changed as one thing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS
from jcl.augment.clips import (
    clip,
    clip_distance,
    clip_starts,
    evaluation_clip,
    two_views_of_clips,
)
from jcl.augment.image import examples_as_floats
from jcl.config.names import build
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

BATCH, LENGTH, SIDE = 4, 8, 8
KEYS = jax.random.split(jax.random.key(0), BATCH)
RUN = [pytest.param("two_clips", marks=pytest.mark.slow), "shapes_two_clips"]


def recipe(name, **options):
    return build("views", {"name": name, **options}, VIEWS)


def starts(length, frames, stride, draws=20_000):
    keys = jax.random.split(jax.random.key(1), draws)
    draw = jax.jit(jax.vmap(lambda key: clip_starts(key, length, frames, stride)))
    return np.asarray(draw(keys))


@pytest.mark.parametrize("places", [1, 2, 5, 270])
def test_distances_invert_the_distribution(places):
    """Below x lies 2 x / M - x^2 / M^2 of the density 2 (M - x) / M^2: shares on either side."""
    edges = np.arange(1, places, dtype=np.float64)
    below = 2 * edges / places - edges**2 / places**2
    shares = np.concatenate([[0.0], below - 1e-6, below + 1e-6, [1 - 2.0**-24]])
    expected = np.concatenate([[0], edges - 1, edges, [places - 1]])
    with jax.enable_x64(True):
        found = clip_distance(jnp.asarray(shares), places)
    np.testing.assert_array_equal(found, expected)
    # No float below 1 reaches M itself, where no clip starts.
    assert clip_distance(jnp.float32(1 - 2.0**-24), places) == places - 1


def test_distances_have_the_density_and_starts_are_uniform():
    found = starts(8, 4, 1)  # five places
    distances = np.abs(found[:, 0] - found[:, 1])
    edges = np.arange(6)
    expected = np.diff(2 * edges / 5 - edges**2 / 25)
    np.testing.assert_allclose(np.bincount(distances, minlength=5) / 20_000, expected, atol=0.01)
    assert found.min() == 0
    assert found.max() == 4
    two_apart = found[distances == 2]
    np.testing.assert_allclose(np.bincount(two_apart.min(1)) / len(two_apart), 1 / 3, atol=0.03)
    assert abs((two_apart[:, 0] < two_apart[:, 1]).mean() - 0.5) < 0.03


def test_of_a_short_video_both_clips_start_anywhere():
    found = starts(6, 4, 2)  # seven frames are needed
    counts = np.histogram2d(*found.T, bins=np.arange(7))[0] / 20_000
    np.testing.assert_allclose(counts, 1 / 36, atol=0.006)


def numbered(length):
    """Videos whose frame t is gray, t / 16 all over."""
    gray = np.arange(length) / 16
    return np.broadcast_to(gray[:, None, None, None], (BATCH, length, SIDE, SIDE, 3))


def test_frames_are_a_stride_apart():
    make = quick_jit(two_views_of_clips("a recipe", lambda key, image: image[:6], 3, 2))
    found = np.asarray(make(KEYS, {"video": jnp.asarray(numbered(LENGTH))})["video"])
    assert found.shape == (BATCH, 2, 3, 6, SIDE, 3)
    numbers = 16 * found[..., 0, 0, 0]
    np.testing.assert_array_equal(np.diff(numbers, axis=2), 2)
    assert len(np.unique(numbers[..., 0])) > 1


def test_a_short_video_begins_anew_and_probes_see_the_middle():
    def numbers(clip):
        return (16 * clip[..., 0, 0, 0]).tolist()

    assert numbers(clip(jnp.asarray(numbered(5)[0]), 3, 4, 2)) == [3, 0, 2, 4]
    for length, expected in ((8, [1, 3, 5, 7]), (9, [1, 3, 5, 7]), (7, [0, 2, 4, 6])):
        found = evaluation_clip(jnp.asarray(numbered(length)), 4, 2)
        assert numbers(found) == [expected] * BATCH
    assert numbers(evaluation_clip(jnp.asarray(numbered(5)), 4, 2))[0] == [0, 2, 4, 1]


@pytest.mark.parametrize("name", RUN)
def test_a_repeated_frame_gives_a_constant_clip_by_the_key_of_its_example(name):
    frame = np.random.default_rng(0).uniform(size=(BATCH, 1, SIDE, SIDE, 3))
    videos = jnp.asarray(np.repeat(frame, LENGTH, 1), jnp.float32)
    make = quick_jit(recipe(name, frames=4, stride=1))
    found = np.asarray(make(KEYS, {"video": videos})["video"])
    np.testing.assert_array_equal(found, np.repeat(found[:, :, :1], 4, axis=2))
    assert np.abs(found[:, 0] - found[:, 1]).max((1, 2, 3, 4)).min() > 0.01  # two clips differ
    assert 0 <= found.min() <= found.max() <= 1
    order = np.array([2, 0, 3, 1])
    again = make(KEYS[order], {"video": videos[order]})["video"]
    np.testing.assert_array_equal(again, found[order])


def test_defaults_and_sizes():
    videos = jax.ShapeDtypeStruct((BATCH, 40, 20, 24, 3), jnp.float32)
    views = jax.eval_shape(recipe("two_clips", size=16), KEYS, {"video": videos})
    assert {kind: x.shape for kind, x in views.items()} == {"video": (BATCH, 2, 16, 16, 16, 3)}
    views = jax.eval_shape(recipe("shapes_two_clips", size=16), KEYS, {"video": videos})
    assert views["video"].shape == (BATCH, 2, 4, 16, 16, 3)


@pytest.mark.parametrize("name", ["two_clips", "shapes_two_clips"])
def test_what_does_not_fit_ends_in_a_sentence(name):
    for options, says in (
        ({"frames": 0}, "views.frames=0"),
        ({"stride": 0}, "views.stride=0"),
        ({"min_area": 1.5}, "views.min_area=1.5"),
    ):
        with pytest.raises(UserError, match=says):
            recipe(name, **options)
    images = {"image": jnp.zeros((BATCH, SIDE, SIDE, 3))}
    match = rf"'{name}' takes videos \[B, T, H, W, C\], but these .* are"
    with pytest.raises(UserError, match=match):
        recipe(name)(KEYS, images)
    videos = {"video": jnp.zeros((BATCH, LENGTH, SIDE, SIDE, 3))}
    with pytest.raises(UserError, match=r"'weak' takes images .*, but these examples are float32"):
        recipe("weak")(KEYS, videos)


def test_videos_of_other_numbers_than_bytes_and_floats_are_refused():
    """An archive may hold any integers; only bytes have a known black and white."""
    examples = examples_as_floats({"video": jnp.ones((2, 6, 8, 8, 3), jnp.int32)})
    with pytest.raises(UserError, match=r"are int32\[2, 6, .*; the dataset must hold them as by"):
        recipe("shapes_two_clips")(KEYS[:2], examples)
