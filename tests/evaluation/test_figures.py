"""The pictures of an evaluation."""

import numpy as np

from jcl.evaluation.figures import draw
from jcl.probes import Features
from tests.tiny import tiny_source


def test_views_of_texts_have_no_picture_though_examples_have_images(tmp_path):
    def draw_views(source, count):
        yield {"text": {"ids": np.zeros((count, 2, 5), np.int32)}}

    features, figures = Features(np.ones((3, 2), np.float32), {}), tmp_path / "figures"
    draw(draw_views, tmp_path, figures, features, tiny_source(3))
    assert list(figures.iterdir()) == []
