"""Folders of image files, as ImageNet and Tiny ImageNet are laid out.

    ImageNet         DIR/train/CLASS/*.JPEG          DIR/val/CLASS/*.JPEG
    Tiny ImageNet    DIR/train/CLASS/images/*.JPEG   DIR/val/images/*.JPEG, and their classes in val_annotations.txt

The classes are the folders of `train`, in the order of the alphabet. Files with another ending than those of `ENDINGS`,
and hidden ones, are passed over.

An image that cannot be decoded stops what reads it with an error that names it; or, if asked for, all images are
decoded once beforehand, and those that cannot be are named and left out.
"""

import functools
import os
import pathlib
import sys

import numpy as np

from keras_mixup.zoo.datasets.splits import Records, permutation
from keras_mixup.zoo.errors import UserError

ENDINGS = (".jpeg", ".jpg", ".png")
ANNOTATIONS = "val_annotations.txt"
TOLD_EVERY = 50_000  # images


def is_there(data_dir):
    """Whether the folder looks like one of those above."""
    root = pathlib.Path(data_dir).expanduser()
    return (root / "train").is_dir() and (root / "val").is_dir()


def classes(data_dir):
    """The names of the classes.

    Raises:
        UserError: If there are none.
    """
    train = pathlib.Path(data_dir).expanduser() / "train"
    names = tuple(sorted(entry.name for entry in os.scandir(train) if _is_class(entry)))
    if not names:
        raise UserError(
            f"`--data-dir` should hold a folder for each class in {train}. Received: --data-dir={data_dir}."
        )
    return names


def load(data_dir, train_size, seed, size, share, broken_images="refuse"):
    """Draw `train_size` of the images in `train`; those in `val` are used whole.

    Args:
        data_dir: DIR.
        train_size: How many; 0 is all, in the stored order.
        seed: It alone decides which.
        size: Height and width to decode them to.
        share: See `Records`.
        broken_images: `"refuse"`, or `"skip"` to leave out those that cannot be decoded before any are drawn.

    Returns:
        Two splits.

    Raises:
        UserError: If classes are empty, are missing in `train`, or if there are fewer images than asked for.
    """
    (paths, labels), test = (part(data_dir, broken_images) for part in (_training, _validation))
    if train_size > len(labels):
        raise UserError(
            f"`train_size` should be at most {len(labels)} for {data_dir}. Received: train_size={train_size}."
        )
    if train_size:
        chosen = np.random.default_rng(seed).permutation(len(labels))[:train_size]
        paths, labels = paths[chosen], labels[chosen]
    return split(paths, labels, size, share), split(*test, size, share)


def split(paths, labels, size, share):
    """A split of image files.

    Args:
        paths: An array of strings.
        labels: An array of integers.
        size: Height and width to decode them to.
        share: See `Records`.

    Returns:
        A split.
    """

    def read(seed):
        import tensorflow as tf

        with tf.init_scope(), tf.device("cpu:0"):  # outside of the graph, in which a large constant does not fit
            names, numbers = tf.constant(paths), tf.constant(labels, tf.int64)
        order = None if seed is None else permutation(seed, len(labels))

        def one(position):
            row = position if order is None else order[position]
            return names[row], tf.io.read_file(names[row]), numbers[row]

        return tf.data.Dataset.range(len(labels)).map(one, tf.data.AUTOTUNE, deterministic=True)

    return Records(len(labels), read, size, share, labels)


