"""The one configuration: all its keys, its form on disk, what may change on resume.

`base()` holds every key. A key that is None means "the default of the thing that is named"; a key
that the named thing does not take is an error once it is set (`jcl.config.names.build`).
"""

import json
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from ml_collections import ConfigDict, config_dict

from jcl.errors import UserError

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}

# What a resumed run may change without saying so: nothing here touches what the run computes.
FREE_ON_RESUME = (
    "mesh.",
    "data.dir",
    "log_every_steps",
    "checkpoint.",
    "watchdog_seconds",
    "fsdp_min_size",
    "peak_flops",
    "profile.",
    "wandb.",
)


def base() -> ConfigDict:
    """Returns a new locked ConfigDict with every key that any run knows."""
    config = ConfigDict(
        {
            "seed": 0,
            "batch_size": 256,  # examples, over all devices and processes
            "total_steps": _unset(int),  # wins over total_epochs
            "total_epochs": _unset(float),
            "microbatches": 1,  # chunks that a batch is embedded in; the objective sees it whole
            "init_from": _unset(str),  # a workdir whose networks this run starts from
            "init_step": _unset(int),  # which of its checkpoints; the newest by default
            "init_part": "everything",  # everything; encoder
            "frozen": _unset(tuple),  # patterns of parameter names that are not trained
            "log_every_steps": 10,
            "watchdog_seconds": 1800.0,  # a step that takes longer ends the process
            "peak_flops": _unset(float),  # FLOP/s of one device, where the table is wrong or silent
            "profile": {"steps": _unset(tuple)},  # (first, last) to trace, both included
            "wandb": {"project": _unset(str)},  # Weights & Biases, where it is set
            "precision": "float32",
            "deterministic": False,  # on GPUs: the same bits every time, with slower kernels
            "data": {
                "name": "shapes",
                "dir": _unset(str),
                "image_size": _unset(int),  # shorter side and centre crop, in pixels
                "image_key": _unset(str),
                "label_key": _unset(str),
                "train_split": _unset(str),
                "test_split": _unset(str),
                "train_examples": _unset(int),
                "test_examples": _unset(int),
            },
            "views": {
                "name": "shapes",
                "size": _unset(int),  # of a view, in pixels; the image's own by default
                "min_area": _unset(float),  # of the crop, as a share of the image
                "strength": _unset(float),  # of the colour jitter
                "brightness": _unset(float),
                "contrast": _unset(float),
                "channel_mix": _unset(float),
                "grayscale": _unset(float),  # probability
                "blur": _unset(float),  # probability
                "noise": _unset(float),  # standard deviation, of standardised features
                "mask": _unset(float),  # probability of hiding a feature
            },
            "encoder": {
                "name": "convnet",
                "widths": _unset(tuple),
                "blocks": _unset(int),
                "activation": _unset(str),
                "stem": _unset(str),
                "stage_sizes": _unset(tuple),
                "width": _unset(int),
                "patch_size": _unset(int),
                "depth": _unset(int),
                "heads": _unset(int),
                "positions": _unset(str),
                "pooling": _unset(str),
                "remat": _unset(bool),  # recompute blocks in the backward pass, to save memory
            },
            "projector": {
                "name": "mlp",
                "hidden_dim": _unset(int),
                "output_dim": _unset(int),
                "norm": _unset(str),
                "layers": _unset(int),
                "output_norm": _unset(bool),
            },
            "method": {
                "name": "simclr",
                "temperature": _unset(float),
                "weight_sigma": _unset(float),
                "gamma": _unset(float),  # share of the batch in running estimates
                "bin_width": _unset(float),  # targets are rounded to multiples of it
                "window": _unset(float),  # how far mixed positives reach, in units of the target
                "mix_neg": _unset(bool),
                "mix_pos": _unset(bool),
                "beta": _unset(tuple),  # distribution of the anchor's share in mixed negatives
            },
            "optimizer": {
                "name": "adamw",
                "learning_rate": 1e-3,  # before `scaling`
                "scaling": "none",  # none; linear: x B/256; sqrt: x sqrt(B)
                "warmup_steps": _unset(int),  # wins over warmup_epochs
                "warmup_epochs": _unset(float),
                "weight_decay": _unset(float),
                "momentum": _unset(float),
                "trust_coefficient": _unset(float),
                "beta1": _unset(float),
                "beta2": _unset(float),
                "gradient_clip_norm": _unset(float),  # of the global gradient norm
                "encoder_scale": 1.0,  # the encoder's learning rate, as a share of the others'
                "weight_ema": _unset(float),  # decay a step; probes then see the average
            },
            # data=-1: all devices that are left; parameters and optimizer are split over fsdp.
            "mesh": {"data": -1, "fsdp": 1},
            "fsdp_min_size": 2**16,  # elements; smaller arrays lie whole on every device
            "checkpoint": {"every_steps": 500, "keep": 2},
            "probe": {
                "every_steps": _unset(int),  # periodic kNN while training; None: only at the end
                "knn_k": 20,
                "knn_temperature": 0.07,
                "linear_seeds": 3,
                "baselines": True,  # also probe the untrained encoder and the raw inputs
                "projection": False,  # also probe what the projector makes of the features
                "shares": (0.01, 0.1),  # of the labels, for low-shot probes
                "target_bin": 1.0,  # in units of the target: what many- and few-shot regions count
                "finetune": False,  # also train the whole network with labels, for each share
                "finetune_shares": (0.01, 0.1, 1.0),
                "finetune_batch_size": 256,  # or the share, where that is smaller
                "finetune_epochs": 20.0,  # over the share's examples
                "finetune_least_steps": 300,  # however few they are; a new head needs some
                "finetune_learning_rate": 1e-2,  # of the new head, by AdamW
                "finetune_encoder_scale": 0.1,  # the encoder's learning rate, as a share of that
            },
        }
    )
    return config.lock()


