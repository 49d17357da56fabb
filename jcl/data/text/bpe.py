"""A byte-level BPE, trained on the texts of a dataset."""

import sys
from collections.abc import Iterable

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from jcl.data.text.tokenizer import Tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"


def train_bpe(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learns which bytes stand together; every text can be said with the result.

    Texts are put in lower case, and white space becomes one space. A token for the start stands
    before each text, and one for the end after it, as with CLIP.

    The result depends on the texts alone, not on their order nor on the machine.

    Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units",
    section 3.2; bytes for letters: Radford et al. 2019 (GPT-2), section 2.2; lower case and the two
    special tokens: Radford et al. 2021 (CLIP), section 2.4.

    Args:
        texts: strings.
        vocabulary: the most tokens that there shall be; all bytes are among them, and few texts
            give fewer than asked.
    """
    tokenizer = tokenizers.Tokenizer(models.BPE())
    space = normalizers.Replace(tokenizers.Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), space, normalizers.Strip()]
    )
    # With a space before the first word, a word has the same tokens wherever it stands.
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
