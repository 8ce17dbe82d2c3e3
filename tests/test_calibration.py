"""Calibration: metrics against NumPy, scikit-learn, TensorFlow Probability and netcal; temperatures against a grid."""

import json
import math
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_mixup import metrics
from keras_mixup.calibration import (
    AverageCalibrationError,
    BrierScore,
    ExpectedCalibrationError,
    MaximumCalibrationError,
    NegativeLogLikelihood,
    OverconfidenceError,
    fit_temperature,
    reliability,
)

BACKEND = keras.backend.backend()
JIT = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND != "torch" else [False]
BINNED = (ExpectedCalibrationError, OverconfidenceError, MaximumCalibrationError, AverageCalibrationError)
MEANS = (BrierScore, NegativeLogLikelihood)
CLASSES = 4


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def examples(size, seed=0, scale=3.0):
    """Logits that are too sure in some bins and too careful in others, labels, and weights."""
    random = np.random.default_rng(seed)
    logits = (scale * random.normal(size=(size, CLASSES))).astype("float32")
    labels = np.where(random.random(size) < 0.55, logits.argmax(1), random.integers(CLASSES, size=size))
    return logits, labels, random.uniform(0.1, 3.0, size).astype("float32")


LOGITS, LABELS, WEIGHTS = examples(700)
P = softmax(LOGITS.astype("float64"))
ROWS = np.eye(CLASSES, dtype="float32")[LABELS]


def binned(function, p, rows, bins, weights=None, edges=None):
    """The definition, in float64: a loop over the bins."""
    weights = np.ones(len(p)) if weights is None else np.asarray(weights, "float64")
    confidence, hit = p.max(1), rows[np.arange(len(p)), p.argmax(1)]
    place = np.minimum((confidence * bins).astype(int), bins - 1) if edges is None else np.digitize(confidence, edges)
    values = []
    for b in np.unique(place):
        inside = place == b
        conf, acc = (np.average(x[inside], weights=weights[inside]) for x in (confidence, hit))
        values.append((weights[inside].sum() / weights.sum(), conf, acc))
    share, conf, acc = np.array(values).T
    return {
        "expected": np.sum(share * abs(acc - conf)),
        "overconfidence": np.sum(share * conf * np.maximum(conf - acc, 0)),
        "maximum": np.max(abs(acc - conf)),
        "average": np.mean(abs(acc - conf)),
    }[function]


