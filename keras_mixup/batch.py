"""A batch, read once: what its tensors are, in what form they are mixed, and what a method sees of them.

Layout        what the user says of batches: `num_classes`, `roles`, ...; the same at every door
roles.decide  which tensor is features, targets, ... (roles.py)
forms.TABLE   in what form each is mixed, or why it is refused (forms.py)
Batch         what a method sees when it draws
mix_batch     all of it: read, draw once, apply the draw to every tensor
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import keras

from keras_mixup import checks, forms, roles
from keras_mixup import ops as tables
from keras_mixup.boxes import FORMATS, mix_boxes
from keras_mixup.forms import CUT, MIX, ONE_HOT, PAIRS, ROWS, UNITE
from keras_mixup.mixing import Draw, blend, image_axes, shrink, unite
from keras_mixup.others import among_others, as_batch, beside, layout_for
from keras_mixup.roles import (
    BOXES,
    FEATURES,
    IMAGES,
    INPUTS,
    MASK,
    MASKS,
    MULTI_HOT,
    PADDING,
    PASS,
    SAMPLE_WEIGHT,
    SERIES,
    TARGETS,
    Leaf,
)
from keras_mixup.types import (
    Axes,
    Config,
    CutAxes,
    DataFormat,
    NumClasses,
    Path,
    Roles,
    Seed,
    Shape,
    Size,
    Tensor,
    Tree,
)


class Batch(NamedTuple):
    """What a method sees of a batch when it draws.

    Args:
        size: Number of examples; a Python int or a scalar integer tensor.
        targets: The batch's targets, where they are one tensor: `(batch,)` or `(batch, classes)`; else None.
        features: The tensors of features, a tuple.
        image_size: Height and width of the images, or the length of the series, that are cut; None where nothing can
            be. Where a map of targets is coarser than the images, its size.
        axes: For each of the features the axes that are `image_size` long, or whole multiples of it; None where that
            is not cut. Left empty, they are height and width.
        others: The batch that partners are taken from, where that is another one; None where it is this one.

    Example:

    >>> from keras_mixup import Mixup
    >>> draw = Mixup(0.2).draw(Batch(size=8), seed=1)
    >>> tuple(draw.weight.shape)
    (8,)
    """

    size: Size
    targets: Tensor = None
    features: tuple[Tensor, ...] = ()
    image_size: Shape | None = None
    axes: tuple[tuple[int, ...] | None, ...] = ()
    others: "Batch | None" = None

    @property
    def partners(self) -> "Batch":
        """The batch that partners are taken from."""
        return self if self.others is None else self.others


class Drawing(Protocol):
    """What draws for a batch: a `Method`."""

    @property
    def mixes(self) -> bool:
        """Whether it ever changes a batch."""
        ...

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw for a batch."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """What the user says of the batches that are to be mixed; the same arguments at every door.

    Args:
        num_classes: Number of classes of targets that are class ids, which become float32 one-hot rows: an int for all
            of them, or a dict by key, path or position (`{"fine": 100, "coarse": 20}`; targets not named are floats).
            An int does not speak of maps where there are other targets. None if all targets are floats.
        pairs: If True, targets of any kind become float32 pairs: a last axis of (target, partner's target, weight of
            the original). For many classes, and for losses that are not linear in the target; with `PairLoss`.
        roles: What tensors are, where their key or position does not say it, or says it wrongly: a dict from key, path
            or position to `"features"`, `"targets"`, `"multi_hot"` (rows of several labels, which are united),
            `"masks"` (targets that are cut where images are), `"boxes"`, `"padding"` (masks of positions that count),
            `"sample_weight"` or `"pass"`.
        data_format: `"channels_last"` or `"channels_first"`; None for `keras.config.image_data_format()`.
        axes: The axis that a method which cuts cuts along, as `1` for the time of `(batch, time, channels)`; or a tuple
            of axes. None for the height and width of images.
        box_format: The format of bounding boxes, one of Keras' names; needed where images are cut, but for TensorFlow
            Datasets' own layout.
        min_area: Where images are cut, the share of a bounding box that has to be left, in [0, 1]; others are dropped.

    Raises:
        ValueError: If an argument is out of range.
    """

    num_classes: NumClasses | None = None
    pairs: bool = False
    roles: Roles | None = None
    data_format: DataFormat | None = None
    axes: Axes | None = None
    box_format: str | None = None
    min_area: float = 0.1

    def __post_init__(self) -> None:
        _check_num_classes(self.num_classes)
        checks.truth("pairs", self.pairs)
        if self.pairs and self.num_classes is not None:
            raise ValueError(
                "`pairs=True` keeps class ids, `num_classes` makes rows of them: give one of the two. "
                f"Received: pairs=True, num_classes={self.num_classes!r}."
            )
        roles.check_roles(self.roles)
        if self.data_format is not None:
            checks.one_of("data_format", self.data_format, ("channels_last", "channels_first"))
        object.__setattr__(self, "axes", _axes(self.axes))
        if self.box_format is not None:
            checks.one_of("box_format", self.box_format, FORMATS)
        checks.number("min_area", self.min_area, least=0, most=1)

    def get_config(self) -> Config:
        """The arguments as plain data, for saving with Keras: dicts as lists of pairs, whose keys JSON would change."""
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("num_classes", "roles"):
            if isinstance(config[name], dict):
                config[name] = [[list(key) if isinstance(key, tuple) else key, v] for key, v in config[name].items()]
        return config

    @classmethod
    def options(cls, config: Config) -> Config:
        """The arguments back from what `get_config` made of them, taken out of a door's config."""
        names = [field.name for field in dataclasses.fields(cls) if field.name in config]
        options = {name: config.pop(name) for name in names}
        for name in ("num_classes", "roles"):
            if isinstance(options.get(name), list | tuple):
                options[name] = {tuple(key) if isinstance(key, list) else key: v for key, v in options[name]}
        return options


