"""Two classes that overlap: Gaussians in 300 dimensions, whose best possible scores are known.

    x ~ N(0, I) for class 0,    x ~ N((mu, ..., mu), I) for class 1,    as many of each

Their names, such as `gaussians-0.25`, say mu. Of one seed, the sets of all mu share labels and noise.
"""

import functools
import math

import numpy as np

from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError

DIMENSIONS = 300
TRAIN, TEST = 4000, 1000
MEANS = (0.25, 0.1, 0.05, 0.01)


def load(mu, train_size, seed, data_dir=None):
    """Draw `TRAIN` and `TEST` points from the seed, and keep the first `train_size` to train with, or all for 0."""
    if not 0 <= train_size <= TRAIN:
        raise UserError(
            f"`train_size` should be at most {TRAIN} for gaussians-{mu}. Received: train_size={train_size}."
        )
    everything = points(mu, TRAIN + TEST, np.random.default_rng((seed, 5)))
    return everything.part(slice(train_size or TRAIN)), everything.part(slice(TRAIN, None))


def points(mu, size, random):
    """Points of both classes in random order, as a split."""
    labels = random.permutation(np.arange(size) % 2)
    noise = random.standard_normal((size, DIMENSIONS), "float32")
    return Arrays(noise + np.float32(mu) * labels[:, None].astype("float32"), labels)


def best(mu, flipped=0.0):
    """How well a class can be known at best, from the true densities.

        log P(1 | x) / P(0 | x) = mu * sum_i x_i - mu^2 * 300 / 2,   for the class that is true ~ N(d^2 / 2, d^2)

    with the distance d = mu * sqrt(300) of the means.

    Args:
        mu: Of the second class.
        flipped: Share of wrong labels, in [0, 1/2], among those to learn from; the tested ones are true.

    Returns:
        The chance that the best guess of a label to learn from is wrong; and, in nats, the mean negative log-likelihood
        of true labels under the true probabilities of labels to learn from.
    """
    distance = abs(mu) * math.sqrt(DIMENSIONS)
    error = 0.5 * math.erfc(distance / math.sqrt(8.0))
    z = np.linspace(-12.0, 12.0, 4001)  # the integral over a normal density, by the trapezoid rule
    density = np.exp(-0.5 * z**2)
    true = 1.0 / (1.0 + np.exp(-(distance**2 / 2.0 + distance * z)))
    surprise = -np.log((1.0 - flipped) * true + flipped * (1.0 - true))
    return flipped + (1.0 - 2.0 * flipped) * error, float(np.sum(density * surprise) / np.sum(density))


def mean_of(name):
    """The mu in the name of a source, or `None` if it is not one of these."""
    return float(name.removeprefix("gaussians-")) if name.startswith("gaussians-") else None


SOURCES = {
    f"gaussians-{mu}": Source(
        shape=(DIMENSIONS,),
        classes=("0", "1"),
        needs=("numpy", "numpy"),
        load=functools.partial(load, mu),
        generate=functools.partial(points, mu),
    )
    for mu in MEANS
}