OF = dict(zip(("expected", "overconfidence", "maximum", "average"), BINNED, strict=True))


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def measured(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(keras.ops.convert_to_numpy(metric.result()))


# --- Bins of equal width --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("bins", [1, 7, 15, 100])
@pytest.mark.parametrize("name", OF)
def test_binned_errors_are_those_of_the_formula(name, bins, weights):
    expected = binned(name, P, ROWS, bins, weights)
    assert expected > 0.005
    got = measured(OF[name](bins, from_logits=True), (LABELS, LOGITS, weights))
    np.testing.assert_allclose(got, expected, rtol=2e-5)


@pytest.mark.parametrize("bins", [10, 15])
def test_the_expected_error_is_that_of_tensorflow_probability(bins):
    tfp = pytest.importorskip("tensorflow_probability")
    reference = float(tfp.stats.expected_calibration_error(bins, logits=LOGITS, labels_true=LABELS.astype("int32")))
    got = measured(ExpectedCalibrationError(bins, from_logits=True), (LABELS, LOGITS))
    np.testing.assert_allclose(got, reference, rtol=1e-5)


@pytest.mark.parametrize("name, there", [("expected", "ECE"), ("maximum", "MCE"), ("average", "ACE")])
def test_binned_errors_are_those_of_netcal(name, there):
    netcal = pytest.importorskip("netcal.metrics")
    reference = getattr(netcal, there)(15).measure(P, LABELS)
    np.testing.assert_allclose(measured(OF[name](from_logits=True), (LABELS, LOGITS)), reference, rtol=1e-5)


def test_two_classes_have_the_curve_of_scikit_learn():
    """Of the chance of class 1 alone, where it is the guess."""
    calibration = pytest.importorskip("sklearn.calibration")
    random = np.random.default_rng(1)
    p = random.uniform(0.5, 1.0, 400)
    labels = (random.random(400) < p**2).astype(int)
    accuracy, confidence = calibration.calibration_curve(labels, p, n_bins=10)
    got = reliability(np.log(np.stack([1 - p, p], axis=1)), labels, bins=10)
    full = got.count > 0
    np.testing.assert_allclose(got.accuracy[full], accuracy)
    np.testing.assert_allclose(got.confidence[full], confidence)
    share = got.count[full] / 400
    metric = ExpectedCalibrationError(10)
    value = measured(metric, (labels, np.stack([1 - p, p], axis=1)))
    np.testing.assert_allclose(value, np.sum(share * abs(accuracy - confidence)), rtol=1e-5)


@pytest.mark.parametrize("binning", ["width", "mass"])
@pytest.mark.parametrize("metric", BINNED)
def test_a_confidence_of_one_is_in_the_last_bin(metric, binning):
    sure, right = np.array([[1.0, 0.0]] * 4, "float32"), [0, 0, 0, 1]
    assert measured(metric(bins=4, binning=binning), (right, sure)) == pytest.approx(0.25)


def test_a_bin_holds_its_lower_end():
    """Of 4 bins, 0.5 is in the third, with 0.7: half are right at a mean confidence of 0.6."""
    p = np.array([[0.5, 0.25, 0.25], [0.7, 0.2, 0.1]], "float32")
    assert measured(MaximumCalibrationError(4), ([0, 1], p)) == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("metric", BINNED)
def test_a_perfectly_calibrated_toy_has_no_error(metric):
    p = np.array([[0.75, 0.25]] * 4, "float32")
    assert measured(metric(), ([0, 0, 0, 1], p)) == 0.0
    assert measured(metric()) == 0.0  # nor has one that has seen nothing


@pytest.mark.parametrize("metric", BINNED)
def test_a_weight_of_zero_takes_an_example_away(metric):
    half, ones = 350, np.arange(700) < 350
    one = measured(metric(from_logits=True), (LABELS, LOGITS, ones.astype("float32")))
    other = measured(metric(from_logits=True), (LABELS[:half], LOGITS[:half]))
    np.testing.assert_allclose(one, other, rtol=1e-5)


# --- Bins of equal mass ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 8.0])  # 8: most confidences are above 0.999
@pytest.mark.parametrize("name", OF)
def test_bins_of_equal_mass_are_those_of_sorting(name, scale):
    logits, labels, _ = examples(3000, seed=3, scale=scale)
    logits = logits.astype("float64")
    order = np.argsort(np.sort(logits, 1)[:, -1] - np.log(np.exp(np.sort(logits, 1)[:, :-1]).sum(1)))
    confidence, hit = softmax(logits).max(1)[order], (logits.argmax(1) == labels)[order]
    conf, acc = (x.reshape(15, 200).mean(1) for x in (confidence, hit))
    gap = conf - acc
    expected = {
        "expected": np.mean(abs(gap)),
        "overconfidence": np.mean(conf * np.maximum(gap, 0)),
        "maximum": np.max(abs(gap)),
        "average": np.mean(abs(gap)),
    }[name]
    got = measured(OF[name](binning="mass", from_logits=True), (labels, logits.astype("float32")))
    assert expected > 0.01
    np.testing.assert_allclose(got, expected, atol=5e-3 if name == "maximum" else 1e-3)  # one of a bin's 200 examples


def test_equal_mass_against_netcal():
    netcal = pytest.importorskip("netcal.metrics")
    reference = netcal.ECE(15, equal_intervals=False).measure(P, LABELS)
    got = measured(ExpectedCalibrationError(binning="mass", from_logits=True), (LABELS, LOGITS))
    np.testing.assert_allclose(got, reference, atol=3e-3)


def test_equal_masses_are_by_weight_and_ties_are_shared_out():
    """Three quarters of the weight at 0.6, the rest at 0.9: the first of two bins is all 0.6, the second half and half.

    Of the 0.6 a third is right, of the 0.9 all. So the gaps are 0.6 - 1/3, and 0.75 - 2/3.
    """
    p = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]], "float32")
    batch = ([0, 1, 0, 0], p, np.array([1.0, 2.0, 0.75, 0.25], "float32"))
    expected = (abs(0.6 - 1 / 3) + abs(0.75 - 2 / 3)) / 2
    assert measured(ExpectedCalibrationError(2, "mass"), batch) == pytest.approx(expected, rel=1e-5)
    assert measured(MaximumCalibrationError(2, "mass"), batch) == pytest.approx(0.6 - 1 / 3, rel=1e-5)


