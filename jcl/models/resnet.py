"""ResNets, with the ImageNet stem or the one for small images."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jcl.config.checks import check_choice, check_count, check_counts
from jcl.models import pointwise
from jcl.models.feature_norm import feature_norm
from jcl.models.inputs import check_images, check_mean_and_std, first_stages, standardised
from jcl.models.layer_variables import ConvKernel, NormVariables
from jcl.models.pooled_stem import pooled_stem
from jcl.models.residual_sum import rectified_sum

STEMS = ("imagenet", "cifar")
_KERNEL_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or a bottleneck 1x1, 3x3, 1x1, added to a shortcut.

    Every convolution has a BatchNorm. The scale of the last one is initially zero, so that the
    block adds nothing to its shortcut at first. The shortcut is the identity if the shape does not
    change, and otherwise a 1x1 convolution with BatchNorm. The 3x3 convolution has the stride.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.1 and Fig. 5
    (shortcut: option B); stride and zero scale: Goyal et al. 2017, "Accurate, Large Minibatch SGD",
    section 5.1.

    Attributes:
        width: channels of the 3x3 convolutions; a bottleneck has four times as many output
            channels.
        stride: factor by which the resolution is reduced.
        bottleneck: whether the block is a bottleneck.
        dtype: what it computes in.
        param_dtype: of parameters and BatchNorm statistics.
    """

    width: int
    stride: int = 1
    bottleneck: bool = False
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "N H W C"], train: bool) -> Float[Array, "N h w D"]:
        """Maps feature maps to feature maps; `train` as in `ResNet`."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        if self.bottleneck:
            layers = [(1, self.width, 1), (3, self.width, self.stride), (1, 4 * self.width, 1)]
        else:
            layers = [(3, self.width, self.stride), (3, self.width, 1)]
        y = x
        for i, (kernel, channels, stride) in enumerate(layers):
            last = i == len(layers) - 1
            scale_init = nn.initializers.zeros if last else nn.initializers.ones
            names = f"conv{i}", f"norm{i}"
            y = _conv_norm(y, channels, kernel, stride, train, names, scale_init, **types)
            y = y if last else nn.relu(y)
        if x.shape != y.shape:
            names = "shortcut", "shortcut_norm"
            x = _conv_norm(x, y.shape[-1], 1, self.stride, train, names, **types)
        return rectified_sum(x, y)


class ResNet(nn.Module):
    """A stem, stages of residual blocks, a mean over space.

    Every stage after the first halves the resolution and doubles the width. Padding is the same on
    all sides, as in PyTorch, so PyTorch's weights give the same features. `width=128` is SimCLR's
    "2x" network.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", Table 1. Initialisation
    (normal with variance 2 / fan-out): He et al. 2015, "Delving Deep into Rectifiers", Eq. (14).
    CIFAR stem: Chen et al. 2020, "A Simple Framework for Contrastive Learning", App. B.9.

    Attributes:
        stage_sizes: residual blocks in each stage.
        bottleneck: whether blocks are bottlenecks.
        width: of the stem and of the 3x3 convolutions in the first stage.
        stem: imagenet: 7x7 convolution with stride 2 and 3x3 max pool with stride 2; cifar: 3x3
            convolution, no pool.
        remat: whether every block is computed again in the backward pass, to save memory.
        mean: is subtracted from images in [0, 1]: one number, or one per channel. Published weights
            need their own, such as (0.485, 0.456, 0.406) with `std` (0.229, 0.224, 0.225).
        std: images minus `mean` are divided by it; as many numbers as `mean` has.
        dtype: what it computes in.
        param_dtype: of parameters and BatchNorm statistics.

    Raises:
        UserError: an impossible option.
    """

    stage_sizes: Sequence[int] = (2, 2, 2, 2)
    bottleneck: bool = False
    width: int = 64
    stem: str = "imagenet"
    remat: bool = False
    mean: Sequence[float] = (0.5,)
    std: Sequence[float] = (0.5,)
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_mean_and_std(self.mean, self.std)
        check_counts("encoder.stage_sizes", self.stage_sizes, per="stage")
        check_count("encoder.width", self.width)
        check_choice("encoder.stem", self.stem, STEMS)
        super().__post_init__()

    def __call__(self, images: Float[Array, "N ..."], *, train: bool) -> Float[Array, "N D"]:
        """Maps images with values in [0, 1] to features.

        Args:
            images: [N, H, W, C], any float dtype.
            train: True normalises by the batch's statistics and updates the running ones
                (collection "batch_stats", to be named in `mutable`); False uses the running ones.
        """
        return self.feature_map(images, train=train).mean((1, 2))

    @nn.compact
    def feature_map(
        self, images: Float[Array, "N ..."], *, train: bool, left_out: int = 0
    ) -> Float[Array, "N h w D"]:
        """The features before the mean: 7x7 of 224 pixels with the ImageNet stem.

        Args:
            images: as `__call__` takes them.
            train: as `__call__` takes it.
            left_out: number of last stages that are left out.
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        check_images("ResNet", images)
        stage_sizes = first_stages("ResNet", self.stage_sizes, left_out)
        # Computed in the images' dtype, because bfloat16 is finer around 0 than around 1.
        x = standardised(images, self.mean, self.std).astype(self.dtype)
        norm = NormVariables(self.width, param_dtype=self.param_dtype, name="stem_norm")
        if self.stem == "imagenet":
            kernel = ConvKernel(self.width, 7, _KERNEL_INIT, self.param_dtype, name="stem")
            x = pooled_stem(x, kernel(x.shape[-1]), norm, train=train)
        else:
            x = _conv(self.width, 3, 1, name="stem", **types)(x)
            x = nn.relu(feature_norm(x, norm, train=train))
        # 0 is the module itself, 2 is `train`.
        block = nn.remat(ResidualBlock, static_argnums=(2,)) if self.remat else ResidualBlock
        for stage, size in enumerate(stage_sizes):
            for i in range(size):
                x = block(
                    width=self.width * 2**stage,
                    stride=2 if stage and not i else 1,
                    bottleneck=self.bottleneck,
                    name=f"stage{stage}_block{i}",
                    **types,
                )(x, train)
        return x