class Part(NamedTuple):
    """A tensor that takes part in the mix, and all that was decided about it."""

    path: Path
    name: str
    key: str
    role: str
    form: str
    tensor: Any
    dtype: str  # it leaves in
    axes: CutAxes | None = None  # that a cut follows


class Reading(NamedTuple):
    """A batch as it was read: its leaves, the parts among them (None for what is left alone), and sizes."""

    leaves: list[Leaf]
    parts: list[Part | None]
    image_size: Shape | None
    grid: Shape | None

    def seen(self) -> Batch:
        """What a method sees of it."""
        parts = [part for part in self.parts if part is not None]
        targets = [part for part in parts if part.role in (TARGETS, PAIRS)]
        targets = [part for part in targets if part.axes is None] or targets
        features = [part for part in parts if part.role == FEATURES]
        return Batch(
            _batch_size(parts),
            targets[0].tensor if len(targets) == 1 else None,
            tuple(part.tensor for part in features),
            self.grid,
            tuple(tuple(axis for axis, _ in part.axes) if part.axes else None for part in features),
        )


@tables.by_library_of_batch
def mix_batch(
    batch: Tree,
    method: Drawing,
    seed: Seed,
    *,
    others: Tree = None,
    dtype: str = "float32",
    training: bool = True,
    inputs: bool = True,
    layout: Layout | None = None,
    **options: Any,
) -> Tree:
    """Mix a batch by one draw of a method and return it in the same structure.

    Args:
        batch: `x`, a tuple `(x,)`, `(x, y)` or `(x, y, sample_weight)`, or a dict; see `keras_mixup/roles.py`.
        method: A `Method`, like `keras_mixup.Mixup(0.2)`.
        seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`. With an int, a
            batch of NumPy arrays is mixed by NumPy alone and comes back as NumPy arrays.
        others: A batch that the partners are taken from in place of `batch` itself: backgrounds, another domain,
            examples without labels. Of the same structure and shapes, with any number of rows; targets, and what else
            it lacks, stay as they are: it may be the features alone.
        dtype: What integer features become.
        training: If False, nothing is mixed; every tensor still gets the form (dtype, one-hot rows) it has in training.
        inputs: If False, `x` passes through as it is, whatever it holds (but for padding masks), and the rest is mixed:
            for mixing inside the network.
        layout: A `Layout`, in place of its arguments.
        **options: The arguments of `Layout`: `num_classes`, `roles`, `pairs`, ...

    Returns:
        The same structure, shapes unchanged but for one-hot rows. The input is not modified.

    Raises:
        ValueError: If it is not sure what a tensor is, or it cannot be mixed, saying which and what to do.

    Example:

    >>> import numpy as np
    >>> from keras_mixup import Mixup
    >>> images, labels = np.zeros((4, 8, 8, 3), "uint8"), np.array([0, 1, 2, 1])
    >>> images, labels = mix_batch((images, labels), Mixup(0.2), seed=1, num_classes=3)
    >>> tuple(images.shape), tuple(labels.shape)
    ((4, 8, 8, 3), (4, 3))
    """
    layout = Layout(**options) if layout is None else layout
    form: dict[str, Any] = {"dtype": dtype, "training": training, "inputs": inputs}
    reading = read(batch, layout, method, **form)
    of_others, both, draw = None, reading.parts, None
    alone: set[Path] = set()
    if others is not None:
        others = as_batch(others, batch)
        of_others = read(others, layout_for(others, layout), method, **form)
        both, alone = beside(reading, of_others, method)
    parts = reading.parts
    if training and method.mixes:
        seen = reading.seen()
        if of_others is None:
            draw = method.draw(seen, seed)
        else:
            parts, draw = both, method.draw(seen._replace(others=of_others.seen()), seed)
        draw = Draw(*(None if values is None else tables.of(values).settled(values) for values in draw))
        if draw.original is not None:
            _check_rows(reading, draw)
        draw = draw if others is None else among_others(draw, seen.size)
    mixed = [
        leaf.tensor if part is None else None if part.role == BOXES else _mix_part(part, draw, part.path in alone)
        for leaf, part in zip(reading.leaves, parts, strict=True)
    ]
    for places in _groups(parts):
        tensors = mix_boxes([parts[k] for k in places], draw, layout, reading.image_size, reading.grid)
        for k, tensor in zip(places, tensors, strict=True):
            mixed[k] = tensor
    return keras.tree.pack_sequence_as(batch, mixed)


