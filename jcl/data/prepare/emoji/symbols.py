"""The list of emoji: their code points, names, keywords, groups and families."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from jcl.data.prepare.emoji.packages import read_names
from jcl.errors import UserError

_GENDERS = {"2640", "2642"}
_MIRRORED = "27a1"
_JOINER, _KEYCAP = "200d", "20e3"
_MAN, _WOMAN, _PERSON = "1f468", "1f469", "1f9d1"
_CLOCKS = range(0x1F550, 0x1F568)
_MOONS = range(0x1F311, 0x1F31F)
_SIZES = re.compile("(large|medium|medium-small|small) ")
_LEFT_OUT = ("component", "flags")  # skin tones and hair; flags


@dataclasses.dataclass(frozen=True)
class Symbol:
    """One emoji.

    Attributes:
        code: its code points in lower-case hexadecimal, joined by "-", without U+FE0F, which only
            asks for a picture instead of a letter.
        name: in English.
        captions: a line for each language: the name, followed by the keywords.
        group: such as "food and drink".
        family: symbols of one family share a drawing or a part of their name.
    """

    code: str
    name: str
    captions: tuple[str, ...]
    group: str
    family: str


def read_symbols(folder: str, languages: Sequence[str]) -> list[Symbol]:
    """All symbols except those that repeat another one's drawing.

    Left out are skin tones, flags, mirrored variants, and variants for men and women of a symbol
    that has a neutral drawing.

    Args:
        folder: of the packages (`jcl.data.prepare.emoji.packages`).
        languages: of the captions, such as ("en", "de"), as emojibase-data names them.

    Raises:
        UserError: a language that emojibase-data does not have.
    """
    listed = read_names(folder, "en/data.json")
    meta = read_names(folder, "meta/groups.json")
    named = {}
    for language in languages:
        if not (entries := read_names(folder, f"{language}/data.json")):
            raise UserError(f"languages={language!r} is given, but emojibase-data has none of it")
        named[language] = {entry["hexcode"]: entry for entry in entries}
    symbols = []
    for entry in listed:
        group = meta["groups"].get(str(entry.get("group")), _LEFT_OUT[0])
        code = normal_code(entry["hexcode"])
        if group in _LEFT_OUT or _is_variant(code):
            continue
        captions = tuple(_caption(named[language].get(entry["hexcode"])) for language in languages)
        subgroup = meta["subgroups"][str(entry["subgroup"])]
        family = _family(code, entry["label"], subgroup)
        symbols.append(Symbol(code, entry["label"], captions, group.replace("-", " and "), family))
    return symbols


def normal_code(hexcode: str) -> str:
    """The code of a symbol from its code points as a package writes them."""
    return re.sub("-?fe0f", "", hexcode.lower())


def _caption(entry: Mapping | None) -> str:
    """Such as "grinning face, cheerful, happy"; "" if the language has no name."""
    return ", ".join((entry["label"], *entry.get("tags", ()))) if entry else ""


def _is_variant(code: str) -> bool:
    points = code.split("-")
    gendered = _JOINER in points and (bool(_GENDERS & {*points}) or points[0] in (_MAN, _WOMAN))
    return gendered or _MIRRORED in points[1:]


def _family(code: str, name: str, subgroup: str) -> str:
    points = [p for p in code.split("-") if p not in (_JOINER, _MIRRORED, *_GENDERS)] or [code]
    if subgroup == "family" or "couple" in name or name.startswith("kiss:"):
        return "family"
    if int(points[0], 16) in _CLOCKS:
        return "clock"
    if int(points[0], 16) in _MOONS:
        return "moon"
    if _KEYCAP in points:
        return "keycap"
    if name.endswith((" square", " diamond")):  # of one colour in several sizes
        return _SIZES.sub("", name)
    if points[0] in (_MAN, _WOMAN, _PERSON):  # a person with a thing: the thing has the family
        return "-".join(points[1:]) or "person"
    return "-".join(points)
