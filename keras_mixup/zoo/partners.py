"""Partners from the whole training set: as mixup's ablation has them, of the same class or nearby, or as C-Mixup does.

    "random"                 whoever the method pairs within the batch: all classes, random pairs (AC + RP)
    "same_class"             anyone of one's own class (SC + RP)
    "neighbours"             one of the 200 nearest neighbours (AC + KNN)
    "same_class_neighbours"  one of the 200 nearest neighbours of one's own class (SC + KNN, as SMOTE)
    "near_targets"           anyone, likelier the nearer the target, as the method's `LabelDistance` has it (C-Mixup)

Near means a small Euclidean distance between pixels; the paper does not say in what space it is measured.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from keras_mixup.batch import Batch
from keras_mixup.methods import Method, Mixup
from keras_mixup.mixing import Draw
from keras_mixup.pairing import LabelDistance
from keras_mixup.pipeline import mix_with
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError

NAMES = ("random", "same_class", "neighbours", "same_class_neighbours", "near_targets")
NEIGHBOURS = 200
# Rows whose distances to all others are in memory at a time: 100 MB for 50,000 images.
CHUNK = 500


def batches(split, recipe, method, seed):
    """Batches of examples, followed by their partners: twice as many rows as the recipe's batches have.

    Args:
        split: The training split, in memory.
        recipe: A `Recipe` whose `pairs` are not `"random"`.
        method: How the row mixes.
        seed: As for `split.batches`.

    Returns:
        A `tf.data.Dataset` of `(features, labels)`.
    """
    import tensorflow as tf

    if not isinstance(split, Arrays):
        raise UserError(
            f"`pairs` should be random for data that is not held in memory. Received: pairs={recipe.pairs}."
        )
    if recipe.pairs == "near_targets":
        return split.batches(recipe.batch_size, seed, recipe.augment, _near_targets(split, method))
    found = candidates(split, recipe.pairs)
    with tf.init_scope(), tf.device("cpu:0"):  # outside of the graph, in which a large constant does not fit
        members, start, count = (tf.constant(part) for part in found)

    def partner(rows, seed):
        chosen = tf.random.stateless_uniform(tf.shape(rows), seed) * tf.cast(tf.gather(count, rows), tf.float32)
        # float32 can round up to the count itself.
        chosen = tf.minimum(tf.cast(chosen, tf.int32), tf.gather(count, rows) - 1)
        return tf.gather(members, tf.gather(start, rows) + chosen)

    return split.batches(recipe.batch_size, seed, recipe.augment, partner)


def _near_targets(split, method):
    """A function of rows and a seed that draws as many others, likelier the nearer their targets are."""
    import tensorflow as tf

    pairing = getattr(method, "pairing", None)
    if not isinstance(pairing, LabelDistance):
        raise UserError(
            f"`pairs` should be near_targets only for a method with pairing=LabelDistance(...). Received: {method}."
        )
    with tf.init_scope(), tf.device("cpu:0"):
        targets = tf.constant(split.labels)
    return lambda rows, seed: pairing.among(tf.gather(targets, rows), targets, seed)


def mix_halves(method, seed):
    """A transformation for `Dataset.apply`: mix the first half of each batch with the second, row by row."""
    return mix_with(Halves(method), seed=seed)


@dataclasses.dataclass(frozen=True)
class Halves(Method):
    """A method, but for its pairing: each row of the first half of a batch meets its row of the second.

    Args:
        method: The method, one of one partner.
    """

    method: Method = Mixup()

    keeps_rows = False

    @property
    def mixes(self):
        """Whether the method ever changes a batch; half of it goes in any case."""
        return self.method.mixes

    @property
    def cuts(self):
        """Whether the method cuts images."""
        return self.method.cuts

    @property
    def averages(self):
        """Whether the method averages examples."""
        return self.method.averages

    def draw(self, batch: Batch, seed: Any) -> Draw:
        """Draw for the first half."""
        import tensorflow as tf

        half = batch.size // 2
        drawn = self.method.draw(batch._replace(size=half, targets=batch.targets[:half]), seed)
        if drawn.original is not None or len(drawn.partner.shape) > 1:
            raise UserError(f"`pairs` should be random for methods but those of one partner. Received: {self.method}.")
        return drawn._replace(partner=half + tf.range(half), original=tf.range(half))


@functools.lru_cache(maxsize=2)
def candidates(split, pairs):
    """Who may be whose partner.

    Args:
        split: An `Arrays`.
        pairs: One of `NAMES`, but `"random"` and `"near_targets"`.

    Returns:
        Three int32 arrays `(members, start, count)`: the candidates of row `i` are
        `members[start[i] : start[i] + count[i]]`. With `"same_class"` one may be one's own partner; else only where a
        class has no other member.
    """
    labels = np.asarray(split.labels)
    if pairs == "neighbours":
        lists = list(_nearest(split, np.arange(len(labels))))
    else:
        classes = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
        if pairs == "same_class":
            start = np.cumsum([0, *map(len, classes)])[labels]
            return _int32(np.concatenate(classes), start, np.bincount(labels)[labels])
        lists = [None] * len(labels)
        for rows in classes:
            for row, nearest in zip(rows, _nearest(split, rows), strict=True):
                lists[row] = nearest
    count = np.array([len(one) for one in lists])
    return _int32(np.concatenate(lists), np.cumsum(count) - count, count)


def _nearest(split, rows):
    """For each of these rows, its nearest neighbours among them."""
    if len(rows) < 2:
        return rows[:, None]
    pixels = np.asarray(split.features)[rows].reshape(len(rows), -1).astype("float32")
    squares = np.einsum("ij,ij->i", pixels, pixels)
    count = min(NEIGHBOURS, len(rows) - 1)
    found = np.empty((len(rows), count), "int64")
    for start in range(0, len(rows), CHUNK):
        part = pixels[start : start + CHUNK]
        # The squares of a row's own pixels are left out: they change nothing in the order of its neighbours.
        distance = squares - 2.0 * (part @ pixels.T)
        distance[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + CHUNK] = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return rows[found]


def _int32(*arrays):
    return tuple(np.asarray(array, "int32") for array in arrays)
