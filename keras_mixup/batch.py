"""Which tensors of a batch are mixed, in what form, and which are left alone: one answer for every door.

A batch is what `tf.data` or `fit` hands over: `x`, `(x,)`, `(x, y)`, `(x, y, sample_weight)`, or one dict such as
`{"image": ..., "label": ..., "id": ...}`. The position of a tensor or, where it is known, its key says what it is:

- Features (`image`, `audio`, `spectrogram`, `video`, `features`, `inputs`, `x`): floats are mixed in their own dtype;
  8 and 16 bit integers (pixels, audio samples) become floats.
- Targets (`label`, `target`, `y`): become float32; integer class ids become one-hot rows of `num_classes`.
- Masks (`segmentation_mask`): soft float masks are mixed; class ids can be cut (`CutMix` and its kin), but not
  averaged.
- Padding masks of sequences (`padding_mask`, `attention_mask`, `mask`, among the features): booleans and integers 0 and
  1 keep their dtype, and a position counts if it does so in either example (of weight > 0). Float masks are mixed as
  floats. The padding itself is mixed like everything else, so let it be zeros.
- Bounding boxes (`bounding_boxes`, a dict of tensors `(batch, boxes, ...)`): both images' boxes are kept, one after the
  other along the second axis; its entry `weights` says how much of each image there is.
- Sample weights (`sample_weight`): become float32 and are mixed.
- Any other key of a dict passes through as it is.

Among several inputs (`({"image": ..., "id": ...}, y)`) a tensor that cannot be mixed (strings, ragged tensors,
booleans, 32 and 64 bit integers) passes through too.
"""

from typing import Any, NamedTuple

import keras

from keras_mixup import ops as tables
from keras_mixup.mixing import blend, image_axes, unite

FEATURES, TARGETS, MASKS, SAMPLE_WEIGHT = "features", "targets", "masks", "sample_weight"
BOXES, PADDING, PAIRS = "boxes", "padding", "pairs"
INPUTS = "inputs"  # what the network takes as it is, because the mixing is done inside of it

# Batches are told apart as Keras does it: by position in a tuple, by key in a dict (singular or plural).
BY_POSITION = (FEATURES, TARGETS, SAMPLE_WEIGHT)
BY_KEY = {
    **dict.fromkeys(["image", "images", "audio", "spectrogram", "spectrograms", "video", "videos"], FEATURES),
    **dict.fromkeys(["feature", "features", "input", "inputs", "x"], FEATURES),
    **dict.fromkeys(["label", "labels", "target", "targets", "y"], TARGETS),
    **dict.fromkeys(["segmentation_mask", "segmentation_masks"], MASKS),
    **dict.fromkeys(["mask", "masks", "padding_mask", "padding_masks", "attention_mask", "attention_masks"], PADDING),
    **dict.fromkeys(["sample_weight", "sample_weights"], SAMPLE_WEIGHT),
    **dict.fromkeys(["bounding_box", "bounding_boxes"], BOXES),
}

SMALL_INTEGERS = ("uint8", "int8", "uint16", "int16")
LARGE_INTEGERS = ("uint32", "int32", "uint64", "int64")

AT_A_LAYER = "`MixupModel(network, at='embedding')` mixes what the layer of that name returns."


class Part(NamedTuple):
    """A tensor that takes part in the mix, in the form it is mixed in, and the dtype it leaves in."""

    name: str
    role: str
    tensor: Any
    dtype: str


