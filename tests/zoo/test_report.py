"""The table's figures against NumPy, on made-up runs, and how they are written down."""

import dataclasses

import numpy as np
import pytest

from keras_mixup.zoo import recipes, report
from keras_mixup.zoo.recipe import Published

ENVIRONMENT = {
    "versions": {"keras": "3.0"},
    "backend": "tensorflow",
    "machine": "a machine",
    "commit": None,
    "date": "2026-01-01 00:00 UTC",
}
RECIPE = recipes.get("digits")


def runs(seeds, errors, **environment):
    return [
        (
            {
                "seed": seed,
                "error": error,
                "nll": error / 10,
                "ece": error / 2,
                "seconds": 1.5,
                "environment": {**ENVIRONMENT, **environment},
            },
            [],
        )
        for seed, error in zip(seeds, errors, strict=True)
    ]


FOUND = {"erm": runs([0, 1, 2], [3.0, 4.0, 6.5]), "mixup-1.0": runs([0, 2, 3], [2.0, 6.0, 1.0])}


def test_statistics_against_numpy():
    erm, mixup = report.table(RECIPE, FOUND)["rows"]
    assert (erm["name"], erm["n"], erm["seeds"]) == ("erm", 3, [0, 1, 2])
    assert (mixup["name"], mixup["n"], mixup["seeds"]) == ("mixup-1.0", 3, [0, 2, 3])
    for key, scale in (("error", 1), ("nll", 0.1), ("ece", 0.5)):
        values = scale * np.array([3.0, 4.0, 6.5])
        assert erm[key]["mean"] == pytest.approx(values.mean())
        assert erm[key]["std"] == pytest.approx(values.std(ddof=1))
        assert erm[key]["values"] == pytest.approx(list(values))
    assert erm["seconds"]["mean"] == 1.5


def test_differences_are_taken_over_the_seeds_both_rows_have():
    erm, mixup = report.table(RECIPE, FOUND)["rows"]
    assert erm["against_first"] is None
    assert mixup["against_first"]["values"] == [-1.0, -0.5]
    assert mixup["against_first"]["mean"] == -0.75
    assert mixup["against_first"]["std"] == pytest.approx(np.std([-1.0, -0.5], ddof=1))


def test_without_the_first_row_there_are_no_differences():
    (mixup,) = report.table(RECIPE, {"mixup-1.0": FOUND["mixup-1.0"]})["rows"]
    assert mixup["against_first"] is None


def test_a_single_run_has_no_deviation():
    (row,) = report.table(RECIPE, {"erm": runs([0], [3.0])})["rows"]
    assert row["error"] == {"mean": 3.0, "std": None, "values": [3.0]}
    assert "| ERM | 1 | 3.00 |" in report.markdown(report.table(RECIPE, {"erm": runs([0], [3.0])}))


def test_markdown():
    lines = report.markdown(report.table(RECIPE, FOUND)).splitlines()
    assert lines[2:6] == [
        "|  | n | error (%) | minus ERM | NLL | ECE (%) | s/run |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| ERM | 3 | 4.50 ± 1.80 |  | 0.450 ± 0.180 | 2.25 ± 0.90 | 1.5 |",
        "| mixup, alpha 1.0 | 3 | 3.00 ± 2.65 | -0.75 ± 0.35 | 0.300 ± 0.265 | 1.50 ± 1.32 | 1.5 |",
    ]
    assert "published" not in lines[2]
    assert "- a machine; tensorflow backend; keras 3.0." in lines


def test_published_figures_have_their_own_column_with_source_and_tag():
    published = Published(error=1.25, source="arXiv 0000.00000, table 9", tag="from memory")
    rows = (RECIPE.rows[0], *RECIPE.rows[1:2], dataclasses.replace(RECIPE.rows[2], published=published))
    lines = report.markdown(report.table(dataclasses.replace(RECIPE, rows=rows), FOUND)).splitlines()
    assert lines[2].endswith("| s/run | published error (%) |")
    assert lines[4].endswith("| 1.5 |  |")
    assert lines[5].endswith(
        "| 3.00 ± 2.65 | -0.75 ± 0.35 | 0.300 ± 0.265 | 1.50 ± 1.32 | 1.5 | "
        "1.25 (arXiv 0000.00000, table 9; from memory) |"
    )


def test_figures_from_several_machines_say_so():
    found = {"erm": runs([0], [3.0]) + runs([1], [4.0], machine="another", date="2026-02-01 00:00 UTC")}
    table = report.table(RECIPE, found)
    assert [one["machine"] for one in table["environments"]] == ["a machine", "another"]
    assert table["date"] == "2026-02-01 00:00 UTC"


def test_a_smoke_test_says_so():
    assert report.SMOKE in report.markdown(report.table(RECIPE, FOUND, smoke=True))
    assert report.SMOKE not in report.markdown(report.table(RECIPE, FOUND))
