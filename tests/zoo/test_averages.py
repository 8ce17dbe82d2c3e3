"""Moving averages of the statistics of batch normalisation against NumPy, and that runs are tested with them."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.model import MixupModel
from keras_mixup.zoo import averages, networks, recipes, runs, train
from keras_mixup.zoo.engine import Engine
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(1.0, 2.0, (5, 6, 3)).astype("float32")  # steps, examples, features
Y = np.eye(2, dtype="float32")[RANDOM.integers(0, 2, (5, 6))]
MOMENTUM = 0.8
RECIPE = dataclasses.replace(
    recipes.get("digits"),
    rows=(),
    train_size=40,
    batch_size=10,
    epochs=2,
    ema=0.7,
    ema_statistics="on",
)


def network():
    inputs = keras.Input((3,))
    inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.6)])  # nested, too
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.BatchNormalization(momentum=0.9)(inner(inputs))))


def normalised(shape, classes):
    inputs = keras.Input(shape)
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8)(keras.layers.Flatten()(inputs)))
    return keras.Model(inputs, keras.layers.Dense(classes)(hidden))


def models():
    plain = network()
    yield plain, keras.Model(plain.input, plain.output)
    mixed = network()
    yield mixed, MixupModel(mixed, Mixup(1.0), seed=1)
    twice = network()
    yield twice, MixupModel(twice, MixupE(1.0, eta=0.5), seed=1)  # its second pass moves the statistics again


@pytest.mark.parametrize("case", range(3), ids=["plain", "mixup", "mixupe"])
def test_the_average_is_that_of_numpy_over_steps(case):
    inner, model = list(models())[case]
    average = averages.StatisticsAverage(model, inner, MOMENTUM)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    assert len(average.statistics) == 4  # two layers have a mean and a variance each
    expected = None
    for x, y in zip(X, Y, strict=True):
        model.train_on_batch(x, y)
        now = [np.array(keras.ops.convert_to_numpy(value)) for value in average.statistics]
        expected = (
            now
            if expected is None
            else [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(expected, now, strict=True)]
        )
    assert not np.allclose(expected[0], now[0], rtol=1e-2)
    model.evaluate(X[0], Y[0], verbose=0)  # is no step
    average.finalize()
    for value, right in zip(average.statistics, expected, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(value), right, rtol=1e-5)


def test_weights_and_statistics_come_back_after_a_test():
    inner = network()
    model = keras.Model(inner.input, inner.output)
    average = averages.StatisticsAverage(model, inner, MOMENTUM)
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=MOMENTUM), "mse")
    for x, y in zip(X, Y, strict=True):
        model.train_on_batch(x, y)
    before = inner.get_weights()
    with averages.averaged(model, average):
        inside = inner.get_weights()
    pairs = zip(inner.weights, before, inside, strict=True)
    changed = {variable.path.split("/")[-1] for variable, a, b in pairs if not np.allclose(a, b)}
    assert {"moving_mean", "moving_variance", "gamma", "kernel"} <= changed
    for a, b in zip(before, inner.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", [None, Mixup(1.0)], ids=["erm", "mixup"])
def test_what_is_kept_is_what_was_tested(method, tmp_path, monkeypatch):
    """`network.keras` gives the scores of the last epoch; a run that was stopped ends with the same network."""
    monkeypatch.setattr(networks, "get", lambda name: normalised)
    row = Row("row", "row", method, settings={"door": "model"})
    data = runs.load(RECIPE, row, 0)

    def trained(folder, recipe=RECIPE, stop=False):
        def on_epoch(*records):
            if stop:
                raise InterruptedError

        return train.train(recipe, row, 0, data, on_epoch, folder, Engine(), runs.to_stderr)

    for name in ("whole", "stopped", "raw"):
        (tmp_path / name).mkdir()
    scores = trained(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        trained(tmp_path / "stopped", stop=True)
    again = trained(tmp_path / "stopped")
    kept = [keras.saving.load_model(tmp_path / name / train.NETWORK).get_weights() for name in ("whole", "stopped")]
    assert (again["error"], again["nll"]) == (scores["error"], scores["nll"])
    for a, b in zip(*kept, strict=True):
        np.testing.assert_array_equal(a, b)
    loaded = keras.saving.load_model(tmp_path / "whole" / train.NETWORK)
    logits = loaded.predict(data.source.features(data.test.features), verbose=0)
    assert data.source.task.scores(logits, data.test.labels)["nll"] == pytest.approx(scores["nll"], rel=1e-4)
    raw = trained(tmp_path / "raw", dataclasses.replace(RECIPE, ema_statistics="off"))
    assert raw["nll"] != pytest.approx(scores["nll"], rel=1e-3)
    learned = keras.saving.load_model(tmp_path / "raw" / train.NETWORK).trainable_variables
    for a, b in zip(learned, loaded.trainable_variables, strict=True):  # training itself is the same
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


def test_there_is_nothing_to_average_without_an_average():
    message = r"^`ema` should be > 0 if ema_statistics is on\. Received: ema=0\.$"
    with pytest.raises(UserError, match=message):
        dataclasses.replace(RECIPE, ema=0.0)


def test_the_rows_of_mixupe_have_it():
    rows = {row.name: row for row in recipes.get("imagenet").rows}
    assert rows["resnet50-mixupe-320"].settings["ema_statistics"] == "on"
    assert "ema_statistics" not in rows["resnet50-mixup-90"].settings
