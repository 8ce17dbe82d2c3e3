"""Bounding boxes: what becomes of the boxes of two images that are mixed.

Averaged images show both, so a row carries its own boxes and then its partner's. Where images are cut, the partner's
boxes are clipped to what is pasted (and shrunk with it), and its own to what is left of them. A box of which less than
`min_area` is left is dropped; so are those of an image that has no share. What is dropped becomes Keras' padding: boxes
of zeros, labels of -1.

The layouts are Keras' and KerasCV's, `{"boxes": (batch, n, 4), "labels" or "classes": (batch, n)}`, and that of
TensorFlow Datasets, `{"bbox": (batch, n, 4), "label": (batch, n)}`; whatever else has a row for each box goes along.
"""

from keras_mixup import ops as tables
from keras_mixup.roles import BOX_KEYS, dtype_of, words

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


def mix_boxes(parts, draw, layout, image_size, grid):
    """Mix the boxes of a batch, with all that belongs to them.

    Args:
        parts: The `Part`s of one dict of boxes, in their order.
        draw: A `Draw`, or None to leave all as it is.
        layout: The `Layout` of the batch.
        image_size: Height and width of the images, None if they are not known.
        grid: Height and width that the draw's boxes count in.

    Returns:
        A list of tensors, twice as many boxes along the second axis.
    """
    if draw is None:
        return [part.tensor for part in parts]
    if draw.region is not None or len(draw.partner.shape) == 2:
        raise ValueError(
            "Bounding boxes can be mixed by methods of one partner that average or cut boxes, like `Mixup`, `CutMix` "
            "and `ResizeMix`. Received: one that cuts other shapes, or has several partners."
        )
    coordinates = [part for part in parts if part.key in BOX_KEYS]
    if draw.cuts and len(coordinates) != 1:
        raise ValueError(
            "To cut images, their bounding boxes should be given as one tensor `boxes` or `bbox`. "
            f"Received: {', '.join(f'`{part.name}`' for part in parts)}."
        )
    ops = tables.of(parts[0].tensor, draw.weight)
    weight, partner = draw.weight, ops.cast(draw.partner, "int32")
    rows = ops.arange(ops.shape(weight)[0])
    original = rows if draw.original is None else ops.cast(draw.original, "int32")
    same = original == partner
    if draw.window is not None:  # an image that is pasted into itself, shrunk, does change
        same = same & (weight < 0.0)
    shares = weight, draw.for_targets.weight
    own_counts = ((ops.maximum(*shares) > 0.0) | same)[:, None]
    other_counts = ((ops.minimum(*shares) < 1.0) & ops.where(same, False, True))[:, None]
    own_boxes = other_boxes = None
    if draw.cuts:
        form = _format(coordinates[0], layout)
        edges = _to_edges(ops, ops.cast(coordinates[0].tensor, "float32"), form, image_size)
        own, other = ops.take(edges, original), ops.take(edges, partner)
        pasted = _in_pixels(ops, draw.box, ops.shape(weight)[0], image_size, grid)
        if draw.window is not None:
            window = _in_pixels(ops, draw.window, ops.shape(weight)[0], image_size, grid)
            other = _shrink(ops, other, window, image_size)
        pasted = ops.where(same[:, None], 0.0, pasted)
        empty = _area(ops, pasted[:, None, :]) == 0.0  # here nothing is cut: images are averaged, or left alone
        own, own_share = _visible(ops, own, pasted)
        clipped, other_share = _clip(ops, other, pasted)
        other = ops.where(empty[..., None], other, clipped)
        other_share = ops.where(empty, ops.where(_area(ops, other) > 0.0, 1.0, 0.0), other_share)
        own_counts = own_counts & (own_share > 0.0) & (own_share >= layout.min_area)
        other_counts = other_counts & (other_share > 0.0) & (other_share >= layout.min_area)
        own_boxes, other_boxes = (_from_edges(ops, left, form, image_size) for left in (own, other))
    return [
        _both(ops, part, draw, original, partner, own_counts, other_counts, own_boxes, other_boxes) for part in parts
    ]


def _both(ops, part, draw, original, partner, own_counts, other_counts, own_boxes, other_boxes):
    """One tensor of the dict: the rows of both images side by side, padding where they do not count."""
    tensor, padding = part.tensor, _padding(part)
    if part.key in BOX_KEYS and own_boxes is not None:
        own, other = ops.cast(own_boxes, part.dtype), ops.cast(other_boxes, part.dtype)
    else:
        own, other = ops.take(tensor, original), ops.take(tensor, partner)
    if part.key == "weights":
        share = ops.cast(ops.reshape(draw.for_targets.weight, (-1, 1)), part.dtype)
        own, other = share * own, (1.0 - share) * other
    filled = []
    for boxes, counts in ((own, own_counts), (other, other_counts)):
        counts = ops.reshape(counts, (*ops.shape(counts), *(1,) * (len(boxes.shape) - 2)))
        filled.append(ops.where(counts, boxes, ops.cast(ops.convert(padding), part.dtype)))
    return ops.concat(filled, axis=1)


