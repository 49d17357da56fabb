"""A byte-level BPE, trained on the texts of a dataset."""

import sys
from collections.abc import Iterable

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from jcl.data.text.tokenizer import Tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"


def train_bpe(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Trains a byte-level BPE, which can encode every text.

    Texts are converted to lower case, and white space becomes one space. Each text gets a start
    token and an end token, as in CLIP.

    The result depends only on the texts, not on their order or the machine.

    Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units",
    section 3.2; bytes for letters: Radford et al. 2019 (GPT-2), section 2.2; lower case and the two
    special tokens: Radford et al. 2021 (CLIP), section 2.4.

    Args:
        texts: strings.
        vocabulary: largest number of tokens, all bytes included; few texts give fewer tokens.
    """
    tokenizer = tokenizers.Tokenizer(models.BPE())
    space = normalizers.Replace(tokenizers.Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), space, normalizers.Strip()]
    )
    # With a space before the first word, a word has the same tokens at every position.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=sys.stderr.isatty(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return Tokenizer(tokenizer.to_str())
