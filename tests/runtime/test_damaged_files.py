"""Files of a workdir that do not hold what they should, as after a power cut."""

import pytest

from jcl.errors import UserError
from jcl.evaluation.results import suffix_of_dataset
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.metrics import read_metrics

DAMAGED = [b"", b"{", b"[]", b"7", b"\x80\xff", b"\0" * 40]


@pytest.mark.parametrize("contents", DAMAGED)
def test_a_damaged_record_of_launches_is_none(contents, tmp_path):
    (tmp_path / "run.json").write_bytes(contents)
    for read in ("read_options", "read_data", "read_start_folder"):
        assert getattr(workdir_lib, read)(tmp_path) is None
    assert workdir_lib.read_origin_steps(tmp_path) == {}
    workdir_lib.write_run(tmp_path, start_step=0, origin=None, options={"a": 1}, data={})
    assert workdir_lib.read_options(tmp_path) == {"a": 1}


@pytest.mark.parametrize("contents", DAMAGED)
def test_a_damaged_config_is_a_sentence(contents, tmp_path):
    (tmp_path / "config.json").write_bytes(contents)
    with pytest.raises(UserError, match=r"saved config is|is damaged: it is not text"):
        workdir_lib.read_config(tmp_path)


def test_a_config_that_an_editor_marked_is_read(tmp_path):
    (tmp_path / "config.json").write_text('\ufeff{"seed": 3}')
    assert workdir_lib.read_config(tmp_path).seed == 3


TAILS = [b"\0" * 40, b"\xff\xfe\n", b"7\n", b"[]\n", b"{}\n", b'{"step": 2']


@pytest.mark.parametrize("tail", TAILS)
def test_metrics_are_read_up_to_what_is_damaged(tail, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + tail)
    assert read_metrics(tmp_path) == [{"step": 1}]


@pytest.mark.parametrize("contents", DAMAGED)
def test_damaged_results_of_other_data_are_not_overwritten(contents, tmp_path):
    (tmp_path / "results-x.json").write_bytes(contents)
    assert suffix_of_dataset(tmp_path, "", "arrays:x.npz") == "-x-2"
