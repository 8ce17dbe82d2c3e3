"""Where images are cut: boxes and masks, drawn without loops, for batches.

Every function works on `count` rows at once and compiles under XLA. A box is a row (top, left, bottom, right) of
integers; a region is True where the original image is kept.
"""

import math

from keras_mixup import ops as tables


def cut_box(image_size, keep, seed):
    """A box of area 1 - keep around a uniformly random centre, clipped at the border (CutMix).

        height = H sqrt(1 - keep),    width = W sqrt(1 - keep)

    Args:
        image_size: `(height, width)`.
        keep: Float32 tensor of shape `(count,)`, in [0, 1]: the share of the image to keep, before clipping.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        An int32 tensor of shape `(count, 4)`.
    """
    side = tables.of(keep).sqrt(1.0 - keep)
    return _centred_box(image_size, side, side, seed)


def minmax_box(image_size, minmax, count, seed):
    """A box whose sides are, independently, uniform shares of the image's sides, anywhere inside it (timm's minmax).

    Args:
        image_size: `(height, width)`.
        minmax: The smallest and the largest share, 0 <= smallest <= largest <= 1.
        count: Number of boxes.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        An int32 tensor of shape `(count, 4)`.
    """
    ops = tables.of(seed, count)
    least, most = minmax
    first, last = [], []
    for length, stream in zip(image_size, ops.split(seed, 2), strict=True):
        for_side, for_place = ops.split(stream, 2)
        share = least + (most - least) * ops.uniform((count,), for_side)
        side = _whole(share, length)
        start = _below(ops.uniform((count,), for_place), length - side + 1)
        first.append(start)
        last.append(start + side)
    return ops.stack([*first, *last], axis=1)


def square_box(image_size, scale, count, seed):
    """A box with the image's proportions, `scale` times as large, around a random centre, clipped (ResizeMix).

    Args:
        image_size: `(height, width)`.
        scale: The smallest and the largest ratio of the box's side to the image's side.
        count: Number of boxes.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        An int32 tensor of shape `(count, 4)`.
    """
    ops = tables.of(seed, count)
    for_scale, for_centre = ops.split(seed, 2)
    side = scale[0] + (scale[1] - scale[0]) * ops.uniform((count,), for_scale)
    return _centred_box(image_size, side, side, for_centre)


def outside(box, image_size):
    """The region outside a box: True for the pixels of the original that stay."""
    ops = tables.of(box)
    height, width = image_size
    row, column = ops.arange(height)[None, :, None], ops.arange(width)[None, None, :]
    # Not box[:, k, None, None]: TensorFlow's graph optimiser forgets new axes when it looks through a stack.
    top, left, bottom, right = (ops.reshape(box[:, k], (-1, 1, 1)) for k in range(4))
    return (row < top) | (row >= bottom) | (column < left) | (column >= right)


def share_outside(box, image_size):
    """The exact share of pixels outside a box, float32 of shape `(count,)`."""
    ops = tables.of(box)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    pixels = ops.cast(image_size[0] * image_size[1], "float32")
    return (pixels - ops.cast(area, "float32")) / pixels


def fourier_region(image_size, keep, decay, seed):
    """A random smooth region that covers a share of the image: the highest pixels of a low-frequency picture (FMix).

    The picture is the inverse Fourier transform of complex Gaussian noise divided by frequency ** decay.

    Args:
        image_size: `(height, width)`.
        keep: Float32 tensor of shape `(count,)`, in [0, 1]: the share of pixels to keep, up to rounding.
        decay: How fast high frequencies fall; larger means smoother.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        The region, a boolean tensor of shape `(count, height, width)`, and its exact share of pixels, float32
        `(count,)`.
    """
    ops = tables.of(keep)
    height, width = image_size
    count = ops.shape(keep)[0]
    real_seed, imaginary_seed, rounding_seed = ops.split(seed, 3)
    frequency = ops.sqrt(_frequencies(ops, height)[:, None] ** 2 + _frequencies(ops, width)[None, :] ** 2)
    lowest = 1.0 / ops.cast(ops.maximum(height, width), "float32")
    filtered = ops.exp(-decay * ops.log(ops.maximum(frequency, lowest)))
    noise = (ops.normal((count, height, width), stream) for stream in (real_seed, imaginary_seed))
    picture = ops.inverse_fourier(*(filtered * part for part in noise))
    pixels = height * width
    rank = ops.argsort(ops.argsort(-ops.reshape(picture, (-1, pixels))))
    # Round up or down at random, so that on average exactly the share asked for is kept.
    target = keep * ops.cast(pixels, "float32")
    kept = ops.floor(target + ops.uniform((count,), rounding_seed))
    kept = ops.minimum(kept, ops.cast(pixels, "float32"))  # float32 rounds 224 * 224 + 0.999 up
    region = ops.cast(rank, "float32") < kept[:, None]
    return ops.reshape(region, (-1, height, width)), kept / ops.cast(pixels, "float32")


def _centred_box(image_size, height_share, width_share, seed):
    ops = tables.of(height_share)
    count = ops.shape(height_share)[0]
    first, last = [], []
    streams = ops.split(seed, 2)
    for length, share, stream in zip(image_size, (height_share, width_share), streams, strict=True):
        half = _whole(share, length) // 2
        centre = _below(ops.uniform((count,), stream), length)
        first.append(ops.maximum(centre - half, 0))
        last.append(ops.minimum(centre + half, length))
    return ops.stack([*first, *last], axis=1)


def _whole(share, length):
    """Floor(share * length): a share of a length in pixels."""
    ops = tables.of(share)
    return ops.cast(ops.floor(share * ops.cast(length, "float32")), "int32")


def _below(share, bound):
    """Floor(share * bound), an integer in [0, bound) even where float32 rounds up."""
    return tables.of(share).minimum(_whole(share, bound), bound - 1)


def _frequencies(ops, length):
    """The absolute frequencies of a discrete Fourier transform: 0, 1, 2, ..., 2, 1, over the length."""
    k = ops.arange(length)
    return ops.cast(ops.minimum(k, length - k), "float32") / ops.cast(length, "float32")


def check_minmax(name, minmax):
    """Raise a `ValueError` unless these are two shares in ascending order."""
    pair = isinstance(minmax, tuple | list) and len(minmax) == 2
    numbers = pair and all(isinstance(v, int | float) and math.isfinite(v) for v in minmax)
    if not numbers or not 0 <= minmax[0] <= minmax[1] <= 1:
        raise ValueError(f"`{name}` should be two numbers 0 <= smallest <= largest <= 1. Received: {name}={minmax!r}.")
