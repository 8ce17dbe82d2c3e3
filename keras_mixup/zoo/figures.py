"""The style of all pictures, and learning curves. Matplotlib stays inside the functions."""

import contextlib
import io
import itertools
import math

import numpy as np

from keras_mixup.zoo import atomic
from keras_mixup.zoo.report import comparisons, split_titles

# Dark to light in grey, told apart by the colour-blind (Okabe and Ito), and each with its own dashes and marker.
LINES = (
    {"color": "#000000", "linestyle": "-", "marker": "o"},
    {"color": "#0072b2", "linestyle": (0, (5, 1.5)), "marker": "s"},
    {"color": "#d55e00", "linestyle": (0, (1.5, 1.2)), "marker": "^"},
    {"color": "#009e73", "linestyle": (0, (6, 1.5, 1.5, 1.5)), "marker": "D"},
    {"color": "#cc79a7", "linestyle": (0, (3, 3)), "marker": "v"},
    {"color": "#e69f00", "linestyle": (0, (8, 2)), "marker": "P"},
)
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
    "legend.frameon": False,
    "savefig.dpi": 200,
}


PANELS = {
    "loss": "training loss on own targets",
    "test_error": "test error (%)",
    "test_rmse": "test RMSE",
    "test_nll": "test NLL (nats)",
    "test_mae": "test MAE",
}


def curves(recipe, found, path, smoke=False):
    """Draw training loss, test error and test NLL against the epoch: the mean over seeds, in a band of one deviation.

    Of rows that differ in more than how they train, or of many, only the test error is drawn: a panel for each network,
    data set and budget, or more of them, each with the baseline.

    Args:
        recipe: A `Recipe`.
        found: The finished runs, from `runs.collect`.
        path: Where to write the PNG.
        smoke: Whether the runs are trials on generated data; the title then says so.
    """
    rows = [row for row in recipe.rows if row.name in found]
    panels = [panel for group in comparisons(recipe, rows) for panel in panels_of(group)]
    text = f"{recipe.name}: mean and band of one standard deviation over seeds, logarithmic axes"
    if len(panels) == 1:
        keys = [key for key in PANELS if key in found[rows[0].name][0][1][-1]]
        with figure_file(path, figsize=(3.2 * len(keys), 3.4)) as figure:
            for axes, key in zip(np.ravel(figure.subplots(1, len(keys))), keys, strict=True):
                _lines(axes, rows, [row.title for row in rows], found, key)
                axes.set_title(PANELS[key])
            legend(figure, axes, handlelength=3.2)
            headline(figure, text, smoke)
        return
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    with figure_file(path, figsize=(3.7 * columns, 2.9 * lines + 0.3)) as figure:
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            key = next(key for key in ("test_error", "test_rmse") if key in found[panel[0].name][0][1][-1])
            common, titles = split_titles([row.title for row in panel])
            _lines(axes, panel, titles, found, key)
            axes.set_title(common)
            axes.set_ylabel(PANELS[key])
            axes.legend(loc="best", handlelength=3.2, fontsize=7.5, frameon=True, edgecolor="none")
        for axes in grid[len(panels) :]:
            axes.axis("off")
        headline(figure, text, smoke)


def panels_of(rows):
    """Rows that are compared with their first, in even parts that one panel can hold."""
    baseline, others = rows[:1], rows[1:]
    number = max(1, math.ceil(len(others) / (len(LINES) - 1)))
    ends = [len(others) * part // number for part in range(number + 1)]
    return [baseline + others[start:end] for start, end in itertools.pairwise(ends)]


def _lines(axes, rows, titles, found, key):
    """One score of several rows, a line each."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    for i, (row, title) in enumerate(zip(rows, titles, strict=True)):
        epochs, values = by_epoch(found[row.name], key)
        # A logarithmic axis has no place for a band that reaches 0.
        band(axes, epochs, values, i, title, floor=values.min(axis=0) / 2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")


def by_epoch(pairs, key):
    """A score of the runs of a row: the epochs whose records have it `(points,)`, and its values `(runs, points)`."""
    histories = [[record for record in history if key in record] for _, history in pairs]
    epochs = np.array([record["epoch"] for record in histories[0]])
    return epochs, np.array([[record[key] for record in history] for history in histories])


def band(axes, x, values, number, title, floor=-np.inf):
    """Draw the mean of several curves in a band of one standard deviation.

    Args:
        axes: Of Matplotlib.
        x: What they are drawn against, `(points,)`.
        values: The curves, one per seed: `(seeds, points)`.
        number: Which of `LINES` to draw it as.
        title: For the legend.
        floor: The band goes no lower than this.
    """
    values, line = np.asarray(values, "float64"), LINES[number % len(LINES)]
    mean, every = values.mean(axis=0), (number * len(x) // 24, max(1, len(x) // 8))
    label = f"{title} (n = {len(values)})"
    axes.plot(x, mean, **line, markevery=every, markersize=4, markerfacecolor="white", linewidth=1.3, label=label)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        low = np.maximum(mean - spread, floor)
        axes.fill_between(x, low, mean + spread, color=line["color"], alpha=0.15, linewidth=0)


def legend(figure, axes, **options):
    """Write the legend of `axes` below the figure, in as few lines as there is room for."""
    handles, labels = axes.get_legend_handles_labels()
    for lines in range(1, len(labels) + 1):
        columns = -(-len(labels) // lines)
        written = figure.legend(handles, labels, loc="outside lower left", ncols=columns, **options)
        if columns == 1 or written.get_window_extent().width <= figure.bbox.width:
            return
        written.remove()


def headline(figure, text, smoke=False):
    """Write what a figure shows above it, and that it is but a trial if it is one."""
    figure.suptitle(f"{'SMOKE TEST on generated data; ' * smoke}{text}", fontsize=9, x=0.005, ha="left", wrap=True)


@contextlib.contextmanager
def figure_file(path, **arguments):
    """A figure in the zoo's style, written to `path` in the end."""
    import matplotlib

    # Not pyplot: it would choose a backend for the whole process, perhaps a notebook's.
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained", **arguments)
        yield figure
        content = io.BytesIO()
        figure.savefig(content, format="png")
        atomic.write(path, content.getvalue())
