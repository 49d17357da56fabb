"""Checkpoints through Orbax: verified when they are read, and moved aside if damaged.

A checkpoint has three items: `model` (for probes), `training` (the rest of the state) and `seal` (a
checksum of both, by which damaged bytes are detected).
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from orbax.checkpoint import checkpoint_managers

from jcl.config.upgrade import Renames, has_old_names, rename, renames, reversed_names
from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.runtime import distributed
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import Folder, absolute, folder_at
from jcl.training.fingerprint import fingerprint
from jcl.training.state import TrainState

PyTree = Any

MODEL = ("params", "model_state", "method_state", "ema_params")
TRAINING = ("step", "opt_state")
_MOVED = "method_state"  # was in `training` until 2026-11-27
FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints of one workdir; `<workdir>/checkpoints/<k>` is the state after k updates.

    The newest `keep` checkpoints are kept, and also the one with the best score.

    Args:
        workdir: an existing folder.
        keep: number of newest checkpoints to keep.
    """

    def __init__(self, workdir: Folder | str, *, keep: int):
        self.folder = absolute(folder_at(str(workdir))) / FOLDER
        self._keep = keep
        self._latest: int | None = None  # the step whose save may be under way
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        policy = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(self._keep),
                checkpoint_managers.BestN(
                    get_metric_fn=lambda metrics: metrics["score"],
                    n=1,
                    keep_checkpoints_without_metrics=False,
                ),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            cleanup_tmp_directories=True,
            enable_async_checkpointing=True,
        )
        return _manager(self.folder, options)

    @property
    def steps(self) -> list[int]:
        """Steps that have a checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, step: int, *, score: float | None = None) -> None:
        """Saves in the background; a second save waits for the first.

        Args:
            state: after `step` updates; it may be donated as soon as this returns.
            step: the checkpoint's name.
            score: larger is better; a checkpoint with None is never the best.

        Raises:
            UserError: this checkpoint or the one before it could not be written.
            RuntimeError: Orbax declined to save, so the run must stop.
        """
        self.wait()
        self._latest = step
        items = _items(state)
        seal = {name: fingerprint(item) for name, item in items.items()}
        with self._told_in_one_sentence():
            saved = self._manager.save(
                step,
                args=ocp.args.Composite(
                    **{name: ocp.args.StandardSave(item) for name, item in items.items()},
                    seal=ocp.args.JsonSave(seal),
                ),
                metrics=None if score is None else {"score": score},
            )
        if not saved:
            raise RuntimeError(f"Orbax declined to save step {step} in {self.folder}")

    def restore_newest(self, like: TrainState) -> TrainState | None:
        """Restores the newest readable checkpoint, or returns None if there is no checkpoint.

        It first waits for a save in progress, and includes it. Newer checkpoints that cannot be
        read are moved to `checkpoints/corrupt-<k>`, with a warning.

        Args:
            like: the state (or its shapes) with the shardings of the result.

        Raises:
            UserError: a checkpoint is readable but holds arrays of other names or shapes; or no
                checkpoint can be read. The latter has another cause than damage to one file, so
                none is moved.
        """
        self.wait()  # a half-written checkpoint would look damaged
        broken: dict[int, str] = {}
        for step in reversed(self.steps):
            state, reason = None, "another process could not read it"
            try:
                state = self._restore(step, like)
            except UserError:
                raise
            except Exception as error:  # Orbax raises bare Exceptions for damaged files
                reason = _reason(error)
            if not distributed.everywhere(state is not None):
                broken[step] = reason
                continue
            for bad, reason in broken.items():
                aside = self._move_aside(bad)
                logging.warning(
                    "checkpoint %d cannot be read (%s); moved it to %s; falling back to "
                    "checkpoint %d",
                    *(bad, reason, aside, step),
                )
            return state
        if broken:
            raise UserError(
                f"none of the checkpoints {', '.join(map(str, broken))} in {self.folder} can be "
                f"read, and nothing was changed there ({next(iter(broken.values()))})"
            )
        return None

    def _restore(self, step: int, like: TrainState) -> TrainState:
        wanted, names = _abstract(_items(like)), _old_names(self.folder.parent)
        metadata = self._manager.item_metadata(step)
        if metadata["training"] is not None and _MOVED in metadata["training"].tree:
            wanted["training"][_MOVED] = wanted["model"].pop(_MOVED)
        for name, item in wanted.items():
            held = metadata[name]
            if held is not None and has_old_names(held.tree, names):
                wanted[name] = rename(item, reversed_names(names))
            _check_structure(held, wanted[name], self.folder / str(step))
        restored = rename(_read(self._manager, step, wanted), names)
        state = TrainState(**restored["model"], **restored["training"])
        if int(state.step) != step:
            raise ValueError(f"it holds step {int(state.step)}")
        return state

    def _move_aside(self, step: int) -> Folder:
        # With a damaged step in place, Orbax would count it as kept and refuse to save smaller
        # steps.
        self._manager.close()
        distributed.barrier(f"a damaged step {step} is about to be moved")
        aside, copy = self.folder / f"corrupt-{step}", 1
        while aside.exists():
            aside, copy = self.folder / f"corrupt-{step}.{copy}", copy + 1
        distributed.barrier(f"its new place {aside} is known")
        if distributed.is_first():
            (self.folder / str(step)).rename(aside)
        distributed.barrier(f"step {step} is moved")
        self._manager = self._open()
        return aside

    def wait(self) -> None:
        """Blocks until the last save is on disk; raises UserError if it could not be written."""
        with self._told_in_one_sentence():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last save, which may fail as in `wait`, and ends Orbax's threads."""
        with self._told_in_one_sentence():
            self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind, error, traceback) -> None:
        try:
            self.close()
        except Exception:
            if error is None:  # otherwise the first error says more
                raise

    @contextlib.contextmanager
    def _told_in_one_sentence(self) -> Iterator[None]:
        try:
            yield
        except jax.errors.JaxRuntimeError:  # another process is gone; not a disk error
            raise
        except Exception as error:  # Orbax and TensorStore raise many kinds, ValueError for ENOSPC
            steps = saved_steps(self.folder.parent)
            raise UserError(
                f"the checkpoint of step {self._latest} could not be written to {self.folder} "
                f"({_reason(error)}); the newest complete one is "
                f"{f'step {steps[-1]}' if steps else 'none'}; once there is room, the same command "
                "resumes from it"
            ) from error


