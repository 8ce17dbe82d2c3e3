"""MixupE: the penalty, its exact and its approximate derivative, and one training step, against NumPy."""

import re

import keras
import numpy as np
import pytest
from contract import BACKEND, FixedWeights, features, to_numpy
from reference import mix_rows

from keras_mixup import Mixup, MixupE, MixupModel
from keras_mixup.mixupe import approximate_derivative, exact_derivative

JIT = [False, True] if BACKEND != "torch" else [False]
SLOWLY = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND != "torch" else [False]  # XLA takes its seconds
SIZE, INPUTS, CLASSES = 7, 5, 3
X = features(SIZE, (INPUTS,), seed=1) / 3
LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
Y = np.eye(CLASSES, dtype="float32")[LABELS]
LOGITS = features(SIZE, (CLASSES,), seed=2)
CROSS_ENTROPY = keras.losses.CategoricalCrossentropy(from_logits=True)


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def cross_entropy(y, logits):
    return -np.mean(np.sum(y * np.log(softmax(logits)), -1))


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def small_network(bias=True):
    """Two smooth layers, with weights of its own."""
    generator = np.random.default_rng(4)
    network = keras.Sequential(
        [
            keras.Input((INPUTS,)),
            keras.layers.Dense(4, "tanh", use_bias=bias),
            keras.layers.Dense(CLASSES, use_bias=bias),
        ]
    )
    network.set_weights([generator.normal(size=w.shape) for w in network.get_weights()])
    return network


def linear_network(use_bias=False):
    generator = np.random.default_rng(5)
    network = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(CLASSES, use_bias=use_bias)])
    network.set_weights([generator.normal(size=w.shape) for w in network.get_weights()])
    return network


def forward(x, weights):
    w1, b1, w2, b2 = weights
    return np.tanh(x @ w1 + b1) @ w2 + b2


# --- q --------------------------------------------------------------------------------------------------------------


def test_the_approximate_derivative_is_the_formula():
    expected = np.sum((Y - softmax(LOGITS.astype(float))) * LOGITS, -1)
    for detached in (False, True):
        np.testing.assert_allclose(
            to_numpy(approximate_derivative(Y, LOGITS, detached)), expected, rtol=1e-5, atol=1e-6
        )
    assert expected.min() < 0 < expected.max()


def test_log_probabilities_do_as_well_as_logits():
    """They differ by a constant per row, and y - p sums to zero."""
    logarithms = np.log(softmax(LOGITS))
    one, other = approximate_derivative(Y, LOGITS), approximate_derivative(Y, logarithms)
    np.testing.assert_allclose(to_numpy(one), to_numpy(other), rtol=1e-4, atol=1e-5)


def test_both_derivatives_agree_on_a_linear_model_without_bias_and_data_of_mean_zero():
    """The identity of section 3, with its sign."""
    network = linear_network()
    exact = to_numpy(exact_derivative(network, keras.ops.convert_to_tensor(X), Y, 0.0))
    approximate = to_numpy(approximate_derivative(Y, network(X)))
    np.testing.assert_allclose(exact, approximate, rtol=1e-5, atol=1e-6)
    assert np.abs(exact).min() > 1e-3 and exact.min() < 0 < exact.max()


@pytest.mark.parametrize("x_mean", [0.0, 0.7, np.linspace(-1, 2, INPUTS).astype("float32")], ids=["0", "0.7", "array"])
@pytest.mark.parametrize("training", [True, False])
def test_the_exact_derivative_is_the_slope_towards_the_mean(x_mean, training):
    """Central differences in float64 of logits along mean(x') - x, weighed by p - y."""
    network = small_network()
    weights = [w.astype(float) for w in network.get_weights()]
    x, step = X.astype(float), 1e-6
    direction = x_mean - x
    slope = (forward(x + step * direction, weights) - forward(x - step * direction, weights)) / (2 * step)
    expected = np.sum((softmax(forward(x, weights)) - Y) * slope, -1)
    q = to_numpy(exact_derivative(network, keras.ops.convert_to_tensor(X), Y, x_mean, training))
    np.testing.assert_allclose(q, expected, rtol=1e-4, atol=1e-5)


def test_the_exact_derivative_takes_one_tensor_of_features():
    with refuses("The exact variants of `MixupE` need one tensor of features. Received: several."):
        exact_derivative(small_network(), {"a": X, "b": X}, Y, 0.0)


# --- The penalty ----------------------------------------------------------------------------------------------------

