"""Writes scalars to Weights & Biases: `wandb.project`, the extra `wandb`."""

import importlib.util
import uuid
from collections.abc import Mapping
from pathlib import Path

from ml_collections import ConfigDict

from jcl.errors import UserError
from jcl.runtime.workdir import write_atomically

ID = "wandb_id"


class WandbWriter:
    """Logs to one W&B run for each workdir; a resumed run continues it.

    Args:
        workdir: an existing folder; it keeps the run's id.
        config: of the run; `wandb.project` names the project.

    Raises:
        UserError: the package is not installed.
    """

    def __init__(self, workdir: Path, config: ConfigDict):
        check_installed(config)
        import wandb

        path = workdir / ID
        if not path.exists():
            write_atomically(path, uuid.uuid4().hex[:8] + "\n")
        self._run = wandb.init(
            project=config.wandb.project,
            id=path.read_text().strip(),
            resume="allow",
            dir=str(workdir),
            config=config.to_dict(),
        )

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the scalars of a step; several calls for one step add up."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Ends the run after everything was sent."""
        self._run.finish()


def check_installed(config: ConfigDict) -> None:
    """Raises UserError if the config asks for W&B and the package is missing."""
    if config.wandb.project is not None and importlib.util.find_spec("wandb") is None:
        raise UserError(
            f"wandb.project={config.wandb.project!r} is set, but the package wandb is not "
            "installed: pip install wandb, or jcl's extra of that name"
        )
