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

import numpy as np

from keras_mixup import ops as tables
from keras_mixup.types import CutAxes, Ops, Seed, Shape, Size, Tensor

LEFT_OUT = 1e-6  # of the variance of FMix's pictures
STEPS = 24  # of halving: as many as a float32 has digits


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
    lengths = ops.cast(ops.stack(list(image_size)), "float32")
    side = _share_of_sides(keep, len(image_size))[:, None] * lengths
    return _clipped(ops.cast(centre, "float32") + 0.5 - 0.5 * side, side, lengths)


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


def _box(image_size: Shape, share: Tensor, seed: Seed, inside: bool = False, least: float = 0.0) -> Tensor:
    """Boxes of a share of all sides, `least` pixels or more, around random centres; clipped, or moved inside."""
    ops = tables.of(share)
    lengths = ops.cast(ops.stack(list(image_size)), "float32")
    uniform = ops.uniform((ops.shape(share)[0], len(image_size)), seed)
    side = ops.maximum(share[:, None] * lengths, least)
    start = uniform * (lengths - side) if inside else uniform * lengths - 0.5 * side
    # The bound keeps a start that float32 rounds up to the length from leaving a pixel to a box without any.
    return _clipped(ops.minimum(start, lengths * (1.0 - 1e-7) - 0.5 * side), side, lengths)


def _share_of_sides(keep: Tensor, sides: int) -> Tensor:
    """How long each side of a box of area 1 - keep is, as a share of the image's."""
    return 1.0 - keep if sides == 1 else tables.of(keep).sqrt(1.0 - keep)


