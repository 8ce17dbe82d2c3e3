"""The splits: drawn by the seed alone, disjoint, of the size asked for."""

import numpy as np
import pytest

from keras_mixup.zoo import datasets
from keras_mixup.zoo.datasets import generated
from keras_mixup.zoo.errors import UserError


def arrays(split):
    images, labels = zip(*split.as_numpy_iterator(), strict=True)
    return np.stack(images), np.array(labels)


def test_digits_are_split_by_the_seed():
    source = datasets.get("digits")
    (x, y), (test_x, _) = map(arrays, source.load(300, 0, None))
    (again, _), _ = map(arrays, source.load(300, 0, None))
    (other, _), _ = map(arrays, source.load(300, 1, None))
    assert np.array_equal(x, again) and not np.array_equal(x, other)
    assert x.shape == (300, *source.shape) and len(test_x) == 1497
    assert {image.tobytes() for image in x}.isdisjoint({image.tobytes() for image in test_x})
    counts = np.bincount(y)
    assert counts.min() >= 28 and counts.max() <= 32  # stratified
    everything = np.concatenate([x, test_x])
    assert everything.mean() == pytest.approx(source.mean, rel=1e-3)
    assert everything.std() == pytest.approx(source.deviation, rel=1e-3)


@pytest.mark.parametrize("size", [9, 1788])
def test_digits_refuse_an_impossible_size(size):
    with pytest.raises(UserError) as error:
        datasets.get("digits").load(size, 0, None)
    assert str(error.value) == f"`train_size` should be between 10 and 1787 for digits. Received: train_size={size}."


def test_prepared_sets_are_read_from_disk(tiny_fashion_mnist):
    source = datasets.get("fashion_mnist")
    (x, y), (test_x, _) = map(arrays, source.load(20, 0, tiny_fashion_mnist))
    (again, _), _ = map(arrays, source.load(20, 0, tiny_fashion_mnist))
    (other, _), _ = map(arrays, source.load(20, 1, tiny_fashion_mnist))
    assert x.shape == (20, 28, 28, 1) and len(test_x) == 12
    assert np.array_equal(x, again) and not np.array_equal(x, other)
    assert np.array_equal(x[:, 0, 0, 0] % 10, y)  # images keep their labels
    assert len(arrays(source.load(40, 0, tiny_fashion_mnist)[0])[0]) == 40  # all of them


def test_prepared_sets_refuse_more_than_there_is(tiny_fashion_mnist):
    with pytest.raises(UserError) as error:
        datasets.get("fashion_mnist").load(41, 0, tiny_fashion_mnist)
    assert str(error.value) == "`train_size` should be at most 40 for fashion_mnist. Received: train_size=41."


def test_generated_data_has_the_shape_of_the_real_and_its_seed():
    source = datasets.get("fashion_mnist")
    (x, y), (test_x, _) = map(arrays, generated.load(source, 8, 4, seed=0))
    assert x.shape == (8, 28, 28, 1) and len(test_x) == 4 and y.max() < 10
    assert np.array_equal(x, arrays(generated.load(source, 8, 4, seed=0)[0])[0])
