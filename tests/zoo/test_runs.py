"""Runs and their folders: what is busy, what cannot be written, what was run otherwise."""

import dataclasses
import json
import shutil

import pytest

from keras_mixup.cli import main
from keras_mixup.zoo import atomic, checkpoints, locks, recipes, report, runs
from keras_mixup.zoo.study import Study

ROW = recipes.get("digits").rows[1]
SHORT = ["run", "digits", "--row", ROW.name, "--seeds", "1", "--set", "train_size=40"]


def run(out, *settings):
    return main([*SHORT, *settings, "--out", str(out)])


def test_a_run_that_another_process_makes_is_left_to_it(tmp_path, monkeypatch, capsys):
    with locks.alone(runs.folder(tmp_path, ROW, 0)):
        assert run(tmp_path, "epochs=1") == 0
    out = capsys.readouterr().out.replace("\n\n", "\n")  # before version 15, rich ended its progress with a line break
    assert out.endswith(
        f"[1/1] {ROW.name}, seed 0: left to the process that is making it, or what it needs\nNo run is finished yet.\n"
    )
    assert not runs.is_finished(tmp_path, ROW, 0)

    def write(study, table, out):
        with pytest.raises(locks.Busy), locks.alone(out):
            pass
        written.append(out)

    written = []
    monkeypatch.setattr(Study, "write", write)
    assert run(tmp_path, "epochs=1") == 0
    assert runs.is_finished(tmp_path, ROW, 0)
    assert written == [tmp_path]  # by one process at a time


def test_two_cannot_be_alone(tmp_path):
    with locks.alone(tmp_path), pytest.raises(locks.Busy), locks.alone(tmp_path):
        pass
    with locks.alone(tmp_path):  # both have left
        pass


def test_what_another_process_finished_is_taken_from_it(tmp_path):
    atomic.write(runs.folder(tmp_path, ROW, 0) / "result.json", {"made": "elsewhere"})
    assert runs.run(recipes.get("digits"), ROW, 0, None, tmp_path) == {"made": "elsewhere"}


@pytest.mark.parametrize("name", ["checkpoint-0002.npz", pytest.param("network.keras", marks=pytest.mark.slow)])
def test_a_full_disk_is_told_in_one_line_and_the_run_goes_on_from_there(
    name, tmp_path, monkeypatch, no_room_for, capsys
):
    where = runs.folder(tmp_path, ROW, 0)
    no_room_for(name)
    assert run(tmp_path, "epochs=2") == 2
    assert capsys.readouterr().err == (
        "keras-mixup: `--out` should be where files can be written. "
        f"Received: {where / name} (No space left on device).\n"
    )
    done = 1 if name == "checkpoint-0002.npz" else 2
    assert checkpoints.paths(where)[0].name == f"checkpoint-000{done}.npz"
    (where / ".writing-0-of-the-dead").write_text("half")
    monkeypatch.undo()
    assert run(tmp_path, "epochs=2") == 0
    resumed = "at epoch 2" if done == 1 else "at the end"
    assert capsys.readouterr().err == f"{ROW.name}, seed 0: resumed {resumed}\n"
    assert {path.name for path in where.iterdir()} == {
        *("config.json", "history.json", "result.json", "network.keras", ".lock")
    }
    assert len(json.loads((where / "history.json").read_text())) == 2


def test_an_interrupted_run_is_not_continued_with_other_settings(tmp_path, capsys):
    where = runs.folder(tmp_path, ROW, 0)
    recipe = dataclasses.replace(recipes.get("digits"), train_size=40, epochs=2)
    atomic.write(where / "config.json", runs.config(recipe, ROW, 0))
    (where / "checkpoint-0001.npz").write_bytes(b"")
    assert run(tmp_path, "epochs=3") == 2
    assert capsys.readouterr().err == (
        f"keras-mixup: `--out` should be another folder: the interrupted run {where} has epochs=2, "
        f"and you ask for epochs=3. Received: --out={tmp_path}.\n"
    )


@pytest.mark.slow
def test_damaged_checkpoints_are_named_on_stderr(tmp_path, monkeypatch, no_room_for, capsys):
    no_room_for("checkpoint-0003.npz")
    assert run(tmp_path, "epochs=3") == 2
    monkeypatch.undo()
    capsys.readouterr()
    where = runs.folder(tmp_path, ROW, 0)
    (where / "checkpoint-0002.npz").write_bytes(b"")
    assert run(tmp_path, "epochs=3") == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{ROW.name}, seed 0: {where}/checkpoint-0002.npz cannot be used (")
    assert first.endswith("; trying checkpoint-0001.npz") and second == f"{ROW.name}, seed 0: resumed at epoch 2"


def test_a_smoke_test_starts_anew(tmp_path, capsys):
    argv = ["run", "digits", "--smoke", "--row", ROW.name, "--out", str(tmp_path)]
    where = runs.folder(tmp_path / "smoke", ROW, 0)
    where.mkdir(parents=True)
    (where / "config.json").write_text("{}")
    (where / "checkpoint-0001.npz").write_bytes(b"of another smoke test")
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert "cannot be used" not in captured.err and report.SMOKE in captured.out


def test_a_table_is_made_of_runs_that_were_copied_from_elsewhere(tmp_path, capsys):
    """By days or by machines: of a finished run the JSON files are enough."""
    day, whole = tmp_path / "monday", tmp_path / "whole"
    assert run(day, "epochs=1") == 0
    there = json.loads((day / "table.json").read_text())["rows"][0]
    for path in runs.folder(day, ROW, 0).glob("*.json"):
        (runs.folder(whole, ROW, 0)).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, runs.folder(whole, ROW, 0))
    capsys.readouterr()
    assert main([*SHORT, "epochs=1", "--seeds", "2", "--out", str(whole)]) == 0
    assert "digits: 2 runs in" in (out := capsys.readouterr().out) and ", 1 finished already." in out
    (row,) = json.loads((whole / "table.json").read_text())["rows"]
    assert row["seeds"] == [0, 1] and row["error"]["values"][0] == there["error"]["values"][0]
    assert run(day, "epochs=2") == run(whole, "epochs=2") == 2  # with other settings it is refused, as any finished run
