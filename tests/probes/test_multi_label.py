import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler

from jcl.errors import UserError
from jcl.probes import multi_label_probe
from jcl.probes.multi_label import mean_average_precision


def scenes(seed, n=200):
    """Features that are noisy sums of what stands for three classes; no test row has the last."""
    parts = np.random.default_rng(9).normal(size=(3, 8))
    random = np.random.default_rng(seed)
    labels = (random.random((n, 3)) < (0.5, 0.3, 0.2)).astype(np.uint8)
    labels[:, 2] *= seed == 0
    features = labels @ parts + 1.5 * random.normal(size=(n, 8))
    return features.astype(np.float32), labels


@pytest.mark.slow
def test_map_is_that_of_scikit_learn_with_the_penalty_it_chooses_on_held_out_rows():
    (x, y), (test_x, test_y) = scenes(0), scenes(1)
    grid = (1.0, 1e-2)

    def reference(rows, l2, inputs):
        scaler = StandardScaler().fit(x[rows].astype(np.float64))
        return np.stack(
            [
                LogisticRegression(C=2 / (l2 * len(rows)), tol=1e-8, max_iter=1000)
                .fit(scaler.transform(x[rows]), column[rows])
                .decision_function(scaler.transform(inputs))
                for column in y.T
            ],
            axis=1,
        )

    held = np.random.default_rng(0).permutation(200) < 20
    scores = {
        l2: np.mean(
            [
                average_precision_score(y[held, c], s)
                for c, s in enumerate(reference(np.flatnonzero(~held), l2, x[held]).T)
            ]
        )
        for l2 in grid
    }
    best = max(scores, key=scores.get)
    final = reference(np.arange(200), best, test_x)
    expected = np.mean([average_precision_score(test_y[:, c], final[:, c]) for c in (0, 1)])
    found = multi_label_probe(x, y, test_x, test_y, l2_grid=grid)
    assert found == {
        "map": pytest.approx(expected, abs=2e-3),
        "l2": best,
        "held_out_map": pytest.approx(scores[best], abs=1e-2),
    }
    assert 0.6 < found["map"] < 0.99


def test_mistakes_are_told():
    x, y = scenes(0)
    with pytest.raises(UserError, match="must hold positive penalties"):
        multi_label_probe(x, y, x, y, l2_grid=())
    assert mean_average_precision(x[:, :3], 0 * y) is None


def test_any_number_but_zero_is_a_class():
    """Archives of images often write 255 for true."""
    random = np.random.RandomState(0)
    scores, labels = random.normal(size=(20, 3)), random.randint(0, 2, (20, 3)).astype(np.uint8)
    expected = average_precision_score(labels, scores)
    assert mean_average_precision(scores, labels * np.uint8(255)) == pytest.approx(expected)
