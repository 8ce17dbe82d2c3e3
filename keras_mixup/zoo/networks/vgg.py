"""VGG for spectrograms, as in the speech experiments of mixup and MixupE."""

import keras
from keras import layers

# Filters of the convolutions of each stage; a stage ends with pooling.
_STAGES = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    13: ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
}


def vgg11(shape, classes):
    """Build eight convolutions of 3 x 3 with batch normalisation, in five stages, and two dense layers.

    As in the published program there is no activation between the two dense layers. The outputs of the stages are the
    layers `stage1` to `stage5`. Convolutions are drawn as He et al. propose, where the program has PyTorch's default;
    the normalisation after them makes their scale irrelevant.

    Args:
        shape: Height, width, channels; 32 x 32 at least. The papers' spectrograms are 161 x 101 x 1.
        classes: Number of logits.

    Returns:
        A `keras.Model`; of 13.2 million weights for those spectrograms.

    Reference:
        mixup (arXiv 1710.09412), section 3.3; program: adiyoss/GCommandsPytorch.
    """
    return _vgg(11, shape, classes)


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
    return _vgg(13, shape, classes)


def _vgg(depth, shape, classes):
    x = inputs = keras.Input(shape)
    for stage, widths in enumerate(_STAGES[depth], 1):
        for number, filters in enumerate(widths, 1):
            name = f"stage{stage}_conv{number}"
            x = layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"stage{stage}")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(512, name="hidden")(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name=f"vgg{depth}")
