"""The disk is full, or the reader has gone: one line, exit code 2, nothing half-written; the same command goes on."""

import json
import os
import resource
import subprocess
import sys

import pytest

from keras_mixup.cli import main

RUN = ["run", "digits", "--row", "mixup-0.2", "--seeds", "1", "--set", "train_size=40", "epochs=1"]
WHOLE = {"table.json", "table.md", "curves.png", "preview.png", "mixup-0.2"}


def files(folder):
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


FILES = ("preview.png", "config.json", "history.json", "result.json", "table.json", "table.md", "curves.png")


@pytest.mark.parametrize("name", [FILES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FILES[1:])])
def test_no_room_for_any_file_of_a_run(name, tmp_path, monkeypatch, no_room_for, capsys):
    no_room_for(name)
    assert main([*RUN, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.endswith(f"/{name} (No space left on device).\n")
    before = files(tmp_path)
    assert name not in before and not any(".writing-" in file for file in before)
    monkeypatch.undo()
    if name == "preview.png":
        return  # the next time would train
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    assert before <= files(tmp_path) | {"checkpoint-0001.npz"} and WHOLE <= {path.name for path in tmp_path.iterdir()}


def test_no_room_for_a_preview(tmp_path, no_room_for, capsys):
    no_room_for("a.png")
    assert main(["preview", "digits", "--out", str(tmp_path / "a.png")]) == 2
    assert capsys.readouterr().err == (
        "keras-mixup: `--out` should be where files can be written. "
        f"Received: {tmp_path}/a.png (No space left on device).\n"
    )
    assert files(tmp_path) == set()


def started(argv, out, limit=None, code="import sys; from keras_mixup.cli import main; sys.exit(main(sys.argv[1:]))"):
    """A process that may write no file larger than the limit."""
    limited = None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    argv = [sys.executable, "-c", code, *argv, *(["--out", str(out)] if out else [])]
    return subprocess.run(argv, capture_output=True, text=True, preexec_fn=limited)


@pytest.mark.slow
def test_a_limit_of_the_system_in_a_real_process(tmp_path):
    done = started(RUN, tmp_path, limit=20_000)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"keras-mixup: `--out` should be where files can be written. Received: {tmp_path}/preview.png (File too large)."
    )
    assert files(tmp_path) == set()
    assert started(RUN, tmp_path).returncode == 0
    assert json.loads((tmp_path / "table.json").read_text())["rows"][0]["name"] == "mixup-0.2"


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("argv", [["list"], ["show", "digits"]])
def test_no_room_for_the_output(argv):
    with open("/dev/full", "w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "keras_mixup", *argv], stdout=output, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "keras-mixup: the output cannot be written (No space left on device)."


@pytest.mark.slow
def test_a_reader_that_has_gone():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "keras_mixup", "list"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "keras-mixup: the output cannot be written (Broken pipe)."
