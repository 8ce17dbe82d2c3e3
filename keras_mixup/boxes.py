"""Bounding boxes: what becomes of the boxes of two images that are mixed.

Boxes follow the share that targets follow. A row carries its own boxes and then its partner's, each where that image
has a share; an image that is mixed with itself carries its boxes once. Averaged images show both, so nothing else
happens. Where images are cut, the partner's boxes are clipped to what is pasted (and shrunk with it), and its own to
what is left of them. A box of which less than `min_area` is left is dropped. What is dropped becomes Keras' padding:
boxes of zeros, labels of -1.

The layouts are Keras' and KerasCV's, `{"boxes": (batch, n, 4), "labels" or "classes": (batch, n)}`, and that of
TensorFlow Datasets, `{"bbox": (batch, n, 4), "label": (batch, n)}`. Whatever else has an entry for each box goes along
as it is, but for `weights`, which are multiplied by the weight that the box's image has in the pixels that show it.

Inside, boxes are four tensors (top, left, bottom, right) in pixels, each of shape `(rows, n)`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from keras_mixup import ops as tables
from keras_mixup.roles import BOX_KEYS, dtype_of, role_for, words
from keras_mixup.types import Ops, Shape, Tensor

FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
)
TFDS_FORMAT = "rel_yxyx"  # `tfds.features.BBoxFeature`
Edges: TypeAlias = tuple[Tensor, ...]  # top, left, bottom, right
CLOSE = 1e-3  # of a pixel: coordinates that are shares of an image's sides are not exact


def mix_boxes(parts: list[Any], draw: Any, layout: Any, image_size: Any, grid: Any) -> list[Tensor]:
    """Mix the boxes of a batch, with all that belongs to them.

    Args:
        parts: The `Part`s of one dict of boxes, in their order.
        draw: A `Draw`, or None to leave all as it is.
        layout: The `Layout` of the batch.
        image_size: Height and width of the images, None if they are not known.
        grid: Height and width that the draw's boxes count in.

    Returns:
        A list of tensors, twice as many boxes along the second axis; as many as before without a draw.

    Raises:
        ValueError: If a tensor has no entry for each box, or the draw, format or dtype is one that boxes cannot follow.
    """
    coordinates = _coordinates(parts)
    _check_entries(parts, coordinates)
    if draw is None:
        return [part.tensor for part in parts]
    _check_draw(parts, draw, coordinates)
    ops = tables.of(parts[0].tensor, draw.weight)
    share, partner = ops.reshape(draw.for_targets.weight, (-1, 1)), ops.cast(draw.partner, "int32")
    original = ops.arange(ops.shape(share)[0]) if draw.original is None else ops.cast(draw.original, "int32")
    same = ops.reshape(original == partner, (-1, 1))
    if draw.cuts:
        form = _format(coordinates, layout)
        given = [ops.take(coordinates.tensor, rows) for rows in (original, partner)]
        own, other = (to_edges(ops, boxes, form, image_size) for boxes in given)
        hole = _in_pixels(ops, draw.box, image_size, grid)
        window = None if draw.window is None else _in_pixels(ops, draw.window, image_size, grid)
        if window is not None:  # an image that is shrunk into a part of itself shows its boxes twice
            same = same & _is_whole(ops, window, image_size)
        uncut = same | (_area(ops, hole) == 0.0)
        weight = ops.reshape(draw.weight, (-1, 1))
        own_left, own_seen = _left(ops, own, hole, uncut, layout.min_area, image_size)
        everywhere = uncut | (weight < 1.0)
        other_left, other_seen = _pasted(ops, other, hole, window, everywhere, layout.min_area, image_size)
        shares = ops.where(uncut, share, weight), ops.where(everywhere, 1.0 - share, 1.0)
        changed = [
            _replaced(ops, boxes, before, after, form, image_size, coordinates.dtype)
            for boxes, before, after in zip(given, (own, other), (own_left, other_left), strict=True)
        ]
    else:
        own_seen = other_seen = share >= 0.0
        shares, changed = (share, 1.0 - share), None
    counts = (same | (share > 0.0)) & own_seen, ops.where(same, False, share < 1.0) & other_seen
    shares = ops.where(same, 1.0, shares[0]), shares[1]
    mixed = []
    for part in parts:
        sides = [ops.take(part.tensor, rows) for rows in (original, partner)]
        if part is coordinates and changed:
            sides = changed
        elif part.key == "weights":
            sides = [ops.cast(factor, part.dtype) * side for factor, side in zip(shares, sides, strict=True)]
        padding = ops.cast(ops.convert(_padding(part, coordinates)), part.dtype)
        sides = [ops.where(_like(ops, seen, side), side, padding) for seen, side in zip(counts, sides, strict=True)]
        mixed.append(ops.concat(sides, axis=1))
    return mixed


# --- What the tensors of a dict of boxes are ---


def _coordinates(parts: list[Any]) -> Any:
    """The tensor of coordinates: the one of shape `(batch, boxes, 4)`, by its key if there are several."""
    candidates = [part for part in parts if len(part.tensor.shape) == 3 and part.tensor.shape[2] in (4, None)]
    named = [part for part in candidates if part.key in BOX_KEYS]
    several = named or candidates
    return several[0] if len(several) == 1 else None


def _check_entries(parts: list[Any], coordinates: Any) -> None:
    """Every tensor has an entry for each box."""
    lengths = {part.tensor.shape[1] for part in parts if len(part.tensor.shape) > 1}
    boxes = coordinates.tensor.shape[1] if coordinates is not None else next(iter(lengths), None)
    for part in parts:
        shape = tuple(part.tensor.shape)
        if len(shape) < 2 or None not in (shape[1], boxes) and shape[1] != boxes:
            raise ValueError(
                "What stands beside bounding boxes should have an entry for each of them, shape `(batch, boxes, ...)`. "
                f"Received: `{part.name}` of {words(part.tensor)}. If it belongs to the image, say what it is: "
                f"`roles={{{role_for(part)}: 'targets'}}`, or 'pass'."
            )


def _check_draw(parts: list[Any], draw: Any, coordinates: Any) -> None:
    """The draw is one that boxes can follow."""
    if draw.region is not None or len(draw.partner.shape) == 2:
        raise ValueError(
            "Bounding boxes can be mixed by methods of one partner that average or cut boxes, like `Mixup`, `CutMix` "
            "and `ResizeMix`. Received: one that cuts other shapes, or has several partners."
        )
    if draw.cuts and draw.box.shape[1] != 4:
        raise ValueError(
            "Bounding boxes can be cut along height and width only. Received: `axes` of one axis. Leave `axes` out, or "
            "use a method like `Mixup`."
        )
    if draw.cuts and coordinates is None:
        raise ValueError(
            "To cut images, their bounding boxes should be given as one tensor `boxes` or `bbox` of shape `(batch, "
            f"boxes, 4)`. Received: {', '.join(f'`{part.name}` of {words(part.tensor)}' for part in parts)}."
        )


def _padding(part: Any, coordinates: Any) -> int:
    """Keras' padding for one tensor of the dict."""
    dtype = dtype_of(part.tensor)
    if dtype == "bool":
        return False
    if part is coordinates or part.key in BOX_KEYS or part.key == "weights":
        return 0
    if dtype.startswith("uint"):
        raise ValueError(
            "What belongs to bounding boxes should be of a dtype that holds -1, Keras' padding. "
            f"Received: `{part.name}` of {words(part.tensor)}. Cast it to int32."
        )
    return -1


