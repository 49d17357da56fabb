"""A tokenizer of the whole words of a dataset."""

from collections.abc import Iterable

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from jcl.data.text.bpe import START
from jcl.data.text.tokenizer import Tokenizer

_START = "\u2581"  # marks the start of a word, as in SentencePiece
_WORD = r"[\p{L}\p{N}]+"


def train_words(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer with a token for every word of the texts; it skips other words.

    A word is a run of letters and digits, in lower case and without accents. Each text begins with
    a start token, so that none is empty. Take this for small sets of short texts, in which parts of
    words carry no meaning; `train_bpe` can encode every text.

    The token ids of words are in alphabetical order.

    Args:
        texts: strings.
    """
    # A BPE without merges keeps a word of its vocabulary whole, and splits other words into
    # letters.
    # Single letters are not in the vocabulary, because words begin with a sign, so they are
    # dropped.
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
