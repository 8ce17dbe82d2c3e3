"""VGG for spectrograms, as in the speech experiments of mixup and MixupE."""

import keras
from keras import layers

# Convolutions of each stage, which ends with pooling, and their filters as multiples of those of the first stage.
_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2)}
_MULTIPLES = (1, 2, 4, 8, 8)


def vgg11(shape, classes, filters=64):
    """Build eight convolutions of 3 x 3 with batch normalisation, in five stages, and two dense layers.

    As in the published program there is no activation between the two dense layers. The outputs of the stages are the
    layers `stage1` to `stage5`. Convolutions are drawn as He et al. propose, where the program has PyTorch's default;
    the normalisation after them makes their scale irrelevant.

    Args:
        shape: Height, width, channels; 32 x 32 at least. The papers' spectrograms are 161 x 101 x 1.
        classes: Number of logits.
        filters: Of the first stage; all other widths are multiples of it. 64 is the published network.

    Returns:
        A `keras.Model`; of 13.2 million weights for those spectrograms.

    Reference:
        mixup (arXiv 1710.09412), section 3.3; program: adiyoss/GCommandsPytorch.
    """
    return _vgg(11, shape, classes, filters)


def vgg13(shape, classes):
    """Build VGG-11 with two convolutions instead of one in the first two stages; see `vgg11`.

    Args:
        shape: As for `vgg11`.
        classes: Number of logits.

    Returns:
        A `keras.Model`; of 13.4 million weights for the papers' spectrograms.

    Reference:
        MixupE (arXiv 2212.13381), section 5.
    """
    return _vgg(13, shape, classes, filters=64)


def _vgg(depth, shape, classes, filters):
    x = inputs = keras.Input(shape)
    for stage, (convolutions, multiple) in enumerate(zip(_CONVOLUTIONS[depth], _MULTIPLES, strict=True), 1):
        for number in range(1, convolutions + 1):
            name = f"stage{stage}_conv{number}"
            x = layers.Conv2D(multiple * filters, 3, padding="same", kernel_initializer="he_normal", name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"stage{stage}")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(8 * filters, name="hidden")(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name=f"vgg{depth}")