def _conv_norm(
    x: Float[Array, "N H W C"],
    channels: int,
    kernel: int,
    stride: int,
    train: bool,
    names: tuple[str, str],
    scale_init: nn.initializers.Initializer = nn.initializers.ones,
    **types,
) -> Float[Array, "N h w D"]:
    """A convolution and its BatchNorm, in the form that moves the fewest bytes."""
    conv, norm = names
    variables = NormVariables(channels, scale_init, types["param_dtype"], name=norm)
    if kernel == stride == 1 and channels > x.shape[-1]:
        weights = ConvKernel(channels, 1, _KERNEL_INIT, types["param_dtype"], name=conv)
        x = x.astype(types["dtype"])
        return pointwise.conv_norm(x, weights(x.shape[-1]), variables, train=train)
    if kernel == 1:
        # A strided convolution also reads the pixels that it skips, and its gradient is mostly
        # zeros.
        x, stride = x[:, ::stride, ::stride], 1
    x = _conv(channels, kernel, stride, name=conv, **types)(x)
    return feature_norm(x, variables, train=train)


def _conv(channels: int, kernel: int, stride: int, **options) -> nn.Conv:
    return nn.Conv(
        channels,
        kernel_size=(kernel, kernel),
        strides=(stride, stride),
        padding=kernel // 2,
        use_bias=False,  # BatchNorm has one
        kernel_init=_KERNEL_INIT,
        **options,
    )


resnet18 = functools.partial(ResNet, stage_sizes=(2, 2, 2, 2), bottleneck=False)
resnet34 = functools.partial(ResNet, stage_sizes=(3, 4, 6, 3), bottleneck=False)
resnet50 = functools.partial(ResNet, stage_sizes=(3, 4, 6, 3), bottleneck=True)
resnet101 = functools.partial(ResNet, stage_sizes=(3, 4, 23, 3), bottleneck=True)
resnet152 = functools.partial(ResNet, stage_sizes=(3, 8, 36, 3), bottleneck=True)
