"""The page of a report: what it carries is what the runs hold, and nothing in it is markup."""

import base64
import hashlib
import html.parser
import json
import math
import re

import numpy as np
import pytest

from jcl.probes.kept_map import write_map
from jcl.probes.plots import Map
from jcl.report.__main__ import main
from jcl.report.colors import colors
from jcl.report.page import curves
from jcl.report.runs import read_run
from tests.report.workdirs import classes, write_workdir

FIGURES = ("loss.png", "batch_size.png")
EVIL = "lab:</script><script>alert(1)</script><!--|`x`"


class Page(html.parser.HTMLParser):
    """Elements with their attributes and the text up to the next tag, in order."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        self.elements.append(["", {}, ""])

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data

    def all(self, tag):
        return [(attributes, text) for kind, attributes, text in self.elements if kind == tag]

    def data(self, name):
        (found,) = [
            text
            for attributes, text in self.all("script")
            if name in (attributes.get("id"), attributes.get("data-name"))
        ]
        return json.loads(found)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three settings, the second of two seeds; the first two have figures, with one map."""
    root = tmp_path_factory.mktemp("report") / "study"
    write_workdir(root / "a", classes(0.5), method={"name": EVIL}, losses=(3.0, math.nan, 1 / 3))
    write_workdir(root / "b" / "0", classes(0.6), method={"name": "m"}, seed=0)
    write_workdir(root / "b" / "1", classes(0.7), method={"name": "m"}, seed=1, losses=())
    write_workdir(root / "c", batch_size=64, losses=(1.0,))
    for name in ("a", "b/1"):
        (root / name / "figures").mkdir()
        (root / name / "figures" / "views.png").write_bytes(b"one picture")
    features = Map(np.array([4, 2]), np.array([[0.5, 1.25], [-2.0, 3.0]]))
    label, target = np.array([0, 0, 1, 0, 0]), np.array([0, 0, np.nan, 0, 0.5])
    given = {"label": label, "target": target, "class_names": [EVIL, "y"]}
    write_map(root / "a" / "figures", features, images=np.zeros((2, 4, 4, 3)), **given)
    return root


@pytest.fixture(scope="module")
def page(study):
    out = study.parent / "out"
    assert main([str(study), f"--out={out}"]) == 0
    return Page((out / "report.html").read_text())


def test_it_needs_nothing_else_and_allows_no_other_script(page):
    for _, attributes, _ in page.elements:
        for name in {"src", "href", "srcset", "action"} & attributes.keys():
            assert attributes[name].startswith("data:image/"), attributes
    assert not page.all("link")
    (policy,) = [a["content"] for a, _ in page.all("meta") if "http-equiv" in a]
    bokeh, script = [text for a, text in page.all("script") if "json" not in a.get("type", "")]
    assert "Bokeh" in bokeh
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (bokeh, script)
    ]
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {' '.join(digests)} blob:"
    )
    assert not re.search(r"\bhttps?:|innerHTML|insertAdjacentHTML|document\.write", script)


def test_figures_are_within(page, study):
    images = [a["src"] for a, _ in page.all("img") if "src" in a]
    assert [base64.b64decode(src.removeprefix("data:image/png;base64,")) for src in images] == [
        (study.parent / "out" / name).read_bytes() for name in FIGURES
    ]


def test_the_best_is_bold(page):
    assert [text for _, text in page.all("strong")] == ["65.0 ± 7.1"]


def test_names_that_are_markup_are_text(page):
    known = [a.get("id") or a.get("data-name") or a.get("type") for a, _ in page.all("script")]
    items = ["report", "shared", "curves-item", "map-item", "datatables"]
    assert known == [*items, "loss", "step_seconds", None, "module"]
    (cell,) = [text for _, text in page.all("td") if "alert" in text]
    assert cell == EVIL
    report, shared = page.data("report"), page.data("shared")
    assert any(EVIL in group["label"] for group in report["groups"])
    assert [EVIL, "y"] in shared