def test_equal_mass_tells_apart_what_rounds_to_a_confidence_of_one():
    """Gaps of 18 and of 21 both have a float32 softmax of 1; those of 18 are all wrong."""
    logits = np.array([[18.0, 0.0]] * 3 + [[21.0, 0.0]] * 3, "float32")
    metric = MaximumCalibrationError(2, "mass", from_logits=True)
    assert measured(metric, ([1, 1, 1, 0, 0, 0], logits)) == pytest.approx(1.0)


# --- Proper scores --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_likelihood_is_that_of_scikit_learn(weights, from_logits):
    sklearn = pytest.importorskip("sklearn.metrics")
    reference = sklearn.log_loss(LABELS, P, sample_weight=weights, labels=range(CLASSES))
    predictions = LOGITS if from_logits else P.astype("float32")
    got = measured(NegativeLogLikelihood(from_logits=from_logits), (LABELS, predictions, weights))
    np.testing.assert_allclose(got, reference, rtol=1e-5)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_brier_score_is_that_of_the_formula_and_of_scikit_learn(weights, from_logits):
    sklearn = pytest.importorskip("sklearn.metrics")
    got = measured(BrierScore(from_logits), (LABELS, LOGITS if from_logits else P.astype("float32"), weights))
    np.testing.assert_allclose(got, np.average(((P - ROWS) ** 2).sum(1), weights=weights), rtol=1e-5)
    two, labels = softmax(LOGITS[:, :2].astype("float64")), LABELS % 2
    reference = 2 * sklearn.brier_score_loss(labels, two[:, 1], sample_weight=weights)
    got = measured(BrierScore(), (labels, two.astype("float32"), weights))
    np.testing.assert_allclose(got, reference, rtol=1e-5)


def test_the_likelihood_is_stable():
    nll = measured(NegativeLogLikelihood(from_logits=True), ([1, 0], np.array([[1e4, 0.0], [1e4, 0.0]], "float32")))
    assert nll == 5000.0
    masked = np.array([[0.0, 0.0, -np.inf]], "float32")  # an impossible class
    assert measured(NegativeLogLikelihood(from_logits=True), ([0], masked)) == pytest.approx(np.log(2))
    impossible = measured(NegativeLogLikelihood(), ([1], np.array([[1.0, 0.0]], "float32")))
    assert impossible == pytest.approx(87.3, abs=0.1)
    small = np.array([[1.0, 1e-30]], "float32")
    assert measured(NegativeLogLikelihood(), ([1], small)) == pytest.approx(30 * np.log(10), rel=1e-5)


def test_a_small_brier_score_is_not_lost_by_rounding():
    p = np.array([[1 - 2.0**-20, 2.0**-20]], "float32")
    assert measured(BrierScore(), ([0], p)) == pytest.approx(2 * 2.0**-40, rel=1e-6, abs=0.0)


# --- All of them ----------------------------------------------------------------------------------------------------

ALL = [
    *(lambda m=m, b=b: m(binning=b, from_logits=True) for m in BINNED for b in ("width", "mass")),
    *(lambda m=m: m(from_logits=True) for m in MEANS),
]
IDS = [*(f"{m.__name__}-{b}" for m in BINNED for b in ("width", "mass")), *(m.__name__ for m in MEANS)]
everyone = pytest.mark.parametrize("make", ALL, ids=IDS)


