import json

from jcl.probes import results_table


def cells(results, name):
    line = next(line for line in results_table(results).splitlines() if name in line)
    return [cell.strip() for cell in line.split("  ") if cell.strip()][1:]


def test_rows_and_columns():
    results = {
        "step": 400,
        "knn": {"top1": 0.8042, "k": 20},
        "linear": {"top1": 0.83449, "top1_std": 0.00151},
        "geometry": {"alignment": 0.3},
        "untrained": {"knn": {"top1": 0.203}, "linear": {"top1": 0.31, "top1_std": 0.0}},
        "pixels": {"knn": {"top1": 0.304}},
    }
    results = json.loads(json.dumps(results))
    assert cells(results, "raw pixels") == ["30.4", "–"]  # noqa: RUF001
    assert cells(results, "untrained encoder") == ["20.3", "31.0 ± 0.0"]
    assert cells(results, "trained encoder, step 400") == ["80.4", "83.4 ± 0.2"]
    assert "\x1b" not in results_table(results)


def test_nothing_measured_is_no_error():
    for name in ("raw pixels", "untrained encoder", "trained encoder"):
        assert cells({}, name) == ["–", "–"]  # noqa: RUF001
