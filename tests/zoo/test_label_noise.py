"""Wrong labels: how many, by what they are replaced, and that everything of a seed sees the same."""

import dataclasses

import numpy as np
import pytest

from keras_mixup.zoo import examples, recipes, runs
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.label_noise import corrupt

TRUE = np.random.default_rng(5).integers(7, size=7000)


def test_uniform_labels_are_uniform_whatever_they_were():
    noisy = corrupt(TRUE, 7, 0.3, "uniform", seed=0)
    # Three tenths are drawn, and a seventh of these draw what they were.
    assert np.mean(noisy != TRUE) == pytest.approx(0.3 * 6 / 7, abs=0.015)
    for label in range(7):
        wrong = noisy[(TRUE == label) & (noisy != TRUE)]
        counts = np.bincount(wrong, minlength=7)
        assert counts[label] == 0 and np.delete(counts, label).min() > 25  # about 43 each


def test_other_labels_are_never_the_true_ones():
    noisy = corrupt(TRUE, 7, 0.3, "other", seed=0)
    assert np.count_nonzero(noisy != TRUE) == 2100
    offsets = np.bincount((noisy - TRUE) % 7, minlength=7)[1:]
    assert offsets.min() > 290  # 350 each


def test_a_map_gives_each_class_one_other():
    noisy = corrupt(TRUE, 7, 0.3, "map", seed=0)
    assert np.count_nonzero(noisy != TRUE) == 2100
    images = [set(noisy[(TRUE == label) & (noisy != TRUE)]) for label in range(7)]
    assert all(len(image) == 1 for image in images)
    assert corrupt(TRUE, 7, 1.0, "map", seed=0)[TRUE == 3].tolist() == [images[3].pop()] * np.count_nonzero(TRUE == 3)


@pytest.mark.parametrize("kind", ["uniform", "other", "map"])
def test_the_seed_decides_and_the_input_stays(kind):
    before = TRUE.copy()
    first, again, other = (corrupt(TRUE, 7, 0.5, kind, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    np.testing.assert_array_equal(TRUE, before)
    np.testing.assert_array_equal(corrupt(TRUE, 7, 0.0, kind, seed=3), TRUE)


def digits(**settings):
    return dataclasses.replace(recipes.get("digits"), train_size=300, **settings)


def test_a_run_learns_from_wrong_labels_and_is_tested_with_true_ones():
    recipe = digits(label_noise=0.4, noise="other", held_out=50)
    plain, data = (runs.load(one, one.rows[0], seed=1) for one in (digits(), recipe))
    assert (len(data.training), len(data.held_out), len(data.true_labels)) == (250, 50, 250)
    wrong = np.count_nonzero(data.training.labels != data.true_labels)
    assert 85 <= wrong <= 115  # 120 of 300, of which the held-out ones have their share
    np.testing.assert_array_equal(data.test.labels, plain.test.labels)
    # Every example is on one side, with the label that it had before.
    images = np.concatenate([data.training.features, data.held_out.features])
    order = np.lexsort(images.reshape(300, -1).T)
    expected = np.lexsort(plain.training.features.reshape(300, -1).T)
    np.testing.assert_array_equal(images[order], plain.training.features[expected])
    pairs = zip(plain.training.features, plain.training.labels, strict=True)
    by_image = {image.tobytes(): label for image, label in pairs}
    assert [by_image[image.tobytes()] for image in data.training.features] == data.true_labels.tolist()
    pairs = zip(data.held_out.features, data.held_out.labels, strict=True)
    assert wrong + sum(by_image[image.tobytes()] != label for image, label in pairs) == 120


def test_rows_that_differ_in_noise_do_not_share_their_data():
    recipe = recipes.get("corrupt_labels")
    rows = recipe.rows
    assert examples.same(recipe, rows[0], rows[3]) and not examples.same(recipe, rows[3], rows[4])


def test_too_many_held_out():
    recipe = digits(held_out=299)
    message = "`held_out` should be less than the 300 training examples. Received: held_out=299."
    with pytest.raises(UserError, match=message):
        runs.load(recipe, recipe.rows[0], seed=0)
