"""How a network bears test images that are turned, sheared and scaled, which it was not trained on (MixupE, table 8).

    out(p) = in(center + M (p - center)),    p = (row, column), the nearest pixel

    turned by t:   M = [[cos t, -sin t], [sin t, cos t]]
    sheared by t:  M = [[1, -sin t], [0, cos t]]
    zoom z:        M = z I

As in the public program the center is half the height and width plus 0.5, a pixel beyond the middle, and what would
come from outside is 0 after standardising. Angles are drawn for each image. Zoom below 1 shows the middle of the image,
above 1 all of it, smaller.
"""

import keras
import numpy as np

from keras_mixup.zoo import scores
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.inputs import test_batches

BATCH = 500


def rotation(degrees):
    """The matrices M, `(batch, 2, 2)`, of angles `(batch,)`."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)


def shear(degrees):
    """The matrices M, `(batch, 2, 2)`, of angles `(batch,)`."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.stack([np.ones_like(cos), -sin, np.zeros_like(cos), cos], axis=1).reshape(-1, 2, 2)


def zoom(factor):
    """The matrices M, `(batch, 2, 2)`, of factors `(batch,)`."""
    return np.asarray(factor)[:, None, None] * np.eye(2)


# Of each: its label, what is done, and between which values, drawn uniformly for each image.
DEFORMATIONS = {
    "turned_20": ("turned 20°", rotation, -20.0, 20.0),
    "turned_40": ("turned 40°", rotation, -40.0, 40.0),
    "sheared_29": ("sheared 29°", shear, -28.6, 28.6),
    "sheared_57": ("sheared 57°", shear, -57.3, 57.3),
    "zoom_60": ("zoom 0.6", zoom, 0.6, 0.6),
    "zoom_80": ("zoom 0.8", zoom, 0.8, 0.8),
    "zoom_120": ("zoom 1.2", zoom, 1.2, 1.2),
    "zoom_140": ("zoom 1.4", zoom, 1.4, 1.4),
}
COLUMNS = {key: (f"{label} (%)", 1) for key, (label, *_) in DEFORMATIONS.items()}
NOTE = (
    "Turned, sheared, zoom: error on the test images after each was turned or sheared by an angle drawn uniformly up "
    "to that one, either way, or scaled so that it shows that share of its height and width. Of each pixel the nearest "
    "is read off; around the image is the mean of the training pixels. All rows see the same images."
)
PICTURE = "deformations.png"


def check(recipe, data, folder):
    """Refuse what are not images."""
    if len(data.source.shape) != 3:
        raise UserError(
            f"`measures` should not hold deformations for {recipe.dataset}, which has no images. "
            f"Received: measures={','.join(recipe.measures)}."
        )


def measure(network, recipe, seed, data, folder):
    """The error in percent under each deformation."""
    random, labels = np.random.default_rng((seed, 7)), np.asarray(data.test.labels)
    drawn = {key: kind(random.uniform(low, high, len(labels))) for key, (_, kind, low, high) in DEFORMATIONS.items()}
    logits, first = {key: [] for key in drawn}, 0
    for batch in test_batches(data.test, data.source, BATCH):  # read once, as images on disk are decoded each time
        images = keras.ops.convert_to_numpy(batch)
        rows = slice(first, first := first + len(images))
        for key, matrices in drawn.items():
            logits[key].append(network.predict_on_batch(deform(images, matrices[rows])))
    return {key: scores.error(np.concatenate(parts), labels) for key, parts in logits.items()}


def deform(images, matrices):
    """Deform images about their centers, as the public program has them.

    Args:
        images: What the network takes, `(batch, height, width, channels)`.
        matrices: M of each image, `(batch, 2, 2)`.

    Returns:
        An array of the same shape, 0 where a pixel would come from outside: the mean, as images are standardised.
    """
    height, width = images.shape[1:3]
    center = np.array([width / 2 + 0.5, height / 2 + 0.5])
    matrices = matrices[:, ::-1, ::-1]  # Keras counts (x, y)
    offsets = center - matrices @ center
    rows = np.concatenate([matrices, offsets[:, :, None]], axis=2).reshape(-1, 6)
    transforms = np.concatenate([rows, np.zeros((len(rows), 2))], axis=1).astype("float32")
    deformed = keras.ops.image.affine_transform(
        keras.ops.convert_to_tensor(images),
        keras.ops.convert_to_tensor(transforms),
        interpolation="nearest",
        data_format="channels_last",
    )
    return keras.ops.convert_to_numpy(deformed)


def draw(recipe, found, path, smoke=False):
    """Draw the errors, a line of points for each deformation."""
    from keras_mixup.zoo import figures

    labels = {"error": "as they are"} | {key: label for key, (label, *_) in DEFORMATIONS.items()}
    rows = [row for row in recipe.rows if row.name in found]
    with figures.figure_file(path, figsize=(6.4, 4.8)) as figure:
        axes = figure.subplots()
        for i, row in enumerate(rows):
            values = np.array([[result[key] for key in labels] for result, _ in found[row.name]])
            style = {**figures.LINES[i % len(figures.LINES)], "linestyle": "", "markersize": 5, "elinewidth": 0.8}
            height = np.arange(len(labels)) + 0.6 * ((i + 0.5) / len(rows) - 0.5)
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
            label = f"{row.title} (n = {len(values)})"
            axes.errorbar(values.mean(axis=0), height, xerr=spread, **style, markerfacecolor="white", label=label)
        axes.set_yticks(range(len(labels)), labels.values())
        axes.invert_yaxis()
        axes.grid(axis="x", color="0.9")
        axes.set_xlabel("test error (%)")
        figures.legend(figure, axes)
        figures.headline(figure, f"{recipe.name}: test images deformed, mean and standard deviation over seeds", smoke)