def read(
    batch: Tree, layout: Layout, method: Any, *, dtype: str = "float32", training: bool = True, inputs: bool = True
) -> Reading:
    """Decide what every tensor of a batch is and in what form it is mixed.

    Args:
        batch: As for `mix_batch`.
        layout: A `Layout`.
        method: A `Method`.
        dtype: What integer features become.
        training: Whether the batch will be mixed.
        inputs: Whether `x` will be.

    Returns:
        A `Reading`.

    Raises:
        ValueError: As for `mix_batch`.
    """
    leaves = [_batched(leaf) for leaf in roles.decide(batch, layout.roles, inputs)]
    by_position = isinstance(batch, tuple | list)
    if training and (layout.pairs or layout.num_classes is not None):
        _check_targets(leaves, layout)
    axes: dict[Path, Any] = {leaf.path: _cut_axes(leaf, layout) for leaf in leaves if leaf.role == FEATURES}
    if method.cuts:
        _check_cut(leaves, axes, method)
    images = [leaf for leaf in leaves if axes.get(leaf.path)]
    size = None
    if len({_lengths(leaf.tensor, axes[leaf.path]) for leaf in images}) == 1 or (images and method.cuts):
        one = images[0].tensor, axes[images[0].path]
        size = tuple(tables.of(one[0]).shape(one[0])[axis] for axis in one[1])
        axes |= {leaf.path: _map_axes(leaf, _lengths(*one), one[1]) for leaf in leaves if leaf.role != FEATURES}
    else:
        axes = {}  # images of several sizes, which are averaged alone: nothing is as long as all of them
    grid = _grid(leaves, axes, size) if size else None
    classes = _classes(leaves, axes, layout, by_position)
    parts = []
    for leaf in leaves:
        own = axes.get(leaf.path), classes.get(leaf.path)
        parts.append(None if leaf.role in (PASS, INPUTS) else _part(leaf, *own, layout, method, dtype, size, grid))
    return Reading(leaves, parts, size, grid)


