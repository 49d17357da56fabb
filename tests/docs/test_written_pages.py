"""The pages of docs/ are what their scripts make of the code."""

import importlib
import inspect
import re

import pytest

import jcl.losses
from docs.losses import PAGE, page
from jcl.data import SOURCES


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
