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
    assert cells({}, "trained encoder") == ["–", "–"]  # noqa: RUF001
    # Baselines that were not asked for have no row.
    assert "raw pixels" not in results_table({})
    assert "untrained encoder" not in results_table({"untrained": {}})


REGRESSION = {
    "step": 9,
    "knn": {"mae": 7.1234},
    "ridge": {
        "mae": 6.544,
        "mae_interval": [6.2, 6.91],
        "r2": 0.51234,
        "spearman": None,
        "low_shot": {"0.1": {"mae": 9.5, "mae_std": 0.25, "r2": -0.125, "examples": 1234}},
    },
    "untrained": {"knn": {"mae": 9.0}},
    "inputs": {"knn": {"mae": 0.012346}, "ridge": {"mae": 12345.6}},
}


def test_targets_without_labels_and_feature_vectors():
    regression, low_shot = results_table(REGRESSION).split("\n\n")
    assert "top-1" not in regression
    assert cells(REGRESSION, "raw inputs") == ["0.0123", "12,346", "–", "–"]  # noqa: RUF001
    trained = regression.splitlines()[-1].replace(" ", "")
    assert trained == "trainedencoder,step97.126.54[6.20,6.91]0.512–"  # noqa: RUF001
    (row,) = [line for line in low_shot.splitlines() if "1,234" in line]
    values = [cell.strip() for cell in row.split("  ") if cell.strip()]
    assert values == ["10% (1,234)", "trained encoder", "9.50 ± 0.25", "-0.125"]


def test_labels_and_targets_and_few_labels():
    scores = {"top1": 0.5, "top1_std": 0.01, "examples": 100}
    results = {
        **REGRESSION,
        "knn": {"top1": 0.8, "mae": 7.1},
        "linear": {"top1": 0.9, "low_shot": {"0.01": scores, "0.1": scores}},
    }
    classification, regression, low_shot = results_table(results).split("\n\n")
    assert "80.0" in classification
    assert "90.0" in classification
    assert "ridge MAE [95%]" in regression
    rows = [line.split("%")[0].strip() for line in low_shot.splitlines() if "(" in line]
    assert rows == ["1", "10"]  # in rising order
    assert "50.0 ± 1.0" in low_shot
    assert max(map(len, results_table(results).splitlines())) <= 80


def test_networks_trained_with_labels_have_a_table_of_their_own():
    mae = {"mae": 2.0, "mae_interval": [1.8, 2.25], "r2": 0.9}
    results = {
        "step": 3,
        "knn": {"mae": 5.0},
        "head": mae,
        "finetune": {"0.01": {"examples": 100, "top1": 0.5, **mae, "mae": 4.0}},
    }
    last = results_table(results).split("\n\n")[-1]
    lines = [line.split() for line in last.splitlines() if "[1.80" in line]
    assert lines[0] == ["head,", "as", "trained", "\N{EN DASH}", "2.00", "[1.80,", "2.25]", "0.900"]
    tuned = ["fine-tuned,", "1%", "(100)", "50.0", "4.00", "[1.80,", "2.25]", "0.900"]
    assert lines[1] == tuned
    assert "whole network" not in results_table({"step": 3, "knn": {"mae": 5.0}})


def test_further_scores_have_a_row_each_where_anything_has_them():
    results = {
        "step": 3,
        "knn": {"top1": 0.5, "balanced": 0.4, "shots": {"few": {"top1": 0.125, "n": 8}}},
        "retrieval": {"image_to_text": {"r1": 0.25, "r5": 1.0}},
        "geometry": {"effective_rank": 12.345, "spread": None},
        "untrained": {"knn": {"top1": 0.2, "balanced": 0.1}, "geometry": {"effective_rank": 2.0}},
    }
    table = results_table(results).split("\n\n")[-1]
    assert table.splitlines()[0].split() == ["score", "untrained", "trained"]
    rows = [[x for x in line.split("  ") if x.strip()] for line in table.splitlines()[2:]]
    nothing = "\N{EN DASH}"
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["kNN balanced, %", "10.0", "40.0"],
        ["kNN few-shot, %", nothing, "12.5"],
        ["image to text R@1, %", nothing, "25.0"],
        ["image to text R@5, %", nothing, "100.0"],
        ["effective rank", "2", "12.3"],
    ]
