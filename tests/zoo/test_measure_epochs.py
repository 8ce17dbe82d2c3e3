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
    got = epochs.chosen(errors, [1, 2, 3, 4])
    assert got["best"] == {"values": [3.0, 2.0, 1.0], "epochs": [2, 3, 1]}
    assert got["common"] == {"values": [7.0, 2.0, 4.0], "epochs": [3, 3, 3]}
    assert got["last"] == {"values": [8.0, 2.0, 4.5], "epochs": [4, 4, 4]}
    assert epochs.chosen(errors, [10, 20, 30, 35])["best"]["epochs"] == [20, 30, 10]


def test_differences_are_taken_between_runs_of_the_same_seed_and_kept_beside_the_picture(tmp_path):
    rows = (Row("erm", "ERM"), Row("mixup", "mixup", Mixup(alpha=1.0)))
    recipe = dataclasses.replace(recipes.get("digits"), rows=rows)

    def run(seed, *errors):
        records = [{"epoch": epoch, "test_error": error} for epoch, error in zip((2, 4, 5), errors, strict=True)]
        return {"seed": seed, "sizes": {"training": 40, "test": 10}}, [{"epoch": 1}, *records]

    found = {
        "erm": [run(0, 5.0, 4.0, 6.0), run(2, 7.0, 9.0, 8.0)],
        "mixup": [run(1, 1.0, 1.0, 1.0), run(2, 4.0, 3.0, 5.5)],
    }
    epochs.draw(recipe, found, tmp_path / "epochs.png")
    (table,) = json.loads((tmp_path / "epochs.json").read_text())
    assert table["rows"]["erm"]["best"]["epochs"] == [4, 2] and table["rows"]["erm"]["last"]["epochs"] == [5, 5]
    got = {one["way"]: one for one in table["differences"]}
    assert (got["best"]["row"], got["best"]["minus"], got["best"]["values"]) == ("mixup", "erm", [-4.0])
    assert got["best"]["interval"] is None and got["best"]["splits"] == "apart"
    # The means of ERM are 6, 6.5 and 7, those of mixup 2.5, 2 and 3.25.
    assert got["common"]["mean"] == 3.0 - 7.0 and got["last"]["mean"] == 5.5 - 8.0
    assert (tmp_path / "epochs.png").stat().st_size > 1000


def test_the_interval_of_folds_is_that_of_folds(tmp_path):
    rows = (Row("erm", "ERM"), Row("mixup", "mixup", Mixup(alpha=1.0)))
    recipe = dataclasses.replace(recipes.get("graphs"), rows=rows)
    found = {
        name: [
            ({"seed": i, "sizes": {"training": 90, "test": 10}}, [{"epoch": 1, "test_error": e}])
            for i, e in enumerate(errors)
        ]
        for name, errors in {"erm": (9.0, 7.0, 8.0, 6.5), "mixup": (7.5, 6.75, 7.25, 6.0)}.items()
    }
    (table,) = epochs.summary(recipe, found)
    differences = np.array([-1.5, -0.25, -0.75, -0.5])
    half = scipy.stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 9) * differences.var(ddof=1))
    for one in table["differences"]:
        assert one["interval"] == pytest.approx([-0.75 - half, -0.75 + half]) and one["splits"] == "folds"
