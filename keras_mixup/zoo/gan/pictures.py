"""The pictures of the recipes for GANs. Matplotlib stays inside the functions."""

import itertools

import numpy as np

from keras_mixup.zoo.figures import LINES, figure_file
from keras_mixup.zoo.gan import mixtures

MORE_LINES = (*LINES, {"color": "#56b4e9", "linestyle": (0, (2, 1)), "marker": "X"})
MOST_LINES = 6  # of one block
REACH = 1.5
REAL = 2000
SMOKE = "SMOKE TEST; "


def samples(recipe, kept, path, smoke=False):
    """Draw samples as training goes on, a strip of panels for each row of the recipe, with real points behind them.

    Args:
        recipe: A `ToyRecipe`.
        kept: A dict from names of rows to dicts from iterations, as strings, to arrays `(samples, 2)`.
        path: Where to write the PNG.
        smoke: Whether the runs are trials; the title then says so.
    """
    blocks = _side_by_side([row for row in recipe.rows if row.name in kept])
    iterations = list(kept[blocks[0][0].name])
    cell, lines = 1.2, max(map(len, blocks))
    size = (len(blocks) * (cell * len(iterations) + 0.4), cell * lines + 0.6)
    with figure_file(path, figsize=size) as figure:
        for part, rows in zip(figure.subfigures(1, len(blocks), squeeze=False)[0], blocks, strict=True):
            grid = part.subplots(lines, len(iterations), squeeze=False)
            for strip, row in zip(grid, rows, strict=False):
                real = mixtures.mixture(row.method.data).sample(REAL, seed=(5, 6)).numpy()
                color = LINES[2]["color"] if row.method.alpha else LINES[1]["color"]
                for axes, iteration in zip(strip, iterations, strict=True):
                    _points(axes, real, kept[row.name][iteration], color)
                strip[0].set_ylabel("\n".join(row.title.parts), fontsize=7.5)
            for axes in grid[len(rows) :].ravel():
                axes.axis("off")
            for axes, iteration in zip(grid[0], iterations, strict=True):
                axes.set_title(f"iteration {int(iteration):,}", fontsize=8, loc="center")
        warning = SMOKE if smoke else ""
        what = "grey: data, blue: samples of a plain GAN, orange: of one with mixup"
        figure.suptitle(f"{warning}{what}", fontsize=8, x=0.01, ha="left")


def _side_by_side(rows):
    """Rows in blocks that together have the form of a screen: one for each kind of data, or two of one kind."""
    kinds = list(dict.fromkeys(row.method.data for row in rows))
    if len(kinds) > 1:
        return [[row for row in rows if row.method.data == kind] for kind in kinds]
    half = -(-len(rows) // 2)
    return [rows] if len(rows) <= MOST_LINES else [rows[:half], rows[half:]]


def _points(axes, real, generated, color):
    """Draw generated points over real ones, and say how many of them are outside of the panel."""
    axes.scatter(*real.T, s=5, color="0.75", linewidths=0, rasterized=True)
    axes.scatter(*generated.T, s=1.2, color=color, linewidths=0, rasterized=True)
    axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(visible=True, linewidth=0.4, color="0.6")
    beyond = np.mean(np.any(np.abs(generated) > REACH, axis=1))
    if beyond >= 0.005:
        label = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        words = f"{beyond:.0%} outside"
        axes.text(0.97, 0.03, words, transform=axes.transAxes, fontsize=6, ha="right", bbox=label)


def curves(recipe, found, key, label, path, smoke=False, scale="linear"):
    """Draw a score against the iteration, a panel for each kind of data: the mean over seeds, from worst to best seed.

    Args:
        recipe: A `ToyRecipe` or `ImagesRecipe`.
        found: The finished runs, from `runs.collect`.
        key: Of the score in the records.
        label: Of the axis, with the unit.
        path: Where to write the PNG.
        smoke: Whether the runs are trials; the title then says so.
        scale: Of the axis: `"linear"` or `"log"`.
    """
    rows = [row for row in recipe.rows if row.name in found]
    kinds = list(dict.fromkeys(row.method.data for row in rows))
    with figure_file(path, figsize=(2.0 + max(3.6, 2.7 * len(kinds)), 2.9)) as figure:
        for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0], kinds, strict=True):
            group = [row for row in rows if row.method.data == kind]
            for line, row in zip(itertools.cycle(MORE_LINES), group, strict=False):
                values = np.array([[record[key] for record in history] for _, history in found[row.name]])
                iterations = [record["iteration"] for record in found[row.name][0][1]]
                axes.plot(
                    iterations,
                    values.mean(axis=0),
                    **line,
                    markersize=3.5,
                    markerfacecolor="white",
                    linewidth=1.2,
                    label=", ".join(row.title.parts[len(kinds) > 1 :]) or row.title,
                )
                if len(values) > 1:
                    axes.fill_between(
                        iterations,
                        values.min(axis=0),
                        values.max(axis=0),
                        color=line["color"],
                        alpha=0.1,
                        linewidth=0,
                    )
            axes.set_xscale("log")
            axes.set_yscale(scale)
            axes.set_xlabel("iteration")
            axes.set_title(group[0].title.parts[0] if len(kinds) > 1 else recipe.name)
            if kind == kinds[0]:
                axes.set_ylabel(label)
                figure.legend(
                    *axes.get_legend_handles_labels(), loc="outside right upper", handlelength=3.2, fontsize=7
                )
        warning = SMOKE if smoke else ""
        figure.suptitle(f"{warning}mean over seeds, band from the lowest to the highest", fontsize=8, x=0.01, ha="left")


def grids(recipe, kept, path, smoke=False):
    """Draw images in blocks.

    Args:
        recipe: An `ImagesRecipe`.
        kept: A dict from titles to arrays of images `(n, height, width, channels)` in [-1, 1].
        path: Where to write the PNG.
        smoke: Whether the runs are trials; the title then says so.
    """
    across = 16
    lines = {title: -(-len(images) // across) for title, images in kept.items()}
    with figure_file(path, figsize=(6.6, sum(0.42 * n + 0.27 for n in lines.values()) + 0.2)) as figure:
        panels = figure.subplots(len(kept), 1, squeeze=False, height_ratios=list(lines.values()))[:, 0]
        for axes, (title, images) in zip(panels, kept.items(), strict=True):
            axes.imshow(_tiled(images, across), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title, fontsize=8)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=False)
        if smoke:
            figure.suptitle("SMOKE TEST on generated data", fontsize=8)


def _tiled(images, across):
    count, height, width, channels = images.shape
    lines = -(-count // across)
    blank = np.full((lines * across - count, height, width, channels), -1.0, images.dtype)
    table = np.concatenate([images, blank]).reshape(lines, across, height, width, channels)
    table = table.transpose(0, 2, 1, 3, 4).reshape(lines * height, across * width, channels)
    return np.clip((table.squeeze() + 1) / 2, 0, 1)
