"""Networks of convolution, then attention (CoAtNet)."""

import keras
import numpy as np
from keras import layers, ops

from keras_mixup.zoo.networks import parts


def coatnet(shape, classes, widths=(64, 96, 192, 384, 768), depths=(2, 3, 5, 2), head=32):
    """Build a CoAtNet: a stem, two stages of inverted bottlenecks, two of transformer blocks; by default CoAtNet-0.

        convolution:  x = x + conv1x1(SE(GELU(BN(depthwise3x3(GELU(BN(conv1x1(BN(x)))))))))
        attention:    x = x + attention(LN(x)),  x = x + MLP(LN(x))
        a head of it: out_i = sum_j softmax_j(q_i . k_j / sqrt(head) + bias[i - j]) v_j

    where i and j are places in the image, i - j the rows and columns between them, and each head of each block learns
    its own table of biases. SE is squeeze-and-excitation: channels times sigmoid(dense(SiLU(dense(mean(x))))). Inner
    layers are four times as wide as the output, those of SE a quarter of it. The stem and every stage halve the image.
    At the start of a stage, x becomes conv1x1(maxpool(x)), and in the branch beside it the first 1 x 1 convolution has
    a stride of 2 (equation 5; table 9 also tries the depthwise one), or attention sees maxpool(LN(x)) (equation 4).

    What the paper leaves open is here as in Google's program for MaxViT, which has these blocks: pooling of 2 x 2, SiLU
    in SE, the constants of normalisation, biases where no normalisation follows, and between pooling and classifier a
    layer normalisation and a dense layer with tanh, without which the weights would be fewer than the paper counts. As
    there, all is drawn from a normal distribution of deviation 0.02, tables too; biases start at 0. Other than there,
    the stem has no biases and is padded on all sides. There is no stochastic depth, of which the paper uses 0.2.

    Args:
        shape: Height, width, channels; the first two multiples of 32. The tables are of 2 rows - 1 times 2 columns - 1
            places, so weights fit images of one size.
        classes: Number of logits.
        widths: Channels of the stem and of the four stages; the last two are multiples of `head`.
        depths: Number of blocks of each stage.
        head: Channels of a head of attention.

    Returns:
        A `keras.Model`; CoAtNet-0 has 25.0 million weights at 224 x 224 with 1000 classes. Its layers `"stem"` and
        `"stage1"` to `"stage4"` give the outputs of these.

    Raises:
        ValueError: If the image cannot be halved five times.

    Reference:
        CoAtNet: Marrying Convolution and Attention for All Data Sizes (arXiv 2106.04803), equation 3, table 3 and
        appendix A.1; MaxViT (arXiv 2204.01697), its program.
    """
    if shape[0] % 32 or shape[1] % 32:
        raise ValueError(f"`shape` should have a height and a width of multiples of 32. Received: shape={shape}.")
    inputs = keras.Input(shape)
    x = parts.convolution(inputs, widths[0], 3, "stem_conv", 2, initializer=_normal)
    x = parts.convolution(_norm_gelu(x, "stem_norm"), widths[0], 3, "stem", initializer=_normal)
    for stage, (width, depth) in enumerate(zip(widths[1:], depths, strict=True), 1):
        for number in range(1, depth + 1):
            name = f"stage{stage}_block{number}"
            output = f"stage{stage}" if number == depth else f"{name}_output"
            if stage < 3:
                x = _bottleneck(x, width, number == 1, name, output)
            else:
                x = _transformer(x, width, number == 1, head, name, output)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = _dense(x, widths[-1], "hidden", "tanh")
    x = layers.Dense(classes, kernel_initializer=_normal(), dtype="float32", name="logits")(x)
    return keras.Model(inputs, x, name=f"coatnet{sum(depths)}_{widths[-1]}")


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def _norm(x, name):
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)


def _norm_gelu(x, name):
    return layers.Activation("gelu", name=f"{name}_gelu")(_norm(x, name))


def _halved(x, name):
    return layers.MaxPooling2D(2, name=name)(x)


