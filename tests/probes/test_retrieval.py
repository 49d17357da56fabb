import resource

import jax
import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from jcl.errors import UserError
from jcl.probes import recall_at, retrieval
from jcl.probes.retrieval import _wrong_keys_before


def embeddings(n, m, noise=1.0):
    """Images, two or three texts of most, in any order, and the image that each text is of."""
    random = np.random.default_rng(0)
    images = random.normal(size=(n, 8)).astype(np.float32)
    pair = random.permutation(np.r_[np.arange(n), random.integers(0, n, m - n)])
    texts = images[pair] + noise * random.normal(size=(m, 8))
    return images, texts.astype(np.float32), pair


def unit(x):
    return x.astype(np.float64) / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("block_size", [None, 7])
def test_several_texts_an_image_both_ways(block_size):
    images, texts, pair = embeddings(40, 100)
    found = retrieval(images, texts, pair, ks=(1, 5), block_size=block_size)
    cosines = unit(images) @ unit(texts).T
    for k in (1, 5):
        # A text has one image: scikit-learn's top-k accuracy of images as classes.
        expected = top_k_accuracy_score(pair, cosines.T, k=k, labels=np.arange(40))
        assert found["text_to_image"][f"r{k}"] == pytest.approx(expected)
        nearest = np.argsort(-cosines, axis=1)[:, :k]
        expected = np.mean([i in pair[nearest[i]] for i in range(40)])
        assert found["image_to_text"][f"r{k}"] == pytest.approx(expected)
    assert found["image_to_text"]["r1"] != found["text_to_image"]["r1"]


def test_texts_are_those_of_the_same_row_where_nothing_else_is_said():
    images, texts, _ = embeddings(40, 40, noise=0.0)
    order = np.argsort(embeddings(40, 40, noise=0.0)[2])
    assert retrieval(images, texts[order])["text_to_image"] == {"r1": 1, "r5": 1, "r10": 1}
    assert retrieval(images, np.roll(texts[order], 1, axis=0))["image_to_text"]["r1"] == 0


def test_collapsed_embeddings_find_nothing():
    same = np.ones((12, 4), np.float32)
    assert recall_at(same, same, np.arange(12), np.arange(12)) == {"r1": 0, "r5": 0, "r10": 0}
    assert recall_at(same, same, np.arange(12) // 3, np.arange(12) // 3)["r10"] == 1


def test_mistakes_are_told():
    images, texts, pair = embeddings(5, 8)
    with pytest.raises(UserError, match="no matching key"):
        recall_at(images, texts, np.arange(5) + 1, pair)


@pytest.mark.slow
def test_memory_of_100_000_queries_and_keys_is_that_of_a_block():
    """The matrix of all similarities would take 40 GB."""
    counted = _wrong_keys_before.lower(
        *(jax.ShapeDtypeStruct((100_000, 64), np.float32) for _ in range(2)),
        *(jax.ShapeDtypeStruct((100_000,), np.int32) for _ in range(2)),
        jax.ShapeDtypeStruct((1, 100_000), bool),
        block_size=min(2**25 // 100_000, 1024),
    )
    memory = counted.compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2**30
    images = np.random.default_rng(0).normal(size=(10_000, 16)).astype(np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert retrieval(images, images)["image_to_text"]["r1"] == 1
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 2**28 < 10_000**2 * 4
