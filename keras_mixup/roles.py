"""What every tensor of a batch is: decided once, before anything is drawn; nothing after this looks at a name.

A batch is what `tf.data` or `fit` hands over: `x`, `(x,)`, `(x, y)`, `(x, y, sample_weight)`, or one dict such as
`{"image": ..., "label": ..., "id": ...}`. A list is a tuple. Each tensor gets one role, by the first of these that
speaks:

1. `roles={...}` of the user: by key, by path (a tuple of keys and positions), or by position in the tuple.
2. Bounding boxes: a dict with an entry `boxes` or `bbox` of shape `(batch, boxes, 4)`, and whatever lies beside it; or
   anything under the key `bounding_boxes`.
3. The last key on its path that is known: `KEYS`, in upper or lower case.
4. Its position: features, targets, sample weights.

Any other key of a dict passes through as it is, unless it could be taken for what should be mixed: then it is refused.
Among several inputs (`({"image": ..., "id": ...}, y)`) a tensor under a key that cannot be mixed (strings, ragged
tensors, booleans, 32 and 64 bit integers) passes through, too.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import keras

from keras_mixup.types import Path, Roles, Tensor, Tree

FEATURES, TARGETS, MASKS, SAMPLE_WEIGHT = "features", "targets", "masks", "sample_weight"
MULTI_HOT = "multi_hot"  # rows with a one for every label that is there: united, not averaged
BOXES, PADDING, PASS = "boxes", "padding", "pass"
UNSURE = "unsure"  # by its key it may have to be mixed, or left alone
MASK = "mask"  # of positions that count, or a map: its key does not say which, its dtype and shape may
INPUTS = "inputs"  # what the network takes as it is, because the mixing is done inside of it
ROLES = (FEATURES, TARGETS, MULTI_HOT, MASKS, SAMPLE_WEIGHT, BOXES, PADDING, PASS)

BY_POSITION = (FEATURES, TARGETS, SAMPLE_WEIGHT)
IMAGES = frozenset(["image", "images", "spectrogram", "spectrograms", "video", "videos"])
SERIES = frozenset(["audio", "sound", "sounds", "waveform", "waveforms", "series", "signal", "signals"])
KEYS = {
    **dict.fromkeys([*IMAGES, *SERIES, "feature", "features", "input", "inputs", "x"], FEATURES),
    **dict.fromkeys(["label", "labels", "target", "targets", "y"], TARGETS),
    **dict.fromkeys(["segmentation_mask", "segmentation_masks"], MASKS),
    **dict.fromkeys(["padding_mask", "padding_masks", "attention_mask", "attention_masks"], PADDING),
    **dict.fromkeys(["mask", "masks"], MASK),
    **dict.fromkeys(["sample_weight", "sample_weights"], SAMPLE_WEIGHT),
    **dict.fromkeys(["bounding_box", "bounding_boxes"], BOXES),
}
BOX_KEYS = frozenset(["boxes", "bbox", "bboxes"])

# Words in a key that is not known which say that it may hold what should be mixed, too.
TARGET_WORDS = frozenset(
    "label labels class classes category categories target targets truth gt annotation annotations mask masks "
    "segmentation seg depth box boxes bbox bboxes objects attributes keypoints landmarks pose sentiment answer".split()
)
FEATURE_WORDS = frozenset("image images img imgs photo photos picture pixels audio video frames spectrogram".split())

SMALL_INTEGERS = ("uint8", "int8", "uint16", "int16")
LARGE_INTEGERS = ("uint32", "int32", "uint64", "int64")

AT_A_LAYER = "`MixupModel(network, at='embedding')` mixes what the layer of that name returns."


class Leaf(NamedTuple):
    """A tensor of a batch and what it is."""

    path: Path
    name: str
    role: str
    tensor: Any
    told: bool = False  # whether the user said so

    @property
    def key(self) -> str:
        """The last key of its path in lower case; empty where it has none."""
        return next((key.lower() for key in self.path[::-1] if isinstance(key, str)), "")


def decide(batch: Tree, roles: Roles | None = None, inputs: bool = True, unsure: bool = False) -> list[Leaf]:
    """Say of every leaf of a batch, in the order of `keras.tree.flatten`, what it is.

    Args:
        batch: As at the top of this file.
        roles: None, or a dict from keys, paths and positions to roles.
        inputs: If False, `x` is what the network takes as it is, but for padding masks.
        unsure: If True, what may have to be mixed by its key gets the role `UNSURE`, and is not refused.

    Returns:
        A list of `Leaf`.

    Raises:
        ValueError: If it is not sure what a leaf is, if there are no features or, without `inputs`, no targets.
    """
    leaves = keras.tree.flatten_with_path(batch)
    by_position = isinstance(batch, tuple | list)
    containers = {path[:-1] for path, leaf in leaves if _is_boxes(path, leaf, by_position)}
    spoken, found = set(), []
    for path, tensor in leaves:
        name = name_of(path)
        key = matching(path, roles, by_position)
        inside = not by_position or path[0] == 0
        if roles is not None and key is not None:
            spoken.add(key)
            role = roles[key] if inputs or not inside or roles[key] in (PADDING, PASS) else INPUTS
        elif inside and not inputs:
            role = PADDING if _counts_positions(path, tensor) else INPUTS
        else:
            role = _role(path, name, tensor, containers, by_position, len(batch) if by_position else 1, unsure)
        found.append(Leaf(path, name, role, tensor, told=key is not None))
    unused = [key for key in roles or () if key not in spoken]
    if unused:
        raise ValueError(
            "`roles` should name tensors of the batch by key, by path or by position. "
            f"Received: {unused[0]!r}, which fits none of {names(found)}."
        )
    if inputs:
        _check_features(found, batch, roles)
        return found
    if not {TARGETS, MULTI_HOT} & {leaf.role for leaf in found}:
        raise ValueError(
            "Nothing to mix: what a layer returns is mixed together with the targets, so give batches `(x, y)` or "
            "`(x, y, sample_weight)`. Received: no targets."
        )
    return found


def matching(path: Path, table: dict[Any, Any] | None, by_position: bool) -> Any:
    """The key of a table of the user's (`roles`, `num_classes`) that names a path, the closest one; None if none does.

    A path is named by itself or its beginning, by a key on it, or by its position in the tuple.
    """
    if not table:
        return None
    for end in range(len(path), 0, -1):
        if path[:end] in table:
            return path[:end]
    for key in path[::-1]:
        if isinstance(key, str) and key in table:
            return key
    position = path[0] if by_position else 0
    return position if isinstance(position, int) and position in table else None


def check_roles(roles: Any) -> None:
    """Raise a `ValueError` unless these are roles by key, path or position."""
    named = isinstance(roles, dict) and all(isinstance(key, str | int | tuple) for key in roles)
    if roles is not None and not (named and all(role in ROLES for role in roles.values())):
        raise ValueError(
            "`roles` should be a dict from keys, paths (tuples) or positions of tensors to one of "
            f"{', '.join(map(repr, ROLES))}. Received: roles={roles!r}."
        )


def _role(
    path: Path, name: str, tensor: Tensor, containers: set[Path], by_position: bool, elements: int, unsure: bool
) -> str:
    if tensor is None:
        return PASS
    if any(path[:end] in containers for end in range(len(path))):
        return BOXES
    keys = [key.lower() for key in path if isinstance(key, str)]
    known = [KEYS[key] for key in keys if key in KEYS]
    inside = not by_position or path[0] == 0
    if not inside or not is_dense(tensor):
        known = [role for role in known if role not in (PADDING, MASK)]  # a `mask` among the targets is a target
    if by_position and path[0] == 1:
        known = [role for role in known if role != FEATURES]  # an `image` among the targets is a target
    if known:
        return BOXES if BOXES in known else known[-1]
    if not by_position and path:
        return _passes(name, path, tensor, unsure)
    position = path[0] if by_position else 0
    if position >= len(BY_POSITION):
        raise ValueError(
            "A batch should be `x`, `(x, y)`, `(x, y, sample_weight)` or a dict. "
            f"Received: a tuple of {elements} elements. Say what the others are, as in `roles={{{position}: 'pass'}}`."
        )
    role = BY_POSITION[position]
    if role == SAMPLE_WEIGHT and dtype_of(tensor) in SMALL_INTEGERS + LARGE_INTEGERS:
        raise ValueError(
            "The third element of a batch should be sample weights, floats. "
            f"Received: {words(tensor)}. Cast them: `keras.ops.cast(sample_weight, 'float32')`; or, if they are ids, "
            "write `roles={2: 'pass'}`."
        )
    if role == TARGETS and keys and keys[-1] in BOX_KEYS and is_dense(tensor):
        raise ValueError(
            "Bounding boxes should have shape `(batch, boxes, 4)`. "
            f"Received: `{name}` of {words(tensor)}. If the average of two boxes is what you want, write "
            f"`roles={{{_shortest(path)!r}: 'targets'}}`."
        )
    if role != FEATURES or len(path) <= int(by_position) or is_quantity(tensor):
        return role
    if not keys:
        raise ValueError(
            "Features should be floats or 8 and 16 bit integers. "
            f"Received: `{name}` of {words(tensor)} among others. If it is to reach the network unmixed, write "
            f"`roles={{{path!r}: 'pass'}}`; if this is a label, batches should be `(x, y)`, not tuples of them."
        )
    return _passes(name, path, tensor, unsure)


def _counts_positions(path: Path, tensor: Tensor) -> bool:
    """Whether an input says by its key which positions of a sequence count."""
    key = next((key.lower() for key in path[::-1] if isinstance(key, str)), "")
    sure = KEYS.get(key) == PADDING or (KEYS.get(key) == MASK and tensor is not None and dtype_of(tensor) == "bool")
    return sure and is_dense(tensor) and not is_float(tensor)


def _passes(name: str, path: Path, tensor: Tensor, unsure: bool) -> str:
    """The role of what passes through unmixed, once it is sure that nobody could take its key for something to mix."""
    if not is_numeric(tensor) and (is_dense(tensor) or not _is_ragged_numeric(tensor)):
        return PASS
    told = {word for key in path if isinstance(key, str) for word in _words_in(key)}
    rank = len(tensor.shape) if is_dense(tensor) and getattr(tensor.shape, "rank", 0) is not None else 0
    target, feature = told & TARGET_WORDS, told & FEATURE_WORDS and rank > 2
    if unsure and (target or feature):
        return UNSURE
    if target or feature:
        role, others = (TARGETS, "'masks', 'boxes'") if target else (FEATURES, "'masks'")
        raise ValueError(
            f"By its key `{name}` may have to be mixed, or left alone. Received: {words(tensor)}. Say which: "
            f"`roles={{{_shortest(path)!r}: '{role}'}}` (or {others}), or 'pass'."
        )
    return PASS


def _words_in(key: str) -> list[str]:
    """The words of a key, lower case: of `coarse_label`, `coarseLabel` and `Label2`."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", key)]


