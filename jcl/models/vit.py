"""Vision Transformers, as MoCo v3 trains them."""

import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.config.checks import check_choice, check_count
from jcl.errors import UserError
from jcl.models.inputs import check_images
from jcl.models.positions import sincos_positions
from jcl.models.transformer import TransformerBlock

POSITIONS = ("sincos", "learned")
POOLINGS = ("cls", "mean")


class ViT(nn.Module):
    """Patches as tokens, positions, Transformer blocks, LayerNorm, one token or their mean.

    To train with the patch embedding left as it was drawn, which MoCo v3 found to be stable, set
    `frozen=("encoder/patch_embedding",)` in the config.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1. Initialisation
    (Xavier uniform for every matrix, with queries, keys and values apart; zero biases; a class
    token of standard deviation 1e-6), fixed positions and frozen patch embedding: Chen, Xie & He
    2021, "An Empirical Study of Training Self-Supervised Vision Transformers" (MoCo v3), sections
    4.2 and 5, and the code released with it.

    Attributes:
        patch_size: side of a patch in pixels; it divides the sides of the images.
        width: of the tokens and of the features.
        depth: number of blocks.
        heads: of each attention; they divide the width.
        positions: added to the tokens. sincos: fixed (`sincos_positions`), zero for the class
            token; learned: a parameter, normal with standard deviation 0.02 at first.
        pooling: what the features are. cls: a class token, which goes through the blocks with the
            patches; mean: the mean over all patches, without such a token.
        remat: compute every block again in the backward pass instead of keeping what is inside it.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option, or images that the patches do not tile.
    """

    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
    positions: str = "sincos"
    pooling: str = "cls"
    remat: bool = False
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        for key in ("patch_size", "width", "depth", "heads"):
            check_count(f"encoder.{key}", getattr(self, key))
        check_choice("encoder.positions", self.positions, POSITIONS)
        check_choice("encoder.pooling", self.pooling, POOLINGS)
        if self.width % self.heads:
            raise UserError(
                f"encoder.heads={self.heads} is impossible: "
                f"it does not divide encoder.width={self.width}"
            )
        if self.positions == "sincos" and self.width % 4:
            raise UserError(
                f"encoder.width={self.width} is impossible: "
                "encoder.positions='sincos' needs a multiple of 4"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[Array, "N ..."], *, train: bool) -> Float[Array, "N D"]:
        """Maps images with values in [0, 1] to features.

        Args:
            images: [N, H, W, C], any float dtype.
            train: changes nothing here; there is no BatchNorm and no dropout.
        """
        del train
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        check_images("ViT", images)
        # In the images' dtype first: bfloat16 is finer around 0 than around 1.
        x = (2 * images - 1).astype(self.dtype)
        patches, rows, columns = _patches(x, self.patch_size)
        x = _dense(self.width, name="patch_embedding", **types)(patches)
        if self.pooling == "cls":
            token = self.param(
                "class_token", nn.initializers.normal(1e-6), (self.width,), self.param_dtype
            )
            token = jnp.broadcast_to(token.astype(self.dtype), (x.shape[0], 1, self.width))
            x = jnp.concatenate([token, x], axis=1)
        if self.positions == "learned":
            positions = self.param(
                "position_embedding", nn.initializers.normal(0.02), x.shape[1:], self.param_dtype
            )
        else:
            positions = sincos_positions(rows, columns, self.width)
            if self.pooling == "cls":
                positions = np.pad(positions, ((1, 0), (0, 0)))
        x = x + jnp.asarray(positions, self.dtype)
        block = nn.remat(TransformerBlock) if self.remat else TransformerBlock
        for i in range(self.depth):
            x = block(self.heads, name=f"block{i}", **types)(x)
        x = nn.LayerNorm(epsilon=1e-6, name="final_norm", **types)(x)
        return x[:, 0] if self.pooling == "cls" else x.mean(1)


def _patches(images: Float[Array, "N H W C"], size: int) -> tuple[Float[Array, "N T P"], int, int]:
    """Cuts images into flattened patches, row by row; returns them, and the grid's sides."""
    n, height, width, channels = images.shape
    if height % size or width % size:
        raise UserError(
            f"encoder.patch_size={size} does not divide the sides of the images, {height}x{width}"
        )
    rows, columns = height // size, width // size
    x = images.reshape(n, rows, size, columns, size, channels).swapaxes(2, 3)
    return x.reshape(n, rows * columns, size * size * channels), rows, columns


def _dense(width: int, **options) -> nn.Dense:
    return nn.Dense(width, kernel_init=nn.initializers.xavier_uniform(), **options)


vit_ti = functools.partial(ViT, width=192, depth=12, heads=3)
vit_s = functools.partial(ViT, width=384, depth=12, heads=6)
vit_b = functools.partial(ViT, width=768, depth=12, heads=12)
vit_l = functools.partial(ViT, width=1024, depth=24, heads=16)
