"""Mixing NumPy arrays by blocks of rows, each written into its place, by several threads.

A batch of images does not fit into a processor's cache and a few of its rows do, so that they are read and written once
instead of once per operation. NumPy lets go of Python's lock while it computes. In the worker processes of a data
loader, which share the cores already, there is one thread.
"""

from __future__ import annotations

import contextvars
import functools
import math
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_mixup.types import Array, CutAxes

NUMBERS = 1 << 16  # at once: 256 KB of float32
THREADS_FROM_BYTES = 1 << 21  # of results; for fewer, handing them out takes longer than it saves


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype of a name, of bfloat16 and its kin too."""
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))


def mix(x: Array, weight: Array, original: Array, partner: Array, precision: str, dtype: str) -> Array:
    """Blend two examples per row: weight * x[original] + (1 - weight) * x[partner].

    Args:
        x: Array of shape `(batch, ...)`.
        weight: Float array of shape `(rows,)`.
        original: Integer array of shape `(rows,)`.
        partner: Integer array of shape `(rows,)`.
        precision: Name of the dtype to compute in.
        dtype: Name of the dtype of the result.

    Returns:
        An array of shape `(rows, ...)`.
    """
    kind, numbers = np.dtype(precision), math.prod(x.shape[1:])
    mixed = np.empty((len(original), *x.shape[1:]), dtype_of(dtype))
    flat = mixed.reshape(len(original), numbers)
    weight = np.asarray(weight, kind)
    other_weight = 1 - weight

    def write(rows: slice) -> None:
        scratch = np.empty((2, min(NUMBERS, numbers) * (rows.stop - rows.start)), kind)
        if rows.stop - rows.start == 1:
            one, two = (x[which[rows.start]].reshape(1, -1) for which in (original, partner))
        else:
            one, two = (x[which[rows]].reshape(rows.stop - rows.start, numbers) for which in (original, partner))
        for start in range(0, numbers, NUMBERS):
            places = slice(start, start + NUMBERS)
            out = flat[rows, places]
            first, second = (part[: out.size].reshape(out.shape) for part in scratch)
            first = out if out.dtype == kind else first
            for side, share, product in ((one, weight, first), (two, other_weight, second)):
                np.multiply(side[:, places], share[rows, None], out=product, dtype=kind, casting="unsafe")
            if first is out:
                np.add(first, second, out=out)
            else:
                out[...] = first + second

    _in_groups(write, len(original), numbers, mixed.nbytes)
    return mixed


def paste(
    x: Array,
    weight: Array,
    original: Array,
    partner: Array,
    box: Array,
    axes: CutAxes,
    precision: str | None,
    dtype: str,
) -> Array:
    """As `mix`, but for the partner alone inside a box.

    Args:
        x: Array of shape `(batch, ...)`.
        weight: Float array of shape `(rows,)`.
        original: Integer array of shape `(rows,)`.
        partner: Integer array of shape `(rows,)`.
        box: Integer array of shape `(rows, 2 * sides)` or `(1, 2 * sides)`: all beginnings, then all ends.
        axes: For each side its axis in `x`, and how many places of it one of the box's is.
        precision: As for `mix`; None for what is not averaged: all weights are 1.
        dtype: As for `mix`.

    Returns:
        An array of shape `(rows, ...)`.
    """
    if precision is None or np.all(weight == 1):
        mixed = np.empty((len(original), *x.shape[1:]), dtype_of(dtype))

        def write(rows: slice) -> None:
            mixed[rows] = x[original[rows]]

        _in_groups(write, len(original), math.prod(x.shape[1:]), mixed.nbytes)
    else:
        kept, replaced = weight == 1, weight == 0
        ends = np.where(replaced, partner, original), np.where(kept, original, partner)
        mixed = mix(x, np.where(kept | replaced, 0.5, weight), *ends, precision, dtype)
    box, sides = np.broadcast_to(box, (len(original), box.shape[1])), len(axes)
    for row, (place, other) in enumerate(zip(box, partner, strict=True)):
        inside = [slice(None)] * (x.ndim - 1)
        for side, (axis, times) in enumerate(axes):
            inside[axis - 1] = slice(place[side] * times, place[side + sides] * times)
        mixed[row][tuple(inside)] = x[other][tuple(inside)]
    return mixed


def by_rows(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of whole batches, `function(x, weight, original, partner, ..., dtype)`, that works group by group.

    What it is given besides is cut into the same rows, where it has as many.
    """

    def mixed_by_rows(x: Array, weight: Array, original: Array, partner: Array, *rest: Any) -> Array:
        count = len(original)
        mixed = np.empty((count, *x.shape[1:]), dtype_of(rest[-1]))

        def own(one: Any, rows: slice) -> Any:
            if isinstance(one, tuple):
                return tuple(own(part, rows) for part in one)
            return one[rows] if isinstance(one, np.ndarray) and len(one) == count else one

        def write(rows: slice) -> None:
            mixed[rows] = function(x, weight[rows], original[rows], partner[rows], *own(rest, rows))

        _in_groups(write, count, math.prod(x.shape[1:]), mixed.nbytes)
        return mixed

    return mixed_by_rows


def _in_groups(write: Callable[[slice], None], count: int, numbers: int, size: int) -> None:
    """Let a function write groups of rows, whose slices it is given, several at once where that is worth it."""
    many = max(1, NUMBERS // max(numbers, 1))
    groups = [slice(start, min(start + many, count)) for start in range(0, count, many)]

    if size < THREADS_FROM_BYTES or len(groups) < 2 or _cores() < 2 or multiprocessing.parent_process() is not None:
        for group in groups:
            write(group)
        return
    # A thread begins with settings of its own: NumPy's of errors, and ours of the library that mixes.
    several = [contextvars.copy_context() for _ in groups]

    def write_here(context: contextvars.Context, group: slice) -> None:
        with np.errstate(**errors):
            context.run(write, group)

    errors = np.geterr()
    for _ in _threads(os.getpid()).map(write_here, several, groups):
        pass


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process: those of its parent are not there after a fork."""
    return ThreadPoolExecutor(_cores(), thread_name_prefix="keras_mixup")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
