"""What is scored while training, of a state that nothing has trained."""

import jax
import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.dataset_shape import shape_of
from jcl.errors import UserError
from jcl.evaluation.encode import output_function
from jcl.evaluation.periodic import make_online_probe
from jcl.experiment import make_experiment, open_config
from jcl.probes import effective_rank, knn_top1, linear_probe, spread
from tests.tiny import one_device, tiny_config, tiny_source

SPLITS = ("train", "test")


def split(split):
    source = tiny_source(n={"train": 64, "test": 32}[split])
    return InMemorySource(dict(source.arrays), n_classes=4)


def few_labelled(name):
    source = split(name)
    if name == "train":
        source.arrays["label"] = np.where(np.arange(64) < 60, -1, source.arrays["label"])
    return source


def of_one_shade(name):
    """Examples have a class that their labels do not tell: light or dark."""
    source = split(name)
    dark = (np.arange(len(source)) % 2).astype(np.int32)
    image = np.where(dark[:, None, None, None], 10, 200) + source.arrays["image"] // 8
    return InMemorySource({**source.arrays, "image": image.astype(np.uint8), "dark": dark}, 4)


def probed(change=lambda params: params, data=split, **options):
    """The experiment, the state that was probed, its score, and what was told."""
    options = {"probe.every_steps": 4, "probe.online": "linear", **options}
    config = open_config(tiny_config(**{"data.name": f"{__name__}:{data.__name__}", **options}))
    train = data("train")
    experiment = make_experiment(config, shape_of(train))
    state = experiment.init_state(one_device())
    state = state.replace(params=change(state.params))
    probe, told, batches = make_online_probe(experiment, train, one_device()), [], []
    score = probe(state, lambda: batches.append(1), tell=lambda *said: told.append(said))
    assert len(batches) == 3  # both splits, and the projection of one
    return experiment, state, score, told


SCORES = {
    "knn": lambda *labelled: knn_top1(*labelled, n_classes=4, k=5),
    "linear": lambda *labelled: linear_probe(*labelled, n_classes=4, seeds=(0,)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_the_probe_scores_and_rank_and_spread_are_told(name, caplog):
    experiment, state, score, told = probed(**{"probe.online": name, "probe.knn_k": 5})
    outputs = {}
    for output in ("features", "projection"):
        apply = jax.jit(output_function(experiment.config, experiment.method, output))
        outputs[output] = [np.asarray(apply(state.probed, split(s).arrays)) for s in SPLITS]
    (x, test_x), (y, test_y) = outputs["features"], (split(s).arrays["label"] for s in SPLITS)
    assert score == (f"{name}_top1", SCORES[name](x, y, test_x, test_y)["top1"])
    embeddings = outputs["projection"][1]
    assert told == [
        (0, "effective_rank", pytest.approx(effective_rank(embeddings), rel=1e-4)),
        (0, "spread", pytest.approx(spread(embeddings), rel=1e-4)),
    ]
    assert "collapsed" not in caplog.text


def test_a_collapse_is_told_in_a_sentence(caplog):
    def collapsed(params):
        last = jax.tree.map(lambda x: 0 * x + 1e-6, params["projector"]["dense1"]["kernel"])
        dense = {"kernel": last, "bias": params["projector"]["dense1"]["bias"] + 1}
        return {**params, "projector": {**params["projector"], "dense1": dense}}

    # Of more neighbours than labels there are, those that there are vote.
    options = {"probe.online": "knn", "probe.knn_k": 5}
    _, _, (name, _), told = probed(collapsed, few_labelled, **options)
    assert name == "knn_top1"
    assert told[1][2] == pytest.approx(0, abs=1e-3)
    assert "step 0: the output 'projection' has collapsed: of 8 dimensions" in caplog.text


@pytest.mark.slow
def test_the_class_that_is_asked_for_is_scored():
    options = {"probe.online": "knn", "probe.knn_k": 5}
    scores = [
        probed(data=of_one_shade, **options, **{"probe.label": key})[2] for key in ("label", "dark")
    ]
    assert scores[0] < ("knn_top1", 0.6)
    assert scores[1] == ("knn_top1", 1.0)


def test_a_linear_probe_needs_labels():
    with pytest.raises(UserError, match=r"'l1' is trained with targets: set probe\.online=knn"):
        probed(**{"method.name": "l1", "method.temperature": None})
    with pytest.raises(UserError, match=r"probe\.online='ridge'"):
        probed(**{"probe.online": "ridge"})
