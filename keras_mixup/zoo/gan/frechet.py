"""How far generated images are from real ones, in the features of a small classifier that is trained here.

Not FID, which takes the features of Inception; figures of the two do not compare.
"""

import numpy as np

EPOCHS = 4


def features(network, images, labels, source, batch_size=128):
    """Train a classifier and return the function from images to what its last layer sees.

    Args:
        network: Function `(input_shape, classes) -> keras.Model`, with logits as its last layer.
        images: Array of images in [-1, 1].
        labels: Their labels.
        source: The `Source` of the data.
        batch_size: Examples per step.

    Returns:
        A function from an array of images in [-1, 1] to an array `(images, features)`, and the classifier.
    """
    import keras

    keras.utils.set_random_seed(0)
    model = network(source.shape, len(source.classes))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.fit(np.asarray(images), np.asarray(labels), batch_size, epochs=EPOCHS, verbose=0)
    inner = keras.Model(model.input, model.layers[-1].input)

    def extract(images):
        return inner.predict(images, batch_size=500, verbose=0)

    return extract, model


def statistics(values):
    """Mean and covariance of features."""
    values = np.asarray(values, "float64")
    return values.mean(axis=0), np.cov(values, rowvar=False)


def distance(one, other):
    """The Frechet distance of two normal distributions with those means and covariances.

        |m - n|^2 + tr(S + T - 2 (S T)^(1/2))

    Args:
        one: Mean and covariance.
        other: Mean and covariance.

    Returns:
        A float >= 0.

    Reference:
        Dowson and Landau, The Frechet distance between multivariate normal distributions (1982).
    """
    (m, s), (n, t) = one, other
    # S T is similar to a positive semi-definite matrix, so the trace of its root is the sum of its eigenvalues' roots.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(s @ t).real, 0.0))
    return float(max(0.0, np.sum((m - n) ** 2) + np.trace(s) + np.trace(t) - 2 * roots.sum()))
