"""Is a pipeline's mixing right? Weights and partners, read back from a batch, and whether everything follows them.

Whatever made the mix, two batches tell: the one that went in and the one that came out. The features say who was mixed
with whom and by how much; targets, sample weights and further features must then say the same.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_mixup import checks
from keras_mixup import ops as tables
from keras_mixup.boxes import FORMATS, to_edges
from keras_mixup.read_back import (
    BLENDED,
    CUT,
    SOFT,
    UNEXPLAINED,
    UNMIXED,
    Found,
    Pair,
    cut_alike,
    distance,
    fills,
    not_finite,
    read,
    tolerance,
    weights_along,
)
from keras_mixup.roles import (
    BOXES,
    FEATURES,
    MASK,
    MULTI_HOT,
    PADDING,
    PASS,
    TARGETS,
    UNSURE,
    Leaf,
    check_roles,
    decide,
    is_float,
    name_of,
    names,
    role_for,
)
from keras_mixup.types import Array, Path, Roles, Tensor, Tree

# Distance from a number to the next one, relative to it. Whole numbers are told by `Pair.step`.
Findings: TypeAlias = tuple[list[str], list[str]]  # problems and notes
Other: TypeAlias = tuple[Leaf, Any]  # a tensor that is not mixed as numbers, and what came out
Boxes: TypeAlias = list[list[Path]]  # of each row the boxes, each with all that belongs to it

SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


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
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
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


def check_mixed(before: Tree, after: Tree, *, roles: Roles | None = None, box_format: str | None = None) -> MixReport:
    """Check the mixing of any pipeline, yours or ours, on one batch before and the same batch after it.

    For each row of the features it finds the weight and the partner such that

        after[i] = weight[i] * before[i] + (1 - weight[i]) * before[partner[i]]

    or, for images cut and pasted as in CutMix, the partner whose pixels were pasted and the share of pixels kept (where
    the edge is soft, as in SmoothMix, the mean share). Then it verifies that targets, sample weights, masks and further
    features were mixed by the same weight and partner, that no label mass was lost, and that the weights look like
    draws from a Beta distribution.

    Padding masks should be united, bounding boxes those of both images (where images are cut: those that are wholly
    outside or inside of what was pasted), targets of the images' height and width cut along the same region, and what
    passes through should be as it was. A tensor that was left behind under a key that may be a target's is a problem.

    It needs the very batch that was mixed: no shuffling, scaling or augmentation in between. It does not see resized
    pastes (ResizeMix) and mixes of three and more examples.
    Weights of CutMix are known to the pixel where neighbouring pixels differ and to an interval elsewhere (black
    borders); inside the interval targets are believed. For 128 images of 224 x 224 x 3 it takes two to four seconds of
    processor time.

    Args:
        before: The batch that went in: `x`, `(x, y)`, `(x, y, sample_weight)` or a dict with the keys that `MixupLayer`
            knows; NumPy arrays or tensors of any library.
        after: What came out, in the same structure. Targets may have become one-hot rows.
        roles: What tensors are whose key or position does not say it; as for `MixLayer`.
        box_format: In what format bounding boxes are, by Keras' names; without it those of images that are cut are not
            checked.

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
    check_roles(roles)
    if box_format is not None:
        checks.one_of("box_format", box_format, FORMATS)
    leaves, others, notes = _leaves(before, after, roles)
    x = max((leaf for leaf in leaves if leaf.role == FEATURES), key=lambda leaf: leaf.before.size)
    problems, followers = [], []
    for leaf in leaves:
        follower, complaint = (None, None) if leaf is x else _comparable(leaf)
        problems += [complaint] if complaint else []
        followers += [follower] if follower else []
    x = _flat(x)
    found = read(x, [leaf for leaf in followers if leaf.before.shape[1] < 2**15])
    about_x, notes_on_x = _judge_features(x, found)
    for leaf in followers:
        more_problems, more_notes = _judge_follower(leaf, x, found)
        problems, notes = problems + more_problems, notes + more_notes
    problems += _judge_others(others, x, found)
    more_problems, more_notes = _judge_boxes(others, x, found, box_format)
    problems, notes = problems + more_problems, notes + more_notes
    return MixReport(found.weight, found.partner, tuple(about_x + problems), tuple(notes_on_x + notes))


# --- The batch as pairs of NumPy arrays ---