Q = np.array([0.5, -1.5, 2.0, 0.9, -0.1, 3.0, 1.1])
EXPECTED = {
    "paper": np.abs(Q).mean(),
    "exact": np.abs(Q).mean(),
    "exact_below": Q[Q < 1].sum() / 7,
    "raise_below": -Q[Q < 1].sum() / 7,
    "raise_mean": -Q.mean(),
    "raise_absolute": -np.abs(Q).mean(),
}


@pytest.mark.parametrize("variant", EXPECTED)
@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_every_variant_sums_up_as_documented(variant, alpha):
    method = MixupE(alpha, variant=variant, threshold=1.0)
    coefficient = 1 - (alpha + 1) / (2 * alpha + 1)  # as in Listing 1
    assert method.coefficient == pytest.approx(coefficient)
    penalty = method.penalty(Y, LOGITS, keras.ops.convert_to_tensor(Q.astype("float32")))
    np.testing.assert_allclose(to_numpy(penalty), coefficient * EXPECTED[variant], rtol=1e-5)


@pytest.mark.parametrize("threshold", [0.5, -1.0, 10.0])
def test_the_threshold_is_a_strict_bound(threshold):
    penalty = MixupE(1.0, variant="exact_below", threshold=threshold).penalty(
        Y, None, keras.ops.convert_to_tensor(Q.astype("float32"))
    )
    np.testing.assert_allclose(to_numpy(penalty), Q[Q < threshold].sum() / 7 / 3, rtol=1e-5, atol=1e-7)


# --- One step of training -------------------------------------------------------------------------------------------

KEEP, ETA, RATE = 0.3, 0.5, 0.1
ROLL = np.roll(np.arange(SIZE), 1)


def approximate(weights, detached_p):
    logits = X @ weights
    return np.sum((Y - (softmax(logits) if detached_p is None else detached_p)) * logits, -1)


def exact(weights, detached_p, x_mean):
    """On a linear network the slope of the logits along a direction is the direction's image."""
    return np.sum((detached_p - Y) * ((x_mean - X) @ weights), -1)


def objective(variant, weights, detached_p, threshold, x_mean):
    """L_mix, R; `detached_p` is what softmax(f) was at the start of the step."""
    l_mix = cross_entropy(mix_rows(Y, np.full(SIZE, KEEP), ROLL), mix_rows(X, np.full(SIZE, KEEP), ROLL) @ weights)
    if variant.startswith("exact"):
        q = exact(weights, detached_p, x_mean)
    else:
        q = approximate(weights, detached_p if variant == "raise_mean" else None)
    below = np.where(q < threshold, q, 0.0)
    r = {
        "paper": np.abs(q).mean(),
        "exact": np.abs(q).mean(),
        "exact_below": below.mean(),
        "raise_below": -below.mean(),
        "raise_mean": -q.mean(),
        "raise_absolute": -np.abs(q).mean(),
    }[variant]
    return l_mix, r / 3


def numerical_gradient(function, weights, step=1e-5):
    gradient = np.zeros_like(weights)
    for place in np.ndindex(*weights.shape):
        up, down = weights.copy(), weights.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient


def step_of(method, network, jit_compile, **kwargs):
    model = MixupModel(network, method, **kwargs)
    model.compile(keras.optimizers.SGD(RATE), CROSS_ENTROPY, jit_compile=jit_compile)
    return model, model.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0).history


STEPS = [(variant, False) for variant in EXPECTED] + [(variant, True) for variant in ("paper", "exact")] * (
    len(JIT) - 1
)


@pytest.mark.parametrize("variant, jit_compile", STEPS)
def test_one_step_takes_the_gradient_of_the_objective(variant, jit_compile, monkeypatch):
    """A linear network; the gradient of s (L_mix + eta R), s held, by central differences in float64."""
    monkeypatch.setattr(MixupE, "draw", Mixup(FixedWeights(KEEP), pairing="roll").draw)
    network = linear_network()
    weights = network.get_weights()[0].astype(float)
    p, x_mean = softmax(X @ weights), 0.4
    method = MixupE(1.0, ETA, variant, threshold=0.5, x_mean=x_mean)
    _, history = step_of(method, network, jit_compile)
    l_mix, r = objective(variant, weights, p, 0.5, x_mean)
    s = abs(l_mix) / abs(l_mix + ETA * r)
    total = numerical_gradient(lambda w: sum(np.multiply((1, ETA), objective(variant, w, p, 0.5, x_mean))), weights)
    np.testing.assert_allclose(network.get_weights()[0], weights - RATE * s * total, rtol=1e-4, atol=1e-5)
    # The printed loss is L_mix, and R has a place of its own.
    sign = np.sign(l_mix + ETA * r)
    assert history["loss"][0] == pytest.approx(sign * l_mix, rel=1e-5)
    assert history["directional"][0] == pytest.approx(r, rel=1e-4)
    # The test would notice if there were no penalty.
    plain = numerical_gradient(lambda w: objective(variant, w, p, 0.5, x_mean)[0], weights)
    assert np.abs(RATE * (s * total - plain)).max() > 1e-3


