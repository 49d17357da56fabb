"""Writes a trained encoder for other libraries.

    python -m jcl.export --workdir=DIR --out=encoder.safetensors [--step=N] [--section=encoder]

A ResNet is written under torchvision's names and a ViT under timm's; other networks keep jcl's. The
card beside the file (encoder.md) describes the encoder and how to load it.
"""

from pathlib import Path

import jax
import numpy as np
from absl import flags

from jcl import runtime
from jcl.errors import UserError
from jcl.evaluation.card import card
from jcl.evaluation.encode import evaluation_size
from jcl.experiment import method_of, read_run_config
from jcl.models.positions import sincos_positions
from jcl.models.vit import ViT
from jcl.optim.patterns import parameter_name
from jcl.runtime import cli
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import folder_at
from jcl.training.checkpoint import read_variables
from jcl.weights.read import SUFFIX
from jcl.weights.tables import tables_of
from jcl.weights.write import write_file


def export(workdir: Path, out: Path, *, step: int | None = None, section: str = "encoder") -> Path:
    """Writes the weights of one network, as probes use them, and its card.

    Args:
        workdir: of a run.
        out: the file, NAME.safetensors.
        step: step of the checkpoint; None takes the newest.
        section: the network's section of the config, such as "text_encoder".

    Returns:
        The card's file, NAME.md.

    Raises:
        UserError: no such run, checkpoint or section, or a file that cannot be written.
    """
    if out.suffix != SUFFIX:
        raise UserError(f"--out={out} is impossible: the file's name must end in {SUFFIX}")
    config, _ = read_run_config(folder_at(str(workdir)))
    network = getattr(method_of(workdir), section, None)
    variables, step = read_variables(workdir, step)
    trees = variables.params.get(section), variables.model_state.get(section, {})
    if network is None or trees[0] is None:
        sections = ", ".join(sorted(variables.params))
        raise UserError(
            f"--section={section} is impossible: the networks of {workdir} are {sections}"
        )
    arrays = {
        parameter_name(path): np.asarray(leaf)
        for tree in trees
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    if isinstance(network, ViT):
        arrays = _with_positions(arrays, network, evaluation_size(config))
    tables = tables_of(network)
    table = tables[0] if tables else None
    theirs = (
        table.to_theirs(arrays) if table else {k.replace("/", "."): v for k, v in arrays.items()}
    )
    write_file(out, theirs)
    text = card(workdir, config, network, out.name, step=step, library=table and table.library)
    path = out.with_suffix(".md")
    workdir_lib.write_atomically(path, text)
    return path


def _with_positions(arrays, network: ViT, size: int | None):
    """Adds fixed positions, also of registers, which other libraries keep as a parameter."""
    if network.positions == "learned":
        positions = arrays["position_embedding"]
    else:
        if size is None:
            raise UserError(
                "the size of this run's images is neither in views.size nor in data.image_size, "
                "but fixed positions depend on it"
            )
        side = size // network.patch_size
        positions = sincos_positions(side, side, network.width).astype(np.float32)
        if network.pooling == "cls":
            positions = np.pad(positions, ((1, 0), (0, 0)))
    # timm adds positions to registers too.
    at = 1 if network.pooling == "cls" else 0
    nothing = np.zeros((network.registers, network.width), positions.dtype)
    return {
        **arrays,
        "position_embedding": np.concatenate([positions[:at], nothing, positions[at:]]),
    }


def main(argv) -> None:
    """The binary."""
    del argv
    runtime.configure("float32")
    path = export(
        Path(_WORKDIR.value).expanduser(),
        Path(_OUT.value).expanduser(),
        step=_STEP.value,
        section=_SECTION.value,
    )
    print(f"{path.with_suffix(SUFFIX)} holds the weights, and {path} says how to load them")


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
    _OUT = flags.DEFINE_string("out", None, "The file to write, NAME.safetensors.")
    _STEP = flags.DEFINE_integer("step", None, "Step of the checkpoint; the newest by default.")
    _SECTION = flags.DEFINE_string("section", "encoder", "Which network of the run.")
    flags.mark_flags_as_required(["workdir", "out"])
    cli.run(main)
