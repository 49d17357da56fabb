"""Plants bad pairs among the training examples, and records which pairs are bad."""

import numpy as np

from jcl.data.draws import random_words
from jcl.data.prepare.splits import Splits, check_keys, check_share
from jcl.errors import UserError

GOOD, NOISE, WRONG = range(3)


def plant_pairs(splits: Splits, *, noise: float, wrong: float, seed: int) -> Splits:
    """Examples become pairs of an image and its partner, some of which are bad.

    If examples have a text, the text is the partner. Otherwise the partner is the image itself, and
    `views.name="partners"` draws one view of each.

    Args:
        splits: for train and test, image uint8 [n, H, W, C], optionally text and its mask, and any
            other keys.
        noise: share of the training pairs whose image (and partner, if an image) is uniform noise.
        wrong: share of the training pairs that get the partner of another example; these examples
            exchange partners in a ring.
        seed: of the draws, any integer.

    Returns:
        The splits with planted int32 [n] (0 good, 1 noise, 2 wrong partner; all 0 in test) and, if
        there is no text, partner uint8 [n, H, W, C].

    Raises:
        UserError: impossible shares, only one wrong partner, no images.
    """
    check_share("planted_noise", noise)
    check_share("planted_wrong", wrong)
    check_keys("planted pairs", splits, "image", new=("planted", "partner"))
    n = len(splits["train"]["image"])
    n_noise, n_wrong = round(noise * n), round(wrong * n)
    if n_noise + n_wrong > n or n_wrong == 1:
        raise UserError(
            f"planted_noise={noise:g} and planted_wrong={wrong:g} of {n} examples are impossible: "
            "together they are at most 1, and a ring of partners has at least two members"
        )
    planted = {}
    for split, arrays in splits.items():
        partner = {key: a for key, a in arrays.items() if key.partition("_")[0] == "text"}
        partner = partner or {"partner": arrays["image"]}
        truth = np.full(len(arrays["image"]), GOOD, np.int32)
        planted[split] = {**arrays, **partner, "planted": truth}
    train = planted["train"]
    order = np.argsort(random_words("planted", "train", seed, stop=n)[:, 0], kind="stable")
    noisy, ring = order[:n_noise], order[n_noise : n_noise + n_wrong]
    train["planted"][noisy], train["planted"][ring] = NOISE, WRONG
    for key in ("image", "partner"):
        if key in train:
            train[key] = train[key].copy()
            train[key][noisy] = _noise(key, noisy, train[key].shape[1:], seed)
    for key, array in train.items():
        if key == "partner" or key.partition("_")[0] == "text":
            train[key] = array.copy()
            train[key][ring] = array[np.roll(ring, 1)]
    return planted


def _noise(key: str, rows: np.ndarray, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Uniform bytes [k, *shape]; an image's and its partner's are independent."""
    size = int(np.prod(shape))
    words = random_words(f"planted/{key}", "train", seed, stop=len(rows), each=-(-size // 8))
    return words.astype("<u8").view(np.uint8)[:, :size].reshape(len(rows), *shape)
