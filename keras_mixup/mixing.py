"""START HERE: the whole method.

    x~ = weight * x + (1 - weight) * x[partner]
    y~ = weight * y + (1 - weight) * y[partner]

A `Draw` holds one weight and one partner per example. It is drawn once (`keras_mixup.methods`) and `mix` applies it to
every tensor of the batch: images, targets, sample weights. Drawing twice, or applying it differently to inputs and
targets, is how mixup goes wrong.
"""

from typing import Any, NamedTuple

import keras

from keras_mixup import ops as tables


class Draw(NamedTuple):
    """One weight and one partner per example of a batch.

    Args:
        weight: Float32 tensor of shape `(batch,)`, in [0, 1]: the share of the original example.
        partner: Integer tensor of shape `(batch,)`: the row of the example that is mixed in.

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    weight: Any
    partner: Any


def mix(tree, draw):
    """Mix every tensor of a batch with its partners, all by the same draw.

        x~ = weight * x + (1 - weight) * x[partner]

    A row of weight 1 is returned bit for bit, one of weight 0 is its partner bit for bit, and what the other side holds
    there (NaN, infinity) does not matter. (Float32 numbers below 2.4e-38, whose half may be flushed to zero, excepted.)

    Args:
        tree: A floating-point tensor of shape `(batch, ...)`, or any nest of dicts, tuples and lists of them.
        draw: A `Draw` for that batch.

    Returns:
        The same structure, with the shapes and dtypes of `tree`. The arithmetic is done in float32 at least.

    Raises:
        TypeError: If a tensor is not floating-point: integers are pixels to one user and class ids to another. Cast
            pixels to float and one-hot class ids first, or leave both to `MixupLayer` and `mixup`.

    Example:

    >>> import numpy as np
    >>> images, labels = np.array([[0.0], [10.0]], "float32"), np.eye(2, dtype="float32")
    >>> draw = Draw(weight=np.array([0.75, 1.0], "float32"), partner=np.array([1, 0]))
    >>> images, labels = mix((images, labels), draw)
    >>> np.asarray(images).tolist()
    [[2.5], [10.0]]
    >>> np.asarray(labels).tolist()
    [[0.75, 0.25], [0.0, 1.0]]

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    def mix_leaf(x):
        ops = tables.of(x)
        x = ops.convert(x)
        dtype = keras.backend.standardize_dtype(x.dtype)
        if not dtype.startswith(("float", "bfloat")):
            raise TypeError(
                f"`mix` needs floating-point tensors. Received: a tensor of dtype {dtype} and shape {tuple(x.shape)}. "
                "Cast pixels with `keras.ops.cast(x, 'float32')`; one-hot class ids with "
                "`keras.ops.one_hot(y, num_classes)`."
            )
        return blend(x, draw, dtype)

    return keras.tree.map_structure(mix_leaf, tree)


def blend(x, draw, dtype):
    """Mix one numeric tensor and return it in `dtype`; compiled into one pass by XLA where that is faster.

    Where the weight is 0 or 1 only one of the two examples counts, so both indices are pointed at it: one half of an
    example plus one half of itself is that example exactly, whatever it holds.
    """
    ops = tables.of(x, *draw)
    weight, partner = ops.cast(draw.weight, "float32"), ops.cast(draw.partner, "int32")
    row = ops.arange(ops.shape(x)[0])
    kept, replaced = weight == 1.0, weight == 0.0
    own = ops.where(replaced, partner, row)
    partner = ops.where(kept, row, partner)
    weight = ops.where(kept | replaced, 0.5, weight)
    return ops.compiled(_weighted_sum, x)(x, weight, own, partner, dtype)


def _weighted_sum(x, weight, own, partner, dtype):
    ops = tables.of(x)
    precision = "float64" if "float64" in (keras.backend.standardize_dtype(x.dtype), dtype) else "float32"
    weight = ops.cast(ops.reshape(weight, (-1,) + (1,) * (len(x.shape) - 1)), precision)
    # Gather first and cast after: the bytes that move are the small ones.
    original = ops.cast(ops.take(x, own), precision)
    other = ops.cast(ops.take(x, partner), precision)
    return ops.cast(weight * original + (1.0 - weight) * other, dtype)