def _mix_part(part: Part, draw: Draw | None, alone: bool = False) -> Tensor:
    """Apply a draw to one part, each form in its way; without a draw only the form changes.

    What is `alone`, having no counterpart where the partners come from, keeps its own number.
    """
    ops = tables.of(part.tensor)
    if alone and draw is not None:
        rows = ops.arange(ops.shape(part.tensor)[0]) if draw.original is None else draw.original
        draw = Draw(ops.ones((ops.shape(rows)[0],)), rows, original=rows, importance=draw.importance)
    if part.form == PAIRS:
        return _pairs(part, draw)
    if draw is None:
        return part.tensor if part.form == UNITE else ops.cast(part.tensor, part.dtype)
    if part.form == UNITE:
        return unite(part.tensor, draw)
    if part.form == MIX:
        return blend(part.tensor, draw, part.dtype, part.axes)
    draw_for_it = draw.for_maps if part.axes else draw.for_targets
    mixed = blend(part.tensor, draw_for_it, part.dtype, part.axes)
    if part.role == SAMPLE_WEIGHT and draw.importance is not None:
        mixed = mixed * ops.reshape(draw.importance, (-1,) + (1,) * (len(part.tensor.shape) - 1))
    return mixed


def _pairs(part: Part, draw: Draw | None) -> Tensor:
    """Targets with a last axis: the original's, the partner's, and the weight of the original."""
    x, ops = part.tensor, tables.of(part.tensor)
    if len(x.shape) == 2 and x.shape[1] == 1:
        x = ops.reshape(x, (-1,))
    nearest = not roles.is_float(x)
    x = ops.cast(x, "float32")
    if draw is None:
        return ops.stack([x, x, ops.ones(ops.shape(x))], axis=-1)
    if len(draw.partner.shape) == 2:
        raise ValueError("Pairs name one partner: `DMixup` has several. Leave `pairs` out and give `num_classes=...`.")
    rows, partner = ops.shape(x)[0], ops.cast(draw.partner, "int32")
    original = ops.arange(rows) if draw.original is None else draw.original
    own, other = ops.take(x, original), ops.take(x, partner)
    if part.axes and draw.cuts:  # ones of the original cut as the images are, zeros of its partner
        other = other if draw.window is None else shrink(other, draw.window, part.axes, nearest)
        shown = ops.concat([ops.ones(ops.shape(x)), ops.zeros(ops.shape(x))])
        weight = blend(
            shown, draw._replace(partner=partner + rows, original=original, window=None), "float32", part.axes
        )
    else:
        weight = ops.reshape(draw.for_targets.weight, (-1,) + (1,) * (len(x.shape) - 1)) * ops.ones(ops.shape(own))
    return ops.stack([own, other, weight], axis=-1)


def _check_rows(reading: Reading, draw: Draw) -> None:
    """A method that changes the number of rows needs every leaf, and sample weights if it sets them."""
    passing = [
        leaf.name
        for leaf, part in zip(reading.leaves, reading.parts, strict=True)
        if part is None and leaf.role == PASS and leaf.tensor is not None
    ]
    if passing:
        raise ValueError(
            "`RegMixup` doubles the batch, so nothing can pass through it unmixed. Received also: "
            f"{', '.join(passing)}. Remove it before mixing."
        )
    if draw.importance is not None and SAMPLE_WEIGHT not in [leaf.role for leaf in reading.leaves]:
        raise ValueError(
            "`RegMixup` with `eta` other than 1 weights its examples, so it needs sample weights to write to. Give "
            "batches `(x, y, sample_weight)`, with ones if you have none."
        )


# --- What is cut, and along which axes ---


def _cut_axes(leaf: Leaf, layout: Layout) -> tuple[int, ...] | None:
    """The axes of features along which they can be cut; None where that is not sure."""
    if not roles.is_quantity(leaf.tensor):
        return None
    rank = _rank(leaf)
    if layout.axes is not None:
        axes: Any = layout.axes
        return axes if max(axes) < rank else None
    if leaf.key in SERIES:
        return (1,) if rank in (2, 3) else None
    if rank == 3:
        return (1, 2) if leaf.key in IMAGES else None
    if rank < 3 or (rank == 4 and layout.data_format is None and _looks_turned(leaf.tensor)):
        return None
    return image_axes(leaf.tensor, layout.data_format)


