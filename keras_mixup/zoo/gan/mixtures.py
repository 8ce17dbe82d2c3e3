"""Mixtures of Gaussians in the plane, whose exact densities say how good samples are."""

import functools

import numpy as np

SAMPLES = 10_000
# A single Gaussian in the plane has this share of its mass within three standard deviations.
INSIDE = 1 - np.exp(-4.5)
# Modes are a hundredth as wide as far apart, finer than short training can draw; this is what counts as near one.
BLUR = 0.05


def means(name):
    """The centres of the mixture of that name, an array `(modes, 2)`, all of the same weight.

    `"ring"`: eight on the unit circle. `"grid"`: 5 x 5 between -1 and 1. `"spiral"`: 200 along two turns of a spiral
    that grows from radius 0.2 to 1, equally far from each other along the curve.
    """
    if name == "ring":
        angle = 2 * np.pi * np.arange(8) / 8
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if name == "grid":
        return np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), axis=-1).reshape(-1, 2)
    if name == "spiral":
        fine = np.linspace(0, 1, 20_001)
        angle, radius = 4 * np.pi * fine, 0.2 + 0.8 * fine
        curve = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
        at = np.interp(np.linspace(0, length[-1], 200), length, fine)
        return np.stack([np.interp(at, fine, curve[:, i]) for i in range(2)], axis=1)
    raise KeyError(name)


def deviation(name):
    """The standard deviation of every mode; on the spiral more than half the distance of neighbours: it is smooth."""
    return 0.02 if name == "spiral" else 0.01


@functools.cache
def mixture(name, blur=0.0):
    """The `tfp.distributions` mixture of that name, seen through noise of deviation `blur`."""
    import tensorflow_probability as tfp  # slow to import, so only where it is used

    tfd, centres = tfp.distributions, means(name).astype("float32")
    width = np.hypot(deviation(name), blur)
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.full(len(centres), 1 / len(centres), "float32")),
        tfd.MultivariateNormalDiag(centres, np.full_like(centres, width)),
    )


def batches(name, size, seed):
    """A `tf.data.Dataset` of batches of real points, without end and other ones each time it is iterated over."""
    import tensorflow as tf

    centres, width = tf.constant(means(name), tf.float32), deviation(name)

    def draw(seed):
        one, two = tf.unstack(tf.random.split(seed, 2))
        mode = tf.random.stateless_uniform((size,), one, 0, len(centres), tf.int32)
        return tf.gather(centres, mode) + width * tf.random.stateless_normal((size, 2), two)

    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
    return seeds.map(draw).prefetch(16)


def scores(points, name):
    """How good samples are, by the exact density of what they should follow.

    A sample is of high quality where the density is as high as at 98.9 % of the data (for a lone Gaussian: within three
    standard deviations), and near if the same holds of the data blurred by noise of deviation 0.05. It belongs to the
    mode that most likely made it. A mode is covered if no less than a tenth of its weight of near samples belong to it.

    Args:
        points: Array `(samples, 2)`.
        name: Of the mixture.

    Returns:
        A dict: `modes`, the number covered; in percent `covered`, the same as a share of all modes, and `near` and
        `quality`, the shares of near samples and of those of high quality; `kl`, the Kullback-Leibler divergence, in
        nats, of the samples' distribution over the modes from the true one.
    """
    points = np.asarray(points, "float32")
    parts = mixture(name).components_distribution.log_prob(points[:, None, :]).numpy()
    mode, total = parts.argmax(axis=1), parts.shape[1]  # the modes have equal weights
    near, good = (mixture(name, blur).log_prob(points).numpy() >= _threshold(name, blur) for blur in (BLUR, 0.0))
    modes = int(np.sum(np.bincount(mode[near], minlength=total) >= 0.1 * len(points) / total))
    share = np.bincount(mode, minlength=total) / len(points)
    share = share[share > 0]
    return {
        "modes": modes,
        "covered": 100.0 * modes / total,
        "near": 100.0 * float(near.mean()),
        "quality": 100.0 * float(good.mean()),
        "kl": float(np.sum(share * np.log(share * total))),
    }


@functools.cache
def _threshold(name, blur):
    law = mixture(name, blur)
    return np.quantile(law.log_prob(law.sample(200_000, seed=(0, 1))).numpy(), 1 - INSIDE)
