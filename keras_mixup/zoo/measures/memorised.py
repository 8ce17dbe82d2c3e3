"""How much of wrong labels a network has learned by heart (mixup, section 3.4)."""

import numpy as np

from keras_mixup.zoo import scores
from keras_mixup.zoo.inputs import test_batches

COLUMNS = {
    "real_error": ("train, real (%)", 2),
    "corrupted_error": ("train, corrupted (%)", 2),
}
NOTE = (
    "Train, real and train, corrupted: error on the training examples, without augmentation, against the labels they "
    "were trained with, of those whose label is true and of those whose label is not. A network that errs on the "
    "corrupted ones has not memorised them."
)
PICTURE = None
BATCH = 500


def measure(network, recipe, seed, data, folder):
    """Training error on real and on corrupted labels, in percent; the latter only if there are any."""
    given = np.asarray(data.training.labels)
    true = given if data.true_labels is None else data.true_labels
    logits = network.predict(test_batches(data.training, data.source, BATCH), verbose=0)[: len(given)]
    parts = {"real_error": given == true, "corrupted_error": given != true}
    return {key: scores.error(logits[part], given[part]) for key, part in parts.items() if part.any()}