def _looks_turned(x: Tensor) -> bool:
    """Whether images seem to have their channels where the data format of Keras does not say they are."""
    first, last = x.shape[1], x.shape[-1]
    if keras.config.image_data_format() == "channels_first":
        first, last = last, first
    return first in (1, 3, 4) and last is not None and last > 4


def _check_cut(leaves: list[Leaf], spaces: dict[Path, Any], method: Any) -> None:
    """All features are images, or series, of one size: otherwise it is not sure what to cut."""
    name = type(method).__name__
    features = [leaf for leaf in leaves if leaf.role == FEATURES]
    for leaf in features:
        if spaces[leaf.path] is None and roles.is_quantity(leaf.tensor):
            rank = _rank(leaf)
            if rank == 4:
                cure = (
                    "Their channels seem to come first: give `data_format='channels_first'`, or 'channels_last' if "
                    "they do not."
                )
            elif rank == 3:
                cure = (
                    "Give `axes=1` for a series `(batch, time, channels)`, `axes=(1, 2)` for images without channels."
                )
            elif rank == 2:
                cure = "Give `axes=1` for a series `(batch, time)`, or use `Mixup` for other data."
            else:
                cure = "Use `Mixup` for other data."
            if len(features) > 1:
                cure += (
                    f" Or write `roles={{{roles.role_for(leaf)}: 'targets'}}` to average it by the share of the "
                    "pixels that are left, 'pass' to leave it alone."
                )
            raise ValueError(
                f"`{name}` cuts images. Received: features that are not images of shape `(batch, height, width, "
                f"channels)`, `{leaf.name}` of {roles.words(leaf.tensor)}. {cure}"
            )
    sizes = {leaf.name: _lengths(leaf.tensor, spaces[leaf.path]) for leaf in features if spaces[leaf.path]}
    one = next(iter(sizes.values()), ())
    for other in sizes.values():
        if len(one) != len(other) or any(
            None not in pair and pair[0] != pair[1] for pair in zip(one, other, strict=True)
        ):
            raise ValueError(
                f"`{name}` cuts images. Received: features that are not images of one size, {sizes}. Leave one of "
                "them, write `roles={...: 'pass'}` for the others, or use `Mixup`."
            )


