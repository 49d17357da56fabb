import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jcl.data import InMemorySource, loader, order
from jcl.data.dataset_shape import shape_of
from jcl.data.order import shuffled
from jcl.data.sources.tfds import open_tfds
from jcl.errors import UserError

N, B, SEED = 100, 16, 3


@pytest.fixture(scope="module")
def source():
    image = np.random.default_rng(0).integers(0, 256, (N, 4, 4, 3), np.uint8)
    return InMemorySource({"image": image, "label": np.arange(N, dtype=np.int32) % 7}, 7)


@pytest.fixture(scope="module")
def streamed(small_dir):
    return open_tfds(
        "small",
        "train",
        dir=str(small_dir),
        image_key="image",
        label_key=None,
        in_memory_bytes=0,
    )


def shard_over(devices, shape=None, names=("data",), spec=None):
    mesh = Mesh(np.array(devices).reshape(shape or (-1,)), names)
    return NamedSharding(mesh, PartitionSpec(names if spec is None else spec))


def load(source, sharding, start=0, stop=8, **kwargs):
    return loader.batches(
        source,
        order=shuffled(shape_of(source), batch_size=B, seed=SEED),
        batch_size=B,
        sharding=sharding,
        start_step=start,
        stop_step=stop,
        **kwargs,
    )


def shardings():
    devices = jax.devices()
    yield from (shard_over(devices[:n]) for n in (1, 2, 4, 8))
    yield shard_over([devices[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)])  # as on TPU pods
    yield shard_over(devices, (4, 2), ("data", "fsdp"))
    yield shard_over(devices, (4, 2), ("data", "model"), spec="data")  # two copies of each shard


@pytest.mark.parametrize("sharding", list(shardings()), ids=lambda s: str(s.mesh.device_ids))
def test_same_examples_at_the_same_positions_on_any_mesh(source, sharding):
    count = 0
    for step, batch in enumerate(load(source, sharding)):
        expected = order.batch_indices(step, n=N, batch_size=B, seed=SEED)
        assert {k: v.dtype.name for k, v in batch.items()} == {
            "image": "uint8",
            "label": "int32",
            "index": "int32",
        }
        for key, values in {**source.batch(expected), "index": expected}.items():
            assert batch[key].sharding.is_equivalent_to(sharding, batch[key].ndim)
            for shard in batch[key].addressable_shards:
                np.testing.assert_array_equal(shard.data, values[shard.index])
        count += 1
    assert count == 8


