"""Small image files in folders."""

import numpy as np
import PIL.Image


def noise(mode, size, seed):
    """An image [h, w] or [h, w, c] of size (w, h)."""
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save_image(path, mode="RGB", size=(6, 5), format="png", seed=0):
    """Writes noise, and returns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = noise(mode, size, seed)
    PIL.Image.fromarray(values).save(path, format)
    return values


def save_tree(folder, *names):
    """A small image under each name."""
    for seed, name in enumerate(names):
        save_image(folder / name, seed=seed)