def _map_axes(leaf: Leaf, size: Shape, axes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Where a leaf beside images has their height and width, or the length of the series; None if it has not.

    Masks may be whole multiples and parts of the images. Of a series' targets a table may be one of classes.

    Args:
        leaf: Any leaf but features.
        size: Height and width of the images, or the length of the series; None where it is not known.
        axes: Where the images have them.
    """
    shares = leaf.role == TARGETS and leaf.told  # the user wants it mixed by the share
    if leaf.role not in (TARGETS, MASKS, MASK, PADDING, SAMPLE_WEIGHT) or shares or not roles.is_dense(leaf.tensor):
        return None
    rank, sides = _rank(leaf), len(axes)
    if leaf.role == TARGETS and rank < 3:
        return None
    candidates = [axes, *(tuple(range(first, first + sides)) for first in (1, rank - sides - 1, rank - sides))]
    candidates = [candidate for candidate in candidates if candidate[0] > 0 and candidate[-1] < rank]

    def fits(length: int | None, side: int | None, times: bool) -> bool:
        if length is None or side is None or length == side:
            return True
        return times and length > 0 and (length % side == 0 or side % length == 0)

    for times in (False, True) if leaf.role == MASKS else (False,):
        for candidate in candidates:
            if all(fits(*pair, times) for pair in zip(_lengths(leaf.tensor, candidate), size, strict=True)):
                return candidate
    return None


def _grid(leaves: list[Leaf], spaces: dict[Path, Any], size: Shape) -> Shape:
    """The places that a cut counts in: those of the coarsest among images and maps, so that it is exact in all."""
    grid = list(size)
    for leaf in leaves:
        axes = spaces.get(leaf.path)
        if axes and leaf.role != FEATURES:
            for side, length in enumerate(_lengths(leaf.tensor, axes)):
                if isinstance(length, int) and isinstance(grid[side], int):
                    grid[side] = math.gcd(grid[side], length)
    return tuple(grid)


def _lengths(x: Tensor, axes: tuple[int, ...]) -> Shape:
    """How long a tensor is along some axes; None where it is not known."""
    return tuple(x.shape[axis] for axis in axes)


# --- In what form ---


def _classes(leaves: list[Leaf], spaces: dict[Path, Any], layout: Layout, by_position: bool) -> dict[Path, int]:
    """The number of classes of each target that `num_classes` speaks of, by path."""
    given = layout.num_classes
    if given is None:
        return {}
    candidates = [leaf for leaf in leaves if leaf.role in (TARGETS, MASKS)]
    if isinstance(given, dict):
        keys = {leaf.path: roles.matching(leaf.path, given, by_position) for leaf in candidates}
        unused = [key for key in given if key not in keys.values()]
        if unused:
            raise ValueError(
                "`num_classes` should name targets of the batch by key, by path or by position. "
                f"Received: {unused[0]!r}, which fits none of {roles.names(candidates)}."
            )
        return {path: given[key] for path, key in keys.items() if key is not None}
    plain = [leaf for leaf in candidates if leaf.role == TARGETS and not spaces.get(leaf.path)]
    speaks_of = plain or candidates
    if len(speaks_of) > 1:
        for leaf in speaks_of:
            if roles.is_numeric(leaf.tensor) and roles.is_float(leaf.tensor) and _shape(leaf, given) != "rows":
                raise ValueError(
                    "One `num_classes` is for targets that are all class ids or rows of so many classes. "
                    f"Received: `{leaf.name}` of {roles.words(leaf.tensor)} among {len(speaks_of)} targets. Name those "
                    "that are class ids, as in `num_classes={'label': 10}`; the others are floats."
                )
    return dict.fromkeys([leaf.path for leaf in speaks_of], given)


def _part(
    leaf: Leaf,
    axes: Any,
    classes: int | None,
    layout: Layout,
    method: Any,
    dtype: str,
    size: Any,
    grid: Any,
) -> Part:
    """The part that a leaf is, by the table; None if it is left alone."""
    kind_of_method = forms.BOTH if method.cuts and method.averages else forms.CUTS if method.cuts else forms.AVERAGES
    role = PAIRS if leaf.role in (TARGETS, MASKS) and layout.pairs else leaf.role
    kind = forms.kind_of(roles.dtype_of(leaf.tensor), roles.is_dense(leaf.tensor))
    shape = _shape(leaf, classes, axes) if kind != "other" else "(batch,)"
    if kind != "other" and method.cuts and not axes and _may_be_a_map(leaf, size):
        shape = "stray"
    rule = forms.rule_for(role, kind, shape, classes is not None, kind_of_method)
    if rule.form is None:
        raise ValueError(
            str(rule.refusal).format(
                role=forms.NOUNS[leaf.role],
                name=leaf.name,
                received=roles.words(leaf.tensor),
                key=roles.role_for(leaf),
                classes=classes,
                size=tuple(size) if size else None,
            )
        )
    tensor, out = _encoded(leaf, role, rule.form, classes, dtype)
    if axes:
        tensor = _of_the_images_size(tensor, leaf, axes, size)
        lengths = zip(axes, _lengths(leaf.tensor, axes), grid, strict=True)
        axes = tuple((axis, _times(length, places)) for axis, length, places in lengths)
    return Part(leaf.path, leaf.name, leaf.key, role, rule.form, tensor, out, axes or None)


def _of_the_images_size(tensor: Tensor, leaf: Leaf, axes: tuple[int, ...], size: Shape) -> Tensor:
    """The tensor; where its size is not known before the batch is there, only if it is that of the images."""
    ops = tables.of(leaf.tensor)
    if all(isinstance(n, int) for n in (*size, *_lengths(leaf.tensor, axes))):
        return tensor
    lengths = [ops.shape(leaf.tensor)[axis] for axis in axes]
    good = ops.convert(lengths) == ops.convert(size)
    return ops.required(tensor, good, f"`{leaf.name}` should be as high and wide as the images. Resize it.")


def _times(length: Size, places: Size) -> int:
    """How many numbers along an axis one place of the cut is long; one where that is not known."""
    return length // places if isinstance(length, int) and isinstance(places, int) and places else 1


def _may_be_a_map(leaf: Leaf, size: Shape) -> bool:
    """Whether a leaf beside what is cut, and not of its size, is one that should be: told so, or of a rank like it."""
    if leaf.role == MASKS:
        return True
    if leaf.role not in (TARGETS, SAMPLE_WEIGHT) or leaf.told:
        return False
    # A table with as many columns as the series is long: of classes, or of times?
    return _rank(leaf) > 2 or (len(size) == 1 and _rank(leaf) == 2 and leaf.tensor.shape[1] == size[0])


def _shape(leaf: Leaf, classes: int | None, axes: Any = None) -> str:
    """The kind of a leaf's shape, as the table has them."""
    rank, last = _rank(leaf), leaf.tensor.shape[-1] if _rank(leaf) else None
    if rank == 1:
        return "(batch,)"
    if classes is not None and last == classes:
        return "rows"
    if axes:
        channels = rank - 1 not in axes
        return "layers" if channels and last != 1 else "map"
    if rank == 2:
        return "(batch, 1)" if last == 1 else "table"
    return "block"


def _encoded(leaf: Leaf, role: str, form: str, classes: int | None, dtype: str) -> tuple[Tensor, str]:
    """The tensor as it is mixed, and the dtype it leaves in."""
    own = roles.dtype_of(leaf.tensor)
    is_float = roles.is_float(leaf.tensor)
    ops = tables.of(leaf.tensor)
    if form == ONE_HOT and classes is not None:
        ids = leaf.tensor
        if len(ids.shape) > 1 and ids.shape[-1] == 1:
            ids = ops.reshape(ids, ops.shape(ids)[:-1])
        return one_hot_rows(ids, classes, leaf.name), "float32"
    if form == ROWS:
        rows = ops.cast(leaf.tensor, "float32")
        return ops.checked(rows, (rows == 0.0) | (rows == 1.0), _not_rows(leaf.name)), "float32"
    if role == FEATURES:
        if own == "uint16" and dtype == "float16":
            dtype = "float32"  # the largest numbers of uint16 are infinite in float16
        return leaf.tensor, own if is_float else dtype
    if role == MULTI_HOT:
        return ops.cast(leaf.tensor, "float32"), "float32"
    if form in (CUT, UNITE) or (role in (MASKS, PADDING, MASK, BOXES) and (is_float or role == BOXES)):
        return leaf.tensor, own
    return leaf.tensor, "float32"


def one_hot_rows(ids: Tensor, classes: int, name: str = "y") -> Tensor:
    """Class ids of any dtype as float32 one-hot rows; what is no class is an error, or NaN where a step is compiled.

    Args:
        ids: Tensor of shape `(batch, ...)`.
        classes: Number of classes.
        name: What the user calls it.

    Returns:
        A float32 tensor with one more axis.
    """
    ops = tables.of(ids)
    dtype = keras.backend.standardize_dtype(ids.dtype)
    if dtype.startswith(("float", "bfloat")):
        good = (ids >= 0) & (ids < classes) & (ops.floor(ids) == ids)
        ids = ops.where(good, ids, 0.0)
    else:
        # In TensorFlow not int32, in which 2**32 would be class 0; elsewhere wider than 8 bits, which 300 does not fit.
        ids = (
            ops.cast(ids, "int64")
            if ops.is_tensorflow
            else ids
            if dtype in roles.LARGE_INTEGERS
            else ops.cast(ids, "int32")
        )
        good = (ids >= 0) & (ids < classes)
        ids = ops.where(good, ids, 0)
    ids = ops.cast(ids, "int32")
    message = (
        f"Class ids should be whole numbers in [0, num_classes) = [0, {classes}). Received: others, in `{name}`. For "
        "quantities leave `num_classes` out, or name the targets that are class ids: `num_classes={'label': 10}`."
    )
    return ops.checked(ops.one_hot(ids, classes), good[..., None], message)


def _not_rows(name: str) -> str:
    return (
        f"Integer rows of `num_classes` places should hold zeros and ones: `{name}`. If they are ids of several "
        "positions, write `roles={...: 'masks'}`; if quantities, cast them to float32."
    )


def _check_targets(leaves: list[Leaf], layout: Layout) -> None:
    """`num_classes` and `pairs` speak of targets, so there should be some."""
    if not any(leaf.role in (TARGETS, MASKS) for leaf in leaves):
        what = "pairs=True" if layout.pairs else f"num_classes={layout.num_classes!r}"
        others = [leaf for leaf in leaves if leaf.role == PASS]
        say = roles.role_for(others[0]) if others else "'category'"
        raise ValueError(
            f"`{what.split('=')[0]}` is for targets, and there are none among {roles.names(leaves)}. "
            f"Received: {what}. Say which they are: `roles={{{say}: 'targets'}}`; or leave it out."
        )


def _groups(parts: list[Part | None]) -> Iterable[list[int]]:
    """The places of bounding boxes and what belongs to them, by the dict they are in."""
    groups: dict[Path, list[int]] = {}
    for k, part in enumerate(parts):
        if part is not None and part.role == BOXES:
            groups.setdefault(part.path[:-1], []).append(k)
    return groups.values()


def _rank(leaf: Leaf) -> int:
    try:
        return len(leaf.tensor.shape)
    except ValueError:
        raise ValueError(
            f"The rank of `{leaf.name}` should be known. Set its shape: `{leaf.name}.set_shape(...)`."
        ) from None


def _batched(leaf: Leaf) -> Leaf:
    """The leaf with a tensor of its library, once it is sure that it has a batch axis."""
    if leaf.role in (PASS, INPUTS) or not roles.is_numeric(leaf.tensor):
        return leaf
    leaf = leaf._replace(tensor=tables.of(leaf.tensor).convert(leaf.tensor))
    rank, shape = _rank(leaf), tuple(leaf.tensor.shape)
    if rank == 0:
        raise ValueError(
            f"Mixing needs batches. Received: `{leaf.name}`, a scalar. Batch the dataset first: `dataset.batch(128)`."
        )
    single = leaf.key in IMAGES or (leaf.key == "" and roles.dtype_of(leaf.tensor) == "uint8")
    if leaf.role == FEATURES and not leaf.told and rank == 3 and single and shape[2] in (1, 3, 4):
        if all(n is None or n > 4 for n in shape[:2]):
            raise ValueError(
                f"Mixing needs batches. Received: `{leaf.name}` of shape {shape}, which looks like one image. Batch "
                "the dataset first: `dataset.batch(128)`; or, if these are rows, write "
                f"`roles={{{roles.role_for(leaf)}: 'features'}}`."
            )
    return leaf


def _batch_size(parts: list[Part]) -> Size:
    """The number of examples: a Python int where any part knows it, else read off the features."""
    sizes = {part.name: part.tensor.shape[0] for part in parts if part.tensor.shape[0] is not None}
    if len(set(sizes.values())) > 1:
        raise ValueError(
            f"All tensors of a batch should have the same number of rows. Received: {sizes}. If the dataset is not "
            "batched yet, batch it first: `dataset.batch(128)`."
        )
    return next(iter(sizes.values()), None) or tables.size(parts[0].tensor)


# --- The arguments of a layout ---


def _check_num_classes(num_classes: Any) -> None:
    """Raise a `ValueError` unless `num_classes` is None, a positive integer, or a dict of them."""

    def positive(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0

    if isinstance(num_classes, dict):
        good = num_classes and all(map(positive, num_classes.values()))
    else:
        good = num_classes is None or positive(num_classes)
    if not good:
        raise ValueError(
            "`num_classes` should be a positive integer or None, or a dict of positive integers by target. "
            f"Received: num_classes={num_classes!r}."
        )


def _axes(axes: Axes | None) -> tuple[int, ...] | None:
    """The axes to cut along as a tuple of integers in order, None as None."""
    if axes is None:
        return None
    several = tuple(axes) if isinstance(axes, tuple | list) else (axes,)
    good = all(isinstance(axis, int) and not isinstance(axis, bool) and axis > 0 for axis in several)
    if not several or not good or list(several) != sorted(set(several)) or len(several) > 2:
        raise ValueError(
            "`axes` should be the axis to cut along, or two in ascending order, counted with the batch as 0. "
            f"Received: axes={axes!r}."
        )
    return several