def _leaves(before: Tree, after: Tree, roles: Roles | None) -> tuple[list[Pair], list[Other], list[str]]:
    """The tensors that are mixed as numbers; the others with what became of them; and notes."""
    paths, paths_after = (keras.tree.flatten_with_path(batch) for batch in (before, after))
    if [path for path, _ in paths] != [path for path, _ in paths_after]:
        received = [", ".join(f"`{name_of(path)}`" for path, _ in each) for each in (paths, paths_after)]
        raise ValueError(
            "`before` and `after` should be one batch, in one structure. "
            f"Received: {received[0] or 'nothing'} before; {received[1] or 'nothing'} after."
        )
    leaves, others, notes = [], [], []
    for leaf, (_, new) in zip(decide(before, roles, unsure=True), paths_after, strict=True):
        united = leaf.role == MULTI_HOT or (leaf.role in (PADDING, MASK) and not is_float(leaf.tensor))
        left = leaf.role == PASS or (leaf.role == UNSURE and _is_as_before(leaf.tensor, new))
        if leaf.role == BOXES or united or left:
            others.append((leaf, new))
            continue
        (old, _), (new, dtype) = _numpy(leaf.tensor, leaf.name), _numpy(new, leaf.name)
        role = TARGETS if leaf.role == UNSURE else leaf.role
        leaves.append(Pair(leaf.name, role, old, new, SPACING.get(dtype, 2.0**-23)))
    passing = [leaf for leaf, _ in others if leaf.role == PASS and leaf.tensor is not None]
    if passing:
        notes.append(f"{names(passing)} pass through by their keys.")
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
    return leaves, others, notes


def _is_as_before(old: Any, new: Any) -> bool:
    """Whether a tensor of any kind is what it was."""
    if hasattr(old, "to_list"):
        return hasattr(new, "to_list") and old.to_list() == new.to_list()
    old, new = (leaf.detach().cpu() if hasattr(leaf, "detach") else leaf for leaf in (old, new))
    old, new = np.asarray(old), np.asarray(new)
    if old.dtype.kind in "OSU" or new.dtype.kind in "OSU":  # TensorFlow gives strings back as bytes
        old, new = (np.array([s if isinstance(s, bytes) else str(s).encode() for s in a.ravel()]) for a in (old, new))
        return np.array_equal(old, new)
    return old.shape == new.shape and bool(((old == new) | ((old != old) & (new != new))).all())


def _numpy(leaf: Tensor, name: str) -> tuple[Array, str]:
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


def _comparable(leaf: Pair) -> tuple[Pair | None, str | None]:
    """The flat form of a tensor that should follow the features, or None and a sentence that says what is wrong."""
    old, new, name = leaf.before, leaf.after, leaf.name
    # Class ids are whole numbers; where rows came out of them, of whatever dtype.
    widened = new.ndim == max(old.ndim, 2) and new.shape[-1] > 1 and old.size == len(old)
    if old.dtype.kind == "f" and widened and np.array_equal(old, np.rint(old)):
        old = old.astype("int64")
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


def _flat(leaf: Pair) -> Pair:
    old, new = (array.reshape(len(array), -1) for array in (leaf.before, leaf.after))
    # Only where numbers are large is rounding to whole ones a small error, not a change of class.
    whole = leaf.role == FEATURES and old.size and old.max() >= 16 and np.array_equal(new[0], np.rint(new[0]))
    whole = whole and (new.dtype.kind in "iu" or np.array_equal(new, np.rint(new)))
    return leaf._replace(before=old, after=new, shape=leaf.before.shape[1:], step=1.0 if whole else 0.0)


# --- Findings, as sentences ---


def _rows(some: Any, all_: int) -> str:
    return f"{np.sum(some)} of {all_} rows"