def test_resuming_is_starting_later(source):
    sharding = shard_over(jax.devices())
    whole = [np.asarray(b["image"]) for b in load(source, sharding, 0, 20)]
    resumed = [np.asarray(b["image"]) for b in load(source, sharding, 13, 20)]
    assert len(resumed) == 7
    for a, b in zip(whole[13:], resumed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_workers_change_nothing(streamed, small_arrays, monkeypatch):
    # Parts smaller than the batch, and not dividing it.
    monkeypatch.setattr(loader, "_PART", 7)
    sharding = shard_over(jax.devices()[:4])
    batches = load(streamed, sharding, 2, 40, num_workers=2)
    kept = []
    for step, batch in enumerate(batches, 2):
        expected = order.batch_indices(step, n=300, batch_size=B, seed=SEED)
        kept.append((batch, expected))
    assert len(kept) == 38
    # Checked at the end: a batch must outlive the shared memory it came through.
    for batch, expected in kept:
        np.testing.assert_array_equal(batch["index"], expected)
        for key, values in small_arrays["train"].items():
            np.testing.assert_array_equal(batch[key], values[expected])
    assert next(batches, None) is None
    without = next(load(streamed, sharding, 2, 3, num_workers=0))
    np.testing.assert_array_equal(without["image"], kept[0][0]["image"])


@pytest.mark.parametrize("notice", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_workers_outlive_a_notice_of_preemption(notice, streamed):
    # More steps than the worker can have read ahead.
    batches = load(streamed, shard_over(jax.devices()), 0, 40, num_workers=1)
    next(batches)
    workers = multiprocessing.active_children()
    assert workers
    for worker in workers:
        os.kill(worker.pid, notice)
    assert len(list(batches)) == 39


def test_features(tmp_path):
    features = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
    batch = next(load(InMemorySource({"features": features}), shard_over(jax.devices())))
    np.testing.assert_array_equal(batch["features"], features[np.asarray(batch["index"])])


def test_closing(source):
    batches = load(source, shard_over(jax.devices()), 0, 10**9)
    next(batches)
    batches.close()
    batches.close()
    assert next(batches, None) is None
    assert list(load(source, shard_over(jax.devices()), 5, 5)) == []


def test_wrong_batch_sizes(source):
    with pytest.raises(UserError, match=r"batch_size=16 .*8 examples"):
        load(InMemorySource({"features": np.zeros((8, 2), np.float32)}), shard_over(jax.devices()))
    with pytest.raises(UserError, match=r"batch_size=16 .*'data': 3"):
        load(source, shard_over(jax.devices()[:3]))


class FailingSource(InMemorySource):
    def batch(self, indices):
        raise UserError("the file is damaged")


def test_errors_of_the_source_reach_the_caller(source):
    failing = FailingSource(source.arrays)
    with pytest.raises(UserError, match="the file is damaged"):
        next(load(failing, shard_over(jax.devices())))


def run_python(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_leaving_without_closing_ends_the_interpreter(small_dir):
    """With flags unparsed, as in a notebook; a hang or a crash at exit fails here."""
    process = run_python(
        """
        import sys
        import jax
        from jcl.data import loader
        from jcl.data.dataset_shape import shape_of
        from jcl.data.order import shuffled
        from jcl.data.sources import tfds
        source = tfds.open_tfds("small", "train", dir=sys.argv[1], image_key="image",
                                label_key=None, in_memory_bytes=0)
        mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
        order = shuffled(shape_of(source), batch_size=16, seed=0)
        batches = [loader.batches(source, order=order, batch_size=16, sharding=sharding,
                                  start_step=0, stop_step=10**6, num_workers=n) for n in (0, 1)]
        for b in batches:
            next(b)
        print("left")
        """,
        str(small_dir),
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "left\n"), err


def test_a_process_loads_exactly_what_its_devices_hold():
    """Two processes whose devices alternate in the mesh, as on TPU pods."""
    with socket.socket() as s:
        s.bind(("localhost", 0))
        address = f"localhost:{s.getsockname()[1]}"
    code = """
        import json, sys
        import jax
        import numpy as np
        process, address = int(sys.argv[1]), sys.argv[2]
        jax.config.update("jax_num_cpu_devices", 2)
        jax.distributed.initialize(address, 2, process)
        from jcl.data import InMemorySource, loader
        from jcl.data.dataset_shape import images_of
        from jcl.data.order import shuffled

        class Recording(InMemorySource):
            read = []
            def batch(self, indices):
                self.read.append(indices.tolist())
                return super().batch(indices)

        source = Recording({"features": np.arange(100, dtype=np.float32)[:, None]})
        by_process = [[d for d in jax.devices() if d.process_index == p] for p in (0, 1)]
        devices = [by_process[p][i] for i in (0, 1) for p in (0, 1)]
        sharding = jax.sharding.NamedSharding(
            jax.sharding.Mesh(np.array(devices), ("data",)), jax.sharding.PartitionSpec("data"))
        order = shuffled(images_of(1, 1, 1, examples=100), batch_size=16, seed=3)
        batches = loader.batches(source, order=order, batch_size=16, sharding=sharding,
                                 start_step=5, stop_step=6)
        batch = next(batches)
        shards = {s.index[0].start or 0: s.data[:, 0].astype(int).tolist()
                  for s in batch["features"].addressable_shards}
        print(json.dumps({"read": source.read, "shards": shards, "shape": batch["index"].shape}))
        """
    processes = [run_python(code, str(p), address) for p in (0, 1)]
    outputs = [p.communicate(timeout=120) for p in processes]
    expected = order.batch_indices(5, n=100, batch_size=16, seed=3).tolist()
    for p, (out, err) in enumerate(outputs):
        assert processes[p].returncode == 0, err
        result = json.loads(out.splitlines()[-1])
        starts = (0, 8) if p == 0 else (4, 12)
        assert result["read"] == [[i for s in starts for i in expected[s : s + 4]]]
        assert result["shards"] == {str(s): expected[s : s + 4] for s in starts}
        assert result["shape"] == [16]
