"""The examples that a run learns from: those of a recipe's data set for a seed, the same for all its rows."""

from typing import Any, NamedTuple

import numpy as np

from keras_mixup.zoo import datasets, label_noise
from keras_mixup.zoo.datasets import generated
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import for_row, of_kind


class Data(NamedTuple):
    """What a run learns from.

    Args:
        source: The `Source`.
        training: The training split.
        test: The test split.
        held_out: Examples kept from training, if the recipe asks for some.
        true_labels: Those of a training split in memory, before any were replaced.
        strangers: The test split of another data set, if the recipe names one.
    """

    source: datasets.Source
    training: Any
    test: Any
    held_out: Any = None
    true_labels: Any = None
    strangers: Any = None


def load(recipe, row, seed, data_dir=None, smoke=False):
    """The data of a seed, the same for every row that names no data of its own."""
    recipe = for_row(recipe, row)
    # A recipe for GANs has neither.
    noise, held_out_size = (getattr(recipe, field, 0) for field in ("label_noise", "held_out"))
    if smoke:
        source = datasets.get(recipe.dataset).small()
        training, test = generated.load(source, recipe.train_size + held_out_size, recipe.batch_size, seed)
    else:
        source = datasets.get(recipe.dataset, data_dir)
        broken_images = getattr(recipe, "broken_images", "refuse")
        training, test = source.splits(recipe.dataset, recipe.train_size, seed, data_dir, broken_images)
    # Those of images on disk would have to be read one by one.
    held_out, true_labels = None, training.labels if isinstance(training, Arrays) else None
    if noise or held_out_size:
        training, held_out, true_labels = _disturbed(recipe, training, len(source.classes), seed)
    strangers = _strangers(recipe, source, seed, data_dir, smoke)
    return Data(source.fitted(training), training, test, held_out, true_labels, strangers)


def _strangers(recipe, source, seed, data_dir, smoke):
    """The test split of the set that a recipe names as strangers, or None."""
    name = getattr(recipe, "strangers", "")
    if not name:
        return None
    others = datasets.get(name, None if smoke else data_dir)
    others = others.small() if smoke else others
    if others.shape != source.shape or others.transform is not source.transform:
        raise UserError(
            f"`strangers` should be a data set whose examples have the shape of those of {recipe.dataset}, "
            f"{source.shape}. Received: strangers={name}, of shape {others.shape}."
        )
    return generated.load(others, 1, recipe.batch_size, seed)[1] if smoke else others.test(name, seed, data_dir)


def _disturbed(recipe, training, classes, seed):
    """A training split with labels replaced, what is held out of it, and the true labels of the rest."""
    if not isinstance(training, Arrays):
        raise UserError(
            f"`label_noise` and `held_out` should be 0 for {recipe.dataset}, which is not read into memory. "
            f"Received: label_noise={recipe.label_noise}, held_out={recipe.held_out}."
        )
    if recipe.held_out > len(training) - 2:
        raise UserError(
            f"`held_out` should be less than the {len(training)} training examples. "
            f"Received: held_out={recipe.held_out}."
        )
    noisy = label_noise.corrupt(training.labels, classes, recipe.label_noise, recipe.noise, seed)
    order = np.random.default_rng((seed, 2)).permutation(len(noisy))
    kept, held_out = np.sort(order[recipe.held_out :]), np.sort(order[: recipe.held_out])
    disturbed = Arrays(training.features, noisy)
    return disturbed.part(kept), disturbed.part(held_out) if recipe.held_out else None, training.labels[kept]


def same(recipe, row, other):
    """Whether two rows of a recipe learn from the same examples."""
    return all(row.settings.get(field) == other.settings.get(field) for field in of_kind(recipe, "data"))
