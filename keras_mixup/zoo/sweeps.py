"""A score against one or two values: all values of a sweep in one picture. Matplotlib stays inside the functions."""

import itertools

import numpy as np

from keras_mixup.zoo import verdicts
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.figures import LINES, figure_file, headline

PICTURE = "sweep.png"


def parse(assignments):
    """What to sweep over.

    Args:
        assignments: One or two strings such as `"alpha=0,0.1,0.2"`.

    Returns:
        A dict from names to lists of values, as text, each once.

    Raises:
        UserError: If they are not like that.
    """
    values = {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        found = [value.strip() for value in text.split(",") if value.strip()]
        if not (name.isidentifier() and found) or name in values:
            raise UserError(
                "A sweep should be over NAME=VALUE,VALUE,..., each name once, such as alpha=0,0.2,1. "
                f"Received: {assignment}."
            )
        values[name] = list(dict.fromkeys(found))
    if len(values) > 2:
        raise UserError(f"A sweep should be over one name or two. Received: {', '.join(values)}.")
    return values


def interval(statistic):
    """The ends of the 95 % interval of a mean, or twice the mean if it is of a single run."""
    ends = verdicts.difference(statistic["values"])["interval"]
    return ends or [statistic["mean"], statistic["mean"]]


def draw(table, scores, values, places, path):
    """Draw scores against the values of a sweep: a panel for each score.

    Over one name it shows the mean of each value in its 95 % interval, and the baseline, if there is one, as a line in
    a band; over two names the means as a heat map.

    Args:
        table: The table of the sweep's recipe.
        scores: The scores to draw, as a dict from their names to headings and digits.
        values: What was varied: a dict from names to lists of values.
        places: A dict from the names of rows to tuples of values.
        path: Where to write the PNG.
    """
    rows = {row["name"]: row for row in table["rows"]}
    baseline = next((row for name, row in rows.items() if name not in places), None)
    scores = {key: score for key, score in scores.items() if all(key in row for row in rows.values())}
    width = 3.2 if len(values) == 1 else 1.4 + 0.62 * len(list(values.values())[-1])
    height = 3.2 if len(values) == 1 else 1.3 + 0.45 * len(next(iter(values.values())))
    with figure_file(path, figsize=(max(width, 2.6) * len(scores), height)) as figure:
        for axes, (key, (heading, digits)) in zip(
            np.ravel(figure.subplots(1, len(scores))), scores.items(), strict=True
        ):
            found = {places[name]: row[key] for name, row in rows.items() if name in places}
            (_line if len(values) == 1 else _map)(axes, found, values, baseline and baseline[key], digits)
            axes.set_title(heading)
        what = "mean and 95 % interval" if len(values) == 1 else "mean"
        compared = f"; grey: {baseline['title']}" if baseline and len(values) == 1 else ""
        headline(figure, f"{table['recipe']}: {what} over seeds{compared}", table["smoke"])


def _line(axes, found, values, baseline, digits):
    """One score against the values of one name."""
    ((name, texts),) = values.items()
    shown = [text for text in texts if (text,) in found]
    x = np.arange(len(shown))
    means = np.array([found[text,]["mean"] for text in shown])
    ends = np.array([interval(found[text,]) for text in shown]).T
    if baseline:
        low, high = interval(baseline)
        axes.axhspan(low, high, color="0.9", linewidth=0, zorder=0)
        axes.axhline(baseline["mean"], color="0.45", linewidth=1.0, zorder=1)
    style = {**LINES[1], "markersize": 5, "markerfacecolor": "white", "linewidth": 1.2, "capsize": 2.5}
    axes.errorbar(x, means, yerr=np.abs(ends - means), **style)
    # The values are evenly spaced: they often are 0 and powers, and may be words.
    axes.set_xticks(x, shown)
    axes.set_xlabel(name)


def _map(axes, found, values, baseline, digits):
    """One score for all combinations of the values of two names."""
    (down, lines), (across, columns) = values.items()
    grid = np.full((len(lines), len(columns)), np.nan)
    for (i, line), (j, column) in itertools.product(enumerate(lines), enumerate(columns)):
        if (line, column) in found:
            grid[i, j] = found[line, column]["mean"]
    image = axes.imshow(grid, cmap="cividis", aspect="auto")
    middle = np.nanmean([np.nanmin(grid), np.nanmax(grid)])
    for i, j in np.argwhere(np.isfinite(grid)):
        color = "white" if grid[i, j] <= middle else "black"
        axes.text(j, i, f"{grid[i, j]:.{digits}f}", ha="center", va="center", fontsize=7.5, color=color)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(lines)), lines)
    axes.set(xlabel=across, ylabel=down)
    axes.spines[:].set(visible=False)
    axes.tick_params(length=0)
    axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    if baseline:
        axes.set_xlabel(f"{across}\nbaseline {baseline['mean']:.{digits}f}")