@everyone
def test_batches_of_any_size_stream_into_one_value(make):
    whole = measured(make(), (LABELS, LOGITS, WEIGHTS))
    cuts = [0, 1, 2, 64, 65, 400, 700]
    parts = [(LABELS[a:b], LOGITS[a:b], WEIGHTS[a:b]) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    metric = make()
    np.testing.assert_allclose(measured(metric, *parts), whole, rtol=2e-5)
    metric.reset_state()
    np.testing.assert_allclose(measured(metric, parts[4]), measured(make(), parts[4]), rtol=1e-6)


@everyone
@pytest.mark.parametrize(
    "labels", [LABELS[:, None], LABELS.astype("float32"), LABELS.astype("uint8"), ROWS], ids=["column", "f", "u8", "1h"]
)
def test_class_ids_and_one_hot_rows_are_the_same(make, labels):
    assert measured(make(), (labels, LOGITS, WEIGHTS)) == measured(make(), (LABELS, LOGITS, WEIGHTS))


@everyone
def test_a_mixed_row_counts_as_its_classes_by_their_shares(make):
    """As if the example were there once per class, with the share as its weight."""
    other, share = (LABELS + 1 + np.arange(700) % 3) % CLASSES, np.random.default_rng(5).uniform(0.1, 0.9, 700)
    mixed = share[:, None] * np.eye(CLASSES)[LABELS] + (1 - share[:, None]) * np.eye(CLASSES)[other]
    apart = (
        np.concatenate([LABELS, other]),
        np.concatenate([LOGITS, LOGITS]),
        np.concatenate([share, 1 - share]) * np.concatenate([WEIGHTS, WEIGHTS]),
    )
    got = measured(make(), (mixed.astype("float32"), LOGITS, WEIGHTS))
    np.testing.assert_allclose(got, measured(make(), apart), rtol=5e-5)


@everyone
def test_every_pixel_counts(make):
    images = (LABELS.reshape(7, 10, 10), LOGITS.reshape(7, 10, 10, CLASSES), WEIGHTS.reshape(7, 10, 10))
    flat = measured(make(), (LABELS, LOGITS, WEIGHTS))
    np.testing.assert_allclose(measured(make(), images), flat, rtol=1e-5)
    np.testing.assert_allclose(
        measured(make(), (*images[:2], WEIGHTS[:7])),
        measured(make(), (LABELS, LOGITS, np.repeat(WEIGHTS[:7], 100))),
        rtol=1e-5,
    )


@everyone
def test_a_column_of_weights_is_a_vector(make):
    flat = measured(make(), (LABELS, LOGITS, WEIGHTS))
    np.testing.assert_allclose(measured(make(), (LABELS, LOGITS, WEIGHTS[:, None])), flat, rtol=1e-6)


@everyone
def test_a_network_that_diverged_does_not_look_calibrated(make):
    logits = LOGITS.copy()
    logits[3, 1] = np.nan
    assert math.isnan(measured(make(), (LABELS, logits)))


@everyone
@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float64"])
def test_half_precision_does_not_lose_count(make, floatx):
    """A sum of float16 stops growing at 2048."""
    batch = (LABELS[:50], LOGITS[:50].astype("float16").astype("float32"))
    expected = measured(make(), batch)
    keras.config.set_floatx(floatx)
    try:
        metric = make()
        rounded = keras.ops.cast(batch[1], floatx)
        got = measured(metric, *[(batch[0], rounded)] * 100)
    finally:
        keras.config.set_floatx("float32")
    np.testing.assert_allclose(got, expected, rtol=1e-4 if floatx != "bfloat16" else 0.1)


@pytest.mark.parametrize("jit_compile", JIT)
def test_they_count_in_fit_and_evaluate(jit_compile):
    network = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Identity(), keras.layers.Dense(CLASSES)])
    network.layers[-1].set_weights([np.eye(CLASSES), np.zeros(CLASSES)])
    makers = [ALL[1], ALL[2], *ALL[-2:]]
    configs = [(type(make()), make().get_config()) for make in makers]
    made = [metric.from_config({**config, "name": f"m{i}"}) for i, (metric, config) in enumerate(configs)]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.0), loss, weighted_metrics=made, jit_compile=jit_compile)
    expected = [measured(make(), (ROWS, LOGITS, WEIGHTS)) for make in makers]
    for logs in (
        network.evaluate(LOGITS, ROWS, 64, verbose=0, sample_weight=WEIGHTS, return_dict=True),
        {k: v[0] for k, v in network.fit(LOGITS, ROWS, 64, sample_weight=WEIGHTS, verbose=0).history.items()},
    ):
        np.testing.assert_allclose([logs[f"m{i}"] for i in range(4)], expected, rtol=1e-4)


def test_they_are_saved_with_the_model(tmp_path):
    network = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)])
    made = [metric(from_logits=True) for metric in (*BINNED, *MEANS)]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("sgd", loss, metrics=[*made, ExpectedCalibrationError(7, "mass", True, name="mass")])
    logs = network.evaluate(LOGITS, LABELS, verbose=0, return_dict=True)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.evaluate(LOGITS, LABELS, verbose=0, return_dict=True) == pytest.approx(logs)
    assert loaded.evaluate(LOGITS, LABELS, verbose=0, return_dict=True)["mass"] > 0


