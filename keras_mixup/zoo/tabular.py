"""Recipes for tables: those that a recipe names, or any CSV file with `--set csv=FILE --set target=COLUMN`."""

import dataclasses

import numpy as np

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.pairing import LabelDistance
from keras_mixup.zoo import atomic, report
from keras_mixup.zoo.classifiers import Classifiers
from keras_mixup.zoo.datasets import tables
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.figures import LINES, figure_file, headline
from keras_mixup.zoo.recipe import Recipe, Row, setting
from keras_mixup.zoo.report import SCORES, spread
from keras_mixup.zoo.verdicts import known

# The bandwidth of C-Mixup in standard deviations of the target: that of the paper for airfoil, 1.75, is a quarter.
BANDWIDTH = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class TabularRecipe(Recipe):
    """A recipe whose rows a CSV file can replace.

    Args:
        csv: The file, or `""`.
        target: Of the file: the column to predict, by name, or by number from 0, or from -1 backwards.
    """

    csv: str = setting("the path of a CSV file", lambda x: True, default="", kind="data")
    target: str = setting("a column of the CSV file", lambda x: True, default="-1", kind="data")

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
            Row("c-mixup", "C-Mixup, alpha 2", near, settings={"pairs": "near_targets"}),
        )
    return (
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 0.2", Mixup(0.2, per="batch")),
        Row("mixupe", "MixupE, alpha 0.2, eta 0.01", MixupE(0.2, eta=0.01)),
    )


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


def by_budget(table):
    """The rows of a table, as a dict from budgets to dicts from data sets to dicts from methods to rows."""
    budgets = {}
    for row in table["rows"]:
        parts = row["parts"]
        if "dataset" not in row["settings"]:  # of a file
            name, budget, method = "", table["dataset"], row["title"]
        elif len(parts) > 2:
            name, budget, method = parts[0], parts[1], ", ".join(parts[2:])
        else:
            name, budget, method = row["settings"]["dataset"], table["title"], row["title"]
        budgets.setdefault(budget, {}).setdefault(name, {})[method] = row
    return budgets


def methods(sets):
    """The methods of a budget, in the order of the recipe."""
    return list(dict.fromkeys(method for rows in sets.values() for method in rows))


def grids(table):
    """The table as text: a list of budgets, each with its name, the headings, and a list of lines, one per data set."""
    marks = report.sources(table)
    published = ["published"] if marks else []
    return [
        (
            budget,
            ["", "n", *methods(sets), *published],
            [line for name, rows in sets.items() for line in _lines(name, rows, methods(sets), marks)],
        )
        for budget, sets in by_budget(table).items()
    ]


def _lines(name, rows, methods, marks):
    """The lines of a data set: the first score, and for numbers the percentage as well."""
    first = next(iter(rows.values()))
    counts = "/".join(dict.fromkeys(str(row["n"]) for row in rows.values()))
    for key in [key for key in (first["headline"], "mape") if key in first]:
        heading, digits = SCORES[key]
        line = [", ".join(filter(None, [name, heading])), counts]
        for row in map(rows.get, methods):
            against = row["against_baseline"] if row and key == row["headline"] else None
            told = f" ({known(against, digits)})" if against else ""
            line.append((spread(row[key], digits) if row else "") + told)
        if marks:
            papers = [report.published(row["published"], marks) for row in rows.values() if row["published"]]
            # The source, which all of them share, is named once.
            figures = [paper.partition(" [")[0] for paper in papers[:-1]] + papers[-1:]
            line.append(" / ".join(figures) if key == first["headline"] else "")
        yield line


