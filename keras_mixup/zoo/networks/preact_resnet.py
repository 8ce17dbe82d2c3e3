"""Residual networks that normalise and activate before they convolve (PreAct ResNet), for small images."""

import keras
from keras import layers

from keras_mixup.zoo.networks import parts

_REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_REPEATS |= dict.fromkeys((10, 14), (1, 1, 1, 1))
_BOTTLENECKS = (14, 50, 101)


def preact_resnet(shape, classes, depth, dropout=0.0, stem_stride=None, filters=64):
    """Build a PreAct ResNet with a stem of 3 x 3 and four stages of 64, 128, 256 and 512 filters.

        h = ReLU(BN(x)),    output = x + conv2(dropout(ReLU(BN(conv1(h)))))

    where x is replaced by a 1 x 1 convolution of h if the block changes the shape. At depth 14, 50 and 101 a block has
    three convolutions, of 1 x 1, 3 x 3 and 1 x 1, and the last has four times the filters.

    Two forms of this network are published with mixup. This is the one that gave the figures of the ablation table for
    ERM and mixup (hongyi-zhang/mixup): the stem is a bare convolution, and the identity skip carries x. In the other
    (facebookresearch/mixup-cifar10, its default) the stem ends with BN and ReLU, and the identity skip carries h.
    Neither has the last BN and ReLU of He et al. So the output of `"stem"` is a bare convolution's, and those of
    `"stage1"` to `"stage4"` are sums; the ablation's "layer k" is the input of stage k, and layer 5 is `"stage4"`.

    Weights are drawn as that program does, with PyTorch's default, uniform of variance 1 / (3 fan_in); the bias starts
    at 0.

    Args:
        shape: Height, width, channels.
        classes: Number of logits.
        depth: 18 (11.2 million weights with 10 classes), 34 (21.3), 50 (23.5) or 101 (42.5); or 10 or 14, with
            one block in each stage.
        dropout: Rate in [0, 1): one dropout in each block, before its last convolution.
        stem_stride: Stride of the stem; by default 2 for images of 64 rows or more, as for Tiny-ImageNet, otherwise 1.
        filters: Of the stem and the first stage; each stage after it has twice as many. 64 is the published network.

    Returns:
        A `keras.Model` whose layers `"stem"` and `"stage1"` to `"stage4"` give the outputs of these.

    Reference:
        Identity Mappings in Deep Residual Networks (arXiv 1603.05027), figure 4e; mixup (arXiv 1710.09412), sections
        3.2 and 3.8.
    """
    if stem_stride is None:
        stem_stride = 2 if (shape[0] or 0) >= 64 else 1
    block = _bottleneck if depth in _BOTTLENECKS else _basic
    inputs = keras.Input(shape)
    x = _convolution(inputs, filters, 3, "stem", stem_stride)
    for stage, stride, name, output in parts.blocks(_REPEATS[depth]):
        x = block(x, filters << stage, stride, dropout, name, output)
    return keras.Model(inputs, parts.logits(x, classes), name=f"preact_resnet{depth}")


def _basic(x, filters, stride, dropout, name, output):
    h = parts.norm_relu(x, f"{name}_norm1")
    if stride > 1 or x.shape[-1] != filters:
        x = _convolution(h, filters, 1, f"{name}_shortcut", stride)
    h = _convolution(h, filters, 3, f"{name}_conv1", stride)
    h = parts.norm_relu(h, f"{name}_norm2")
    if dropout:
        h = layers.Dropout(dropout, name=f"{name}_dropout")(h)
    h = _convolution(h, filters, 3, f"{name}_conv2")
    return layers.Add(name=output)([x, h])


def _bottleneck(x, filters, stride, dropout, name, output):
    h = parts.norm_relu(x, f"{name}_norm1")
    if stride > 1 or x.shape[-1] != 4 * filters:
        x = _convolution(h, 4 * filters, 1, f"{name}_shortcut", stride)
    h = _convolution(h, filters, 1, f"{name}_conv1")
    h = parts.norm_relu(h, f"{name}_norm2")
    h = _convolution(h, filters, 3, f"{name}_conv2", stride)
    h = parts.norm_relu(h, f"{name}_norm3")
    if dropout:
        h = layers.Dropout(dropout, name=f"{name}_dropout")(h)
    h = _convolution(h, 4 * filters, 1, f"{name}_conv3")
    return layers.Add(name=output)([x, h])


def _convolution(x, filters, size, name, stride=1):
    return parts.convolution(x, filters, size, name, stride, initializer=parts.fan_in_uniform)
