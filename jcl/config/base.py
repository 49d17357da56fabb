"""The config: which method, encoder, dataset and so on a run uses, and the run's own keys."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import jax.numpy as jnp
from absl import flags
from ml_collections import ConfigDict, config_dict

from jcl.config.checks import (
    check_choice,
    check_count,
    check_decay,
    check_not_negative,
    check_positive,
    check_shares,
)
from jcl.config.options import FREE_ON_RESUME, PATH, options
from jcl.errors import UserError

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
SCALINGS = ("none", "linear", "sqrt")
ONLINE_PROBES = ("knn", "linear")

# Tokens of the smallest byte-level BPE: all bytes, and the start and the end of a text.
LEAST_VOCABULARY = 256 + 2

# The sections that have a `name`, with the name that `base()` sets. The options of the named class
# or function join the section.
NAMED = {
    "data": "shapes",
    "views": "shapes",
    "encoder": "convnet",
    "projector": "mlp",
    "predictor": "mlp",
    "text_encoder": "token_transformer",
    "text_projector": "mlp",
    "decoder": "mlp",
    "method": "simclr",
    "optimizer": "adamw",
}


@dataclasses.dataclass(frozen=True)
class Run:
    """The keys of the config itself.

    Attributes:
        seed: of the initial parameters, the order of examples, the views and the method's random
            numbers.
        batch_size: examples per step, over all devices and processes.
        total_steps: the run's length in updates; it overrides total_epochs.
        total_epochs: the run's length in passes over the training split.
        microbatches: chunks that a batch is embedded in; the objective sees the batch whole.
        init_from: a workdir whose networks this run starts from. Or pairs (pattern, workdir): the
            parameters whose names the pattern matches, and their running statistics, are taken from
            that workdir; the first pattern that matches counts. A .safetensors file of another
            library may take the place of a workdir, with a pattern of one network, such as
            "encoder" or "text_encoder".
        init_step: step of the checkpoint that is taken from each workdir of init_from; None takes
            the newest.
        frozen: patterns of the names of parameters that are not trained. They count before
            optimizer.groups, like groups (pattern, None).
        log_every_steps: updates between two lines of metrics.
        watchdog_seconds: seconds after which a process that makes no progress ends with status 76.
        peak_flops: peak FLOP/s of one device, if jcl's table is wrong or lacks the device.
        precision: the dtype in which networks compute: float32, bfloat16 or float64.
        deterministic: on GPUs, uses slower kernels that give the same bits every time.
        fsdp_min_size: elements of the smallest array that is split over the fsdp axis.
    """

    seed: int = 0
    batch_size: int = 256
    total_steps: int | None = None
    total_epochs: float | None = None
    microbatches: int = 1
    init_from: Annotated[str | tuple | None, PATH] = None
    init_step: int | None = None
    frozen: tuple | None = None
    log_every_steps: Annotated[int, FREE_ON_RESUME] = 10
    watchdog_seconds: Annotated[float, FREE_ON_RESUME] = 1800.0
    peak_flops: Annotated[float | None, FREE_ON_RESUME] = None
    precision: str = "float32"
    deterministic: bool = False
    fsdp_min_size: Annotated[int, FREE_ON_RESUME] = 2**16

    def __post_init__(self):
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed={self.seed} is impossible: it lies between 0 and 2^31 - 1")
        for key in ("batch_size", "microbatches", "log_every_steps", "total_steps"):
            check_count(key, getattr(self, key))
        for key in ("total_epochs", "watchdog_seconds", "peak_flops"):
            check_positive(key, getattr(self, key))
        check_not_negative("fsdp_min_size", self.fsdp_min_size)
        check_choice("precision", self.precision, PRECISIONS)
        if self.total_steps is None and self.total_epochs is None:
            raise UserError("the run has no length: set total_steps or total_epochs")
        if any(not isinstance(pattern, str) for pattern in self.frozen or ()):
            raise UserError(
                f"frozen={self.frozen!r} is impossible: give patterns, which are strings"
            )
        if isinstance(self.init_from, tuple) and not (
            self.init_from and all(map(_is_pair_of_strings, self.init_from))
        ):
            raise UserError(
                f"init_from={self.init_from!r} is impossible: give a workdir, or pairs "
                "(pattern, workdir)"
            )
        if self.init_from is None and self.init_step is not None:
            raise UserError("init_step chooses a checkpoint of init_from, but init_from is not set")


@dataclasses.dataclass(frozen=True)
class Data:
    """The keys of the section `data` that mean the same whatever the source.

    Attributes:
        held_out: the share of the training examples that replaces the test split, so that settings
            can be chosen without the real test split; None uses the splits as they are.
        subset: a file of indices of training examples, written by `python -m
            jcl.data.prepare.distinct`; only these are trained on. None takes all.
        groups: a file with a group for every training example, written by `python -m
            jcl.evaluation.groups`; each batch is then drawn from one group. Groups smaller than a
            batch are left out.
        tokenizer: the tokenizer of texts that are strings: a tokenizer.json or CLIP's
            bpe_simple_vocab_16e6.txt.gz. None trains a byte-level BPE on the texts of the training
            split. The workdir keeps the tokenizer.
        vocabulary: the largest number of tokens of a BPE that is trained.
        text_length: the largest number of tokens of a text; longer texts are cut.
    """

    held_out: float | None = None
    subset: Annotated[str | None, PATH] = None
    groups: Annotated[str | None, PATH] = None
    # A resumed run uses the tokenizer in its workdir. Another tokenizer is refused by its content,
    # not by its path.
    tokenizer: Annotated[str | None, FREE_ON_RESUME, PATH] = None
    vocabulary: int = 8192
    text_length: int = 77

    def __post_init__(self):
        check_count("data.text_length", self.text_length)
        if self.vocabulary < LEAST_VOCABULARY:
            raise UserError(
                f"data.vocabulary={self.vocabulary} is impossible: a byte-level BPE has "
                f"{LEAST_VOCABULARY} tokens or more"
            )


@dataclasses.dataclass(frozen=True)
class Views:
    """The keys of the section `views` that mean the same whatever the recipe.

    Attributes:
        count: number of full-size views of each example, without small crops; None takes the
            recipe's own number, which is two for most recipes.
    """

    count: int | None = None

    def __post_init__(self):
        check_count("views.count", self.count)


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """The keys of the section `optimizer` that mean the same whatever the optimizer.

    Attributes:
        learning_rate: peak learning rate before scaling; after the warm-up it falls to zero as a
            cosine.
        scaling: what the learning rate is multiplied by, for the batch size B: none, 1; linear,
            B/256; sqrt, sqrt(B).
        warmup_steps: updates in which the rate rises from zero; it overrides warmup_epochs.
        warmup_epochs: the same in passes over the training split.
        gradient_clip_norm: gradients of a larger global norm are scaled down to this norm.
        groups: pairs (pattern, None) or (pattern, dict(scale=1.0, decay=True, constant_rate=False))
            for the parameters whose names the pattern matches; the first pattern that matches
            counts. None freezes the parameters; scale multiplies their updates, weight decay
            included; decay=False turns their weight decay off; constant_rate=True keeps their
            learning rate at its peak in every step.
        weight_ema: decay per step of a moving average of the weights, which probes then use.
    """

    learning_rate: float = 1e-3
    scaling: str = "none"
    warmup_steps: int | None = None
    warmup_epochs: float | None = None
    gradient_clip_norm: float | None = None
    groups: tuple | None = None
    weight_ema: float | None = None

    def __post_init__(self):
        check_choice("optimizer.scaling", self.scaling, SCALINGS)
        for key in ("learning_rate", "gradient_clip_norm"):
            check_positive(f"optimizer.{key}", getattr(self, key))
        for key in ("warmup_steps", "warmup_epochs"):
            check_not_negative(f"optimizer.{key}", getattr(self, key))
        check_decay("optimizer.weight_ema", self.weight_ema)


@dataclasses.dataclass(frozen=True)
class Mesh:
    """How devices are arranged.

    Attributes:
        data: size of the data axis; -1 takes the number of devices divided by fsdp.
        fsdp: number of devices over which parameters and the optimizer's state are split.
    """

    data: Annotated[int, FREE_ON_RESUME] = -1
    fsdp: Annotated[int, FREE_ON_RESUME] = 1


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """When the state is saved.

    Attributes:
        every_steps: updates between two checkpoints.
        keep: number of newest checkpoints that are kept, beside the best by the periodic probe.
    """

    every_steps: Annotated[int, FREE_ON_RESUME] = 500
    keep: Annotated[int, FREE_ON_RESUME] = 2

    def __post_init__(self):
        for key in ("every_steps", "keep"):
            check_count(f"checkpoint.{key}", getattr(self, key))


@dataclasses.dataclass(frozen=True)
class Profile:
    """Traces for a profiler.

    Attributes:
        steps: the first and the last step to trace, both included.
    """

    steps: Annotated[tuple | None, FREE_ON_RESUME] = None

    def __post_init__(self):
        steps = self.steps
        if steps is not None and not (
            len(steps) == 2 and all(isinstance(s, int) for s in steps) and 1 <= steps[0] <= steps[1]
        ):
            raise UserError(
                f"profile.steps={steps} is impossible: give the first and the last step to trace"
            )


@dataclasses.dataclass(frozen=True)
class Wandb:
    """Weights & Biases.

    Attributes:
        project: the project that the run's metrics are sent to; None sends nothing.
    """

    project: Annotated[str | None, FREE_ON_RESUME] = None

    def __post_init__(self):
        if self.project == "":
            raise UserError("wandb.project is empty; is a variable of the shell unset?")


@dataclasses.dataclass(frozen=True)
class Probe:
    """How frozen features are measured.

    Attributes:
        every_steps: updates between two periodic probes during training; None probes only at the
            end.
        online: the probe during training: knn, or linear, which needs labels and takes longer.
        knn_k: number of neighbours that vote.
        knn_temperature: temperature of the neighbours' votes.
        linear_seeds: number of linear probes whose scores are averaged.
        baselines: whether the untrained encoder and the raw inputs are probed too.
        outputs: names of the outputs that are probed, such as features, projection or
            text/features. The score of the first one decides which checkpoint is the best.
        templates: sentences in which {} stands for the name of a class, for zero-shot
            classification by methods of two towers; the sentences' embeddings are averaged.
        label: the key of an example that the class probes predict, such as label, motion or
            texture.
        shares: shares of the labels, for low-shot probes.
        target_bin: width of the target's bins, in units of the target; the number of training
            examples in a bin decides whether it counts as many-, medium- or few-shot.
        finetune: whether the whole network is also fine-tuned, with each share of the labels.
        finetune_shares: shares of the labels, for fine-tuning.
        finetune_batch_size: examples per step of fine-tuning; all of the share if it has fewer.
        finetune_epochs: passes of fine-tuning over the share's examples.
        finetune_least_steps: smallest number of fine-tuning steps, because a new head needs some.
        finetune_learning_rate: learning rate of the new head, by AdamW.
        finetune_encoder_scale: the encoder's learning rate, as a share of the head's.
    """

    every_steps: int | None = None
    online: str = "knn"
    knn_k: int = 20
    knn_temperature: float = 0.07
    linear_seeds: int = 3
    baselines: bool = True
    outputs: tuple = ("features",)
    templates: tuple = ("{}",)
    label: str = "label"
    shares: tuple = (0.01, 0.1)
    target_bin: float = 1.0
    finetune: bool = False
    finetune_shares: tuple = (0.01, 0.1, 1.0)
    finetune_batch_size: int = 256
    finetune_epochs: float = 20.0
    finetune_least_steps: int = 300
    finetune_learning_rate: float = 1e-2
    finetune_encoder_scale: float = 0.1

    def __post_init__(self):
        check_choice("probe.online", self.online, ONLINE_PROBES)
        for key in ("every_steps", "knn_k", "linear_seeds"):
            check_count(f"probe.{key}", getattr(self, key))
        for key in ("finetune_batch_size", "finetune_least_steps"):
            check_count(f"probe.{key}", getattr(self, key))
        for key in ("knn_temperature", "target_bin"):
            check_positive(f"probe.{key}", getattr(self, key))
        for key in ("finetune_epochs", "finetune_learning_rate", "finetune_encoder_scale"):
            check_positive(f"probe.{key}", getattr(self, key))
        if not self.outputs or not all(isinstance(name, str) for name in self.outputs):
            raise UserError(
                f"probe.outputs={self.outputs!r} is impossible: give names, such as ('features',)"
            )
        if not self.templates or any("{}" not in str(text) for text in self.templates):
            raise UserError(
                f"probe.templates={self.templates!r} is impossible: give sentences with {{}} in "
                "the place of a class's name, such as ('a drawing of {}',)"
            )
        for key in ("shares", "finetune_shares"):
            check_shares(f"probe.{key}", getattr(self, key))


@dataclasses.dataclass(frozen=True)
class Teacher:
    """Another run, whose networks are the teacher of a method that needs one.

    Attributes:
        workdir: workdir of the other run.
        step: step of the checkpoint that is read; None takes the newest.
    """

    workdir: Annotated[str | None, PATH] = None
    step: int | None = None


# The run's own keys, by section; "" is the config itself.
FIXED: Mapping[str, Callable] = {
    "": Run,
    "data": Data,
    "views": Views,
    "optimizer": Optimizer,
    "mesh": Mesh,
    "checkpoint": Checkpoint,
    "profile": Profile,
    "wandb": Wandb,
    "probe": Probe,
    "teacher": Teacher,
}


def base() -> ConfigDict:
    """Returns a new locked ConfigDict of names and the run's own keys.

    Sections with a `name` are not locked. A config file sets such a section as a whole, or any of
    its options. Whether the named class or function has these options is checked when the config
    is read.
    """
    config = ConfigDict(_places(Run))
    for title in dict.fromkeys([*NAMED, *FIXED]):
        if title:
            places = _places(FIXED[title]) if title in FIXED else {}
            name = {"name": NAMED[title]} if title in NAMED else {}
            config[title] = ConfigDict({**name, **places})
    config.lock()
    for title in NAMED:
        config[title].unlock()
    return config


def check_fixed(config: ConfigDict) -> None:
    """Raises UserError at the first of the run's own keys whose value is impossible."""
    for title, kind in FIXED.items():
        section = config[title] if title else config
        kind(**{key: section[key] for key in options(kind)})


def arguments(text: str, **defaults: Any) -> dict[str, Any]:
    """Reads the arguments after the colon of `--config=configs/NAME.py:batch=4096,epochs=100`.

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
        kind = type(defaults[name])
        try:
            # bool("False") is True.
            given[name] = flags.BooleanParser().parse(value) if kind is bool else kind(value)
        except ValueError as error:
            raise UserError(f"the config argument {item!r} cannot be read: {error}") from error
    return {**defaults, **given}


def _is_pair_of_strings(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(x, str) for x in value)


def _places(kind: Callable) -> dict[str, Any]:
    # Each key needs a placeholder of its own, because keys that share one change together.
    return {
        key: config_dict.placeholder(option.kind) if option.default is None else option.default
        for key, option in options(kind).items()
    }
