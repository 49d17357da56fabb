"""What layers gain by jcl's own forms: `python -m benchmarks.forms`, from the root of the checkout.

Prints a Markdown table of value and gradient of each layer that jcl writes in a form of its own,
beside the same layer as it is usually written, at the shapes of ResNet-50 and ViT-B for 512 views
of 224 pixels, in bfloat16. All take turns; times are medians over `--repeats`. On a CPU there are
few views, and they are in float32. Views have `python -m benchmarks.augmentation`, whole steps
`python -m benchmarks.step`.
"""

import functools
import statistics
from collections.abc import Callable, Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from absl import app, flags

from benchmarks.timing import interleaved
from jcl import runtime
from jcl.models import max_pool, pointwise, stem_convolution
from jcl.models.activations import ACTIVATIONS
from jcl.models.feature_norm import batch_normalised

CPU_VIEWS, VIEWS = 4, 512
_REPEATS = flags.DEFINE_integer("repeats", 9, "Timed runs of each.", lower_bound=1)


def flax_norm(x, scale, bias):
    norm = nn.BatchNorm(use_running_average=False, epsilon=1e-5, dtype=x.dtype)
    variables = {"params": {"scale": scale, "bias": bias}}
    return norm.apply(variables, x, mutable=["batch_stats"])[0]


def flax_conv_norm(x, kernel, scale, bias):
    return flax_norm(jnp.einsum("nhwc,cd->nhwd", x, kernel), scale, bias)


@jax.custom_vjp
def pool_by_windows(x):
    return max_pool.max_pool(x)


pool_by_windows.defvjp(
    lambda x: (max_pool.max_pool(x), x), lambda x, g: (max_pool.gradient_by_windows(x, g),)
)


def layers(views: int, dtype) -> Iterator[tuple[str, Callable, Callable, list]]:
    """Name, usual form, jcl's form, and what both are given and differentiated by."""
    ones = functools.partial(jnp.ones, dtype=jnp.float32)

    def random(*shape):
        return jax.random.normal(jax.random.key(len(shape)), shape, dtype)

    stem = random(views, 224, 224, 3), random(7, 7, 3, 64)
    yield (
        "stem's convolution",
        functools.partial(stem_convolution.plain_convolution, stem[0]),
        functools.partial(stem_convolution.convolution_by_blocks, stem[0]),
        [stem[1]],
    )
    yield "max pool", max_pool.max_pool, pool_by_windows, [random(views, 112, 112, 64)]
    yield (
        "BatchNorm",
        flax_norm,
        lambda *arguments: batch_normalised(*arguments)[0],
        [random(views, 56, 56, 64), ones(64), ones(64)],
    )
    yield (
        "1x1 convolution, BatchNorm",
        flax_conv_norm,
        lambda *arguments: pointwise.pointwise_norm(*arguments)[0],
        [random(views, 56, 56, 64), random(64, 256), ones(256), ones(256)],
    )
    gelu = functools.partial(nn.gelu, approximate=False)
    yield "GELU", gelu, ACTIVATIONS["exact_gelu"], [random(views, 197, 3072)]


def value_and_gradient(function: Callable) -> Callable:
    def run(*arguments):
        value, pull = jax.vjp(function, *arguments)
        return value, pull(value)

    return jax.jit(run)


def main(argv: list[str]) -> None:
    del argv
    runtime.configure("float32")
    on_cpu = jax.default_backend() == "cpu"
    views, dtype = (CPU_VIEWS, jnp.float32) if on_cpu else (VIEWS, jnp.bfloat16)
    print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, {views} views, {dtype.__name__}")
    print("\n| layer | usual form, ms | jcl's, ms | ratio |\n|---|--:|--:|--:|", flush=True)
    for name, usual, ours, arguments in layers(views, dtype):
        functions = {form: value_and_gradient(form) for form in (usual, ours)}
        times = interleaved(functions, _REPEATS.value, functools.partial(tuple, arguments))
        theirs, own = (1e3 * statistics.median(taken) for taken in times.values())
        print(f"| {name} | {theirs:.2f} | {own:.2f} | {own / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    app.run(main)
