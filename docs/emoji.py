"""Draws the picture of docs/emoji.md: what drawings of test symbols find in other styles.

    python -m docs.emoji --workdir=runs/clip_emoji

Styles whose licences ask that derived works be shared alike are left out.
"""

import argparse
import functools
from pathlib import Path

import numpy as np

from jcl.data.dataset_shape import shape_of
from jcl.data.prepare.emoji.packages import STYLES
from jcl.data.text.kept import own_tokenizer
from jcl.evaluation.pairs import embed_pairs
from jcl.experiment import make_experiment, open_config, open_split
from jcl.probes.contact_sheet import Found, contact_sheet
from jcl.probes.ordinality import evenly_spaced
from jcl.runtime.workdir import read_config
from jcl.training.checkpoint import read_variables

PICTURE = Path(__file__).parent / "emoji_across_styles.png"
SHARE_ALIKE = ("openmoji", "emojione-v1")
_QUERIES, _ANSWERS = 8, 6
_QUERY_STYLE = "noto"


def main() -> None:
    """Draws it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    workdir = parser.parse_args().workdir
    config = open_config(read_config(workdir))
    tokenizer = functools.partial(own_tokenizer, workdir, None)
    test = open_split(config, "test", tokenizer=tokenizer)
    experiment = make_experiment(config, shape_of(open_split(config, "train", tokenizer=tokenizer)))
    variables, _ = read_variables(workdir, None)
    images, _ = embed_pairs(config, experiment.method, variables, test)
    style = np.array(STYLES)[images.known["place"]]
    of_query = np.flatnonzero(style == _QUERY_STYLE)
    others = np.flatnonzero(~np.isin(style, (_QUERY_STYLE, *SHARE_ALIKE)))
    symbol = images.known["row"]

    def image(i):
        return test.batch(symbol[i : i + 1])["image"][0, images.known["place"][i]]

    rows = []
    for query in of_query[evenly_spaced(len(of_query), _QUERIES)]:
        cosines = images.features[others] @ images.features[query]
        nearest = others[np.argsort(-cosines)[:_ANSWERS]]
        right = symbol[nearest] == symbol[query]
        rows.append(Found(image(query), [image(i) for i in nearest], right))
    contact_sheet(rows, PICTURE, title="New symbols, and the nearest drawings in other styles")


if __name__ == "__main__":
    main()
