"""Writes docs/losses.md, a row for every public loss: `python -m docs.losses`.

The rows are the fields Inputs, Formula, Cost and Neighbours in the docstrings of the losses'
modules, one module a loss.
"""

import importlib
from pathlib import Path

import jcl.losses
from docs.fields import fields as fields_of

PAGE = Path(__file__).with_suffix(".md")
FIELDS = ("Inputs", "Formula", "Cost", "Neighbours")
# What `jcl.losses` offers besides, to make losses of.
PARTS = {"distances", "inner_products", "map_rows", "unit_rows"}
_TOP = """\
# The losses

Written by `python -m docs.losses` from the docstrings in `jcl/losses/`; edit those.

There are B examples of d dimensions, `z_i`, `q_i` and the like are unit rows, `s` is the cosine
divided by the temperature, and `p(i)` is the other view of anchor i. Means are over all anchors.
`help(jcl.losses)` says what holds for every loss, and the docstring of a loss the rest.

The cost counts the floating-point operations of value and gradient that grow with the square of the
batch. Each of D devices takes the D-th part. Memory is `block_size` times the number of columns,
never their square.
"""


def page() -> str:
    """The text of docs/losses.md."""
    rows = sorted(_row(name) for name in set(jcl.losses.__all__) - PARTS)
    rows = [("What you have", "Loss", *FIELDS[1:]), ("---",) * (1 + len(FIELDS)), *rows]
    return _TOP + "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(name: str) -> tuple[str, ...]:
    fields = fields_of(importlib.import_module(f"jcl.losses.{name}").__doc__, FIELDS)
    if missing := [field for field in FIELDS if field not in fields]:
        raise SystemExit(f"The docstring of jcl/losses/{name}.py has no {', '.join(missing)}.")
    formula = f"`{fields['Formula']}`"
    texts = (fields["Inputs"], f"`{name}`", formula, fields["Cost"], fields["Neighbours"])
    return tuple(text.replace("|", r"\|") for text in texts)


if __name__ == "__main__":
    PAGE.write_text(page())
