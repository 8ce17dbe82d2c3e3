"""`MixedAccuracy`: how much of a mixed target is guessed, counted by hand."""

import re

import keras
import numpy as np
import pytest

from keras_mixup.losses import PairLoss
from keras_mixup.metrics import MixedAccuracy

BACKEND = keras.backend.backend()
JIT = [False, True] if BACKEND != "torch" else [False]
CLASSES = 4
A = np.array([0, 1, 2, 3, 2])
B = np.array([3, 2, 2, 0, 1])
WEIGHT = np.array([0.7, 0.2, 0.6, 0.9, 1.0], "float32")
PAIRS = np.stack([A, B, WEIGHT], axis=1).astype("float32")
ROWS = (WEIGHT[:, None] * np.eye(CLASSES)[A] + (1 - WEIGHT)[:, None] * np.eye(CLASSES)[B]).astype("float32")
# The classes by falling probability: the original, the partner, both of one class, neither, the partner of weight 0.
ORDER = np.array([[0, 1, 3, 2], [2, 0, 3, 1], [2, 3, 1, 0], [1, 2, 0, 3], [1, 0, 2, 3]])
PREDICTIONS = np.zeros((5, CLASSES), "float32")
np.put_along_axis(PREDICTIONS, ORDER, np.array([[4.0, 1.5, -1.0, -3.0]], "float32"), axis=1)
SHARES = {  # of each target among the first k of its row of ORDER
    1: [0.7, 0.8, 1.0, 0.0, 0.0],
    2: [0.7, 0.8, 1.0, 0.0, 0.0],
    3: [1.0, 0.8, 1.0, 0.1, 1.0],
    4: [1.0, 1.0, 1.0, 1.0, 1.0],
}
HITS = {1: [1, 0, 1, 0, 0], 2: [1, 0, 1, 0, 0], 3: [1, 0, 1, 0, 1], 4: [1, 1, 1, 1, 1]}  # of A, as ordinary accuracy
SAMPLE_WEIGHT = np.array([1.0, 3.0, 0.5, 2.0, 0.25], "float32")


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def measured(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(keras.ops.convert_to_numpy(metric.result()))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", SHARES)
@pytest.mark.parametrize("targets, pairs", [(ROWS, False), (PAIRS, True)], ids=["rows", "pairs"])
def test_the_share_of_the_first_k_guesses_is_counted(targets, pairs, k, weighted):
    sample_weight = SAMPLE_WEIGHT if weighted else None
    accuracy = measured(MixedAccuracy(k, pairs), (targets, PREDICTIONS, sample_weight))
    np.testing.assert_allclose(accuracy, np.average(SHARES[k], weights=sample_weight), rtol=1e-6)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("k", HITS)
@pytest.mark.parametrize("targets", [A, A[:, None], A.astype("float32"), A.astype("uint8")], ids=lambda a: f"{a.dtype}")
def test_against_class_ids_it_is_the_ordinary_accuracy(targets, k, pairs):
    accuracy = measured(MixedAccuracy(k, pairs), (targets, PREDICTIONS, SAMPLE_WEIGHT))
    np.testing.assert_allclose(accuracy, np.average(HITS[k], weights=SAMPLE_WEIGHT), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_against_one_hot_rows_it_is_that_of_keras(k):
    rows = np.eye(CLASSES, dtype="float32")[A]
    ordinary = keras.metrics.TopKCategoricalAccuracy(k)
    assert measured(MixedAccuracy(k), (rows, PREDICTIONS)) == measured(ordinary, (rows, PREDICTIONS))


def test_three_classes_are_rows_or_pairs_as_told():
    """The row [0, 1, 0.75] of a multi-label target reads as a pair too."""
    targets, predictions = np.array([[0.0, 1.0, 0.75]], "float32"), np.array([[3.0, 2.0, 1.0]], "float32")
    assert measured(MixedAccuracy(), (targets, predictions)) == 0.0
    assert measured(MixedAccuracy(pairs=True), (targets, predictions)) == 0.75


def test_every_pixel_of_soft_masks_counts():
    rows, ids = ROWS[:4].reshape(2, 2, CLASSES), A[:4].reshape(2, 2)
    predictions = PREDICTIONS[:4].reshape(2, 2, CLASSES)
    np.testing.assert_allclose(measured(MixedAccuracy(), (rows, predictions)), np.mean(SHARES[1][:4]), rtol=1e-6)
    np.testing.assert_allclose(measured(MixedAccuracy(3), (ids, predictions)), np.mean(HITS[3][:4]), rtol=1e-6)


def test_batches_of_different_size_and_form_stream_into_one_mean():
    metric = MixedAccuracy(pairs=True)
    accuracy = measured(metric, (PAIRS[:1], PREDICTIONS[:1]), (PAIRS[1:4], PREDICTIONS[1:4]), (A[4:], PREDICTIONS[4:]))
    np.testing.assert_allclose(accuracy, np.mean([0.7, 0.8, 1.0, 0.0, 0.0]), rtol=1e-6)
    metric.reset_state()
    np.testing.assert_allclose(measured(metric, (PAIRS[:1], PREDICTIONS[:1])), 0.7, rtol=1e-6)


@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float64"])
def test_half_precision_neither_rounds_ids_nor_loses_count(floatx):
    """2049 is not a float16; a sum of float16 stops growing at 2048."""
    keras.config.set_floatx(floatx)
    try:
        metric = MixedAccuracy(pairs=True)
        predictions = np.zeros((1, 2050), "float32")
        predictions[0, 2049] = 1.0
        predictions = keras.ops.cast(np.repeat(predictions, 30, axis=0), floatx)
        pairs = np.repeat(np.array([[7, 2049, 0.25]], "float32"), 30, axis=0)
        batches = [(pairs, predictions)] * 2 + [(np.full(30, 2048), predictions)] * 98
        accuracy = measured(metric, *batches)
    finally:
        keras.config.set_floatx("float32")
    np.testing.assert_allclose(accuracy, 0.75 * 60 / 3000, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", JIT)
def test_it_counts_in_fit_and_evaluate(jit_compile):
    """Keras' own accuracy reads the pairs as rows of three classes, and says nothing."""
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Identity()])
    loss = PairLoss(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    metrics = [MixedAccuracy(pairs=True), MixedAccuracy(3, pairs=True), "accuracy"]
    model.compile(optimizer="sgd", loss=loss, metrics=metrics, jit_compile=jit_compile)
    logs = model.evaluate(PREDICTIONS, PAIRS, batch_size=2, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["mixed_accuracy"], np.mean(SHARES[1]), rtol=1e-6)
    np.testing.assert_allclose(logs["mixed_top_3_accuracy"], np.mean(SHARES[3]), rtol=1e-6)
    assert abs(logs["accuracy"] - np.mean(SHARES[1])) > 0.05
    logs = model.evaluate(PREDICTIONS, A, batch_size=2, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["mixed_accuracy"], np.mean(HITS[1]), rtol=1e-6)


def test_it_is_saved_with_the_model(tmp_path):
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)])
    model.compile("sgd", "categorical_crossentropy", metrics=[MixedAccuracy(), MixedAccuracy(2, name="two")])
    logs = model.evaluate(PREDICTIONS, ROWS, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(PREDICTIONS, ROWS, verbose=0, return_dict=True) == pytest.approx(logs)


def test_it_round_trips():
    metric = keras.metrics.deserialize(keras.metrics.serialize(MixedAccuracy(3, pairs=True, name="mine")))
    assert (metric.k, metric.pairs, metric.name) == (3, True, "mine")
    np.testing.assert_allclose(measured(metric, (PAIRS, PREDICTIONS)), np.mean(SHARES[3]), rtol=1e-6)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -1, 1.0, True, "1", None], ids=repr)
