"""Three ways to choose the epoch that is scored, each row's folds or seeds taken together.

    best      each run's epoch of least test error, as many papers do: too low, as it is chosen on what it is scored on
    common    the one epoch of least mean test error, the same for all runs of a row, as Xu et al. do
    last      the last epoch, which nothing chose

Beside the picture stands `epochs.json`, with the value of each run and the differences between rows, in pairs of the
same seed.
"""

import itertools

import numpy as np

from keras_mixup.zoo import atomic

COLUMNS = {}
NOTE = (
    "`epochs.json`: the test error by three ways to choose the epoch, and the differences between rows with their 95 % "
    "intervals: t, corrected for runs that share training examples (Nadeau and Bengio)."
)
PICTURE = "epochs.png"
WAYS = {"best": "each run's best epoch", "common": "one common epoch", "last": "last epoch"}


def measure(network, recipe, seed, data, folder):
    """What the correction needs to know of a run: how many examples train, and how many test."""
    return {"epochs_sizes": [len(data.training), len(data.test)]}


def chosen(errors):
    """The scores of the runs of a row by each of the `WAYS`.

    Args:
        errors: Test errors `(runs, epochs)`.

    Returns:
        A dict from the way to a dict: `values`, one per run, and `epochs`, counted from 1; the first one of equals.
    """
    errors = np.asarray(errors, "float64")
    runs, last = np.arange(len(errors)), errors.shape[1] - 1
    columns = {
        "best": errors.argmin(axis=1),
        "common": np.full(len(errors), errors.mean(axis=0).argmin()),
        "last": np.full(len(errors), last),
    }
    return {
        way: {"values": errors[runs, column].tolist(), "epochs": (column + 1).tolist()}
        for way, column in columns.items()
    }


def interval(differences, share):
    """The mean of paired differences and its 95 % interval.

        mean +- t(n - 1, 0.975) * sqrt((1 / n + share) * variance)

    Args:
        differences: One per run; of a single one there is no interval.
        share: Test examples over training examples, for runs whose training examples overlap; 0 for independent runs.

    Returns:
        A dict of `mean`, `low`, `high` and `n`.

    Reference:
        Nadeau and Bengio, Inference for the Generalization Error (Machine Learning 52, 2003).
    """
    from scipy.stats import t

    n, mean = len(differences), float(np.mean(differences))
    if n < 2:
        return {"mean": mean, "low": None, "high": None, "n": n}
    half = float(t.ppf(0.975, n - 1) * np.sqrt((1 / n + share) * np.var(differences, ddof=1)))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def summary(recipe, found):
    """What `epochs.json` holds: of each comparison its rows, and of each pair of them the differences."""
    from keras_mixup.zoo.report import comparisons

    tables = []
    for group in comparisons(recipe, [row for row in recipe.rows if row.name in found]):
        rows, share = {}, 0.0
        for row in group:
            results, histories = zip(*found[row.name], strict=True)
            training, test = results[0]["epochs_sizes"]
            share = test / training
            ways = chosen([[epoch["test_error"] for epoch in history] for history in histories])
            rows[row.name] = {"title": str(row.title), "seeds": [result["seed"] for result in results], **ways}
        differences = []
        for first, second in itertools.combinations(rows, 2):
            seeds = [seed for seed in rows[first]["seeds"] if seed in rows[second]["seeds"]]
            for way in WAYS if seeds else ():
                minuend, subtrahend = (
                    [rows[name][way]["values"][rows[name]["seeds"].index(seed)] for seed in seeds]
                    for name in (second, first)
                )
                difference = interval(np.subtract(minuend, subtrahend), share)
                differences.append({"row": second, "minus": first, "way": way, **difference})
        tables.append({"rows": rows, "differences": differences})
    return tables


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
                bars = [(d["high"] or d["mean"]) - d["mean"] for d in found_ones]
                axes.errorbar(means, heights, xerr=bars, **style, elinewidth=0.8, label=label)
            axes.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
            axes.set_yticks(range(1, len(names)), titles[1:])
            axes.set_ylim(len(names) - 0.5, 0.5)
            axes.set_title(common or str(recipe.title))
            axes.set_xlabel(f"error minus {titles[0]} (points)")
        for axes in grid.ravel()[len(tables) :]:
            axes.axis("off")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
        figures.headline(figure, f"{recipe.name}: differences with 95 % intervals, by epoch chosen", smoke)