def _panel(axes, sets, named):
    """The changes by several methods on several data sets, a line for each of both."""
    from matplotlib.transforms import ScaledTranslation

    compared = [m for m in methods(sets) if any(m in rows and rows[m]["baseline"] for rows in sets.values())]
    for i, rows in enumerate(sets.values()):
        for j, method in enumerate(compared):
            line, y = LINES[1 + j % (len(LINES) - 1)], i * (1 + len(compared)) + j
            style = {"color": line["color"], "marker": line["marker"], "linestyle": "none"}
            # Only the labels: a method may be missing on the first data set.
            axes.plot([], [], markersize=5, label=method if i == 0 else None, **style)
            if method in rows and rows[method]["against_baseline"]:
                # Where plain training makes no error, a percentage has no meaning: points are drawn instead.
                plain = named[rows[method]["baseline"]]
                unit = plain[plain["headline"]]["mean"] / 100.0 or 1.0
                against = rows[method]["against_baseline"]
                values = np.array(against["values"]) / unit
                axes.plot(values, np.full(len(values), y), markersize=2.5, alpha=0.4, markeredgewidth=0, **style)
                reach = against["interval"][1] - against["mean"] if against["interval"] else 0.0
                axes.errorbar(np.mean(values), y, xerr=reach / unit, markersize=5, elinewidth=1.2, **style)
    axes.axvline(0.0, color="0.5", linewidth=0.8, zorder=0)
    step = 1 + len(compared)
    axes.set_yticks([i * step + (len(compared) - 1) / 2 for i in range(len(sets))], list(sets))
    axes.set_ylim(len(sets) * step - 1.2, -0.8)
    axes.tick_params(axis="y", length=0)
    if compared:
        below = axes.transAxes + ScaledTranslation(0.0, -0.5, axes.figure.dpi_scale_trans)  # inches: under the label
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.0), bbox_transform=below, fontsize=7.5)


def draw(table, path):
    """Draw the differences of a table of many data sets.

    Args:
        table: What `Tabular.table` gave, or the content of its `table.json`.
        path: Where to write the PNG.
    """
    panels, named = by_budget(table), {row["name"]: row for row in table["rows"]}
    height = 1.8 + 0.16 * max(len(sets) * len(methods(sets)) for sets in panels.values())
    with figure_file(path, figsize=(max(4.4 * len(panels), 5.6), height)) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (budget, sets) in zip(grid, panels.items(), strict=True):
            _panel(axes, sets, named)
            axes.set_title(budget)
            score = "RMSE" if any("rmse" in row for rows in sets.values() for row in rows.values()) else "test error"
            axes.set_xlabel(f"{score}, change in % of plain training's")
        text = f"{table['recipe']}: left of the line is better; dots: splits, bars: 95 % intervals of the mean"
        headline(figure, text, table["smoke"])


class Tabular(Classifiers):
    """Networks for tables: one line for each data set, one column for each method."""

    pictures = ("differences.png", "preview.png")

    def packages(self, smoke=False):
        if self.recipe.csv:
            _tell(self.recipe.csv, self.recipe.target)
        self._needs()
        return (("sklearn", "scikit-learn"),)

    def notes(self, table):
        return [
            "In brackets the difference to the first column. Published figures in the order of the columns. NLL, ECE "
            "and MAE are in table.json.",
            *report.notes(table),
        ]

    def write(self, table, out):
        text = [f"# {table['title']}", *([f"**{report.SMOKE}**"] if table["smoke"] else [])]
        for budget, header, lines in grids(table):
            align = ["---"] + ["---:"] * (len(header) - 1)
            text += [f"## {budget}", "\n".join("| " + " | ".join(line) + " |" for line in [header, align, *lines])]
        text.append("\n".join(f"- {note}" for note in self.notes(table)))
        atomic.write(out / "table.json", table)
        atomic.write(out / "table.md", "\n\n".join(text) + "\n")

    def show(self, table, console):
        import rich.box
        import rich.table

        if table["smoke"]:
            console.print(report.SMOKE, style="bold")
        for budget, header, lines in grids(table):
            grid = rich.table.Table(title=budget, title_justify="left", box=rich.box.SIMPLE_HEAD, pad_edge=False)
            for i, heading in enumerate(header):
                grid.add_column(heading, justify="right" if i else "left")
            for line in lines:
                grid.add_row(*line)
            console.print(grid)

    def draw(self, found, out, smoke=False):
        """Draw by how much each method changes the score of plain training, data set by data set, split by split."""
        draw(self.table(found, smoke), out / self.pictures[0])
        return self.pictures
