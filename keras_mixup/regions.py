"""Where images are cut: boxes and masks, drawn without loops, for batches.

Every function works on `count` rows at once and compiles under XLA. An image has a height and a width, a sound or a
series a length alone: `image_size` is `(height, width)` or `(length,)`. A box is a row of integers, first all its
beginnings and then all its ends: (top, left, bottom, right) or (start, stop). A region is True where the original is
kept, or says by a number in [0, 1] how much of it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras_mixup import ops as tables
from keras_mixup.types import CutAxes, Ops, Seed, Shape, Size, Tensor


def cut_box(image_size: Shape, keep: Tensor, seed: Seed, inside: bool = False) -> Tensor:
    """A box of area 1 - keep around a uniformly random centre, clipped at the border (CutMix).

        height = H sqrt(1 - keep),    width = W sqrt(1 - keep),    or length = L (1 - keep) of a series

    Its edges are real numbers that are rounded to whole pixels, so that every size occurs and the mean size is right.

    Args:
        image_size: `(height, width)` or `(length,)`.
        keep: Float32 tensor of shape `(count,)`, in [0, 1]: the share of the image to keep, before clipping.
        seed: As for `keras_mixup.weights.beta`.
        inside: If True, the centre is such that the box lies within the image and nothing is clipped.

    Returns:
        An int32 tensor of shape `(count, 4)`, or `(count, 2)` for a series.
    """
    return _box(image_size, _share_of_sides(keep, len(image_size)), seed, inside=inside)


def box_around(image_size: Shape, keep: Tensor, centre: Tensor) -> Tensor:
    """A box of area 1 - keep around given pixels, clipped at the border (SaliencyMix).

    Args:
        image_size: `(height, width)` or `(length,)`.
        keep: As for `cut_box`.
        centre: Integer tensor of shape `(count, 2)`, or `(count, 1)` for a series: rows and columns.

    Returns:
        An int32 tensor of shape `(count, 4)`, or `(count, 2)` for a series.
    """
    ops = tables.of(keep)
    lengths = [ops.cast(length, "float32") for length in image_size]
    sides = [_share_of_sides(keep, len(lengths)) * length for length in lengths]
    starts = [ops.cast(centre[:, k], "float32") + 0.5 - 0.5 * side for k, side in enumerate(sides)]
    return _clipped(starts, sides, lengths)


def minmax_box(image_size: Shape, minmax: tuple[float, float], count: Size, seed: Seed) -> Tensor:
    """A box whose sides are, independently, uniform shares of the image's sides, anywhere inside it (timm's minmax).

    Args:
        image_size: `(height, width)` or `(length,)`.
        minmax: The smallest and the largest share, 0 <= smallest <= largest <= 1.
        count: Number of boxes.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        An int32 tensor of shape `(count, 4)`, or `(count, 2)` for a series.
    """
    ops = tables.of(seed, count)
    least, most = minmax
    first, last = [], []
    for length, stream in zip(image_size, ops.split(seed, len(image_size)), strict=True):
        for_side, for_place = ops.split(stream, 2)
        share = least + (most - least) * ops.uniform((count,), for_side)
        side = _whole(share, length)
        start = _below(ops.uniform((count,), for_place), length - side + 1)
        first.append(start)
        last.append(start + side)
    return ops.stack([*first, *last], axis=1)


def square_box(image_size: Shape, scale: tuple[float, float], count: Size, seed: Seed) -> Tensor:
    """A box with the image's proportions, `scale` times as large, around a random centre, clipped (ResizeMix).

    It holds one pixel at least.

    Args:
        image_size: `(height, width)` or `(length,)`.
        scale: The smallest and the largest ratio of the box's side to the image's side.
        count: Number of boxes.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        An int32 tensor of shape `(count, 4)`, or `(count, 2)` for a series.
    """
    ops = tables.of(seed, count)
    for_scale, for_centre = ops.split(seed, 2)
    side = scale[0] + (scale[1] - scale[0]) * ops.uniform((count,), for_scale)
    return _box(image_size, side, for_centre, least=1.0)


def _box(image_size: Shape, share: Tensor, seed: Seed, inside: bool = False, least: Any = 0.0) -> Tensor:
    """Boxes of a share of all sides, `least` pixels or more, around random centres; clipped, or moved inside."""
    ops = tables.of(share)
    count = ops.shape(share)[0]
    starts, sides = [], []
    lengths = [ops.cast(length, "float32") for length in image_size]
    for length, stream in zip(lengths, ops.split(seed, len(lengths)), strict=True):
        uniform, side = ops.uniform((count,), stream), ops.maximum(share * length, least)
        start = uniform * (length - side) if inside else uniform * length - 0.5 * side
        # The bound keeps a start that float32 rounds up to the length from leaving a pixel to a box without any.
        starts.append(ops.minimum(start, length * (1.0 - 1e-7) - 0.5 * side))
        sides.append(side)
    return _clipped(starts, sides, lengths)


def _share_of_sides(keep: Tensor, sides: int) -> Tensor:
    """How long each side of a box of area 1 - keep is, as a share of the image's; exp(-inf) = 0 where all is kept."""
    ops = tables.of(keep)
    return ops.exp(ops.log(1.0 - keep) / sides)


