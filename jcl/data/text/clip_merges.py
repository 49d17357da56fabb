"""CLIP's tokenizer, from the list of merges that OpenAI released."""

import gzip
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError

START, END = "<|startoftext|>", "<|endoftext|>"
# Bytes and bytes that end a word, merges, the two special tokens: 49,408 in all. The file has more.
_MERGES = 49_408 - 2 * 256 - 2
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_END_OF_WORD = "</w>"
# Bytes that are written as themselves; all others are written as letters from U+0100 on.
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))


def read_clip_merges(path: str | Path) -> Tokenizer:
    """CLIP's tokenizer, with the ids of the published weights.

    It converts texts to lower case and Unicode's composed form, and splits them into words before
    it merges. The released code also repairs wrong encodings and unescapes HTML, for texts from the
    web. Here this is left to the preparation of the data.

    Source: Radford et al. 2021 (CLIP), section 2.4, and the code released with it.

    Args:
        path: of bpe_simple_vocab_16e6.txt.gz, which is in the package open_clip_torch.

    Raises:
        UserError: the file cannot be read, or has too few merges.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            _, *lines = file.read().split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"the merges {path} cannot be read: {said}") from error
    merges = [tuple(line.split()) for line in lines[:_MERGES]]
    if len(merges) < _MERGES or any(len(merge) != 2 for merge in merges):
        raise UserError(f"{path} does not hold the {_MERGES} merges of CLIP's tokenizer")
    letters = [chr(byte) for byte in _PRINTABLE]
    letters += [chr(0x100 + i) for i in range(256 - len(_PRINTABLE))]
    tokens = [*letters, *(letter + _END_OF_WORD for letter in letters), *map("".join, merges)]
    vocabulary = {token: i for i, token in enumerate([*tokens, START, END])}
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=_END_OF_WORD)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(tokenizers.Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )
    words = tokenizers.Regex(_WORDS)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, vocabulary[token]) for token in (START, END)],
    )
    return Tokenizer(tokenizer.to_str())
