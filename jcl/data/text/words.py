"""A tokenizer of whole words, those of a dataset."""

from collections.abc import Iterable

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from jcl.data.text.bpe import START
from jcl.data.text.tokenizer import Tokenizer

_START = "\u2581"  # of a word, as SentencePiece writes it
_WORD = r"[\p{L}\p{N}]+"


def train_words(texts: Iterable[str]) -> Tokenizer:
    """Gives every word of the texts a token; other words are skipped.

    A word is letters and digits in a row, in lower case and without accents. A token for the start
    stands before each text, so that none is empty. Take this for small sets of short texts, where
    no part of a word tells what the word means; `train_bpe` can say every text.

    The token ids of words follow the alphabet.

    Args:
        texts: strings.
    """
    # A BPE without merges takes a word that it knows as it is, and splits others into letters.
    # No letter alone is known, because words begin with a sign, so nothing is left of them.
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab={}, merges=[], ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(_WORD), "removed", invert=True),
            pre_tokenizers.Metaspace(replacement=_START, prepend_scheme="always"),
        ]
    )
    words = sorted(
        {
            word
            for text in texts
            for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
                tokenizer.normalizer.normalize_str(text)
            )
        }
    )
    vocabulary = {word: i for i, word in enumerate([START, *words])}
    tokenizer.model = models.BPE(vocab=vocabulary, merges=[], ignore_merges=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, 0)]
    )
    return Tokenizer(tokenizer.to_str())