def mix_batch(batch, method, seed, *, num_classes=None, pairs=False, dtype="float32", training=True, inputs=True):
    """Mix a batch by one draw of a method and return it in the same structure.

    Args:
        batch: `x`, a tuple `(x,)`, `(x, y)` or `(x, y, sample_weight)`, or a dict; see the top of this file.
        method: An object with `mixes`, `cuts` and `draw(size, seed, targets, image_size)`, like `keras_mixup.Mixup`.
        seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`.
        num_classes: Number of classes of integer targets, which become one-hot rows; None if targets are floats.
        pairs: If True, integer targets become float32 rows (id of the original, id of the partner, weight of the
            original) instead of one-hot rows; for many classes, with `PairLoss`.
        dtype: What integer features become.
        training: If False, nothing is mixed; every tensor still gets the form (dtype, one-hot rows) it has in training.
        inputs: If False, `x` passes through as it is, whatever it holds, and the rest is mixed: for mixing inside the
            network.

    Returns:
        The same structure, shapes unchanged but for one-hot rows. The input is not modified.

    Raises:
        ValueError: If a tensor cannot be mixed, saying which and what to do.

    Example:

    >>> import numpy as np
    >>> from keras_mixup import Mixup
    >>> images, labels = np.zeros((4, 8, 8, 3), "uint8"), np.array([0, 1, 2, 1])
    >>> images, labels = mix_batch((images, labels), Mixup(0.2), seed=1, num_classes=3)
    >>> tuple(images.shape), tuple(labels.shape)
    ((4, 8, 8, 3), (4, 3))
    """
    leaves = keras.tree.flatten_with_path(batch)
    found = roles(batch, inputs)
    parts = [
        None if role in (None, INPUTS) else _part(leaf, role, _name(path), num_classes, pairs, dtype, method)
        for (path, leaf), role in zip(leaves, found, strict=True)
    ]
    draw = draw_for(parts, method, seed) if training and method.mixes else None
    if draw is not None and draw.original is not None:
        _check_rows(leaves, found, draw)
    mixed = [leaf if part is None else _mix_part(part, draw) for (_, leaf), part in zip(leaves, parts, strict=True)]
    return keras.tree.pack_sequence_as(batch, mixed)


def draw_for(parts, method, seed):
    """One draw of a method for the parts of a batch."""
    parts = [part for part in parts if part is not None]
    targets = [part.tensor for part in parts if part.role in (TARGETS, PAIRS)]
    return method.draw(_batch_size(parts), seed, targets[0] if len(targets) == 1 else None, _image_size(parts))


def _mix_part(part, draw):
    """Apply a draw to one part, each role in its way; without a draw only the form changes."""
    ops = tables.of(part.tensor)
    if part.role == PAIRS:
        return _pair_rows(part.tensor, draw)
    if draw is None:
        return ops.cast(part.tensor, part.dtype)
    if part.role == MASKS:
        _check_mask(part, draw)
    if part.role == PADDING:
        _check_padding(part, draw)
        return unite(part.tensor, draw)
    if part.role in (FEATURES, MASKS):
        return blend(part.tensor, draw, part.dtype)
    if part.role == BOXES:
        return _both_images(part, draw)
    mixed = blend(part.tensor, draw.for_targets, part.dtype)
    if part.role == SAMPLE_WEIGHT and draw.importance is not None:
        mixed = mixed * ops.reshape(draw.importance, (-1,) + (1,) * (len(part.tensor.shape) - 1))
    return mixed


def _pair_rows(classes, draw):
    """Targets as (id of the original, id of the partner, weight of the original)."""
    ops = tables.of(classes)
    classes = ops.cast(ops.reshape(classes, (-1,)), "float32")
    if draw is None:
        return ops.stack([classes, classes, 0.0 * classes + 1.0], axis=1)
    weight, partner, *_ = draw.for_targets
    if len(partner.shape) == 2:
        raise ValueError("Pairs name one partner: `DMixup` has several. Leave `pairs` out and give `num_classes=...`.")
    own = classes if draw.original is None else ops.take(classes, draw.original)
    return ops.stack([own, ops.take(classes, partner), weight], axis=1)


def _both_images(part, draw):
    """The boxes of both images side by side, weighted by their image's share."""
    ops = tables.of(part.tensor)
    if draw.region is not None or len(draw.partner.shape) == 2:
        raise ValueError("Bounding boxes can be mixed by `Mixup` alone: other methods would cut them.")
    own = part.tensor if draw.original is None else ops.take(part.tensor, draw.original)
    other = ops.take(part.tensor, draw.partner)
    if part.name.endswith("['weights']"):
        share = ops.cast(ops.reshape(draw.weight, (-1, 1)), part.dtype)
        own, other = share * own, (1.0 - share) * other
    return ops.concat([own, other], axis=1)


