"""Partners from another data set: their rows are put behind those of the batch, and the draw points at them.

Everything else is as ever: one draw, applied to every tensor. What the others lack (targets, sample weights) keeps its
own number.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_mixup import ops as tables
from keras_mixup import roles
from keras_mixup.roles import BOXES, FEATURES, MASK, MASKS, PADDING, TARGETS
from keras_mixup.types import Path, Size, Tree


def as_batch(others: Tree, batch: Tree) -> Tree:
    """The others in the structure of a batch: where that is a tuple, they may be its `x` alone.

    Raises:
        ValueError: If the one is a dict, or bare, and the other is not.
    """
    if isinstance(batch, tuple | list):
        return tuple(others) if isinstance(others, tuple | list) else (others,)
    if isinstance(batch, dict) != isinstance(others, dict) or isinstance(others, tuple | list):
        raise ValueError(
            "`others` should have the structure of the batch: `x` or `(x, y)` for batches `(x, y)`, a dict for a dict. "
            f"Received: a {type(others).__name__} for a batch that is a {type(batch).__name__}."
        )
    return others


def rows_of(others: Tree) -> int:
    """How many rows arrays have that partners are taken from; 0 for None.

    Raises:
        ValueError: If they do not have as many each, or none.
    """
    if others is None:
        return 0
    sizes = {int(x.shape[0]) if getattr(x, "shape", ()) else 0 for x in keras.tree.flatten(others) if x is not None}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            f"`others` should be arrays with as many rows each, one at least. Received: arrays of {sorted(sizes)} rows."
        )
    return sizes.pop()


def layout_for(others: Tree, layout: Any) -> Any:
    """What is said of a batch, as far as it speaks of tensors that the others have."""
    by_position = isinstance(others, tuple | list)
    paths = [path for path, _ in keras.tree.flatten_with_path(others)]

    def there(table: dict[Any, Any]) -> dict[Any, Any]:
        named = (key for key in table if any(roles.matching(path, {key: 0}, by_position) is not None for path in paths))
        return {key: table[key] for key in named}

    told = there(layout.roles or {}) or None
    num_classes, pairs = layout.num_classes, layout.pairs
    if not any(leaf.role in (TARGETS, MASKS) for leaf in roles.decide(others, told)):
        num_classes, pairs = None, False
    elif isinstance(num_classes, dict):
        num_classes = there(num_classes) or None
    return dataclasses.replace(layout, roles=told, num_classes=num_classes, pairs=pairs)


def beside(reading: Any, of_others: Any, method: Any) -> tuple[list[Any], set[Path]]:
    """The parts of a batch with those of the others behind them.

    Args:
        reading: What was read of the batch.
        of_others: What was read of the others.
        method: A `Method`.

    Returns:
        The parts, and the paths of those that the others lack, which are as they were.

    Raises:
        ValueError: If the others lack what has to be mixed, or have it in another shape or dtype.
    """
    theirs = {part.path: part for part in of_others.parts if part is not None}
    parts, alone = [], set()
    for part in reading.parts:
        other = None if part is None else theirs.pop(part.path, None)
        if part is not None and other is not None:
            _check_alike(part, other)
            both = tables.of(part.tensor).concat([part.tensor, other.tensor])
            part = part._replace(tensor=both)
        elif part is not None:
            if part.role in (FEATURES, PADDING, MASK, BOXES) or (method.cuts and part.axes):
                raise ValueError(
                    f"`others` should hold what is mixed of the features and cut with them. Received: no `{part.name}`."
                )
            alone.add(part.path)
        parts.append(part)
    if theirs:
        extra = next(iter(theirs.values()))
        raise ValueError(
            f"`others` should hold nothing that the batch lacks. Received: `{extra.name}` of "
            f"{roles.words(extra.tensor)}. Leave it out."
        )
    return parts, alone


def _check_alike(part: Any, other: Any) -> None:
    """Raise a `ValueError` unless two tensors differ in their number of rows at most."""
    one, two = tuple(part.tensor.shape)[1:], tuple(other.tensor.shape)[1:]
    alike = len(one) == len(two) and all(n == m or None in (n, m) for n, m in zip(one, two, strict=True))
    if not alike or part.role != other.role or part.tensor.dtype != other.tensor.dtype:
        raise ValueError(
            f"`others` should be of the shape and dtype of the batch. Received: `{part.name}` of "
            f"{roles.words(part.tensor)}, and of others {roles.words(other.tensor)}. Bring them to one size, and to "
            "one dtype in the same units."
        )


def among_others(draw: Any, size: Size) -> Any:
    """The draw for tensors in which the others stand behind the batch.

    Args:
        draw: A `Draw` whose partners are rows of the others.
        size: Number of examples of the batch.
    """
    ops = tables.of(draw.partner)
    original = ops.arange(size) if draw.original is None else draw.original
    return draw._replace(partner=ops.cast(draw.partner, "int32") + size, original=original)
