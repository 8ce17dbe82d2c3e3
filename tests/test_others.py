"""Partners from another data set: every tensor follows the same draw, and what the others lack keeps its own number."""

import re

import keras
import numpy as np
import pytest
from contract import BACKEND, SEED, features, to_numpy

from keras_mixup import (
    Choice,
    CutMix,
    DMixup,
    FMix,
    ManifoldMixup,
    Mixup,
    MixupE,
    MixupLayer,
    MixupModel,
    RegMixup,
    Remix,
    ResizeMix,
    SaliencyMix,
    SmoothMix,
    mix_batch,
    mixup,
)

CLASSES = 12  # 0 to 6 of the batch, 7 to 11 of the others: a row's target says who is in it
SIZE, OTHERS = 7, 5
X, Y = features(SIZE, (6, 5, 3)), np.arange(SIZE)
OTHER_X, OTHER_Y = features(OTHERS, (6, 5, 3), seed=9), SIZE + np.arange(OTHERS)
ALL_X = np.concatenate([X, OTHER_X])


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def numbers(tree):
    return keras.tree.map_structure(to_numpy, tree)


@pytest.mark.parametrize("method", [Mixup(1.0), Mixup(0.4, per="batch", pairing="derangement"), DMixup(3)], ids=repr)
@pytest.mark.parametrize("size", [1, OTHERS, SIZE, 30])
def test_averages_are_of_a_row_and_rows_of_the_others(method, size):
    other_x, other_y = np.resize(OTHER_X, (size, 6, 5, 3)), np.resize(OTHER_Y, size)
    x, y = numbers(mix_batch((X, Y), method, SEED, num_classes=CLASSES, others=(other_x, other_y)))
    np.testing.assert_allclose(x, np.tensordot(y, ALL_X.astype("float64"), 1), rtol=1e-5, atol=1e-5)
    own = y[:, :SIZE]
    assert (own[~np.eye(SIZE, dtype=bool)] == 0).all(), "a partner is of the batch"
    assert (np.diag(own) < 1).any()


def test_partners_go_round_where_the_others_are_fewer_and_each_is_taken_once_where_they_are_as_many():
    for size in (OTHERS, SIZE, 30):
        rows = Mixup(1.0, per="batch")
        others = features(size, (2,), seed=4)
        x = numbers(mix_batch(np.zeros((SIZE, 2), "float32"), rows, SEED, others=others))
        partner = [int(np.argmin(np.abs(others / others[:, :1] - row / row[0]).sum(1))) for row in x]
        counts = np.bincount(partner, minlength=size)
        assert counts.max() - counts.min() <= 1, counts


@pytest.mark.parametrize(
    "method", [CutMix(), ResizeMix(), FMix(), SaliencyMix(), SmoothMix(), Choice((Mixup(1.0), CutMix()))], ids=repr
)
def test_what_is_cut_is_pasted_from_the_others(method):
    """A picture whose two channels count the batch and the others: their mean is what the targets say."""
    x = np.tile(np.array([1.0, 0.0], "float32"), (SIZE, 6, 5, 1))
    others = np.tile(np.array([0.0, 1.0], "float32"), (OTHERS, 6, 5, 1))
    mixed, y = numbers(mix_batch((x, Y), method, SEED, num_classes=CLASSES, others=(others, OTHER_Y)))
    np.testing.assert_allclose(mixed.mean((1, 2))[:, 1], y[:, SIZE:].sum(1), atol=1e-6)
    assert 0 < y[:, SIZE:].sum() < SIZE


def test_targets_and_weights_that_the_others_lack_keep_their_own_numbers():
    weights = np.linspace(0.5, 2.0, SIZE, dtype="float32")
    for others in (OTHER_X, (OTHER_X,)):
        x, y, weight = numbers(mix_batch((X, Y, weights), Mixup(1.0), SEED, num_classes=CLASSES, others=others))
        assert (np.abs(x - X).max((1, 2, 3)) > 0).any()
        np.testing.assert_array_equal(y, np.eye(CLASSES)[Y])
        np.testing.assert_array_equal(weight, weights)
    x, y, weight = numbers(mix_batch((X, Y, weights), RegMixup(eta=0.5), SEED, num_classes=CLASSES, others=OTHER_X))
    np.testing.assert_array_equal(y, np.eye(CLASSES)[[*Y, *Y]])
    np.testing.assert_allclose(weight, [*(2 * weights), *weights])
    _, pairs = numbers(mix_batch((X, Y), Mixup(1.0), SEED, pairs=True, others=OTHER_X))
    np.testing.assert_array_equal(pairs, np.stack([Y, Y, np.ones(SIZE)], axis=1))


