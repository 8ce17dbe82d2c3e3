"""Vision transformers (ViT)."""

import math

import keras
from keras import layers, ops


def vit(shape, classes, patch=16, width=768, depth=12, heads=12, dropout=0.0):
    """Build a vision transformer that classifies by the first token; by default ViT-B/16.

        z = [class, patches] + positions,    z = z + attention(LN(z)),    z = z + MLP(LN(z)),    logits = dense(LN(z)_0)

    Drawn as the authors do: dense layers by Glorot's uniform distribution, positions normal of deviation 0.02; the
    class token and the last layer start at 0.

    Args:
        shape: Height, width, channels; multiples of `patch`.
        classes: Number of logits.
        patch: Height and width of a patch.
        width: Channels of a token, a multiple of `heads`; the MLP has four times as many.
        depth: Number of blocks.
        heads: Number of heads.
        dropout: Rate in [0, 1) after positions are added and after each dense layer, but for those of queries, keys and
            values.

    Returns:
        A `keras.Model`; ViT-B/16 has 86.6 million weights at 224 x 224 with 1000 classes. Its layers `"stem"` and
        `"block1"`, `"block2"`, ... give the tokens, `(batch, 1 + patches, width)`.

    Raises:
        ValueError: If the image is not of whole patches.

    Reference:
        An Image is Worth 16x16 Words (arXiv 2010.11929), equations 1 to 4 and appendix B.1.
    """
    if shape[0] % patch or shape[1] % patch:
        raise ValueError(f"`shape` should be of whole patches of {patch} x {patch} pixels. Received: shape={shape}.")
    inputs = keras.Input(shape)
    x = layers.Conv2D(width, patch, patch, kernel_initializer="lecun_normal", name="patches")(inputs)
    x = layers.Reshape((-1, width), name="tokens")(x)
    x = layers.Concatenate(axis=1, name="all_tokens")([_learned(x, 1, "zeros", "class_token"), x])
    positions = _learned(x, x.shape[1], keras.initializers.RandomNormal(stddev=0.02), "positions")
    x = layers.Add(name="positioned")([x, positions])
    x = layers.Dropout(dropout, name="stem")(x)
    for number in range(1, depth + 1):
        x = _block(x, width, heads, dropout, f"block{number}")
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name="logits")(x[:, 0])
    return keras.Model(inputs, x, name=f"vit{depth}_{width}_{patch}")


def _block(x, width, heads, dropout, name):
    h = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
    # Glorot's limit for matrices of width x width; from kernels with an axis of heads Keras would find a smaller one.
    limit = math.sqrt(3 / width)
    uniform = keras.initializers.RandomUniform(-limit, limit)
    h = layers.MultiHeadAttention(heads, width // heads, kernel_initializer=uniform, name=f"{name}_attention")(h, h)
    h = layers.Dropout(dropout, name=f"{name}_dropout1")(h)
    x = layers.Add(name=f"{name}_attended")([x, h])
    h = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
    h = layers.Dense(4 * width, activation="gelu", name=f"{name}_dense1")(h)
    h = layers.Dropout(dropout, name=f"{name}_dropout2")(h)
    h = layers.Dense(width, name=f"{name}_dense2")(h)
    h = layers.Dropout(dropout, name=f"{name}_dropout3")(h)
    return layers.Add(name=name)([x, h])


def _learned(x, rows, initializer, name):
    """Learned rows, the same for each example: a matrix times 1. So the network loads without a class of our own."""
    one = ops.ones_like(x[:, :1, 0])
    shape = (rows, x.shape[-1])
    return layers.EinsumDense("bo,ord->brd", shape, kernel_initializer=initializer, name=name)(one)
