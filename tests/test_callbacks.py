"""`CleanMetrics`: what the model makes of data that are not mixed, without a trace in training."""

import re

import keras
import numpy as np
import pytest

from keras_mixup import MixupModel
from keras_mixup.callbacks import CleanMetrics
from keras_mixup.metrics import MixedAccuracy

CLASSES = 3
X = np.random.default_rng(1).normal(size=(22, 4)).astype("float32")
LABELS = np.random.default_rng(2).integers(CLASSES, size=22)
ROWS = np.eye(CLASSES, dtype="float32")[LABELS]


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def compiled(mixing=True):
    """A network with everything that training could disturb: dropout, moving averages, momentum, mixing."""
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.3, seed=4),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model = MixupModel(network, 1.0, num_classes=CLASSES, seed=5) if mixing else network
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=[MixedAccuracy()])
    return model


def clean(model):
    """Loss and accuracy on the data as they are, in NumPy."""
    p = model.predict(X, verbose=0).astype("float64")
    return -np.mean(np.sum(ROWS * np.log(p), 1)), np.mean(p.argmax(1) == LABELS)


class Recorder(keras.callbacks.Callback):
    """What a callback further down the list sees."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(dict(logs))


@pytest.mark.parametrize("mixing", [False, True], ids=["plain", "mixing"])
def test_training_goes_on_as_it_would_have_without(mixing):
    def train(*callbacks):
        model = compiled(mixing)
        history = model.fit(
            X[:20], ROWS[:20], epochs=2, batch_size=5, verbose=0, validation_split=0.25, callbacks=callbacks
        )
        state = [keras.ops.convert_to_tensor(v) for v in (*model.variables, *model.optimizer.variables)]
        return [keras.ops.convert_to_numpy(tensor) for tensor in state], history.history, model.get_metrics_result()

    state, history, metrics = train(CleanMetrics(X[:20], ROWS[:20], batch_size=5))
    expected_state, expected_history, expected_metrics = train()
    for array, expected in zip(state, expected_state, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert {key: history[key] for key in expected_history} == expected_history
    assert metrics == expected_metrics


@pytest.mark.parametrize("mixing", [False, True], ids=["plain", "mixing"])
def test_clean_data_are_measured_with_the_weights_of_that_epoch(mixing):
    model, recorder, expected = compiled(mixing), Recorder(), []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: expected.append(clean(model)))
    callbacks = [CleanMetrics(X, ROWS, batch_size=5), recorder, look]
    history = model.fit(X, ROWS, epochs=2, batch_size=5, verbose=0, callbacks=callbacks).history
    np.testing.assert_allclose(history["clean_loss"], [loss for loss, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(history["clean_mixed_accuracy"], [accuracy for _, accuracy in expected], rtol=1e-6)
    assert [epoch["clean_loss"] for epoch in recorder.epochs] == history["clean_loss"]
    assert sorted(history) == ["clean_loss", "clean_mixed_accuracy", "loss", "mixed_accuracy"]
    np.testing.assert_allclose(history["clean_loss"][-1], clean(model)[0], rtol=1e-5)


def test_several_sets_under_their_names_every_so_many_epochs():
    """Class ids become rows in `MixupModel`, in evaluation too."""
    model, recorder = compiled(), Recorder()
    callbacks = [CleanMetrics(X[:9], LABELS[:9], every=2, name="true"), CleanMetrics(X[9:], LABELS[9:]), recorder]
    history = model.fit(X, LABELS, epochs=4, batch_size=9, verbose=0, callbacks=callbacks).history
    assert ["true_loss" in epoch for epoch in recorder.epochs] == [False, True, False, True]
    assert (len(history["true_loss"]), len(history["clean_loss"])) == (2, 4)
    expected = model.evaluate(X[9:], LABELS[9:], verbose=0, return_dict=True)["loss"]
    assert history["clean_loss"][-1] == pytest.approx(expected)


def test_a_dataset_is_read_anew_every_epoch():
    tf = pytest.importorskip("tensorflow")
    callback, recorder = CleanMetrics(tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(7)), Recorder()
    callback.set_model(compiled())
    for epoch in range(2):
        logs = {}
        callback.on_epoch_end(epoch, logs)
        recorder.on_epoch_end(epoch, logs)
    assert recorder.epochs[0] == recorder.epochs[1]
    assert logs["clean_loss"] == pytest.approx(clean(callback.model)[0], rel=1e-5)


def test_it_can_do_without_logs():
    """As in a training loop of one's own, where nothing has been counted before."""
    callback = CleanMetrics(X, LABELS)
    callback.set_model(compiled())
    callback.on_epoch_end(0)
    assert callback.model.get_metrics_result() == {"loss": 0, "mixed_accuracy": 0}


@pytest.mark.parametrize("every", [0, -1, 1.0, True, None], ids=repr)
def test_every_out_of_range_is_refused(every):
    with refuses(f"`every` should be a positive integer. Received: every={every!r}."):
        CleanMetrics(X, LABELS, every=every)


def test_what_can_be_read_only_once_is_refused():
    with refuses("`x` should be arrays or a dataset that can be read again every epoch. Received: an iterator, x="):
        CleanMetrics(zip(X, LABELS, strict=True))


def test_an_endless_dataset_is_refused():
    tf = pytest.importorskip("tensorflow")
    with refuses("`x` should come to an end. Received: an endless dataset. Cut it: `x.take(100)`."):
        CleanMetrics(tf.data.Dataset.from_tensor_slices((X, LABELS)).repeat().batch(4))
