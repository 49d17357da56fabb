"""Vision Transformers, with the settings of MoCo v3."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.config.checks import check_choice, check_count, check_not_negative, check_positive
from jcl.errors import UserError
from jcl.models.activations import ACTIVATIONS
from jcl.models.inputs import check_images, check_mean_and_std, standardised
from jcl.models.positions import sincos_positions
from jcl.models.transformer import TransformerBlock

POSITIONS = ("sincos", "learned")
POOLINGS = ("cls", "mean")


class ViT(nn.Module):
    """Patches as tokens, positions, Transformer blocks, LayerNorm, then one token or the mean.

    MoCo v3 found training more stable with a frozen patch embedding: set
    `frozen=("encoder/patch_embedding",)` in the config.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1. Initialisation
    (Xavier uniform for every matrix, separately for queries, keys and values; zero biases; a class
    token of standard deviation 1e-6), fixed positions and frozen patch embedding: Chen, Xie & He
    2021, "An Empirical Study of Training Self-Supervised Vision Transformers" (MoCo v3), sections
    4.2 and 5, and the code released with it.

    Attributes:
        patch_size: side of a patch in pixels; it divides the sides of the images.
        width: of the tokens and of the features.
        depth: number of blocks.
        heads: of each attention; they divide the width.
        positions: position embeddings, added to the tokens. sincos: fixed (`sincos_positions`),
            zero for the class token; learned: a parameter, initially normal with standard deviation
            0.02.
        pooling: how features are computed. cls: from a class token, which passes through the blocks
            with the patches; mean: as the mean over all patches, without a class token.
        remat: whether every block is computed again in the backward pass, to save memory.
        activation: of the MLPs: relu, gelu, exact_gelu, quick_gelu (as in OpenAI's CLIP) or tanh.
        layer_scale: initial value of a learned factor of each channel of attention and MLP; 1e-5 in
            DINOv2. None: no factor.
        registers: number of extra tokens besides class token and patches, without a position and
            not used as features (Darcet et al. 2024, "Vision Transformers Need Registers").
        pre_norm: whether there is a LayerNorm before the blocks and no bias of the patch embedding,
            as in CLIP.
        epsilon: what every LayerNorm adds to a variance before it divides by the root. 1e-6 is that
            of timm and DINOv2, 1e-5 that of CLIP, 1e-12 that of Hugging Face's `ViTModel`.
        mean: is subtracted from images in [0, 1]: one number, or one per channel. Published weights
            need their own, such as (0.485, 0.456, 0.406) with `std` (0.229, 0.224, 0.225).
        std: images minus `mean` are divided by it; as many numbers as `mean` has.
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
    activation: str = "exact_gelu"
    layer_scale: float | None = None
    registers: int = 0
    pre_norm: bool = False
    epsilon: float = 1e-6
    mean: Sequence[float] = (0.5,)
    std: Sequence[float] = (0.5,)
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        for key in ("patch_size", "width", "depth", "heads"):
            check_count(f"encoder.{key}", getattr(self, key))
        check_mean_and_std(self.mean, self.std)
        check_choice("encoder.activation", self.activation, ACTIVATIONS)
        check_not_negative("encoder.registers", self.registers)
        check_positive("encoder.epsilon", self.epsilon)
        if self.layer_scale is not None:
            check_positive("encoder.layer_scale", self.layer_scale)
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
            train: has no effect, because there is no BatchNorm and no dropout.
        """
        del train
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        check_images("ViT", images)
        # Computed in the images' dtype, because bfloat16 is finer around 0 than around 1.
        x = standardised(images, self.mean, self.std).astype(self.dtype)
        patches, rows, columns = _patches(x, self.patch_size)
        use_bias = not self.pre_norm
        x = _dense(self.width, name="patch_embedding", use_bias=use_bias, **types)(patches)
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
        if self.registers:
            init, shape = nn.initializers.normal(1e-6), (self.registers, self.width)
            registers = self.param("registers", init, shape, self.param_dtype).astype(self.dtype)
            registers = jnp.broadcast_to(registers, (x.shape[0], *shape))
            classes = x.shape[1] - rows * columns  # 1 or 0
            x = jnp.concatenate([x[:, :classes], registers, x[:, classes:]], axis=1)
        if self.pre_norm:
            x = nn.LayerNorm(epsilon=self.epsilon, name="pre_norm", **types)(x)
        block = nn.remat(TransformerBlock) if self.remat else TransformerBlock
        options = {name: getattr(self, name) for name in ("activation", "epsilon", "layer_scale")}
        for i in range(self.depth):
            x = block(self.heads, name=f"block{i}", **options, **types)(x)
        x = nn.LayerNorm(epsilon=self.epsilon, name="final_norm", **types)(x)
        return x[:, 0] if self.pooling == "cls" else x[:, -rows * columns :].mean(1)


def _patches(images: Float[Array, "N H W C"], size: int) -> tuple[Float[Array, "N T P"], int, int]:
    """Divides images into flattened patches, row by row; also returns the grid's sides."""
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
