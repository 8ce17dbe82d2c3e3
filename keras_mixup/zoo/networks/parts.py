"""What the image networks are made of: convolution, normalisation, blocks in stages, and the classifier."""

import keras
from keras import layers


def he():
    """A normal distribution of variance 2 / (size^2 * filters), as the programs of most of these papers draw from."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def fan_in_uniform():
    """The uniform distribution of variance 1 / (3 * inputs) that PyTorch draws from unless told otherwise."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def convolution(x, filters, size, name, stride=1, groups=1, initializer=he):
    """Convolve without bias, padded by (size - 1) / 2 zeros on all four sides.

    For a stride of 2 and an even image, `padding="same"` would pad at the right and bottom only, which moves the grid;
    the papers' programs pad all sides, so that their weights fit here.

    Args:
        x: Images, `(batch, height, width, channels)`.
        filters: Number of output channels.
        size: Height and width of the kernel, odd.
        name: Of the layer.
        stride: Of both axes.
        groups: Groups of channels that see only each other. Keras has XLA compile such a convolution, without which
            TensorFlow has no gradient of it on a CPU; so all backends and devices train it. On a CPU it is slow: a step
            of a 3 x 3 convolution of 128 channels took 50 times as long in 8 groups as in one, and 180 times in 32.
        initializer: A function that makes an initializer: one each, as one instance draws the same values each time.
    """
    padding = "same"
    if stride > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    convolve = layers.Conv2D(
        filters,
        size,
        stride,
        padding,
        groups=groups,
        use_bias=False,
        kernel_initializer=initializer(),
        name=name,
    )
    return convolve(x)


def norm(x, name, gamma="ones"):
    """Normalise over the batch, with PyTorch's constants, which all of the programs kept."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name)(x)


def norm_relu(x, name):
    """Normalise over the batch, then ReLU."""
    return layers.ReLU(name=f"{name}_relu")(norm(x, name))


def blocks(repeats):
    """Go through the blocks of a residual network.

    Args:
        repeats: The number of blocks of each stage. Every stage but the first halves the image.

    Yields:
        The stage, from 0; the stride of the block; its name, such as `"stage2_block1"`; and the name for the layer that
        gives its output, which is the stage's name for the stage's last block.
    """
    for stage, repeat in enumerate(repeats):
        for block in range(repeat):
            name = f"stage{stage + 1}_block{block + 1}"
            output = f"stage{stage + 1}" if block == repeat - 1 else f"{name}_output"
            yield stage, 2 if stage and not block else 1, name, output


def logits(x, classes, initializer=fan_in_uniform):
    """Average over the image, then a dense layer, in float32 whatever the policy."""
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.Dense(classes, kernel_initializer=initializer(), dtype="float32", name="logits")(x)
