"""Manifold mixup: what the layers return is mixed where it should be, and nowhere else."""

import re

import keras
import numpy as np
import pytest
from contract import BACKEND, METHOD_DOORS, FixedWeights, features
from reference import mix_rows
from scipy import stats

from keras_mixup import ManifoldMixup, MixLayer, MixupModel, mix_with
from keras_mixup.batch import Batch
from keras_mixup.hidden import HiddenDraws, find_layer

JIT = [False, True] if BACKEND != "torch" else [False]
SLOWLY = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND != "torch" else [False]  # XLA takes its seconds
SIZE, INPUTS, HIDDEN, CLASSES = 6, 5, 4, 3
X = features(SIZE, (INPUTS,), seed=1) / 3
Y = np.eye(CLASSES, dtype="float32")[[0, 2, 1, 1, 0, 2]]
WEIGHT = np.array([0.3, 0.9, 0.05, 0.6, 1.0, 0.8], "float32")
ROLL = np.roll(np.arange(SIZE), 1)
CROSS_ENTROPY = keras.losses.CategoricalCrossentropy(from_logits=True)


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


class Block(keras.layers.Layer):
    """A subclassed layer with a layer inside a list."""

    def __init__(self, units, name="block"):
        super().__init__(name=name)
        self.inner = [keras.layers.Dense(units, "tanh", name="hidden")]

    def call(self, x):
        for layer in self.inner:
            x = layer(x)
        return x


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.block = Block(HIDDEN)
        self.head = keras.layers.Dense(CLASSES, "tanh", name="head")

    def call(self, x, training=None):
        return self.head(self.block(x))


def sequential():
    return keras.Sequential(
        [
            keras.Input((INPUTS,)),
            keras.layers.Dense(HIDDEN, "tanh", name="hidden"),
            keras.layers.Dense(CLASSES, "tanh", name="head"),
        ]
    )


def functional():
    inputs = keras.Input((INPUTS,))
    inside = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(HIDDEN, "tanh", name="hidden")])
    return keras.Model(inputs, keras.layers.Dense(CLASSES, "tanh", name="head")(inside(inputs)))


NETWORKS = {"sequential": sequential, "functional": functional, "subclassed": Subclassed}
of_every_kind = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


def made(make):
    network = make()
    network(X)
    generator = np.random.default_rng(4)
    network.set_weights([generator.normal(size=w.shape) for w in network.get_weights()])
    return network


def mixed(rows):
    return mix_rows(rows, WEIGHT, ROLL)


def step_in_numpy(place, w1, b1, w2, b2, rate=0.1):
    """Loss and new weights after a step that mixes at one place; the hidden layer's gradient goes through the mix."""
    matrix = np.zeros((SIZE, SIZE))
    matrix[np.arange(SIZE), np.arange(SIZE)] += WEIGHT
    matrix[np.arange(SIZE), ROLL] += 1 - WEIGHT
    first, second, third = ((matrix if place == p else np.eye(SIZE)) for p in (None, "hidden", "head"))
    x = first @ X
    hidden = np.tanh(x @ w1 + b1)
    top = np.tanh(second @ hidden @ w2 + b2)
    logits = third @ top
    y = matrix @ Y
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.mean(np.sum(y * np.log(p), 1))
    slope = third.T @ (p - y) / SIZE * (1 - top**2)
    back = second.T @ (slope @ w2.T) * (1 - hidden**2)
    gradients = x.T @ back, back.sum(0), (second @ hidden).T @ slope, slope.sum(0)
    return loss, [w - rate * g for w, g in zip((w1, b1, w2, b2), gradients, strict=True)]


@pytest.mark.parametrize("jit_compile", SLOWLY)
@pytest.mark.parametrize("place", ["hidden", "head"])
@of_every_kind
def test_one_step_mixes_the_outputs_of_the_layer_and_the_targets_alike(make, place, jit_compile):
    network = made(make)
    weights = [w.astype(float) for w in network.get_weights()]
    method = ManifoldMixup((place,), FixedWeights(*WEIGHT), include_input=False, pairing="roll")
    model = MixupModel(network, method)
    model.compile(keras.optimizers.SGD(0.1), CROSS_ENTROPY, jit_compile=jit_compile)
    loss = model.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0).history["loss"][0]
    expected, after = step_in_numpy(place, *weights)
    assert loss == pytest.approx(expected, rel=1e-5)
    for ours, numpy in zip(network.get_weights(), after, strict=True):
        np.testing.assert_allclose(ours, numpy, rtol=1e-4, atol=1e-5)
    others = [step_in_numpy(other, *weights)[0] for other in (None, "hidden", "head", "nowhere") if other != place]
    assert min(abs(expected - other) for other in others) > 1e-3


@pytest.mark.parametrize("jit_compile", JIT)
def test_the_places_take_turns_and_each_is_as_likely(jit_compile):
    """The loss of a step (learning rate 0) tells the place. Chi-squared over 300 steps, fails by chance at 1e-9."""
    network = made(sequential)
    weights = [w.astype(float) for w in network.get_weights()]
    method = ManifoldMixup(("hidden", "head"), FixedWeights(*WEIGHT), pairing="roll")
    assert method.places == ("hidden", "head", None)
    model = MixupModel(network, method, seed=2)
    model.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY, jit_compile=jit_compile)
    losses = []
    for _ in range(300):
        model.reset_metrics()
        losses.append(model.train_on_batch(X, Y))
    expected = np.array([step_in_numpy(place, *weights)[0] for place in method.places])
    distance = np.abs(np.array(losses)[:, None] - expected)
    assert distance.min(1).max() < 1e-4
    assert stats.chisquare(np.bincount(distance.argmin(1), minlength=3)).pvalue > 1e-9


