"""The stream of all epochs: any epoch can be made anew, and only those that should mix do."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.methods import Choice, CutMix, DMixup, FMix, Mixup, RegMixup, ResizeMix
from keras_mixup.pipeline import mix_with
from keras_mixup.saliencymix import SaliencyMix
from keras_mixup.smoothmix import SmoothMix
from keras_mixup.zoo import recipes, runs
from keras_mixup.zoo.inputs import test_batches as batches_to_test
from keras_mixup.zoo.inputs import training_batches

RECIPE = dataclasses.replace(recipes.get("digits"), rows=(), train_size=70, epochs=4)
DATA = runs.load(RECIPE, recipes.get("digits").rows[0], seed=0)
PER_EPOCH = 3


def stream(method, first=0, seed=0, recipe=RECIPE):
    return list(training_batches(DATA.training, DATA.source, recipe, method, seed, first).as_numpy_iterator())


def equal(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("method", [None, Mixup(0.7), CutMix(1.0)], ids=str)
def test_any_epoch_can_be_made_anew(method):
    whole = stream(method)
    assert len(whole) == 4 * PER_EPOCH
    for first in (1, 3):
        assert equal(stream(method, first), whole[first * PER_EPOCH :])
    assert not equal(stream(method, seed=1), whole)


def test_epochs_differ_in_order_and_in_weights():
    whole = stream(Mixup(0.7))
    first, second = whole[0], whole[PER_EPOCH]
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(np.sort(first[1].max(1)), np.sort(second[1].max(1)))
    plain = stream(None)
    assert not np.array_equal(plain[0][0], plain[PER_EPOCH][0])


@pytest.mark.parametrize("first", [0, 1, 3])
def test_the_first_epochs_may_stay_unmixed(first):
    recipe = dataclasses.replace(RECIPE, unmixed_epochs=2)
    got, plain, mixed = (
        stream(Mixup(0.7), first, recipe=recipe),
        stream(None, first),
        stream(Mixup(0.7), first),
    )
    unmixed = max(0, 2 - first) * PER_EPOCH
    assert equal(got[:unmixed], plain[:unmixed]) and equal(got[unmixed:], mixed[unmixed:])
    assert not equal(plain, mixed)


def test_label_smoothing_comes_before_mixing():
    smooth = dataclasses.replace(RECIPE, label_smoothing=0.2)
    for (_, got), (_, sharp) in zip(stream(Mixup(0.7), recipe=smooth), stream(Mixup(0.7)), strict=True):
        np.testing.assert_allclose(got, 0.8 * sharp + 0.2 / 10, atol=1e-6)
    rows = stream(None, recipe=smooth)[0][1]
    np.testing.assert_allclose(np.unique(rows), [0.02, 0.82], atol=1e-6)


def test_augmentation_changes_training_images_only():
    augmented = dataclasses.replace(RECIPE, augment="pad_crop_flip")
    (x, y), (plain, labels) = stream(None, recipe=augmented)[0], stream(None)[0]
    assert np.array_equal(y, labels) and not np.array_equal(x, plain)
    tested = np.concatenate(list(batches_to_test(DATA.test, DATA.source, 500).as_numpy_iterator()))
    pixels = (DATA.test.features.astype("float32") - DATA.source.mean) / DATA.source.deviation
    np.testing.assert_allclose(tested, pixels, atol=1e-5)


FUSED = [
    Mixup(0.7),
    Mixup(0.7, per="batch"),
    DMixup(2),
    CutMix(1.0),
    CutMix(0.5, per="batch"),
    Choice((Mixup(0.8), CutMix(1.0)), probability=0.7),
    ResizeMix(),
    FMix(),
    SmoothMix(),
    SaliencyMix(),
    RegMixup(2.0),
]


@pytest.mark.parametrize("method", FUSED, ids=lambda method: type(method).__name__)
def test_images_come_out_as_if_they_were_standardised_and_then_mixed(method):
    """In one pass they are mixed first, as they are stored; the draws and the batches are the same."""

    def targets(labels):
        return DATA.source.task.targets(labels, len(DATA.source.classes), 0.0)

    own = tf.constant(2**20, tf.int64)  # epoch 0 of seed 1
    stored = DATA.training.batches(RECIPE.batch_size, own, "none")
    batches = stored.map(lambda x, y: (DATA.source.features(x), targets(y))).apply(mix_with(method, seed=own))
    for got, expected in zip(stream(method, seed=1), batches.as_numpy_iterator(), strict=False):
        for one, other in zip(got, expected, strict=True):
            assert one.dtype == other.dtype == "float32"
            np.testing.assert_allclose(one, other, atol=2e-5)
