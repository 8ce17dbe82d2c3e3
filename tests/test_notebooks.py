"""Every notebook runs from top to bottom, and says what the project's notebooks say."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
# What stands in the cell tagged "parameters", cut so that every cell is run, but nothing is trained to the end.
SHORT = {
    "01_mixup_in_five_minutes": "EPOCHS = 2",
    "03_image_recipes": "EPOCHS = 6",
    "04_calibration_and_label_noise": "EPOCHS = 3",
    "05_gan_stabilisation": "LOOKS = (10, 20, 30, 40, 50, 60)",
    "07_speech_and_tables": "EPOCHS, TABLE_EPOCHS = 1, 2",
}


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    assert NOTEBOOKS


def run(notebook, folder):
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()


def shortened(path):
    """A notebook whose cell of parameters was replaced."""
    notebook = read(path)
    parameters = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == (path.stem in SHORT)
    for cell in parameters:
        names = cell.source.split(" = ")[0]
        assert SHORT[path.stem].startswith(f"{names} = ")
        cell.source = SHORT[path.stem]
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path, tmp_path):
    run(shortened(path), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem in SHORT], ids=lambda path: path.stem)
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
def test_opens_in_colab_says_what_it_costs_and_installs_the_package(path):
    first, *others = read(path).cells
    assert f"/notebooks/{path.name})" in first.source and "colab-badge" in first.source
    install = next(cell.source for cell in others if cell.cell_type == "code")
    assert re.search(r"under a minute|about (a|two|three) minutes? on two CPU cores", first.source)
    assert "nothing is downloaded" in first.source
    assert "google.colab" in install and "%pip install" in install and "keras-mixup" in install
