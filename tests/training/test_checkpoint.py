"""Checkpoints survive what disks and kills do to them."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jcl.errors import UserError
from jcl.mesh import make_mesh
from jcl.training.checkpoint import Checkpoints, read_model
from jcl.training.fingerprint import fingerprint
from jcl.training.state import state_sharding
from tests.tiny import assert_same_bits, tiny_config, tiny_experiment


def state_on(mesh, **overrides):
    config = tiny_config(**{"optimizer.weight_ema": 0.9, **overrides})
    return tiny_experiment(config).init_state(mesh)


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(devices=jax.devices()[:2])


@pytest.fixture(scope="module")
def states(mesh):
    """States that differ in every float leaf, by step."""
    first = state_on(mesh)

    def at(step):
        def change(leaf):
            return leaf + step if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        state = jax.tree.map(change, first).replace(step=jnp.asarray(step, jnp.int32))
        return jax.device_put(state, state_sharding(state, mesh))

    return {step: at(step) for step in (10, 20, 30)}


@pytest.fixture(scope="module")
def saved(states, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("saved")
    checkpoints = Checkpoints(workdir, keep=3)
    for step in (10, 20):
        checkpoints.save(states[step], step)
    checkpoints.close()
    return workdir


def copy_of(workdir, tmp_path):
    return Path(shutil.copytree(workdir, tmp_path / "copy"))


def test_restores_the_newest_bit_for_bit_onto_another_mesh(saved, states):
    other = state_on(make_mesh(2, 2, devices=jax.devices()[4:]))
    checkpoints = Checkpoints(saved, keep=3)
    restored = checkpoints.restore_newest(other)
    checkpoints.close()
    assert_same_bits(restored, states[20])
    shardings = [[leaf.sharding for leaf in jax.tree.leaves(s)] for s in (restored, other)]
    assert shardings[0] == shardings[1]


def test_a_save_in_the_background_holds_the_state_of_its_own_step(states, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    donated = jax.tree.map(jnp.copy, states[10])
    checkpoints.save(donated, 10)
    # The next step may overwrite the donated memory at once.
    overwrite = jax.jit(lambda s: jax.tree.map(lambda x: x * 0 - 1, s), donate_argnums=0)
    overwrite(donated)
    restored = checkpoints.restore_newest(states[20])
    checkpoints.close()
    assert_same_bits(restored, states[10])


def damages(folder):
    """Every file of a checkpoint: deleted, cut in half, emptied, and with one byte changed."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        yield path, "deleted", None
        yield path, "truncated", data[: len(data) // 2]
        yield path, "emptied", b""
        if data:
            middle = len(data) // 2
            changed = data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :]
            yield path, "changed", changed


@pytest.mark.slow
def test_any_damage_to_any_file_is_harmless_or_noticed(saved, states, tmp_path):
    fallen_back = 0
    for number, (path, how, data) in enumerate(damages(saved / "checkpoints" / "20")):
        copy = Path(shutil.copytree(saved, tmp_path / str(number)))
        target = copy / path.relative_to(saved)
        target.unlink() if data is None else target.write_bytes(data)
        checkpoints = Checkpoints(copy, keep=3)
        restored = checkpoints.restore_newest(states[30])
        checkpoints.close()
        step = int(restored.step)
        assert_same_bits(restored, states[step])
        assert (copy / "checkpoints" / "corrupt-20").exists() == (step == 10), (path, how)
        fallen_back += step == 10
    assert fallen_back > 10


def largest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


