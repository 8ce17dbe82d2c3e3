"""The table's figures against NumPy, on made-up runs, and how they are written down."""

import contextlib
import dataclasses

import numpy as np
import pytest
import scipy.stats

from keras_mixup.methods import Mixup
from keras_mixup.zoo import datasets, figures, recipes, report
from keras_mixup.zoo.recipe import Published, Row
from keras_mixup.zoo.tasks import Regression

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
    assert erm["against_baseline"] is None
    assert mixup["against_baseline"]["values"] == [-1.0, -0.5]
    assert mixup["against_baseline"]["mean"] == -0.75
    assert mixup["against_baseline"]["std"] == pytest.approx(np.std([-1.0, -0.5], ddof=1))


def three(against=("mixup-1.0",)):
    """The two rows and a third that is compared with the second, too; errors of seeds that all three have."""
    third = Row("third", "third", Mixup(0.5), against=against)
    recipe = dataclasses.replace(RECIPE, rows=(*RECIPE.rows, third))
    errors = {"erm": [3.0, 4.0, 6.5, 5.0], "mixup-1.0": [2.0, 3.5, 6.0, 5.2], "third": [1.2, 2.9, 5.3, 4.6]}
    return recipe, {name: runs([0, 1, 2, 3], values) for name, values in errors.items()}


def test_a_row_is_compared_with_those_it_names_too():
    erm, mixup, third = report.table(*three())["rows"]
    assert "against" not in erm and "against" not in mixup
    assert third["baseline"] == "erm" and third["against_baseline"]["values"] == pytest.approx([-1.8, -1.1, -1.2, -0.4])
    (other,) = third["against"].values()
    assert third["against"].keys() == {"mixup-1.0"} and other["values"] == pytest.approx([-0.8, -0.6, -0.7, -0.6])
    # SciPy's p, of which all three comparisons of the table take the least times three.
    p = scipy.stats.ttest_1samp([-0.8, -0.6, -0.7, -0.6], 0.0).pvalue
    assert other["p"] == pytest.approx(p) and other["p_holm"] == pytest.approx(3 * p) and other["verdict"] == "shown"
    assert third["against_baseline"]["p_holm"] == pytest.approx(2 * third["against_baseline"]["p"])


def test_further_differences_are_said_below_the_table(capsys):
    from rich.console import Console

    table = report.table(*three())
    said = "third, minus mixup, alpha 1.0: -0.68 [-0.83, -0.52] shown."
    assert f"- {said}" in report.markdown(table).splitlines()
    report.show(table, Console(width=120))
    assert said in capsys.readouterr().out
    assert report.further(report.table(*three(against=()))) == []


def test_rows_that_did_not_run_are_no_reference():
    recipe, found = three()
    del found["mixup-1.0"]
    assert "against" not in report.table(recipe, found)["rows"][-1]


def test_without_the_first_row_there_are_no_differences():
    (mixup,) = report.table(RECIPE, {"mixup-1.0": FOUND["mixup-1.0"]})["rows"]
    assert mixup["against_baseline"] is None


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
        "| mixup, alpha 1.0 | 3 | 3.00 ± 2.65 | -0.75 [-3.93, +2.43] open | 0.300 ± 0.265 | 1.50 ± 1.32 | 1.5 |",
    ]
    assert "published" not in lines[2]
    assert "- a machine; tensorflow backend; keras 3.0." in lines


def with_published(**figures):
    """The recipe with figures from papers, by the name of the row."""
    rows = tuple(dataclasses.replace(row, published=figures.get(row.name)) for row in RECIPE.rows)
    return dataclasses.replace(RECIPE, rows=rows)


def test_published_figures_have_their_own_column_and_their_sources_below():
    figures = {
        "erm": Published(error=1.2, source="paper A", tag="verified", std=0.05),
        "mixup-1.0": Published(error=1.25, source="paper A", tag="from memory", top5=0.5),
    }
    lines = report.markdown(report.table(with_published(**figures), FOUND)).splitlines()
    assert lines[2].endswith("| s/run | published |")
    # Two digits, as the source has them; what was not verified is marked.
    assert lines[4].endswith("| 1.5 | 1.20 ± 0.05 [1] |")
    assert lines[5].endswith("| 1.5 | 1.25, top-5 0.50? [2] |")
    assert "- [1] paper A; verified." in lines and "- [2] paper A; from memory." in lines


def test_a_row_without_published_figure_has_an_empty_cell():
    recipe = with_published(erm=Published(error=1.25, source="paper A", tag="verified"))
    lines = report.markdown(report.table(recipe, FOUND)).splitlines()
    assert lines[4].endswith("| 1.25 [1] |") and lines[5].endswith("| 1.5 |  |")


def test_the_terminal_shows_the_sources_too(capsys):
    from rich.console import Console

    recipe = with_published(erm=Published(error=1.25, source="paper A", tag="from memory"))
    report.show(report.table(recipe, FOUND), Console(width=120))
    shown = capsys.readouterr().out
    assert "1.25? [1]" in shown and "[1] paper A; from memory." in shown