@pytest.mark.parametrize("metric", (*BINNED, *MEANS))
def test_they_round_trip(metric):
    arguments = {"from_logits": True, "name": "mine"}
    arguments |= {"bins": 7, "binning": "mass"} if metric in BINNED else {}
    again = keras.metrics.deserialize(keras.metrics.serialize(metric(**arguments)))
    assert type(again) is metric and again.get_config() == arguments
    assert getattr(metrics, metric.__name__) is metric


MIRRORED = """
import json, sys
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
import keras
from keras_mixup.calibration import AverageCalibrationError, BrierScore, ExpectedCalibrationError

data = np.load(sys.argv[1])
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    network = keras.Sequential([keras.Input(data["x"].shape[1:]), keras.layers.Identity()])
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=[
        ExpectedCalibrationError(from_logits=True), BrierScore(from_logits=True),
        AverageCalibrationError(binning="mass", from_logits=True),
    ])
batches = tf.data.Dataset.from_tensor_slices((data["x"], data["y"])).batch(64)
logs = network.evaluate(batches, verbose=0, return_dict=True)
print("RESULT " + json.dumps([strategy.num_replicas_in_sync, logs]))
"""


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute evaluates models on the TensorFlow backend only")
def test_the_tables_of_replicas_add_up(tmp_path):
    if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 10):
        pytest.skip("Keras averages the metrics of replicas, AUC too")
    np.savez(tmp_path / "data.npz", x=LOGITS, y=LABELS)
    run = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tmp_path / "data.npz")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("RESULT "))
    replicas, logs = json.loads(line.removeprefix("RESULT "))
    assert replicas == 2
    one = measured(ExpectedCalibrationError(from_logits=True), (LABELS, LOGITS))
    np.testing.assert_allclose(logs["expected_calibration_error"], one, rtol=1e-5)
    np.testing.assert_allclose(logs["brier_score"], measured(BrierScore(True), (LABELS, LOGITS)), rtol=1e-5)
    mass = measured(AverageCalibrationError(binning="mass", from_logits=True), (LABELS, LOGITS))
    np.testing.assert_allclose(logs["average_calibration_error"], mass, rtol=1e-5)


# --- Reliability ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_reliability_against_numpy(bins):
    got = reliability(LOGITS, LABELS, bins)
    confidence, hit = P.max(1), P.argmax(1) == LABELS
    for b in range(bins):
        inside = (confidence >= b / bins) & (confidence < (b + 1) / bins)
        assert got.count[b] == inside.sum()
        if inside.any():
            np.testing.assert_allclose(
                [got.confidence[b], got.accuracy[b]], [confidence[inside].mean(), hit[inside].mean()], rtol=1e-6
            )
        else:
            assert math.isnan(got.confidence[b]) and math.isnan(got.accuracy[b])
    assert got.count.sum() == 700


def test_reliability_of_certainty_is_in_the_last_bin():
    confidence, accuracy, count = reliability([[2000.0, 0.0], [0.0, 2000.0]], [0, 0], bins=3)
    assert (confidence[2], accuracy[2], *count) == (1.0, 0.5, 0, 0, 2)


# --- Temperature ----------------------------------------------------------------------------------------------------


def nll_at(temperature, logits, labels):
    special = pytest.importorskip("scipy.special")
    return -np.mean(special.log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels])


@pytest.mark.parametrize("scale", [0.02, 0.3, 3.0, 30.0])
def test_the_temperature_is_the_best_of_a_fine_search(scale):
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = examples(500, seed=2)[0].astype("float64") * scale, examples(500, seed=2)[1]
    grid = np.geomspace(0.01, 100, 2001)
    start = grid[np.argmin([nll_at(t, logits, labels) for t in grid])]
    best = optimize.minimize_scalar(
        lambda t: nll_at(t, logits, labels),
        bounds=(0.99 * start, 1.01 * start),
        method="bounded",
        options={"xatol": 1e-9 * start},
    )
    got = fit_temperature(logits, labels)
    assert type(got) is float
    np.testing.assert_allclose(got, best.x, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_a_known_temperature_is_recovered(temperature):
    random = np.random.default_rng(4)
    calibrated = 2 * random.normal(size=(40000, CLASSES))
    labels = (softmax(calibrated).cumsum(1) < random.random((40000, 1))).sum(1)
    np.testing.assert_allclose(fit_temperature(temperature * calibrated, labels), temperature, rtol=0.03)
    hot = temperature * calibrated
    before = measured(ExpectedCalibrationError(from_logits=True), (labels, hot))
    after = measured(ExpectedCalibrationError(from_logits=True), (labels, hot / fit_temperature(hot, labels)))
    assert after < 0.02 < 0.05 < before


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e5])
def test_degenerate_cases_end_at_the_bounds(scale):
    right = scale * np.array([[1.0, 0.0, -2.0], [0.0, 3.0, 1.0]])
    assert fit_temperature(right, [0, 1]) == 0.01
    assert fit_temperature(right, [2, 0]) == pytest.approx(100.0)
    uneven = scale * np.array([[5.0, 0.0, 0.0], [0.0, 3.0, 1.0]])
    assert fit_temperature(uneven, [1, 0]) == pytest.approx(100.0)


