"""Self-training against its formulas in NumPy; which examples have labels; runs that were stopped."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from keras_mixup.cli import main
from keras_mixup.methods import Mixup
from keras_mixup.mixing import Draw
from keras_mixup.weights import Folded
from keras_mixup.zoo import recipes, report, runs, semi_supervised
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.inputs import training_batches
from keras_mixup.zoo.recipe import Row, override
from keras_mixup.zoo.self_training import SelfTraining, ramp
from keras_mixup.zoo.semi_supervised import PartlyLabelled, SemiSupervisedRecipe, divide

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the oracle is TensorFlow's")
RANDOM = np.random.default_rng(7)
X, U = RANDOM.normal(size=(3, 4)).astype("float32"), RANDOM.normal(0.5, 2.0, size=(4, 4)).astype("float32")
Y = np.eye(5, dtype="float32")[[3, 0, 4]]
BATCH = {"labelled": X, "unlabelled": U}
DRAWS = (
    Draw(np.array([0.9, 0.3, 0.6], "float32"), np.array([2, 0, 1])),
    Draw(np.array([0.2, 0.8, 1.0, 0.7], "float32"), np.array([1, 3, 0, 2])),
)


@dataclasses.dataclass(frozen=True)
class Fixed:
    """The one draw for three examples, the other for four."""

    def draw(self, batch, seed):
        return DRAWS[batch.size - 3]


def linear(seed=1):
    kernel = keras.initializers.RandomNormal(stddev=0.7, seed=seed)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, kernel_initializer=kernel)])


def built(method, network=None, **options):
    model = method.model(network or linear(), seed=3)
    model.compile(keras.optimizers.SGD(0.2), keras.losses.CategoricalCrossentropy(from_logits=True), **options)
    return model


def arrays(variables):
    return [np.array(keras.ops.convert_to_numpy(variable), "float64") for variable in variables]


def mixed(x, draw):
    weight = draw.weight.astype("float64").reshape(-1, 1)
    return weight * x + (1.0 - weight) * x[draw.partner]


def expected_loss(weights, guesser, distance, strength):
    """The loss of a linear network, term by term."""
    f, guess = (lambda x, w=w: x @ w[0] + w[1] for w in (weights, guesser))
    labelled = -np.mean(np.sum(mixed(Y, DRAWS[0]) * log_softmax(f(mixed(X, DRAWS[0])), axis=1), axis=1))
    targets, logits = mixed(softmax(guess(U), axis=1), DRAWS[1]), f(mixed(U, DRAWS[1]))
    if distance == "squared":
        return labelled + strength * np.mean((softmax(logits, axis=1) - targets) ** 2)
    return labelled - strength * np.mean(np.sum(targets * log_softmax(logits, axis=1), axis=1))


@pytest.mark.parametrize("distance", ["cross_entropy", "squared"])
@pytest.mark.parametrize("teacher", [0.0, 0.7])
def test_losses_and_teacher_follow_the_formulas(distance, teacher):
    """Six steps; 1 - 1 / (t + 1) exceeds 0.7 from the fourth on."""
    model = built(SelfTraining(Fixed(), teacher, distance, strength=3.0, ramp_up=4))
    first = average = arrays(model.network.trainable_variables)
    for step in range(6):
        weights = arrays(model.network.trainable_variables)
        kept = min(teacher, 1 - 1 / (step + 1))
        average = [kept * a + (1 - kept) * w for a, w in zip(average, weights, strict=True)]
        strength = 3.0 * np.exp(-5.0 * (1.0 - min(step / 4, 1.0)) ** 2)
        loss = float(model.train_on_batch(BATCH, Y))
        model.reset_metrics()
        expected = expected_loss(weights, average if teacher else weights, distance, strength)
        assert loss == pytest.approx(expected, rel=1e-5)
        for ours, theirs in zip(arrays(model.teacher), average if teacher else [], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert np.abs(weights[0] - (average if teacher else first)[0]).max() > 0.05  # so the network is told from those
    assert not {id(v) for v in model.teacher} & {id(v) for v in model.trainable_variables}


@pytest.mark.parametrize("step, expected", [(0, np.exp(-5)), (125, np.exp(-45 / 16)), (500, 1.0), (900, 1.0)])
def test_the_ramp(step, expected):
    method = SelfTraining(strength=100.0, ramp_up=500)
    assert float(ramp(method, keras.ops.cast(step, "float32"))) == pytest.approx(100.0 * expected, rel=1e-5)
    assert float(ramp(dataclasses.replace(method, ramp_up=0), keras.ops.cast(step, "float32"))) == 100.0


@tensorflow_only
@pytest.mark.parametrize("distance", ["cross_entropy", "squared"])
def test_no_gradient_goes_through_the_guesses(distance):
    import tensorflow as tf

    model = built(SelfTraining(Fixed(), distance=distance, strength=30.0))
    kernel, bias = (variable.value for variable in model.network.trainable_variables)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(BATCH, Y, model(BATCH, training=True))
    ours = tape.gradient(loss, [kernel, bias])
    share, partner = DRAWS[1].weight[:, None], DRAWS[1].partner
    x, y, u = (mixed(part, draw).astype("float32") for part, draw in zip((X, Y, U), (DRAWS[0], *DRAWS), strict=True))

    def gradient(guesses):
        with tf.GradientTape() as tape:
            q = tf.nn.softmax(U @ kernel + bias) if guesses is None else guesses
            q, logits = share * q + (1 - share) * tf.gather(q, partner), u @ kernel + bias
            if distance == "cross_entropy":
                far = tf.nn.softmax_cross_entropy_with_logits(q, logits)
            else:
                far = tf.reduce_mean((tf.nn.softmax(logits) - q) ** 2, axis=-1)
            near = tf.nn.softmax_cross_entropy_with_logits(y, x @ kernel + bias)
            total = tf.reduce_mean(near) + 30.0 * tf.reduce_mean(far)
        return tape.gradient(total, [kernel, bias])

    stopped = gradient(tf.constant(softmax(U @ kernel.numpy() + bias.numpy(), axis=1)))
    for got, right, wrong in zip(ours, stopped, gradient(None), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-5)
        assert np.abs(right - wrong).max() > 1e-2


def normalised():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.BatchNormalization(momentum=0.8)(inputs)))


@pytest.mark.parametrize("teacher", [0.0, 0.9])
def test_guesses_see_their_own_batch_and_leave_no_trace(teacher):
    model = built(SelfTraining(Fixed(), teacher), normalised())
    kernel, bias = arrays(model.network.layers[-1].weights)
    outputs = model(BATCH, training=True)
    standard = (U - U.mean(0)) / np.sqrt(U.var(0) + 1e-3)
    guesses = mixed(softmax(standard @ kernel + bias, axis=1), DRAWS[1])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs["guesses"]), guesses, rtol=1e-4, atol=1e-5)
    mean, variance = arrays(model.network.non_trainable_variables[:2])
    x = mixed(X, DRAWS[0])
    np.testing.assert_allclose(mean, 0.2 * x.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, 0.8 + 0.2 * x.var(0), rtol=1e-4)


def test_otherwise_it_is_the_network():
    model = built(SelfTraining(Fixed(), 0.9), normalised())
    plain = keras.ops.convert_to_numpy(model.network(X, training=False))
    np.testing.assert_array_equal(model.predict(X, verbose=0), plain)
    np.testing.assert_array_equal(model.predict(BATCH["labelled"], verbose=0), plain)
    own = {id(v) for v in model.network.variables}
    # What it learns is the network's; what it remembers besides is in its checkpoints.
    assert {id(v) for v in model.trainable_variables} <= own
    kept = {id(v) for v in model.variables}
    assert {id(model.steps), id(model.seed_generator.state), *(id(v) for v in model.teacher)} <= kept


def test_under_mixed_precision_the_teacher_stays_exact():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = built(SelfTraining(Fixed(), 0.9), linear())
    before = arrays(model.network.trainable_variables)
    model.train_on_batch(BATCH, Y)
    for ours, theirs in zip(model.teacher, before, strict=True):
        assert keras.backend.standardize_dtype(ours.dtype) == "float32"
        np.testing.assert_array_equal(arrays([ours])[0], theirs)


def test_both_kinds_are_mixed_by_draws_of_their_own_and_anew_in_each_step():
    model = built(SelfTraining(Mixup(1.0)))
    batch = {"labelled": U, "unlabelled": U}
    first, second = (model(batch, training=True) for _ in range(2))
    weights = [keras.ops.convert_to_numpy(outputs["draw"][0]) for outputs in (first, second)]
    assert not np.array_equal(*weights)
    q = softmax(keras.ops.convert_to_numpy(model.network(U)), axis=1)
    share = Draw(weights[0], keras.ops.convert_to_numpy(first["draw"][1]))
    assert not np.allclose(keras.ops.convert_to_numpy(first["guesses"]), mixed(q, share), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_formulas_hold_under_another_backend(backend):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the other backends are started from TensorFlow's run")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    names = "formulas_follow or losses or ramp or trace or otherwise or exact or own_and_anew"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", names, __file__],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-8000:]


# Which examples have labels.


def test_classes_are_balanced_where_they_are_so_in_the_data():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 500))
    chosen, others = divide(labels, 250, seed=4)
    assert np.bincount(labels[chosen]).tolist() == [25] * 10
    assert np.array_equal(np.sort(np.concatenate([chosen, others])), np.arange(5000))
    assert abs(labels[others[:1000]].mean() - 4.5) < 0.5
    again, other_seed = divide(labels, 250, seed=4), divide(labels, 250, seed=5)
    assert np.array_equal(again[0], chosen) and np.array_equal(again[1], others)
    assert len(np.intersect1d(other_seed[0], chosen)) < 50


def test_classes_have_their_shares_where_they_are_not_balanced():
    sizes = np.array([7, 61, 130, 2])
    labels = np.repeat(np.arange(4), sizes)
    for number in (1, 9, 50, 199):
        chosen, others = divide(labels, number, seed=1)
        counts = np.bincount(labels[chosen], minlength=4)
        assert counts.sum() == number == 200 - len(others)
        assert np.all(np.abs(counts - number * sizes / 200) < 1)
        # No other counts of that sum are nearer to the shares.
        remainders = number * sizes / 200 % 1
        up = counts > np.floor(number * sizes / 200)
        assert remainders[up].min(initial=1) >= remainders[~up].max(initial=0)


RECIPE = SemiSupervisedRecipe(
    name="test",
    title="test",
    dataset="digits",
    network="small_cnn",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup", Mixup(1.0)),
        Row("guesses", "guesses", SelfTraining(Mixup(Folded(0.75), pairing="reverse"))),
        Row("ict", "ICT", SelfTraining(Mixup(1.0, per="batch"), 0.9, "squared", 10.0, 4)),
    ),
    train_size=70,
    labels=20,
    unlabelled=40,
    steps=3,
    epochs=3,
    batch_size=16,
    optimizer="adam",
    learning_rate=0.01,
    weight_decay=0.02,
    decay="decoupled_kernels",
    ema=0.9,
    seeds=1,
)
ERM, MIXUP, GUESSES, ICT = RECIPE.rows


def test_the_data_of_a_seed():
    data = semi_supervised.SemiSupervised(RECIPE).load(ICT, 0)
    training = data.training
    assert len(training) == len(data.true_labels) == 20 and len(training.unlabelled) == 40
    assert np.bincount(training.labels).tolist() == [2] * 10
    rows = [tuple(image.ravel()) for image in np.concatenate([training.features, training.unlabelled.features])]
    assert len(set(rows)) == 60
    assert not {tuple(image.ravel()) for image in data.test.features} & set(rows)
    batch, labels = next(training.batches(8).as_numpy_iterator())
    np.testing.assert_array_equal(batch, training.features[:8])
    np.testing.assert_array_equal(labels, training.labels[:8])


def test_other_numbers_of_labels_are_other_data():
    assert not semi_supervised.SemiSupervised(RECIPE).same_data(ERM, dataclasses.replace(ERM, settings={"labels": 30}))
    assert semi_supervised.SemiSupervised(RECIPE).same_data(ERM, ICT)


@pytest.mark.parametrize("settings", [{"labels": 70, "unlabelled": 0}, {"labels": 31}])
def test_there_are_not_more_examples_than_there_are(settings):
    message = r"^`labels` and `unlabelled` should add up to at most 70, .* labels=\d+, unlabelled=\d+\.$"
    with pytest.raises(UserError, match=message):
        semi_supervised.SemiSupervised(dataclasses.replace(RECIPE, **settings)).load(ERM, 0)


def test_settings_that_rows_would_heed_differently_cannot_be_set():
    assert override(RECIPE, ["labels=30", "unlabelled=5"]).labels == 30
    for assignment in ("dropout=0.5", "at=conv", "unmixed_epochs=1"):
        with pytest.raises(UserError, match="`--set` should be FIELD=VALUE"):
            override(RECIPE, [assignment])


def numbered(start, size):
    images = np.arange(start, start + size, dtype="float32").reshape(-1, 1, 1, 1)
    return Arrays(images, np.arange(start, start + size) % 3)


def test_an_epoch_goes_through_either_kind_in_passes_of_their_own():
    split = PartlyLabelled(numbered(0, 5), numbered(100, 7), epoch=16)

    def of(seed):
        batches = list(split.batches(4, seed=seed).as_numpy_iterator())
        assert [len(labels) for _, labels in batches] == [4] * 4
        known = np.concatenate([batch["labelled"].ravel() for batch, _ in batches])
        assert np.array_equal(np.concatenate([labels for _, labels in batches]), known % 3)
        return known, np.concatenate([batch["unlabelled"].ravel() for batch, _ in batches])

    known, others = of(3)
    for examples, start, size in ((known, 0, 5), (others, 100, 7)):
        passes = [examples[first : first + size] for first in range(0, 16, size)]
        for one in passes[:-1]:
            assert sorted(one) == list(range(start, start + size))
        assert not np.array_equal(passes[0], passes[1])
    assert np.array_equal(of(3), (known, others)) and not np.array_equal(of(4)[1], others)


def test_the_two_kinds_are_augmented_independently():
    images = RANDOM.normal(size=(64, 8, 8, 1)).astype("float32")
    split = Arrays(images, np.zeros(64, int))
    batch, _ = next(PartlyLabelled(split, split, 64).batches(64, seed=1, augment="pad_crop_flip").as_numpy_iterator())
    assert not np.allclose(np.sort(batch["labelled"].sum((1, 2, 3))), np.sort(batch["unlabelled"].sum((1, 2, 3))))


def stream(row, first=0):
    """The batches that a row trains on, from an epoch on."""
    seen = []

    def train(recipe, row, seed, data, *rest):
        method = None if row.method is None or getattr(row.method, "needs_network", False) else row.method
        seen.extend(training_batches(data.training, data.source, recipe, method, seed, first).as_numpy_iterator())
        return {}

    from keras_mixup.zoo import train as training

    with pytest.MonkeyPatch.context() as context:
        context.setattr(training, "train", train)
        data = semi_supervised.SemiSupervised(RECIPE).load(row, 0)
        semi_supervised.SemiSupervised(RECIPE).train(row, 0, data, None, None, None, None)
    return seen


def test_rows_without_guesses_see_the_labelled_examples_of_the_others():
    erm, ict = stream(ERM), stream(ICT)
    assert len(erm) == len(ict) == 9
    for (x, y), (both, labels) in zip(erm, ict, strict=True):
        np.testing.assert_array_equal(x, both["labelled"])
        np.testing.assert_array_equal(y, labels)
        assert both["unlabelled"].shape == x.shape == (16, 8, 8, 1)
        assert abs(both["unlabelled"].mean()) < 0.2 and both["unlabelled"].dtype == np.float32  # standardised


def test_an_epoch_is_the_same_for_a_run_that_begins_with_it():
    for (x, y), (again, labels) in zip(stream(ICT)[6:], stream(ICT, first=2), strict=True):
        for kind in x:
            np.testing.assert_array_equal(x[kind], again[kind])
        np.testing.assert_array_equal(y, labels)


# Runs.


class Stopped(BaseException):
    pass


def small(shape, classes):
    layers = keras.layers
    inputs = keras.Input(shape)
    x = layers.BatchNormalization()(layers.Dense(8, "relu")(layers.Flatten()(inputs)))
    return keras.Model(inputs, layers.Dense(classes)(x))


def run(row, out, stops=()):
    """The records and the scores of a run that was stopped after those epochs, without times."""
    data = semi_supervised.SemiSupervised(RECIPE).load(row, 0)

    def stop_at(epoch):
        def stop(*records):
            if records[-1]["epoch"] == epoch:
                raise Stopped

        return stop

    for epoch in stops:
        with pytest.raises(Stopped):
            runs.run(RECIPE, row, 0, data, out, on_record=stop_at(epoch), report=lambda *told, **how: None)
    runs.run(RECIPE, row, 0, data, out, report=lambda *told, **how: None)
    where = runs.folder(out, row, 0)
    found = [*json.loads((where / "history.json").read_text()), json.loads((where / "result.json").read_text())]
    untold = ("seconds", "wall_seconds", "examples_per_second", "environment")
    return [{key: value for key, value in one.items() if key not in untold} for one in found]


@pytest.mark.parametrize("row", [pytest.param(GUESSES, marks=pytest.mark.slow), ICT], ids=lambda row: row.name)
def test_a_run_that_was_stopped_ends_the_same(row, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_mixup.zoo.networks.get", lambda name: small)
    whole = run(row, tmp_path / "whole")
    assert [record.get("epoch") for record in whole] == [1, 2, 3, None]
    assert run(row, tmp_path / "stopped", stops=(2,)) == whole


def test_the_network_that_is_kept_is_the_one_that_was_tested(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_mixup.zoo.networks.get", lambda name: small)
    *_, scores = run(ICT, tmp_path)
    network = keras.models.load_model(runs.folder(tmp_path, ICT, 0) / "network.keras")
    data = semi_supervised.SemiSupervised(RECIPE).load(ICT, 0)
    logits = network.predict(keras.ops.convert_to_numpy(data.source.features(data.test.features)), verbose=0)
    assert scores["nll"] == pytest.approx(data.source.task.scores(logits, data.test.labels)["nll"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name, rows", [("semi_supervised", ["svhn-mixup"]), ("semi_supervised_small", ["erm", "ict"])])
def test_rows_smoke(name, rows, tmp_path):
    assert main(["run", name, "--smoke", "--row", *rows, "--out", str(tmp_path)]) == 0
    table = json.loads((tmp_path / "smoke" / "table.json").read_text())
    assert [row["name"] for row in table["rows"]] == rows
    assert all(np.isfinite(row["nll"]["mean"]) for row in table["rows"])


def test_the_paper_scale():
    recipe = recipes.get("semi_supervised")
    published = {row.name: row.published for row in recipe.rows if row.published}
    assert {name: (p.error, p.std) for name, p in published.items()} == {
        "cifar10-mixup": (47.43, 0.92),
        "svhn-mixup": (39.97, 1.89),
    }
    assert all(p.tag != "verified" for p in published.values())
    assert recipe.steps * recipe.epochs == 2**20
    table = report.table(recipe, {})
    assert (table["score"], table["median_of"]) == ("median", 20)
