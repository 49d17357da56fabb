"""Where evaluation writes, without running one."""

import json

from jcl import workdir as workdir_lib
from jcl.evaluate import _changed_data, _results_file, _suffix_of_data
from tests.tiny import tiny_config


def test_each_dataset_has_a_file_of_its_own(tmp_path):
    config = tiny_config()
    workdir_lib.write_config(tmp_path, config)
    assert _changed_data(tmp_path, config) == set()

    def written(**changes):
        other = config.copy_and_resolve_references()
        other.data.update(changes)
        assert _changed_data(tmp_path, other) == {f"data.{key}" for key in changes}
        path = _results_file(tmp_path, "-7" + _suffix_of_data(tmp_path, "-7", other))
        path.write_text(json.dumps({"data": other.data.to_dict()}))
        return path.name

    names = [
        written(name="arrays:one/few.npz"),
        written(name="arrays:other/few.npz"),
        written(name="arrays:one/few.npz"),
        written(test_examples=20),
        written(test_examples=30),
        written(name="tfds:photos"),
        written(name="arrays:" + "x" * 400 + ".npz"),
        written(name="arrays:780.npz"),
    ]
    few, shapes = "results-7-few", "results-7-shapes"
    assert names[:3] == [f"{few}.json", f"{few}-2.json", f"{few}.json"]
    assert names[3:6] == [f"{shapes}.json", f"{shapes}-2.json", "results-7-tfds-photos.json"]
    assert len(names[6]) < 120
    assert names[7] == "results-7-data-780.json"
    moved = config.copy_and_resolve_references()
    moved.data.update(name="tfds:photos", dir="elsewhere")
    assert _suffix_of_data(tmp_path, "-7", moved) == "-tfds-photos"
