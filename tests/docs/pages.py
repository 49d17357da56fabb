"""The pages that users read, and the commands and programs that stand in them."""

import dataclasses
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^\n]+) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.M | re.S,
)
# Targets of `make` that make no data for the commands after them.
_NO_DATA = {"setup", "quickstart", "test", "docs"}


@dataclasses.dataclass(frozen=True)
class Step:
    """A command, or a program in Python, of a page.

    Attributes:
        page: the page's name, without `.md`.
        words: of the command; None of a program.
        program: its text; None of a command.
        reason: why no test runs it; None where one does.
        made: whether it is a `make`, or may take data that a `make` before it on the page makes.
    """

    page: str
    words: tuple[str, ...] | None
    program: str | None
    reason: str | None
    made: bool = False

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words) if self.words else self.program}"


def steps(page: Path) -> list[Step]:
    """All steps of a page, in its order."""
    found, made = [], False
    for block in _BLOCK.finditer(page.read_text()):
        language, reason = block["language"], block["reason"]
        if language == "python":
            found.append(Step(page.stem, None, block["text"], reason))
        elif language == "sh":
            text = block["text"].replace("\\\n", " ")
            for words in filter(None, (shlex.split(x, comments=True) for x in text.splitlines())):
                makes = words[0] == "make"
                made = made or (makes and not {*words[1:]} & _NO_DATA)
                found.append(Step(page.stem, tuple(words), None, reason, made or makes))
    return found


STEPS = [step for page in PAGES for step in steps(page)]