def saved_steps(workdir: Folder | str) -> list[int]:
    """Lists the steps with a checkpoint in a workdir, oldest first, without opening any."""
    folder = folder_at(str(workdir)) / FOLDER
    return sorted(int(p.name) for p in folder.glob("*") if re.fullmatch(r"\d+", p.name))


def read_variables(workdir: Folder | str, step: int | None = None) -> tuple[Variables, int]:
    """Reads the networks for probes, with the average of the weights if the run kept one.

    Arguments, the step and errors are those of `read_model`.
    """
    model, step = read_model(workdir, step)
    params = model["ema_params"] or model["params"]
    return Variables(params, model["model_state"], model["method_state"]), step


def read_model(workdir: Folder | str, step: int | None = None) -> tuple[dict[str, PyTree], int]:
    """Reads the state without the optimizer's onto this process's first device.

    It needs neither the config nor the mesh of the run.

    Args:
        workdir: of the run.
        step: step of the checkpoint; None takes the newest.

    Returns:
        {"params", "model_state", "method_state", "ema_params"} and the step. For checkpoints from
        before 2026-11-28 method_state is {}, because probes did not need it.

    Raises:
        UserError: there is no such checkpoint, or it cannot be read.
    """
    folder, found = absolute(folder_at(str(workdir))) / FOLDER, saved_steps(workdir)
    if not found:
        raise UserError(f"{workdir} holds no checkpoint")
    if step is None:
        step = found[-1]
    if step not in found:
        raise UserError(
            f"{workdir} holds no checkpoint of step {step}; there are: {', '.join(map(str, found))}"
        )
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    options = ocp.CheckpointManagerOptions(create=False)
    with _manager(folder, options) as manager:
        try:
            shapes = manager.item_metadata(step)["model"].tree
            _check_precision(shapes, f"checkpoint {step} of {workdir}")
            wanted = jax.tree.map(
                lambda m: jax.ShapeDtypeStruct(m.shape, m.dtype, sharding=device), shapes
            )
            model = _read(manager, step, {"model": wanted})["model"]
            return {_MOVED: {}, **rename(model, _old_names(folder_at(str(workdir))))}, step
        except UserError:
            raise
        except Exception as error:  # Orbax raises bare Exceptions for damaged files
            others = [s for s in found if s != step]
            raise UserError(
                f"checkpoint {step} of {workdir} cannot be read ({_reason(error)}); "
                f"others there: {', '.join(map(str, others)) or 'none'}"
            ) from error