def validate(config: ConfigDict) -> None:
    """Raises UserError at the first value that can mean nothing, whatever the dataset."""
    for key in flatten(config).keys() ^ flatten(base()).keys():
        raise UserError(
            f"config key {key} is {'missing' if key not in flatten(config) else 'unknown'}; "
            "get_config() starts from jcl.config.base() and sets its keys"
        )
    _choice("precision", config.precision, PRECISIONS)
    _choice("optimizer.scaling", config.optimizer.scaling, ("none", "linear", "sqrt"))
    for key in (
        "batch_size",
        "microbatches",
        "log_every_steps",
        "watchdog_seconds",
        "checkpoint.every_steps",
        "checkpoint.keep",
        "optimizer.learning_rate",
        "optimizer.encoder_scale",
        "probe.finetune_batch_size",
        "probe.finetune_epochs",
        "probe.finetune_least_steps",
        "probe.finetune_learning_rate",
        "probe.finetune_encoder_scale",
        "probe.knn_k",
        "probe.knn_temperature",
        "probe.linear_seeds",
        "probe.target_bin",
    ):
        _positive(config, key)
    for key in (
        "total_steps",
        "total_epochs",
        "method.temperature",
        "method.weight_sigma",
        "method.bin_width",
        "method.window",
        "optimizer.gradient_clip_norm",
        "optimizer.trust_coefficient",
        "data.image_size",
        "data.train_examples",
        "data.test_examples",
        "views.size",
        "probe.every_steps",
        "peak_flops",
    ):
        if _get(config, key) is not None:
            _positive(config, key)
    for key in (
        "optimizer.warmup_steps",
        "optimizer.warmup_epochs",
        "optimizer.weight_decay",
        "fsdp_min_size",
    ):
        if (value := _get(config, key)) is not None and not 0 <= value < float("inf"):
            raise UserError(f"{key}={value} is impossible: it is zero or a positive number")
    for key in ("weight_ema", "momentum", "beta1", "beta2"):
        decay = config.optimizer[key]
        if decay is not None and not 0 <= decay < 1:
            raise UserError(
                f"optimizer.{key}={decay} is impossible: it is at least 0 and less than 1"
            )
    gamma = config.method.gamma
    if gamma is not None and not 0 < gamma <= 1:
        raise UserError(f"method.gamma={gamma} is impossible: it is more than 0 and at most 1")
    for key in ("shares", "finetune_shares"):
        shares = config.probe[key]
        if any(not isinstance(share, int | float) or not 0 < share <= 1 for share in shares):
            raise UserError(
                f"probe.{key}={shares} is impossible: each is more than 0 and at most 1"
            )
    steps = config.profile.steps
    if steps is not None and not (
        len(steps) == 2 and all(isinstance(s, int) for s in steps) and 1 <= steps[0] <= steps[1]
    ):
        raise UserError(
            f"profile.steps={steps} is impossible: give the first and the last step to trace"
        )
    if config.total_steps is None and config.total_epochs is None:
        raise UserError("the run has no length: set total_steps or total_epochs")
    if any(not isinstance(pattern, str) for pattern in config.frozen or ()):
        raise UserError(f"frozen={config.frozen!r} is impossible: give patterns, which are strings")
    _choice("init_part", config.init_part, ("everything", "encoder"))
    if config.init_from is None and (
        config.init_step is not None or config.init_part != "everything"
    ):
        raise UserError("init_step and init_part say what to take from init_from, which is not set")
    if not 0 <= config.seed < 2**31:
        raise UserError(f"seed={config.seed} is impossible: it lies between 0 and 2^31 - 1")