def test_pairs_and_dicts_and_padding_masks_have_partners_of_the_others():
    _, pairs = numbers(mix_batch((X, Y), Mixup(1.0), SEED, pairs=True, others=(OTHER_X, OTHER_Y)))
    assert np.isin(pairs[:, 1], OTHER_Y).all() and (pairs[:, 0] == Y).all()
    batch = {"image": X, "label": Y, "padding_mask": np.eye(SIZE, 9) > 0, "id": np.arange(SIZE)}
    others = {"image": OTHER_X, "label": OTHER_Y, "padding_mask": np.eye(OTHERS, 9)[:, ::-1] > 0}
    mixed = numbers(mix_batch(batch, Mixup(1.0), SEED, num_classes={"label": CLASSES}, others=others))
    partner = mixed["label"][:, SIZE:].argmax(1)
    np.testing.assert_array_equal(mixed["padding_mask"], batch["padding_mask"] | others["padding_mask"][partner])
    np.testing.assert_array_equal(mixed["id"], batch["id"])


def test_the_class_of_a_partner_is_that_of_the_others():
    """Remix leans towards the rarer class: here that of the others, or that of the batch."""
    counts = (1,) * SIZE + (100,) * OTHERS
    method = Remix(counts, alpha=1.0, tau=1.0)
    for sizes, kept in ((counts, 1.0), (counts[::-1][:SIZE] + (1,) * OTHERS, 0.0)):
        method = Remix(sizes, alpha=1.0, tau=1.0)
        rows = slice(0, 2) if kept == 0.0 else slice(None)
        _, y = numbers(mix_batch((X, Y), method, SEED, num_classes=CLASSES, others=(OTHER_X, OTHER_Y)))
        np.testing.assert_array_equal(y[rows, :SIZE].sum(1), kept)


def test_the_salient_place_is_that_of_the_partner():
    """One bright pixel of each other image, and a box so small that it holds little else."""
    others = np.zeros((OTHERS, 20, 20, 1), "float32")
    for i in range(OTHERS):
        others[i, 3 * i + 2, 2 * i + 5] = 1.0
    mixed = numbers(mix_batch(np.zeros((SIZE, 20, 20, 1), "float32"), SaliencyMix(1.0), SEED, others=others))
    places = {(3 * i + 2, 2 * i + 5) for i in range(OTHERS)}
    for image in mixed:
        assert set(zip(*np.nonzero(image[..., 0]), strict=True)) <= places
    assert sum(image.any() for image in mixed) >= SIZE - 1


# --- The doors ---


def test_the_transformation_is_the_same_every_run_and_another_every_epoch():
    tf = pytest.importorskip("tensorflow")

    def run(parallel):
        dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(3)
        others = tf.data.Dataset.from_tensor_slices((OTHER_X, OTHER_Y)).shuffle(OTHERS, seed=2).batch(2)
        mixed = dataset.apply(mixup(1.0, num_classes=CLASSES, others=others, seed=SEED, num_parallel_calls=parallel))
        assert mixed.cardinality() == 3
        return [[np.concatenate(part) for part in zip(*mixed.as_numpy_iterator(), strict=True)] for _ in range(2)]

    first, second = run(1), run(4)
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0][0], first[1][0])
    for x, y in first:
        np.testing.assert_allclose(x, np.tensordot(y, ALL_X.astype("float64"), 1), rtol=1e-5, atol=1e-5)
        assert (y[:, SIZE:].sum(1) > 0).all()


def test_an_iterator_goes_on_where_it_was_saved(tmp_path):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).repeat()
    others = tf.data.Dataset.from_tensor_slices(OTHER_X).batch(2)
    iterator = iter(dataset.apply(mixup(1.0, num_classes=CLASSES, others=others, seed=SEED)))
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "iterator"))
    expected = [next(iterator) for _ in range(6)]
    tf.train.Checkpoint(iterator=iterator).restore(path)
    for x, y in expected:
        again_x, again_y = next(iterator)
        np.testing.assert_array_equal(again_x, x)
        np.testing.assert_array_equal(again_y, y)


