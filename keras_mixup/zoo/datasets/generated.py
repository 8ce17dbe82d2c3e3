"""Noise in the shape of a data set, for `--smoke`: it shows that a recipe runs, not how well."""


def load(source, train_size, test_size, seed):
    """Two splits of random images and labels, like those of `source`."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(seed)

    def split(size):
        images = random.normal(source.mean, source.deviation, (size, *source.shape))
        labels = random.integers(len(source.classes), size=size)
        return tf.data.Dataset.from_tensor_slices((images.astype("float32"), labels))

    return split(train_size), split(test_size)
