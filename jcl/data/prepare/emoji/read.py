"""All emoji that are drawn in several styles, split so that test symbols are new."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tqdm
from jaxtyping import Bool, UInt8

from jcl.data.order import permute
from jcl.data.prepare.emoji.drawings import SIZE, draw, find_icons
from jcl.data.prepare.emoji.packages import STYLES
from jcl.data.prepare.emoji.symbols import Symbol, read_symbols
from jcl.data.prepare.splits import Splits
from jcl.errors import UserError

_TEST_SHARE = 0.15


class Emoji(NamedTuple):
    """Both splits.

    Attributes:
        splits: for train and test, `image` uint8 [n, S, 64, 64, 3], a drawing in each of `STYLES`;
            `image_mask` bool [n, S], False if a style has no drawing (the image is then white);
            `text` strings [n, K], a caption in each language; `label` int32 [n], the group.
        groups: names of the groups.
    """

    splits: Splits
    groups: list[str]


def read_emoji(folder: str, languages: Sequence[str], seed: int) -> Emoji:
    """Draws all symbols in all styles.

    Symbols of one family are in one split, and so are symbols that a style draws with the same
    pixels, mirrored or not. Test captions are only in the first language: the others are "".

    Args:
        folder: of the packages, as `npm pack` leaves them.
        languages: of the captions, such as ("en", "de").
        seed: of the split, any integer.

    Raises:
        UserError: packages or languages that are missing, or an icon that cannot be drawn.
    """
    symbols = read_symbols(folder, languages)
    image, image_mask = _draw_all(folder, symbols)
    is_test = _draw_test(families(symbols, image, image_mask), seed)
    groups = sorted({symbol.group for symbol in symbols})
    arrays = {
        "image": image,
        "image_mask": image_mask,
        "text": np.array([symbol.captions for symbol in symbols]),
        "label": np.array([groups.index(symbol.group) for symbol in symbols], np.int32),
    }
    splits = {
        split: {key: array[chosen] for key, array in arrays.items()}
        for split, chosen in (("train", ~is_test), ("test", is_test))
    }
    splits["test"]["text"][:, 1:] = ""
    return Emoji(splits, groups)


def families(
    symbols: Sequence[Symbol],
    image: UInt8[np.ndarray, "n S 64 64 3"],
    image_mask: Bool[np.ndarray, "n S"],
) -> list[list[int]]:
    """Positions of symbols, grouped by a common family or a common drawing in some style."""
    shared: dict[object, list[int]] = defaultdict(list)
    for i, symbol in enumerate(symbols):
        shared[symbol.family].append(i)
        for s in np.flatnonzero(image_mask[i]):
            drawing = image[i, s]
            mirrored = drawing[:, ::-1]
            shared[s, min(drawing.tobytes(), mirrored.tobytes())].append(i)
    root = list(range(len(symbols)))

    def find(i):
        while root[i] != i:
            i = root[i]
        return i

    for members in shared.values():
        first, *others = sorted({find(i) for i in members})
        for other in others:
            root[other] = first
    together: dict[int, list[int]] = defaultdict(list)
    for i in range(len(symbols)):
        together[find(i)].append(i)
    return list(together.values())


def _draw_test(of_families: list[list[int]], seed: int) -> Bool[np.ndarray, " n"]:
    """The symbols for testing: random whole families, until they reach a share of all symbols."""
    is_test = np.zeros(sum(map(len, of_families)), bool)
    wanted = round(_TEST_SHARE * len(is_test))
    count = len(of_families)
    for family in permute(np.arange(count), n=count, seed=seed, epoch=0):
        if is_test.sum() + len(of_families[family]) <= wanted:
            is_test[of_families[family]] = True
    return is_test


def _draw_all(folder: str, symbols: Sequence[Symbol]):
    """The drawing of each symbol in each style, white if there is none, and a mask of them."""
    image = np.full((len(symbols), len(STYLES), SIZE, SIZE, 3), 255, np.uint8)
    image_mask = np.zeros(image.shape[:2], bool)
    icons = find_icons(folder, symbols)
    with tqdm.tqdm(
        total=sum(map(len, icons.values())),
        desc="drawing",
        unit=" icons",
        mininterval=0.1 if sys.stderr.isatty() else 30,
    ) as bar:
        for s, style in enumerate(STYLES):
            for i, symbol in enumerate(symbols):
                if symbol.code not in icons[style]:
                    continue
                try:
                    drawn = draw(icons[style][symbol.code])
                except ValueError as error:
                    raise UserError(
                        f"{folder} has a drawing of {symbol.name!r} in the style {style} that "
                        f"cannot be drawn: {error}"
                    ) from error
                if drawn is not None:
                    image[i, s], image_mask[i, s] = drawn, True
                bar.update()
    return image, image_mask