def by_class(root, names):
    """The images in the folders of `root` that are named after classes.

    Returns:
        An array of paths, class by class, and one of labels: the places of the classes in `names`.

    Raises:
        UserError: If a folder is not among the names, or holds no images.
    """
    root = pathlib.Path(root)
    found = sorted(entry.name for entry in os.scandir(root) if _is_class(entry))
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise UserError(
            f"`--data-dir` should have no classes but those of `train`. Received: {_few(unknown)}, in {root}."
        )
    images = {name: _images(root / name / "images" if _is_tiny(root / name) else root / name) for name in found}
    empty = [name for name, paths in images.items() if not paths]
    if empty or not images:
        raise UserError(
            f"`--data-dir` should hold images ({', '.join(ENDINGS)}) of each class. "
            f"Received: none of {_few(empty) if empty else 'any class'}, in {root}."
        )
    labels = {name: label for label, name in enumerate(names)}
    return (
        np.array([path for paths in images.values() for path in paths]),
        np.repeat([labels[name] for name in images], [len(paths) for paths in images.values()]),
    )


def without_broken(paths, labels):
    """Leave out the images that cannot be decoded, after reading all of them; their names are told on stderr.

    Returns:
        The paths and the labels of the others, in the same order.

    Raises:
        UserError: If there are no others.
    """
    good = _can_be_decoded(paths)
    for path in paths[~good]:
        print(f"left out, as it cannot be decoded: {path}", file=sys.stderr)
    if not good.any():
        raise UserError(f"`--data-dir` should hold images that can be decoded. Received: none of {len(paths)}.")
    print(f"{np.sum(~good):,} of {len(paths):,} images are left out.", file=sys.stderr, flush=True)
    return paths[good], labels[good]


def _can_be_decoded(paths):
    """Whether the whole of each file is an image to TensorFlow, as an array of truth values."""
    import tensorflow as tf

    def pixels(row, path):
        image = tf.io.decode_image(tf.io.read_file(path), 3, expand_animations=False)
        return row, tf.size(image)  # or it would not be decoded

    rows = tf.data.Dataset.from_tensor_slices((np.arange(len(paths)), paths))
    rows = rows.map(pixels, tf.data.AUTOTUNE, deterministic=False).ignore_errors()
    good = np.zeros(len(paths), bool)
    for done, (row, _) in enumerate(rows.as_numpy_iterator()):
        good[row] = True
        if done % TOLD_EVERY == 0:
            print(f"decoding images to find broken ones: {done:,} of {len(paths):,}", file=sys.stderr, flush=True)
    return good


@functools.lru_cache(maxsize=1)  # a million files take a while to list, and each seed asks for them
def _training(data_dir, broken_images):
    found = by_class(pathlib.Path(data_dir).expanduser() / "train", classes(data_dir))
    return found if broken_images == "refuse" else without_broken(*found)


@functools.lru_cache(maxsize=1)
def _validation(data_dir, broken_images):
    found = _stored_validation(data_dir)
    return found if broken_images == "refuse" else without_broken(*found)


def _stored_validation(data_dir):
    root, names = pathlib.Path(data_dir).expanduser() / "val", classes(data_dir)
    if not (root / ANNOTATIONS).exists():
        return by_class(root, names)
    labels = {name: label for label, name in enumerate(names)}
    lines = (line.split() for line in (root / ANNOTATIONS).read_text(encoding="utf-8").splitlines())
    pairs = [(os.fspath(root / "images" / line[0]), line[1]) for line in lines if line]
    unknown = sorted({name for _, name in pairs} - set(names))
    if unknown:
        raise UserError(
            f"`--data-dir` should have no classes but those of `train`. "
            f"Received: {_few(unknown)}, in {root / ANNOTATIONS}."
        )
    missing = [path for path, _ in pairs if not os.path.exists(path)]
    if missing or not pairs:
        raise UserError(
            f"`--data-dir` should hold the images that {root / ANNOTATIONS} names. "
            f"Received: {'no ' + _few(missing) if missing else 'no lines'}."
        )
    return np.array([path for path, _ in pairs]), np.array([labels[name] for _, name in pairs])


def _is_class(entry):
    return entry.is_dir() and not entry.name.startswith(".")


def _is_tiny(folder):
    return (folder / "images").is_dir()


def _images(folder):
    return sorted(
        entry.path
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(ENDINGS) and not entry.name.startswith(".")
    )


def _few(names):
    """The first of the names, and how many there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
