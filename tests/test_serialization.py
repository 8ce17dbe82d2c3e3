"""Everything can be saved and comes back the same, in a process that has never heard of it."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from contract import FixedWeights, features, to_numpy

from keras_mixup import Mixup, MixupLayer, MixupModel

X = features(6, (4,), seed=1)
LABELS = np.array([0, 2, 1, 1, 0, 2])


@keras.saving.register_keras_serializable(package="keras_mixup_tests")
def next_one(size, seed, targets=None):
    """A pairing rule of one's own."""
    return (keras.ops.arange(size, dtype="int32") + 1) % size


# --- Configurations -------------------------------------------------------------------------------------------------

ARGUMENTS = {
    "none": {},
    "alpha": {"alpha": 0.7},
    "alpha int": {"alpha": 1},
    "per": {"per": "batch"},
    "pairing": {"pairing": "other_class"},
    "function": {"pairing": next_one},
    "probability": {"probability": 0.5},
    "num_classes": {"num_classes": 10},
    "seed": {"seed": 3},
    "keras": {"name": "mixer", "dtype": "mixed_bfloat16", "trainable": False},
    "all": {
        "alpha": 0.4,
        "per": "batch",
        "pairing": "roll",
        "probability": 0.9,
        "num_classes": 3,
        "seed": 5,
        "name": "m",
    },
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
@pytest.mark.parametrize("way", ["from_config", "json"])
def test_a_layer_comes_back_from_its_config(arguments, way):
    layer = MixupLayer(**arguments)
    if way == "from_config":
        again = MixupLayer.from_config(layer.get_config())
    else:
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        again = keras.saving.deserialize_keras_object(config)
    assert again.method == layer.method
    for name in ("layout", "seed", "name", "compute_dtype", "trainable"):
        assert getattr(again, name) == getattr(layer, name)
    assert again.get_config() == layer.get_config()
    for name, value in arguments.items():
        held = {**vars(again.method), "num_classes": again.layout.num_classes, "seed": again.seed, "name": again.name}
        assert held.get(name, value) == value


def test_from_config_leaves_the_config_alone():
    config = MixupLayer(0.4, seed=1).get_config()
    before = dict(config)
    MixupLayer.from_config(config)
    assert config == before


def test_from_config_of_a_model_leaves_the_config_alone():
    config = MixupModel(keras.layers.Dense(3), 0.4, seed=1).get_config()
    before = dict(config)
    MixupModel.from_config(config)
    assert config == before


def test_a_layer_with_a_seed_starts_over_from_its_config():
    layer = MixupLayer(0.9, seed=4)
    again = MixupLayer.from_config(layer.get_config())
    np.testing.assert_array_equal(to_numpy(layer(X)), to_numpy(again(X)))


def test_a_method_comes_back_from_json():
    method = Mixup(0.4, per="batch", pairing=next_one, probability=0.5)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(method)))
    assert keras.saving.deserialize_keras_object(config) == method


@pytest.mark.parametrize("method", [0.4, Mixup(0.4, per="batch", pairing="derangement")])
def test_a_model_comes_back_from_json(method):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = MixupModel(network, method, num_classes=3, seed=5, name="outer")
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))
    assert (again.method, again.layout.num_classes, again.seed, again.name) == (model.method, 3, 5, "outer")
    assert [type(layer).__name__ for layer in again.network.layers] == ["Dense"]


# --- Distributions in place of alpha --------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="keras_mixup_tests")
class Saved(FixedWeights):
    """A distribution that tells Keras how to save it."""

    def get_config(self):
        return {"weights": self.weights.tolist()}

    @classmethod
    def from_config(cls, config):
        return cls(*config["weights"])


def test_a_distribution_that_can_be_saved_is():
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(MixupLayer(Saved(0.3, 0.9)))))
    again = keras.saving.deserialize_keras_object(config)
    np.testing.assert_allclose(again.method.alpha.weights, [0.3, 0.9], rtol=1e-6)


def test_a_distribution_that_cannot_be_saved_is_refused_when_saving():
    """Better no file than a file that cannot be loaded."""
    layer = MixupLayer(FixedWeights(0.3))
    to_numpy(layer(X))
    with pytest.raises((TypeError, ValueError, NotImplementedError), match="FixedWeights|serial|JSON"):
        json.dumps(keras.saving.serialize_keras_object(layer))


# --- Files, in a fresh process --------------------------------------------------------------------------------------

