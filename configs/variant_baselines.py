"""A plain baseline on each variant of docs/variants.md, small enough for a minute on 2 CPU cores.

Method: SimCLR (Chen et al. 2020), SupCon (Khosla et al. 2020) or cross-entropy: what later methods
    are compared with on the variant that they are for. No paper has these settings.
Data: `benchmarks/prepare_variants.sh` makes what is no data.name of its own: 10,000 training and
    2,000 test photographs of Fashion-MNIST, 10,000 and 2,000 shapes.
Command: python -m jcl.train --config=configs/variant_baselines.py:cell=tail100-simclr \
    --workdir=runs/tail100
    All cells, three seeds each: benchmarks/study_variants.sh
Expected time: about 20 seconds of steps on 2 CPU cores.
Expected score: benchmarks/RESULTS.md, "Baselines on variants".
"""

from jcl import config as config_lib
from jcl.errors import UserError

# Variant -> its data, how their views are made, and the methods that are its baselines.
_PHOTOGRAPHS = dict(views="crop_flip_light", methods=("simclr",))
_TAILED = dict(views="crop_flip_light", methods=("simclr", "supcon"))
_NOISY = dict(views="crop_flip_light", methods=("supcon", "cross_entropy"))
_COLOURED = dict(views="weak", methods=("simclr",))  # colours of views stay
VARIANTS = {
    "tail1": dict(data="tfds:fashion_tail1", **_TAILED),
    "tail10": dict(data="tfds:fashion_tail10", **_TAILED),
    "tail100": dict(data="tfds:fashion_tail100", **_TAILED),
    "clean": dict(data="arrays:{}/fashion_clean.npz", **_NOISY),
    "symmetric": dict(data="arrays:{}/fashion_symmetric.npz", **_NOISY),
    "asymmetric": dict(data="arrays:{}/fashion_asymmetric.npz", **_NOISY),
    "all_styles": dict(data="arrays:{}/fashion_styles_none.npz", **_PHOTOGRAPHS),
    "new_style": dict(data="arrays:{}/fashion_styles_contrast.npz", **_PHOTOGRAPHS),
    "upright": dict(data="arrays:{}/fashion_turned_shirts.npz", **_PHOTOGRAPHS),
    "good_pairs": dict(data="tfds:fashion_pairs", **_PHOTOGRAPHS),
    "bad_pairs": dict(
        data="arrays:{}/fashion_bad_pairs.npz", views="partners", methods=("simclr",)
    ),
    "tree": dict(data="arrays:{}/fashion_tree.npz", **_PHOTOGRAPHS),
    "free_colour": dict(data="arrays:{}/shapes_colour_0.npz", **_COLOURED),
    "class_colour": dict(data="arrays:{}/shapes_colour_95.npz", **_COLOURED),
    "few": dict(data="tfds:fashion_few", **_PHOTOGRAPHS),
    "joined": dict(data="arrays:{}/fashion_joined.npz", **_PHOTOGRAPHS),
    "textured": dict(data="textured", views="shapes", methods=("simclr",)),
    "scenes": dict(data="scenes", views="shapes", methods=("simclr",)),
    "moving": dict(
        data="moving",
        views="shapes_two_clips",
        methods=("simclr",),
        encoder="convnet_frame_stack",
    ),
}
CELLS = tuple(
    f"{variant}-{method}" for variant, made in VARIANTS.items() for method in made["methods"]
)


def get_config(
    arguments: str = "", *, cell: str = CELLS[0], steps: int = 390, data: str = "data/variants"
):
    given = config_lib.arguments(arguments, cell=cell, steps=steps, data=data)
    if given["cell"] not in CELLS:
        raise UserError(f"cell={given['cell']} is unknown; known: {', '.join(CELLS)}")
    variant, _, method = given["cell"].partition("-")
    made = VARIANTS[variant]
    config = config_lib.base()
    config.batch_size = 128
    config.total_steps = given["steps"]
    config.data = dict(name=made["data"].format(given["data"]))
    if made["data"].startswith("tfds:"):
        config.data.dir = given["data"]
    config.views = dict(name=made["views"])
    config.encoder = dict(name=made.get("encoder", "convnet"), widths=(16, 32, 64, 128))
    config.method = dict(name=method)
    if method != "cross_entropy":
        config.method.temperature = 0.2
    config.optimizer = dict(name="adamw", learning_rate=3e-3, warmup_steps=39, weight_decay=1e-4)
    config.probe = dict(baselines=False, linear_seeds=1)
    return config
