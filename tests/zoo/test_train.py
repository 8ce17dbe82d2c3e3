"""The training loop: the same seed gives the same run, and rows of one seed differ in nothing but the mixing."""

import dataclasses
import statistics

import numpy as np
import pytest

from keras_mixup.methods import Mixup
from keras_mixup.zoo import networks, recipes, runs
from keras_mixup.zoo.engine import Engine
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.inputs import training_batches
from keras_mixup.zoo.recipe import Row
from keras_mixup.zoo.tasks import Classification
from keras_mixup.zoo.train import summary, train

RECIPE = dataclasses.replace(recipes.get("digits"), rows=(), train_size=70, epochs=2)
ERM, MIXUP = Row("erm", "ERM"), Row("mixup", "mixup", Mixup(alpha=1.0))
TIMES = ("seconds", "wall_seconds", "examples_per_second")


def trained(row, seed, folder, recipe=RECIPE):
    """The records of all epochs, and the scores, without times."""
    records = []
    data = runs.load(recipe, row, seed)
    scores = train(recipe, row, seed, data, lambda *new: records.extend(new), folder, Engine(), runs.to_stderr)
    return [{key: value for key, value in one.items() if key not in TIMES} for one in (*records, scores)]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path):
    first = trained(MIXUP, 0, tmp_path / "0")
    assert trained(MIXUP, 0, tmp_path / "again") == first
    assert trained(MIXUP, 1, tmp_path / "1") != first
    assert [record.get("epoch") for record in first] == [1, 2, None]
    assert first[1]["test_error"] == first[2]["error"]


def test_rows_of_a_seed_start_from_the_same_weights(tmp_path, monkeypatch):
    started = []

    def recording(name):
        def build(*arguments):
            model = build_network(*arguments)
            started.append(model.get_weights())
            return model

        return build

    build_network = networks.get(RECIPE.network)
    monkeypatch.setattr(networks, "get", recording)
    for row, seed in ((ERM, 0), (MIXUP, 0), (ERM, 1)):
        trained(row, seed, tmp_path / f"{row.name}{seed}", dataclasses.replace(RECIPE, epochs=1))
    erm, mixup, other = started
    assert all(np.array_equal(a, b) for a, b in zip(erm, mixup, strict=True))
    assert not np.array_equal(erm[0], other[0])


def epochs_of(row, seed=0):
    """The batches of each epoch, as training sees them."""
    data = runs.load(RECIPE, row, 0)
    batches = list(training_batches(data.training, data.source, RECIPE, row.method, seed).as_numpy_iterator())
    return batches[:3], batches[3:]


def test_rows_of_a_seed_see_the_same_examples_in_the_same_order():
    erm = epochs_of(ERM)
    idle = epochs_of(Row("idle", "alpha 0", Mixup(alpha=0)))
    # One weight per batch and a permutation leave the sum over a batch as it was.
    mixed = epochs_of(Row("mixed", "mixed", Mixup(alpha=1.0, per="batch")))
    for plain, same, mix in zip(sum(erm, []), sum(idle, []), sum(mixed, []), strict=True):
        assert np.array_equal(plain[0], same[0]) and np.array_equal(plain[1], same[1])
        np.testing.assert_allclose(plain[0].sum(0), mix[0].sum(0), atol=1e-3)
    assert not np.array_equal(mixed[0][0][0], erm[0][0][0])


def test_epochs_are_shuffled_anew_and_keep_every_example():
    (first, second), (other, _) = epochs_of(ERM), epochs_of(ERM, seed=1)
    assert [len(x) for x, _ in first] == [32, 32, 6]
    images = [np.concatenate([x for x, _ in epoch]) for epoch in (first, second, other)]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])
    ordered = [np.sort(x.reshape(70, -1).sum(1)) for x in images]
    np.testing.assert_allclose(ordered[0], ordered[1], rtol=1e-6)


def test_mixing_follows_the_seed_of_the_run():
    first, again, other = epochs_of(MIXUP), epochs_of(MIXUP), epochs_of(MIXUP, seed=1)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(sum(first, []), sum(again, []), strict=True))
    assert not np.array_equal(first[0][0][1], other[0][0][1])
    assert not np.array_equal(first[0][0][1].max(1), first[1][0][1].max(1))  # the next epoch draws other weights


def test_batches_are_standardised_and_one_hot():
    x, y = epochs_of(ERM)[0][0]
    assert x.dtype == y.dtype == np.float32
    assert x.shape == (32, 8, 8, 1) and y.shape == (32, 10)
    assert set(np.unique(y)) == {0.0, 1.0} and np.all(y.sum(1) == 1)
    assert abs(x.mean()) < 0.1 and abs(x.std() - 1) < 0.1


def test_a_network_that_is_tested_less_often_is_trained_alike(tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=5)
    always = trained(MIXUP, 0, tmp_path / "always", recipe)
    seldom = trained(MIXUP, 0, tmp_path / "seldom", dataclasses.replace(recipe, test_every=2))
    for (*records, scores), tested in ((always, {1, 2, 3, 4, 5}), (seldom, {2, 4, 5})):
        assert {record["epoch"] for record in records if "test_error" in record} == tested
        assert scores["best_error"] == min(record["test_error"] for record in records if record["epoch"] in tested)
    assert [record["loss"] for record in seldom[:-1]] == [record["loss"] for record in always[:-1]]
    assert seldom[-2] == always[-2] and seldom[-1]["error"] == always[-1]["error"]


@pytest.mark.parametrize(
    "scores, told",
    [
        ({"test_error": 12.345, "test_nll": 1.0}, "test error 12.35 %, "),
        ({"test_rmse": 0.5}, "test RMSE 0.500, "),
        ({}, ""),
    ],
)
def test_progress_tells_the_score_of_an_epoch_that_was_tested(scores, told):
    record = {"epoch": 1, "loss": 2.0, "examples_per_second": 1234.0, **scores}
    assert runs.study(RECIPE).progress(MIXUP, record) == ("epoch 1/2", f"loss 2.000, {told}1,234 examples/s")


def test_divergence_is_told_in_words(tmp_path):
    recipe = dataclasses.replace(RECIPE, learning_rate=1e30)
    with pytest.raises(UserError, match=r"^`learning_rate` should be small enough for training to converge: the loss "):
        trained(ERM, 0, tmp_path, recipe)


def test_dropout_needs_a_place(tmp_path):
    with pytest.raises(UserError, match=r"^`dropout` should be 0 for small_cnn\. Received: dropout=0.3\.$"):
        trained(ERM, 0, tmp_path, dataclasses.replace(RECIPE, dropout=0.3))


@pytest.mark.parametrize("score", ["last", "best", "median"])
def test_the_score_is_that_of_the_epoch_that_the_recipe_names(score):
    errors = [9.0, 9.5, 8.0, 4.0, 3.0, 7.5, 2.0, 6.0, 5.0, 3.5, 2.5, 4.5]
    history = [
        {"epoch": i, "loss": 1.0, "seconds": float(i), "examples_per_second": 100.0 / i, "test_error": error}
        for i, error in enumerate(errors, start=1)
    ]
    found = summary(history, dataclasses.replace(RECIPE, score=score), Classification())
    expected = {"last": 4.5, "best": 2.0, "median": statistics.median(errors[2:])}
    assert expected["median"] not in (statistics.median(errors), errors[-1])
    assert found["error"] == expected[score]
    assert {key: found[f"{key}_error"] for key in expected} == expected
    assert found["seconds"] == 78.0 and found["epochs"] == 12
    assert found["examples_per_second"] == pytest.approx(100.0 / 7)  # the median without the first epoch
