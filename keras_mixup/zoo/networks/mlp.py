"""A fully connected network for tables."""

import keras


def mlp(shape, classes, width=128, layers=2):
    """Build hidden layers of ReLU units, and a linear output.

    Args:
        shape: `(features,)`.
        classes: Number of logits, or of numbers to predict.
        width: Units of each hidden layer.
        layers: Number of hidden layers.

    Returns:
        A `keras.Model`.

    Reference:
        mixup (arXiv 1710.09412), section 3.6; the same network in MixupE (arXiv 2212.13381), section 4.
    """
    x = inputs = keras.Input(shape)
    for i in range(layers):
        x = keras.layers.Dense(width, activation="relu", name=f"hidden{i + 1}")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, dtype="float32", name="outputs")(x), name="mlp")