def _check_mask(part, draw):
    """What cuts the images can cut masks of their size alone."""
    if draw.region is None:
        return
    shape = tuple(part.tensor.shape)
    size = tuple(shape[axis] for axis in image_axes(part.tensor)) if len(shape) > 2 else ()
    image_size = tuple(draw.region.shape[1:])
    if len(size) != 2 or any(None not in pair and pair[0] != pair[1] for pair in zip(size, image_size, strict=True)):
        raise ValueError(
            f"Masks should be as high and wide as the images to be cut with them, here {image_size}. "
            f"Received: `{part.name}` of shape {shape}."
        )


def _check_padding(part, draw):
    """Padding masks belong to sequences, which are not cut."""
    if draw.region is not None:
        raise ValueError(
            f"What cuts images cannot cut padding masks. Received: `{part.name}` of {_words(part.tensor)}. Use a "
            "method like `Mixup`; or, if it is a map of classes, name it `segmentation_mask`."
        )


def _check_rows(leaves, found, draw):
    """A method that changes the number of rows needs every leaf, and sample weights if it sets them."""
    passing = [
        _name(path) for (path, leaf), role in zip(leaves, found, strict=True) if role is None and leaf is not None
    ]
    if passing:
        raise ValueError(
            "`RegMixup` doubles the batch, so nothing can pass through it unmixed. Received also: "
            f"{', '.join(passing)}. Remove it before mixing."
        )
    if draw.importance is not None and SAMPLE_WEIGHT not in found:
        raise ValueError(
            "`RegMixup` with `eta` other than 1 weights its examples, so it needs sample weights to write to. Give "
            "batches `(x, y, sample_weight)`, with ones if you have none."
        )


def roles(batch, inputs=True):
    """Say of every leaf of a batch, in the order of `keras.tree.flatten`, what it is; None if it passes through.

    Raises:
        ValueError: If there are no features among them or, without `inputs`, no targets.
    """
    leaves = keras.tree.flatten_with_path(batch)
    if not inputs:
        whole = not isinstance(batch, tuple)
        found = [INPUTS if whole or path[0] == 0 else _role(batch, path, leaf) for path, leaf in leaves]
        if TARGETS not in found:
            raise ValueError(
                "Nothing to mix: what a layer returns is mixed together with the targets, so give batches `(x, y)` or "
                "`(x, y, sample_weight)`. Received: no targets."
            )
        return found
    found = [_role(batch, path, leaf) for path, leaf in leaves]
    if FEATURES not in found:
        keys = sorted(key for key, role in BY_KEY.items() if role == FEATURES)
        passing = [leaf for (_, leaf), role in zip(leaves, found, strict=True) if role is None and leaf is not None]
        received = ", ".join(f"`{_name(path)}` of {_words(leaf)}" for path, leaf in leaves) or "nothing"
        raise ValueError(
            "Nothing to mix: there should be features, given as `x`, `(x, y)`, `(x, y, sample_weight)` or under one of "
            f"the keys {keys}. Received: {received}."
            + (f" {AT_A_LAYER}" if any(_is_dense(x) and _dtype(x) in LARGE_INTEGERS for x in passing) else "")
        )
    return found


def targets_as_rows(y, num_classes):
    """Bring targets into the form they are mixed in, float32 with class ids as one-hot rows, without mixing them."""

    def as_rows(leaf):
        part = _target(leaf, "y", num_classes)
        return tables.of(part.tensor).cast(part.tensor, part.dtype)

    return keras.tree.map_structure(as_rows, y)


def check_num_classes(num_classes):
    """Raise a `ValueError` unless `num_classes` is None or a positive integer."""
    integer = isinstance(num_classes, int) and not isinstance(num_classes, bool)
    if num_classes is not None and not (integer and num_classes > 0):
        raise ValueError(f"`num_classes` should be a positive integer or None. Received: num_classes={num_classes!r}.")


