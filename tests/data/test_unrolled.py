"""Every image and every caption of examples that have several."""

import numpy as np

from jcl.data import InMemorySource
from jcl.data.text.tokenised import tokenised
from jcl.data.text.words import train_words
from jcl.data.unrolled import every_caption, every_image

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randint(0, 256, (4, 3, 5, 5, 3)).astype(np.uint8)
THERE = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1]], bool)
TEXTS = np.array([["red fish", "fish"], ["blue", ""], ["old cat", "cat red"], ["", "new dog"]])


def drawings():
    label = np.arange(4, dtype=np.int32)
    arrays = {"image": IMAGES, "image_mask": THERE, "text": TEXTS, "label": label}
    raw = InMemorySource(arrays, n_classes=4, class_names=tuple("abcd"))
    return tokenised(raw, train_words(TEXTS.reshape(-1)), 4, what="the split")


def test_every_drawing_is_an_example():
    source = every_image(drawings())
    assert (len(source), source.image_shape, source.n_classes) == (7, (5, 5, 3), 4)
    assert source.class_names == tuple("abcd")
    order = np.array([6, 0, 3, 3, 1])
    batch = source.batch(order)
    rows, places = (x[order] for x in np.nonzero(THERE))
    np.testing.assert_array_equal(batch["image"], IMAGES[rows, places])
    for key, expected in {"label": rows, "row": rows, "pair": rows, "place": places}.items():
        np.testing.assert_array_equal(batch[key], expected)
    np.testing.assert_array_equal(batch["text"], drawings().batch(rows)["text"][:, 0])
    assert batch["text_mask"].ndim == 2
    assert "image_mask" not in batch


def test_every_caption_is_a_text():
    source = every_caption(drawings())
    tokenizer = drawings().tokenizer
    said = TEXTS[TEXTS != ""]
    expected = tokenizer.encode(said, 4)
    batch = source.batch(np.arange(len(source)))
    np.testing.assert_array_equal(batch["text"], expected.ids)
    np.testing.assert_array_equal(batch["text_mask"], expected.mask)
    assert batch["row"].tolist() == batch["pair"].tolist() == [0, 0, 1, 2, 2, 3]
    assert batch["place"].tolist() == [0, 1, 0, 0, 1, 1]
    assert source.image_shape is None


def test_examples_with_one_of_each_stay_and_keep_their_pairs():
    arrays = {"image": IMAGES[:, 0], "text": np.arange(12, dtype=np.int32).reshape(4, 3)}
    one = InMemorySource({**arrays, "pair": np.array([7, 7, 8, 9], np.int32)})
    assert every_image(one) is one
    found = every_caption(one).batch(np.arange(4))
    np.testing.assert_array_equal(found["text"], arrays["text"])
    assert found["text_mask"].all()
    assert found["pair"].tolist() == [7, 7, 8, 9]
    assert found["row"].tolist() == [0, 1, 2, 3]


def test_token_ids_of_several_texts_need_no_mask():
    ids = np.arange(24, dtype=np.int32).reshape(4, 2, 3)
    source = every_image(InMemorySource({"image": IMAGES[:, 0], "text": ids}))
    np.testing.assert_array_equal(source.batch(np.array([2, 1]))["text"], ids[[2, 1], 0])
