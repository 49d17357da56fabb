"""Whether a convolution is faster as a matrix product: `python -m benchmarks.convolution`.

Times value and gradient of the quickstart encoder's stride-2 3x3 convolutions on 256 views, for
XLA's own form and `matmul_conv` in turn. Prints a Markdown table of medians.
"""

import statistics
from functools import partial

import jax

from benchmarks.timing import interleaved
from jcl.models.matmul_conv import matmul_conv

SHAPES = [(32, 3, 24), (16, 24, 48), (8, 48, 96), (4, 96, 192)]
VIEWS, REPEATS = 256, 9


def xla_conv(images, kernel, strides, padding):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, strides, padding, dimension_numbers=layout)


def main():
    print("| image | channels | XLA, ms | matmul_conv, ms | ratio |\n|---|---|--:|--:|--:|")
    for size, before, after in SHAPES:
        images = jax.random.normal(jax.random.key(0), (VIEWS, size, size, before))
        kernel = jax.random.normal(jax.random.key(1), (3, 3, before, after))
        forms = {
            f: jax.jit(
                jax.value_and_grad(lambda x, k, f=f: (f(x, k, (2, 2), "SAME") ** 2).mean(), (0, 1))
            )
            for f in (xla_conv, matmul_conv)
        }
        times = interleaved(forms, REPEATS, partial(tuple, [images, kernel]))
        theirs, ours = (1e3 * statistics.median(taken) for taken in times.values())
        print(
            f"| {size}x{size} | {before} to {after} | {theirs:.1f} | {ours:.1f} | "
            f"{ours / theirs:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
