"""Recipes for tables: those that a recipe names, or any CSV file with `--set csv=FILE --set target=COLUMN`."""

import dataclasses
from typing import ClassVar

import numpy as np

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.pairing import LabelDistance
from keras_mixup.zoo import report, runs
from keras_mixup.zoo.classifiers import load, steps, train  # noqa: F401
from keras_mixup.zoo.datasets import tables
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.figures import LINES, figure_file
from keras_mixup.zoo.recipe import Recipe, Row
from keras_mixup.zoo.report import show, table, write  # noqa: F401

PICTURES = ("differences.png",)
NO_PREVIEW = "tables have no images"
ONE_DEVICE_ONLY = False
# The bandwidth of C-Mixup in standard deviations of the target: that of the paper for airfoil, 1.75, is a quarter.
BANDWIDTH = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class TabularRecipe(Recipe):
    """A recipe whose rows a CSV file can replace.

    Args:
        csv: The file, or `""`.
        target: Of the file: the column to predict, by name, or by number from 0, or from -1 backwards.
    """

    csv: str = ""
    target: str = "-1"

    study: ClassVar = "keras_mixup.zoo.tabular"
    ranges: ClassVar = {
        **Recipe.ranges,
        "csv": ("the path of a CSV file", lambda x: True),
        "target": ("a column of the CSV file", lambda x: True),
    }

    def __post_init__(self):
        if self.csv:
            dataset = f"csv:{self.csv}:{self.target}"
            object.__setattr__(self, "dataset", dataset)
            if any("dataset" in row.settings for row in self.rows):
                object.__setattr__(self, "rows", csv_rows(self.csv, self.target))
        elif self.target != "-1":
            raise UserError(f"`target` should come with a CSV file, `csv`. Received: target={self.target}.")
        super().__post_init__()


def csv_rows(path, target):
    """What is compared on a CSV file: plain training, mixup, and the method for its kind of target."""
    found = tables.read_csv(path, target)
    if found.regression:
        bandwidth = float(f"{BANDWIDTH * np.std(found.labels):.2g}")
        near = Mixup(2.0, per="batch", pairing=LabelDistance(bandwidth))
        return (
            Row("erm", "ERM"),
            Row("mixup", "mixup, alpha 2", Mixup(2.0, per="batch")),
            Row("c-mixup", "C-Mixup, alpha 2", near),
        )
    return (
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 0.2", Mixup(0.2, per="batch")),
        Row("mixupe", "MixupE, alpha 0.2, eta 0.01", MixupE(0.2, eta=0.01)),
    )


def packages(recipe, smoke):
    """The packages that a run needs beside those that every recipe does."""
    if recipe.csv:
        _tell(recipe.csv, recipe.target)
    return (("sklearn", "scikit-learn"),)


def _tell(path, target):
    """Say how a CSV file was understood."""
    found = tables.read_csv(path, target)
    rows, columns = found.features.shape
    categories = sum(map(bool, found.categories))
    kind = "a number" if found.regression else f"one of {len(found.classes)} classes"
    print(
        f"{path}: {rows} rows; of {columns} columns {columns - categories} hold numbers and {categories} categories, "
        f"{int(np.isnan(found.features).sum())} cells are missing; to predict: {kind}."
    )
    if found.left_out:
        print(f"Left out, being text that is different in every row: {', '.join(found.left_out)}.")


def smoke(recipe):
    """The same recipe cut down to two steps of every row."""
    return runs.smoke_recipe(recipe)


def progress(recipe, record):
    """What to show of a record: where it stands, and how good."""
    score = f"RMSE {record['test_rmse']:.3f}" if "test_rmse" in record else f"error {record['test_error']:.2f} %"
    return f"epoch {record['epoch']}", f"loss {record['loss']:.3f}, test {score}"


def summary(result):
    """What to print of a finished run."""
    if "rmse" in result:
        scores = f"RMSE {result['rmse']:.3f}, MAE {result['mae']:.3f}"
    else:
        scores = f"error {result['error']:.2f} %, NLL {result['nll']:.3f}, ECE {result['ece']:.2f} %"
    return f"{scores}, {result['seconds']:.1f} s"


def draw(recipe, found, out, smoke=False):
    """Draw by how much each method changes the score of plain training, data set by data set, seed by seed."""
    panels = {}
    for group in report.comparisons(recipe, [row for row in recipe.rows if row.name in found]):
        common, titles = report.split_titles([row.title for row in group])
        *name, budget = common.split(", ") if common else [recipe.title]
        changes = [_changes(found[group[0].name], found[row.name]) for row in group[1:]]
        panels.setdefault((budget, *titles), []).append((", ".join(name), changes))
    heights = [0.5 + 0.16 * sum(1 + len(changes) for _, changes in sets) for sets in panels.values()]
    with figure_file(out / PICTURES[0], figsize=(6.4, sum(heights) + 0.5 * len(panels) + 0.5)) as figure:
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, ((budget, baseline, *methods), sets) in zip(grid, panels.items(), strict=True):
            _panel(axes, methods, sets)
            axes.set_title(budget)
            axes.set_xlabel(f"test error or RMSE against {baseline}, % of its mean")
        warning = "SMOKE TEST on generated data; " if smoke else ""
        figure.suptitle(
            f"{warning}{recipe.name}: left of the line is better; dots: splits, bars: two standard errors of the mean",
            fontsize=8,
            x=0.005,
            ha="left",
        )


def _changes(baseline, runs):
    """The differences to the baseline in the first score, seed by seed, in percent of its mean."""
    key = "rmse" if "rmse" in runs[0][0] else "error"
    reference = {result["seed"]: result[key] for result, _ in baseline}
    differences = [result[key] - reference[result["seed"]] for result, _ in runs if result["seed"] in reference]
    # Where plain training makes no error, a percentage has no meaning: points are drawn instead.
    return 100.0 * np.array(differences) / (np.mean(list(reference.values())) or 100.0)


def _panel(axes, methods, sets):
    """The changes of several methods on several data sets, a line for each of both."""
    step = 1 + len(methods)
    for i, (_, changes) in enumerate(sets):
        for j, values in enumerate(changes):
            line, y = LINES[1 + j % (len(LINES) - 1)], i * step + j
            style = {"color": line["color"], "marker": line["marker"], "linestyle": "none"}
            axes.plot(values, np.full(len(values), y), markersize=2.2, alpha=0.35, markeredgewidth=0, **style)
            if len(values):
                error = 2.0 * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
                label = methods[j] if i == 0 else None
                axes.errorbar(np.mean(values), y, xerr=error, markersize=5, elinewidth=1.2, label=label, **style)
    axes.axvline(0.0, color="0.5", linewidth=0.8, zorder=0)
    axes.set_yticks([i * step + (len(methods) - 1) / 2 for i in range(len(sets))], [name for name, _ in sets])
    axes.set_ylim(len(sets) * step - 1.2, -0.8)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5)


def preview(recipe, data, path, smoke=False):
    """There is none."""