def _clipped(start: Tensor, side: Tensor, lengths: Tensor) -> Tensor:
    """Boxes by their starts and sides in real numbers, clipped at the border and rounded to whole pixels."""
    ops = tables.of(start)
    return _nearest(ops.concat([ops.maximum(start, 0.0), ops.minimum(start + side, lengths)], axis=1))


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
        place = ops.reshape(ops.arange(length), along)
        # Not box[:, k, None, None]: TensorFlow's graph optimiser forgets new axes when it looks through a stack.
        first, last = (ops.reshape(box[:, k] * factor, (-1,) + (1,) * (rank - 1)) for k in (side, side + len(axes)))
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

    The picture is the inverse Fourier transform of complex Gaussian noise divided by frequency ** decay. Of a large and
    smooth one only the low frequencies are drawn, on a grid as fine as they need, and the pixels are interpolated: what
    is left out has `LEFT_OUT` of the picture's variance. The share that is kept is then within half a percent of the
    one asked for; the one that is returned is counted, and exact.

    Args:
        image_size: `(height, width)` or `(length,)`.
        keep: Float32 tensor of shape `(count,)`, in [0, 1]: the share of pixels to keep, up to rounding.
        decay: How fast high frequencies fall; larger means smoother.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        The region, a boolean tensor of shape `(count, *image_size)`, and its exact share of pixels, float32 `(count,)`.
    """
    ops = tables.of(keep)
    size = image_size if len(image_size) == 2 else (1, *image_size)
    grid = _grid(size, decay)
    for_noise, for_rounding = ops.split(seed, 2)
    longest = ops.cast(ops.maximum(*size), "float32")
    # In units of the lowest frequency. Half of all columns will do: the picture is real.
    rows, columns = (
        _frequencies(ops, places) * (longest / ops.cast(length, "float32"))
        for places, length in zip(grid, size, strict=True)
    )
    columns = columns[: grid[1] // 2 + 1]
    frequency = ops.maximum(ops.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2), 1.0)
    half = ops.arange(grid[1] // 2 + 1)
    # The first column, and the middle one, are their own mirror images: their two halves are averaged.
    twice = ops.where((half == 0) | (2 * half == grid[1]), math.sqrt(2.0), 1.0)
    filtered = ops.exp(-decay * ops.log(frequency)) * twice
    real, imaginary = (
        filtered * ops.normal((ops.shape(keep)[0], grid[0], grid[1] // 2 + 1), stream)
        for stream in ops.split(for_noise, 2)
    )
    picture = ops.inverse_real_fourier(real, imaginary, grid[1])
    pixels = ops.cast(math.prod(size), "float32")
    # Round up or down at random, so that on average exactly the share asked for is kept.
    kept = ops.floor(keep * pixels + ops.uniform(ops.shape(keep), for_rounding))
    kept = ops.minimum(kept / pixels, 1.0)  # float32 rounds 224 * 224 + 0.999 up
    level = ops.fused(_level, *size)(picture, kept)
    if isinstance(size[0], int) and grid[0] != size[0]:
        picture = ops.fused(_interpolated, *size)(picture, 1, size[0])
    region = ops.fused(_above, *size)(picture, level, size[1])
    share = ops.fused(_share_of, *size)(region)  # after the region: in one program it would be computed twice
    return ops.reshape(region, (-1, *image_size)), share


def _grid(size: Shape, decay: float) -> Shape:
    """How many places a picture needs that is to be interpolated: two for each period of what is not left out."""
    if decay <= 1 or not all(isinstance(length, int) for length in size):
        return size
    # The variance above a frequency falls as its power 2 - 2 decay, in units of the lowest.
    highest = LEFT_OUT ** (1 / (2 - 2 * decay))
    return tuple(min(length, 2 * math.ceil(highest * length / max(size)) + 2) for length in size)


def _level(picture: Tensor, share: Tensor) -> Tensor:
    """The number above which a share of the picture lies; found by halving, which needs no sorting.

    Of several numbers that are equal all are above, or none.
    """
    ops = tables.of(picture)
    rows, columns = ops.shape(picture)[1:]
    places = ops.reshape(picture, (-1, rows * columns))
    wanted = ops.floor(share * ops.cast(rows * columns, "float32") + 0.5)

    def halve(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        middle = 0.5 * (low + high)
        more = ops.cast(ops.sum(ops.cast(places > middle[:, None], "int32")), "float32") > wanted
        return ops.where(more, middle, low), ops.where(more, high, middle)

    high, low = ops.max(places), -ops.max(-places)
    _, level = ops.repeated(STEPS, halve, (low - (high - low), high))
    return ops.where(share == 1.0, -math.inf, ops.where(share == 0.0, math.inf, level))


def _interpolated(picture: Tensor, axis: int, length: int) -> Tensor:
    """A periodic picture with more places along an axis."""
    ops = tables.of(picture)
    places = picture.shape[axis]
    at = np.arange(length) * places / length
    low = at.astype("int32")
    share = ops.convert((1.0 - (at - low)).astype("float32").reshape(-1, *(1,) * (2 - axis)))
    this, following = (ops.take(picture, index, axis) for index in (low, (low + 1) % places))
    return share * this + (1.0 - share) * following


def _above(picture: Tensor, level: Tensor, width: Size) -> Tensor:
    """Where a picture, made that wide, is above a level."""
    wide = picture if picture.shape[2] in (width, None) else _interpolated(picture, 2, width)
    return wide > tables.of(picture).reshape(level, (-1, 1, 1))


def _share_of(region: Tensor) -> Tensor:
    """The share of a region that is True."""
    ops = tables.of(region)
    pixels = math.prod(ops.shape(region)[1:])
    count = ops.sum(ops.cast(ops.reshape(region, (-1, pixels)), "int32"))
    return ops.cast(count, "float32") / ops.cast(pixels, "float32")


def gaussian_region(image_size: Shape, sigma: Tensor, depth: Tensor, seed: Seed) -> tuple[Tensor, Tensor]:
    """A soft hole: the partner's share falls off as a Gaussian around a random pixel (SmoothMix).

        region = 1 - depth prod_k exp(-(place_k - centre_k)^2 / (2 (sigma length_k)^2))

    The centre is any place, with the same chance.

    Args:
        image_size: `(height, width)` or `(length,)`.
        sigma: Float32 tensor of shape `(count,)`, > 0: the width of the hole as a share of the image's sides.
        depth: Float32 tensor of shape `(count,)`, in [0, 1]: the partner's share in the middle.
        seed: As for `keras_mixup.weights.beta`.

    Returns:
        The region, float32 of shape `(count, *image_size)`, and its mean, float32 `(count,)`.
    """
    ops = tables.of(sigma)
    centre = ops.uniform((len(image_size), ops.shape(sigma)[0]), seed)
    return ops.fused(_gaussian_hole, *image_size)(sigma, depth, centre, tuple(image_size))


def _gaussian_hole(sigma: Tensor, depth: Tensor, uniform: Tensor, image_size: Shape) -> tuple[Tensor, Tensor]:
    """What `gaussian_region` returns, with the centres at a share of the length."""
    ops = tables.of(sigma)
    hole = share = depth
    for k, length in enumerate(image_size):
        pixels = ops.cast(length, "float32")
        centre = ops.cast(_below(uniform[k], length), "float32")
        distance = (ops.cast(ops.arange(length), "float32")[None, :] - centre[:, None]) / (sigma * pixels)[:, None]
        falls = ops.exp(-0.5 * distance * distance)
        share = share * ops.sum(falls) / pixels
        hole = hole[..., None] * ops.reshape(falls, (-1, *(1,) * k, length))
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
    """The absolute frequencies of a discrete Fourier transform: 0, 1, 2, ..., 2, 1 periods in the length."""
    k = ops.arange(length)
    return ops.cast(ops.minimum(k, length - k), "float32")


def check_minmax(name: str, minmax: Any) -> None:
    """Raise a `ValueError` unless these are two shares in ascending order."""
    pair = isinstance(minmax, tuple | list) and len(minmax) == 2
    numbers = pair and all(isinstance(v, int | float) and math.isfinite(v) for v in minmax)
    if not numbers or not 0 <= minmax[0] <= minmax[1] <= 1:
        raise ValueError(f"`{name}` should be two numbers 0 <= smallest <= largest <= 1. Received: {name}={minmax!r}.")
