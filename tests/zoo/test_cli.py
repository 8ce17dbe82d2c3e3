"""The command line, as a user meets it: what it prints, what it writes, and how it refuses."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

from keras_mixup.cli import main
from keras_mixup.methods import REGISTRY
from keras_mixup.zoo import recipes, report, runs, train
from keras_mixup.zoo.recipe import of_kind, settable

NAMES = ", ".join(recipes.names())
RECIPE = f"`recipe` should be one of: {NAMES}; or your own, FILE.py or package.module."
FIELDS = ", ".join(settable())
SHORT = ["run", "digits", "--seeds", "1", "--set", "train_size=40", "epochs=1"]


def seen(folder):
    """The names of the files in it but for hidden ones, such as locks."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def run_short(out, *more):
    return main([*SHORT, *more, "--out", str(out)])


@pytest.mark.parametrize(
    "argv, message",
    [
        ("run mnist", f"{RECIPE} Received: recipe=mnist. Did you mean kmnist?"),
        ("show mnist", f"{RECIPE} Received: recipe=mnist. Did you mean kmnist?"),
        ("preview mnist", f"{RECIPE} Received: recipe=mnist. Did you mean kmnist?"),
        ("run digits --row cutmix", "`--row` should be one of: erm, mixup-0.2, mixup-1.0. Received: --row cutmix."),
        ("run digits --set epochs=-1", "`epochs` should be a positive integer. Received: epochs=-1."),
        ("run digits --seeds none", "`seeds` should be a positive integer. Received: seeds=none."),
        (
            "run digits --set lr=1",
            f"`--set` should be FIELD=VALUE with FIELD one of: {FIELDS}. Received: --set lr=1.",
        ),
        (
            "run digits --out {file}/out",
            "`--out` should be where files can be written. Received: {file}/out (Not a directory).",
        ),
        (
            "run digits --out {out} --set train_size=5000",
            "`train_size` should be between 10 and 1787 for digits. Received: train_size=5000.",
        ),
        (
            "preview digits --out {file}/new/a.png",
            "`--out` should be where files can be written. Received: {file}/new/a.png (Not a directory).",
        ),
        (
            "run fashion_mnist --data-dir {out}/none --out {out}",
            "fashion_mnist is not prepared at {out}/none. If it is elsewhere, give `--data-dir`; if not, prepare it "
            'with: python -c "import tensorflow_datasets as tfds; '
            "tfds.builder('fashion_mnist', data_dir='{out}/none').download_and_prepare()\"",
        ),
        ("run digits --frob", "unrecognized arguments: --frob. Help: keras-mixup --help"),
        ("run", "the following arguments are required: RECIPE. Help: keras-mixup run --help"),
        ("", "the following arguments are required: COMMAND. Help: keras-mixup --help"),
    ],
)
def test_mistakes_take_one_line_and_exit_code_2(argv, message, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    names = {"file": tmp_path / "file", "out": tmp_path / "out"}
    assert main(argv.format(**names).split()) == 2
    assert capsys.readouterr().err == f"keras-mixup: {message.format(**names)}\n"


def test_unknown_commands_name_the_known_ones(capsys):
    assert main(["frob"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(name in error for name in ("list", "show", "run", "preview", "bench"))


def test_mistakes_have_no_traceback_in_a_real_process():
    done = subprocess.run([sys.executable, "-m", "keras_mixup", "run", "mnist"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"keras-mixup: {RECIPE}")


@pytest.mark.parametrize(
    "command, module, message",
    [
        ("run", "sklearn", "`keras-mixup run` needs scikit-learn."),
        ("run", "matplotlib", "`keras-mixup run` needs matplotlib."),
        ("preview", "sklearn", "`keras-mixup preview` needs scikit-learn."),
    ],
)
def test_a_missing_extra_names_the_cure(command, module, message, tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    assert main([command, "digits", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"keras-mixup: {message} Install it with: pip install 'keras-mixup[zoo]'\n"
    assert not (tmp_path / "out").exists()


def test_bugs_keep_their_traceback(tmp_path, monkeypatch):
    def broken(*arguments):
        raise ValueError("a bug")

    monkeypatch.setattr(train, "train", broken)
    with pytest.raises(ValueError, match="^a bug$"):
        run_short(tmp_path)


@pytest.mark.parametrize("argv", [["--help"], ["list", "-h"], ["show", "-h"], ["run", "-h"], ["preview", "-h"]])
def test_every_help_has_an_example(argv, capsys):
    with pytest.raises(SystemExit) as exit:
        main(argv)
    assert exit.value.code == 0
    assert "\n  keras-mixup " in capsys.readouterr().out


def test_list_and_show(capsys):
    assert main(["list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == recipes.names()
    assert main(["show", "digits"]) == 0
    text = capsys.readouterr().out
    assert recipes.story("digits") in text
    assert "\n  mixup-1.0  mixup, alpha 1.0: Mixup(alpha=1.0)" in text
    assert "\n  batch_size=32\n" in text


LIGHT = ("digits",)  # the others have more rows, or networks that take longer to compile


def one_of_each(recipe):
    """The names of rows that differ in data, method or treatment; the networks and budgets have tests of their own."""
    rows = {}
    for row in recipe.rows:
        ways = [
            (key, value) for key, value in row.settings.items() if key in {*of_kind(recipe, "treatment"), "dataset"}
        ]
        rows.setdefault((repr(row.method), *ways), row.name)
    return list(rows.values())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in LIGHT else pytest.mark.slow) for name in recipes.names()]
)
def test_smoke_needs_no_data_and_says_what_it_is(name, tmp_path, capsys):
    rows = one_of_each(recipes.get(name))
    assert main(["run", name, "--smoke", "--row", *rows, "--data-dir", "/none", "--out", str(tmp_path)]) == 0
    assert report.SMOKE in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["smoke"]
    out = tmp_path / "smoke"
    table = json.loads((out / "table.json").read_text())
    assert table["smoke"] is True
    assert [row["name"] for row in table["rows"]] == rows
    assert report.SMOKE in (out / "table.md").read_text()
    for picture in runs.study(recipes.get(name)).pictures:
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    config = json.loads((out / recipes.get(name).rows[0].name / "seed0" / "config.json").read_text())
    assert config["smoke"] is True
    if "epochs" in config:
        assert config["train_size"] == 2 * config["batch_size"] and config["epochs"] == 1
    else:
        assert config["iterations"] == 10


def test_smoke_tries_again_what_worked_the_last_time(tmp_path, capsys):
    for batch_size in ("32", "16"):
        argv = ["run", "digits", "--smoke", "--row", "erm", "--set", f"batch_size={batch_size}", "--out", str(tmp_path)]
        assert main(argv) == 0
        assert "[1/1] erm, seed 0: error" in capsys.readouterr().out


def test_run_writes_what_it_promises_and_skips_it_the_next_time(tmp_path, capsys):
    assert run_short(tmp_path) == 0
    first = capsys.readouterr().out
    assert first.startswith(f"digits: 3 runs in {tmp_path}, 0 finished already.\n[1/3] erm, seed 0: error ")
    assert seen(tmp_path) == {*("erm", "mixup-0.2", "mixup-1.0", "table.json", "table.md", "curves.png", "preview.png")}
    for row in ("erm", "mixup-0.2", "mixup-1.0"):
        names = {"config.json", "history.json", "result.json", "network.keras"}
        assert seen(tmp_path / row / "seed0") == names
    config = json.loads((tmp_path / "mixup-0.2" / "seed0" / "config.json").read_text())
    assert (config["train_size"], config["epochs"], config["seed"], config["row"]) == (40, 1, 0, "mixup-0.2")
    assert config["method"]["name"] == "Mixup" and config["method"]["alpha"] == 0.2
    result = json.loads((tmp_path / "erm" / "seed0" / "result.json").read_text())
    scores = {"error", "top5_error", "nll", "ece", "last_error", "best_error", "median_error"}
    times = {"seconds", "wall_seconds", "examples_per_second"}
    assert {*scores, *times, "seed", "epochs", "sizes", "environment"} == set(result)
    assert result["sizes"] == {"training": 40, "test": 1757}
    assert set(result["environment"]) == {"versions", "backend", "machine", "commit", "date"}

    runs = sorted(tmp_path.glob("*/*/*.json"))
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in runs]
    table = (tmp_path / "table.json").read_bytes()
    assert run_short(tmp_path) == 0
    second = capsys.readouterr().out
    assert second.startswith(f"digits: 3 runs in {tmp_path}, 3 finished already.\n")
    assert "[1/" not in second and second.splitlines()[1:] == first.splitlines()[4:]  # the same table
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in runs] == before
    assert (tmp_path / "table.json").read_bytes() == table


def test_rows_and_seeds_add_to_the_same_table(tmp_path):
    assert run_short(tmp_path, "--row", "mixup-1.0") == 0
    assert run_short(tmp_path, "--row", "erm", "--seeds", "2") == 0
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [(row["name"], row["seeds"]) for row in rows] == [("erm", [0, 1]), ("mixup-1.0", [0])]
    assert len(rows[1]["against_baseline"]["values"]) == 1


def test_what_is_finished_is_never_overwritten(tmp_path, capsys):
    assert run_short(tmp_path, "--row", "erm") == 0
    before = (tmp_path / "erm" / "seed0" / "result.json").read_bytes()
    capsys.readouterr()
    # Not even through another row: one folder holds one configuration.
    for row in ("erm", "mixup-0.2"):
        assert run_short(tmp_path, "--row", row, "--set", "epochs=2", "batch_size=8") == 2
        assert capsys.readouterr().err == (
            f"keras-mixup: `--out` should be another folder: the finished run {tmp_path}/erm/seed0 has epochs=1, "
            f"batch_size=32, and you ask for epochs=2, batch_size=8. Received: --out={tmp_path}.\n"
        )
    assert (tmp_path / "erm" / "seed0" / "result.json").read_bytes() == before
    assert not (tmp_path / "mixup-0.2").exists()


def test_ctrl_c_keeps_what_is_finished_and_the_next_time_goes_on(tmp_path, monkeypatch, capsys):
    def interrupted(recipe, row, seed, data, on_epoch, *others):
        def stop(record):
            on_epoch(record)
            raise KeyboardInterrupt

        return train_really(recipe, row, seed, data, stop if row.name == "mixup-0.2" else on_epoch, *others)

    train_really = train.train
    monkeypatch.setattr(train, "train", interrupted)
    assert run_short(tmp_path) == 130
    assert capsys.readouterr().err == (
        f"keras-mixup: interrupted. 1 of 3 runs are finished and kept in {tmp_path}; "
        "the same command goes on from there.\n"
    )
    assert (tmp_path / "mixup-0.2" / "seed0" / "history.json").exists()
    assert not (tmp_path / "mixup-0.2" / "seed0" / "result.json").exists()
    erm = (tmp_path / "erm" / "seed0" / "result.json").read_bytes()

    monkeypatch.undo()
    assert run_short(tmp_path) == 0
    assert capsys.readouterr().out.startswith(f"digits: 3 runs in {tmp_path}, 1 finished already.\n[1/2] mixup-0.2")
    assert (tmp_path / "erm" / "seed0" / "result.json").read_bytes() == erm


def test_fashion_mnist_from_a_prepared_set(tiny_fashion_mnist, tmp_path, capsys):
    argv = ["run", "fashion_mnist", "--data-dir", str(tiny_fashion_mnist), "--out", str(tmp_path)]
    assert (
        main([*argv, "--row", "mixup-0.2", "--seeds", "1", "--set", "train_size=20", "batch_size=10", "epochs=1"]) == 0
    )
    assert re.search(r"mixup, alpha 0\.2 +1 ", capsys.readouterr().out)


def test_preview(tmp_path, capsys):
    path = tmp_path / "new" / "mixed.png"
    assert main(["preview", "digits", "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"Written: {path}\n"
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("method", sorted({*REGISTRY} - {"mixupe", "manifoldmixup"}) + ["cutmix(alpha=0.5)"])
def test_preview_of_any_method(method, tmp_path):
    path = tmp_path / "mixed.png"
    assert main(["preview", "digits", "--method", method, "--out", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_preview_of_an_unknown_method(capsys):
    assert main(["preview", "digits", "--method", "mixap"]) == 2
    error = capsys.readouterr().err
    assert f"`method` should be one of: {', '.join(REGISTRY)}; or your own as module:NAME." in error
    assert error.endswith("Received: method=mixap. Did you mean mixup?\n")


@pytest.mark.slow
def test_another_backend(tmp_path):
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-m", "keras_mixup", "run", "digits", "--smoke", "--out", str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "smoke" / "table.json").read_text())
    assert table["environments"][0]["backend"] == "jax"
