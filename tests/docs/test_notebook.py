"""The notebook of the documentation runs from top to bottom."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docs.pages import ROOT


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("JCL_NOTEBOOK_WORKDIR", str(tmp_path / "run"))
    path = ROOT / "docs/first_run.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs"
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "".join(output["text"] for output in outputs if "text" in output)
    assert "trained encoder, step 120" in text
    assert (tmp_path / "run/encoder.safetensors").exists()