def _role(batch, path, leaf):
    if leaf is None:
        return None
    known = [BY_KEY[key] for key in path if key in BY_KEY]
    if not _is_dense(leaf) or (isinstance(batch, tuple) and path[0] != 0):
        known = [role for role in known if role != PADDING]  # a `mask` among the targets is a target
    if known:
        return BOXES if BOXES in known else known[-1]  # the labels among the boxes are theirs
    if isinstance(batch, dict):
        return None
    if isinstance(batch, tuple) and len(batch) > len(BY_POSITION):
        raise ValueError(
            "A batch should be `x`, `(x, y)`, `(x, y, sample_weight)` or a dict. "
            f"Received: a tuple of {len(batch)} elements."
        )
    role = BY_POSITION[path[0]] if isinstance(batch, tuple) else FEATURES
    among_others = len(path) > 1
    return None if role == FEATURES and among_others and not _is_quantity(leaf) else role


def _part(leaf, role, name, num_classes, pairs, dtype, method):
    if role == FEATURES:
        return _feature(leaf, name, dtype)
    if role == TARGETS and pairs:
        return _class_ids(leaf, name)
    if role == TARGETS:
        return _target(leaf, name, num_classes)
    if role == SAMPLE_WEIGHT:
        return _sample_weight(leaf, name)
    if role == PADDING:
        return _padding(leaf, name)
    if role == MASKS and (_is_float(leaf) or method.cuts):
        return Part(name, role, _batched(leaf, name), _dtype(leaf))
    if role == MASKS:
        raise ValueError(
            f"Class ids cannot be averaged. Received: `{name}` of {_words(leaf)}. One-hot it first: "
            "`keras.ops.one_hot(mask, number_of_mask_classes)`; or use a method that cuts, like `CutMix`."
        )
    return Part(name, role, _batched(leaf, name), _dtype(leaf))


def _padding(leaf, name):
    if not (_is_float(leaf) or _dtype(leaf) == "bool" or "padding" in name or "attention" in name):
        raise ValueError(
            f"This mask may be of two kinds. Received: `{name}` of {_words(leaf)}. If it says which positions count, "
            "cast it to bool or name it `padding_mask`; if it holds class ids, name it `segmentation_mask`."
        )
    return Part(name, MASKS if _is_float(leaf) else PADDING, _batched(leaf, name), _dtype(leaf))


def _feature(leaf, name, dtype):
    if _is_quantity(leaf):
        if _dtype(leaf) == "uint16" and dtype == "float16":
            dtype = "float32"  # the largest numbers of uint16 are infinite in float16
        return Part(name, FEATURES, _batched(leaf, name), _dtype(leaf) if _is_float(leaf) else dtype)
    advice = "Make them dense numeric tensors first."
    if _is_dense(leaf) and _dtype(leaf) in (*LARGE_INTEGERS, "bool"):
        advice = (
            "If they are quantities, cast them: `keras.ops.cast(x, 'float32')`. If they are ids (words, tokens, "
            f"categories), their average means nothing: mix their embeddings instead. {AT_A_LAYER}"
        )
    raise ValueError(f"These features cannot be mixed. Received: `{name}` of {_words(leaf)}. {advice}")


def _sample_weight(leaf, name):
    if not _is_numeric(leaf):
        raise ValueError(
            f"Sample weights should be dense numeric tensors. Received: `{name}` of {_words(leaf)}. Convert them first."
        )
    return Part(name, SAMPLE_WEIGHT, _batched(leaf, name), "float32")


