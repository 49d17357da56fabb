"""The pages of docs/ are what their scripts make of the code."""

import importlib
import inspect
import json
import re

import pytest

import jcl.losses
from docs import objectives
from docs.losses import PAGE, page
from jcl.config.file import read_config_file
from jcl.data import SOURCES
from jcl.experiment import read_command_line
from jcl.methods import METHODS
from jcl.methods.simclr import SimCLR
from tests.binaries import ROOT


def test_the_page_of_losses():
    assert PAGE.read_text() == page(), "write it anew with `python -m docs.losses`"


def test_what_the_page_names_exists():
    rows = re.findall(r"^\| [^`]* \| `(\w+)` \| `.*?` \| (.*) \|$", page(), re.M)
    assert len(rows) > 20
    for loss, text in rows:
        known = {*jcl.losses.__all__, *inspect.signature(getattr(jcl.losses, loss)).parameters}
        assert set(re.findall(r"`(.*?)`", text)) <= known - {loss}


def test_a_loss_without_a_field_has_no_row(monkeypatch):
    module = importlib.import_module("jcl.losses.nt_xent")
    monkeypatch.setattr(module, "__doc__", "NT-Xent.\n\nInputs: two views.\nCost: much.")
    with pytest.raises(SystemExit, match=r"nt_xent.py has no Formula, Neighbours\.$"):
        page()


def test_the_flags_and_sources_on_the_page_of_variants_exist():
    text = (PAGE.parent / "variants.md").read_text()
    code = (PAGE.parents[1] / "jcl/data/prepare/__main__.py").read_text()
    flags = set(re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', code))
    named = set(re.findall(r"--(\w+)(?=[= `])", text)) - {"config", "workdir", "help"}
    assert named <= flags
    assert {"class_ratio", "label_noise", "tree"} < named
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == {n for n in SOURCES if ":" not in n}


def test_the_page_of_objectives():
    text = objectives.PAGE.read_text()
    assert text == objectives.page(), "write it anew with `python -m docs.objectives`"
    assert re.findall(r"^## `(\w+)`$", text, re.M) == [*METHODS]


def test_the_commands_of_objectives_name_their_method():
    for name in METHODS:
        file, *flags = objectives.command(name)
        config = read_config_file(file.removeprefix("--config="))
        assert read_command_line(config, flags)[0].method.name == name


def test_what_was_measured_stands_in_the_results():
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    sections = {
        section.split(", 2026")[0]: section for section in re.split("^## ", text, flags=re.M)
    }
    for numbers in json.loads(objectives.MEASURED.read_text()).values():
        for one in numbers:
            assert one.keys() == {"what", "value", "section"}
            for number in one["value"].split(", "):
                assert f" {number} |" in sections[one["section"]], one


def test_a_method_without_an_entry_is_told(monkeypatch):
    with pytest.raises(SystemExit, match=r"No config has method\.name='unheard_of'"):
        objectives.command("unheard_of")
    monkeypatch.setattr(SimCLR, "__doc__", "SimCLR.\n\nFormula: much")
    with pytest.raises(SystemExit, match=r"jcl\.methods\.simclr\.SimCLR has no Source"):
        objectives.page()