def _padding(part):
    """Keras' padding for one tensor of the dict."""
    dtype = dtype_of(part.tensor)
    if dtype == "bool":
        return False
    if part.key in BOX_KEYS:
        return 0
    if part.key == "weights":
        return 0
    if dtype.startswith("uint"):
        raise ValueError(
            "What belongs to bounding boxes should be of a dtype that holds -1, Keras' padding. "
            f"Received: `{part.name}` of {words(part.tensor)}. Cast it to int32."
        )
    return -1


def _format(part, layout):
    """In what format the coordinates are."""
    if layout.box_format is not None:
        return layout.box_format
    if part.key == "bbox" and any(key == "objects" for key in part.path):
        return TFDS_FORMAT
    raise ValueError(
        "To cut images, the format of their bounding boxes should be known. "
        f"Received: `{part.name}` of {words(part.tensor)}. Give `box_format=...`, one of "
        f"{', '.join(map(repr, FORMATS))}."
    )


def _to_edges(ops, boxes, form, image_size):
    """Boxes of any format as (top, left, bottom, right) in pixels."""
    a, b, c, d = (boxes[..., k] for k in range(4))
    height, width = (ops.cast(side, "float32") for side in image_size)
    if form.startswith("rel_"):
        y, x = (height, width)
        a, b, c, d = (a * y, b * x, c * y, d * x) if form == "rel_yxyx" else (a * x, b * y, c * x, d * y)
    form = form.removeprefix("rel_")
    if form == "yxyx":
        return ops.stack([a, b, c, d], axis=-1)
    if form == "xyxy":
        return ops.stack([b, a, d, c], axis=-1)
    if form == "xywh":
        return ops.stack([b, a, b + d, a + c], axis=-1)
    return ops.stack([b - d / 2, a - c / 2, b + d / 2, a + c / 2], axis=-1)


def _from_edges(ops, edges, form, image_size):
    """The way back from `_to_edges`."""
    top, left, bottom, right = (edges[..., k] for k in range(4))
    height, width = (ops.cast(side, "float32") for side in image_size)
    if form.startswith("rel_"):
        top, left, bottom, right = top / height, left / width, bottom / height, right / width
    form = form.removeprefix("rel_")
    if form == "yxyx":
        return ops.stack([top, left, bottom, right], axis=-1)
    if form == "xyxy":
        return ops.stack([left, top, right, bottom], axis=-1)
    if form == "xywh":
        return ops.stack([left, top, right - left, bottom - top], axis=-1)
    return ops.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=-1)


def _in_pixels(ops, box, rows, image_size, grid):
    """A box of the draw for each row, counted in the places of its grid, in pixels of the images."""
    factors = [
        ops.cast(size, "float32") / ops.cast(places, "float32") for size, places in zip(image_size, grid, strict=True)
    ]
    box = ops.cast(box, "float32") + ops.zeros((rows, 1))
    return ops.stack([box[:, k] * factors[k % 2] for k in range(4)], axis=1)


def _area(ops, edges):
    sides = [ops.maximum(edges[..., 2 + k] - edges[..., k], 0.0) for k in range(2)]
    return sides[0] * sides[1]


def _shrink(ops, edges, window, image_size):
    """Boxes of an image that is shrunk into a window."""
    moved = []
    for k in range(4):
        first, last = window[:, k % 2, None], window[:, 2 + k % 2, None]
        moved.append(first + edges[..., k] * (last - first) / ops.cast(image_size[k % 2], "float32"))
    return ops.stack(moved, axis=-1)


def _clip(ops, edges, box):
    """Boxes clipped to a box, and which share of each is left."""
    clipped = []
    for k in range(4):
        first, last = box[:, k % 2, None], box[:, 2 + k % 2, None]
        clipped.append(ops.minimum(ops.maximum(edges[..., k], first), last))
    clipped = ops.stack(clipped, axis=-1)
    return clipped, _area(ops, clipped) / ops.maximum(_area(ops, edges), 1e-12)


def _visible(ops, edges, box):
    """Boxes around what a pasted box leaves of them, and which share of each is left.

    The rest of a rectangle is narrower only where the paste covers it from side to side.
    """
    covered, share = _clip(ops, edges, box)
    left = [edges[..., k] for k in range(4)]
    for k in range(2):  # along rows where all columns are covered, and the other way round
        other = 1 - k
        across = (covered[..., other] <= edges[..., other]) & (covered[..., 2 + other] >= edges[..., 2 + other])
        across = across & (share > 0.0)
        from_start = across & (covered[..., k] <= edges[..., k])
        to_end = across & (covered[..., 2 + k] >= edges[..., 2 + k])
        left[k] = ops.where(from_start, covered[..., 2 + k], left[k])
        left[2 + k] = ops.where(to_end, covered[..., k], left[2 + k])
    rest = ops.where(_area(ops, edges) > 0.0, 1.0 - share, 0.0)
    return ops.stack(left, axis=-1), rest