def test_logits_that_overflow_a_softmax():
    """Right 4 times of 5 with a gap of 4e4: the best temperature makes 4 of 5 of it, but is out of bounds."""
    logits = np.array([[4e4, 0.0]] * 5)
    assert fit_temperature(logits, [0, 0, 0, 0, 1]) == pytest.approx(100.0)
    logits = np.array([[100.0, 0.0]] * 5) + 1e4
    assert fit_temperature(logits, [0, 0, 0, 0, 1]) == pytest.approx(100 / np.log(4), rel=1e-6)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [0, -1, 15.0, True, None], ids=repr)
@pytest.mark.parametrize("metric", BINNED)
def test_a_number_of_bins_out_of_range_is_refused(metric, bins):
    with refuses(f"`bins` should be a positive integer. Received: bins={bins!r}."):
        metric(bins)
    with refuses(f"`bins` should be a positive integer. Received: bins={bins!r}."):
        reliability(LOGITS, LABELS, bins)


def test_an_unknown_binning_is_refused():
    with refuses("`binning` should be one of width, mass. Received: binning='adaptive'."):
        ExpectedCalibrationError(binning="adaptive")


@everyone
def test_one_sigmoid_unit_is_refused(make):
    with refuses(
        "Predictions should have at least 2 classes on the last axis. Received: y_pred of shape (700, 1). Of the "
        "output p of one sigmoid unit, make two classes: `keras.ops.concatenate([1 - p, p], axis=-1)`."
    ):
        make().update_state(LABELS, LOGITS[:, :1])
    with refuses("Received: y_pred of shape (700,)."):
        make().update_state(LABELS, LOGITS[:, 0])


@everyone
@pytest.mark.parametrize("shape", [(700, 3), (), (700, 1, 4)])
def test_targets_of_another_shape_are_refused(make, shape):
    with refuses(
        f"Targets should be class ids, or rows of 4 classes. Received: y_true of shape {shape}, y_pred of shape "
        "(700, 4)."
    ):
        make().update_state(np.ones(shape, "float32"), LOGITS)


@pytest.mark.parametrize("function", [fit_temperature, reliability])
@pytest.mark.parametrize(
    "logits, labels, message",
    [
        (LOGITS[:, :1], LABELS, "Received: logits of shape (700, 1), labels of shape (700,)."),
        (LOGITS[:0], LABELS[:0], "Received: logits of shape (0, 4), labels of shape (0,)."),
        (LOGITS, ROWS, "Received: logits of shape (700, 4), labels of shape (700, 4)."),
        (LOGITS, LABELS + 1, "`labels` should be class ids from 0 to 3. Received: labels of dtype int64, from 1 to 4."),
        (LOGITS, LABELS - 1, "Received: labels of dtype int64, from -1 to 2."),
        (LOGITS, LABELS.astype("float32"), "Received: labels of dtype float32, from 0.0 to 3.0."),
    ],
)
def test_what_is_not_logits_and_class_ids_is_refused(function, logits, labels, message):
    with refuses(message):
        function(logits, labels)


def test_infinite_logits_have_no_temperature():
    with refuses("`logits` should be finite. Received: logits with NaN or infinity."):
        fit_temperature([[0.0, -np.inf]], [0])


def test_scipy_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=re.escape("needs SciPy. Install it with: pip install 'keras-mixup[zoo]'")):
        fit_temperature(LOGITS, LABELS)
