"""How the likelihood suffers where classes overlap, with and without a temperature (arXiv 2306.00740).

Overlap is the chance that the best guess of a label to train with is wrong. It is known where two Gaussians overlap,
and where a share of the labels of classes that are told apart without doubt was replaced.
"""

import numpy as np

from keras_mixup.zoo.datasets import gaussians
from keras_mixup.zoo.recipe import for_row

COLUMNS = {
    "overlap_share": ("overlap (%)", 1),
    "best_nll": ("best NLL", 3),
}
NOTE = (
    "Overlap: chance that the best guess of a label to train with is wrong. Best NLL: of the true labels of the test "
    "examples under the true probabilities of the labels to train with, known for the Gaussians; of images it is taken "
    "that their class is beyond doubt."
)
PICTURE = "overlap.png"


def measure(network, recipe, seed, data, folder):
    """What overlap there is, and the best NLL that it leaves possible; the network is not looked at."""
    classes, wrong = len(data.source.classes), recipe.label_noise
    if recipe.noise == "uniform":
        wrong *= (classes - 1) / classes  # the others were replaced by themselves
    mu = gaussians.mean_of(recipe.dataset)
    share, best = (wrong, -np.log1p(-wrong)) if mu is None else gaussians.best(mu, wrong)
    return {"overlap_share": 100.0 * share, "best_nll": float(best)}


def draw(recipe, found, path, smoke=False):
    """Draw NLL against overlap, a panel per network: every method as trained, and ERM at its temperature, too."""
    from keras_mixup.zoo import figures

    networks = {}
    for row in recipe.rows:
        if row.name in found:
            networks.setdefault(for_row(recipe, row).network, []).append(row)
    with figures.figure_file(path, figsize=(max(3.6 * len(networks), 5.0), 3.6)) as figure:
        grid = figure.subplots(1, len(networks), squeeze=False)[0]
        for axes, (network, rows) in zip(grid, networks.items(), strict=True):
            for i, (label, points) in enumerate(_lines(rows, found).items()):
                overlap, mean, spread = np.array(sorted(points)).T
                style = figures.LINES[i % len(figures.LINES)] | {"markersize": 4, "markerfacecolor": "white"}
                axes.errorbar(overlap, mean, spread, **style, linewidth=1.3, elinewidth=0.8, label=label)
            first = [found[row.name][0][0] for row in rows]
            best = sorted({(result["overlap_share"], result["best_nll"]) for result in first})
            axes.plot(*zip(*best, strict=True), color="0.6", linewidth=1.0, label="best possible", zorder=0)
            axes.set(xlabel="overlap (%)", ylim=(0, None), title=f"NLL of {network} on the test set (nats)")
        figures.legend(figure, grid[0], handlelength=3.2)
        figures.headline(figure, f"{recipe.name}: mean and standard deviation over seeds", smoke)


def _lines(rows, found):
    """Points `(overlap, mean NLL, deviation)` by method: the last part of the rows' titles."""
    lines = {}
    for row in rows:
        results, method = [result for result, _ in found[row.name]], row.title.parts[-1]
        kinds = {method: "nll"}
        if row.method is None and "nll_t" in results[0]:
            kinds[f"{method} at T"] = "nll_t"
        for label, key in kinds.items():
            values = [result[key] for result in results]
            lines.setdefault(label, []).append((results[0]["overlap_share"], np.mean(values), np.std(values)))
    return lines
