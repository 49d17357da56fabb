"""How well words alone match WordNet's pairs of nouns: baseline of configs/simcse_wordnet.py.

    python -m benchmarks.wordnet_tfidf data/wordnet.npz

It prints Spearman's correlation of the pairs' path similarity with the cosines of their TF-IDF
vectors, by scikit-learn's defaults, fitted on the training split. The second line leaves out
English stop words.
"""

import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from jcl.probes.sts import sts


def main(path: str) -> None:
    with np.load(path) as archive:
        train, test, pair, score = (
            archive[key] for key in ("train_text", "test_text", "test_sts_pair", "test_sts_score")
        )
    for stop_words in (None, "english"):
        vectors = TfidfVectorizer(stop_words=stop_words).fit(train).transform(test)
        found = sts(vectors.toarray(), pair, score)
        print(f"stop words {stop_words}: {found['spearman']:.3f} of {found['pairs']} pairs")


if __name__ == "__main__":
    main(sys.argv[1])