def _old_names(workdir: Folder) -> Renames:
    """The names of layers in checkpoints of older versions of jcl."""
    try:
        return renames(workdir_lib.read_config(workdir).to_dict())
    except UserError:  # the folder is not the workdir of a run, for example in a test
        return {}


class _Manager(ocp.CheckpointManager):
    def reached_preemption(self, step: int) -> bool:
        # Orbax must not query preemption, because its step number would replace the loop's in
        # JAX's agreement.
        return False


def _manager(folder: Folder, options: ocp.CheckpointManagerOptions) -> ocp.CheckpointManager:
    handlers = {
        "model": ocp.StandardCheckpointHandler(),
        "training": ocp.StandardCheckpointHandler(),
        "seal": ocp.JsonCheckpointHandler(),
    }
    return _Manager(epath.Path(folder), options=options, item_handlers=handlers)


def _items(state: TrainState) -> dict[str, dict[str, PyTree]]:
    return {
        "model": {field: getattr(state, field) for field in MODEL},
        "training": {field: getattr(state, field) for field in TRAINING},
    }


def _read(manager: ocp.CheckpointManager, step: int, wanted: dict[str, PyTree]) -> PyTree:
    """Restores the wanted items and compares them with their seals."""
    restored = manager.restore(
        step,
        args=ocp.args.Composite(
            **{name: ocp.args.StandardRestore(item) for name, item in wanted.items()},
            seal=ocp.args.JsonRestore(),
        ),
    )
    for name in wanted:
        if fingerprint(restored[name]) != restored["seal"][name]:
            raise ValueError(f"the contents of {name} differ from what was saved")
    return restored


def _check_precision(shapes: PyTree, what: str) -> None:
    wide = any(np.dtype(leaf.dtype) == np.float64 for leaf in jax.tree.leaves(shapes))
    if wide and not jax.config.jax_enable_x64:
        raise UserError(
            f"{what} holds float64, and this process has float32: set precision=float64, or "
            "jax_enable_x64 in a program of your own"
        )


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else repr(error)


def _abstract(tree: PyTree) -> PyTree:
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree
    )


def _shapes(tree: PyTree) -> dict[str, tuple]:
    # Orbax's metadata returns named tuples as dicts or lists. Paths of names and numbers agree.
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        ".".join(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path): (
            tuple(leaf.shape),
            np.dtype(leaf.dtype),
        )
        for path, leaf in leaves
    }


def _check_structure(metadata, wanted: PyTree, path: Folder) -> None:
    if metadata is None:
        raise FileNotFoundError(f"{path} lacks an item")
    held, needed = _shapes(metadata.tree), _shapes(wanted)
    differing = [k for k in sorted(held | needed) if held.get(k) != needed.get(k)]
    if differing:
        first = differing[0]
        raise UserError(
            f"{path} does not fit this config: {first} is {held.get(first, 'absent')} there and "
            f"{needed.get(first, 'absent')} here ({len(differing)} such arrays)"
        )
