"""Two classes in the plane, a disc and a ring around it: a picture's worth of data, made from the seed."""

import numpy as np

from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays

TEST = 1000
RADII = ((0.0, 0.8), (1.3, 2.0))


def load(train_size, seed, data_dir=None):
    """Draw `train_size` points to train with (200 for 0) and `TEST` others, half of them of each class."""
    random = np.random.default_rng((seed, 4))
    return points(train_size or 200, random), points(TEST, random)


def points(size, random):
    """Points of the disc and of the ring in turn, uniform in radius and angle."""
    labels = np.arange(size) % 2
    low, high = np.asarray(RADII)[labels].T
    radius, angle = random.uniform(low, high), random.uniform(0.0, 2.0 * np.pi, size)
    features = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return Arrays(features.astype("float32"), labels)


SOURCES = {
    "rings": Source(
        shape=(2,), classes=("disc", "ring"), needs=("numpy", "numpy"), load=load, deviation=1.0, generate=points
    )
}