def test_numbers_to_sort_by_are_those_of_the_runs(page):
    heads = [text for _, text in page.all("th")]
    (scores,) = [i for i, text in enumerate(heads) if text.startswith("kNN top-1")]
    cells = [a.get("data-order") for a, _ in page.all("td")]
    rows = [cells[i : i + len(heads)] for i in range(0, len(cells), len(heads))]
    assert sorted(row[scores] or "" for row in rows) == [
        "",
        "50.0",
        "65.0",
    ]  # the mean of 60 and 70
    assert sorted(row[scores - 1] for row in rows) == [
        "0.0",
        "1.0",
        "2.0",
    ]  # seeds that were measured


def test_curves_are_the_metrics_of_the_runs(page, study):
    report = page.data("report")
    names = [run["name"] for run in report["runs"]]
    assert sorted(names) == ["a", "b/0", "b/1", "c"]
    for metric in ("loss", "step_seconds"):
        found = page.data(metric)
        drawn = {
            names[run]: dict(zip(found["steps"][steps], values, strict=True))
            for run, steps, values in found["curves"]
        }
        for name in names:
            lines = read_run(study / name).metrics
            assert list(drawn.get(name, {})) == [line["step"] for line in lines]
            for line in lines:
                value = drawn[name][line["step"]]
                assert (value is None) == math.isnan(line[metric])
                assert value is None or value == pytest.approx(line[metric], rel=1e-5)


def test_what_was_drawn_is_that_of_the_runs_and_stands_once(page, study):
    report, shared = page.data("report"), page.data("shared")
    of = {report["runs"][g["run"]]["name"]: g for g in report["groups"] if "run" in g}
    assert set(of) == {"a", "b/1"}
    assert of["a"]["views"] == of["b/1"]["views"]
    picture = shared[of["a"]["views"]].removeprefix("data:image/png;base64,")
    assert base64.b64decode(picture) == b"one picture"
    assert of["b/1"]["map"] is None
    found = of["a"]["map"]
    columns = {name: shared[place] for name, place in found["columns"].items()}
    assert columns == {
        "x": [0.5, -2.0],
        "y": [1.25, 3.0],
        "row": [4, 2],
        "class": [EVIL, "y"],
        "color": colors(2),
        "target": [0.5, None],
        "said": ["target 0.5", ""],
        "place": ["0px 0px / 256px auto", "-128px 0px / 256px auto"],
    }
    assert found["colored_by"] == ["class", "target"]
    assert found["is_named"]
    sprite = shared[found["sprite"]].removeprefix("data:image/jpeg;base64,")
    on_disk = study / "a" / "figures" / "thumbnails.jpg"
    assert base64.b64decode(sprite) == on_disk.read_bytes()


def test_a_thinned_curve_keeps_its_ends_spikes_and_gaps():
    values = np.sin(np.arange(10_000.0))
    values[[777, 4321]] = [50.0, -50.0]
    values[6000] = np.nan
    kept = curves.thinned(values, 200)
    assert len(kept) <= 302
    assert (np.diff(kept) > 0).all()
    assert {0, 777, 4321, 6000, 9999} <= set(kept.tolist())
    # Every hundredth of the curve spans what it spanned.
    for piece in np.array_split(np.arange(10_000), 100):
        within = values[np.intersect1d(kept, piece)]
        assert np.nanmin(within) == np.nanmin(values[piece])
        assert np.nanmax(within) == np.nanmax(values[piece])
    np.testing.assert_array_equal(curves.thinned(values[:200], 200), np.arange(200))


def test_the_more_runs_the_fewer_points_each(tmp_path, monkeypatch):
    monkeypatch.setattr(curves, "_POINTS", 1200)
    run = read_run(write_workdir(tmp_path / "a", losses=np.arange(600.0)))
    for count, points in ((1, 600), (3, 400), (6, 200)):
        found = curves.curves_of([run] * count, "loss")
        assert [len(values) for _, _, values in found["curves"]] == [points] * count
        assert len(found["steps"]) == 1
