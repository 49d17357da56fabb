"""Scores besides kNN, linear and ridge probes, with their names in tables and reports."""

from typing import NamedTuple


class FurtherScore(NamedTuple):
    """A number of results.json.

    Attributes:
        title: name of the score in tables.
        path: keys in results.json, from the outside in.
        percent: whether it is a share of 1 that is shown in percent.
        larger_is_better: None if neither direction is better.
    """

    title: str
    path: tuple[str, ...]
    percent: bool = True
    larger_is_better: bool | None = True


def _of_classes(probe: str, name: str) -> tuple[FurtherScore, ...]:
    shots = ("many", "medium", "few")
    return (
        FurtherScore(f"{name} balanced, %", (probe, "balanced")),
        *(FurtherScore(f"{name} {x}-shot, %", (probe, "shots", x, "top1")) for x in shots),
    )


def _recalls(way: str) -> tuple[FurtherScore, ...]:
    name = way.replace("_", " ")
    return tuple(FurtherScore(f"{name} R@{k}, %", ("retrieval", way, f"r{k}")) for k in (1, 5, 10))


# In the order of tables.
FURTHER_SCORES = (
    *_of_classes("knn", "kNN"),
    *_of_classes("linear", "linear"),
    *(
        FurtherScore(f"{name}{episode}, %", (probe, episode, "top1"))
        for probe, name in (("episodes", ""), ("opta", "OpTA "))
        for episode in ("5-way 1-shot", "5-way 5-shot")
    ),
    FurtherScore("linear mAP, %", ("multi_label", "map")),
    FurtherScore("shape of a cell, %", ("cells", "top1")),
    FurtherScore("AUROC of outliers, %", ("anomaly", "auroc")),
    FurtherScore("tree Spearman", ("tree", "spearman"), percent=False),
    FurtherScore("tree nDCG@10", ("tree", "ndcg10"), percent=False),
    FurtherScore("STS Spearman", ("sts", "spearman"), percent=False),
    FurtherScore("zero-shot top-1, %", ("zero_shot", "top1")),
    *_recalls("image_to_text"),
    *_recalls("text_to_image"),
    *_recalls("image_to_image"),
    FurtherScore("planted pairs found, %", ("planted", "recall")),
    FurtherScore("effective rank", ("geometry", "effective_rank"), False, None),
    FurtherScore("spread", ("geometry", "spread"), False, None),
)
