"""The drawings of emoji: the icon of each symbol in each style, and its pixels."""

import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import UInt8

from jcl.data.prepare.emoji.packages import STYLES, read_style
from jcl.data.prepare.emoji.symbols import Symbol, normal_code
from jcl.errors import UserError

SIZE = 64
_LEAST_INK = 0.01  # share of the square; an icon that covers less is empty


class Icon(NamedTuple):
    """A drawing of a set.

    Attributes:
        body: SVG elements.
        box: left, top, width and height that they are drawn in.
        turns: hFlip, vFlip and rotate (quarter turns clockwise), as in Iconify.
    """

    body: str
    box: tuple[float, float, float, float]
    turns: Mapping[str, Any]


def find_icons(folder: str, symbols: Sequence[Symbol]) -> dict[str, dict[str, Icon]]:
    """For each style, the icon of each code that the style has.

    Some sets list the code points of their icons. In other sets icons are found by name: the name
    in a set that does list code points, or Unicode's name.

    Args:
        folder: of the packages.
        symbols: the symbols to find.
    """
    sets = {style: read_style(folder, style, "icons.json") for style in STYLES}
    codes = {style: read_style(folder, style, "chars.json") for style in STYLES}
    by_name: dict[str, str] = {}
    for style, icons in sets.items():
        listed = {name: normal_code(code) for code, name in codes[style].items()}
        for name, alias in icons.get("aliases", {}).items():
            if alias["parent"] in listed and len(alias) == 1:  # the same drawing
                listed.setdefault(name, listed[alias["parent"]])
        by_name = listed | by_name
    by_name |= {_slug(symbol.name): symbol.code for symbol in symbols}
    by_letters = {_letters(symbol.name): symbol.code for symbol in symbols}
    by_letters |= {_letters(_unicode_name(symbol.code)): symbol.code for symbol in symbols}
    by_letters.pop("", None)
    wanted = {symbol.code for symbol in symbols}
    return {
        style: _icons_of(icons, codes[style], by_name, by_letters, wanted)
        for style, icons in sets.items()
    }


def draw(icon: Icon) -> UInt8[np.ndarray, "64 64 3"] | None:
    """An icon on white; None if it shows nothing.

    Raises:
        UserError: resvg_py is not installed.
        ValueError: the icon is not a valid SVG.
    """
    try:
        import resvg_py
    except ImportError:
        raise UserError(
            "drawing emoji needs the package resvg_py, which is not installed: pip install resvg_py"
        ) from None
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{" ".join(map(str, icon.box))}" width="{SIZE}" height="{SIZE}">{icon.body}</svg>'
    )
    encoded = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE))
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        drawn = np.asarray(image.convert("RGBA"), np.float32)
    opacity = drawn[..., 3:] / 255
    if opacity.mean() < _LEAST_INK:
        return None
    pixels = np.round(drawn[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)
    if icon.turns.get("hFlip"):
        pixels = pixels[:, ::-1]
    if icon.turns.get("vFlip"):
        pixels = pixels[::-1]
    return np.rot90(pixels, -icon.turns.get("rotate", 0))


def _icons_of(
    icons: Mapping[str, Any],
    codes: Mapping[str, str],
    by_name: Mapping[str, str],
    by_letters: Mapping[str, str],
    wanted: set[str],
) -> dict[str, Icon]:
    found: dict[str, Icon] = {}
    listed = ((normal_code(code), name) for code, name in codes.items())
    for code, name in (*listed, *_by_names(icons, by_name, by_letters)):
        if code in wanted and code not in found and (icon := _icon(icons, name)):
            found[code] = icon
    return found


def _by_names(icons, by_name, by_letters) -> Iterator[tuple[str, str]]:
    for name in (*icons["icons"], *icons.get("aliases", {})):
        # Some sets write names without hyphens, such as "artistpalette".
        if code := by_name.get(name) or by_letters.get(_letters(name)):
            yield code, name


def _icon(icons: Mapping[str, Any], name: str) -> Icon | None:
    turns = {}
    if name not in icons["icons"] and name in icons.get("aliases", {}):
        turns = icons["aliases"][name]
        name = turns["parent"]
    if name not in icons["icons"]:
        return None
    drawn = icons["icons"][name]
    left, top, width, height = (
        drawn.get(key, icons.get(key, default))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    return Icon(drawn["body"], (left, top, width, height), turns)


def _unicode_name(code: str) -> str:
    """The Unicode name of a symbol of one code point; other symbols have none."""
    return unicodedata.name(chr(int(code, 16)), "") if "-" not in code else ""


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _slug(name: str) -> str:
    """A name as Iconify writes it: face-savoring-food."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "-", re.sub("['\u2019]", "", plain.replace("&", "and"))).strip("-")
