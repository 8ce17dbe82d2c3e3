"""Whether a network is less sure of what belongs to no class (On Mixup Training, arXiv 1905.11001).

AUROC is the chance that the winning score of a test example is above that of a stranger; ties count half.
"""

import keras
import numpy as np

from keras_mixup.zoo.inputs import test_batches
from keras_mixup.zoo.measures.calibration import BATCH, logits_of

MOST = 20  # batches
GRID = 4
COLUMNS = {
    "auroc_noise": ("AUROC noise (%)", 2),
    "auroc_blocks": ("AUROC blocks (%)", 2),
    "auroc_strangers": ("AUROC strangers (%)", 2),
}
NOTE = (
    "AUROC: chance that the winning score of a test example is above that of a stranger; higher is better, 50 is "
    "chance. Strangers: Gaussian noise with the mean and deviation of the training pixels, by channel; and test images "
    f"cut into {GRID} x {GRID} blocks that are shuffled; and, in a column of their own, the test examples of the data "
    "set that the settings name, if they do."
)
PICTURE = None


def measure(network, recipe, seed, data, folder):
    """AUROC against noise, if the network takes one array, shuffled blocks, if it takes images, and another set."""
    if isinstance(network.input_shape, dict):
        return {}
    known = winning_score(logits_of(network, data.test, data.source))
    random = np.random.default_rng((seed, 6))
    mean, deviation = _moments(_batches(data.training, data.source))

    def noise(batch):
        return random.normal(mean, deviation, batch.shape).astype("float32")

    found = {"auroc_noise": auroc(known, _scores(network, map(noise, _batches(data.test, data.source))))}
    shape = data.source.shape
    if len(shape) == 3 and shape[0] % GRID == shape[1] % GRID == 0:
        blocks = (shuffle_blocks(batch, random) for batch in _batches(data.test, data.source))
        found["auroc_blocks"] = auroc(known, _scores(network, blocks))
    if data.strangers is not None:
        # Standardised as the network knows it, which knows no other set.
        found["auroc_strangers"] = auroc(known, winning_score(logits_of(network, data.strangers, data.source)))
    return found


def winning_score(logits):
    """The log-odds of the largest probability, of shape `(examples,)`.

    They order the examples as the probabilities do, and still where these round to 1.
    """
    from scipy.special import logsumexp

    ranked = np.sort(np.asarray(logits, "float64"), axis=1)
    return ranked[:, -1] - logsumexp(ranked[:, :-1], axis=1)


def auroc(known, strange):
    """The area under the ROC curve of scores that should be higher of the known, in percent."""
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([1, 0], [len(known), len(strange)])
    return 100.0 * float(roc_auc_score(truth, np.concatenate([known, strange])))


def shuffle_blocks(images, random):
    """Cut images `(batch, height, width, channels)` into a grid of blocks, and put those of each in a random order."""
    batch, height, width, channels = images.shape
    blocks = images.reshape(batch, GRID, height // GRID, GRID, width // GRID, channels).swapaxes(2, 3)
    order = random.random((batch, GRID**2)).argsort(axis=1)
    shuffled = blocks.reshape(batch, GRID**2, -1)[np.arange(batch)[:, None], order]
    return shuffled.reshape(blocks.shape).swapaxes(2, 3).reshape(images.shape)


def _batches(split, source):
    """At most `MOST` batches of what the network takes of a split, as arrays."""
    return map(keras.ops.convert_to_numpy, test_batches(split, source, BATCH).take(MOST))


def _moments(batches):
    """Mean and standard deviation of pixels, by channel; or of rows, by column."""
    count, total, squares = 0, 0.0, 0.0
    for batch in batches:
        pixels = batch.reshape(-1, batch.shape[-1]).astype("float64")
        count, total, squares = count + len(pixels), total + pixels.sum(axis=0), squares + (pixels**2).sum(axis=0)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0.0))


def _scores(network, batches):
    return np.concatenate([winning_score(network.predict_on_batch(batch)) for batch in batches])