def test_figures_are_never_cut_on_a_narrow_terminal(capsys):
    from rich.console import Console

    report.show(report.table(RECIPE, FOUND), Console(width=70))
    shown = capsys.readouterr().out
    assert all(cell in shown for cell in ("4.50 ± 1.80", "-0.75 [-3.93, +2.43] open", "0.450 ± 0.180", "2.25 ± 0.90"))


# Two networks: the second and fourth row are compared with the first and third.
TWO = dataclasses.replace(
    RECIPE,
    rows=(
        Row("a-erm", "A, ERM"),
        Row("a-smooth", "A, smooth", settings={"label_smoothing": 0.1}),
        Row("b-erm", "B, ERM", settings={"network": "wide_resnet10_1"}),
        Row("b-mixup", "B, mixup", Mixup(), settings={"network": "wide_resnet10_1", "pairs": "same_class"}),
    ),
)


def more(pairs, **scores):
    return [({**result, **scores}, history) for result, history in pairs]


def found_of_two(**scores):
    errors = {"a-erm": 10.0, "a-smooth": 9.0, "b-erm": 5.0, "b-mixup": 5.5}
    return {name: more(runs([0], [error]), examples_per_second=1234.5, **scores) for name, error in errors.items()}


def test_rows_are_compared_with_the_first_of_their_network():
    table = report.table(TWO, found_of_two())
    assert [row["baseline"] for row in table["rows"]] == [None, "a-erm", None, "b-erm"]
    assert [row["against_baseline"] and row["against_baseline"]["mean"] for row in table["rows"]] == [
        None,
        -1,
        None,
        0.5,
    ]
    lines = report.markdown(table).splitlines()
    assert "| minus baseline |" in lines[2] and lines[2].endswith("| examples/s |")
    assert "| -1.00 open |" in lines[5] and "| +0.50 open |" in lines[7] and lines[7].endswith("| 1,234 |")
    assert any("first row of the same data, network and budget" in line for line in lines)
    assert any(line.endswith("; rows differ in label_smoothing, network, pairs.") for line in lines)


def test_the_terminal_shows_what_rows_have_in_common_above_them(capsys):
    from rich.console import Console

    report.show(report.table(TWO, found_of_two()), Console(width=120))
    lines = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[3:9]]
    assert lines == [["A"], ["ERM", "1"], ["smooth", "1"], ["B"], ["ERM", "1"], ["mixup", "1"]]


def test_without_its_baseline_a_row_has_no_difference():
    found = found_of_two()
    del found["b-erm"]
    assert [row["against_baseline"] is None for row in report.table(TWO, found)["rows"]] == [True, False, True]


@pytest.mark.parametrize(
    "score, headings",
    [
        ("last", "error (%) | NLL"),
        ("median", "error, median of last 10 (%) | best (%) | last (%) | NLL"),
        ("best", "error, best epoch (%) | last (%) | NLL"),
    ],
)
def test_the_heading_says_of_which_epoch_the_error_is(score, headings):
    recipe = dataclasses.replace(RECIPE, score=score)
    found = {"erm": more(runs([0], [3.0]), last_error=3.5, best_error=2.5, median_error=3.0)}
    header, (line,) = report.cells(report.table(recipe, found))
    assert headings in " | ".join(header)
    for heading, value in (("best (%)", "2.50"), ("last (%)", "3.50")):
        if heading in header:
            assert line[header.index(heading)] == value


def test_top5_is_shown_where_there_are_many_classes_or_a_published_one():
    found = {"erm": more(runs([0], [3.0]), top5_error=0.75)}
    assert "top-5 (%)" not in report.cells(report.table(RECIPE, found))[0]
    many = dataclasses.replace(RECIPE, dataset="cifar100")
    published = with_published(erm=Published(3.0, "paper A", "verified", top5=0.8))
    for recipe in (many, published):
        header, (line,) = report.cells(report.table(recipe, found))
        assert line[header.index("top-5 (%)")] == "0.75"


def test_numbers_to_predict_have_their_own_scores(monkeypatch):
    source = dataclasses.replace(datasets.get("digits"), classes=("strength",), task=Regression())
    monkeypatch.setattr(datasets, "get", lambda name: source)
    scores = [
        {"seed": 0, "rmse": 2.0, "mae": 1.0, "mape": 8.0, "seconds": 1.0, "environment": ENVIRONMENT},
        {"seed": 0, "rmse": 1.5, "mae": 0.9, "mape": 7.0, "seconds": 1.0, "environment": ENVIRONMENT},
    ]
    found = {"erm": [(scores[0], [])], "mixup-1.0": [(scores[1], [])]}
    header, lines = report.cells(report.table(RECIPE, found))
    assert header == ["", "n", "RMSE", "minus ERM", "MAPE (%)", "MAE", "s/run"]
    assert lines[1][2:] == ["1.500", "-0.500 open", "7.00", "0.900", "1.0"]


