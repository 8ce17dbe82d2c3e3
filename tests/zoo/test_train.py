"""The training loop: the same seed gives the same run, and rows of one seed differ in nothing but the mixing."""

import dataclasses

import numpy as np
import pytest

from keras_mixup.methods import Mixup
from keras_mixup.zoo import datasets, networks, recipes, runs
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row
from keras_mixup.zoo.train import train, training_batches

RECIPE = dataclasses.replace(recipes.get("digits"), train_size=70, epochs=2)
SOURCE = datasets.get("digits")
ERM, MIXUP = Row("erm", "ERM"), Row("mixup", "mixup", Mixup(alpha=1.0))


def trained(row, seed):
    records = []
    scores = train(RECIPE, row, seed, SOURCE, runs.load(RECIPE, seed), records.append)
    return records, {key: value for key, value in scores.items() if key != "seconds"}


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    first = trained(MIXUP, 0)
    assert trained(MIXUP, 0) == first
    assert trained(MIXUP, 1) != first
    assert [record["epoch"] for record in first[0]] == [1, 2]
    assert first[0][-1]["test_error"] == first[1]["error"]


def test_rows_of_a_seed_start_from_the_same_weights(monkeypatch):
    started = []

    def recording(name):
        def build(*arguments):
            model = build_network(*arguments)
            started.append(model.get_weights())
            return model

        return build

    build_network = networks.get(RECIPE.network)
    monkeypatch.setattr(networks, "get", recording)
    for row, seed in ((ERM, 0), (MIXUP, 0), (ERM, 1)):
        trained(row, seed)
    erm, mixup, other = started
    assert all(np.array_equal(a, b) for a, b in zip(erm, mixup, strict=True))
    assert not np.array_equal(erm[0], other[0])


def epochs_of(row, seed=0, number=2):
    """The batches of several epochs, from one data set, as training sees them."""
    dataset = training_batches(runs.load(RECIPE, 0)[0], RECIPE, row, seed, SOURCE)
    return [list(dataset.as_numpy_iterator()) for _ in range(number)]


def test_rows_of_a_seed_see_the_same_examples_in_the_same_order():
    erm = epochs_of(ERM)
    idle = epochs_of(Row("idle", "alpha 0", Mixup(alpha=0)))
    # One weight per batch and a permutation leave the sum over a batch as it was.
    mixed = epochs_of(Row("mixed", "mixed", Mixup(alpha=1.0, per="batch")))
    for plain, same, mix in zip(sum(erm, []), sum(idle, []), sum(mixed, []), strict=True):
        assert np.array_equal(plain[0], same[0]) and np.array_equal(plain[1], same[1])
        np.testing.assert_allclose(plain[0].sum(0), mix[0].sum(0), atol=1e-3)
    assert not np.array_equal(mixed[0][0][0], erm[0][0][0])


def test_epochs_are_shuffled_anew_and_keep_every_example():
    (first, second), (other, _) = epochs_of(ERM), epochs_of(ERM, seed=1)
    assert [len(x) for x, _ in first] == [32, 32, 6]
    images = [np.concatenate([x for x, _ in epoch]) for epoch in (first, second, other)]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])
    ordered = [np.sort(x.reshape(70, -1).sum(1)) for x in images]
    np.testing.assert_allclose(ordered[0], ordered[1], rtol=1e-6)


def test_mixing_follows_the_seed_of_the_run():
    first, again, other = epochs_of(MIXUP), epochs_of(MIXUP), epochs_of(MIXUP, seed=1)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(sum(first, []), sum(again, []), strict=True))
    assert not np.array_equal(first[0][0][1], other[0][0][1])
    assert not np.array_equal(first[0][0][1].max(1), first[1][0][1].max(1))  # the next epoch draws other weights


def test_batches_are_standardised_and_one_hot():
    x, y = epochs_of(ERM)[0][0]
    assert x.dtype == y.dtype == np.float32
    assert x.shape == (32, 8, 8, 1) and y.shape == (32, 10)
    assert set(np.unique(y)) == {0.0, 1.0} and np.all(y.sum(1) == 1)
    assert abs(x.mean()) < 0.1 and abs(x.std() - 1) < 0.1


def test_divergence_is_told_in_words():
    recipe = dataclasses.replace(RECIPE, learning_rate=1e30)
    with pytest.raises(UserError, match=r"^`learning_rate` should be small enough for training to converge: the loss "):
        train(recipe, ERM, 0, SOURCE, runs.load(recipe, 0), lambda record: None)
