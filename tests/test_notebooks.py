"""Every notebook runs from top to bottom, and says what the project's notebooks say."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path, tmp_path):
    NotebookClient(
        read(path), timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_with_outputs_and_without_errors(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_opens_in_colab_and_installs_the_package_there(path):
    first, *others = read(path).cells
    assert f"/notebooks/{path.name})" in first.source and "colab-badge" in first.source
    install = next(cell.source for cell in others if cell.cell_type == "code")
    assert "google.colab" in install and "%pip install" in install and "keras-mixup" in install