def test_the_layer_mixes_with_others_eagerly_and_in_a_pipeline():
    tf = pytest.importorskip("tensorflow")
    layer = MixupLayer(1.0, num_classes=CLASSES, seed=SEED)
    x, y = numbers(layer(X, Y, others=(OTHER_X, OTHER_Y)))
    np.testing.assert_allclose(x, np.tensordot(y, ALL_X.astype("float64"), 1), rtol=1e-5, atol=1e-5)
    dataset, others = (tf.data.Dataset.from_tensor_slices(part).batch(SIZE) for part in ((X, Y), (OTHER_X, OTHER_Y)))
    mixed = tf.data.Dataset.zip((dataset, others)).map(lambda batch, others: layer(batch, others=others))
    x, y = next(iter(mixed))
    np.testing.assert_allclose(x, np.tensordot(y, ALL_X.astype("float64"), 1), rtol=1e-5, atol=1e-5)
    x, y = numbers(layer(X, Y, others=OTHER_X, training=False))
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("jit_compile", [False, True] if BACKEND != "torch" else [False])
def test_a_model_takes_partners_from_arrays(jit_compile):
    """The loss is the mean of the predictions, which are the inputs' own numbers: 0 of the batch, 1 of the others."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model = MixupModel(network, 1.0, others=np.ones((30, 1), "float32"), seed=SEED)
    model.compile(loss=lambda y_true, y_pred: y_pred[:, 0], jit_compile=jit_compile)
    x = np.zeros((64, 1), "float32")
    history = model.fit(x, x, batch_size=64, epochs=8, verbose=0)
    assert 0.4 < np.mean(history.history["loss"]) < 0.6  # of a mean of uniform weights, 512 of them
    assert model.evaluate(x, x, verbose=0) == 0.0


# --- Refusals ---


def test_others_of_another_kind_are_refused():
    batch = (X, Y)

    def mix(others, method=None, batch=batch, **options):
        return mix_batch(batch, method or Mixup(1.0), SEED, others=others, **{"num_classes": CLASSES, **options})

    with refuses("`others` should be of the shape and dtype of the batch. Received: `x` of dtype float32 and shape"):
        mix(OTHER_X[:, :4])
    with refuses("`others` should be of the shape and dtype of the batch. Received: `x` of dtype float32 and shape"):
        mix((255 * OTHER_X).astype("uint8"))
    with refuses("`others` should hold nothing that the batch lacks. Received: `sample_weight`"):
        mix((OTHER_X, OTHER_Y, np.ones(OTHERS, "float32")))
    with refuses("`others` should have the structure of the batch"):
        mix({"image": OTHER_X}, batch=X, num_classes=None)
    with refuses("`pairing` should not look at targets where the partners are others. Received: pairing='same_class'."):
        mix((OTHER_X, OTHER_Y), Mixup(1.0, pairing="same_class"))
    maps = np.ones((SIZE, 6, 5, 1), "float32")
    with refuses("`others` should hold what is mixed of the features and cut with them. Received: no `y`."):
        mix(OTHER_X, CutMix(), (X, maps), num_classes=None)
    with refuses("no `padding_mask`"):
        mix({"image": OTHER_X}, batch={"image": X, "padding_mask": np.ones((SIZE, 3), bool)}, num_classes=None)


def test_doors_refuse_what_they_cannot_take_partners_from():
    tf = pytest.importorskip("tensorflow")
    with refuses("`others` should be a batched `tf.data.Dataset`. Received: a ndarray."):
        mixup(0.2, others=OTHER_X)
    with refuses("`others` should hold a batch at least. Received: an empty dataset."):
        mixup(0.2, others=tf.data.Dataset.range(0))
    with refuses("`others` can be given in a pipeline and in eager calls."):
        MixupLayer(0.2)(keras.Input((4,)), others=OTHER_X)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")])
    for method, at in ((Mixup(), "dense"), (ManifoldMixup(layers=("dense",)), None)):
        with refuses("`others` can be mixed with the input, and not with what a layer returns."):
            MixupModel(network, method, at=at, others=np.ones((3, 4), "float32"))
    with refuses("`others` should be arrays with as many rows each, one at least. Received: arrays of [2, 3] rows."):
        MixupModel(network, 0.2, others=(np.ones((3, 4), "float32"), np.ones(2)))
    MixupModel(network, MixupE(), others=np.ones((3, 4), "float32"))
