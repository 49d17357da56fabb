import numpy as np

from jcl.data.text.words import train_words

TEXTS = ("Grinning FACE, teeth: a", "upside-down cafe\u0301, 3")


def test_known_words_have_tokens_and_others_are_skipped():
    tokenizer = train_words(TEXTS)
    words = ["3", "a", "cafe", "down", "face", "grinning", "teeth", "upside"]
    assert tokenizer.size == 1 + len(words)
    said = ["a  Caf\u00e9 unseen upside/FACE", "faces aa gri 33", "TEETH"]
    found = tokenizer.encode(np.array(said), 6)
    of_words = [["a", "cafe", "upside", "face"], [], ["teeth"]]
    for ids, mask, expected in zip(found.ids, found.mask, of_words, strict=True):
        assert ids[mask].tolist() == [0, *(1 + words.index(word) for word in expected)]


def test_the_order_of_the_texts_changes_nothing():
    assert train_words(TEXTS) == train_words(TEXTS[::-1])


def test_a_start_stands_before_a_text_and_nothing_after_it():
    """Also where the texts have no word "a", which then has no token."""
    for texts in (TEXTS, ["red disc"]):
        tokenizer = train_words(texts)
        assert (tokenizer.around, tokenizer.padding) == ((0, None), None)