def test_targets_follow_in_every_turn_and_at_most_one_place_is_mixed():
    method = ManifoldMixup(("a", "b"), 1.0)
    for seed in range(8):
        hidden = HiddenDraws(method, method.places)
        draw = hidden.draw(Batch(9), keras.random.SeedGenerator(seed))
        weights = [np.asarray(keras.ops.convert_to_numpy(hidden.at[place].weight)) for place in method.places]
        targets = np.asarray(keras.ops.convert_to_numpy(draw.target_weight))
        assert (targets < 1).all()
        active = [w for w in weights if (w < 1).any()]
        assert len(active) == 1
        np.testing.assert_array_equal(active[0], targets)
        np.testing.assert_array_equal(np.asarray(keras.ops.convert_to_numpy(draw.weight)), weights[2])


@of_every_kind
def test_nothing_is_mixed_outside_of_training(make):
    network = made(make)
    plain = np.asarray(keras.ops.convert_to_numpy(network(X)))
    method = ManifoldMixup(("hidden", "head"), FixedWeights(0.3), include_input=False, pairing="roll")
    model = MixupModel(network, method)
    model.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)

    def check():
        np.testing.assert_allclose(model.predict(X, verbose=0), plain, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(model(X, training=True)), plain, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(network(X)), plain, rtol=1e-5, atol=1e-6)

    check()
    history = model.fit(X, Y, validation_data=(X, Y), shuffle=False, verbose=0).history
    check()
    p = np.exp(plain) / np.exp(plain).sum(1, keepdims=True)
    assert history["val_loss"][0] == pytest.approx(-np.mean(np.sum(Y * np.log(p), 1)), rel=1e-4)
    assert abs(history["loss"][0] - history["val_loss"][0]) > 1e-3


def test_a_step_that_fails_leaves_nothing_behind():
    """The next call of the network would otherwise be mixed."""
    network = made(sequential)
    plain = np.asarray(keras.ops.convert_to_numpy(network(X)))

    def broken(y_true, y_pred):
        raise RuntimeError("broken loss")

    model = MixupModel(network, ManifoldMixup(("hidden",), FixedWeights(0.3), include_input=False, pairing="roll"))
    model.compile("sgd", broken)
    with pytest.raises(Exception, match="broken loss"):
        model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(np.asarray(keras.ops.convert_to_numpy(network(X))), plain)


def test_alpha_zero_is_training_as_usual():
    networks = made(sequential), made(sequential)
    for model in (networks[0], MixupModel(networks[1], ManifoldMixup(("hidden",), 0.0))):
        model.compile(keras.optimizers.SGD(0.1), CROSS_ENTROPY)
        model.fit(X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0)
    for one, two in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_model_is_saved_and_still_mixes(tmp_path):
    method = ManifoldMixup(("hidden",), 2.0, per="batch")
    model = MixupModel(made(sequential), method, seed=1)
    model.compile("sgd", CROSS_ENTROPY)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.method == method
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    kwargs = {"batch_size": 3, "shuffle": False, "verbose": 0, "epochs": 3}
    np.testing.assert_allclose(
        again.fit(X, Y, **kwargs).history["loss"], model.fit(X, Y, **kwargs).history["loss"], rtol=1e-5
    )


def test_layers_are_found_wherever_they_are():
    network = Subclassed()
    assert find_layer(network, "hidden") is network.block.inner[0]
    assert find_layer(network, "block") is network.block
    assert find_layer(network, "head") is network.head


@pytest.mark.parametrize("name, fits", [("nowhere", 0), ("twice", 2)])
def test_names_that_fit_no_layer_or_several_are_refused(name, fits):
    inside = [keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(INPUTS, name="twice")]) for _ in range(2)]
    network = keras.Sequential([keras.Input((INPUTS,)), *inside], name="all")
    with refuses(f"`layers` should name one layer each. Received: {name!r}, which fits {fits} layers of ['all', "):
        MixupModel(network, ManifoldMixup((name,)))


@pytest.mark.parametrize("layers", [(), "hidden", None, (1,), ("a", None), ("a", "a")], ids=repr)
def test_layers_are_checked(layers):
    with refuses(f"`layers` should be the names of one layer or more, each once. Received: layers={layers!r}."):
        ManifoldMixup(layers)


@pytest.mark.parametrize("construct", [MixLayer, mix_with, lambda method: METHOD_DOORS["layer"](X, method)])
def test_it_needs_the_network(construct):
    with refuses(
        "`ManifoldMixup` needs the network. Use it with `MixupModel(network, method)`. Received: method=ManifoldMixup("
    ):
        construct(ManifoldMixup(("hidden",)))


@pytest.mark.parametrize("layers, places", [(["a", "b"], ("a", "b", None)), (("a",), ("a", None))])
def test_the_places(layers, places):
    assert ManifoldMixup(layers).places == places
    assert ManifoldMixup(layers, include_input=False).places == places[:-1]
    assert ManifoldMixup(layers) == ManifoldMixup(tuple(layers))
