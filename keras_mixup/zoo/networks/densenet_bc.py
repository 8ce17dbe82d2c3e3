"""Densely connected networks with bottlenecks and compression (DenseNet-BC), for small images."""

import keras
from keras import layers

from keras_mixup.zoo.networks import parts


def densenet_bc(shape, classes, depth, growth):
    """Build DenseNet-BC: three stages of dense blocks, each of which sees the outputs of all before it in its stage.

        output = [x, conv3x3(ReLU(BN(conv1x1(ReLU(BN(x))))))]

    The 1 x 1 convolution gives 4 `growth` channels, the 3 x 3 one `growth`. Between stages a 1 x 1 convolution keeps
    half of the channels and pooling halves the image; this transition ends the stage. Convolutions are drawn as He et
    al. propose, by the number of outputs, as in the authors' program.

    The outputs of all blocks are kept for the gradient, which needs much memory; depth 190 with a batch of 128 is made
    for large accelerators.

    Args:
        shape: Height, width, channels; 4 x 4 at least.
        classes: Number of logits.
        depth: 6n + 4 for n blocks in each stage.
        growth: Channels that each block adds. With 10 classes depth 190 and growth 40 have 25.6 million weights, depth
            100 and growth 12 0.77 million.

    Returns:
        A `keras.Model` whose layers `"stem"` and `"stage1"` to `"stage3"` give the outputs of these.

    Raises:
        ValueError: If there is no such depth.

    Reference:
        Densely Connected Convolutional Networks (arXiv 1608.06993), section 3.
    """
    if depth < 10 or depth % 6 != 4:
        raise ValueError(f"`depth` should be 6n + 4, such as 100 or 190. Received: depth={depth}.")
    repeat = (depth - 4) // 6
    inputs = keras.Input(shape)
    x = parts.convolution(inputs, 2 * growth, 3, "stem")
    for stage in (1, 2, 3):
        for block in range(1, repeat + 1):
            name = f"stage{stage}_block{block}"
            h = parts.norm_relu(x, f"{name}_norm1")
            h = parts.convolution(h, 4 * growth, 1, f"{name}_conv1")
            h = parts.norm_relu(h, f"{name}_norm2")
            h = parts.convolution(h, growth, 3, f"{name}_conv2")
            output = "stage3" if (stage, block) == (3, repeat) else f"{name}_output"
            x = layers.Concatenate(name=output)([x, h])
        if stage < 3:
            h = parts.norm_relu(x, f"stage{stage}_norm")
            h = parts.convolution(h, x.shape[-1] // 2, 1, f"stage{stage}_conv")
            x = layers.AveragePooling2D(2, name=f"stage{stage}")(h)
    x = parts.norm_relu(x, "norm")
    return keras.Model(inputs, parts.logits(x, classes), name=f"densenet_bc{depth}")