@pytest.mark.parametrize("one_pass", [False, True])
def test_eta_zero_is_mixup_step_for_step(one_pass):
    networks = linear_network(), linear_network()
    histories = []
    for network, method in zip(networks, (Mixup(0.8, per="batch"), MixupE(0.8, 0.0, one_pass=one_pass)), strict=True):
        model = MixupModel(network, method, seed=3)
        model.compile(keras.optimizers.SGD(RATE), CROSS_ENTROPY)
        histories.append(model.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)
    np.testing.assert_allclose(networks[0].get_weights()[0], networks[1].get_weights()[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit_compile", SLOWLY)
@pytest.mark.parametrize("variant", ["paper", "raise_below"])
def test_one_pass_is_two_passes_where_nothing_depends_on_the_batch(variant, jit_compile):
    networks = small_network(), small_network()
    results = []
    for network, one_pass in zip(networks, (False, True), strict=True):
        method = MixupE(1.0, ETA, variant, one_pass=one_pass)
        model = MixupModel(network, method, seed=3)
        model.compile(keras.optimizers.SGD(RATE), CROSS_ENTROPY, metrics=["accuracy"], jit_compile=jit_compile)
        results.append(model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history)
    assert set(results[0]) == {"loss", "accuracy", "directional"}
    for name in results[0]:
        np.testing.assert_allclose(results[0][name], results[1][name], rtol=1e-4)
    for one, two in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_one_pass_takes_several_inputs():
    a, b = keras.Input((3,)), keras.Input((2,))
    network = keras.Model([a, b], keras.layers.Dense(CLASSES)(keras.layers.Concatenate()([a, b])))
    model = MixupModel(network, MixupE(one_pass=True))
    model.compile("sgd", CROSS_ENTROPY)
    assert np.isfinite(model.fit([X[:, :3], X[:, 3:]], Y, verbose=0).history["directional"]).all()


def test_integer_labels_and_bytes():
    pixels = (np.abs(X) * 80).astype("uint8")
    for method in (MixupE(), MixupE(variant="exact", x_mean=100.0)):
        model = MixupModel(small_network(), method, num_classes=CLASSES, seed=1)
        model.compile("sgd", CROSS_ENTROPY)
        assert np.isfinite(model.fit(pixels, LABELS, verbose=0).history["directional"]).all()
        assert np.isfinite(model.evaluate(pixels, LABELS, verbose=0)).all()


# --- What the clean pass leaves behind ------------------------------------------------------------------------------


def network_with_states():
    keras.utils.set_random_seed(6)
    return keras.Sequential(
        [
            keras.Input((INPUTS,)),
            keras.layers.BatchNormalization(momentum=0.7),
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dropout(0.4, seed=7),  # without a seed Keras draws from a global generator of torch's
            keras.layers.Dense(CLASSES),
        ]
    )


@pytest.mark.parametrize("variant", ["paper", "exact"])
@pytest.mark.parametrize("clean_statistics", [True, False])
@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_averages_are_those_of_the_mixed_batch_alone_if_asked(variant, clean_statistics, jit_compile, monkeypatch):
    monkeypatch.setattr(MixupE, "draw", Mixup(FixedWeights(KEEP), pairing="roll").draw)
    network = network_with_states()
    method = MixupE(1.0, ETA, variant, clean_statistics=clean_statistics)
    step_of(method, network, jit_compile)
    mixed = mix_rows(X, np.full(SIZE, KEEP), ROLL)
    mean, variance = 0.3 * mixed.mean(0), 0.7 + 0.3 * mixed.var(0)
    alone = clean_statistics is False or (variant == "exact" and BACKEND == "jax")  # JAX's derivatives leave no trace
    if not alone:
        mean, variance = 0.7 * mean + 0.3 * X.mean(0), 0.7 * variance + 0.3 * X.var(0)
    normalisation = network.layers[0]
    np.testing.assert_allclose(to_numpy(normalisation.moving_mean.value), mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(to_numpy(normalisation.moving_variance.value), variance, rtol=1e-4)
    assert np.abs(0.3 * (X.mean(0) - mean)).max() > 1e-3


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_eta_zero_without_clean_statistics_is_mixup_with_every_state(jit_compile):
    """Dropout drops the same places in every step, and the averages are the same."""
    networks = network_with_states(), network_with_states(), network_with_states()
    methods = Mixup(0.8, per="batch"), MixupE(0.8, 0.0, clean_statistics=False), MixupE(0.8, 0.0)
    for network, method in zip(networks, methods, strict=True):
        model = MixupModel(network, method, seed=3)
        model.compile(keras.optimizers.SGD(RATE), CROSS_ENTROPY, jit_compile=jit_compile)
        model.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0)
    states = [[to_numpy(v.value) for v in network.variables] for network in networks]
    exactly = BACKEND == "tensorflow" and not jit_compile
    for one, two in zip(*states[:2], strict=True):
        np.testing.assert_allclose(two, one, rtol=0 if exactly else 1e-5, atol=0 if exactly else 1e-6)
    assert any(not np.allclose(one, two) for one, two in zip(states[0], states[2], strict=True))


# --- Evaluation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["paper", "exact"])
def test_evaluation_gives_the_plain_loss_and_changes_nothing(variant):
    """Not the statistics of batch normalisation either, of which the exact derivative has its own pass."""
    network = keras.Sequential([keras.Input((INPUTS,)), keras.layers.BatchNormalization(), keras.layers.Dense(CLASSES)])
    model = MixupModel(network, MixupE(1.0, ETA, variant))
    model.compile("sgd", CROSS_ENTROPY)
    model.fit(X, Y, verbose=0)
    before = network.get_weights()
    result = model.evaluate(X, Y, verbose=0, return_dict=True)
    for one, two in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    logits = model.predict(X, verbose=0)
    assert result["loss"] == pytest.approx(cross_entropy(Y, logits), rel=1e-4)
    if variant == "paper":
        r = np.abs(np.sum((Y - softmax(logits)) * logits, -1)).mean() / 3
        assert result["directional"] == pytest.approx(r, rel=1e-4)


@pytest.mark.parametrize("method", [MixupE(0.5, 1e-2, "raise_below", 0.3, one_pass=True), MixupE(variant="exact")])
def test_a_model_is_saved_and_comes_back(method, tmp_path):
    model, _ = step_of(method, small_network(), False)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.method == method
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    assert "directional" in again.fit(X, Y, verbose=0).history


def test_an_array_for_the_mean_is_saved(tmp_path):
    mean = np.linspace(0, 1, INPUTS).astype("float32")
    model, _ = step_of(MixupE(variant="exact", x_mean=mean), small_network(), False)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again.method.x_mean), mean)
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"alpha": 0}, "`alpha` should be a finite number > 0. Received: alpha=0."),
        ({"alpha": FixedWeights(0.3)}, "`alpha` should be a finite number > 0. Received: alpha=<"),
        ({"alpha": -1}, "`alpha` should be a finite number >= 0"),
        ({"eta": -1e-3}, "`eta` should be a finite number >= 0. Received: eta=-0.001."),
        ({"eta": float("inf")}, "`eta` should be a finite number >= 0. Received: eta=inf."),
        (
            {"variant": "v3"},
            "`variant` should be 'paper', 'exact', 'exact_below', 'raise_below', 'raise_mean' or 'raise",
        ),
        ({"clean_statistics": 0}, "`clean_statistics` should be True or False. Received: clean_statistics=0."),
        (
            {"one_pass": True, "clean_statistics": False},
            "`one_pass=True` sends clean and mixed examples through together, so both are in the averages. Received: ",
        ),
        ({"variant": "exact", "one_pass": True}, "`one_pass=True` goes with the variants of q^, not with 'exact'"),
        ({"per": "pixel"}, "`per` should be 'example' or 'batch'. Received: per='pixel'."),
    ],
    ids=str,
)
def test_arguments_are_checked(arguments, message):
    with refuses(message):
        MixupE(**arguments)


def test_pairs_are_refused():
    with refuses("`MixupE` needs target rows. Received: pairs=True. Give `num_classes=...` instead."):
        MixupModel(small_network(), MixupE(), pairs=True)
