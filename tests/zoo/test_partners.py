"""Partners from the whole training set: who they may be, against brute force, and how the two halves are mixed."""

import dataclasses

import numpy as np
import pytest

from keras_mixup.batch import Batch
from keras_mixup.methods import Mixup, RegMixup
from keras_mixup.pairing import LabelDistance
from keras_mixup.zoo import partners, recipes
from keras_mixup.zoo.ablation import InputsOnly
from keras_mixup.zoo.datasets.splits import Arrays, Records
from keras_mixup.zoo.errors import UserError

SIZE, CLASSES = 60, 4
RECIPE = dataclasses.replace(recipes.get("digits"), rows=(), batch_size=8)


@pytest.fixture(scope="module")
def split():
    random = np.random.default_rng(5)
    labels = np.concatenate([random.integers(CLASSES - 1, size=SIZE - 1), [CLASSES - 1]])  # the last class has one
    return Arrays(random.integers(256, size=(SIZE, 5, 5, 1)).astype("uint8"), labels)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(partners, "NEIGHBOURS", 7)
    monkeypatch.setattr(partners, "CHUNK", 25)
    partners.candidates.cache_clear()
    yield
    partners.candidates.cache_clear()


def lists(found):
    members, start, count = found
    return [members[i : i + n] for i, n in zip(start, count, strict=True)]


def test_anyone_of_the_same_class(split):
    for i, found in enumerate(lists(partners.candidates(split, "same_class"))):
        assert sorted(found) == list(np.flatnonzero(split.labels == split.labels[i]))


@pytest.mark.parametrize("pairs", ["neighbours", "same_class_neighbours"])
def test_the_nearest_against_brute_force(split, pairs):
    pixels = split.features.reshape(SIZE, -1).astype("float64")
    for i, found in enumerate(lists(partners.candidates(split, pairs))):
        distance = ((pixels - pixels[i]) ** 2).sum(1)
        distance[i] = np.inf
        if pairs == "same_class_neighbours":
            distance[split.labels != split.labels[i]] = np.inf
        nearest = np.argsort(distance)[: min(7, np.isfinite(distance).sum())]
        assert set(found) == set(nearest if len(nearest) else [i])  # alone in its class, one is one's own partner


@pytest.mark.parametrize("pairs", ["same_class", "neighbours", "same_class_neighbours"])
def test_batches_are_examples_followed_by_their_partners(split, pairs):
    import tensorflow as tf

    recipe = dataclasses.replace(RECIPE, pairs=pairs)
    rows = {image.tobytes(): i for i, image in enumerate(split.features)}
    allowed = [set(found) for found in lists(partners.candidates(split, pairs))]
    seen, chosen = [], {i: set() for i in range(SIZE)}
    epochs = tf.data.Dataset.range(30).flat_map(lambda epoch: partners.batches(split, recipe, None, epoch))
    for images, labels in epochs.as_numpy_iterator():
        found = [rows[image.tobytes()] for image in images]
        assert np.array_equal(labels, split.labels[found])
        half = len(found) // 2
        seen += found[:half]
        for one, other in zip(found[:half], found[half:], strict=True):
            assert other in allowed[one]
            chosen[one].add(other)
    assert np.all(np.bincount(seen, minlength=SIZE) == 30)  # an epoch has every example once
    if pairs != "same_class":  # of seven, thirty draws find nearly all
        assert np.mean([len(chosen[i]) / len(allowed[i]) for i in range(SIZE)]) > 0.95


def test_a_seed_decides_the_partners(split):
    recipe = dataclasses.replace(RECIPE, pairs="neighbours")
    first, again, other = (
        np.concatenate([labels for _, labels in partners.batches(split, recipe, None, seed).as_numpy_iterator()])
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_near_targets_are_drawn_from_all_examples_by_the_law():
    """Of six targets there are 100 examples each; of a batch of two alone, most partners could not be drawn."""
    y = np.array([0.0, 1.0, 2.5, 7.0, 7.4, 30.0], "float32")
    split = Arrays(np.arange(600, dtype="float32")[:, None], np.tile(y, 100))
    recipe = dataclasses.replace(RECIPE, pairs="near_targets", batch_size=2)
    method = Mixup(pairing=LabelDistance(1.5))
    counts = np.zeros((6, 6))
    for seed in range(7):
        for features, targets in partners.batches(split, recipe, method, seed).as_numpy_iterator():
            np.testing.assert_array_equal(y[features[:, 0].astype(int) % 6], targets)
            rows, others = np.split(features[:, 0].astype(int), 2)
            np.add.at(counts, (rows % 6, others % 6), 1)
    expected = np.exp(-((y[:, None] - y) ** 2) / (2 * 1.5**2))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.all(counts.sum(axis=1) == 700)
    np.testing.assert_allclose(counts / 700, expected, atol=0.07)


def halves(method, seed=2):
    """Features and targets of one batch of 2 x 6 rows before and after."""
    import tensorflow as tf

    tf.random.set_seed(0)  # which the draws heed as well
    random = np.random.default_rng(1)
    x, y = random.normal(size=(12, 3)).astype("float32"), np.eye(12, dtype="float32")
    dataset = tf.data.Dataset.from_tensors((x, y)).apply(partners.mix_halves(method, seed))
    return x, *next(dataset.as_numpy_iterator())


def test_halves_are_mixed_row_by_row_against_the_formula():
    x, mixed, targets = halves(Mixup(alpha=0.6))
    weights = targets[np.arange(6), np.arange(6)]
    assert mixed.shape == (6, 3) and targets.shape == (6, 12)
    assert len(np.unique(weights)) == 6 and np.all((weights > 0) & (weights < 1))
    expected = np.zeros((6, 12))
    expected[np.arange(6), np.arange(6)] = weights
    expected[np.arange(6), 6 + np.arange(6)] = 1 - weights
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    np.testing.assert_allclose(mixed, weights[:, None] * x[:6] + (1 - weights[:, None]) * x[6:], atol=1e-6)


def test_inputs_only_leaves_the_label_of_the_larger_weight():
    x, mixed, targets = halves(InputsOnly(alpha=0.6))
    weights = ((mixed - x[6:]) / (x[:6] - x[6:])).mean(1)
    assert weights.min() < 0.4 and weights.max() > 0.6 and np.all((weights > 0.001) & (weights < 0.999))
    heavier = np.where(weights >= 0.5, np.arange(6), 6 + np.arange(6))
    assert np.array_equal(targets, np.eye(12)[heavier])
    np.testing.assert_allclose(mixed, weights[:, None] * x[:6] + (1 - weights[:, None]) * x[6:], atol=1e-5)


def test_inputs_only_draws_as_mixup_does():
    mixup, inputs = Mixup(0.7, per="batch").draw(Batch(9), 3), InputsOnly(0.7, per="batch").draw(Batch(9), 3)
    assert np.array_equal(mixup.weight, inputs.weight) and np.array_equal(mixup.partner, inputs.partner)
    assert InputsOnly(0.7).mixes and not InputsOnly(0).mixes


def test_refusals(split):
    with pytest.raises(UserError, match="`pairs` should be random for data that is not held in memory"):
        partners.batches(Records(3, None, size=8, share=1.0), dataclasses.replace(RECIPE, pairs="same_class"), None, 0)
    with pytest.raises(UserError, match=r"near_targets only for a method with pairing=LabelDistance"):
        partners.batches(split, dataclasses.replace(RECIPE, pairs="near_targets"), Mixup(), 0)
    with pytest.raises(UserError, match="`pairs` should be random for methods but those of one partner"):
        halves(RegMixup())