def _judge_features(x: Pair, found: Found) -> Findings:
    """Problems and notes that the features alone give rise to."""
    problems, notes = [], []
    name, size = f"`{x.name}`", len(found.kind)
    mixed = np.isin(found.kind, (BLENDED, CUT, SOFT)) & (np.abs(found.weight - 1) > 1e-6)
    w, slack = found.weight[mixed], found.slack[mixed]
    explained = ~np.isnan(found.weight)

    sick = not_finite(x.after)
    if sick.any():
        problems.append(
            f"{name} holds NaN or infinity in {_rows(sick, size)} ({np.sum(not_finite(x.before))} before the mix)."
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
    cut, soft = found.kind == CUT, found.kind == SOFT
    if soft.any():
        notes.append(f"{_rows(soft, size)} are blended by weights that vary over the image.")
    if cut.any():
        notes.append(f"{_rows(cut, size)} are cut and pasted, {np.sum(mixed & ~cut & ~soft)} are weighted means.")
        unsure = cut & (found.slack > 0.01)
        if unsure.any():
            notes.append(
                f"In {_rows(unsure, size)} the border of the pasted region is not visible; weights there are known to "
                f"within {found.slack[unsure].max():.2f}."
            )
    elif len(w) >= 8 and not one_weight and not soft.any():
        spread = np.mean((np.clip(found.weight[explained], 0.0, 1.0) - 0.5) ** 2)
        if 0 < spread < 0.249:
            notes.append(
                f"Weights vary as under an alpha of about {(0.25 / spread - 1) / 2:.2g}, if all rows are mixed."
            )
    return problems, notes


def _judge_follower(leaf: Pair, x: Pair, found: Found) -> Findings:
    """Problems and notes on a tensor that should have been mixed as the features were."""
    problems, notes = [], []
    name, other, size = f"`{leaf.name}`", f"`{x.name}`", len(found.kind)
    sick_before, sick_after = not_finite(leaf.before), not_finite(leaf.after)
    if sick_after.any():
        problems.append(
            f"{name} holds NaN or infinity in {_rows(sick_after, size)} ({sick_before.sum()} before the mix)."
        )
    healthy = (found.kind != UNEXPLAINED) & ~sick_before & ~sick_after
    healthy[healthy] = ~sick_before[found.partner[healthy]]

    spatial = [i for i in found.regions if healthy[i] and fills(leaf, found.regions[i]) is not None]
    misplaced = [i for i in spatial if not cut_alike(leaf, i, found)]
    if misplaced:
        problems.append(f"{name} is not cut along the region of {other} in {_rows(len(misplaced), size)}.")
    healthy[spatial] = False

    lost, mass = np.zeros(size, bool), np.zeros(size)
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
    allowed = tolerance(leaf, rows, found.partner[rows], found.slack[rows])
    bad = distance(leaf, rows, found.partner[rows], found.weight[rows]) > allowed
    if bad.any():
        problems.append(_diagnose(leaf, x, found, rows[~bad], rows[bad]))
    elif len(rows) and not lost.any():
        gap = distance(leaf, rows, rows, found.weight[rows]) > 2 * allowed
        told = distance(leaf._replace(after=leaf.before), rows, found.partner[rows], found.weight[rows]) > 2 * allowed
        if not (gap | told).any() and np.any(found.kind[rows] != UNMIXED):
            notes.append(f"{name} is the same in all pairs, so it could not be checked.")
    return problems, notes


def _judge_others(others: list[Other], x: Pair, found: Found) -> list[str]:
    """Problems with what is not mixed as numbers: padding masks, what passes through, what was left behind."""
    problems, size = [], len(found.kind)
    for leaf, new in others:
        name = f"`{leaf.name}`"
        if leaf.role == UNSURE:
            problems.append(
                f"{name} is as it was, and by its key it may have to be mixed. Mix it; or say here and there that it "
                f"should pass: `roles={{{role_for(leaf)}: 'pass'}}`."
            )
        elif leaf.role == PASS and leaf.tensor is not None and not _is_as_before(leaf.tensor, new):
            problems.append(f"{name} should pass through as it is, by its key, and was changed.")
        elif leaf.role in (PADDING, MASK, MULTI_HOT):
            (old, _), (new, _) = _numpy(leaf.tensor, leaf.name), _numpy(new, leaf.name)
            if old.shape != new.shape:
                problems.append(f"{name} changed its shape from {old.shape} to {new.shape}.")
                continue
            pair = Pair(leaf.name, leaf.role, old, new, 2.0**-23, old.shape[1:])
            flat = pair._replace(before=old.reshape(size, -1), after=new.reshape(size, -1))
            bad = [i for i in range(size) if not _is_united(flat, i, found)]
            if bad:
                problems.append(
                    f"{name} is not the union of both examples' in {_rows(len(bad), size)} in which `{x.name}` is "
                    "mixed: a position counts if it does so in either example."
                )
    return problems


def _is_united(mask: Pair, i: int, found: Found) -> bool:
    """Whether a row of a padding mask is that of both examples of which the row has a share."""
    if found.kind[i] == UNEXPLAINED:
        return True
    own, other, new = (part.astype(bool) for part in (mask.before[i], mask.before[found.partner[i]], mask.after[i]))
    if found.kind[i] in (CUT, SOFT):
        return fills(mask, found.regions[i]) is None or cut_alike(mask, i, found)
    weight, slack = found.weight[i], max(found.slack[i], 1e-6)
    possible = [own | other]
    possible += [own] if weight > 1 - slack else []
    possible += [other] if weight < slack else []
    return any(np.array_equal(new, one) for one in possible)


def _judge_boxes(others: list[Other], x: Pair, found: Found, box_format: str | None) -> Findings:
    """Problems and notes on bounding boxes, and what belongs to them."""
    groups: dict[Path, list[tuple[Leaf, Array, Array]]] = {}
    for leaf, new in others:
        if leaf.role == BOXES:
            groups.setdefault(leaf.path[:-1], []).append(
                (leaf, _numpy(leaf.tensor, leaf.name)[0], _numpy(new, leaf.name)[0])
            )
    problems, notes, size = [], [], len(found.kind)
    for parts in groups.values():
        parts = [part for part in parts if part[0].key != "weights"]
        name = ", ".join(f"`{leaf.name}`" for leaf, _, _ in parts)
        coordinates = [k for k, (_, old, _) in enumerate(parts) if old.ndim == 3 and old.shape[-1] == 4]
        if len(coordinates) != 1 or any(len(new) != size for _, _, new in parts):
            notes.append(f"{name} hold no bounding boxes that could be read, and are not checked.")
            continue
        at = coordinates[0]
        before, after = (_boxes_of([part[when] for part in parts], at) for when in (1, 2))
        can_cut = box_format is not None and len(x.shape) >= 2
        wrong = [
            i
            for i in range(size)
            if not _has_its_boxes(i, before, after, at, found, box_format if can_cut else None, x)
        ]
        if wrong:
            problems.append(
                f"{name} do not hold the boxes of the images that the row shows in {_rows(len(wrong), size)}: its own, "
                "and its partner's where that has a share."
            )
        if (found.kind == CUT).any() and not can_cut:
            notes.append(f"{name} are not checked in rows that are cut: give `box_format=...`.")
    return problems, notes


def _boxes_of(parts: list[Any], at: int) -> Boxes:
    """For each row the boxes that are no padding, each as one tuple of all that belongs to it."""
    found = []
    for i in range(len(parts[at])):
        kept = [k for k in range(parts[at].shape[1]) if parts[at][i, k].any() and (parts[at][i, k] >= 0).any()]
        found.append([tuple(np.round(np.ravel(part[i, k]).astype(float), 3) for part in parts) for k in kept])
    return found


def _has_its_boxes(i: int, before: Boxes, after: Boxes, at: int, found: Found, box_format: str | None, x: Pair) -> bool:
    """Whether a row holds the boxes that it should, and none that it should not."""

    def keys(boxes: list[Path]) -> list[Path]:
        return sorted(tuple(np.concatenate(box)) for box in boxes)

    j = found.partner[i]
    if found.kind[i] == UNEXPLAINED:
        return True
    if found.kind[i] != CUT:
        weight, slack = found.weight[i], max(found.slack[i], 1e-6)
        own, both = keys(before[i]), keys(before[i] + before[j])
        possible = [own] if i == j or found.kind[i] == UNMIXED else [both]
        possible += [own] if weight > 1 - slack else []
        possible += [keys(before[j])] if weight < slack else []
        return keys(after[i]) in possible
    if box_format is None:
        return True
    region, new = found.regions[i], keys(after[i])
    for boxes, shown in ((before[i], 1), (before[j], 2)):
        for box in boxes:
            edges = to_edges(tables.of(box[at]), box[at], box_format, region.shape[:2])
            top, left, bottom, right = map(float, edges)
            inside = region[int(np.floor(top)) : int(np.ceil(bottom)), int(np.floor(left)) : int(np.ceil(right))]
            there = tuple(np.concatenate(box)) in new
            whole = inside.size and (inside == shown).all()
            hidden = inside.size and (inside == 3 - shown).all()
            if (whole and not there) or (hidden and there):
                return False
    return True


def _diagnose(leaf: Pair, x: Pair, found: Found, good: Any, bad: Any) -> str:
    """One sentence on the rows that do not follow the features: the first explanation that covers most of them."""
    thin = slice(None, None, max(1, leaf.before.shape[1] // 4096))
    leaf = leaf._replace(before=leaf.before[:, thin].astype("float64"), after=leaf.after[:, thin].astype("float64"))
    name, other, size = f"`{leaf.name}`", f"`{x.name}`", len(found.kind)
    count = _rows(len(bad), size)
    if (found.kind[bad] != UNMIXED).any():  # rows that look untouched have a partner, but nobody knows which
        bad = bad[found.kind[bad] != UNMIXED]
    allowed = tolerance(leaf, bad, bad, found.slack[bad])
    weight, partner = found.weight[bad], found.partner[bad]
    target, stray = weights_along(leaf, bad, partner)
    same_partner = (stray <= allowed) & (target >= -1e-3) & (target <= 1 + 1e-3)
    other_partner, other_pair = np.zeros(len(bad), bool), np.zeros(len(bad), bool)
    everyone = np.arange(size)
    for n, i in enumerate(bad):
        row = np.full(size, i)
        other_partner[n] = (distance(leaf, row, everyone, np.full(size, weight[n])) <= allowed[n]).any()
        along, off = weights_along(leaf, row, everyone)
        other_pair[n] = ((off <= allowed[n]) & (along >= -1e-3) & (along <= 1 + 1e-3)).any()

    gap = np.abs(target - weight)[same_partner]
    swapped = distance(leaf, bad, partner, 1 - weight) <= allowed
    informed = good[tolerance(leaf, good, found.partner[good], np.ones(len(good))) > 0.01]
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
            distance(leaf, bad, bad, weight) <= allowed,
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


def _most(values: Tensor) -> float:
    return np.max(values, initial=0.0)
