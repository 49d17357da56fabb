"""Every file in configs/ builds, and its step runs on stand-in data.

Only the image size, depth, width, batch, what a batch must have more of, and number of steps are
reduced: never the encoder's family, the method, the optimizer or the views.
"""

import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.dataset_shape import DatasetShape, images_of, shape_of
from jcl.errors import UserError
from jcl.experiment import make_experiment, open_config, read_command_line
from jcl.experiment.tables import networks_of, taken_options
from jcl.mesh import batch_sharding, make_mesh
from jcl.optim.groups import held
from jcl.optim.schedules import peak_learning_rate
from jcl.training.step import compile_train_step

ROOT = Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "configs").glob("*.py"))

SMALL = {
    "convnet": {"widths": (4, 8)},
    "convnet_frame_stack": {"widths": (4, 8)},
    "mlp": {"widths": (8,)},
    "resnet18": {"stage_sizes": (1, 1), "width": 4},
    "resnet50": {"stage_sizes": (1, 1), "width": 4},
    **{name: {"depth": 1, "width": 16, "heads": 2, "patch_size": 8} for name in ("vit_s", "vit_b")},
}


def get_config(name, *arguments):
    return importlib.import_module(f"configs.{name}").get_config(*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_what_a_user_must_know(name):
    header = (ROOT / "configs" / f"{name}.py").read_text().split('"""')[1]
    for words in ("Method:", "Command:", f"configs/{name}.py", "Expected time:", "Expected score:"):
        assert words in header


# Compilation takes the time: one config of each kind of network and of data is fast enough.
FAST = (
    "simclr_imagenet",
    "simclr_vit_imagenet",
    "supremix_diamonds",
)


@pytest.mark.parametrize(
    "name",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_one_step_of_the_reduced_config(name):
    config = get_config(name)
    config = open_config(config)
    size = 20 if config.views.get("size") is not None else 16
    # The rate of the whole batch: that of eight examples may move a scale of one by less than its
    # rounding.
    config.optimizer.learning_rate = peak_learning_rate(config)
    config.optimizer.scaling = "none"
    config.batch_size = 8
    config.total_steps = 3
    networks = networks_of(config.method.name)
    if "encoder" in networks:
        config.encoder.update(SMALL[config.encoder.name])
    if "projector" in networks:
        config.projector.update({"hidden_dim": 8, "output_dim": 16})
    if isinstance(config.method.get("neighbours"), int):
        config.method.neighbours = 3
    if isinstance(config.method.get("clusters"), int):
        config.method.clusters = 3
    config.optimizer.warmup_steps = 0
    if "stages" in config.method:
        config.method.stages = config.views.stages = 2
    if config.data.get("image_size") is not None:
        config.data.image_size = size
    if config.views.get("size") is not None:
        config.views.size = 16
    if config.views.get("small_size") is not None:
        config.views.small_size = 8
    random = np.random.RandomState(0)
    side = {
        "label": random.randint(0, 10, 8).astype(np.int32),
        "clusters": np.arange(64, dtype=np.int32).reshape(8, 8),
        "origin": np.arange(8, dtype=np.int32) % 2,
        "background": np.arange(8) % 2 == 0,
        # Not symmetric: the signs of L1's errors would add up to 0, and its bias would stay.
        "target": np.linspace(0, 3, 8, dtype=np.float32) ** 2,
        "labels": random.randint(0, 2, (8, 5)).astype(np.uint8),
        "quality": np.linspace(0, 1, 8, dtype=np.float32),
    }
    takes_text = "text_encoder" in networks
    if takes_text:
        small, taken = {"width": 8, "depth": 1, "heads": 2}, taken_options(config)["text_encoder"]
        config.text_encoder.update({key: small[key] for key in small.keys() & taken.keys()})
        if config.text_projector.name == "mlp":
            config.text_projector.update({"hidden_dim": 8, "output_dim": 16})
        side["text"] = random.randint(0, 64, (8, 5)).astype(np.int32)
    if config.encoder.name == "mlp" and not takes_text:
        source = InMemorySource({"features": random.normal(size=(8, 9)).astype(np.float32), **side})
    else:
        channels = 1 if "tfds:fashion" in config.data.name else 3
        image, partner = random.randint(0, 256, (2, 8, size, size, channels), np.uint8)
        source = InMemorySource({"image": image, "partner": partner, **side}, n_classes=10)
    if config.data.name == "moving":
        video = random.randint(0, 256, (8, 5, size, size, 3), np.uint8)
        source = InMemorySource({"video": video, **side}, n_classes=10)
    batch = {**source.arrays, "index": np.arange(8, dtype=np.int32)}
    mesh = make_mesh(devices=jax.devices()[:2])
    experiment = make_experiment(config, shape_of(source))
    state = experiment.init_state(mesh)
    before = jax.tree.map(np.asarray, state.params)
    batch = jax.device_put(batch, batch_sharding(mesh))
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    step = step.lower(state, batch).compile({"xla_backend_optimization_level": 0})
    # The second step is the first that gets behind the last BatchNorm of a block, whose scale
    # begins at zero.
    for _ in range(3):
        state, metrics = step(state, batch)
    assert all(np.isfinite(value) for value in jax.tree.leaves(metrics))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
    moved = jax.tree.map(lambda a, b: bool((a != np.asarray(b)).any()), before, state.params)
    frozen = jax.tree.leaves(held(before, experiment.groups))
    for trained, is_held in zip(jax.tree.leaves(moved), frozen, strict=True):
        assert trained != is_held


@pytest.mark.parametrize(
    ("name", "parameters"),
    # The encoder's published count without its classifier, then the head's layers by hand.
    [
        ("simclr_imagenet", 23_508_032 + 2048 * 2048 + 2 * 2048 + 2048 * 128 + 128),
        ("dcl_imagenet", 23_508_032 + 2048 * 2048 + 2 * 2048 + 2048 * 128 + 128),
    ],
)
def test_full_size_networks_have_the_published_size(name, parameters):
    experiment = make_experiment(get_config(name), images_of(256, 256, 3, examples=10**6))
    shapes = experiment.state_shapes(make_mesh(devices=jax.devices()[:1]))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes.params)) == parameters