def test_a_k_out_of_range_is_refused(k):
    with refuses(f"`k` should be a positive integer. Received: k={k!r}."):
        MixedAccuracy(k)


@pytest.mark.parametrize("k, classes, least", [(5, 4, 5), (1, 1, 2), (2, 1, 2)])
def test_too_few_classes_are_refused(k, classes, least):
    """A single sigmoid unit has one class, which would always be the first."""
    with refuses(
        f"Predictions should have at least {least} classes on the last axis. Received: y_pred of shape (5, {classes}) "
        f"with k={k}."
    ):
        MixedAccuracy(k).update_state(A, PREDICTIONS[:, :classes])


@pytest.mark.parametrize(
    "shape, pairs, form",
    [
        ((5, 3), False, "rows of 4 classes"),  # pairs, and nobody said so
        ((5, 4), True, "pairs of shape (batch, ..., 3)"),
        ((), False, "rows of 4 classes"),
        ((5, 1, 4), False, "rows of 4 classes"),
    ],
)
def test_targets_of_another_shape_are_refused(shape, pairs, form):
    with refuses(
        f"Targets should be {form}, or class ids. Received: y_true of shape {shape}, y_pred of shape (5, 4) "
        f"with pairs={pairs}."
    ):
        MixedAccuracy(pairs=pairs).update_state(np.ones(shape, "float32"), PREDICTIONS)
