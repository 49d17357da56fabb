"""Where evaluation writes."""

import json

from jcl.evaluation.results import results_file, suffix_of_dataset


def test_each_dataset_has_a_file_of_its_own(tmp_path):
    def written(dataset):
        path = results_file(tmp_path, "-7" + suffix_of_dataset(tmp_path, "-7", dataset))
        path.write_text(json.dumps({"data": {"name": dataset}}))
        return path.name

    few = [f"arrays:{folder}/few.npz" for folder in ("one", "other", "one")]
    assert list(map(written, few)) == [f"results-7-few{x}.json" for x in ("", "-2", "")]
    assert written("tfds:photos") == "results-7-tfds-photos.json"
    assert written("lab.data:birds") == "results-7-lab.data-birds.json"
    assert written("arrays:780.npz") == "results-7-data-780.json"  # not another step's
    assert len(written("arrays:" + "x" * 400 + ".npz")) < 120
    (tmp_path / "results-7-old.json").write_text("{}")  # from before data were written down
    assert written("arrays:old.npz") == "results-7-old-2.json"
