"""Random numbers for datasets: the same on every machine and with every version of NumPy."""

import hashlib

import numpy as np
from jaxtyping import Float64, Integer, UInt64


def random_words(
    purpose: str, split: str, seed: int, *, start: int = 0, stop: int, each: int = 1
) -> UInt64[np.ndarray, "n each"]:
    """Random words of examples start..stop, independent of the number of examples.

    Args:
        purpose: the use of the words; each purpose has its own random stream.
        split: "train" or "test", which have their own random streams too.
        seed: any integer, taken modulo 2**64.
        start: the first example.
        stop: the example after the last one.
        each: words per example.

    Returns:
        uint64 [stop - start, each], from the raw stream of a counter-based generator.
    """
    stream = hashlib.sha256(f"{purpose}/{split}".encode()).digest()[:8]
    key = np.array([seed % 2**64, int.from_bytes(stream, "little")], np.uint64)
    first, skipped = divmod(start * each, 4)  # a counter yields four words
    words = np.random.Philox(key=key, counter=first).random_raw((stop - start) * each + skipped)
    return words[skipped:].reshape(-1, each)


def uniform(words: UInt64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Numbers in [0, 1), one per word."""
    return (words >> np.uint64(11)) * 2.0**-53


def one_of(words: UInt64[np.ndarray, "*shape"], n: int) -> Integer[np.ndarray, "*shape"]:
    """Integers in [0, n), one per word."""
    return np.floor(uniform(words) * n).astype(np.int32)


def chosen_rows(
    purpose: str, split: str, seed: int, *, n: int, share: float
) -> Integer[np.ndarray, " k"]:
    """round(share * n) distinct rows of n, rising."""
    words = random_words(purpose, split, seed, stop=n)[:, 0]
    return np.sort(np.argsort(words, kind="stable")[: round(share * n)])
