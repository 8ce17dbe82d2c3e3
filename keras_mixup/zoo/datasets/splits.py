"""A split: the training or the test examples of a data set, and how they become batches.

Every split has a length, its `labels` as an array, and `batches(batch_size, seed, augment)`, a `tf.data.Dataset` of
pairs `(features, labels)` as they are stored; images stay uint8.

Without a seed the batches are the stored examples in the stored order, each once, as they are tested. With a seed, an
int or a scalar int64 tensor, order and augmentation are functions of that seed alone: neither the number of threads nor
an earlier epoch changes them. As the seed may be a tensor, one data set can hold all epochs:

    tf.data.Dataset.range(first, last).flat_map(lambda epoch: split.batches(128, seed=epoch, augment="pad_crop_flip"))
"""

import contextlib
import functools
import re

from keras_mixup.zoo import augmentation
from keras_mixup.zoo.datasets import decoding
from keras_mixup.zoo.errors import UserError

UNDECODABLE = "An image cannot be decoded; replace or remove it: "


class Arrays:
    """Examples in memory.

    Args:
        features: An array, or a dict of arrays, with one example per row.
        labels: An array with one label per row.

    Raises:
        ValueError: If not all have the same number of rows.
    """

    def __init__(self, features, labels):
        arrays = (
            {**features, "labels": labels} if isinstance(features, dict) else {"features": features, "labels": labels}
        )
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"`features` and `labels` should have the same number of rows. Received: {lengths}.")
        self.features = features
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def part(self, rows):
        """The split of those rows, in that order."""
        if isinstance(self.features, dict):
            return Arrays({name: array[rows] for name, array in self.features.items()}, self.labels[rows])
        return Arrays(self.features[rows], self.labels[rows])

    @functools.cached_property
    def _tensors(self):
        import tensorflow as tf

        # Tensors outside of any graph: constants in one may not exceed 2 GiB. On the CPU, where `tf.data` works.
        with tf.init_scope(), tf.device("cpu:0"):
            return tf.nest.map_structure(tf.constant, (self.features, self.labels))

    def batches(self, batch_size, seed=None, augment="none", partner=None):
        """The batches, as the top of this file says; the last one may be smaller.

        Args:
            batch_size: Examples per batch, >= 1.
            seed: `None`, an int >= 0, or a scalar int64 tensor.
            augment: A name in `keras_mixup.zoo.augmentation`, for images; without a seed only `"none"` has a meaning.
            partner: With a seed: a function of a batch's rows and a seed that chooses as many others, to follow them in
                the batch.

        Returns:
            A `tf.data.Dataset`.
        """
        import tensorflow as tf

        tensors, size = self._tensors, len(self)
        if seed is not None:
            order = permutation(seed, size)

        def batch(step):
            start = step * batch_size
            if seed is None:
                return tf.nest.map_structure(lambda tensor: tensor[start : start + batch_size], tensors)
            rows = order[start : start + batch_size]
            if partner is not None:
                rows = tf.concat([rows, partner(rows, _pair(seed, -step - 1))], axis=0)
            features, labels = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), tensors)
            return augmentation.augment(augment, features, _pair(seed, step + 1)), labels

        return tf.data.Dataset.range(-(-size // batch_size)).map(batch, tf.data.AUTOTUNE, deterministic=True)


class Records:
    """Encoded images on disk, read and decoded as they are needed.

    Args:
        length: How many there are.
        read: Function `seed -> tf.data.Dataset` of `(name, encoded, label)`, one image each: the name to report if it
            cannot be decoded, the bytes of the file, an int64. In the order of that seed, or as stored if it is `None`.
        size: Height and width of the decoded images.
        share: How much of the shorter side the central square has that is used for testing, in (0, 1].
        labels: An array of all labels, in the stored order. If it is not given, they are read when asked for.
    """

    def __init__(self, length, read, size, share, labels=None):
        self._length, self._read, self._size, self._share = length, read, size, share
        if labels is not None:
            self.labels = labels

    def __len__(self):
        return self._length

    @functools.cached_property
    def labels(self):
        import numpy as np

        return np.fromiter((label for _, _, label in self._read(None).as_numpy_iterator()), "int64", len(self))

    def batches(self, batch_size, seed=None, augment="none"):
        """The batches, as the top of this file says; the last one may be smaller.

        Args:
            batch_size: Images per batch, >= 1.
            seed: `None`, an int >= 0, or a scalar int64 tensor.
            augment: A name in `keras_mixup.zoo.augmentation`. But for `"resized_crop_flip"`, which chooses a part of
                the stored image, what is augmented is the central square.

        Returns:
            A `tf.data.Dataset`. It stops with an `InvalidArgumentError` at an image that cannot be decoded, and names
            it.
        """
        import tensorflow as tf

        def decode(index, example):
            _, encoded, label = example
            if seed is not None and augment == "resized_crop_flip":
                image = decoding.resized_crop_flip(encoded, self._size, _pair(seed, index + 1))
            else:
                image = decoding.centre(encoded, self._size, self._share)
            return index, image, label

        def augmented(step, batch):
            images, labels = batch
            return augmentation.augment(augment, images, _pair(seed, step + 1)), labels

        decoded = self._read(seed).enumerate().map(decode, tf.data.AUTOTUNE, deterministic=True)
        batches = self._complete(decoded, seed).batch(batch_size, num_parallel_calls=tf.data.AUTOTUNE)
        if seed is None or augment in ("none", "resized_crop_flip"):
            return batches
        return batches.enumerate().map(augmented, tf.data.AUTOTUNE, deterministic=True)

    def _complete(self, decoded, seed):
        """Those examples without their index; where one could not be decoded, an error that names it."""
        import tensorflow as tf

        def check(position, example):
            index, image, label = example

            def stop():
                name, _, _ = self._read(seed).skip(position).take(1).get_single_element()
                message = tf.strings.join([UNDECODABLE, name])
                return tf.debugging.Assert(False, [message])

            with tf.control_dependencies([tf.cond(index == position, tf.no_op, stop)]):
                return tf.identity(image), label

        # An example that fails is left out, so the next one comes too early; the end makes a last one noticed, too.
        end = (
            tf.constant(len(self), tf.int64),
            tf.zeros([self._size, self._size, 3], tf.uint8),
            tf.zeros([], tf.int64),
        )
        found = decoded.ignore_errors().concatenate(tf.data.Dataset.from_tensors(end))
        return found.enumerate().map(check).take(len(self))


@contextlib.contextmanager
def told_of_images():
    """Turn TensorFlow's error at an image that cannot be read or decoded into one that the user can put right.

    Raises:
        UserError: If there was such an error.
    """
    try:
        yield
    except Exception as error:  # TensorFlow's, which is not imported for this
        found = re.search(rf"\[{re.escape(UNDECODABLE)}(.+)\]", str(error))
        gone = re.search(r": ([^:\n]+; (No such file or directory|Permission denied))\n", str(error))
        if not (found or gone):
            raise
        raise UserError(
            f"{UNDECODABLE}{(found or gone)[1]}. "
            "Or let `keras-mixup run` leave out all such images of a folder with: --set broken_images=skip"
        ) from error


def permutation(seed, size):
    """The int32 numbers below `size`, in the order of that seed."""
    import tensorflow as tf

    with tf.device("cpu:0"):
        keys = tf.random.stateless_uniform([size], _pair(seed, 0), None, None, tf.int32, alg="philox")
        return tf.argsort(keys, stable=True)


def _pair(seed, second):
    """The seed of stateless operations: 0 for the order, from 1 for the steps."""
    import tensorflow as tf

    return tf.stack([tf.cast(seed, tf.int64), tf.cast(second, tf.int64)])