def _dense(x, width, name, activation=None):
    """A dense layer on the last axis: for images, a 1 x 1 convolution with bias."""
    return layers.Dense(width, activation, kernel_initializer=_normal(), name=name)(x)


def _shortcut(x, width, halve, name):
    x = _halved(x, f"{name}_shortcut_pool") if halve else x
    return x if x.shape[-1] == width else _dense(x, width, f"{name}_shortcut")


def _bottleneck(x, width, halve, name, output):
    """Inverted, with squeeze-and-excitation: wide inside, where each channel is convolved on its own."""
    h = _norm(x, f"{name}_norm1")
    # With a stride of 2, a 1 x 1 convolution sees every other row and column. Of few channels, TensorFlow 2.18 and 2.21
    # (oneDNN) crash on a CPU in training it with a stride; so the rows and columns are taken first.
    h = h[:, ::2, ::2] if halve else h
    h = parts.convolution(h, 4 * width, 1, f"{name}_conv1", initializer=_normal)
    h = _norm_gelu(h, f"{name}_norm2")
    depthwise = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_initializer=_normal(), name=f"{name}_conv2"
    )
    h = _norm_gelu(depthwise(h), f"{name}_norm3")
    scales = layers.GlobalAveragePooling2D(name=f"{name}_squeeze")(h)
    scales = _dense(scales, width // 4, f"{name}_squeezed", "silu")
    scales = _dense(scales, 4 * width, f"{name}_excite", "sigmoid")
    h = layers.Multiply(name=f"{name}_excited")([h, layers.Reshape((1, 1, 4 * width), name=f"{name}_scales")(scales)])
    h = _dense(h, width, f"{name}_conv3")
    return layers.Add(name=output)([_shortcut(x, width, halve, name), h])


def _transformer(x, width, halve, head, name, output):
    h = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm1")(x)
    h = _attention(_halved(h, f"{name}_pool") if halve else h, width, head, f"{name}_attention")
    x = layers.Add(name=f"{name}_attended")([_shortcut(x, width, halve, name), h])
    h = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm2")(x)
    h = _dense(h, 4 * width, f"{name}_dense1", "gelu")
    h = _dense(h, width, f"{name}_dense2")
    return layers.Add(name=output)([x, h])


def _attention(x, width, head, name):
    """Each place attends to all, by content and by how far away it is."""
    rows, columns, channels = x.shape[1:]
    size, heads = rows * columns, width // head
    tokens = layers.Reshape((size, channels), name=f"{name}_tokens")(x)
    queries, keys, values = (
        layers.EinsumDense(
            "btc,cnd->btnd",
            (size, heads, head),
            bias_axes="nd",
            kernel_initializer=_normal(),
            name=f"{name}_{of}",
        )(tokens)
        for of in ("queries", "keys", "values")
    )
    h = ops.dot_product_attention(queries, keys, values, bias=_relative_bias(x, heads, name))
    return _dense(layers.Reshape((rows, columns, width), name=f"{name}_images")(h), width, f"{name}_output")


def _relative_bias(x, heads, name):
    """What a place adds to the logit of another, `(1, heads, places, places)`: of a table, the entry of their distance.

    The table is a matrix times 1, so that the network loads without a class of our own. It does not depend on the
    examples, so it has no axis of the batch; x only makes it part of the graph.
    """
    rows, columns = x.shape[1:3]
    one = ops.ones_like(ops.reshape(x[0, 0, 0, 0], (1, 1)))
    shape = (heads, 2 * rows - 1, 2 * columns - 1)
    # In float32, as the gradient of an entry is a sum over all pairs of places of one distance.
    table = layers.EinsumDense(
        "bo,onrc->bnrc", shape, kernel_initializer=_normal(), dtype="float32", name=f"{name}_bias"
    )
    biases = ops.take(table(one), _distances(rows), axis=2)
    biases = ops.take(biases, _distances(columns), axis=4)
    return ops.reshape(ops.transpose(biases, (0, 1, 2, 4, 3, 5)), (1, heads, rows * columns, rows * columns))


def _distances(side):
    """From each of so many places (rows) to each (columns), counted from 0."""
    places = np.arange(side)
    return places[:, None] - places + side - 1