GRAY = images_of(28, 28, 1, examples=10**4)
VECTORS = DatasetShape({"features": jax.ShapeDtypeStruct((9,), np.float32)}, 10**4, None)


@pytest.mark.parametrize(
    ("name", "encoder", "data"),
    [
        ("supremix_diamonds", "benchmarks.projected_encoders:ProjectedMLP", VECTORS),
        (
            "supremix_fashion_angle",
            "benchmarks.projected_encoders:ProjectedConvNet",
            images_of(28, 28, 1, examples=10**4),
        ),
    ],
)
def test_deep_controls_are_as_deep_as_encoder_and_projector(name, encoder, data):
    one_device = make_mesh(devices=jax.devices()[:1])

    def sizes(*flags):
        config, _, _ = read_command_line(get_config(name), flags)
        shapes = make_experiment(config, data).state_shapes(one_device).params
        shapes.pop("head", None)
        return sorted(leaf.shape for leaf in jax.tree.leaves(shapes))

    widths = get_config(name).encoder.widths
    flags = f"--config.encoder.name={encoder}", f"--config.encoder.widths={widths}"
    assert sizes("--config.method.name=l1", *flags) == sizes()


def test_arguments_after_the_colon():
    config = get_config("simclr_imagenet", "batch=256,epochs=800")
    assert (config.batch_size, config.total_epochs) == (256, 800.0)
    # A variant keeps its own defaults for what is not given.
    config = get_config("simclr_vit_imagenet", "batch=1024")
    assert (config.batch_size, config.total_epochs) == (1024, 300.0)
    for text, says in (("bacth=256", "allowed: batch=4096, epochs=100.0"), ("batch=x", "batch=x")):
        with pytest.raises(UserError, match=says):
            get_config("simclr_imagenet", text)
