"""What every method's contract is tested with: tiny networks, tiny views, every kind of example."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jcl.augment.tokens import text_of
from jcl.config import base
from jcl.data import InMemorySource
from jcl.data.dataset_shape import shape_of
from jcl.data.order import batch_indices
from jcl.experiment import make_experiment
from jcl.experiment.tables import networks_of
from jcl.mesh import batch_sharding
from jcl.models.batch_norm import batch_norm
from jcl.models.dropout import Dropout
from jcl.training.step import compile_train_step

BATCH, EXAMPLES, WORDS = 16, 48, 6


class Dropping(nn.Module):
    """Examples pass alone: a Dense layer and dropout."""

    dtype: jnp.dtype = jnp.float32
    param_dtype: jnp.dtype = jnp.float32

    def __call__(self, images, *, train, keys=None):
        return self.layers(images.mean((1, 2)), keys)

    def feature_map(self, images, *, train, keys=None):
        return self.layers(quarters(images), keys)

    @nn.compact
    def layers(self, x, keys):
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = nn.Dense(12, name="dense", **types)(x)
        return Dropout(0.2, name="dropout")(nn.tanh(x), keys=keys)


class Normalised(nn.Module):
    """Examples pass together: a Dense layer and BatchNorm."""

    dtype: jnp.dtype = jnp.float32
    param_dtype: jnp.dtype = jnp.float32

    def __call__(self, images, *, train):
        return self.layers(images.mean((1, 2)), train)

    @nn.compact
    def layers(self, x, train):
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = nn.Dense(12, name="dense", **types)(x)
        return nn.tanh(batch_norm(train=train, name="norm", **types)(x))


class NormalisedMap(Normalised):
    """The same for each cell of a map of four."""

    def __call__(self, images, *, train):
        return self.feature_map(images, train=train).mean((1, 2))

    def feature_map(self, images, *, train):
        return self.layers(quarters(images), train)


def quarters(images):
    """Maps of four cells: the mean colours of an image's quarters."""
    count, side, _, channels = images.shape
    return images.reshape(count, 2, side // 2, 2, side // 2, channels).mean((2, 4))


def waved():
    """Two views."""
    return _waved(("image", 2, 8))


def _waved(*sizes):
    """Views that are the image's corner and waves of random phase: kind, how many, side.

    The phase is the key's own bits: a random number generator takes a second to compile.
    """

    def make(keys, examples):
        images, views = examples["image"], {}
        phases = jax.random.key_data(keys).astype(images.dtype) / 2.0**31
        for kind, count, side in sizes:
            corner = images[:, None, :side, :side]
            of_view = phases[:, :1] + phases[:, 1:] * jnp.arange(1, count + 1)
            waves = jnp.sin(of_view[..., None] + jnp.arange(corner[0].size))
            views[kind] = corner + 0.2 * waves.reshape(-1, count, *corner.shape[2:])
        return views

    return make


def four():
    """Four views."""
    return _waved(("image", 4, 8))


def crops():
    """Two views and three small ones."""
    return _waved(("image", 2, 8), ("image_small", 3, 4))


def placed():
    """Two views, and boxes that overlap, mirrors and turns that come from the key's bits."""

    def make(keys, examples):
        views = waved()(keys, examples)
        bits = jax.random.key_data(keys)[:, :, None] >> jnp.arange(4)
        corner = (bits[..., :2] % 2) / 4
        box = jnp.concatenate([corner, jnp.full(corner.shape, 0.75)], -1)
        side = {"flip": bits[..., 2] % 2 == 1, "turns": (bits[..., 3] % 4).astype(jnp.int32)}
        return {**views, "side": {"box": box.astype(views["image"].dtype), **side}}

    return make


def at_four_turns(*, stages=1):
    """Eight views a stage, which stand for two at each of four turns."""
    return _waved(("image", 8 * stages, 8))


def with_text():
    """One view of the image, and the text."""
    images = _waved(("image", 1, 8))

    def make(keys, examples):
        text = jax.tree.map(lambda x: x[:, None], text_of(examples))
        return {**images(keys, examples), "text": text}

    return make


HERE = __name__
NETWORKS = {
    "encoder": {"name": f"{HERE}:Normalised"},
    "projector": {"name": "mlp", "layers": 1, "output_dim": 8, "norm": "none"},
    "predictor": {"name": "mlp", "layers": 1, "output_dim": 8, "norm": "none"},
}
PAIRED = {
    "views": {"name": f"{HERE}:with_text"},
    "text_encoder": {"name": "token_bag", "vocabulary": 7, "width": 12},
    "text_projector": {"name": "mlp", "layers": 1, "output_dim": 8, "norm": "none"},
}
# What a method needs besides; a method of two views of an image needs no line.
OVERRIDES = {
    "beclr": {
        "method": {
            **{"name": "beclr", "memory": 64, "prototypes": 3, "k": 2, "patch_size": 4},
            **{"start_epochs": 0.5, "recluster_epochs": 1},  # it is full after two of four steps
        },
    },
    "dbpm": {"method": {"name": "dbpm", "deviations": 0.5, "start_epochs": 1.0}},
    "clip": PAIRED,
    "siglip": PAIRED,
    "bimodal_sogclr": PAIRED,
    "simcse": {
        "views": {"name": "text_copies"},
        "text_encoder": {"name": "token_bag", "vocabulary": 7, "width": 12, "dropout": 0.2},
        "text_projector": {"name": "mlp", "layers": 1, "output_dim": 8, "norm": "none"},
    },
    "cmim": {
        # The gradient of a sum over pixels is large for the rate of these runs.
        "method": {"name": "cmim", "code_dim": 6, "deviation": 10.0},
        "decoder": {"name": "mlp", "widths": (7,)},
    },
    "mv_info_nce": {"views": {"name": f"{HERE}:four"}},
    "mv_dhel": {"views": {"name": f"{HERE}:four"}},
    "cacr": {"views": {"name": f"{HERE}:four"}},
    "groco": {
        "views": {"name": f"{HERE}:crops"},
        "method": {"name": "groco", "neighbours": 3},
    },
    "core_tuning": {"method": {"name": "core_tuning", "contrast_width": 6, "temperature": 0.5}},
    "hydra": {"method": {"name": "hydra", "class_width": 6, "gate_width": 7}},
    "sbcl": {"method": {"name": "sbcl", "warm_up_epochs": 1, "recluster_epochs": 1, "least": 3}},
    "feature_transformation": {
        "method": {"name": "feature_transformation", "queue_size": 32, "decay": 0.7}
    },
    "mochi": {
        "method": {
            "name": "mochi",
            "queue_size": 32,
            "decay": 0.7,
            "hardest": 5,
            "mixed": 4,
            "mixed_with_query": 3,
            "start_epochs": 0.5,
        }
    },
    "mlcd": {"method": {"name": "mlcd", "classes": 16, "share": 0.5, "margin": 0.2, "scale": 4.0}},
    "moco_v2": {"method": {"name": "moco_v2", "queue_size": 32, "decay": 0.7}},
    "nnclr": {"method": {"name": "nnclr", "queue_size": 32}},
    "nnclr_dcl": {"method": {"name": "nnclr_dcl", "queue_size": 32}},
    "pamc": {"method": {"name": "pamc", "clusters": 5}},
    "pixpro": {"views": {"name": f"{HERE}:placed"}, "encoder": {"name": f"{HERE}:NormalisedMap"}},
    "sepclr": {  # the weights of the paper diverge at this rate
        "method": {
            **{"name": "sepclr", "joint_weight": 1.0},
            **{"salient_weight": 2.0, "background_weight": 0.5},
        },
    },
    "swav": {
        "views": {"name": f"{HERE}:crops"},
        "method": {
            **{"name": "swav", "prototypes": 5, "hold_epochs": 0.5},
            **{"queue_size": 32, "queue_epochs": 0.5},  # used from the third of the four steps
        },
    },
    "unicon_ha": {
        "views": {"name": f"{HERE}:at_four_turns"},
        "method": {"name": "unicon_ha", "stages": 1, "labelled": True},
    },
}
# Networks under which examples pass alone.
DROPPING = {"encoder": {"name": f"{HERE}:Dropping"}}


def source():
    random = np.random.RandomState(0)
    words = random.randint(1, 7, (EXAMPLES, WORDS))
    return InMemorySource(
        {
            "image": random.randint(0, 256, (EXAMPLES, 8, 8, 3), np.uint8),
            "text": words.astype(np.int32),
            "text_mask": np.arange(WORDS) < random.randint(2, WORDS + 1, (EXAMPLES, 1)),
            "label": random.randint(0, 4, EXAMPLES).astype(np.int32),
            "target": random.normal(size=EXAMPLES).astype(np.float32),
            "labels": random.randint(0, 2, (EXAMPLES, 5)).astype(np.uint8),
            "quality": random.normal(size=EXAMPLES).astype(np.float32),
            "clusters": random.rand(EXAMPLES, 16).argsort(1)[:, :3].astype(np.int32),
            "origin": random.randint(0, 2, EXAMPLES).astype(np.int32),
            "background": random.randint(0, 2, EXAMPLES).astype(bool),
        },
        n_classes=4,
    )


def make_config(method, **more):
    """Four steps of `method`, more than an epoch; `more` replaces sections or sets keys."""
    config = base()
    config.batch_size, config.total_steps = BATCH, 4
    config.optimizer = {"name": "sgd", "learning_rate": 0.1}
    config.method = {"name": method}
    config.views = {"name": f"{HERE}:waved"}
    sections = {**NETWORKS, **OVERRIDES.get(method, {}), **more}
    networks = networks_of(method)
    for title, section in sections.items():
        if title in networks or title not in NETWORKS:
            config[title] = section
    return config


class Run:
    """The compiled step of a config on a mesh, and how to take it."""

    def __init__(self, config, mesh):
        self.mesh, self.source = mesh, source()
        self.experiment = make_experiment(config, shape_of(self.source))
        shapes = self.experiment.state_shapes(mesh)
        step = compile_train_step(shapes, mesh=mesh, **self.experiment.step_options())
        self.program = step.lower(shapes, self.experiment.data.batch(BATCH)).compile()

    def start(self):
        return self.experiment.init_state(self.mesh)

    def batch(self, t):
        rows = batch_indices(t, n=EXAMPLES, batch_size=BATCH, seed=0)
        batch = {**self.source.batch(rows), "index": rows.astype(np.int32)}
        return jax.device_put(batch, batch_sharding(self.mesh))

    def steps(self, state, first, last):
        """The state after steps first..last-1 from `state`, and their losses."""
        losses = []
        for t in range(first, last):
            state, metrics = self.program(state, self.batch(t))
            losses.append(float(metrics["loss"]))
        return state, losses


def split(split):
    """The examples as a dataset that a config can name; both splits are the same."""
    del split
    return source()