@pytest.mark.parametrize(
    "how", ["truncated", "changed", "other contents", "item deleted", "all but the folder"]
)
def test_a_broken_newest_is_moved_aside_and_later_saves_work(saved, states, tmp_path, caplog, how):
    workdir = copy_of(saved, tmp_path)
    newest = workdir / "checkpoints" / "20"
    file = largest_file(newest / "model")
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:-20])
    elif how == "changed":
        data = file.read_bytes()
        file.write_bytes(bytes(byte ^ 1 for byte in data))
    elif how == "other contents":  # readable, but not what was saved
        shutil.rmtree(newest / "model")
        shutil.copytree(workdir / "checkpoints" / "10" / "model", newest / "model")
    elif how == "item deleted":
        shutil.rmtree(newest / "training")
    else:
        shutil.rmtree(newest)
        newest.mkdir()
    checkpoints = Checkpoints(workdir, keep=2)
    restored = checkpoints.restore_newest(states[30])
    assert_same_bits(restored, states[10])
    assert (workdir / "checkpoints" / "corrupt-20").is_dir()
    assert "checkpoint 20 cannot be read" in caplog.text
    assert "falling back to checkpoint 10" in caplog.text
    checkpoints.save(states[20], 20)
    checkpoints.save(states[30], 30)
    checkpoints.wait()
    assert checkpoints.steps == [20, 30]
    assert_same_bits(checkpoints.restore_newest(states[10]), states[30])
    checkpoints.close()


def test_a_half_written_checkpoint_does_not_count(saved, states, tmp_path):
    workdir = copy_of(saved, tmp_path)
    folder = workdir / "checkpoints"
    shutil.copytree(folder / "20", folder / "30.orbax-checkpoint-tmp")
    checkpoints = Checkpoints(workdir, keep=3)
    assert checkpoints.steps == [10, 20]
    checkpoints.save(states[30], 30)
    checkpoints.wait()
    assert checkpoints.steps == [10, 20, 30]
    checkpoints.close()


def test_where_none_can_be_read_the_run_stops_and_all_stay(saved, states, tmp_path):
    workdir = copy_of(saved, tmp_path)
    for step in ("10", "20"):
        largest_file(workdir / "checkpoints" / step / "model").write_bytes(b"")
    checkpoints = Checkpoints(workdir, keep=3)
    with pytest.raises(UserError, match=r"none of the checkpoints 20, 10 .* can be read"):
        checkpoints.restore_newest(states[30])
    assert checkpoints.steps == [10, 20]
    checkpoints.close()


def test_the_best_stays_beside_the_newest(states, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    for step, score in ((10, 0.9), (20, 0.3), (30, None)):
        checkpoints.save(states[step], step, score=score)
    checkpoints.wait()
    assert checkpoints.steps == [10, 30]
    checkpoints.close()


def test_a_sound_checkpoint_of_another_model_is_an_error_and_stays(saved, tmp_path, mesh):
    workdir = copy_of(saved, tmp_path)
    wider = state_on(mesh, **{"encoder.widths": (4, 16)})
    checkpoints = Checkpoints(workdir, keep=3)
    with pytest.raises(UserError, match=r"does not fit this config.*\(4, 16\)|conv|batch_norm"):
        checkpoints.restore_newest(wider)
    assert checkpoints.steps == [10, 20]
    checkpoints.close()


def test_read_model_needs_only_the_workdir(saved, states):
    model, step = read_model(saved)
    assert step == 20
    assert_same_bits(model["params"], states[20].params)
    assert_same_bits(model["ema_params"], states[20].ema_params)
    assert read_model(saved, 10)[1] == 10
    with pytest.raises(UserError, match="no checkpoint of step 15; there are: 10, 20"):
        read_model(saved, 15)


def test_the_fingerprint_is_of_bits_and_not_of_the_mesh(mesh):
    x = jnp.linspace(0, 1, 64).reshape(8, 8)
    sharded = jax.device_put(x, jax.sharding.NamedSharding(mesh, jax.P("data")))
    assert fingerprint({"x": x}) == fingerprint({"x": sharded})
    one_bit = x.view(jnp.uint32).at[3, 5].set(x.view(jnp.uint32)[3, 5] ^ 1).view(jnp.float32)
    assert fingerprint({"x": x}) != fingerprint({"x": one_bit})
    assert fingerprint({"x": x}) != fingerprint({"x": x.T})
    assert fingerprint([x, x + 1]) != fingerprint([x + 1, x])
    assert fingerprint(jnp.array([True, False])) != fingerprint(jnp.array([False, True]))
