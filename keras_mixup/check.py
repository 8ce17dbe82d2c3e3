"""Is a pipeline's mixing right? Weights and partners, read back from a batch, and whether everything follows them.

Whatever made the mix, two batches tell: the one that went in and the one that came out. The features say who was mixed
with whom and by how much; targets, sample weights and further features must then say the same.
"""

import dataclasses
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_mixup.roles import BOXES, FEATURES, MASK, PADDING, PASS, TARGETS, decide, name_of

# Distance from a number to the next one, relative to it. Whole numbers are told by `Leaf.step`.
SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
# How many float64 numbers to hold at a time.
AT_A_TIME = 2**18
# What a row was found to be.
UNEXPLAINED, UNMIXED, BLENDED, CUT = range(4)


@dataclasses.dataclass(frozen=True, eq=False)
class MixReport:
    """What `check_mixed` found out. `print` it, or `assert report.ok, report`.

    Args:
        weight: Float64 array `(batch,)`: the share of the original example; NaN where no pair of rows explains it.
        partner: Integer array `(batch,)`: the row that was mixed in; the row itself where nothing was, -1 where no pair
            explains it.
        problems: One sentence for each thing that is wrong.
        notes: One sentence for each thing worth knowing.
    """

    weight: np.ndarray
    partner: np.ndarray
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self):
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self):
        verdict = {0: "no problem", 1: "1 problem"}.get(len(self.problems), f"{len(self.problems)} problems")
        lines = [f"{len(self.weight)} rows, {verdict}"]
        lines += [f"  PROBLEM  {sentence}" for sentence in self.problems]
        lines += [f"  note     {sentence}" for sentence in self.notes]
        known = self.weight[np.isfinite(self.weight)]
        if len(known):
            counts, edges = np.histogram(np.clip(known, 0.0, 1.0), bins=10, range=(0.0, 1.0))
            lines.append("  weight   share of the original, rows")
            for low, high, count in zip(edges, edges[1:], counts, strict=False):
                lines.append(f"  {low:.1f}-{high:.1f}  {'#' * int(np.ceil(40 * count / counts.max())):<40} {count}")
        return "\n".join(lines)


def check_mixed(before, after):
    """Check the mixing of any pipeline, yours or ours, on one batch before and the same batch after it.

    For each row of the features it finds the weight and the partner such that

        after[i] = weight[i] * before[i] + (1 - weight[i]) * before[partner[i]]

    or, for images cut and pasted as in CutMix, the partner whose pixels were pasted and the share of pixels kept. Then
    it verifies that targets, sample weights, masks and further features were mixed by the same weight and partner, that
    no label mass was lost, and that the weights look like draws from a Beta distribution.

    It needs the very batch that was mixed: no shuffling, scaling or augmentation in between. It does not see resized
    pastes (ResizeMix), mixes of three and more examples, bounding boxes, or whether ids that pass through are intact.
    Weights of CutMix are known to the pixel where neighbouring pixels differ and to an interval elsewhere (black
    borders); inside the interval targets are believed. For 128 images of 224 x 224 x 3 it takes two to four seconds of
    processor time.

    Args:
        before: The batch that went in: `x`, `(x, y)`, `(x, y, sample_weight)` or a dict with the keys that `MixupLayer`
            knows; NumPy arrays or tensors of any library.
        after: What came out, in the same structure. Targets may have become one-hot rows.

    Returns:
        A `MixReport`.

    Raises:
        ValueError: If the two batches do not have the same structure and size, or are not dense numbers.

    Example:

    >>> import numpy as np
    >>> from keras_mixup import MixupLayer
    >>> images = np.random.default_rng(1).uniform(size=(8, 4, 4, 3)).astype("float32")
    >>> labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    >>> mixed_images, mixed_labels = MixupLayer(0.4, num_classes=3, seed=1)(images, labels)
    >>> check_mixed((images, labels), (mixed_images, mixed_labels)).ok
    True
    >>> forgotten = np.eye(3)[labels]
    >>> report = check_mixed((images, labels), (mixed_images, forgotten))
    >>> report.problems[0].split(":")[0]
    '`y` was not mixed'

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """
    leaves, notes = _leaves(before, after)
    x = max((leaf for leaf in leaves if leaf.role == FEATURES), key=lambda leaf: leaf.before.size)
    problems, followers = [], []
    for leaf in leaves:
        follower, complaint = (None, None) if leaf is x else _comparable(leaf)
        problems += [complaint] if complaint else []
        followers += [follower] if follower else []
    x = _flat(x)
    found = _read(x, [leaf for leaf in followers if leaf.before.shape[1] < 2**15])
    about_x, notes_on_x = _judge_features(x, found)
    for leaf in followers:
        more_problems, more_notes = _judge_follower(leaf, x, found)
        problems, notes = problems + more_problems, notes + more_notes
    return MixReport(found.weight, found.partner, tuple(about_x + problems), tuple(notes_on_x + notes))