def _is_boxes(path: Path, leaf: Tensor, by_position: bool) -> bool:
    """Whether a leaf is the coordinates of boxes, in a dict that holds them and what belongs to them."""
    inner = len(path) > 1 and isinstance(path[-1], str) and path[-1].lower() in BOX_KEYS
    if not inner:
        return False
    shape = getattr(leaf, "shape", None)
    known = shape is not None and getattr(shape, "rank", 0) is not None
    return not known or len(leaf.shape) == 3


def _check_features(found: list[Leaf], batch: Tree, roles: Roles | None) -> None:
    """There are features, and they are not a batch of another data set."""
    if FEATURES not in [leaf.role for leaf in found]:
        keys = sorted(key for key, role in KEYS.items() if role == FEATURES)
        received = ", ".join(f"`{leaf.name}` of {words(leaf.tensor)}" for leaf in found) or "nothing"
        ids = any(
            leaf.role == PASS and is_dense(leaf.tensor) and dtype_of(leaf.tensor) in LARGE_INTEGERS for leaf in found
        )
        raise ValueError(
            "Nothing to mix: there should be features, given as `x`, `(x, y)`, `(x, y, sample_weight)` or under one of "
            f"the keys {keys}. Received: {received}. Or say which they are, as in `roles={{'scan': 'features'}}`."
            + (f" {AT_A_LAYER}" if ids else "")
        )
    if not roles and isinstance(batch, tuple | list) and len(batch) == 2 and _same_specs(*batch):
        raise ValueError(
            "A batch should be `(x, y)`. Received: two elements of one structure, "
            f"{names(found)}, as a zip of two data sets gives them. Each is mixed within itself: take one of them; or, "
            "if they are features and targets, write `roles={0: 'features', 1: 'targets'}`."
        )


