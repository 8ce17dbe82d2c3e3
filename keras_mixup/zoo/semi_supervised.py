"""Recipes in which only some of the training examples have labels."""

import dataclasses
from typing import ClassVar

import numpy as np

from keras_mixup.zoo.classifiers import SMOKE_STEPS, Classifiers
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Recipe, for_row, integer, setting
from keras_mixup.zoo.self_training import SelfTraining

# Settings that only rows without guesses would heed, or that would draw the same for a guess as for what is compared.
UNUSED = ("input_noise", "dropout", "pairs", "unmixed_epochs", "door", "at", "ema_statistics")
PASSES = 2**20  # more than an epoch ever makes


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemiSupervisedRecipe(Recipe):
    """A recipe of rows that see the labels of a few training examples; a row of `SelfTraining` sees the others, too.

    A step takes a batch of `batch_size` of each kind.

    Args:
        labels: How many training examples have labels, >= 1, of each class its share. Each seed draws its own.
        unlabelled: How many of the others there are, >= 0; 0 is all.
        steps: Steps from one test to the next, which is called an epoch, >= 1. It goes through either kind in passes
            of their own, as many as it takes.
    """

    labels: int = setting("a positive integer", integer(1), kind="data")
    unlabelled: int = setting("an integer >= 0", integer(0), default=0, kind="data")
    steps: int = setting("a positive integer", integer(1))

    median_of: ClassVar = 20
    unused: ClassVar = UNUSED


class PartlyLabelled(Arrays):
    """A training split: labelled examples, and besides, if there are any, others.

    Without a seed its batches are the labelled examples. With one they are those of an epoch, as
    `({"labelled": features, "unlabelled": features}, labels)` if there are others.

    Args:
        labelled: An `Arrays`.
        unlabelled: An `Arrays`, whose labels are not looked at; or `None`.
        epoch: How many examples of either kind an epoch takes; a multiple of the batch size.
    """

    def __init__(self, labelled, unlabelled, epoch=0):
        super().__init__(labelled.features, labelled.labels)
        self.unlabelled = unlabelled
        self.epoch = epoch

    def batches(self, batch_size, seed=None, augment="none"):
        """The batches: see above; all of an epoch have `batch_size` examples."""
        import tensorflow as tf

        if seed is None:
            return super().batches(batch_size)

        def epoch(split, batches, kind):
            first = (2 * tf.cast(seed, tf.int64) + kind) * PASSES
            passes = tf.data.Dataset.range(-(-self.epoch // len(split)))
            examples = passes.flat_map(lambda number: batches(batch_size, first + number, augment))
            return examples.rebatch(batch_size).take(self.epoch // batch_size)

        labelled = epoch(self, super().batches, 0)
        if self.unlabelled is None:
            return labelled
        unlabelled = epoch(self.unlabelled, self.unlabelled.batches, 1)
        return tf.data.Dataset.zip(labelled, unlabelled).map(
            lambda known, other: ({"labelled": known[0], "unlabelled": other[0]}, known[1])
        )


def divide(labels, number, seed):
    """Choose which examples have labels.

    Args:
        labels: Integer array of shape `(examples,)`.
        number: How many are chosen: of each class the share it has among all, to the nearest example.
        seed: An int >= 0.

    Returns:
        Two integer arrays: the `number` chosen rows, by class, and the others, in random order.
    """
    order = np.random.default_rng((seed, 3)).permutation(len(labels))
    shares = number * np.bincount(labels) / len(labels)
    counts = np.floor(shares).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: number - counts.sum()]] += 1  # the largest remainders
    chosen = np.concatenate([order[labels[order] == label][:count] for label, count in enumerate(counts)])
    return chosen, order[~np.isin(order, chosen)]


class SemiSupervised(Classifiers):
    """Networks that see the labels of a few examples, and some of them the others without."""

    def small(self):
        small = super().small()
        return dataclasses.replace(small, labels=small.batch_size, unlabelled=0, steps=SMOKE_STEPS)

    def load(self, row, seed, data_dir=None, smoke=False):
        """The data of a seed; its training split is `PartlyLabelled`."""
        own = for_row(self.recipe, row)
        data = super().load(row, seed, data_dir, smoke)
        if own.labels + max(own.unlabelled, 1) > len(data.training):
            raise UserError(
                f"`labels` and `unlabelled` should add up to at most {len(data.training)}, the number of training "
                "examples, and leave at least one without a label. "
                f"Received: labels={own.labels}, unlabelled={own.unlabelled}."
            )
        labelled, others = divide(data.training.labels, own.labels, seed)
        unlabelled = data.training.part(others[: own.unlabelled or None])
        training = PartlyLabelled(data.training.part(labelled), unlabelled)
        return data._replace(training=training, true_labels=data.true_labels[labelled])

    def train(self, row, seed, data, on_record, folder, engine, report):
        import tensorflow as tf

        own, training = for_row(self.recipe, row), data.training
        unlabelled = training.unlabelled if isinstance(row.method, SelfTraining) else None
        features = data.source.features
        data = data._replace(
            training=PartlyLabelled(training, unlabelled, own.steps * own.batch_size),
            source=dataclasses.replace(data.source, transform=lambda batch: tf.nest.map_structure(features, batch)),
        )
        return super().train(row, seed, data, on_record, folder, engine, report)
