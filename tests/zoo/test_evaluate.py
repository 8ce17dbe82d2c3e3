"""`keras-mixup evaluate`: the scores of a kept network, on its own data and on others with its classes."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_mixup.cli import main
from keras_mixup.zoo import datasets, scores
from keras_mixup.zoo.datasets.splits import Arrays


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    argv = ["run", "digits", "--row", "erm", "--seeds", "1", "--set", "train_size=100", "epochs=2", "ema=0.5"]
    assert main([*argv, "--out", str(out)]) == 0
    return out / "erm" / "seed0"


def printed(capsys, *argv):
    assert main(["evaluate", *map(str, argv)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    units = {"error": ["%"], "top5_error": ["%"], "ece": ["%"], "nll": ["nats"]}
    for name, _, *unit in map(str.split, lines):
        assert unit == units[name]
    return first, {name: float(value) for name, value, *_ in map(str.split, lines)}


def test_on_its_own_data_the_scores_are_those_of_the_run(finished, capsys):
    first, found = printed(capsys, finished)
    assert first == f"{finished} on 1,697 test examples of digits:"
    result = json.loads((finished / "result.json").read_text())
    assert set(found) == {"error", "top5_error", "nll", "ece"}
    for name, value in found.items():
        assert value == pytest.approx(result[name], rel=1e-3), name


def other(monkeypatch, keep, **changes):
    """Register a data set `other` of digits whose classes are some of those, in another order."""
    digits = datasets.get("digits")

    def load(train_size, seed, data_dir):
        train, test = digits.load(100, 3, None)
        rows = np.isin(test.labels, keep)
        labels = np.array([list(keep).index(label) for label in test.labels[rows]])
        return train, Arrays(test.features[rows], labels)

    classes = tuple(digits.classes[label] for label in keep)
    # It is standardised as the network knows it, whatever its own pixels are like.
    source = dataclasses.replace(digits, classes=classes, load=load, mean=100.0, **changes)
    monkeypatch.setitem(datasets._SOURCES, "other", source)
    monkeypatch.setattr(datasets, "NAMES", tuple(datasets._SOURCES))
    return digits, load(0, 0, None)[1]


@pytest.mark.parametrize("keep", [(7, 2, 3, 0, 9, 5), (3, 1, 2, 0, 4, 5, 6, 9, 8, 7)])
def test_other_data_with_some_of_the_classes_in_another_order(keep, finished, monkeypatch, capsys):
    digits, test = other(monkeypatch, keep)
    first, found = printed(capsys, finished, "--data", "other")
    assert first == f"{finished} on {len(test):,} test examples of other:"
    pixels = (test.features.astype("float32") - digits.mean) / digits.deviation
    logits = keras.models.load_model(finished / "network.keras", compile=False).predict(pixels, verbose=0)
    logits = logits[:, list(keep)]
    assert found["error"] == pytest.approx(100 * np.mean(logits.argmax(1) != test.labels), rel=1e-3)
    assert found["nll"] == pytest.approx(scores.nll(logits, test.labels), rel=1e-3)
    assert 0 < found["top5_error"] < found["error"] < 100


@pytest.mark.parametrize("argv", [["none"], ["{run}/.."]])
def test_what_is_not_a_finished_run_is_refused(argv, finished, capsys):
    folder = argv[0].format(run=finished)
    assert main(["evaluate", folder]) == 2
    assert capsys.readouterr().err == (
        "keras-mixup: `RUN` should be the folder of a finished run, with result.json and network.keras, such as "
        f"runs/digits/erm/seed0. Received: RUN={folder}.\n"
    )


def test_unknown_data_and_other_classes_are_refused(finished, monkeypatch, capsys):
    assert main(["evaluate", str(finished), "--data", "mnits"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"keras-mixup: `dataset` should be one of: {', '.join(datasets.NAMES)}; or your own")
    for changes in ({"classes": ("a", "b")}, {"shape": (9, 9, 1)}):
        other(monkeypatch, (1, 2))
        monkeypatch.setitem(datasets._SOURCES, "other", dataclasses.replace(datasets._SOURCES["other"], **changes))
        assert main(["evaluate", str(finished), "--data", "other"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("keras-mixup: `--data` should have the classes and the shape of digits, or some of it")
        assert error.count("\n") == 1
