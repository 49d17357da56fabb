"""The prices of 53,940 diamonds, a real regression of feature vectors, without a download.

The table is diamonds.csv of the R package ggplot2 (Wickham 2016), which the Python package plotnine
carries.
"""

import csv
import importlib.util
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from jcl.data.order import permute
from jcl.errors import UserError

# Ordered factors, from the worst to the best; a feature is the rank.
_RANKS = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": ("J", "I", "H", "G", "F", "E", "D"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}
FEATURES = ("carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z")
_TEST_SHARE = 5  # one row in five


def read_diamonds(seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Reads the table, without importing plotnine, and splits it at random.

    The 146 rows that repeat another one are dropped, so that no row is in both splits. A fifth of
    the rest is for testing. Features are the numbers of the table, and the ranks of its ordered
    factors, standardised by mean and standard deviation of the training split. They are not changed
    otherwise: sizes of 0 mm and 58.9 mm, which are errors of the table, stay as outliers.

    Args:
        seed: of the split, any integer.

    Returns:
        For train and test, features float32 [n, 9] in the order of `FEATURES`, and target float32
        [n]: 100 log10 of the price in dollars, 251 to 427, of which one unit is 2.3% of the price.

    Raises:
        UserError: plotnine is not installed or does not have the table.
    """
    features, target = _read_table(_find_table())
    n = len(target)
    order = permute(np.arange(n), n=n, seed=seed, epoch=0)
    rows = {"train": np.sort(order[n // _TEST_SHARE :]), "test": np.sort(order[: n // _TEST_SHARE])}
    mean, deviation = (f(features[rows["train"]], axis=0) for f in (np.mean, np.std))
    features = ((features - mean) / deviation).astype(np.float32)
    return {split: {"features": features[i], "target": target[i]} for split, i in rows.items()}


def _read_table(path: Path) -> tuple[Float64[np.ndarray, "n 9"], Float32[np.ndarray, " n"]]:
    """Features, not standardised, and target of the distinct rows in the table's order."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    distinct = np.array(list(dict.fromkeys(map(tuple, rows))))
    columns = dict(zip(header, distinct.T, strict=True))
    for name, order in _RANKS.items():
        columns[name] = np.array([order.index(value) for value in columns[name]])
    features = np.stack([columns[name].astype(np.float64) for name in FEATURES], 1)
    price = columns["price"].astype(np.float64)
    return features, (100 * np.log10(price)).astype(np.float32)


def _find_table() -> Path:
    spec = importlib.util.find_spec("plotnine")
    if spec is None or spec.origin is None:
        raise UserError(
            "the diamonds are a file of the package plotnine, which is not installed: "
            "pip install plotnine"
        )
    path = Path(spec.origin).parent / "data" / "diamonds.csv"
    if not path.is_file():
        raise UserError(f"this version of the package plotnine has no {path}")
    return path
