"""START HERE: the whole method.

    x~ = weight * x + (1 - weight) * x[partner]
    y~ = weight * y + (1 - weight) * y[partner]

A `Draw` holds one weight and one partner per example. It is drawn once (`keras_mixup.methods`) and `mix` applies it to
every tensor of the batch: images, targets, sample weights. Drawing twice, or applying it differently to inputs and
targets, is how mixup goes wrong.
"""

import functools
import math
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_mixup import blocks, regions
from keras_mixup import ops as tables
from keras_mixup.types import CutAxes, Size, Tensor, Tree


class Draw(NamedTuple):
    """What was drawn for one batch: who is mixed with whom, how strongly and, for CutMix and its kin, where.

    mixup needs the first two. A draw may have fewer or more rows than the batch it is applied to if it names
    `original`.

    Args:
        weight: Float32 tensor of shape `(batch,)`, in [0, 1]: the share of the original example. For more than one
            partner, shape `(batch, 1 + partners)`: the share of the original and of each partner, adding up to 1.
        partner: Integer tensor of shape `(batch,)` or `(batch, partners)`: the row of the example that is mixed in.
        target_weight: The share of the original in the targets, `(batch,)`; None if it is `weight`.
        region: Boolean tensor of shape `(batch, height, width)` or `(1, height, width)`, for images: where it is True
            the two images are mixed by `weight`; elsewhere the result is the partner. Or floats in [0, 1], for an edge
            that is soft: the share of what is mixed by `weight`, the partner having the rest. `(batch, length)` for
            what is cut along one axis. None: True everywhere.
        box: Integer tensor of shape `(batch, 4)` or `(1, 4)` of rows (top, left, bottom, right), `(batch, 2)` for what
            is cut along one axis: inside it the result is the partner. None: no box.
        window: As `box`: the partner image is shrunk into that window before it is mixed in. None: not shrunk.
        original: Integer tensor of shape `(rows,)`: the row of the original example. None: 0, 1, 2, ...
        importance: Float32 tensor of shape `(rows,)`: sample weights that the method asks for. None: no opinion.

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    weight: Tensor
    partner: Tensor
    target_weight: Tensor = None
    region: Tensor = None
    box: Tensor = None
    window: Tensor = None
    original: Tensor = None
    importance: Tensor = None

    @property
    def cuts(self) -> bool:
        """Whether images are cut by this draw."""
        return self.region is not None or self.box is not None

    @property
    def for_targets(self) -> "Draw":
        """The draw that targets and sample weights follow: no region, but the share that the region leaves."""
        weight = self.weight if self.target_weight is None else self.target_weight
        return Draw(weight, self.partner, original=self.original)

    @property
    def for_maps(self) -> "Draw":
        """The draw that targets of the images' height and width follow: cut where the images are."""
        return self if self.cuts else self.for_targets


def mix(tree: Tree, draw: Draw) -> Tree:
    """Mix every tensor of a batch with its partners, all by the same draw.

        x~ = weight * x + (1 - weight) * x[partner]

    With a box or a region (CutMix), images follow it and it is the targets' share that `draw.for_targets` holds: mix
    those with `mix(targets, draw.for_targets)`. For mixup it is the same draw. Height and width are where
    `keras.config.image_data_format()` says.

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

    def mix_leaf(x: Tensor) -> Tensor:
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


def blend(x: Tensor, draw: Draw, dtype: str, axes: CutAxes | None = None) -> Tensor:
    """Mix one numeric tensor and return it in `dtype`; compiled into one pass by XLA where that is faster.

    Args:
        x: Tensor of shape `(batch, ...)`.
        draw: A `Draw` for that batch.
        dtype: Name of a dtype.
        axes: The axes that a cut follows, each with the number of places that one place of the box or region is long;
            None for height and width (or, where the draw has one side, the first axis after the batch), one to one.

    Returns:
        A tensor of the same shape.
    """
    ops = tables.of(x, draw.weight, draw.partner)
    weight, partner = ops.cast(draw.weight, "float32"), ops.cast(draw.partner, "int32")
    original = ops.arange(ops.shape(x)[0]) if draw.original is None else ops.cast(draw.original, "int32")
    if draw.cuts:
        axes = axes or tuple((axis, 1) for axis in ((1,) if _sides(draw) == 1 else image_axes(x)))
        precision = _precision(x, dtype)
        if ops.is_numpy and draw.region is None and draw.window is None and len(partner.shape) == 1:
            return blocks.paste(x, weight, original, partner, draw.box, axes, precision, dtype)
        sources = None
        if draw.window is not None:  # compiled apart: a few numbers for each row, not for each pixel
            make = _sources if ops.is_numpy else ops.compiled(_sources, x)
            sources = make(draw.window, [ops.shape(x)[axis] for axis, _ in axes], axes, precision is None)
        cut = _cut_pasted if ops.surely_one(draw.weight) else _cut
        return ops.compiled(cut, x)(x, weight, original, partner, draw.region, draw.box, sources, axes, dtype)
    if len(partner.shape) == 2:
        return ops.compiled(_weighted_sum, x)(x, weight, original, partner, dtype)
    mix_all = _mix if ops.is_numpy else ops.compiled(_mix, x)
    return mix_all(x, weight, original, partner, dtype)


def _sides(draw: Draw) -> int:
    """Along how many axes a draw cuts."""
    return len(draw.region.shape) - 1 if draw.box is None else draw.box.shape[1] // 2


def _exact_at_ends(weight: Tensor, original: Tensor, partner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the weight is 0 or 1 only one of the two examples counts, so both indices are pointed at it.

    One half of an example plus one half of itself is that example exactly, whatever it holds: NaN, infinity, -0.
    """
    ops = tables.of(weight)
    kept, replaced = weight == 1.0, weight == 0.0
    return (
        ops.where(replaced, partner, original),
        ops.where(kept, original, partner),
        ops.where(kept | replaced, 0.5, weight),
    )