# --- The batch as pairs of NumPy arrays ---


class _Leaf(NamedTuple):
    """One tensor, before and after the mix; flat `(batch, numbers)` once it is compared."""

    name: str
    role: str
    before: Any
    after: Any
    spacing: float  # relative distance of neighbouring numbers in `after`
    shape: tuple = ()  # of one example
    step: float = 0.0  # 1 if `after` was brought to whole numbers, rounded or cut off
    ids: bool = False  # whole numbers before, numbers of the same shape after


def _leaves(before, after):
    """The tensors that take part, and a note on those that do not."""
    paths, paths_after = (keras.tree.flatten_with_path(batch) for batch in (before, after))
    if [path for path, _ in paths] != [path for path, _ in paths_after]:
        names = [", ".join(f"`{name_of(path)}`" for path, _ in each) for each in (paths, paths_after)]
        raise ValueError(
            "`before` and `after` should be one batch, in one structure. "
            f"Received: {names[0] or 'nothing'} before; {names[1] or 'nothing'} after."
        )
    leaves, notes = [], []
    for leaf, (_, new) in zip(decide(before), paths_after, strict=True):
        if leaf.role == BOXES:
            notes.append(f"`{leaf.name}` holds bounding boxes, which are not checked.")
        elif leaf.role in (PADDING, MASK):
            notes.append(f"`{leaf.name}` is a padding mask, which is not checked.")
        elif leaf.role != PASS:
            (old, _), (new, dtype) = _numpy(leaf.tensor, leaf.name), _numpy(new, leaf.name)
            leaves.append(_Leaf(leaf.name, leaf.role, old, new, SPACING.get(dtype, 2.0**-23)))
    sizes = {
        f"`{leaf.name}` {when}": len(array)
        for leaf in leaves
        for when, array in (("before", leaf.before), ("after", leaf.after))
    }
    if len(set(sizes.values())) > 1 or min(sizes.values()) < 2:
        raise ValueError(
            "`before` and `after` should be one batch of two examples at least, with as many rows in each tensor. "
            f"Received: {sizes}."
        )
    return leaves, notes


def _numpy(leaf, name):
    """A NumPy array of plain numbers, and the name of the dtype it had."""
    dtype = getattr(leaf, "dtype", None)
    dtype = str(getattr(dtype, "name", dtype)).removeprefix("torch.")
    if hasattr(leaf, "detach"):
        leaf = leaf.detach().cpu()
        leaf = leaf.float() if dtype == "bfloat16" else leaf
    array = np.asarray(leaf)
    if array.dtype.name == "bfloat16" or array.dtype == bool:
        array = array.astype("float32" if array.dtype.name == "bfloat16" else "uint8")
    if array.dtype.kind not in "fiu" or array.ndim == 0:
        raise ValueError(
            "The batches should hold dense numbers, a row for each example. "
            f"Received: `{name}` of dtype {array.dtype} and shape {array.shape}."
        )
    return array, dtype


def _comparable(leaf):
    """The flat form of a tensor that should follow the features, or None and a sentence that says what is wrong."""
    old, new, name = leaf.before, leaf.after, leaf.name
    whole = old.dtype.kind in "iu"
    column = old.ndim > 1 and old.shape[-1] == 1
    ids = old[..., 0] if column and new.shape != old.shape and new.ndim == old.ndim else old
    crossed = new.ndim == 2 and new.shape == (len(old), len(old)) and old.size == len(old)
    if crossed and (not whole or np.mean(np.abs(new.sum(1) - 1.0) > 0.01) > 0.5):
        return None, (
            f"`{name}` was broadcast to (batch, batch), {new.shape}: weights of shape (batch, 1) times targets of "
            "shape (batch,). One-hot class ids, or give the targets a last axis."
        )
    if whole and new.ndim == ids.ndim + 1 and new.shape[:-1] == ids.shape:
        if ids.max() >= new.shape[-1]:
            return None, f"`{name}` holds class ids up to {ids.max()} but rows of {new.shape[-1]} classes afterwards."
        rows = (ids[..., None] == np.arange(new.shape[-1])).astype("float32")
        return _flat(leaf._replace(before=rows)), None
    if old.size != new.size or old.shape[0] != new.shape[0] or (old.ndim == new.ndim and old.shape != new.shape):
        return None, f"`{name}` changed its shape from {old.shape} to {new.shape}."
    # Zeros and ones may be averaged (two classes, or several labels); masks still whole may have been cut and pasted.
    numbered = leaf.role != FEATURES and whole and old.max() > 1 and (old.ndim < 3 or np.any(new != np.rint(new)))
    if numbered and not np.array_equal(old.reshape(-1), new.reshape(-1)):
        return None, (
            f"`{name}` holds whole numbers that were mixed as numbers. If they are class ids their average is another "
            "class: one-hot them first. If they are quantities, cast them to float32 before this check."
        )
    return _flat(leaf), None


