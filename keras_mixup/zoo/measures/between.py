"""What a network says between two examples (mixup, figure 2).

On the segments x = w * x1 + (1 - w) * x2 between test examples:

    miss       the predicted class is neither that of x1 nor that of x2
    gradient   || d f_c(x) / dx ||_2, of the logit f_c of the predicted class c, in standardised inputs
"""

import keras
import numpy as np

from keras_mixup.gradients import gradient
from keras_mixup.zoo.measures import need_arrays

COLUMNS = {
    "miss": ("misses halfway (%)", 2),
    "gradient": ("gradient halfway", 2),
}
PAIRS = 1000
BATCH = 250
WEIGHTS = tuple(round(0.05 * i, 2) for i in range(21))
NOTE = (
    f"Halfway: at the middle of the segments between {PAIRS} pairs of test examples. Misses: predictions of a class "
    "that is neither example's. Gradient: mean norm of the gradient of the predicted class's logit in the standardised "
    "input."
)
PICTURE = "between.png"


def check(recipe, data, folder):
    """Refuse examples that are not in memory."""
    need_arrays("between", recipe, data.test)


def measure(network, recipe, seed, data, folder):
    """Misses in percent and gradient norms halfway, and for all `WEIGHTS`."""
    random = np.random.default_rng((seed, 3))
    rows = random.permutation(len(data.test))[: min(2 * PAIRS, len(data.test) // 2 * 2)]
    pairs = data.test.part(rows)
    features = np.concatenate(
        [keras.ops.convert_to_numpy(data.source.features(x)) for x, _ in pairs.batches(BATCH).as_numpy_iterator()]
    )
    first, second = np.split(features, 2)
    ids = np.split(np.asarray(pairs.labels), 2)
    misses, gradients = [], []
    for weight in WEIGHTS:
        x = (weight * first + (1.0 - weight) * second).astype("float32")
        guesses, norms = guess(network, x)
        misses.append(100.0 * float(np.mean((guesses != ids[0]) & (guesses != ids[1]))))
        gradients.append(float(np.mean(norms)))
    middle = WEIGHTS.index(0.5)
    return {
        "miss": misses[middle],
        "gradient": gradients[middle],
        "between": {"weights": list(WEIGHTS), "misses": misses, "gradients": gradients},
    }


def guess(network, x):
    """The predicted classes, and the norms of the gradients of their logits.

    Args:
        network: A Keras model from `x` to logits.
        x: Array of standardised inputs `(examples, ...)`.

    Returns:
        An integer and a float array of shape `(examples,)`.
    """

    def largest(batch):  # the sum over examples, as no example's logits depend on another's
        return keras.ops.sum(keras.ops.max(keras.ops.cast(network(batch, training=False), "float32"), axis=-1))

    guesses, norms = [], []
    for start in range(0, len(x), BATCH):
        batch = keras.ops.convert_to_tensor(x[start : start + BATCH])
        logits = keras.ops.convert_to_numpy(network(batch, training=False))
        slope = keras.ops.convert_to_numpy(keras.ops.stop_gradient(gradient(largest, batch, network.variables)))
        guesses.append(logits.argmax(axis=-1))
        norms.append(np.linalg.norm(slope.reshape(len(slope), -1).astype("float64"), axis=1))
    return np.concatenate(guesses), np.concatenate(norms)


def draw(recipe, found, path, smoke=False):
    """Draw misses and gradient norms against the weight of the first example."""
    from keras_mixup.zoo import figures

    titles = {"misses": "misses (%)", "gradients": "norm of the gradient in the input"}
    with figures.figure_file(path, figsize=(6.8, 3.5)) as figure:
        for axes, (key, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
            for i, row in enumerate(row for row in recipe.rows if row.name in found):
                values = [result["between"][key] for result, _ in found[row.name]]
                weights = found[row.name][0][0]["between"]["weights"]
                figures.band(axes, weights, values, i, row.title)
            axes.set_title(title)
            axes.set_xlabel("weight of the first example")
            axes.set_ylim(bottom=0)
        figures.legend(figure, axes, handlelength=3.2)
        figures.headline(figure, f"{recipe.name}: between pairs of test examples, mean and band over seeds", smoke)