def _mix(x: Tensor, weight: Tensor, original: Tensor, partner: Tensor, dtype: str) -> Tensor:
    ops = tables.of(x)
    precision: Any = _precision(x, dtype)
    original, partner, weight = _exact_at_ends(weight, original, partner)
    if ops.is_numpy:
        return blocks.mix(x, weight, original, partner, precision, dtype)
    weight = _per_row(ops.cast(weight, precision), x)
    # Gather first and cast after: the bytes that move are the small ones.
    this = ops.cast(ops.take(x, original), precision)
    other = ops.cast(ops.take(x, partner), precision)
    return ops.cast(weight * this + (1.0 - weight) * other, dtype)


def _weighted_sum(x: Tensor, weights: Tensor, original: Tensor, partners: Tensor, dtype: str) -> Tensor:
    """Several partners: x~ = sum_k weights[:, k] x[rows[:, k]], a term of weight 0 counting nothing at all."""
    ops = tables.of(x)
    precision = _precision(x, dtype)
    total = 0.0
    for k, rows in enumerate([original, *(partners[:, k] for k in range(partners.shape[1]))]):
        weight = _per_row(ops.cast(weights[:, k], precision), x)
        total = total + ops.where(weight == 0.0, 0.0 * weight, weight * ops.cast(ops.take(x, rows), precision))
    return ops.cast(total, dtype)


def _cut(
    x: Tensor,
    weight: Tensor,
    original: Tensor,
    partner: Tensor,
    region: Tensor,
    box: Tensor,
    sources: tuple[tuple[Tensor, Tensor, Tensor], ...] | None,
    axes: CutAxes,
    dtype: str,
    pasted: bool = False,
) -> Tensor:
    """Two images blended by a share of the original that differs from place to place.

        share = weight * region, and 0 inside the box;    x~ = share * x + (1 - share) * x[partner]

    The partner is shrunk if there are `_sources` of its pixels. Class ids are the one or the other, never averaged, and
    so are pixels if all that is shown of the partner is `pasted`.
    """
    ops = tables.of(x)
    precision: Any = _precision(x, dtype)
    shape, several = ops.shape(x), len(partner.shape) == 2
    if region is None and sources is None:  # loops over a long last axis are several times as fast as over channels
        x, axes = _with_channels_merged(x, axes)
    number = precision or "float32"
    nothing = ops.cast(0.0, number)
    pixels = not keras.backend.standardize_dtype(x.dtype).startswith(("float", "bfloat"))
    lengths, rows = [ops.shape(x)[axis] for axis, _ in axes], partner[:, 0] if several else partner

    def examples() -> tuple[Tensor, Tensor]:
        this = _weighted_sum(x, weight, original, partner, precision) if several and precision else None
        this = ops.take(x, original) if this is None else this
        other = ops.take(x, rows) if sources is None else _shrunk(x, rows, sources, axes, precision)
        return (this, other) if precision is None else (ops.cast(this, precision), ops.cast(other, precision))

    def share_of(weight: Tensor) -> Tensor:
        share = _per_row(ops.cast(weight, number), x)
        share = share if region is None else share * ops.cast(_at_places(region, x, axes), number)
        inside = None if box is None else regions.inside(box, lengths, axes, len(x.shape))
        return share if inside is None else ops.where(inside, nothing, share)

    def either() -> Tensor:
        return ops.cast(ops.where(share_of(ops.ones((1,))) == 1.0, *examples()), dtype)

    def blended() -> Tensor:
        share, (this, other) = share_of(ops.ones((1,)) if several else weight), examples()
        if pixels and sources is None:  # whole numbers: no 0 * inf to be kept out
            return ops.cast(share * this + (1.0 - share) * other, dtype)
        part = share * ops.where(share == 0.0, nothing, this) + (1.0 - share) * other
        return ops.cast(ops.where(share < 1.0, part, this), dtype)

    if precision is None:
        mixed = either()
    elif sources is None or several or (region is not None and not _is_boolean(region)):
        mixed = blended()
    elif pasted:  # three times as fast: pixels that are not shown are not computed
        mixed = either()
    else:
        mixed = ops.cond(ops.all(weight == 1.0), either, blended)
    return ops.reshape(mixed, (-1, *shape[1:]))


