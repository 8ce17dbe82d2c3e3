"""ResNeXt with 29 layers: residual networks whose convolutions work in groups, for small images."""

import keras
from keras import layers

from keras_mixup.zoo.networks import parts
from keras_mixup.zoo.networks.resnet import bottleneck


def resnext29(shape, classes, cardinality, width):
    """Build ResNeXt-29: a stem of 64 filters, then three stages of three blocks.

        output = ReLU(x + BN(conv1x1(ReLU(BN(grouped3x3(ReLU(BN(conv1x1(x)))))))))

    where x is replaced by the BN of a 1 x 1 convolution of x if the block changes the shape. Stages put out 256, 512
    and 1024 channels. Convolutions are drawn as He et al. propose, by the number of outputs, as in the authors'
    program.

    Args:
        shape: Height, width, channels.
        classes: Number of logits.
        cardinality: Number of groups.
        width: Channels of each group in the first stage; doubled in each stage that follows. With 10 classes 8 groups
            of 64 channels make 34.4 million weights.

    Returns:
        A `keras.Model` whose layers `"stem"` and `"stage1"` to `"stage3"` give the outputs of these.

    Reference:
        Aggregated Residual Transformations for Deep Neural Networks (arXiv 1611.05431), section 5.3.
    """
    inputs = keras.Input(shape)
    x = parts.norm(parts.convolution(inputs, 64, 3, "stem_conv"), "stem_norm")
    x = layers.ReLU(name="stem")(x)
    for stage, stride, name, output in parts.blocks((3, 3, 3)):
        x = bottleneck(x, cardinality * width << stage, 256 << stage, stride, cardinality, name, output)
    return keras.Model(inputs, parts.logits(x, classes), name=f"resnext29_{cardinality}x{width}d")
