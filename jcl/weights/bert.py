"""Names of the parameters of BERT, and of its pooler, in Hugging Face's files.

Source: transformers' modeling_bert; names alone.
"""

import numpy as np

from jcl.weights.rules import Arrays, Rule, Table, dense, norm

_BLOCK = r"block(\d+)"
_POSITIONS = "embeddings.position_embeddings.weight"
_SEGMENTS = "embeddings.token_type_embeddings.weight"
SEGMENTS = 2  # rows that BERT has, for the first and the second of a pair of texts


def _bert(scale: str, bias: str) -> Table:
    """BERT's names, with those that its LayerNorms have."""
    layer = "encoder.layer.{1}"
    attention = {
        **{name: f"{layer}.attention.self.{name}" for name in ("query", "key", "value")},
        "output": f"{layer}.attention.output.dense",
    }
    norms = {
        "embedding_norm": "embeddings.LayerNorm",
        f"{_BLOCK}/attention_norm": f"{layer}.attention.output.LayerNorm",
        f"{_BLOCK}/mlp_norm": f"{layer}.output.LayerNorm",
    }
    return Table(
        "Hugging Face's BERT",
        (
            Rule("token_embedding/embedding", "embeddings.word_embeddings.weight"),
            Rule("position_embedding", _POSITIONS),
            *(r for ours, theirs in norms.items() for r in norm(ours, theirs, scale, bias)),
            *(
                rule
                for ours, theirs in attention.items()
                for rule in dense(f"{_BLOCK}/attention/{ours}", theirs)
            ),
            *dense(f"{_BLOCK}/mlp_hidden", f"{layer}.intermediate.dense"),
            *dense(f"{_BLOCK}/mlp_output", f"{layer}.output.dense"),
        ),
        ignored=(r"embeddings\.position_ids", r"pooler\..*", r"(cls|classifier)\..*"),
        merged=_with_segment_in_positions,
        completed=_with_segments,
    )


def _with_segment_in_positions(arrays: Arrays) -> Arrays:
    """A single text is of the first segment, whose vector every token gets."""
    positions, segments = (arrays.get(name) for name in (_POSITIONS, _SEGMENTS))
    if positions is None or segments is None or positions.shape[1:] != segments.shape[1:]:
        return arrays
    rest = {name: array for name, array in arrays.items() if name != _SEGMENTS}
    return {**rest, _POSITIONS: positions + segments[:1]}


def _with_segments(arrays: Arrays) -> Arrays:
    positions = arrays[_POSITIONS]
    return {**arrays, _SEGMENTS: np.zeros((SEGMENTS, positions.shape[1]), positions.dtype)}


BERT = _bert("weight", "bias")
# Files that were first TensorFlow's, bert-base-uncased among them.
OLD_BERT = _bert("gamma", "beta")

# The layer between an encoder's features and the loss. All else in a file is the encoder's.
POOLER = Table("Hugging Face's BERT", dense("dense", "pooler.dense"), ignored=(r".*",))
