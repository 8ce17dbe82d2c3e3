"""Three ways to choose the epoch that is scored, each row's folds or seeds taken together.

    best      each run's epoch of least test error, as many papers do: too low, as it is chosen on what it is scored on
    common    the one epoch of least mean test error, the same for all runs of a row, as Xu et al. do
    last      the last epoch, which nothing chose

Beside the picture stands `epochs.json`, with the value of each run and the differences between rows, in pairs of the
same seed.
"""

import itertools

import numpy as np

from keras_mixup.zoo import atomic, datasets, verdicts
from keras_mixup.zoo.recipe import for_row

COLUMNS = {}
NOTE = (
    "`epochs.json`: the test error by three ways to choose the epoch, and the differences between rows with their 95 % "
    "intervals, by the test that the table names."
)
PICTURE = "epochs.png"
WAYS = {"best": "each run's best epoch", "common": "one common epoch", "last": "last epoch"}


def measure(network, recipe, seed, data, folder):
    """Nothing of the trained network: the records of all epochs are there."""
    return {}


def chosen(errors, epochs):
    """The scores of the runs of a row by each of the `WAYS`.

    Args:
        errors: Test errors `(runs, epochs)`.
        epochs: The numbers of the epochs, from 1.

    Returns:
        A dict from the way to a dict: `values` and `epochs`, one per run; the first one of equals.
    """
    errors, epochs = np.asarray(errors, "float64"), np.asarray(epochs)
    runs, last = np.arange(len(errors)), errors.shape[1] - 1
    columns = {
        "best": errors.argmin(axis=1),
        "common": np.full(len(errors), errors.mean(axis=0).argmin()),
        "last": np.full(len(errors), last),
    }
    return {
        way: {"values": errors[runs, column].tolist(), "epochs": epochs[column].tolist()}
        for way, column in columns.items()
    }


def summary(recipe, found):
    """What `epochs.json` holds: of each comparison its rows, and of each pair of them the differences."""
    from keras_mixup.zoo import figures
    from keras_mixup.zoo.report import comparisons

    tables = []
    for group in comparisons(recipe, [row for row in recipe.rows if row.name in found]):
        rows, splitting = {}, datasets.get(for_row(recipe, group[0]).dataset).splitting
        for row in group:
            results = [result for result, _ in found[row.name]]
            epochs, errors = figures.by_epoch(found[row.name], "test_error")
            ways = chosen(errors, epochs)
            seeds, sizes = [result["seed"] for result in results], [verdicts.sizes(result) for result in results]
            rows[row.name] = {"title": str(row.title), "seeds": seeds, "sizes": sizes, **ways}
        differences = []
        for first, second in itertools.combinations(rows, 2):
            for way in WAYS:
                difference = verdicts.against(_runs(rows[second], way), _runs(rows[first], way), way, splitting)
                if difference is not None:
                    differences.append({"row": second, "minus": first, "way": way, **difference})
        tables.append({"rows": rows, "differences": differences})
    return tables


def _runs(row, way):
    """Of each run of a row what `verdicts.against` takes."""
    return [
        {"seed": seed, way: value, **({"sizes": sizes} if sizes else {})}
        for seed, sizes, value in zip(row["seeds"], row["sizes"], row[way]["values"], strict=True)
    ]


def draw(recipe, found, path, smoke=False):
    """Write `epochs.json`, and draw the differences to the first row: a panel for each comparison."""
    from keras_mixup.zoo import figures
    from keras_mixup.zoo.report import split_titles

    tables = summary(recipe, found)
    atomic.write(path.with_suffix(".json"), tables)
    columns = min(3, len(tables))
    lines = -(-len(tables) // columns)
    with figures.figure_file(path, figsize=(0.6 + 3.2 * columns, 0.9 + 2.0 * lines)) as figure:
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, one in zip(grid.ravel(), tables, strict=False):
            names = list(one["rows"])
            common, titles = split_titles([one["rows"][name]["title"] for name in names])
            for i, (way, label) in enumerate(WAYS.items()):
                style = {**figures.LINES[i], "linestyle": "", "markersize": 4, "markerfacecolor": "white"}
                found_ones = [d for d in one["differences"] if d["minus"] == names[0] and d["way"] == way]
                heights = [names.index(d["row"]) + 0.22 * (i - 1) for d in found_ones]
                means = [d["mean"] for d in found_ones]
                bars = [d["interval"][1] - d["mean"] if d["interval"] else 0.0 for d in found_ones]
                axes.errorbar(means, heights, xerr=bars, **style, elinewidth=0.8, label=label)
            axes.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
            axes.set_yticks(range(1, len(names)), titles[1:])
            axes.set_ylim(len(names) - 0.5, 0.5)
            axes.set_title(common or str(recipe.title))
            axes.set_xlabel(f"error minus {titles[0]} (points)")
        for axes in grid.ravel()[len(tables) :]:
            axes.axis("off")
        figures.legend(figure, grid[0, 0])
        figures.headline(figure, f"{recipe.name}: differences with 95 % intervals, by epoch chosen", smoke)
