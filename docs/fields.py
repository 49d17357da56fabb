"""Fields of docstrings: paragraphs, or lines of one, that begin with a name and a colon."""

import re
from collections.abc import Sequence


def fields(docstring: str, names: Sequence[str]) -> dict[str, str]:
    """The text of each field that is there, as one line."""
    found = re.findall(rf"^({'|'.join(names)}): (.+?)(?=\n\w+: |\n\n|\Z)", docstring, re.M | re.S)
    return {name: " ".join(text.split()) for name, text in found}