def _same_specs(one: Tree, other: Tree) -> bool:
    """Whether two nests are tuples of several tensors, alike in structure, shapes and dtypes."""
    if not (isinstance(one, tuple | list) and isinstance(other, tuple | list) and len(one) == len(other) > 1):
        return False
    pair = [keras.tree.flatten_with_path(nest) for nest in (one, other)]
    specs = [
        [(path, dtype_of(leaf), tuple(leaf.shape) if is_dense(leaf) else None) for path, leaf in nest] for nest in pair
    ]
    return specs[0] == specs[1]


def name_of(path: Path) -> str:
    """The path of a leaf as a person would write it: `x`, `y['class']`, `label`."""
    first, *rest = path or (0,)
    first = {0: "x", 1: "y", 2: "sample_weight"}.get(first, first)
    return f"{first}" + "".join(f"[{key!r}]" for key in rest)


def names(leaves: list[Leaf]) -> str:
    """The names of leaves in a sentence."""
    return ", ".join(f"`{leaf.name}`" for leaf in leaves) or "nothing"


def role_for(leaf: Any) -> str:
    """How the user writes the key of a leaf in `roles` and `num_classes`."""
    return repr(_shortest(leaf.path))


def _shortest(path: Path) -> Any:
    """The shortest way to name a leaf in `roles`: its last key, its position, or its path."""
    if path and isinstance(path[-1], str):
        return path[-1]
    return path if len(path) > 1 else path[0] if path else 0


