import numpy as np
import pytest

from jcl.data.prepare.clusters import add_clusters
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, labelled


@pytest.fixture
def archive(tmp_path):
    """Features at four corners of a square by the label, of any length."""
    splits, path = labelled(), tmp_path / "features.npz"
    rng = np.random.default_rng(0)
    held = {}
    for split, arrays in splits.items():
        angle = np.pi / 2 * arrays["label"] + 0.1 * rng.normal(size=len(arrays["label"]))
        length = rng.uniform(0.5, 20, len(angle))
        features = length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        held[f"{split}_features"] = features.astype(np.float32)
        held[f"{split}_label"] = arrays["label"]
    np.savez(path, **held)
    return splits, path


def test_each_example_has_its_own_cluster_first_and_the_opposite_one_last(archive):
    splits, path = archive
    made = add_clusters(splits, path, centres=4, nearest=4, seed=0)
    of_class = made["train"]["clusters"][:4, 0]
    assert sorted(of_class) == [0, 1, 2, 3]
    for split, arrays in made.items():
        label = arrays["label"]
        np.testing.assert_array_equal(arrays["clusters"][:, 0], of_class[label])
        np.testing.assert_array_equal(arrays["clusters"][:, 3], of_class[(label + 2) % 4])
        assert arrays["clusters"].dtype == np.int32
        assert_same_arrays(arrays, splits[split], "image", "label")
    again = add_clusters(splits, path, centres=4, nearest=2, seed=0)
    np.testing.assert_array_equal(again["test"]["clusters"], made["test"]["clusters"][:, :2])
    add_clusters(splits, path, centres=4, nearest=2, seed=-1)


def test_refuses_in_one_sentence(archive):
    splits, path = archive
    few = {split: {k: a[:20] for k, a in arrays.items()} for split, arrays in splits.items()}
    others = {s: {**a, "label": (a["label"] + 1) % 4} for s, a in splits.items()}
    for given, options, message in [
        (few, {}, "features of the 20 examples of the train split, but it holds 400"),
        (others, {}, "belongs to another dataset: its label of the train split"),
        (splits, {"nearest": 5}, "centres=4 and nearest=5 are impossible"),
        (splits, {"centres": 401}, "centres=401 and nearest=2 are impossible"),
    ]:
        options = {"centres": 4, "nearest": 2, **options}
        with pytest.raises(UserError, match=message):
            add_clusters(given, path, **options, seed=0)
