"""LeNet for spectrograms, as in the speech experiments of mixup and MixupE."""

import keras
from keras import layers


def lenet(shape, classes):
    """Build two convolutions of 5 x 5 with 20 filters each, then a layer of 1000 units.

    The order within is that of the published program: convolution, pooling, ReLU, with dropout of half of the channels
    before the second pooling and of half of the units before the logits. Weights are drawn by Keras' default
    (Glorot's uniform), where the program has PyTorch's.

    Args:
        shape: Height, width, channels; 16 x 16 at least. The papers' spectrograms are 161 x 101 x 1.
        classes: Number of logits.

    Returns:
        A `keras.Model`; of 16.3 million weights for those spectrograms.

    Reference:
        mixup (arXiv 1710.09412), section 3.3; program: adiyoss/GCommandsPytorch.
    """
    x = inputs = keras.Input(shape)
    x = layers.Conv2D(20, 5, name="conv1")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(20, 5, name="conv2")(x)
    x = layers.SpatialDropout2D(0.5)(x)
    x = layers.MaxPooling2D()(x)
    x = layers.ReLU()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1000, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name="lenet")
