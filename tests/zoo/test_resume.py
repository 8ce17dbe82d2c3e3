"""A run that was stopped, at whatever moment, ends as if it had not been."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from keras_mixup.cli import main
from keras_mixup.methods import Mixup
from keras_mixup.zoo import locks, recipes, runs
from keras_mixup.zoo.recipe import Row

BASE = dataclasses.replace(recipes.get("digits"), rows=(), train_size=90, epochs=3)
ROW = Row("mixup", "mixup", Mixup(alpha=1.0))
TIMES = ("seconds", "wall_seconds", "examples_per_second")
EVERYTHING = {
    "door": "model",
    "dropout": 0.3,
    "input_noise": 0.5,
    "optimizer": "adam",
    "ema": 0.9,
    "clip_norm": 1.0,
    "precision": "mixed_float16",
    "warmup_epochs": 1,
    "network": "dropout_mlp",
}


class Stopped(BaseException):
    pass


def untimed(records):
    return [{key: value for key, value in record.items() if key not in TIMES} for record in records]


def ended(out, recipe, stops=()):
    """The history and the scores of a run that was stopped after those epochs, and what it reported."""
    lines, data = [], runs.load(recipe, ROW, 0)

    def report(line, passing=False):
        if not passing:
            lines.append(line)

    def stopping_at(epoch):
        def stop(*records):
            if records[-1]["epoch"] == epoch:
                raise Stopped

        return stop

    for epoch in stops:
        with pytest.raises(Stopped):
            runs.run(recipe, ROW, 0, data, out, on_record=stopping_at(epoch), report=report)
    result = runs.run(recipe, ROW, 0, data, out, report=report)
    history = json.loads((runs.folder(out, ROW, 0) / "history.json").read_text())
    scores = {key: result[key] for key in ("error", "nll", "ece", "best_error")}
    return untimed(history), scores, lines


def dropout_mlp(shape, classes, dropout=0.0):
    import keras

    layers = keras.layers
    inputs = keras.Input(shape)
    x = layers.BatchNormalization()(layers.Dense(16, "relu")(layers.Flatten()(inputs)))
    return keras.Model(inputs, layers.Dense(classes, dtype="float32")(layers.Dropout(dropout)(x)))


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """A network with dropout and batch normalisation that compiles in a moment, under a name of its own."""
    from keras_mixup.zoo import networks, recipe

    get = networks.get
    monkeypatch.setattr(networks, "get", lambda name: dropout_mlp if name == "dropout_mlp" else get(name))
    monkeypatch.setattr(recipe, "check", lambda recipe: None)


@pytest.mark.parametrize("settings", [{"network": "dropout_mlp"}, EVERYTHING], ids=["plain", "everything"])
def test_a_run_stopped_after_any_epoch_ends_the_same(settings, tmp_path):
    recipe = dataclasses.replace(BASE, **settings)
    history, scores, lines = ended(tmp_path / "whole", recipe)
    assert len(history) == 3 and lines == []
    again, same, lines = ended(tmp_path / "stopped", recipe, stops=(1, 2, 3))
    assert again == history and same == scores
    assert lines == ["resumed at epoch 2", "resumed at epoch 3", "resumed at the end"]
    left = {path.name for path in runs.folder(tmp_path / "stopped", ROW, 0).iterdir()}
    assert left - {".lock"} == {"config.json", "history.json", "result.json", "network.keras"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{}, *({key: value} for key, value in EVERYTHING.items()), {"optimizer": "adamw"}, {"precision": "mixed_bfloat16"}],
    ids=str,
)
def test_every_setting_alone_is_resumed_exactly(settings, tmp_path):
    recipe = dataclasses.replace(BASE, **({"network": "dropout_mlp"} | settings if settings else {}))
    assert ended(tmp_path / "stopped", recipe, stops=(1,))[:2] == ended(tmp_path / "whole", recipe)[:2]


ARGV = ["run", "digits", "--row", "mixup-0.2", "--seeds", "1", "--set", "train_size=100", "epochs=30"]


def start(out, code="from keras_mixup.cli import main; import sys; sys.exit(main(sys.argv[1:]))", argv=ARGV, **env):
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv, "--out", str(out)],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(out):
    where = out / "mixup-0.2" / "seed0"
    result = json.loads((where / "result.json").read_text())
    for key in (*TIMES, "environment"):
        result.pop(key, None)
    return untimed(json.loads((where / "history.json").read_text())), result


def wait_for(path, process):
    deadline = time.monotonic() + 600
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1][-2000:]
        time.sleep(0.005)


def test_killed_in_the_middle_of_an_epoch(tmp_path, capfd):
    process = start(tmp_path / "killed")
    wait_for(tmp_path / "killed" / "mixup-0.2" / "seed0" / "history.json", process)
    time.sleep(0.03)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "mixup-0.2" / "seed0" / "result.json").exists()
    assert main([*ARGV, "--out", str(tmp_path / "killed")]) == 0
    assert capfd.readouterr().err.count("mixup-0.2, seed 0: resumed at epoch ") == 1
    assert main([*ARGV, "--out", str(tmp_path / "whole")]) == 0
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


DIE = """
import os, pathlib, signal, sys

