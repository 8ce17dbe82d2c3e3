"""What a network says all over the plane (mixup, figure 1b): the probability of the second of two classes."""

import numpy as np

from keras_mixup.zoo.measures import need_arrays

COLUMNS = {"undecided": ("undecided (%)", 1)}
SIDE = 81
NOTE = (
    "Undecided: share of the square that is drawn where the network gives each of the two classes a probability of 0.1 "
    "or more: how wide the transition between the classes is."
)
PICTURE = "plane.png"


def check(recipe, data, folder):
    """Refuse examples that are not in memory."""
    need_arrays("plane", recipe, data.training)


def measure(network, recipe, seed, data, folder):
    """The share of the square where the network is undecided, and the probabilities on a grid."""
    points = np.asarray(data.training.features, "float32")
    reach = float(np.ceil(np.abs(points).max()))
    axis = np.linspace(-reach, reach, SIDE, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    logits = network.predict(np.asarray(data.source.features(grid)), batch_size=1024, verbose=0).astype("float64")
    second = 1.0 / (1.0 + np.exp(np.clip(logits[:, 0] - logits[:, 1], -700, 700)))
    labels = np.asarray(data.training.labels)
    return {
        "undecided": 100.0 * float(np.mean(np.minimum(second, 1.0 - second) >= 0.1)),
        "plane": {
            "reach": reach,
            "probability": np.round(second, 3).reshape(SIDE, SIDE).tolist(),
            "points": [np.round(points[labels == label], 3).tolist() for label in (0, 1)],
        },
    }


def draw(recipe, found, path, smoke=False):
    """Draw the probabilities of the first seed of each row as shades, and the training examples on them."""
    from keras_mixup.zoo import figures

    rows = [row for row in recipe.rows if row.name in found]
    with figures.figure_file(path, figsize=(0.5 + 2.7 * len(rows), 3.2)) as figure:
        grid = figure.subplots(1, len(rows), squeeze=False)[0]
        for axes, row in zip(grid, rows, strict=True):
            plane = found[row.name][0][0]["plane"]
            reach = plane["reach"]
            shades = axes.imshow(
                plane["probability"],
                extent=(-reach, reach, -reach, reach),
                origin="lower",
                cmap="Greys",
                vmin=0,
                vmax=1,
                interpolation="bilinear",
            )
            for line, points in zip(figures.LINES[1:], plane["points"], strict=False):
                axes.scatter(*np.transpose(points), s=9, c=line["color"], marker=line["marker"], lw=0.4, ec="white")
            axes.set_title(row.title)
            axes.set(xticks=[], yticks=[])
        figure.colorbar(shades, ax=grid[-1], label="probability of the second class", shrink=0.8)
        figures.headline(figure, f"{recipe.name}: what the network says between two classes", smoke)