def _flat(leaf):
    old, new = (array.reshape(len(array), -1) for array in (leaf.before, leaf.after))
    # Only where numbers are large is rounding to whole ones a small error, not a change of class.
    whole = leaf.role == FEATURES and old.size and old.max() >= 16 and np.array_equal(new[0], np.rint(new[0]))
    whole = whole and (new.dtype.kind in "iu" or np.array_equal(new, np.rint(new)))
    return leaf._replace(before=old, after=new, shape=leaf.before.shape[1:], step=1.0 if whole else 0.0)


def _chunks(length, width):
    """Slices of a range, so that slice times width stays small."""
    size = max(1, AT_A_TIME // max(1, width))
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


# --- Weight and partner of each row, from the features ---


class _Found(NamedTuple):
    """What the features say of each row."""

    kind: Any
    weight: Any
    partner: Any
    slack: Any  # how far the weight may be off
    regions: dict  # row of an image cut and pasted: 1 where the pixel must be its own, 2 the partner's, 0 if either
    bias: float  # mean of what came out minus what should have, if in whole numbers
    sick: Any  # rows with NaN or infinity


def _read(x, followers):
    """Find every row's weight and partner in the features; `followers` decide between equally good ones."""
    sick_before, sick_after = (_sick(array) for array in (x.before, x.after))
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

    def settle(i, what, partners, weights, margins):
        # The first of several readings that the followers agree with; else the first.
        best = int(np.argmax(_agreed(followers, i, partners, weights, margins))) if len(partners) > 1 else 0
        kind[i], partner[i], weight[i], margin[i] = what, partners[best], weights[best], margins[best]

    def settle_as_cut(i, only_if_agreed=False):
        readings = _pasted(x, i, np.flatnonzero(~sick_before & (np.arange(size) != i)))
        if readings:
            partners, codes, weights, margins = map(np.array, zip(*readings, strict=True))
            if not only_if_agreed or _agreed(followers, i, partners, weights, margins).any():
                settle(i, CUT, partners, weights, margins)
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
            near = _distance(x, np.full(len(js), i), js, 1 - share[i, js]) <= 1.5 * worst[i, js]
            js = js[near] if near.any() else js
        settle(i, BLENDED, js, 1 - share[i, js], slack[i, js])
    wrong = blended[_distance(x, blended, partner[blended], weight[blended]) > 1.5 * worst[blended, partner[blended]]]
    kind[wrong] = UNEXPLAINED

    if len(x.shape) >= 2:
        for i in np.flatnonzero((kind == UNEXPLAINED) & ~sick_after):
            settle_as_cut(i)
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
    return _Found(kind, weight, partner, margin, regions, bias, sick)


def _sick(array):
    if array.dtype.kind != "f":
        return np.zeros(len(array), bool)
    return np.concatenate([~np.isfinite(array[rows]).all(1) for rows in _chunks(len(array), array.shape[1])])


def _products(x):
    """Squared distances between rows, and every row's change: its length and its products with those differences."""
    size, width = x.before.shape
    gram, cross = np.zeros((size, size)), np.zeros((size, size))
    change, moved, peak, power = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    for columns in _chunks(width, size):
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


def _distance(leaf, rows, partner, weight):
    """The largest error in each of these rows if they were mixed with these partners by these weights."""
    largest = np.zeros(len(rows))
    for part in _chunks(len(rows), leaf.before.shape[1]):
        w = weight[part, None]
        error = leaf.after[rows[part]] - (w * leaf.before[rows[part]] + (1 - w) * leaf.before[partner[part]])
        largest[part] = np.abs(error).max(1, initial=0.0)
    return largest


def _allowed(leaf, rows, partner, slack):
    """The error in each of these rows that numbers of this kind and the slack of the weights account for."""
    low, high = leaf.before.min(initial=0), leaf.before.max(initial=0)
    span = np.zeros(len(rows))
    for part in _chunks(len(rows), leaf.before.shape[1]):
        gap = leaf.before[rows[part]] - leaf.before[partner[part]].astype("float64")
        span[part] = np.abs(gap).max(1, initial=0.0)
    span = np.where(rows == partner, float(high) - float(low), span)  # its partner may be anyone
    return (slack + 1e-6) * span + 4 * leaf.spacing * max(abs(float(low)), abs(float(high))) + leaf.step


def _agreed(followers, row, partners, weights, margins):
    """Which of several readings of a row all followers agree with."""
    rows, agreed = np.full(len(partners), row), np.ones(len(partners), bool)
    for leaf in followers:
        agreed &= _distance(leaf, rows, partners, weights) <= _allowed(leaf, rows, partners, margins)
    return agreed


def _pasted(x, i, others):
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


def _region(kept, replaced):
    """For each pixel 1 if it must be the image's own, 2 if the partner's, 0 if both agree; channels are of one mind."""
    for axis in (-1, 0):
        if kept.ndim > 2 and not (kept.any(axis) & replaced.any(axis)).any():
            return kept.any(axis) + 2 * replaced.any(axis)
    return kept + 2 * replaced


def _share_kept(region):
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


def _bias(x, rows, partner, weight):
    """The mean error over numbers that the mix changes."""
    total, count = 0.0, 0
    for part in _chunks(len(rows), x.before.shape[1]):
        i = rows[part]
        w, own, other = weight[i, None], x.before[i], x.before[partner[i]]
        mixed = own != other
        total += (x.after[i] - (w * own + (1 - w) * other))[mixed].sum()
        count += mixed.sum()
    return total / max(count, 1)


# --- Findings, as sentences ---


def _rows(some, all_):
    return f"{np.sum(some)} of {all_} rows"


def _judge_features(x, found):
    """Problems and notes that the features alone give rise to."""
    problems, notes = [], []
    name, size = f"`{x.name}`", len(found.kind)
    mixed = np.isin(found.kind, (BLENDED, CUT)) & (np.abs(found.weight - 1) > 1e-6)
    w, slack = found.weight[mixed], found.slack[mixed]
    explained = ~np.isnan(found.weight)

    sick = _sick(x.after)
    if sick.any():
        problems.append(
            f"{name} holds NaN or infinity in {_rows(sick, size)} ({np.sum(_sick(x.before))} before the mix)."
        )
    lost = ~explained & ~found.sick
    if lost.any():
        problems.append(
            f"{name} is not explained by any pair in {_rows(lost, size)}: neither a weighted mean of the row and "
            "another nor pasted from one. Compare the batch just before the mix with the same batch just after it, "
            "without shuffling, scaling or augmentation in between."
        )
    if (found.kind == UNMIXED).all():
        problems.append(f"Nothing is mixed: {name} comes out as it went in, in all {size} rows.")
    beyond = mixed & ((found.weight < -found.slack - 1e-3) | (found.weight > 1 + found.slack + 1e-3))
    if beyond.any():
        problems.append(f"Weights lie outside 0 to 1 in {_rows(beyond, size)}.")
    if x.step and found.bias < -0.25:
        problems.append(
            f"{name} is cut off to whole numbers, not rounded: {-found.bias:.2f} too low on average. Round, or keep "
            "floats."
        )
    elif x.step and (found.kind == BLENDED).any():
        unsure = found.slack[found.kind == BLENDED].max()
        notes.append(f"{name} is rounded to whole numbers, so weights are known to within {unsure:.1g}.")
    half = (np.abs(w - 0.5) <= slack + 1e-6) & (slack < 0.02)
    sharp = (found.kind[mixed] == BLENDED) & (slack < 1e-4)
    one_weight = len(w) > 1 and bool((np.abs(w - np.median(w)) <= slack + 1e-6).all() and (slack < 0.02).any())
    if len(w) > 1 and half.all():
        problems.append(
            f"All {len(w)} mixed rows have weight 1/2, the strongest mix there is. So do weights drawn from a Beta of "
            "small or zero alpha whose gamma variates underflow, and averages written for want of weights."
        )
    elif np.sum(half & sharp) > 2:
        problems.append(
            f"{np.sum(half & sharp)} of {len(w)} mixed rows have weight 1/2 exactly: the Beta draw of a small alpha "
            "underflows."
        )
    elif one_weight:
        notes.append(f"One weight for the whole batch: {np.median(w):.4g}.")
    elif len(w) > 1:
        notes.append("Each example has a weight of its own.")

    same, faint = found.kind == UNMIXED, mixed & (found.weight > 0.99)
    notes.append(
        f"{_rows(same, size)} are as before (paired with themselves, or of weight 1); {np.sum(faint)} more keep over "
        "99 %."
    )
    cut = found.kind == CUT
    if cut.any():
        notes.append(f"{_rows(cut, size)} are cut and pasted, {np.sum(mixed & ~cut)} are weighted means.")
        unsure = cut & (found.slack > 0.01)
        if unsure.any():
            notes.append(
                f"In {_rows(unsure, size)} the border of the pasted region is not visible; weights there are known to "
                f"within {found.slack[unsure].max():.2f}."
            )
    elif len(w) >= 8 and not one_weight:
        spread = np.mean((np.clip(found.weight[explained], 0.0, 1.0) - 0.5) ** 2)
        if 0 < spread < 0.249:
            notes.append(
                f"Weights vary as under an alpha of about {(0.25 / spread - 1) / 2:.2g}, if all rows are mixed."
            )
    return problems, notes


def _judge_follower(leaf, x, found):
    """Problems and notes on a tensor that should have been mixed as the features were."""
    problems, notes = [], []
    name, other, size = f"`{leaf.name}`", f"`{x.name}`", len(found.kind)
    sick_before, sick_after = _sick(leaf.before), _sick(leaf.after)
    if sick_after.any():
        problems.append(
            f"{name} holds NaN or infinity in {_rows(sick_after, size)} ({sick_before.sum()} before the mix)."
        )
    healthy = (found.kind != UNEXPLAINED) & ~sick_before & ~sick_after
    healthy[healthy] = ~sick_before[found.partner[healthy]]

    spatial = [i for i in found.regions if healthy[i] and _fills(leaf, found.regions[i]) is not None]
    misplaced = [i for i in spatial if not _cut_alike(leaf, i, found)]
    if misplaced:
        problems.append(f"{name} is not cut along the region of {other} in {_rows(len(misplaced), size)}.")
    healthy[spatial] = False

    lost = np.zeros(size, bool)
    sums = leaf.before.sum(1, dtype="float64")
    total = sums[0]
    if (
        leaf.role == TARGETS
        and leaf.before.shape[1] > 1
        and leaf.before.min() >= 0
        and np.ptp(sums) < 1e-3
        and total > 0
    ):
        mass = leaf.after.sum(1, dtype="float64")
        lost = healthy & (np.abs(mass - total) > (4 * leaf.spacing + 1e-3) * max(total, 1))
    if lost.any():
        twins = healthy & (found.partner != np.arange(size)) & (leaf.before == leaf.before[found.partner]).all(1)
        where = ", all of them with a partner of the same class" if (lost <= twins).all() else ""
        problems.append(
            f"{name} does not keep its mass in {_rows(lost, size)}{where}: these rows sum to {mass[lost].min():.3g} to "
            f"{mass[lost].max():.3g}, not {total:.3g}."
        )

    rows = np.flatnonzero(healthy & ~lost)
    allowed = _allowed(leaf, rows, found.partner[rows], found.slack[rows])
    bad = _distance(leaf, rows, found.partner[rows], found.weight[rows]) > allowed
    if bad.any():
        problems.append(_diagnose(leaf, x, found, rows[~bad], rows[bad]))
    elif len(rows) and not lost.any():
        gap = _distance(leaf, rows, rows, found.weight[rows]) > 2 * allowed
        told = _distance(leaf._replace(after=leaf.before), rows, found.partner[rows], found.weight[rows]) > 2 * allowed
        if not (gap | told).any() and np.any(found.kind[rows] != UNMIXED):
            notes.append(f"{name} is the same in all pairs, so it could not be checked.")
    return problems, notes


def _diagnose(leaf, x, found, good, bad):
    """One sentence on the rows that do not follow the features: the first explanation that covers most of them."""
    thin = slice(None, None, max(1, leaf.before.shape[1] // 4096))
    leaf = leaf._replace(before=leaf.before[:, thin].astype("float64"), after=leaf.after[:, thin].astype("float64"))
    name, other, size = f"`{leaf.name}`", f"`{x.name}`", len(found.kind)
    count = _rows(len(bad), size)
    if (found.kind[bad] != UNMIXED).any():  # rows that look untouched have a partner, but nobody knows which
        bad = bad[found.kind[bad] != UNMIXED]
    allowed = _allowed(leaf, bad, bad, found.slack[bad])
    weight, partner = found.weight[bad], found.partner[bad]
    target, stray = _weights_along(leaf, bad, partner)
    same_partner = (stray <= allowed) & (target >= -1e-3) & (target <= 1 + 1e-3)
    other_partner, other_pair = np.zeros(len(bad), bool), np.zeros(len(bad), bool)
    everyone = np.arange(size)
    for n, i in enumerate(bad):
        row = np.full(size, i)
        other_partner[n] = (_distance(leaf, row, everyone, np.full(size, weight[n])) <= allowed[n]).any()
        along, off = _weights_along(leaf, row, everyone)
        other_pair[n] = ((off <= allowed[n]) & (along >= -1e-3) & (along <= 1 + 1e-3)).any()

    gap = np.abs(target - weight)[same_partner]
    swapped = _distance(leaf, bad, partner, 1 - weight) <= allowed
    informed = good[_allowed(leaf, good, found.partner[good], np.ones(len(good))) > 0.01]
    informed = informed[(found.kind[informed] != UNMIXED) & (np.abs(found.weight[informed] - 0.5) > 0.01)]
    swap = f"{name} is weighted by the partner's weight, 1 - w, in {count}: original and partner are swapped."
    if len(informed) and (found.weight[np.isfinite(found.weight)] >= 0.5 - found.slack.max()).all():
        swap = f"{name} keeps the raw weight w but {other} the larger of w and 1 - w: they disagree in {count}."
    differ = f"{name} uses another weight than {other} in {count}, by {_most(gap):.3f} at most."
    if (found.kind[bad] == CUT).all():
        differ += (
            " Count the pixels really pasted: a box that is clipped at the border or rounded is not the one drawn."
        )
    explanations = [
        (found.kind[bad] == UNMIXED, f"{name} is mixed in {count} in which {other} comes out as it went in."),
        (
            _distance(leaf, bad, bad, weight) <= allowed,
            f"{name} was not mixed: it is as before in {count} in which {other} is mixed.",
        ),
        (swapped, swap),
        (
            other_partner,
            f"{name} uses another partner than {other}, by the same weight, in {count}: draw it once for both.",
        ),
        (same_partner, differ),
        (other_pair, f"{name} uses another weight and another partner than {other} in {count}."),
        (np.ones(len(bad), bool), f"{name} does not follow {other} in {count}, and no pair of rows explains it."),
    ]
    covers = [np.sum(covered) for covered, _ in explanations[:-1]]
    best = int(np.argmax(covers))
    if covers[best] < 0.8 * len(bad):
        best = -1
    return explanations[best][1]


def _weights_along(leaf, rows, partner):
    """The weights that explain each row best with that partner, and the largest error left."""
    own, other, new = leaf.before[rows], leaf.before[partner], leaf.after[rows]
    line = own - other
    length = np.einsum("ij,ij->i", line, line)
    along = np.einsum("ij,ij->i", new - other, line) / np.where(length > 0, length, 1.0)
    return np.where(length > 0, along, 1.0), _distance(leaf, rows, partner, along)


def _fills(leaf, region):
    """The region in the shape of one example of this tensor, or None if it is not an image of that size."""
    shape, extra = leaf.shape, len(leaf.shape) - region.ndim
    if extra >= 0 and shape[: region.ndim] == region.shape:
        return np.broadcast_to(region.reshape(region.shape + (1,) * extra), shape).reshape(-1)
    if extra >= 0 and shape[extra:] == region.shape:
        return np.broadcast_to(region, shape).reshape(-1)
    return None


def _cut_alike(leaf, i, found):
    region = _fills(leaf, found.regions[i])
    near = 2 * leaf.spacing * np.abs(leaf.after[i])
    own, pasted = (np.abs(leaf.after[i] - leaf.before[j].astype("float64")) <= near for j in (i, found.partner[i]))
    return bool(np.where(region == 1, own, np.where(region == 2, pasted, own | pasted)).all())


def _most(values):
    return np.max(values, initial=0.0)
