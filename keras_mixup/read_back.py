"""Who was mixed with whom, how strongly and where: read back from a batch before the mix and the same batch after it.

Least squares along the line from each row to each other row tell weights; pixels that are exactly a row's own or a
partner's tell what was cut and pasted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from keras_mixup.roles import MASKS
from keras_mixup.types import Array, Shape, Tensor

# How many float64 numbers to hold at a time.
AT_A_TIME = 2**18
# What a row was found to be.
UNEXPLAINED, UNMIXED, BLENDED, CUT, SOFT = range(5)


class Pair(NamedTuple):
    """One tensor, before and after the mix; flat `(batch, numbers)` once it is compared."""

    name: str
    role: str
    before: Any
    after: Any
    spacing: float  # relative distance of neighbouring numbers in `after`
    shape: Shape = ()  # of one example
    step: float = 0.0  # 1 if `after` was brought to whole numbers, rounded or cut off
    ids: bool = False  # whole numbers before, numbers of the same shape after


def chunks(length: int, width: int) -> list[slice]:
    """Slices of a range, so that slice times width stays small."""
    size = max(1, AT_A_TIME // max(1, width))
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


class Found(NamedTuple):
    """What the features say of each row."""

    kind: Any
    weight: Any
    partner: Any
    slack: Any  # how far the weight may be off
    # Row of an image cut and pasted: 1 where the pixel must be its own, 2 the partner's, 0 if either. Of one with a
    # soft edge: floats, the share of its own, NaN where that is not seen.
    regions: dict[int, Array]
    bias: float  # mean of what came out minus what should have, if in whole numbers
    sick: Any  # rows with NaN or infinity


def read(x: Pair, followers: list[Pair]) -> Found:
    """Find every row's weight and partner in the features; `followers` decide between equally good ones."""
    sick_before, sick_after = (not_finite(array) for array in (x.before, x.after))
    if sick_before.any() or sick_after.any():
        x = x._replace(
            before=np.where(sick_before[:, None], 0, x.before), after=np.where(sick_after[:, None], 0, x.after)
        )
    size, width = x.before.shape
    square, toward, change, moved, peak, power = _products(x)

    # Least squares along the line from row i to row j: 1 - weight, and what is left over.
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(square > 0, toward / square, 0.0)
        left_over = np.maximum(change[:, None] - share * toward, 0.0)
        error = 2 * x.spacing * (np.sqrt(power)[:, None] + np.sqrt(power)) + x.step * width**0.5
        worst = 2 * x.spacing * (peak[:, None] + peak) + x.step
        slack = np.where(square > 0, worst * np.sqrt(width / square), 0.0)
    twins = square == 0
    fits = (left_over <= error**2 + 1e-11 * change[:, None]) & ~twins & ~sick_before
    inside = fits & (share >= -slack) & (share <= 1 + slack)
    fits = np.where(inside.any(1, keepdims=True), inside, fits)

    kind = np.full(size, UNEXPLAINED)
    weight, partner, margin = np.full(size, np.nan), np.full(size, -1), np.zeros(size)
    regions = {}

    def settle(i: Any, what: int, partners: Tensor, weights: Tensor, margins: Tensor) -> None:
        # The first of several readings that the followers agree with; else the first.
        best = int(np.argmax(_agreed(followers, i, partners, weights, margins))) if len(partners) > 1 else 0
        kind[i], partner[i], weight[i], margin[i] = what, partners[best], weights[best], margins[best]

    def settle_as_cut(
        i: Any, only_if_agreed: bool = False, pasted: Callable[[Pair, int, Any], list[Any]] = _pasted, what: int = CUT
    ) -> None:
        readings = pasted(x, i, np.flatnonzero(~sick_before & (np.arange(size) != i)))
        if readings:
            partners, codes, weights, margins = map(np.array, zip(*readings, strict=True))
            if not only_if_agreed or _agreed(followers, i, partners, weights, margins).any():
                settle(i, what, partners, weights, margins)
                regions[i] = codes[list(partners).index(partner[i])]

    unmixed = moved <= (0 if x.step else x.spacing * peak)
    nearest = np.where(twins, 0.0, slack).max(1)
    for i in np.flatnonzero(unmixed):
        # It may have been mixed with a row just like it, by any weight.
        same = np.flatnonzero(twins[i] & (np.arange(size) != i))
        first = np.array([nearest[i]])
        partners, margins = np.append(i, same), np.append(first, np.full(len(same), 0.5))
        settle(i, UNMIXED, partners, np.where(partners == i, 1.0, 0.5), margins)
        if partner[i] != i:
            kind[i] = BLENDED
    blended = np.flatnonzero(~unmixed & fits.any(1))
    for i in blended:
        js = np.flatnonzero(fits[i])
        js = js[np.argsort(left_over[i, js], kind="stable")][: max(64, AT_A_TIME // width)]
        if len(js) > 1:
            near = distance(x, np.full(len(js), i), js, 1 - share[i, js]) <= 1.5 * worst[i, js]
            js = js[near] if near.any() else js
        settle(i, BLENDED, js, 1 - share[i, js], slack[i, js])
    wrong = blended[distance(x, blended, partner[blended], weight[blended]) > 1.5 * worst[blended, partner[blended]]]
    kind[wrong] = UNEXPLAINED

    if len(x.shape) >= 2:
        for i in np.flatnonzero((kind == UNEXPLAINED) & ~sick_after):
            settle_as_cut(i)
            if kind[i] == UNEXPLAINED:  # without channels any image between two others looks like that
                settle_as_cut(i, only_if_agreed=len(x.shape) < 3, pasted=_softly_pasted, what=SOFT)
        # Where others are cut and pasted, a row that looks untouched or replaced may have an invisible border.
        for i in np.flatnonzero((kind == UNMIXED) | (kind == BLENDED)):
            if regions and not _agreed(followers, i, *(each[[i]] for each in (partner, weight, margin))).all():
                settle_as_cut(i, only_if_agreed=True)

    # What is left may have been computed in a lower precision than it is stored in.
    for i in np.flatnonzero(kind == UNEXPLAINED):
        j = np.argmin(np.where(twins[i] | sick_before, np.inf, left_over[i]))
        if left_over[i, j] <= min(0.01**2 * square[i, j], 0.05**2 * change[i]) and -0.01 <= share[i, j] <= 1.01:
            loose = 2 * np.sqrt(left_over[i, j] / square[i, j])
            settle(i, BLENDED, np.array([j]), np.array([1 - share[i, j]]), np.array([loose]))

    sick = sick_before | sick_after
    kind[sick] = UNEXPLAINED
    weight[kind == UNEXPLAINED], partner[kind == UNEXPLAINED] = np.nan, -1
    bias = _bias(x, np.flatnonzero(kind == BLENDED), partner, weight) if x.step else 0.0
    if x.step and bias > -0.25:
        margin[kind == BLENDED] /= 2  # rounded, not cut off: half the error
    return Found(kind, weight, partner, margin, regions, bias, sick)


def not_finite(array: Any) -> Array:
    """Which rows hold NaN or infinity."""
    if array.dtype.kind != "f":
        return np.zeros(len(array), bool)
    return np.concatenate([~np.isfinite(array[rows]).all(1) for rows in chunks(len(array), array.shape[1])])


def _products(x: Pair) -> tuple[Any, ...]:
    """Squared distances between rows, and every row's change: its length and its products with those differences."""
    size, width = x.before.shape
    gram, cross = np.zeros((size, size)), np.zeros((size, size))
    change, moved, peak, power = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    for columns in chunks(width, size):
        old = x.before[:, columns].astype("float64")
        step = x.after[:, columns] - old
        moved = np.maximum(moved, np.abs(step).max(1))
        peak = np.maximum(peak, np.abs(old).max(1))
        change += np.einsum("ij,ij->i", step, step)
        power += np.einsum("ij,ij->i", old, old)
        old -= old.mean(0)  # a mix is the same wherever zero is, and smaller numbers cancel less
        gram += old @ old.T
        cross += step @ old.T
    length = np.diag(gram)
    square = length[:, None] + length - 2 * gram
    square[square <= 1e-12 * (length[:, None] + length)] = 0.0
    return square, cross - np.diag(cross)[:, None], change, moved, peak, power


def distance(leaf: Pair, rows: Tensor, partner: Tensor, weight: Tensor) -> Array:
    """The largest error in each of these rows if they were mixed with these partners by these weights."""
    largest = np.zeros(len(rows))
    for part in chunks(len(rows), leaf.before.shape[1]):
        w = weight[part, None]
        error = leaf.after[rows[part]] - (w * leaf.before[rows[part]] + (1 - w) * leaf.before[partner[part]])
        largest[part] = np.abs(error).max(1, initial=0.0)
    return largest


def tolerance(leaf: Pair, rows: Tensor, partner: Tensor, slack: Tensor) -> Array:
    """The error in each of these rows that numbers of this kind and the slack of the weights account for."""
    low, high = leaf.before.min(initial=0), leaf.before.max(initial=0)
    span = np.zeros(len(rows))
    for part in chunks(len(rows), leaf.before.shape[1]):
        gap = leaf.before[rows[part]] - leaf.before[partner[part]].astype("float64")
        span[part] = np.abs(gap).max(1, initial=0.0)
    span = np.where(rows == partner, float(high) - float(low), span)  # its partner may be anyone
    return (slack + 1e-6) * span + 4 * leaf.spacing * max(abs(float(low)), abs(float(high))) + leaf.step


def _agreed(followers: list[Pair], row: Any, partners: Tensor, weights: Tensor, margins: Tensor) -> Array:
    """Which of several readings of a row all followers agree with."""
    rows, agreed = np.full(len(partners), row), np.ones(len(partners), bool)
    for leaf in followers:
        agreed &= distance(leaf, rows, partners, weights) <= tolerance(leaf, rows, partners, margins)
    return agreed


def _pasted(x: Pair, i: Any, others: Any) -> list[Any]:
    """All readings of row i as an image with a region pasted from another: `(partner, region, weight, slack)` each."""
    new, own = x.after[i].astype("float64"), x.before[i]
    near = 0.0 if x.after.dtype.kind in "iu" else 2 * x.spacing * np.abs(new)
    changed = np.flatnonzero(np.abs(new - own) > near)
    near = np.broadcast_to(near, new.shape)
    sample = changed[np.linspace(0, len(changed) - 1, min(len(changed), 256)).astype(int)]
    # A few numbers rule out nearly everybody.
    others = others[(np.abs(new[sample] - x.before[np.ix_(others, sample)]) <= near[sample]).all(1)]
    others = [j for j in others if (np.abs(new[changed] - x.before[j, changed]) <= near[changed]).all()]
    readings = []
    for j in others:
        replaced, kept = np.zeros(len(new), bool), np.abs(new - x.before[j]) > near
        replaced[changed] = True
        region = _region(kept.reshape(x.shape), replaced.reshape(x.shape))
        least, most = _share_kept(region)
        readings.append((j, region, (least + most) / 2, (most - least) / 2))
    return readings


def _softly_pasted(x: Pair, i: Any, others: Any) -> list[Any]:
    """All readings of row i as an image blended with another by shares that vary over the image, as by `_pasted`."""
    new, own = x.after[i].astype("float64"), x.before[i].astype("float64")
    sample = np.linspace(0, len(new) - 1, min(len(new), 512)).astype(int)
    near = 8 * x.spacing * max(np.abs(x.before[i]).max(), np.abs(new).max(), 1e-30) + x.step
    some = x.before[np.ix_(others, sample)]
    above = (new[sample] >= np.minimum(own[sample], some) - near).all(1)
    below = (new[sample] <= np.maximum(own[sample], some) + near).all(1)
    readings = []
    for j in others[above & below]:
        other = x.before[j].astype("float64")
        for axis in (-1, 0) if len(x.shape) > 2 else (None,):
            line, step = ((part - other).reshape(x.shape) for part in (own, new))
            if axis is None:
                line, step, axis = line[..., None], step[..., None], -1
            power = (line**2).sum(axis)
            known = power > near**2
            share = np.where(known, (line * step).sum(axis) / np.where(known, power, 1.0), 0.0)
            error = np.abs(step - np.expand_dims(share, axis) * line).max()
            slack = np.where(known, near / np.sqrt(np.where(known, power, 1.0)), 1.0)
            if error <= near and (np.abs(share - 0.5) <= 0.5 + slack).all() and known.any():
                share = np.clip(share, 0.0, 1.0)
                weight = share.sum() / share.size + 0.5 * np.mean(~known)
                margin = np.mean(np.where(known, np.minimum(slack, 1.0), 0.5))
                readings.append((j, np.where(known, share, np.nan), weight, margin))
                break
    return readings


def _region(kept: Any, replaced: Tensor) -> Array:
    """For each pixel 1 if it must be the image's own, 2 if the partner's, 0 if both agree; channels are of one mind."""
    for axis in (-1, 0):
        if kept.ndim > 2 and not (kept.any(axis) & replaced.any(axis)).any():
            return kept.any(axis) + 2 * replaced.any(axis)
    return kept + 2 * replaced


def _share_kept(region: Tensor) -> tuple[float, float]:
    """The least and the largest share of pixels that can be the image's own."""
    least, most = np.mean(region == 1), 1 - np.mean(region == 2)
    if most == 1.0:
        return least, most
    box = [slice(line.min(), line.max() + 1) for line in np.nonzero(region == 2)]
    if (region[tuple(box)] != 1).all():
        # A box: all of the smallest one is pasted, and it ends where a side runs into a pixel of the image's own.
        sides = []
        for axis, side in enumerate(box):
            across = tuple(slice(None) if other == axis else span for other, span in enumerate(box))
            stop = (region[across] == 1).any(tuple(other for other in range(region.ndim) if other != axis))
            before, after = np.flatnonzero(stop[: side.start]), np.flatnonzero(stop[side.stop :])
            low = before[-1] + 1 if len(before) else 0
            sides.append((side.stop + after[0] if len(after) else region.shape[axis]) - low)
        most = 1 - np.prod([side.stop - side.start for side in box]) / region.size
        least = max(least, 1 - np.prod(sides) / region.size)
    return least, most


def _bias(x: Pair, rows: Tensor, partner: Tensor, weight: Tensor) -> float:
    """The mean error over numbers that the mix changes."""
    total, count = 0.0, 0
    for part in chunks(len(rows), x.before.shape[1]):
        i = rows[part]
        w, own, other = weight[i, None], x.before[i], x.before[partner[i]]
        mixed = own != other
        total += (x.after[i] - (w * own + (1 - w) * other))[mixed].sum()
        count += mixed.sum()
    return total / max(count, 1)


def weights_along(leaf: Pair, rows: Tensor, partner: Tensor) -> tuple[Array, Array]:
    """The weights that explain each row best with that partner, and the largest error left."""
    own, other, new = leaf.before[rows], leaf.before[partner], leaf.after[rows]
    line = own - other
    length = np.einsum("ij,ij->i", line, line)
    along = np.einsum("ij,ij->i", new - other, line) / np.where(length > 0, length, 1.0)
    return np.where(length > 0, along, 1.0), distance(leaf, rows, partner, along)


def fills(leaf: Pair, region: Array) -> Any:
    """The region in the shape of one example of this tensor, or None if it is not an image of that size."""
    shape, sides, extra = leaf.shape, region.ndim, len(leaf.shape) - region.ndim
    for times in (False, True) if leaf.role == MASKS else (False,):
        for first in (0, extra, extra - 1):  # height and width come first, last, or before the channels
            if extra >= 0 and first >= 0:
                code = _resized(region, shape[first : first + sides], times)
                if code is not None:
                    code = code.reshape((1,) * first + code.shape + (1,) * (extra - first))
                    return np.broadcast_to(code, shape).reshape(-1)
    return None


def _resized(region: Array, shape: Shape, times: bool) -> Array | None:
    """The region in another size, if that is its own or, with `times`, a whole multiple or part of it; else None."""
    for axis, (length, side) in enumerate(zip(shape, region.shape, strict=True)):
        if length == side:
            continue
        if not times or (length % side and side % length):
            return None
        if length > side or region.dtype.kind == "f":
            if length < side:
                return None
            region = np.repeat(region, length // side, axis)
        else:  # where a block is of both, nobody can say
            blocks = np.moveaxis(region, axis, -1)
            blocks = blocks.reshape(*blocks.shape[:-1], length, side // length)
            own, pasted = (blocks == 1).any(-1), (blocks == 2).any(-1)
            region = np.moveaxis(np.where(own & pasted, 0, np.where(pasted, 2, np.where(own, 1, 0))), -1, axis)
    return region


def cut_alike(leaf: Pair, i: Any, found: Found) -> bool:
    """Whether a row of a tensor is cut along the region that the features are cut along."""
    region = fills(leaf, found.regions[i])
    near = 2 * leaf.spacing * np.abs(leaf.after[i])
    if region.dtype.kind == "f":
        own, other = (leaf.before[j].astype("float64") for j in (i, found.partner[i]))
        error = np.abs(leaf.after[i] - (region * own + (1.0 - region) * other))
        return bool((np.isnan(region) | (error <= 1e-3 * np.abs(own - other) + 4 * near)).all())
    own, pasted = (np.abs(leaf.after[i] - leaf.before[j].astype("float64")) <= near for j in (i, found.partner[i]))
    return bool(np.where(region == 1, own, np.where(region == 2, pasted, own | pasted)).all())
