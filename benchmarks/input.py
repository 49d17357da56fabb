"""How fast the input pipeline delivers batches.

`python -m benchmarks.input` prints a Markdown table of examples per second from
`jcl.data.loader` as device arrays, order,
decoding, transfer between processes and placement included, while nothing else consumes them:

* 28-px grey PNGs and 224-px RGB JPEGs, decoded by worker processes, one a CPU;
* the same 28-px images from memory.

The images are noise with the 1/f amplitude spectrum of photographs, so that they compress as
photographs do, and are prepared in a temporary folder. Rates are medians over repeats, with the
slowest and the fastest.
"""

import io
import os
import statistics
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import PIL.Image
from absl import app, flags

from jcl.data import loader
from jcl.data.prepare import write
from jcl.data.source import Source
from jcl.data.sources import tfds

_REPEATS = flags.DEFINE_integer("repeats", 5, "Timed runs of each row.")
_WORKERS = flags.DEFINE_integer("workers", None, "Worker processes. Default: one a CPU.")


def natural_images(n: int, size: int, channels: int, seed: int) -> np.ndarray:
    """Noise with amplitude 1/f: uint8 [n, size, size, channels]."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1.0
    grey = rng.standard_normal((n, size, size, 1))
    # Channels of photographs are alike: a common part, and a little of their own.
    white = grey + 0.3 * rng.standard_normal((n, size, size, channels))
    spectrum = np.fft.rfft2(white, axes=(1, 2)) / frequency[None, :, :, None]
    pink = np.fft.irfft2(spectrum, s=(size, size), axes=(1, 2))
    pink = (pink - pink.mean()) / pink.std()
    return np.clip(128 + 50 * pink, 0, 255).astype(np.uint8)


def write_jpegs(folder: Path, n: int, size: int) -> None:
    """An image folder of n training and 10 test images of one class, quality 90."""
    for split, count in (("train", n), ("test", 10)):
        (folder / split / "noise").mkdir(parents=True)
        for start in range(0, count, 64):
            images = natural_images(min(64, count - start), size, 3, seed=start)
            for i, image in enumerate(images, start):
                path = folder / split / "noise" / f"{i:05}.jpg"
                PIL.Image.fromarray(image).save(path, quality=90)


def rates(source: Source, batch_size: int, steps: int, workers: int | None) -> list[float]:
    """Examples per second of each timed run of `steps` steps, workers already running."""
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    warmup = 8  # the batches that were decoded ahead while the last worker was starting
    batches = loader.batches(
        source,
        seed=0,
        batch_size=batch_size,
        sharding=sharding,
        start_step=0,
        stop_step=10**6,
        num_workers=workers,
    )
    measured = []
    for _ in range(warmup):
        jax.block_until_ready(next(batches))
    for _ in range(_REPEATS.value):
        start = time.perf_counter()
        for _ in range(steps):
            jax.block_until_ready(next(batches))
        measured.append(steps * batch_size / (time.perf_counter() - start))
    batches.close()
    return measured


def main(argv: list[str]) -> None:
    del argv
    cpus = os.cpu_count() or 1
    workers = cpus if _WORKERS.value is None else _WORKERS.value
    with tempfile.TemporaryDirectory() as folder:
        small = natural_images(20_000, 28, 1, seed=0)
        arrays = {"image": small, "label": np.arange(len(small), dtype=np.int32) % 10}
        write.write_arrays({"train": arrays, "test": arrays}, name="small", data_dir=folder)
        write_jpegs(Path(folder, "jpegs"), n=512, size=224)
        write.write_image_folder(f"{folder}/jpegs", name="large", data_dir=folder)

        def opened(name: str, in_memory_bytes: int) -> Source:
            return tfds.open_tfds(
                name,
                "train",
                dir=folder,
                image_key="image",
                label_key=None,
                in_memory_bytes=in_memory_bytes,
            )

        rows = [
            ("28-px PNG, decoded by workers", workers, opened("small", 0), 1024, 60),
            ("28-px, in memory", 0, opened("small", 2**31), 1024, 1000),
            ("224-px JPEG, decoded by workers", workers, opened("large", 0), 128, 12),
        ]
        table = io.StringIO()
        print(f"{cpus} CPUs, {jax.devices()[0].device_kind}, load {os.getloadavg()[0]:.1f}\n")
        print("| source | workers | batch | examples/s | slowest | fastest |", file=table)
        print("|---|--:|--:|--:|--:|--:|", file=table)
        for name, count, source, batch_size, steps in rows:
            r = rates(source, batch_size, steps, count)
            values = f"{statistics.median(r):,.0f} | {min(r):,.0f} | {max(r):,.0f}"
            print(f"| {name} | {count} | {batch_size} | {values} |", file=table)
        print(table.getvalue(), end="")


if __name__ == "__main__":
    app.run(main)