# --- What can be read off a tensor of any library ---


def is_quantity(leaf: Tensor) -> bool:
    """Whether a leaf is dense and of floats or of 8 and 16 bit integers."""
    return is_dense(leaf) and (is_float(leaf) or dtype_of(leaf) in SMALL_INTEGERS)


def is_numeric(leaf: Tensor) -> bool:
    """Whether a leaf is dense and of floats, integers or booleans."""
    return is_dense(leaf) and (is_float(leaf) or dtype_of(leaf) in (*SMALL_INTEGERS, *LARGE_INTEGERS, "bool"))


def is_dense(leaf: Tensor) -> bool:
    """Whether a leaf is an array with a shape, neither ragged nor sparse."""
    return hasattr(leaf, "shape") and not any(word in type(leaf).__name__ for word in ("Ragged", "Sparse"))


def _is_ragged_numeric(leaf: Tensor) -> bool:
    dtype = dtype_of(leaf)
    return not is_dense(leaf) and dtype.startswith(("float", "bfloat", "int", "uint", "bool"))


def is_float(leaf: Tensor) -> bool:
    """Whether a leaf is of floats."""
    return dtype_of(leaf).startswith(("float", "bfloat"))


def dtype_of(leaf: Tensor) -> str:
    """The name of a leaf's dtype."""
    dtype = getattr(leaf, "dtype", type(leaf))
    return str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)).removeprefix("torch.")


def words(leaf: Tensor) -> str:
    """A leaf in an error message."""
    try:
        shape = f" and shape {tuple(leaf.shape)}" if is_dense(leaf) else ""
    except ValueError:  # TensorFlow's shape of unknown rank
        shape = " and unknown shape"
    return f"dtype {dtype_of(leaf)}{shape}"