def die():
    os.kill(os.getpid(), signal.SIGKILL)

moment, name = {moment!r}, {name!r}
replace, open_ = os.replace, open

def dying(source, target):
    if pathlib.Path(target).name == name:
        if moment == "half written":
            size = os.path.getsize(source)
            os.truncate(source, size // 2)
            die()
        if moment == "before the rename":
            die()
        replace(source, target)
        die()
    replace(source, target)

os.replace = dying
from keras_mixup.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["half written", "before the rename", "after the rename"])
@pytest.mark.parametrize("name", ["checkpoint-0003.npz", "history.json", "network.keras", "result.json"])
def test_killed_while_writing(moment, name, tmp_path):
    argv = [word.replace("epochs=30", "epochs=4") for word in ARGV]
    process = start(tmp_path / "killed", DIE.format(moment=moment, name=name), argv)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    for folder in ("killed", "whole"):
        assert main([*argv, "--out", str(tmp_path / folder)]) == 0
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")
    assert not list((tmp_path / "killed" / "mixup-0.2" / "seed0").glob(".writing*"))


@pytest.mark.slow
def test_two_processes_share_the_runs_of_one_folder(tmp_path):
    argv = ["run", "digits", "--seeds", "1", "--set", "train_size=100", "epochs=12"]
    both = [start(tmp_path / "shared", argv=argv) for _ in range(2)]
    out = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], out
    made = [line.split("] ")[1].split(",")[0] for text, _ in out for line in text.splitlines() if ": error " in line]
    assert sorted(set(made)) == ["erm", "mixup-0.2", "mixup-1.0"]
    rows = json.loads((tmp_path / "shared" / "table.json").read_text())["rows"]
    assert [(row["name"], row["n"]) for row in rows] == [("erm", 1), ("mixup-0.2", 1), ("mixup-1.0", 1)]
    assert main([*argv, "--out", str(tmp_path / "alone")]) == 0
    assert outcome(tmp_path / "shared") == outcome(tmp_path / "alone")


@pytest.mark.slow
def test_another_backend_is_resumed_exactly(tmp_path):
    pytest.importorskip("jax")
    settings = ["door=model", "ema=0.9", "input_noise=0.5", "optimizer=adam"]
    argv = [word.replace("epochs=30", "epochs=40") for word in ARGV] + settings
    process = start(tmp_path / "killed", argv=argv, KERAS_BACKEND="jax")
    wait_for(tmp_path / "killed" / "mixup-0.2" / "seed0" / "history.json", process)
    process.kill()
    process.communicate()
    for folder in ("killed", "whole"):
        process = start(tmp_path / folder, argv=argv, KERAS_BACKEND="jax")
        _, error = process.communicate()
        assert process.returncode == 0, error[-2000:]
        assert ("resumed at epoch" in error) == (folder == "killed")
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


@pytest.mark.slow
def test_other_seeds_and_processes_do_not_wait_for_a_dead_one(tmp_path):
    """A lock of a killed process does not keep others out: the system takes it back."""
    process = start(tmp_path)
    where = pathlib.Path(tmp_path, "mixup-0.2", "seed0")
    wait_for(where / ".lock", process)
    process.kill()
    process.communicate()
    with locks.alone(where):
        pass