FRESH = """
import json, sys
import numpy as np, keras
import keras_mixup
folder = sys.argv[1]
data = np.load(folder + "/data.npz")
x, labels = data["x"], data["labels"]
functional = keras.saving.load_model(folder + "/functional.keras")
layer = functional.get_layer("mixer")
model = keras.saving.load_model(folder + "/model.keras")
predicted = model.predict(x, verbose=0)
loss, accuracy = model.evaluate(x, labels, verbose=0)
before = [w.copy() for w in model.network.get_weights()]
step = int(np.asarray(keras.ops.convert_to_numpy(model.optimizer.iterations)))
history = model.fit(x, labels, batch_size=3, epochs=2, shuffle=False, verbose=0).history["loss"]
moved = any(not np.array_equal(a, b) for a, b in zip(before, model.network.get_weights()))
print("RESULT " + json.dumps({
    "functional": functional.predict(x, verbose=0).tolist(),
    "layer": [layer.method.alpha, layer.method.per, layer.method.pairing, layer.method.probability, layer.seed],
    "predicted": predicted.tolist(), "evaluated": [loss, accuracy], "step": step, "moved": moved, "history": history,
    "method": [model.method.alpha, model.method.pairing], "num_classes": model.layout.num_classes, "seed": model.seed,
}))
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """What a fresh process without `custom_objects` finds in two `.keras` files, and what was put in."""
    folder = tmp_path_factory.mktemp("saved")
    np.savez(folder / "data.npz", x=X, labels=LABELS)

    inputs = keras.Input((4,))
    mixer = MixupLayer(0.4, per="batch", pairing="derangement", probability=0.9, seed=5, name="mixer")
    functional = keras.Model(inputs, keras.layers.Dense(3)(mixer(inputs)))
    functional.save(folder / "functional.keras")

    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model = MixupModel(network, Mixup(0.4, pairing="derangement"), num_classes=3, seed=5)
    model.compile(keras.optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, LABELS, batch_size=3, epochs=2, shuffle=False, verbose=0)
    model.save(folder / "model.keras")
    given = {
        "functional": functional.predict(X, verbose=0),
        "predicted": model.predict(X, verbose=0),
        "evaluated": model.evaluate(X, LABELS, verbose=0),
    }
    given["history"] = model.fit(X, LABELS, batch_size=3, epochs=2, shuffle=False, verbose=0).history["loss"]
    run = subprocess.run([sys.executable, "-c", FRESH, str(folder)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("RESULT "))
    return given, json.loads(line.removeprefix("RESULT "))


def test_a_functional_model_with_the_layer_loads_in_a_fresh_process(fresh):
    given, found = fresh
    np.testing.assert_allclose(found["functional"], given["functional"], rtol=1e-6)
    assert found["layer"] == [0.4, "batch", "derangement", 0.9, 5]


def test_a_mixup_model_loads_in_a_fresh_process_and_predicts_the_same(fresh):
    given, found = fresh
    np.testing.assert_allclose(found["predicted"], given["predicted"], rtol=1e-6)
    np.testing.assert_allclose(found["evaluated"], given["evaluated"], rtol=1e-5)
    assert (found["method"], found["num_classes"], found["seed"]) == ([0.4, "derangement"], 3, 5)


def test_a_loaded_mixup_model_goes_on_training_where_it_stopped(fresh):
    """Weights and optimizer are in the file: the losses that follow are those that would have followed."""
    given, found = fresh
    assert found["step"] == 4
    assert found["moved"]
    np.testing.assert_allclose(found["history"], given["history"], rtol=1e-5)


def small_model(seed=1):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model = MixupModel(network, 0.4, num_classes=3, seed=seed)
    model.compile("sgd", loss="categorical_crossentropy")
    return model


def test_weights_alone_can_be_saved(tmp_path):
    model, other = small_model(), small_model(2)
    model.fit(X, LABELS, verbose=0)
    other.fit(X, LABELS, verbose=0)
    model.save_weights(tmp_path / "mixup.weights.h5")
    other.load_weights(tmp_path / "mixup.weights.h5")
    np.testing.assert_allclose(other.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_the_network_can_be_saved_by_itself(tmp_path):
    model = small_model()
    model.fit(X, LABELS, verbose=0)
    model.network.save(tmp_path / "network.keras")
    network = keras.saving.load_model(tmp_path / "network.keras")
    assert not isinstance(network, MixupModel)
    np.testing.assert_allclose(network.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_a_checkpoint_callback_saves_the_model(tmp_path):
    model = small_model()
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True)
    model.fit(X, LABELS, validation_data=(X, LABELS), callbacks=[callback], verbose=0)
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_a_clone_is_another_layer_of_the_same_kind():
    model = keras.Sequential([keras.Input((4,)), MixupLayer(0.4, per="batch", seed=2)])
    clone = keras.models.clone_model(model)
    assert clone.layers[0] is not model.layers[0]
    assert clone.layers[0].method == model.layers[0].method