_cut_pasted = functools.partial(_cut, pasted=True)  # where it is known beforehand that every weight is 1


def _is_boolean(x: Tensor) -> bool:
    return keras.backend.standardize_dtype(x.dtype) == "bool"


def _with_channels_merged(x: Tensor, axes: CutAxes) -> tuple[Tensor, CutAxes]:
    """All that comes after the last axis that is cut as a part of this axis; and the axes then."""
    ops, last = tables.of(x), max(axis for axis, _ in axes)
    channels = math.prod(x.shape[last + 1 :]) if None not in x.shape[last + 1 :] else 1
    if channels == 1 or 0 in x.shape:
        return x, axes
    shape = ops.shape(x)
    merged = ops.reshape(x, (*shape[:last], shape[last] * channels))
    return merged, tuple((axis, factor * channels if axis == last else factor) for axis, factor in axes)


def unite(mask: Tensor, draw: Draw) -> Tensor:
    """Mix a mask of valid positions, or multi-hot labels: what counts in any example of weight > 0 counts.

    Args:
        mask: Tensor of shape `(batch, ...)`: booleans, integers 0 and 1, or floats, of which the largest is taken.
        draw: A `Draw` for that batch, without a region.

    Returns:
        A tensor of the same dtype. Where the weight is 1 it is the original's mask, where it is 0 the partner's.

    Example:

    >>> import numpy as np
    >>> draw = Draw(weight=np.array([0.75, 1.0], "float32"), partner=np.array([1, 0]))
    >>> np.asarray(unite(np.array([[True, False], [True, True]]), draw)).tolist()
    [[True, True], [True, True]]
    """
    ops = tables.of(mask, draw.weight, draw.partner)
    mask = ops.convert(mask)
    partner, shares = draw.partner, [draw.weight, draw.for_targets.weight]
    if len(partner.shape) == 1:
        shares, partner = [ops.stack([weight, 1.0 - weight], axis=1) for weight in shares], partner[:, None]
    # Where the features are mixed inside the network, it is the targets' weight that says who has a share.
    share = ops.maximum(*shares)
    original = ops.arange(ops.shape(mask)[0]) if draw.original is None else draw.original
    dtype = keras.backend.standardize_dtype(mask.dtype)
    number = "int32" if dtype == "bool" else dtype
    union = ops.cast(0, number)
    for k, rows in enumerate([original, *(partner[:, k] for k in range(partner.shape[1]))]):
        counts = _per_row(share[:, k] > 0.0, mask)
        union = ops.maximum(union, ops.where(counts, ops.cast(ops.take(mask, rows), number), ops.cast(0, number)))
    return ops.cast(union, dtype)


def shrink(images: Tensor, window: Tensor, axes: CutAxes | None = None, nearest: bool = False) -> Tensor:
    """Shrink each image into its window; outside the window the border pixel is repeated.

    Args:
        images: Tensor of shape `(batch, ..., height, width, channels)` or `(batch, height, width)`.
        window: Integer tensor of shape `(batch, 4)` or `(1, 4)`: top, left, bottom, right.
        axes: As for `blend`.
        nearest: If True take the nearest pixel (for class ids), if False interpolate linearly.

    Returns:
        A tensor of the same shape; of the same dtype if `nearest`, else floats.
    """
    ops = tables.of(images)
    axes = axes or tuple((axis, 1) for axis in image_axes(images))
    sources = _sources(window, [ops.shape(images)[axis] for axis, _ in axes], axes, nearest)
    rows = ops.arange(ops.shape(images)[0])
    return _shrunk(images, rows, sources, axes, None if nearest else _precision(images, "float32"))


