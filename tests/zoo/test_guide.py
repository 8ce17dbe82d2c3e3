"""The guide of the zoo, `keras_mixup/zoo/README.md`: its files are written, its commands and its code are run."""

import json
import pathlib
import re
import shlex
import sys

import numpy as np
import pytest

from keras_mixup import zoo
from keras_mixup.cli import main

PAGE = (pathlib.Path(zoo.__file__).parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def photos(folder):
    """Two classes of images, six to train with and three to test with."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    for split, size in (("train", 6), ("val", 3)):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            for i in range(size):
                image = random.integers(256, size=(40, 36, 3), dtype="uint8")
                (folder / split / name / f"{i}.png").write_bytes(tf.io.encode_png(image).numpy())


@pytest.mark.slow
def test_the_guide_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    photos(tmp_path / "photos")
    commands = 0
    for kind, file, text in BLOCKS:
        if file:
            (tmp_path / file).write_text(text)
        if file == "search.py":
            pytest.importorskip("optuna")
            exec(compile(text, file, "exec"), {})
        elif file:
            continue
        elif kind == "python":
            exec(compile(text, "the guide", "exec"), {})
        else:
            for line in text.splitlines():
                program, *argv = shlex.split(line)
                assert program == "keras-mixup" and main(argv) == 0, (line, capsys.readouterr().err)
                commands += 1
    assert commands == 9 and (tmp_path / "runs" / "alphas" / "sweep.png").exists()
    assert "plain [" in capsys.readouterr().out
    # The search scores on 20 examples held out of the 64 to train with, and what it chose on all 200 that test.
    sizes = {}
    for path in tmp_path.glob("runs/*/*/seed*/result.json"):
        sizes.setdefault(path.parts[-4], set()).add(tuple(json.loads(path.read_text())["sizes"].values()))
    assert sizes["search"] == {(44, 20)} and sizes["chosen"] == {(64, 200)}
    sys.modules.pop("mine", None)


def test_every_command_of_the_program_is_known_to_the_guide():
    assert {kind for kind, _, _ in BLOCKS} == {"sh", "python", "csv"}
    assert all(f"keras-mixup {command} " in PAGE for command in ("run", "sweep", "show", "evaluate"))