def _format(part: Any, layout: Any) -> str:
    """In what format the coordinates are."""
    if layout.box_format is not None:
        return layout.box_format
    if part.key == "bbox" and "objects" in part.path:
        return TFDS_FORMAT
    raise ValueError(
        "To cut images, the format of their bounding boxes should be known. "
        f"Received: `{part.name}` of {words(part.tensor)}. Give `box_format=...`, one of "
        f"{', '.join(map(repr, FORMATS))}."
    )


# --- From a format to edges in pixels, and back ---


def to_edges(ops: Ops, boxes: Tensor, form: str, image_size: Shape) -> Edges:
    """Boxes of any format as (top, left, bottom, right) in pixels."""
    a, b, c, d = (ops.cast(boxes[..., k], "float32") for k in range(4))
    kind = form.removeprefix("rel_")
    if kind == "yxyx":
        edges = a, b, c, d
    elif kind == "xyxy":
        edges = b, a, d, c
    elif kind == "xywh":
        edges = b, a, b + d, a + c
    else:
        edges = b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0
    if form == kind:
        return edges
    return tuple(edge * side for edge, side in zip(edges, _sides(ops, image_size) * 2, strict=True))


def _from_edges(ops: Ops, edges: Edges, form: str, image_size: Shape) -> Tensor:
    """The way back from `to_edges`."""
    kind = form.removeprefix("rel_")
    if form != kind:
        edges = tuple(edge / side for edge, side in zip(edges, _sides(ops, image_size) * 2, strict=True))
    top, left, bottom, right = edges
    if kind == "yxyx":
        numbers = top, left, bottom, right
    elif kind == "xyxy":
        numbers = left, top, right, bottom
    elif kind == "xywh":
        numbers = left, top, right - left, bottom - top
    else:
        numbers = (left + right) / 2.0, (top + bottom) / 2.0, right - left, bottom - top
    return ops.stack(list(numbers), axis=-1)