def _clipped(starts: list[Tensor], sides: list[Tensor], lengths: Sequence[Tensor]) -> Tensor:
    """Boxes by their starts and sides in real numbers, clipped at the border and rounded to whole pixels."""
    ops = tables.of(starts[0])
    first = [_nearest(ops.maximum(start, 0.0)) for start in starts]
    ends = zip(starts, sides, lengths, strict=True)
    last = [_nearest(ops.minimum(start + side, length)) for start, side, length in ends]
    return ops.stack([*first, *last], axis=1)


def inside(box: Tensor, lengths: Sequence[Size], axes: CutAxes, rank: int) -> Tensor:
    """Where a tensor lies within a box.

    Args:
        box: Boxes `(count, 2 * sides)`.
        lengths: How long the tensor is along each of the cut axes.
        axes: For each side of the box its axis in the tensor, and how many of the tensor's places one of the box's is.
        rank: Number of axes of the tensor.

    Returns:
        A boolean tensor that broadcasts against it.
    """
    ops = tables.of(box)
    within = None
    for side, (length, (axis, factor)) in enumerate(zip(lengths, axes, strict=True)):
        along = [1] * rank
        along[axis] = -1
        place = ops.reshape(ops.arange(length) // factor, along)
        # Not box[:, k, None, None]: TensorFlow's graph optimiser forgets new axes when it looks through a stack.
        first, last = (ops.reshape(box[:, k], (-1,) + (1,) * (rank - 1)) for k in (side, side + len(axes)))
        between = (place >= first) & (place < last)
        within = between if within is None else within & between
    return within


def share_outside(box: Tensor, image_size: Shape) -> Tensor:
    """The exact share of pixels outside a box, float32 of shape `(count,)`."""
    ops = tables.of(box)
    sides = len(image_size)
    area = math.prod(box[:, sides + k] - box[:, k] for k in range(sides))
    pixels = ops.cast(math.prod(image_size), "float32")
    return (pixels - ops.cast(area, "float32")) / pixels


def fourier_region(image_size: Shape, keep: Tensor, decay: float, seed: Seed) -> Any:
    """A random smooth region that covers a share of the image: the highest pixels of a low-frequency picture (FMix).

    The picture is the inverse Fourier transform of complex Gaussian noise divided by frequency ** decay.

    Args:
        image_size: `(height, width)` or `(length,)`.
        keep: Float32 tensor of shape `(count,)`, in [0, 1]: the share of pixels to keep, up to rounding.
        decay: How fast high frequencies fall; larger means smoother.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        The region, a boolean tensor of shape `(count, *image_size)`, and its exact share of pixels, float32 `(count,)`.
    """
    ops = tables.of(keep)
    height, width = image_size if len(image_size) == 2 else (1, *image_size)
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
    return ops.reshape(region, (-1, *image_size)), kept / ops.cast(pixels, "float32")


def gaussian_region(image_size: Shape, sigma: Tensor, count: Size, seed: Seed) -> tuple[Tensor, Tensor]:
    """A soft hole: the partner's share falls off as a Gaussian around a random pixel (SmoothMix).

        region = 1 - prod_k exp(-(place_k - centre_k)^2 / (2 (sigma length_k)^2)),    centre_k any place, uniformly

    Args:
        image_size: `(height, width)` or `(length,)`.
        sigma: Float32 tensor of shape `(count,)`, > 0: the width of the hole as a share of the image's sides.
        count: Number of regions.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        The region, float32 of shape `(count, *image_size)`, and its mean, float32 `(count,)`.
    """
    ops = tables.of(sigma)
    hole, share, sides = 1.0, 1.0, len(image_size)
    for k, (length, stream) in enumerate(zip(image_size, ops.split(seed, sides), strict=True)):
        pixels = ops.cast(length, "float32")
        centre = ops.cast(_below(ops.uniform((count,), stream), length), "float32")
        distance = (ops.cast(ops.arange(length), "float32")[None, :] - centre[:, None]) / (sigma * pixels)[:, None]
        falls = ops.exp(-0.5 * distance * distance)
        share = share * ops.sum(falls) / pixels
        hole = hole * ops.reshape(falls, (count, *(length if side == k else 1 for side in range(sides))))
    return 1.0 - hole, 1.0 - share


def _nearest(position: Tensor) -> Tensor:
    """A position rounded to the nearest whole pixel."""
    ops = tables.of(position)
    return ops.cast(ops.floor(position + 0.5), "int32")


def _whole(share: Tensor, length: Size) -> Tensor:
    """Floor(share * length): a share of a length in pixels."""
    ops = tables.of(share)
    return ops.cast(ops.floor(share * ops.cast(length, "float32")), "int32")


def _below(share: Tensor, bound: Tensor) -> Tensor:
    """Floor(share * bound), an integer in [0, bound) even where float32 rounds up."""
    return tables.of(share).minimum(_whole(share, bound), bound - 1)


def _frequencies(ops: Ops, length: Size) -> Any:
    """The absolute frequencies of a discrete Fourier transform: 0, 1, 2, ..., 2, 1, over the length."""
    k = ops.arange(length)
    return ops.cast(ops.minimum(k, length - k), "float32") / ops.cast(length, "float32")


def check_minmax(name: str, minmax: Any) -> None:
    """Raise a `ValueError` unless these are two shares in ascending order."""
    pair = isinstance(minmax, tuple | list) and len(minmax) == 2
    numbers = pair and all(isinstance(v, int | float) and math.isfinite(v) for v in minmax)
    if not numbers or not 0 <= minmax[0] <= minmax[1] <= 1:
        raise ValueError(f"`{name}` should be two numbers 0 <= smallest <= largest <= 1. Received: {name}={minmax!r}.")