def arguments(text: str, **defaults: Any) -> dict[str, Any]:
    """Reads what stands after the colon of `--config=configs/NAME.py:batch=4096,epochs=100`.

    Args:
        text: "name=value,name=value", or "".
        **defaults: the names that the config file takes; a value gets the type of its default.

    Raises:
        UserError: an unknown name, or a value of another type.
    """
    given = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        if name not in defaults:
            raise UserError(
                f"the config argument {item!r} is unknown; allowed: "
                + ", ".join(f"{key}={default}" for key, default in defaults.items())
            )
        try:
            given[name] = type(defaults[name])(value)
        except ValueError as error:
            raise UserError(f"the config argument {item!r} cannot be read: {error}") from error
    return {**defaults, **given}


def to_json(config: ConfigDict) -> str:
    """Writes every key, as asked; `from_json` reads it back."""
    return json.dumps(config.to_dict(), indent=2) + "\n"


def from_json(text: str) -> ConfigDict:
    """Reads what `to_json` wrote into a full config; keys that are new since keep their default.

    Raises:
        UserError: not JSON, or a key that this version of jcl does not know.
    """
    config = base()
    try:
        update(config, json.loads(text))
    except json.JSONDecodeError as error:
        raise UserError(f"the saved config is not JSON: {error}") from error
    return config


def update(config: ConfigDict, values: Mapping[str, Any], prefix: str = "") -> None:
    """Sets nested keys in place; raises UserError for an unknown key or a wrong type."""
    for key, value in values.items():
        if key not in config:
            raise UserError(
                f"config key {prefix}{key!s} is unknown; allowed here: {', '.join(config)}"
            )
        if isinstance(config[key], ConfigDict):
            update(config[key], value, f"{prefix}{key}.")
        else:
            if isinstance(value, list):  # JSON has no tuples
                value = tuple(value)
            try:
                config[key] = value
            except TypeError as error:
                raise UserError(f"config key {prefix}{key}={value!r}: {error}") from error


def flatten(config: ConfigDict, prefix: str = "") -> dict[str, Any]:
    """Returns {"section.key": value}."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def changes_on_resume(saved: ConfigDict, asked: ConfigDict) -> list[str]:
    """Lists "key: saved -> asked" for each key that a resumed run may not silently change."""
    before, after = flatten(saved), flatten(asked)
    return [
        f"{key}: {before[key]!r} -> {after[key]!r}"
        for key in before
        if before[key] != after[key] and not key.startswith(FREE_ON_RESUME)
    ]


# Each key needs a placeholder of its own: keys that share one change together.
_unset = config_dict.placeholder


def _get(config: ConfigDict, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def _positive(config: ConfigDict, key: str) -> None:
    value = _get(config, key)
    if value is None or not 0 < value < float("inf"):
        raise UserError(f"{key}={value} is impossible: it must be a positive number")


def _choice(key: str, value: str, allowed) -> None:
    if value not in allowed:
        raise UserError(f"{key}={value!r} is unknown; allowed: {', '.join(allowed)}")
