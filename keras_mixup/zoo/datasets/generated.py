"""Noise in the shape of a data set, for `--smoke`: it shows that a recipe runs, not how well."""

import numpy as np

from keras_mixup.zoo.datasets.splits import Arrays


def load(source, train_size, test_size, seed):
    """Two splits of random examples, stored as those of `source` are; nothing is read."""
    random = np.random.default_rng(seed)

    def split(size):
        if source.generate is not None:
            return source.generate(size, random)
        images = random.normal(source.mean, source.deviation, (size, *source.shape))
        return Arrays(images.clip(0, 255).astype("uint8"), random.integers(len(source.classes), size=size))

    return split(train_size), split(test_size)
