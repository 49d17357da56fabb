"""The output of `--list`: all names, or the options of one name."""

import inspect
import textwrap

from jcl.config.base import FIXED, NAMED
from jcl.config.options import Option, descriptions, options
from jcl.errors import UserError
from jcl.experiment.tables import TABLES, named_options, sections_of, target

ALL = "all"
_RUN = "run"  # the title of the run's own keys outside of sections
_WIDTH = 100


def list_names(asked: str) -> str:
    """The lines for the user.

    Args:
        asked: ALL; a section, such as "probe"; or a section and a name, "method.simclr".

    Raises:
        UserError: there is no such section or name.
    """
    title, _, name = asked.partition(".")
    if asked == ALL:
        return _everything()
    if name and title in TABLES:
        return _thing(title, name)
    if title in TABLES and title not in FIXED:
        return _names(title)
    kind = FIXED.get("" if title == _RUN else title)
    if kind is None or name:
        sections = ", ".join(dict.fromkeys([_RUN, *filter(None, FIXED), *TABLES]))
        raise UserError(f"--list={asked} is unknown; there are {sections}, and SECTION.NAME")
    said = _options(options(kind), descriptions(kind))
    return (f"{_names(title)}\n" if title in TABLES else "") + said


def _everything() -> str:
    others = [title for title in FIXED if title and title not in NAMED]
    return "\n".join(
        [
            *(_names(title) for title in TABLES),
            "",
            f"sections of the run: {', '.join([_RUN, *others])}",
            "Options with --list=SECTION or --list=SECTION.NAME, such as --list=method.simclr. An "
            "address package.module:attribute is a name too.",
        ]
    )


def _names(title: str) -> str:
    names = ", ".join(TABLES[title])
    return textwrap.fill(
        f"{title:<16}{names}", _WIDTH, subsequent_indent=" " * 16, break_on_hyphens=False
    )


def _thing(title: str, name: str) -> str:
    thing = target(title, name)
    thing = getattr(thing, "func", thing)
    summary = (inspect.getdoc(thing) or "").splitlines() or [""]
    lines = [f"{title}.name={name}: {summary[0]}"]
    if title == "method" and (sections := sections_of(name)):
        lines.append(f"built from sections of their own: {', '.join(sections)}")
    return "\n".join([*lines, _options(named_options(title, name), descriptions(thing))])


def _options(taken: dict[str, Option], said: dict[str, str]) -> str:
    if not taken:
        return "takes no options"
    rows = [
        (key, o.kind_name + ("?" if o.nullable else ""), repr(o.default))
        for key, o in taken.items()
    ]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(3)]
    return "\n".join(
        "  "
        + "".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        + said.get(row[0], "")
        for row in rows
    ).rstrip()
