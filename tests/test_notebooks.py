"""Every notebook runs from top to bottom, and says what the project's notebooks say."""

import importlib.util
import re
from pathlib import Path

import documents
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
# What stands in the cell tagged "parameters", cut so that every cell is run, but nothing is trained to the end; the
# other notebooks take too long even so.
SHORT = {"01_mixup_in_five_minutes": "EPOCHS = 2", "02_three_doors": None}


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    assert NOTEBOOKS


def run(notebook, folder):
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()


def shortened(path):
    """A notebook whose cell of parameters was replaced, if it has one."""
    notebook = read(path)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            names = cell.source.split(" = ")[0]
            assert SHORT[path.stem].startswith(f"{names} = ")
            cell.source = SHORT[path.stem]
    return notebook


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem in SHORT], ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path):
    run(shortened(path), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if SHORT.get(path.stem, "long")], ids=lambda path: path.stem
)
def test_runs_as_it_stands(path, tmp_path):
    run(read(path), tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_with_outputs_and_without_errors(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_says_what_it_costs_and_leads_to_no_address_that_is_none(path):
    first, install, *_ = read(path).cells
    assert re.search(r"under a minute|about (a|two) minutes? on two CPU cores", first.source)
    assert "nothing is downloaded" in first.source
    assert install.source == read(NOTEBOOKS[0]).cells[1].source
    text = "".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert "colab-badge" not in text  # until there is a public address that it can open
    for link in documents.links(text):
        assert not link.startswith("http") and (path.parent / link).exists(), link


@pytest.mark.parametrize("where", ["installed", "clone", "folder of a clone", "wheel", "nowhere"])
def test_the_first_cell_installs_from_what_is_there(where, tmp_path, monkeypatch):
    cell = TransformerManager().transform_cell(read(NOTEBOOKS[0]).cells[1].source)
    (tmp_path / "clone" / "keras_mixup").mkdir(parents=True)
    (tmp_path / "clone" / "notebooks").mkdir()
    (tmp_path / "else" / "where").mkdir(parents=True)
    (tmp_path / "wheel" / "here").mkdir(parents=True)
    wheel = tmp_path / "wheel" / "here" / "keras_mixup-0.2.0-py3-none-any.whl"
    wheel.touch()
    places = {"clone": "clone/notebooks", "folder of a clone": "clone", "wheel": "wheel/here"}
    monkeypatch.chdir(tmp_path / places.get(where, "else/where"))
    asked, found = [], importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found(name) if where == "installed" else None)

    class Shell:
        def run_line_magic(self, name, line):
            asked.append((name, line.format(**namespace)))

    namespace = {"get_ipython": Shell}
    if where == "nowhere":
        with pytest.raises(FileNotFoundError, match="no clone and no wheel"):
            exec(cell, namespace)
        return
    exec(cell, namespace)
    package = {"clone": tmp_path / "clone", "folder of a clone": tmp_path / "clone", "wheel": wheel}.get(where)
    assert asked == ([("pip", f'install -q "{package}[zoo]"')] if package else [])
