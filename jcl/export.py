"""Writes trained encoders for other libraries.

    python -m jcl.export --workdir=DIR --out=encoder.safetensors [--step=N] [--section=encoder]

A ResNet goes out under torchvision's names, a ViT under timm's, and an encoder of texts under
Hugging Face's, into a folder that `transformers` loads; another network keeps jcl's names. The card
beside the file (encoder.md) says what the encoder is and how to load it. Where --out is a folder,
every encoder of the run has a folder of its own in it.
"""

from collections.abc import Mapping
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from jcl import runtime
from jcl.config.place import expanded
from jcl.data.text.kept import read_kept
from jcl.errors import UserError
from jcl.evaluation.card import card
from jcl.evaluation.encode import evaluation_size
from jcl.evaluation.text_files import text_program, write_text_files
from jcl.experiment import method_of, read_run_config
from jcl.methods.base import Method, Variables, declared
from jcl.models.positions import sincos_positions
from jcl.models.vit import ViT
from jcl.optim.patterns import parameter_name
from jcl.runtime import cli
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import folder_at
from jcl.training.checkpoint import read_variables
from jcl.weights.read import SUFFIX
from jcl.weights.rules import Table
from jcl.weights.tables import tables_of
from jcl.weights.text_config import text_config
from jcl.weights.write import write_file

_OF_TEXTS, _ITS_HEAD = "text_encoder", "text_projector"
ENCODERS = ("encoder", _OF_TEXTS)
_OLD_END = 2  # `transformers` takes the token of the largest id where this is CLIP's end of a text
FILE = f"model{SUFFIX}"  # the name that `transformers` looks for in a folder


def export_all(workdir: Path, out: Path, *, step: int | None = None) -> list[Path]:
    """Writes every encoder of a run, as out/SECTION/model.safetensors.

    Args:
        workdir: of a run.
        out: the folder.
        step: which checkpoint; None takes the newest.

    Returns:
        The cards' files.

    Raises:
        UserError: as `export`, or a run without an encoder.
    """
    sections = _encoders(method_of(workdir), workdir)
    return [export(workdir, out / name / FILE, step=step, section=name) for name in sections]


def export(
    workdir: Path, out: Path, *, step: int | None = None, section: str | None = None
) -> Path:
    """Writes the weights that probes see of one network, and its card.

    With an encoder of texts come the run's tokenizer.json and, where `transformers` has such a
    network, its config.json. With `clip_text` comes the run's projection where it is CLIP's (an mlp
    with layers=1 and output_bias=False), and with `bert` and pooling=cls the pooler where it is
    BERT's (dense_tanh).

    Args:
        workdir: of a run.
        out: the file, NAME.safetensors; model.safetensors where `transformers` loads its folder.
        step: which checkpoint; None takes the newest.
        section: of the config, whose network it is, such as "text_encoder"; None takes the encoder,
            which is of texts where a run has no other.

    Returns:
        The card's file, NAME.md.

    Raises:
        UserError: no such run, checkpoint or section, or a file that cannot be written.
    """
    if out.suffix != SUFFIX:
        raise UserError(f"--out={out} is impossible: the file's name must end in {SUFFIX}")
    config, _ = read_run_config(folder_at(str(workdir)))
    method = method_of(workdir)
    section = _encoders(method, workdir)[0] if section is None else section
    network = getattr(method, section, None)
    variables, step = read_variables(workdir, step)
    if network is None or section not in variables.params:
        sections = ", ".join(sorted(variables.params))
        raise UserError(
            f"--section={section} is impossible: the networks of {workdir} are {sections}"
        )
    arrays = _arrays(variables, section)
    if isinstance(network, ViT):
        arrays = _with_positions(arrays, network, evaluation_size(config))
    tables = tables_of(network, section)
    table = tables[0] if tables else None
    theirs = (
        table.to_theirs(arrays) if table else {k.replace("/", "."): v for k, v in arrays.items()}
    )
    program = None
    if section == _OF_TEXTS:
        head = {} if table is None else _head(method, network, table, variables)
        theirs |= head
        program = _write_beside(workdir, out, config, network, arrays, head)
    write_file(out, theirs)
    text = card(
        workdir,
        config,
        network,
        out.name,
        section=section,
        step=step,
        library=table and table.library,
        makes_features=section in declared(method, "feature_parts"),
        program=program,
    )
    path = out.with_suffix(".md")
    workdir_lib.write_atomically(path, text)
    return path


def _encoders(method: Method, workdir: Path) -> list[str]:
    found = [name for name in ENCODERS if getattr(method, name, None) is not None]
    if not found:
        raise UserError(f"the run in {workdir} has no encoder: name a network with --section")
    return found


def _arrays(variables: Variables, section: str) -> dict[str, np.ndarray]:
    """Parameters and running statistics of a network, by their names."""
    trees = variables.params[section], variables.model_state.get(section, {})
    return {
        parameter_name(path): np.asarray(leaf)
        for tree in trees
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _head(
    method: Method, network: nn.Module, table: Table, variables: Variables
) -> dict[str, np.ndarray]:
    """What follows an encoder of texts where the other library's class has just that; else {}."""
    tables = tables_of(getattr(method, _ITS_HEAD, None), _ITS_HEAD)
    # BERT's pooler takes the first token.
    is_theirs = bool(tables) and tables[0].library == table.library
    if not is_theirs or getattr(network, "pooling", "cls") != "cls":
        return {}
    return tables[0].to_theirs(_arrays(variables, _ITS_HEAD))


def _write_beside(
    workdir: Path,
    out: Path,
    config: ConfigDict,
    network: nn.Module,
    arrays: Mapping[str, np.ndarray],
    head: Mapping[str, np.ndarray],
) -> str | None:
    """What stands beside the weights of an encoder of texts; the program that loads all of it."""
    tokenizer = read_kept(folder_at(str(workdir)))
    end = None if tokenizer is None or tokenizer.around[1] == _OLD_END else tokenizer.around[1]
    theirs = text_config(
        network,
        vocabulary=len(arrays.get("token_embedding/embedding", ())),
        projection=len(next(iter(head.values()))) if head else None,
        end=end,
    )
    if theirs is not None and out.name != FILE:
        raise UserError(
            f"--out={out} is impossible: transformers loads a folder whose file of weights is "
            f"named {FILE}; give --out={out.parent / FILE}"
        )
    length = config.data.text_length
    write_text_files(out.parent, config=theirs, tokenizer=tokenizer, length=length)
    if theirs is None:
        return None
    return text_program(network, has_head=bool(head), tokenizer=tokenizer, end=end)


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
    workdir, out = (Path(expanded(flag.value)) for flag in (_WORKDIR, _OUT))
    if out.suffix:
        paths = [export(workdir, out, step=_STEP.value, section=_SECTION.value)]
    elif _SECTION.value is None:
        paths = export_all(workdir, out, step=_STEP.value)
    else:
        raise UserError(f"--section is for one file: give --out={out / FILE}")
    for path in paths:
        print(f"{path.with_suffix(SUFFIX)} holds the weights, and {path} says how to load them")


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
    _OUT = flags.DEFINE_string(
        "out", None, "The file to write, NAME.safetensors, or a folder for every encoder."
    )
    _STEP = flags.DEFINE_integer("step", None, "Which checkpoint; the newest by default.")
    _SECTION = flags.DEFINE_string(
        "section", None, "Which network of the run; the encoder by default."
    )
    flags.mark_flags_as_required(["workdir", "out"])
    cli.run(main)
