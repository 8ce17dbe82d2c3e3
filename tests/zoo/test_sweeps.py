"""Sweeps: the rows they make, the figures they draw, and that they go on where they were stopped."""

import json

import numpy as np
import pytest
import scipy.stats

from keras_mixup.cli import main
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo import recipes, sweeps, variants
from keras_mixup.zoo.errors import UserError

DIGITS = recipes.get("digits")
SHORT = ["--set", "train_size=40", "epochs=1"]


def test_a_sweep_writes_a_table_and_a_picture_and_goes_on(tmp_path, capsys):
    argv = ["sweep", "digits", "alpha=0", *SHORT, "--out", str(tmp_path), "--seeds"]
    assert main([*argv, "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("digits: 2 runs in") and f"Written: {tmp_path}/table.json, table.md, sweep.png" in out
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    first = (tmp_path / "alpha-0" / "seed0" / "result.json").read_bytes()
    assert main([*argv, "2"]) == 0
    assert "digits: 4 runs in" in (out := capsys.readouterr().out) and "2 finished already" in out
    assert (tmp_path / "alpha-0" / "seed0" / "result.json").read_bytes() == first
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [(row["title"], row["n"], row["baseline"]) for row in rows] == [
        ("ERM", 2, None),
        ("mixup, alpha 0", 2, "erm"),
    ]
    # What mixes nothing trains as the baseline does.
    assert rows[0]["error"]["values"] == pytest.approx(rows[1]["error"]["values"], abs=3.0)


def test_two_names_make_a_heat_map(tmp_path):
    argv = ["sweep", "digits", "alpha=0.3,2", "learning_rate=0.01,0.1", "--smoke", "--out", str(tmp_path)]
    assert main(argv) == 0
    rows = json.loads((tmp_path / "smoke" / "table.json").read_text())["rows"]
    assert [row["name"] for row in rows][1:] == [
        *("alpha-0.3-learning_rate-0.01", "alpha-0.3-learning_rate-0.1"),
        *("alpha-2-learning_rate-0.01", "alpha-2-learning_rate-0.1"),
    ]
    assert (tmp_path / "smoke" / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_varied_is_an_argument_of_the_method_or_a_setting():
    recipe, places = variants.grid(DIGITS, DIGITS.rows, {"alpha": ["0.1", "1e0"], "probability": ["0.5"]})
    assert [row.name for row in recipe.rows] == ["erm", *places] == ["erm", *places]
    assert list(places.values()) == [("0.1", "0.5"), ("1e0", "0.5")]
    assert [(row.method.alpha, row.method.probability) for row in recipe.rows[1:]] == [(0.1, 0.5), (1.0, 0.5)]
    ablation = recipes.get("mixupe_ablation")
    recipe, _ = variants.grid(ablation, ablation.rows, {"eta": ["0", "0.5"]})
    assert [row.method.eta for row in recipe.rows if isinstance(row.method, MixupE)] == [0, 0.5]
    recipe, _ = variants.grid(DIGITS, DIGITS.rows[:1], {"dropout": ["0.1"]})
    assert recipe.rows[-1].method is None and recipe.rows[-1].settings == {"dropout": 0.1}


@pytest.mark.parametrize(
    "values, message",
    [
        ("alhpa=0,1", "Received: alhpa=0,1. Did you mean alpha?"),
        (
            "alpha",
            "over NAME=VALUE,VALUE,..., each name once, such as alpha=0,0.2,1. Received: alpha.",
        ),
        ("alpha=", "Received: alpha=."),
        ("alpha=1 alpha=2", "Received: alpha=2."),
        ("alpha=1 epochs=2 dropout=0", "one name or two. Received: alpha, epochs, dropout."),
        ("alpha=-1", "`alpha` does not take that. Received: alpha=-1."),
        ("epochs=0", "`epochs` should be a positive integer. Received: epochs=0."),
        ("epochs=many", "`epochs` should be a positive integer. Received: epochs=many."),
    ],
)
def test_what_cannot_be_varied_is_refused(values, message, tmp_path, capsys):
    assert main(["sweep", "digits", *values.split(), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_interval_is_that_of_the_mean():
    values = [3.0, 4.5, 2.0, 3.5]
    oracle = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert sweeps.interval({"mean": 3.25, "values": values}) == pytest.approx(list(oracle))
    assert sweeps.interval({"mean": 3.0, "values": [3.0]}) == [3.0, 3.0]


def test_the_picture_holds_the_figures(monkeypatch, tmp_path):
    drawn, draw = [], sweeps._line
    monkeypatch.setattr(sweeps, "_line", lambda axes, *rest: (draw(axes, *rest), drawn.append(axes)))

    def row(name, *values):
        return {"name": name, "title": name, "error": {"mean": float(np.mean(values)), "values": list(values)}}

    table = {"recipe": "digits", "smoke": False, "rows": [row("erm", 5.0, 6.0), row("a", 3.0, 4.0), row("b", 1.0, 4.0)]}
    places = {"a": ("0.1",), "b": ("1",)}
    sweeps.draw(table, {"error": ("error (%)", 2)}, {"alpha": ["0.1", "1"]}, places, tmp_path / "sweep.png")
    (axes,) = drawn
    assert axes.get_xlabel() == "alpha" and [tick.get_text() for tick in axes.get_xticklabels()] == ["0.1", "1"]
    lines = [list(line.get_ydata()) for line in axes.get_lines()]
    assert [5.5, 5.5] in lines and [3.5, 2.5] in lines  # the baseline, and the means


def test_values_are_read_in_order_and_once():
    assert sweeps.parse(["alpha=0, 0.2,0.2,1"]) == {"alpha": ["0", "0.2", "1"]}
    with pytest.raises(UserError):
        sweeps.parse(["a b=1"])