def _target(leaf, name, num_classes):
    integer = _dtype(leaf) in SMALL_INTEGERS + LARGE_INTEGERS
    if not _is_numeric(leaf):
        raise ValueError(
            f"These targets cannot be mixed. Received: `{name}` of {_words(leaf)}. Make them dense numeric tensors "
            "first."
        )
    tensor = _batched(leaf, name)
    shape = tuple(tensor.shape)
    if integer and num_classes is None:
        raise ValueError(
            f"Class ids cannot be averaged. Received: `{name}` of {_words(leaf)}. Give `num_classes=...` to mix them "
            "as one-hot rows; or, if they are quantities or one-hot rows already, cast them to float32."
        )
    if _is_float(leaf) and num_classes is not None and len(shape) == 1:
        raise ValueError(
            f"`num_classes` is for integer class ids. Received: `{name}` of {_words(leaf)}. Cast class ids to int32, "
            "or leave `num_classes` out for regression."
        )
    rows = len(shape) == 2 and shape[1] == num_classes
    if integer and not rows:
        if len(shape) == 2 and shape[1] != 1:
            raise ValueError(
                "Integer targets should have shape `(batch,)`, `(batch, 1)` or `(batch, num_classes)`, here "
                f"(batch, {num_classes}). Received: `{name}` of {_words(leaf)}."
            )
        ops = tables.of(tensor)
        tensor = ops.one_hot(ops.reshape(tensor, (-1,)) if len(shape) == 2 else tensor, num_classes)
    return Part(name, TARGETS, tensor, "float32")


def _class_ids(leaf, name):
    """Integer targets for the pair form."""
    shape = tuple(leaf.shape) if _is_dense(leaf) else None
    if _dtype(leaf) not in SMALL_INTEGERS + LARGE_INTEGERS or not (len(shape) == 1 or shape[1:] == (1,)):
        raise ValueError(
            f"`pairs=True` needs integer targets of shape `(batch,)`. Received: `{name}` of {_words(leaf)}."
        )
    return Part(name, PAIRS, _batched(leaf, name), "float32")


def _batched(leaf, name):
    """The leaf as a tensor, once it is sure that it has a batch axis."""
    tensor = tables.of(leaf).convert(leaf)
    try:
        rank = len(tensor.shape)
    except ValueError:
        raise ValueError(f"The rank of `{name}` should be known. Set its shape: `{name}.set_shape(...)`.") from None
    if rank == 0:
        raise ValueError(
            f"Mixing needs batches. Received: `{name}`, a scalar. Batch the dataset first: `dataset.batch(128)`."
        )
    return tensor


def _batch_size(parts):
    """The number of examples: a Python int where any part knows it, else read off the features."""
    sizes = {part.name: part.tensor.shape[0] for part in parts if part.tensor.shape[0] is not None}
    if len(set(sizes.values())) > 1:
        raise ValueError(
            f"All tensors of a batch should have the same number of rows. Received: {sizes}. If the dataset is not "
            "batched yet, batch it first: `dataset.batch(128)`."
        )
    return next(iter(sizes.values()), None) or tables.size(parts[0].tensor)


def _image_size(parts):
    """Height and width of the images, if all features are images of one size; else None."""
    features = [part.tensor for part in parts if part.role == FEATURES]
    if not features or any(len(x.shape) < 3 for x in features):
        return None
    sizes = [tuple(tables.of(x).shape(x)[axis] for axis in image_axes(x)) for x in features]
    return sizes[0] if all(size is sizes[0] or size == sizes[0] for size in sizes) else None


def _is_quantity(leaf):
    return _is_dense(leaf) and (_is_float(leaf) or _dtype(leaf) in SMALL_INTEGERS)


def _is_numeric(leaf):
    return _is_dense(leaf) and (_is_float(leaf) or _dtype(leaf) in (*SMALL_INTEGERS, *LARGE_INTEGERS, "bool"))


def _is_dense(leaf):
    return hasattr(leaf, "shape") and not any(word in type(leaf).__name__ for word in ("Ragged", "Sparse"))


def _is_float(leaf):
    return _dtype(leaf).startswith(("float", "bfloat"))


def _dtype(leaf):
    dtype = getattr(leaf, "dtype", type(leaf))
    return str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)).removeprefix("torch.")


def _words(leaf):
    """A leaf in an error message."""
    shape = f" and shape {tuple(leaf.shape)}" if _is_dense(leaf) else ""
    return f"dtype {_dtype(leaf)}{shape}"


def _name(path):
    """The path of a leaf as a person would write it: `x`, `y['class']`, `label`."""
    first, *rest = path or (0,)
    first = {0: "x", 1: "y", 2: "sample_weight"}.get(first, first)
    return f"{first}" + "".join(f"[{key!r}]" for key in rest)