def _replaced(ops: Ops, boxes: Tensor, before: Edges, after: Edges, form: str, image_size: Shape, dtype: str) -> Tensor:
    """The boxes as they were given, bit for bit, but for those of which an edge has moved."""
    moved = sum(ops.abs(one - two) for one, two in zip(before, after, strict=True)) > 0.0
    new = _from_edges(ops, after, form, image_size)
    if not dtype.startswith(("float", "bfloat")):
        new = ops.floor(new + 0.5)
    return ops.where(_like(ops, moved, new), ops.cast(new, dtype), boxes)


def _in_pixels(ops: Ops, box: Tensor, image_size: Shape, grid: Shape) -> Edges:
    """A box of the draw for each row (or one for all), counted in the places of its grid, as edges in pixels."""
    factors = [
        size / ops.cast(places, "float32") for size, places in zip(_sides(ops, image_size), grid, strict=True)
    ] * 2
    return tuple(ops.reshape(ops.cast(box[:, k], "float32"), (-1, 1)) * factor for k, factor in enumerate(factors))


def _sides(ops: Ops, image_size: Shape) -> tuple[Tensor, ...]:
    """Height and width as float32 numbers."""
    return tuple(ops.cast(side, "float32") for side in image_size)


def _like(ops: Ops, values: Tensor, tensor: Tensor) -> Tensor:
    """Values `(rows, n)` with more axes, as many as a tensor has."""
    return ops.reshape(values, (*ops.shape(values), *(1,) * (len(tensor.shape) - 2)))


# --- What is seen of boxes where images are cut ---


def _left(
    ops: Ops, edges: Edges, hole: Edges, uncut: Tensor, min_area: float, image_size: Shape
) -> tuple[Edges, Tensor]:
    """Boxes around what a pasted hole leaves of them, and whether enough is left.

    The rest of a rectangle is narrower only where the hole covers it from side to side.
    """
    edges = _where(ops, uncut, edges, _clip(ops, edges, _frame(ops, image_size)))
    covered = _clip(ops, edges, hole)
    rest: Any = list(edges)
    for first, last in ((0, 2), (1, 3)):
        start, stop = 1 - first, 3 - first  # the edges across
        across = (covered[start] <= edges[start] + CLOSE) & (covered[stop] >= edges[stop] - CLOSE)
        across = across & (covered[last] > covered[first])
        rest[first] = ops.where(across & (covered[first] <= edges[first] + CLOSE), covered[last], edges[first])
        rest[last] = ops.where(across & (covered[last] >= edges[last] - CLOSE), covered[first], edges[last])
    share = 1.0 - _area(ops, covered) / ops.maximum(_area(ops, edges), CLOSE**2)
    return _where(ops, uncut, edges, rest), uncut | (_is_seen(rest) & (share >= min_area))


def _pasted(
    ops: Ops, edges: Edges, hole: Edges, window: Edges | None, everywhere: Tensor, min_area: float, image_size: Shape
) -> tuple[Edges, Tensor]:
    """Boxes of a partner, shrunk into its window and clipped to the hole, and whether enough of them is left."""
    whole = _clip(ops, edges, _frame(ops, image_size))
    if window is not None:
        whole = _shrink(whole, window, _sides(ops, image_size))
    clipped = _clip(ops, whole, hole)
    share = _area(ops, clipped) / ops.maximum(_area(ops, whole), CLOSE**2)
    return _where(ops, everywhere, edges, clipped), everywhere | (_is_seen(clipped) & (share >= min_area))


def _is_whole(ops: Ops, window: Edges, image_size: Shape) -> Tensor:
    """Whether a window is the whole image, so that nothing is shrunk."""
    height, width = _sides(ops, image_size)
    return (window[2] - window[0] >= height) & (window[3] - window[1] >= width)


def _shrink(edges: Edges, window: Edges, sides: tuple[Tensor, ...]) -> Edges:
    """Boxes of an image that is shrunk into a window."""
    top, left, bottom, right = window
    scale, shift = ((bottom - top) / sides[0], (right - left) / sides[1]) * 2, (top, left) * 2
    return tuple(start + edge * ratio for edge, start, ratio in zip(edges, shift, scale, strict=True))


def _clip(ops: Ops, edges: Edges, box: Edges) -> Edges:
    """Boxes clipped to a box."""
    return tuple(ops.minimum(ops.maximum(edge, box[k % 2]), box[2 + k % 2]) for k, edge in enumerate(edges))


def _frame(ops: Ops, image_size: Shape) -> Edges:
    """The edges of the image."""
    return 0.0, 0.0, *_sides(ops, image_size)


def _area(ops: Ops, edges: Edges) -> Tensor:
    top, left, bottom, right = edges
    return ops.maximum(bottom - top, 0.0) * ops.maximum(right - left, 0.0)


def _is_seen(edges: Edges) -> Tensor:
    top, left, bottom, right = edges
    return (bottom - top > CLOSE) & (right - left > CLOSE)


def _where(ops: Ops, condition: Tensor, edges: Edges, others: Edges) -> Edges:
    return tuple(ops.where(condition, one, two) for one, two in zip(edges, others, strict=True))
