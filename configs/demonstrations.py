"""What each method's paper promises, on small data: a cell of docs/demonstrations.md.

Method: each as its own small config has it; the page says what a cell is compared with, by which
    score, and what counts as shown. No paper has these settings.
Data: `benchmarks/prepare_variants.sh` makes what is no data.name of its own.
Command: python -m jcl.train --config=configs/demonstrations.py:cell=mochi-moco_v2 \
    --workdir=runs/mochi
    All cells, three seeds each: benchmarks/study_demonstrations.sh
Expected time: 37 seconds of steps in the median, two runs at a time on 2 CPU cores; up to 129.
Expected score: docs/demonstrations.md.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from jcl import config as config_lib
from jcl.errors import UserError


class Cell(NamedTuple):
    """One setting of the study.

    Attributes:
        config: of configs/, with its arguments after a colon.
        steps: of the run.
        changes: section -> its options; those that name a thing are the whole section.
        batch: examples a step; None keeps the config's.
        also_on: another dataset that the run is scored on too.
        after: the cell whose run of seed 0 this one starts from: `study_demonstrations.sh` runs it,
            and makes of it what {runs} in the config holds, before this one.
    """

    config: str
    steps: int
    changes: Mapping[str, dict] = MappingProxyType({})
    batch: int | None = None
    also_on: str | None = None
    after: str | None = None


_LIGHT = dict(name="crop_flip_light")
_CLOTHES = dict(data=dict(name="arrays:{}/fashion_clean.npz"), views=_LIGHT)
_DIRECT = _CLOTHES | dict(probe=dict(shares=(0.01,), linear_seeds=3), method=dict(decay=0.99))
_BECLR = dict(data=dict(name="tfds:fashion_others", dir="{}"), views=_LIGHT)
_TAIL = dict(data=dict(name="tfds:fashion_tail100", dir="{}"))
_FOUR_LIGHT = dict(views=dict(name="crop_flip_light", count=4))
_SHIRTS = dict(data=dict(name="arrays:{}/fashion_turned_shirts.npz"))
_STYLES = dict(data=dict(name="arrays:{}/fashion_styles_contrast.npz"))
_MOTION = dict(probe=dict(label="motion"))
_TAILED_SHAPES = dict(data=dict(name="tfds:shapes_tail100", dir="{}"))
_BAD_PAIRS = dict(data=dict(name="arrays:{}/fashion_bad_pairs.npz"))
_LABELLED = dict(name="benchmarks.demonstrations.labelled_scenes:labelled_scenes")
_DIAMONDS = dict(data=dict(name="arrays:{}/diamonds_imbalanced.npz"))
_ANGLE = dict(data=dict(name="tfds:fashion_angle_imbalanced", dir="{}"))
_SIX_SHAPES = dict(data=dict(name="tfds:shapes_six", dir="{}"))
_TWO_STYLES = dict(data=dict(name="arrays:{}/shapes_two_styles.npz"))
_CLUSTERS = dict(data=dict(name="arrays:{runs}/scenes_clusters.npz"))
_EVEN = dict(data=dict(name="tfds:fashion_tail1", dir="{}"))
_REDUNDANT = dict(data=dict(name="tfds:fashion_redundant", dir="{}"))
_ONE_HUE = dict(data=dict(name="arrays:{}/shapes_colour_0.npz"))
_SIMCLR = dict(name="simclr", temperature=0.2)
_WARM_SIMCLR = dict(name="simclr", temperature=0.5)
_WEIGHT = dict(method=dict(weight=4.0))  # the small configs had it when the claims were fixed
_ALONE = dict(method=dict(name="conr", weight=1000.0))  # L1 has a thousandth of the gradient

CELLS = {
    "directpred-directpred": Cell("directpred_shapes", 700, _DIRECT),
    "directpred-linear": Cell(
        "directpred_shapes",
        700,
        _DIRECT | dict(method=dict(name="byol", decay=0.99), predictor=dict(name="mlp", layers=1)),
    ),
    "directpred-none": Cell(
        "directpred_shapes", 700, _DIRECT | dict(method=dict(decay=0.99, epsilon=1e6))
    ),
    "mochi-moco_v2": Cell("moco_v2_shapes", 1200),
    "mochi-mochi": Cell("mochi_shapes", 1200),
    "feature_transformation-moved": Cell("feature_transformation_shapes", 1200),
    "swav-two_views": Cell("swav_shapes", 1500, dict(views=dict(name="shapes"))),
    "swav-multi_crop": Cell("swav_shapes", 1000),
    "beclr-memory": Cell(
        "beclr_shapes",
        700,
        _BECLR | dict(method=dict(decay=0.99, start_epochs=1.0)),
        also_on="tfds:fashion_few",
    ),
    "beclr-none": Cell(
        "beclr_shapes",
        700,
        _BECLR | dict(method=dict(decay=0.99, k=0)),
        also_on="tfds:fashion_few",
    ),
    "pixpro-simclr": Cell("pixpro_scenes:method=simclr", 400),
    "pixpro-pixpro": Cell("pixpro_scenes", 400),
    "many_views-dhel2": Cell("mv_dhel_shapes:views=2", 840),
    "many_views-dhel4": Cell("mv_dhel_shapes:views=4", 420),
    "many_views-dhel8": Cell("mv_dhel_shapes:views=8", 210),
    "many_views-info_nce2": Cell("mv_info_nce_shapes:views=2", 840),
    "many_views-info_nce4": Cell("mv_info_nce_shapes:views=4", 420),
    "many_views-pairs4": Cell("mv_info_nce_shapes:views=4", 420, dict(method=_SIMCLR)),
    "cacr-nt_xent": Cell("cacr_shapes", 450, _TAIL | _FOUR_LIGHT | dict(method=_SIMCLR)),
    "cacr-cacr": Cell("cacr_shapes", 450, _TAIL | _FOUR_LIGHT),
    "groco-nt_xent": Cell(
        "groco_shapes",
        950,
        dict(
            views=dict(name="shapes"),
            method=dict(
                name="benchmarks.demonstrations.nearest_negatives:NearestNegatives",
                temperature=0.2,
                neighbours=10,
            ),
        ),
    ),
    "groco-groco": Cell("groco_shapes", 950, dict(views=dict(name="shapes"))),
    "hard_simclr-nt_xent": Cell(
        "hard_simclr_shapes", 950, dict(method=dict(name="simclr", temperature=1.0))
    ),
    "hard_simclr-hard": Cell("hard_simclr_shapes", 950, dict(method=dict(temperature=1.0))),
    "unicon_ha-simclr": Cell(
        "unicon_ha_fashion",
        900,
        _SHIRTS | dict(views=dict(name="simclr_cifar", min_area=0.3), method=_WARM_SIMCLR),
        batch=64,
    ),
    "unicon_ha-one_stage": Cell(
        "unicon_ha_fashion",
        900,
        _SHIRTS | dict(views=dict(stages=1), method=dict(stages=1)),
        batch=16,
    ),
    "batch_styles-none": Cell(
        "bss_styles", 850, _STYLES | dict(views=dict(min_ratio=0.0, max_ratio=0.0))
    ),
    "batch_styles-styles": Cell("bss_styles", 850, _STYLES),
    "cvrl-unordered": Cell(
        "cvrl_moving",
        700,
        _MOTION | dict(encoder=dict(name="convnet_frame_mean", widths=(16, 32, 64, 128))),
    ),
    "cvrl-ordered": Cell("cvrl_moving", 700, _MOTION),
    "isogclr-sogclr": Cell(
        "isogclr_shapes",
        900,
        _TAILED_SHAPES | dict(method=dict(name="sogclr", temperature=0.2, gamma=0.8)),
    ),
    "isogclr-isogclr": Cell("isogclr_shapes", 900, _TAILED_SHAPES),
    "dbpm-simclr": Cell("dbpm_fashion", 900, _BAD_PAIRS | dict(method=_SIMCLR)),
    "dbpm-dbpm": Cell("dbpm_fashion", 900, _BAD_PAIRS),
    "genview-simclr": Cell("genview_textured", 900, dict(method=_SIMCLR)),
    "genview-genview": Cell("genview_textured", 900),
    "soft_labels-simclr": Cell("soft_labels_scenes", 450, dict(method=_SIMCLR)),
    "soft_labels-supcon": Cell(
        "soft_labels_scenes",
        450,
        dict(data=_LABELLED, method=dict(name="supcon", temperature=0.1)),
    ),
    "soft_labels-soft_labels": Cell("soft_labels_scenes", 450),
    "conr_diamonds-l1": Cell("conr_diamonds", 468, _DIAMONDS | dict(method=dict(name="l1"))),
    "conr_diamonds-conr": Cell("conr_diamonds", 468, _DIAMONDS | _WEIGHT),
    "conr_diamonds-alone": Cell("conr_diamonds", 468, _DIAMONDS | _ALONE),
    "conr_angle-l1": Cell("conr_fashion_angle", 900, _ANGLE | dict(method=dict(name="l1"))),
    "conr_angle-conr": Cell("conr_fashion_angle", 900, _ANGLE | _WEIGHT),
    "conr_angle-alone": Cell("conr_fashion_angle", 900, _ANGLE | _ALONE),
    "hydra-supcon": Cell(
        "hydra_shapes",
        700,
        _SIX_SHAPES | dict(method=dict(name="supcon", temperature=0.1)),
        also_on="tfds:shapes_pair",
    ),
    "hydra-hydra": Cell("hydra_shapes", 700, _SIX_SHAPES, also_on="tfds:shapes_pair"),
    "core_tuning-pretrained": Cell("core_tuning_shapes:method=simclr", 900),
    "core_tuning-cross_entropy": Cell(
        "core_tuning_shapes:method=cross_entropy", 300, after="core_tuning-pretrained"
    ),
    "core_tuning-core_tuning": Cell("core_tuning_shapes", 300, after="core_tuning-pretrained"),
    "sepclr-simclr": Cell("sepclr_textured:method=simclr", 1000),
    "sepclr-sepclr": Cell("sepclr_textured", 1000),
    "sepclr-texture": Cell("sepclr_textured", 1000, dict(probe=dict(label="texture"))),
    "san-simclr": Cell("san_shapes:method=simclr", 1000, _TWO_STYLES),
    "san-source": Cell("san_shapes:method=source", 1000, _TWO_STYLES),
    "san-san": Cell("san_shapes", 1000, _TWO_STYLES),
    "sbcl-supcon": Cell(
        "sbcl_fashion_tail", 450, _TAIL | dict(method=dict(name="supcon", temperature=0.1))
    ),
    "sbcl-sbcl": Cell("sbcl_fashion_tail", 450, _TAIL),
    "pamc-simclr": Cell("pamc_shapes", 1200, dict(method=_SIMCLR)),
    "pamc-pamc": Cell("pamc_shapes", 1200),
    "mlcd-simclr": Cell("mlcd_scenes:method=simclr", 450),
    "mlcd-one": Cell("mlcd_scenes:positives=1", 450, _CLUSTERS, after="mlcd-simclr"),
    "mlcd-eight": Cell("mlcd_scenes:positives=8", 450, _CLUSTERS, after="mlcd-simclr"),
    "cmim-mim": Cell("cmim_fashion:weight=0", 1200, _EVEN),
    "cmim-cmim": Cell("cmim_fashion", 1200, _EVEN),
    "cmim-cmim512": Cell("cmim_fashion:batch=512", 150, _EVEN),
    "adainf-real": Cell("adainf_shapes:cell=real-strong,data={}", 1200),
    "adainf-vanilla": Cell("adainf_shapes:cell=vanilla-strong,data={}", 1200),
    "adainf-adainf": Cell("adainf_shapes:cell=replicated-weak,data={}", 1200),
    "hash_6-all": Cell("hash_6_fashion", 900, _REDUNDANT, also_on="tfds:fashion_tail1"),
    "hash_6-distinct": Cell(
        "hash_6_fashion",
        900,
        dict(data=_REDUNDANT["data"] | dict(subset="{}/fashion_distinct.npz")),
        also_on="tfds:fashion_tail1",
    ),
    "mcl-stage0": Cell("mcl_shapes", 900, _ONE_HUE),
    "mcl-stage1": Cell(
        "mcl_shapes",
        900,
        dict(data=_ONE_HUE["data"] | dict(groups="{runs}/mcl_groups1.npz")),
        after="mcl-stage0",
    ),
}


def get_config(
    arguments: str = "",
    *,
    cell: str = "mochi-moco_v2",
    data: str = "data/variants",
    runs: str = "runs/study_demonstrations",
):
    given = config_lib.arguments(arguments, cell=cell, data=data, runs=runs)
    if given["cell"] not in CELLS:
        raise UserError(f"cell={given['cell']} is unknown; known: {', '.join(CELLS)}")
    made = CELLS[given["cell"]]
    name, _, its_arguments = made.config.partition(":")
    module = importlib.import_module(f"configs.{name}")
    config = module.get_config(its_arguments.format(given["data"]))
    config.total_steps = made.steps
    if made.batch is not None:
        config.batch_size = made.batch
    config.probe.update(baselines=False, linear_seeds=1, shares=())
    for section, options in made.changes.items():
        if "name" in options:
            config[section] = options
        else:
            config[section].update(options)
    for option in ("name", "dir", "subset", "groups"):
        if value := config.data.get(option):
            config.data[option] = value.format(given["data"], runs=given["runs"])
    if config.get("init_from"):
        config.init_from = (("encoder", f"{given['runs']}/cell={made.after},seed=0"),)
    return config