def test_classes_and_numbers_in_one_table():
    table = report.table(TWO, found_of_two())
    for row in table["rows"][2:]:
        row["headline"], row["rmse"] = "rmse", row.pop("error")
    table["scores"] = ["error", "rmse", "nll", "ece"]
    header, lines = report.cells(table)
    assert header[2:6] == ["error (%)", "error minus baseline", "RMSE", "RMSE minus baseline"]
    assert [line[2:6] for line in lines] == [
        ["10.00", "", "", ""],
        ["9.00", "-1.00 open", "", ""],
        ["", "", "5.000", ""],
        ["", "", "5.500", "+0.500 open"],
    ]


def test_what_is_not_as_in_the_recipe_is_said():
    table = report.table(dataclasses.replace(RECIPE, epochs=3), FOUND)
    assert "- Not as in the recipe: epochs (there 40)." in report.markdown(table).splitlines()
    assert "Not as in the recipe" not in report.markdown(report.table(RECIPE, FOUND))


def test_notes_name_data_and_network_once():
    first = next(line for line in report.markdown(report.table(RECIPE, FOUND)).splitlines() if line.startswith("- "))
    assert first == (
        "- dataset=digits, network=small_cnn, train_size=300, epochs=40, batch_size=32, learning_rate=0.05, "
        "weight_decay=0.0005."
    )


def test_listing_of_one_comparison():
    recipe = with_published(erm=Published(error=1.2, source="paper A", tag="from memory"))
    assert report.listing(recipe) == [
        "  erm        1.2? [1]  ERM",
        "  mixup-0.2            mixup, alpha 0.2: Mixup(alpha=0.2)",
        "  mixup-1.0            mixup, alpha 1.0: Mixup(alpha=1.0)",
        "",
        "Published figures are not ours; ? marks those that were not read at their source.",
        "[1] paper A; from memory.",
    ]


def test_listing_of_several():
    assert report.listing(TWO) == [
        "",
        "  A",
        "  a-erm     ERM",
        "  a-smooth  smooth: label_smoothing=0.1",
        "",
        "  B: network=wide_resnet10_1",
        "  b-erm     ERM",
        "  b-mixup   mixup: Mixup(alpha=0.2), pairs=same_class",
    ]


def test_figures_from_several_machines_say_so():
    found = {"erm": runs([0], [3.0]) + runs([1], [4.0], machine="another", date="2026-02-01 00:00 UTC")}
    table = report.table(RECIPE, found)
    assert [one["machine"] for one in table["environments"]] == ["a machine", "another"]
    assert table["date"] == "2026-02-01 00:00 UTC"


def test_a_smoke_test_says_so():
    assert report.SMOKE in report.markdown(report.table(RECIPE, FOUND, smoke=True))
    assert report.SMOKE not in report.markdown(report.table(RECIPE, FOUND))


def history(epochs):
    return [
        {"loss": 1.0 / (1 + i), "test_error": 20.0 / (1 + i), "test_nll": 0.5, "epoch": i + 1} for i in range(epochs)
    ]


def test_panels_hold_six_lines_at_most_and_each_the_baseline():
    rows = tuple(Row(f"r{i}", f"row {i}", settings={"label_smoothing": i / 20} if i else {}) for i in range(12))
    panels = figures.panels_of(list(rows))
    assert [[row.name for row in panel] for panel in panels] == [
        ["r0", "r1", "r2", "r3"],
        ["r0", "r4", "r5", "r6", "r7"],
        ["r0", "r8", "r9", "r10", "r11"],
    ]
    assert figures.panels_of(list(rows[:1])) == [[rows[0]]]
    assert figures.panels_of(list(rows[:6])) == [list(rows[:6])]


@pytest.mark.parametrize("recipe", [RECIPE, TWO], ids=["one", "two"])
def test_curves_have_a_panel_for_each_score_or_each_network(recipe, tmp_path, monkeypatch):
    titles = []
    figure_file = figures.figure_file

    @contextlib.contextmanager
    def recording(path, **arguments):
        with figure_file(path, **arguments) as figure:
            yield figure
            titles.extend((axes.get_title(loc="left"), len(axes.get_lines())) for axes in figure.axes)

    monkeypatch.setattr(figures, "figure_file", recording)
    found = {row.name: [({"seed": seed}, history(3)) for seed in range(2)] for row in recipe.rows}
    figures.curves(recipe, found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    if recipe is TWO:
        assert titles == [("A", 2), ("B", 2)]
    else:
        expected = ["training loss on own targets", "test error (%)", "test NLL (nats)"]
        assert titles == [(title, 3) for title in expected]


@pytest.mark.parametrize("letters, columns", [(3, 4), (24, 2), (45, 1)])
def test_a_legend_takes_as_few_lines_as_there_is_room_for(tmp_path, letters, columns):
    """Of four titles of so many letters; three columns and one title below would look lost."""
    with figures.figure_file(tmp_path / "legend.png", figsize=(5.0, 3.0)) as figure:
        axes = figure.subplots()
        for i in range(4):
            axes.plot([0, 1], [i, 1], label=letters * str(i))
        figures.legend(figure, axes)
        (written,) = figure.legends
        assert written._ncols == columns and written.get_window_extent().width <= figure.bbox.width