def _sources(
    window: Tensor, lengths: list[Size], axes: CutAxes, nearest: bool
) -> tuple[tuple[Tensor, Tensor, Tensor], ...]:
    """From where a shrunk image is taken: for each axis that is cut between which two of its places each place lies.

    Returns:
        For each axis both places and the share of the first, each of shape `(rows, length)`. The two are one where only
        that one counts.
    """
    ops, found = tables.of(window), []
    for side, (length, (_, factor)) in enumerate(zip(lengths, axes, strict=True)):
        ends = (ops.reshape(window[:, k], (-1, 1)) for k in (side, side + len(axes)))
        first, last = (ops.cast(end * factor, "float32") for end in ends)
        scale = ops.cast(length, "float32") / ops.maximum(last - first, 1.0)
        place = (ops.cast(ops.arange(length), "float32")[None, :] - first + 0.5) * scale - 0.5
        place = ops.maximum(ops.minimum(place, ops.cast(length - 1, "float32")), 0.0)
        low = ops.minimum(ops.cast(ops.floor(place + 0.5 if nearest else place), "int32"), length - 1)
        share = 1.0 - (place - ops.cast(low, "float32"))
        alone = share == 1.0  # half of it twice is exactly it, and 0 * inf would not be 0
        high = ops.where(alone, low, ops.minimum(low + 1, length - 1))
        found.append((low, high, ops.where(alone, 0.5, share)))
    return tuple(found)


def _shrunk(
    x: Tensor,
    rows: Tensor,
    sources: tuple[tuple[Tensor, Tensor, Tensor], ...],
    axes: CutAxes,
    precision: Any,
) -> Tensor:
    """Rows of a tensor, shrunk; of its dtype if the precision is None, for what is not averaged."""
    ops = tables.of(x)
    if ops.is_numpy:  # one axis after the other moves whole rows of an image at once
        x = ops.take(x, rows)
        x = x if precision is None else ops.cast(x, precision)
        for (axis, _), parts in zip(axes, sources, strict=True):
            low, high, share = (np.broadcast_to(part, (len(x), part.shape[1])) for part in parts)
            below = ops.take_along(x, low, axis)
            if precision is not None:
                share = share.astype(precision).reshape(len(x), *(-1 if k == axis else 1 for k in range(1, x.ndim)))
                below = share * below + (1.0 - share) * ops.take_along(x, high, axis)
            x = below
        return x
    shape, last = ops.shape(x), max(axis for axis, _ in axes)
    pixels = ops.reshape(x, (-1, *shape[last + 1 :]))
    found = {axis: parts for (axis, _), parts in zip(axes, sources, strict=True)}

    def corner(places: dict[int, Tensor]) -> Tensor:
        """The pixels at these places of the axes that are cut, in one gather."""
        index = ops.reshape(rows, (-1,) + (1,) * last)
        for axis in range(1, last + 1):
            place = places[axis] if axis in places else ops.arange(shape[axis])
            index = index * shape[axis] + along(axis, place)
        return ops.take(pixels, index)

    def along(axis: int, numbers: Tensor, after: int = 0) -> Tensor:
        return ops.reshape(numbers, (-1, *(shape[k] if k == axis else 1 for k in range(1, last + 1 + after))))

    def between(places: dict[int, Tensor], left: list[int]) -> Tensor:
        if not left:
            return ops.cast(corner(places), precision)
        axis, *left = left
        low, high, share = found[axis]
        share = ops.cast(along(axis, share, len(x.shape) - 1 - last), precision)
        return share * between({**places, axis: low}, left) + (1.0 - share) * between({**places, axis: high}, left)

    if precision is None:
        return corner({axis: low for axis, (low, *_) in found.items()})
    return between({}, list(found))


def image_axes(x: Tensor, data_format: str | None = None) -> tuple[int, int]:
    """Which axes of a batch are height and width: the two after the batch for rank 3, else by the image data format."""
    rank = len(x.shape)
    if rank == 3 or (data_format or keras.config.image_data_format()) == "channels_first":
        return rank - 2, rank - 1
    return rank - 3, rank - 2


def _at_places(region: Tensor, x: Tensor, axes: CutAxes) -> Tensor:
    """A region in a shape that broadcasts against a tensor, each of its places as long as the axes say."""
    ops = tables.of(x)
    shape = [1] * len(x.shape)
    shape[0] = -1
    for side, (axis, factor) in enumerate(axes):
        region = ops.repeat(region, factor, side + 1) if factor > 1 else region
        shape[axis] = ops.shape(x)[axis]
    return ops.reshape(region, shape)


def _per_row(weight: Tensor, x: Tensor) -> Tensor:
    return tables.of(x).reshape(weight, (-1,) + (1,) * (len(x.shape) - 1))


def _precision(x: Tensor, dtype: str) -> str | None:
    """What to compute in: float64 if that comes in or out, else float32; None for class ids that stay class ids."""
    kinds = (keras.backend.standardize_dtype(x.dtype), dtype)
    if not any("float" in kind for kind in kinds):
        return None
    return "float64" if "float64" in kinds else "float32"
