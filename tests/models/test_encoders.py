"""What holds for every encoder that a config can name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.config import base
from jcl.config.names import build
from jcl.errors import UserError
from jcl.models import ENCODERS
from tests.models.networks import (
    bytes_kept_for_the_backward_pass,
    drawn_images,
    drawn_variables,
    loss_of,
    shapes,
)

# Of every family a member small enough to run at once.
SMALL = {
    "convnet": {"widths": (4, 8)},
    "mlp": {"widths": (16, 8)},
    "resnet50": {"stage_sizes": (2,), "width": 4},
    "vit_s": {"patch_size": 4, "width": 16, "depth": 2, "heads": 2},
}
IMAGES = (6, 16, 12, 3)


def encoder(name, dtype=jnp.float32, param_dtype=jnp.float32, **options):
    section = base().encoder
    section.name = name
    section.update(options)
    return build("encoder", section, ENCODERS, dtype=dtype, param_dtype=param_dtype)


def features_and_statistics(model, variables, images):
    _, rest = jax.jit(loss_of(model, variables, images))(variables["params"])
    return rest


@pytest.mark.parametrize("name", ENCODERS)
def test_every_name_builds_an_encoder_of_images_or_clips(name):
    frames = (4,) if "_frame_" in name else ()
    features, _ = shapes(encoder(name), 2, *frames, 32, 32, 3)
    assert features.ndim == 2
    assert features.shape[0] == 2


@pytest.mark.parametrize("name", SMALL)
def test_inference_is_a_function_of_each_image_alone(name):
    model = encoder(name, **SMALL[name])
    variables, images = drawn_variables(model, *IMAGES), drawn_images(*IMAGES)
    apply = jax.jit(lambda images: model.apply(variables, images, train=False))
    together = apply(images)
    apart = jnp.concatenate([apply(images[:3]), apply(images[3:])])
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-5)
    assert np.ptp(together, axis=0).max() > 1e-2


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_stays_close_and_keeps_float32_parameters_and_statistics(name):
    exact, fast = (encoder(name, dtype=t, **SMALL[name]) for t in (jnp.float32, jnp.bfloat16))
    assert shapes(fast, *IMAGES)[1] == shapes(exact, *IMAGES)[1]
    variables, images = drawn_variables(exact, *IMAGES), drawn_images(*IMAGES)
    expected, statistics = features_and_statistics(exact, variables, images)
    features, fast_statistics = features_and_statistics(fast, variables, images)
    assert features.dtype == jnp.bfloat16
    difference = np.asarray(features, np.float32) - expected
    assert np.linalg.norm(difference) < 0.03 * np.linalg.norm(expected)
    for ours, theirs in zip(
        jax.tree.leaves(fast_statistics), jax.tree.leaves(statistics), strict=True
    ):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, theirs, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", SMALL)
def test_float64_is_float64_throughout(name):
    with jax.enable_x64(True):
        model = encoder(name, dtype=jnp.float64, param_dtype=jnp.float64, **SMALL[name])
        variables = shapes(model, *IMAGES, dtype=jnp.float64)[1]
        images = jax.ShapeDtypeStruct(IMAGES, jnp.float64)
        result = jax.eval_shape(lambda v, x: loss_of(model, v, x)(v["params"]), variables, images)
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, result))} == {np.dtype("float64")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "deeper"), [("resnet50", {"stage_sizes": (4,)}), ("vit_s", {"depth": 4})]
)
def test_remat_computes_the_same_and_keeps_less_of_each_block(name, deeper):
    plain, remat = (encoder(name, remat=r, **SMALL[name]) for r in (False, True))
    assert shapes(plain, *IMAGES) == shapes(remat, *IMAGES)
    variables, images = drawn_variables(plain, *IMAGES), drawn_images(*IMAGES)
    results = [
        jax.jit(jax.value_and_grad(loss_of(model, variables, images), has_aux=True))(
            variables["params"]
        )
        for model in (plain, remat)
    ]
    for ours, theirs in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    # Of the layers before the first block, which are not computed again, as much is kept.
    of_blocks = []
    for model in (plain, remat):
        deep = model.clone(**deeper)
        more = bytes_kept_for_the_backward_pass(deep, drawn_variables(deep, *IMAGES), images)
        of_blocks.append(more - bytes_kept_for_the_backward_pass(model, variables, images))
    assert of_blocks[1] < 0.6 * of_blocks[0]


@pytest.mark.parametrize(
    ("name", "stages", "sizes"),
    [("convnet", "widths", (4, 8, 6)), ("resnet18", "stage_sizes", (1, 1, 1))],
)
def test_without_its_last_stages_an_encoder_is_a_shorter_one(name, stages, sizes):
    options = {"width": 4, "stem": "cifar"} if name == "resnet18" else {}
    long, short = (encoder(name, **{stages: s}, **options) for s in (sizes, sizes[:1]))
    variables, images = drawn_variables(long, *IMAGES), drawn_images(*IMAGES)
    names = {kind: tree.keys() for kind, tree in shapes(short, *IMAGES)[1].items()}
    fewer = {kind: {key: variables[kind][key] for key in keys} for kind, keys in names.items()}

    @jax.jit
    def both(variables, fewer):
        of_stage, updated = long.apply(
            variables, images, train=True, method="feature_map", left_out=2, mutable=["batch_stats"]
        )
        features = short.apply(fewer, images, train=True, mutable=["batch_stats"])[0]
        return of_stage, updated["batch_stats"], features

    of_stage, statistics, features = both(variables, fewer)
    assert of_stage.ndim == 4
    np.testing.assert_allclose(of_stage.mean((1, 2)), features, rtol=1e-5, atol=1e-6)
    # Those of later stages are still there, and stay.
    before = variables["batch_stats"]
    later = before.keys() - names["batch_stats"]
    assert statistics.keys() == before.keys()
    assert later
    jax.tree.map(
        np.testing.assert_array_equal,
        {key: statistics[key] for key in later},
        {key: before[key] for key in later},
    )
    for left_out in (-1, 3):
        with pytest.raises(UserError, match=f"of 3 stages cannot leave out its last {left_out}:"):
            jax.eval_shape(
                lambda k=left_out: long.apply(
                    variables, images, train=True, method="feature_map", left_out=k
                )
            )
