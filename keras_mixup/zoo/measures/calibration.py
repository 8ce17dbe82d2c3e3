"""Whether a network is as sure as it is right, and whether a temperature mends it (arXiv 1706.04599, 1905.11001)."""

import numpy as np

from keras_mixup import calibration
from keras_mixup.zoo import scores
from keras_mixup.zoo.inputs import test_batches

BINS = 15
BATCH = 500
FEWEST = 10
COLUMNS = {
    "oe": ("OE (%)", 2),
    "ace": ("ACE (%)", 2),
    "mce": ("MCE (%)", 1),
    "brier": ("Brier", 3),
    "temperature": ("T", 2),
    "nll_t": ("NLL at T", 3),
    "ece_t": ("ECE at T (%)", 2),
}
NOTE = (
    f"Calibration in {BINS} equal-width bins: OE, overconfidence error; ACE, average over the bins; MCE, the worst "
    "bin. Brier: squared error, summed over the classes. T: temperature fitted to the examples held out, if there are "
    "any; NLL and ECE at T with logits divided by it. Lower is better, but T is best where it is 1."
)
PICTURE = "calibration.png"


def measure(network, recipe, seed, data, folder):
    """Calibration on the test split; if examples were held out, also at the temperature that fits them best."""
    labels = np.asarray(data.test.labels)
    logits = logits_of(network, data.test, data.source)
    bins = calibration.reliability(logits, labels, BINS)
    confidence, accuracy, share = (*np.nan_to_num(bins[:2]), bins.count / len(labels))
    found = {
        "oe": 100.0 * float(calibration.overconfidence_error(share, confidence, accuracy)),
        "ace": 100.0 * float(calibration.average_error(share, confidence, accuracy)),
        "mce": 100.0 * float(calibration.maximum_error(share, confidence, accuracy)),
        "brier": brier(logits, labels),
    }
    if data.held_out is not None:
        held_out = logits_of(network, data.held_out, data.source)
        found["temperature"] = calibration.fit_temperature(held_out, np.asarray(data.held_out.labels))
        found["nll_t"] = scores.nll(logits / found["temperature"], labels)
        found["ece_t"] = scores.ece(logits / found["temperature"], labels)
    shown = {"confidence": confidence, "accuracy": accuracy, "count": bins.count}
    return {**found, "calibration": {key: values.tolist() for key, values in shown.items()}}


def logits_of(network, split, source):
    """A network's logits of a split, in the stored order, as float64 of shape `(examples, classes)`."""
    logits = network.predict(test_batches(split, source, BATCH), verbose=0)
    return np.asarray(logits[: len(split)], "float64")


def brier(logits, labels):
    """Mean over the examples of the squared distance of the probabilities from the one-hot label, from 0 to 2."""
    from scipy.special import softmax

    truth = np.eye(logits.shape[1])[labels]
    return float(np.mean(np.sum((softmax(logits, axis=1) - truth) ** 2, axis=1)))


def draw(recipe, found, path, smoke=False):
    """Draw reliability diagrams, seeds pooled: accuracy against confidence, and how confidence is distributed.

    Rows of other data, networks and budgets have a diagram of their own.
    """
    from keras_mixup.zoo import figures, report

    rows = [row for row in recipe.rows if row.name in found]
    panels = [panel for group in report.comparisons(recipe, rows) for panel in figures.panels_of(group)]
    columns = min(3 if len(panels) < 7 else 5, len(panels))
    lines = -(-len(panels) // columns)
    with figures.figure_file(path, figsize=(max(3.4 * columns, 5.6), 4.6 * lines + 0.3)) as figure:
        grid = figure.subplots(2 * lines, columns, squeeze=False, sharex=True, height_ratios=[3, 1] * lines)
        for axes in grid.flat:
            axes.axis("off")
        for i, panel in enumerate(panels):
            line, column = divmod(i, columns)
            _diagram(*grid[2 * line : 2 * line + 2, column], panel, found, len(panels) > 1)
        text = f"{recipe.name}: seeds pooled; bins of at least {FEWEST} examples"
        figures.headline(figure, text, smoke)


def _diagram(upper, lower, rows, found, several):
    """One reliability diagram with its histogram of confidence."""
    from keras_mixup.zoo import figures, report

    common, titles = report.split_titles([row.title for row in rows])
    upper.axis("on")
    lower.axis("on")
    upper.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for i, (row, title) in enumerate(zip(rows, titles, strict=True)):
        bins = [result["calibration"] for result, _ in found[row.name]]
        count = np.sum([one["count"] for one in bins], axis=0)
        confidence, accuracy = (
            np.sum([np.multiply(one[key], one["count"]) for one in bins], axis=0) / np.maximum(count, 1)
            for key in ("confidence", "accuracy")
        )
        line, enough = figures.LINES[i], count >= FEWEST
        label = f"{title} (n = {len(bins)})"
        style = {"markersize": 4, "markerfacecolor": "white", "linewidth": 1.3, "clip_on": False}
        upper.plot(confidence[enough], accuracy[enough], **line, **style, label=label)
        lower.stairs(100.0 * count / count.sum(), edges, color=line["color"], linestyle=line["linestyle"])
    upper.set(ylim=(0, 1), ylabel="accuracy", title=common if several else "")
    lower.set(xlim=(0, 1), ylim=(0, None), xlabel="confidence", ylabel="examples (%)")
    lower.tick_params(labelbottom=True)  # the panels below may be empty
    upper.legend(loc="best", handlelength=3.2, fontsize=7.5)
