"""The pictures of a recipe: learning curves, and what mixing does to a batch. Matplotlib stays inside the functions."""

import contextlib
import io
import itertools
import math

import numpy as np

from keras_mixup.zoo import atomic
from keras_mixup.zoo.ablation import InputsOnly
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.recipe import for_row
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
            columns = 3 if len(rows) in (3, 5, 6) else min(2, len(rows))
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=columns, handlelength=3.2)
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
        values = np.array([[epoch[key] for epoch in history] for _, history in found[row.name]])
        epochs = np.arange(1, values.shape[1] + 1)
        # A logarithmic axis has no place for a band that reaches 0.
        band(axes, epochs, values, i, title, floor=values.min(axis=0) / 2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")


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


def headline(figure, text, smoke=False):
    """Write what a figure shows above it, and that it is but a trial if it is one."""
    figure.suptitle(f"{'SMOKE TEST on generated data; ' * smoke}{text}", fontsize=9, x=0.005, ha="left")


def preview(recipe, data, path, smoke=False):
    """Draw what mixing does: pairs of training images, the mixed image, its weight and its target.

    One block per method that mixes images within the batch; a line of text if there is none. Of a batch of 64 it shows
    the examples at evenly spaced quantiles of the weight, so that a block also shows how strongly the method mixes.

    Args:
        recipe: A `Recipe`.
        data: The source and its training and test split: see `runs.load`.
        path: Where to write the PNG.
        smoke: Whether the data is generated; the title then says so.
    """
    import keras
    import tensorflow as tf

    from keras_mixup.pipeline import mix_with

    rows = _to_preview(recipe)
    size, columns = 64, 7
    source = data.source
    images, labels = next(_in_random_order(data.training, size).as_numpy_iterator())
    if source.transform is not None:
        images = source.features(images)
    if not rows or isinstance(images, dict) or np.ndim(images) < 3:
        with figure_file(path, figsize=(7.2, 0.6)) as figure:
            figure.suptitle(f"{recipe.name} mixes no images in its batches, so there is nothing to show.", fontsize=9)
        return
    images, size = np.asarray(images, "float32"), len(images)
    # Spectrograms have few extreme values, and low frequencies first.
    spectrograms = source.transform is not None
    low, high = np.percentile(images, (1, 99)) if spectrograms else (images.min(), images.max())
    images = np.clip((images - low) / max(high - low, 1e-6), 0, 1)
    origin = "lower" if spectrograms else "upper"
    with figure_file(path, figsize=(7.2, 3.75 * len(rows) + 0.3)) as figure:
        blocks = figure.subfigures(len(rows), 1, squeeze=False, hspace=0.06)[:, 0]
        for block, row in zip(blocks, rows, strict=True):
            # With a target of its own for every example, weight and partner can be read off the mixed targets; and so
            # can nothing be shown but what the pipeline really did.
            batch = tf.data.Dataset.from_tensors((images, np.eye(size, dtype="float32")))
            mixed, shares = next(batch.apply(mix_with(row.method, seed=0)).as_numpy_iterator())
            # Where the batch comes back longer (RegMixup), the mixed examples are the last.
            mixed, shares = keras.ops.convert_to_numpy(mixed)[-size:], shares[-size:]
            weights = np.diag(shares)
            partners = np.argmax(shares - np.diag(weights), axis=1)
            partners = np.where(weights == shares.sum(axis=1), np.arange(size), partners)
            quantiles = (np.arange(columns) + 0.5) / columns
            chosen = np.argsort(-weights)[(quantiles * size).astype(int)]
            grid = block.subplots(3, columns)
            for axes, i in zip(grid.T, chosen, strict=True):
                trio = (images[i], images[partners[i]], mixed[i])
                for cell, image in zip(axes, trio, strict=True):
                    cell.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=1, origin=origin)
                    cell.set(xticks=[], yticks=[])
                    cell.spines[:].set(visible=True, linewidth=0.4, color="0.6")
                first, second = (source.classes[labels[j]] for j in (i, partners[i]))
                axes[0].set_title(first, fontsize=8, loc="center", pad=3)
                axes[1].set_title(second, fontsize=8, loc="center", pad=3)
                target = _target([(shares[i, j], source.classes[labels[j]]) for j in np.argsort(-shares[i])])
                axes[2].set_xlabel(f"weight {weights[i]:.2f}\n{target}", fontsize=7.5)
            for cell, name in zip(grid[:, 0], ("original", "partner", "mixed"), strict=True):
                cell.set_ylabel(name, fontsize=9)
            formula = "mixed = weight × original + (1 − weight) × partner"
            if getattr(row.method, "partners", 1) > 1:
                formula += " + ..., the partner of the largest share being shown"
            if row.method.cuts:
                formula = "weight = share of the original's pixels"
            block.suptitle(f"{row.title}:  {formula}", fontsize=9, x=0.01, ha="left")
        if smoke:
            figure.suptitle("SMOKE TEST on generated data", fontsize=9)


def _in_random_order(split, size):
    """Batches of a training split: as stored, it may begin with one class alone."""
    if isinstance(split, Arrays):
        return split.part(np.random.default_rng(0).permutation(len(split))[:size]).batches(size)
    return split.batches(size, seed=0)


def _to_preview(recipe):
    """A row for each method whose work shows in its images, and whose weights show in its targets."""
    rows = {}
    for row in recipe.rows:
        setting = for_row(recipe, row)
        elsewhere = setting.at or setting.pairs != "random" or getattr(row.method, "needs_network", False)
        if row.method is not None and not elsewhere and not isinstance(row.method, InputsOnly):
            rows.setdefault(repr(row.method), row)
    return list(rows.values())


def _target(shares):
    """A mixed target in words; `shares` are pairs of a share and a class, the largest first."""
    total = {}
    for share, name in shares:
        total[name] = total.get(name, 0.0) + share
    terms = [f"{share:.2f} × {name}" for name, share in total.items() if share >= 0.005]
    return "target:\n" + ("\n+ ".join(terms) if len(terms) > 1 else next(iter(total)))


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
