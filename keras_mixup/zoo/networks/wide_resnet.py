"""Wide residual networks (WRN): few layers with many filters, for small images."""

import keras
from keras import layers

from keras_mixup.zoo.networks import parts


def wide_resnet(shape, classes, depth, width, dropout=0.0, stem_stride=1):
    """Build WRN-depth-width: a stem of 16 filters, then three stages of 16, 32 and 64 times `width`.

        h = ReLU(BN(x)),    output = x + conv2(dropout(ReLU(BN(conv1(h)))))

    where x is replaced by a 1 x 1 convolution of h if the block changes the shape. Convolutions are drawn as He et al.
    propose, by the number of outputs, as in the authors' program.

    Args:
        shape: Height, width, channels.
        classes: Number of logits.
        depth: Number of convolutions on the longest way, 6n + 4: 28 has 4 blocks per stage, 16 has 2, 10 has 1.
        width: Factor of the number of filters. With 10 classes WRN-28-10 has 36.5 million weights, WRN-28-2 1.5
            million, WRN-16-2 0.69 million, WRN-16-1 0.18 million and WRN-10-1 0.08 million.
        dropout: Rate in [0, 1): one dropout in each block, between its convolutions.
        stem_stride: Stride of the stem; 2 quarters the work, for a laptop, and is not the paper's.

    Returns:
        A `keras.Model` whose layers `"stem"` and `"stage1"` to `"stage3"` give the outputs of these.

    Raises:
        ValueError: If there is no such depth.

    Reference:
        Wide Residual Networks (arXiv 1605.07146), table 1.
    """
    name = f"wide_resnet{depth}_{width}"
    return _build(shape, classes, depth, width, dropout, parts.norm_relu, True, parts.fan_in_uniform, name, stem_stride)


def mixmatch_resnet(shape, classes, dropout=0.0):
    """Build the relative of WRN-28-2 that MixMatch and its baselines train.

    ReLU leaks a tenth, batch statistics are averaged over 1000 steps, and where the number of filters changes the 1 x 1
    convolution takes x, except in the first block, where it takes h. The program's convolutions have biases, which only
    shift what a batch normalisation centres again; here they have none.

    Args:
        shape: Height, width, channels; the program's pixels are in [-1, 1].
        classes: Number of logits.
        dropout: As for `wide_resnet`; the program has none.

    Returns:
        A `keras.Model` of 1.5 million weights, with layers as `wide_resnet`.

    Reference:
        MixMatch (arXiv 1905.02249), section 4.1; program: google-research/mixmatch, `libml/models.py`.
    """
    name = "mixmatch_resnet"
    return _build(shape, classes, 28, 2, dropout, _norm_leaky, False, keras.initializers.GlorotNormal, name)


def _build(shape, classes, depth, width, dropout, norm_relu, activated_shortcuts, initializer, name, stem_stride=1):
    if depth < 10 or depth % 6 != 4:
        raise ValueError(f"`depth` should be 6n + 4, such as 10, 16 or 28. Received: depth={depth}.")
    inputs = keras.Input(shape)
    x = parts.convolution(inputs, 16, 3, "stem", stem_stride)
    for stage, stride, block, output in parts.blocks([(depth - 4) // 6] * 3):
        filters = (16 << stage) * width
        h = norm_relu(x, f"{block}_norm1")
        if x.shape[-1] != filters:
            x = h if activated_shortcuts or stage == 0 else x
            x = parts.convolution(x, filters, 1, f"{block}_shortcut", stride)
        h = parts.convolution(h, filters, 3, f"{block}_conv1", stride)
        h = norm_relu(h, f"{block}_norm2")
        if dropout:
            h = layers.Dropout(dropout, name=f"{block}_dropout")(h)
        h = parts.convolution(h, filters, 3, f"{block}_conv2")
        x = layers.Add(name=output)([x, h])
    x = norm_relu(x, "norm")
    return keras.Model(inputs, parts.logits(x, classes, initializer), name=name)


def _norm_leaky(x, name):
    x = layers.BatchNormalization(momentum=0.999, epsilon=1e-3, name=name)(x)
    return layers.ReLU(negative_slope=0.1, name=f"{name}_relu")(x)
