"""The choice of the epoch, against figures worked out by hand and SciPy."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats

from keras_mixup.methods import Mixup
from keras_mixup.zoo import recipes
from keras_mixup.zoo.measures import epochs
from keras_mixup.zoo.recipe import Row


def test_best_common_and_last_epoch():
    errors = [[9.0, 3.0, 7.0, 8.0], [8.0, 6.0, 2.0, 2.0], [1.0, 5.0, 4.0, 4.5]]  # the means: 6, 4.67, 4.33, 4.83
    got = epochs.chosen(errors)
    assert got["best"] == {"values": [3.0, 2.0, 1.0], "epochs": [2, 3, 1]}
    assert got["common"] == {"values": [7.0, 2.0, 4.0], "epochs": [3, 3, 3]}
    assert got["last"] == {"values": [8.0, 2.0, 4.5], "epochs": [4, 4, 4]}


def test_without_shared_examples_the_interval_is_the_t_tests():
    differences = [-1.25, 0.5, -2.0, -0.75, -1.1]
    got = epochs.interval(differences, 0.0)
    expected = scipy.stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    np.testing.assert_allclose([got["low"], got["high"]], expected, rtol=1e-12)
    assert got["mean"] == pytest.approx(np.mean(differences)) and got["n"] == 5
    # Ten folds: the variance of the mean is that of (1/10 + 1/9) instead of 1/10.
    ten = [*differences, -0.3, 0.2, -1.9, -0.6, 0.05]
    plain, corrected = epochs.interval(ten, 0.0), epochs.interval(ten, 1 / 9)
    widths = [one["high"] - one["low"] for one in (plain, corrected)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(1 + 10 / 9))


def test_one_run_has_no_interval():
    assert epochs.interval([0.5], 0.1) == {"mean": 0.5, "low": None, "high": None, "n": 1}


def test_differences_are_taken_between_runs_of_the_same_seed_and_kept_beside_the_picture(tmp_path):
    rows = (Row("erm", "ERM"), Row("mixup", "mixup", Mixup(alpha=1.0)))
    recipe = dataclasses.replace(recipes.get("digits"), rows=rows)

    def run(seed, *errors):
        return {"seed": seed, "epochs_sizes": [40, 10]}, [{"test_error": error} for error in errors]

    found = {
        "erm": [run(0, 5.0, 4.0, 6.0), run(2, 7.0, 9.0, 8.0)],
        "mixup": [run(1, 1.0, 1.0, 1.0), run(2, 4.0, 3.0, 5.5)],
    }
    epochs.draw(recipe, found, tmp_path / "epochs.png")
    (table,) = json.loads((tmp_path / "epochs.json").read_text())
    got = {one["way"]: one for one in table["differences"]}
    assert got["best"] == {
        "row": "mixup",
        "minus": "erm",
        "way": "best",
        "mean": -4.0,
        "low": None,
        "high": None,
        "n": 1,
    }
    # The means of ERM are 6, 6.5 and 7, those of mixup 2.5, 2 and 3.25.
    assert got["common"]["mean"] == 3.0 - 7.0 and got["last"]["mean"] == 5.5 - 8.0
    assert (tmp_path / "epochs.png").stat().st_size > 1000
