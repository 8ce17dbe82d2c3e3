"""Directional derivatives over training (MixupE, figure 2).

    q(x)  = (softmax(f(x)) - y)^T J_f(x) (mean(x') - x),    q^(x) = (y - softmax(f(x)))^T f(x)

Mixup shrinks them on average where they are positive, and enlarges them where they are negative; MixupE shrinks their
absolute values.
"""

import keras
import numpy as np

from keras_mixup.mixupe import approximate_derivative, exact_derivative
from keras_mixup.zoo.measures import need_arrays

COLUMNS = {
    "q": ("mean q", 3),
    "q_absolute": ("mean |q|", 3),
    "q_hat": ("mean q^", 3),
    "q_hat_absolute": ("mean |q^|", 3),
}
EXAMPLES = 1000
BATCH = 250
NOTE = (
    "q is the directional derivative of the network towards the mean of the training inputs, times softmax minus "
    f"target, on the first {EXAMPLES} training examples without augmentation, batch statistics as in testing; q^ is "
    "its approximation from the logits alone (MixupE, theorem 1)."
)
PICTURE = "directional.png"


def check(recipe, data, folder):
    """Refuse examples that are not in memory."""
    need_arrays("directional", recipe, data.training)


def watch(network, data):
    """The columns, as means over some of the training examples."""
    chosen = data.training.part(np.arange(min(EXAMPLES, len(data.training))))
    mean = sum(keras.ops.convert_to_numpy(x).sum(axis=0) for x, _ in _batches(data.training, data)) / len(data.training)
    q, q_hat = [], []
    for x, labels in _batches(chosen, data):
        x, y = keras.ops.convert_to_tensor(x), keras.ops.one_hot(labels, len(data.source.classes))
        exact = exact_derivative(network, x, y, mean, training=False)
        approximate = approximate_derivative(y, network(x, training=False))
        for values, tensor in ((q, exact), (q_hat, approximate)):
            values.append(keras.ops.convert_to_numpy(keras.ops.stop_gradient(tensor)))
    q, q_hat = np.concatenate(q), np.concatenate(q_hat)
    values = (np.mean(q), np.mean(np.abs(q)), np.mean(q_hat), np.mean(np.abs(q_hat)))
    return dict(zip(COLUMNS, map(float, values), strict=True))


def _batches(split, data):
    for features, labels in split.batches(BATCH).as_numpy_iterator():
        yield keras.ops.convert_to_numpy(data.source.features(features)), labels


def measure(network, recipe, seed, data, folder):
    """The columns at the end of training."""
    return watch(network, data)


def draw(recipe, found, path, smoke=False):
    """Draw the mean of q and of q^ against the epoch."""
    from matplotlib.ticker import MaxNLocator

    from keras_mixup.zoo import figures

    with figures.figure_file(path, figsize=(6.8, 3.5)) as figure:
        for axes, key in zip(figure.subplots(1, 2), ("q", "q_hat"), strict=True):
            for i, row in enumerate(row for row in recipe.rows if row.name in found):
                figures.band(axes, *figures.by_epoch(found[row.name], key), i, row.title)
            axes.axhline(0.0, color="0.5", linewidth=0.8, zorder=0)
            axes.set_title(COLUMNS[key][0])
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figures.legend(figure, axes, handlelength=3.2)
        figures.headline(figure, f"{recipe.name}: directional derivatives, mean and band over seeds", smoke)
