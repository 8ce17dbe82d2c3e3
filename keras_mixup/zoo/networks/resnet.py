"""ResNet and ResNeXt for ImageNet."""

import keras
from keras import layers

from keras_mixup.zoo.networks import parts

_REPEATS = {14: (1, 1, 1, 1), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def resnet(shape, classes, depth, cardinality=1, width=64):
    """Build a ResNet, or with groups a ResNeXt: a stem of 7 x 7 with pooling, then four stages of bottlenecks.

        output = ReLU(x + BN(conv1x1(ReLU(BN(conv3x3(ReLU(BN(conv1x1(x)))))))))

    where x is replaced by the BN of a 1 x 1 convolution of x if the block changes the shape. This is "version 1.5": the
    3 x 3 convolution halves the image, not the first 1 x 1 one as in `keras.applications.ResNet50`. Stages put out 256,
    512, 1024 and 2048 channels.

    Drawn as Goyal et al. do, whose training mixup follows: convolutions as He et al. propose, by the number of outputs;
    the last scale of each block 0, so that blocks begin as the identity; the classifier normal of deviation 0.01.

    Args:
        shape: Height, width, channels; the papers' are 224 x 224 x 3.
        classes: Number of logits.
        depth: 50 or 101; or 14, with one block in each stage.
        cardinality: Number of groups of the 3 x 3 convolutions.
        width: Channels of each group in the first stage; doubled in each stage that follows. With 1000 classes depth 50
            has 25.6 million weights (32 groups of 4: 25.0), depth 101 44.5 (32 groups of 4: 44.2; 64 of 4: 83.5).

    Returns:
        A `keras.Model` whose layers `"stem"` and `"stage1"` to `"stage4"` give the outputs of these.

    Reference:
        Deep Residual Learning (arXiv 1512.03385), table 1; Aggregated Residual Transformations (arXiv 1611.05431),
        table 1; Accurate, Large Minibatch SGD (arXiv 1706.02677), section 5.1.
    """
    inputs = keras.Input(shape)
    x = parts.norm_relu(parts.convolution(inputs, 64, 7, "stem_conv", 2), "stem_norm")
    x = layers.ZeroPadding2D(1, name="stem_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="stem")(x)
    for stage, stride, name, output in parts.blocks(_REPEATS[depth]):
        inner, filters = cardinality * width << stage, 256 << stage
        x = bottleneck(x, inner, filters, stride, cardinality, name, output, last_gamma="zeros")
    name = f"resnet{depth}" if cardinality == 1 else f"resnext{depth}_{cardinality}x{width}d"
    return keras.Model(inputs, parts.logits(x, classes, _small_normal), name=name)


def bottleneck(x, inner, filters, stride, cardinality, name, output, last_gamma="ones"):
    """A residual block: 1 x 1 to `inner` channels, 3 x 3 in groups, 1 x 1 to `filters` channels."""
    h = parts.norm_relu(parts.convolution(x, inner, 1, f"{name}_conv1"), f"{name}_norm1")
    h = parts.norm_relu(parts.convolution(h, inner, 3, f"{name}_conv2", stride, cardinality), f"{name}_norm2")
    h = parts.norm(parts.convolution(h, filters, 1, f"{name}_conv3"), f"{name}_norm3", last_gamma)
    if x.shape[-1] != filters:
        x = parts.norm(parts.convolution(x, filters, 1, f"{name}_shortcut", stride), f"{name}_shortcut_norm")
    return layers.ReLU(name=output)(layers.Add(name=f"{name}_sum")([x, h]))


def _small_normal():
    return keras.initializers.RandomNormal(stddev=0.01)
