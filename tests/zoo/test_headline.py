"""The command that anybody with a GPU repeats the headline with, as the recipe's docstring has it, tried on a CPU."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from keras_mixup.zoo import recipes
from keras_mixup.zoo.recipe import for_row, override


def commands():
    lines = recipes.story("cifar10").replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip().startswith("KERAS_BACKEND=jax")]


def test_the_headline_is_trained_in_full():
    full, trial = commands()
    recipe = override(recipes.get("cifar10"), [word for word in full if word.startswith("precision=")])
    assert recipe.precision == "mixed_bfloat16" and full[:8] == trial[:8] and "--smoke" not in full
    figures = {row.name: row.published.error for row in recipe.rows if row.name in full}
    assert figures == {"preact18-erm": 5.6, "preact18-mixup": 4.2}
    for own in (for_row(recipe, row) for row in recipe.rows if row.name in full):
        assert (own.network, own.epochs, own.train_size, own.seeds) == ("preact_resnet18", 200, 0, 5)


@pytest.mark.slow
def test_its_trial_runs_on_a_cpu(tmp_path):
    pytest.importorskip("jax")
    _, (backend, _, *words) = commands()
    call = [sys.executable, "-c", "import sys; from keras_mixup.cli import main; sys.exit(main())", *words]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": backend.partition("=")[2]}
    done = subprocess.run([*call, "--out", str(tmp_path)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "smoke" / "table.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["preact18-erm", "preact18-mixup"]
    config = json.loads((tmp_path / "smoke" / "preact18-mixup" / "seed0" / "config.json").read_text())
    assert (config["backend"], config["precision"]) == ("jax", "mixed_bfloat16")
