"""Writes docs/objectives.md, an entry for every method: `python -m docs.objectives`.

The paper, the formula and what is a reading of ours are the fields Source, Formula and Reading in
the docstring of the method's class; a method that has one loss may leave its formula to that loss.
Configs are those of configs/, numbers those of benchmarks/measured.json, and claims those of
docs/demonstrations.md.
"""

import ast
import functools
import importlib
import inspect
import json
from pathlib import Path

import jcl.losses
from benchmarks.demonstrations.page import outcomes
from docs.fields import fields as fields_of
from docs.losses import FIELDS, PARTS
from jcl.config.names import resolve
from jcl.experiment import make_method, read_command_line
from jcl.methods import METHODS

PAGE = Path(__file__).with_suffix(".md")
ROOT = PAGE.parents[1]
MEASURED = ROOT / "benchmarks" / "measured.json"
# Method without a small config of its own -> the config in which it takes another's place.
RIVALS = {
    "dcl": "simclr_shapes",
    "nnclr_dcl": "nnclr_shapes",
    "bimodal_sogclr": "clip_pairs",
    "rnc": "supremix_diamonds",
    "l1": "supremix_diamonds",
    "mse": "supremix_diamonds",
}
# The settings of papers, which take longest.
_PAPERS = ("imagenet", "miniimagenet", "cifar10", "cifar100")
_TOP = """\
# The objectives

Written by `python -m docs.objectives` from the docstrings in `jcl/methods/`, from `configs/`, from
`benchmarks/measured.json` and from [demonstrations](demonstrations.md); edit those.

An entry for every `method.name`. Formulas have the notation of [losses.md](losses.md): `z_i`, `q_i`
and the like are unit rows, `s` is the cosine divided by the temperature, `p(i)` the other view of
anchor i; views have the numbers 0 and 1. `python -m jcl.train --list=method.NAME` prints a method's
options.
"""


def page() -> str:
    """The text of docs/objectives.md."""
    measured = json.loads(MEASURED.read_text())
    if unknown := measured.keys() - METHODS.keys():
        raise SystemExit(
            f"{MEASURED.name} names {', '.join(sorted(unknown))}, which are no methods."
        )
    entries = [_entry(name, measured.get(name, [])) for name in METHODS]
    return "\n".join([_TOP, *entries])


def command(name: str) -> list[str]:
    """The arguments of `python -m jcl.train` for a small run of a method."""
    if name in RIVALS:
        return [f"--config=configs/{RIVALS[name]}.py", f"--config.method.name={name}"]
    own = configs().get(name, [])
    if not own:
        raise SystemExit(f"No config has method.name={name!r}, and docs/objectives.py names none.")
    return [f"--config=configs/{min(own, key=functools.partial(_order, name))}.py"]


def _order(method: str, config: str) -> tuple[bool, bool, bool]:
    """First those that are small, then those named as the method, then those on `shapes`."""
    data = config.rpartition("_")[2]
    return data in _PAPERS, not config.startswith(method), data != "shapes"


@functools.cache
def configs() -> dict[str, list[str]]:
    """Method -> the configs that have it; those with a choice of cells are left out."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "configs").glob("*.py")):
        get_config = importlib.import_module(f"configs.{path.stem}").get_config
        if "cell" not in inspect.signature(get_config).parameters:
            found.setdefault(get_config().method.name, []).append(path.stem)
    return found


def _entry(name: str, measured: list[dict]) -> str:
    kind = resolve("method", name, METHODS)
    said = fields_of(inspect.getdoc(kind), ("Source", "Formula", "Reading"))
    if "Source" not in said:
        raise SystemExit(f"The docstring of {kind.__module__}.{kind.__name__} has no Source.")
    config = importlib.import_module(f"configs.{_config_of(command(name))}").get_config()
    config, _, _ = read_command_line(config, command(name)[1:])
    needs = ", ".join(f"`{need}`" for need in make_method(config).needs)
    own = ", ".join(f"`{config}`" for config in configs().get(name, []))
    numbers = "; ".join(f"{one['what']}: {one['value']}" for one in measured)
    lines = {
        "Paper": said["Source"],
        "Formula": _as_code(said["Formula"]) if "Formula" in said else _formula_of_loss(kind),
        "Needs of an example": needs or "nothing besides its views",
        "Configs": own or "none of its own",
        "Command": f"`python -m jcl.train {' '.join(command(name))} --workdir=runs/{name}`",
        "Measured here": f"{numbers} (benchmarks/RESULTS.md)" if numbers else "not measured here",
        "Claims tried here": _claims_of(name) or "none",
        "Reading of ours": said.get("Reading", "none"),
    }
    return f"## `{name}`\n\n" + "".join(f"* {key}: {text}\n" for key, text in lines.items())


def _claims_of(name: str) -> str:
    """The outcomes of a method's claims, in sentences, and where they come from."""
    told = [
        f"{one.claim} Baseline {one.baseline}, method {one.method}: {one.verdict}."
        for one in outcomes()
        if f"`{name}`" in one.row
    ]
    return " ".join([*told, "See [demonstrations](demonstrations.md)."]) if told else ""


def _config_of(arguments: list[str]) -> str:
    return arguments[0].removeprefix("--config=configs/").removesuffix(".py")


def _formula_of_loss(kind: type) -> str:
    """That of the one loss of `jcl.losses` which a method's module imports."""
    imported = {
        alias.name
        for node in ast.walk(ast.parse(inspect.getsource(inspect.getmodule(kind))))
        if isinstance(node, ast.ImportFrom) and node.module == "jcl.losses"
        for alias in node.names
    }
    losses = sorted((imported & {*jcl.losses.__all__}) - PARTS)
    if len(losses) != 1:
        raise SystemExit(
            f"The docstring of {kind.__module__}.{kind.__name__} has no Formula, and its module "
            f"imports {len(losses)} losses."
        )
    docstring = importlib.import_module(f"jcl.losses.{losses[0]}").__doc__
    return f"`{losses[0]}`, {_as_code(fields_of(docstring, FIELDS)['Formula'])}"


def _as_code(formula: str) -> str:
    return f"`{formula.replace('`', '')}`"


if __name__ == "__main__":
    PAGE.write_text(page())
