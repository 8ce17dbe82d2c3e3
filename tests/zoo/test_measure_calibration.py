"""What is measured of calibration, of strangers and of overlap: against scikit-learn, NumPy, and by hand."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_mixup.zoo import datasets, measures, recipes, runs, scores
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.examples import Data
from keras_mixup.zoo.measures import calibration, ood, overlap
from keras_mixup.zoo.recipe import for_row

SHAPE = (8, 8, 2)


def softmax(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def world():
    """A network that is too sure by a factor of 2.5, and what it is tested on."""
    random = np.random.default_rng(0)
    network = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)])
    weights = (0.25 * random.normal(size=(128, 3))).astype("float32")
    network.layers[-1].set_weights([2.5 * weights, np.zeros(3)])

    def split(size):
        images = random.normal((100, 30), (50, 10), (size, *SHAPE)).clip(0, 255).astype("uint8")
        p = softmax(((images - 100.0) / 50.0).reshape(size, -1) @ weights)
        return Arrays(images, (p.cumsum(1) < random.random((size, 1))).sum(1))

    source = dataclasses.replace(
        datasets.get("digits"), shape=SHAPE, classes=tuple("abc"), mean=100.0, deviation=50.0, load=None
    )
    training, test, held_out = split(1200), split(1100), split(900)
    return network, Data(source, training, test, held_out, training.labels)


def logits(network, split):
    return np.asarray(network.predict((split.features.astype("float32") - 100.0) / 50.0, verbose=0), "float64")


def test_calibration_and_its_mending(world, tmp_path):
    metrics = pytest.importorskip("sklearn.metrics")
    network, data = world
    found = calibration.measure(network, recipes.get("digits"), 0, data, tmp_path)
    bins = found.pop("calibration")
    assert set(found) == set(calibration.COLUMNS)
    assert all(type(value) is float for value in found.values())
    assert json.loads(json.dumps(bins)) == bins
    z, y = logits(network, data.test), data.test.labels
    p = softmax(z)
    confidence, hit = p.max(1), p.argmax(1) == y
    place = np.minimum((confidence * 15).astype(int), 14)
    gaps, oe = [], 0.0
    for b in np.unique(place):
        conf, acc = confidence[place == b].mean(), hit[place == b].mean()
        gaps.append(abs(conf - acc))
        oe += np.mean(place == b) * conf * max(conf - acc, 0)
        np.testing.assert_allclose([bins["confidence"][b], bins["accuracy"][b]], [conf, acc], rtol=1e-5)
    assert sum(bins["count"]) == 1100
    np.testing.assert_allclose(found["oe"], 100 * oe, rtol=1e-4)
    np.testing.assert_allclose([found["ace"], found["mce"]], [100 * np.mean(gaps), 100 * max(gaps)], rtol=1e-4)
    one_hot = np.eye(3)[y]
    np.testing.assert_allclose(
        found["brier"], sum(metrics.brier_score_loss(one_hot[:, c], p[:, c]) for c in range(3)), rtol=1e-5
    )
    assert found["temperature"] == pytest.approx(2.5, rel=0.15)  # the sample of 900 differs from the truth
    held = logits(network, data.held_out)
    values = [scores.nll(held / t, data.held_out.labels) for t in found["temperature"] * np.array([0.97, 1.0, 1.03])]
    assert values[1] < min(values[0], values[2])
    assert found["nll_t"] == pytest.approx(metrics.log_loss(y, softmax(z / found["temperature"])), rel=1e-5)
    assert found["ece_t"] == pytest.approx(scores.ece(z / found["temperature"], y), rel=1e-3)
    assert found["nll_t"] < scores.nll(z, y) - 0.1 and found["ece_t"] < scores.ece(z, y) - 5


def test_without_examples_held_out_there_is_no_temperature(world, tmp_path):
    network, data = world
    found = calibration.measure(network, recipes.get("digits"), 0, data._replace(held_out=None), tmp_path)
    assert set(found) == {"oe", "ace", "mce", "brier", "calibration"}


# --- Strangers ------------------------------------------------------------------------------------------------------


def test_the_area_is_the_chance_that_the_known_score_higher():
    known, strange = np.array([3.0, 1.0, 2.0]), np.array([0.5, 2.0])
    pairs = (known[:, None] > strange) + 0.5 * (known[:, None] == strange)
    assert ood.auroc(known, strange) == pytest.approx(100 * pairs.mean())
    assert ood.auroc(np.array([1.0, np.float64("1e3")]), np.array([0.0])) == 100.0


def test_winning_scores_are_in_the_order_of_probabilities_and_do_not_tie():
    random = np.random.default_rng(0)
    z = random.normal(size=(50, 4))
    p = softmax(z).max(1)
    np.testing.assert_allclose(ood.winning_score(z), np.log(p / (1 - p)))
    assert np.all(np.diff(ood.winning_score([[40.0, 0, 0], [50.0, 0, 0], [900.0, 0, 0]])) > 0)


def test_blocks_keep_their_pixels_and_change_places():
    random = np.random.default_rng(0)
    images = np.arange(5 * 8 * 12 * 3, dtype="float32").reshape(5, 8, 12, 3)
    shuffled = ood.shuffle_blocks(images, random)

    def blocks(image):
        return [image[i : i + 2, j : j + 3].tobytes() for i in range(0, 8, 2) for j in range(0, 12, 3)]

    orders = []
    for before, after in zip(images, shuffled, strict=True):
        assert sorted(blocks(before)) == sorted(blocks(after))
        orders.append([blocks(before).index(block) for block in blocks(after)])
    assert len({tuple(order) for order in orders}) == 5  # each image has its own order
    assert np.mean(np.array(orders) == np.arange(16)) < 0.3


def test_noise_has_the_moments_of_the_training_pixels(world, tmp_path):
    network, data = world
    seen = []

    class Spy:
        input_shape = network.input_shape

        def predict(self, *args, **kwargs):
            return network.predict(*args, **kwargs)

        def predict_on_batch(self, batch):
            seen.append(np.asarray(batch))
            return network.predict_on_batch(batch)

    found = ood.measure(Spy(), recipes.get("digits"), 0, data, tmp_path)
    assert set(found) == {"auroc_noise", "auroc_blocks"}
    noise, blocks = (np.concatenate(seen[i : i + 3]) for i in (0, 3))
    assert noise.shape == blocks.shape == (1100, *SHAPE)
    training = (data.training.features.reshape(-1, 2).astype("float64") - 100.0) / 50.0
    np.testing.assert_allclose(noise.mean((0, 1, 2)), training.mean(0), atol=0.02)
    np.testing.assert_allclose(noise.std((0, 1, 2)), training.std(0), rtol=0.02)
    known = softmax(logits(network, data.test)).max(1)
    for key, strange in (("auroc_noise", noise), ("auroc_blocks", blocks)):
        p = softmax(np.asarray(network.predict(strange, verbose=0), "float64")).max(1)
        pairs = (known[:, None] > p) + 0.5 * (known[:, None] == p)
        assert found[key] == pytest.approx(100 * pairs.mean(), abs=0.01)
    again = ood.measure(network, recipes.get("digits"), 0, data, tmp_path)
    assert again == pytest.approx(found) and again != ood.measure(network, recipes.get("digits"), 1, data, tmp_path)


def test_strangers_of_another_set_are_standardised_as_the_network_knows_it(world, tmp_path):
    network, data = world
    strangers = Arrays(np.random.default_rng(3).integers(40, 90, (700, *SHAPE), "uint8"), np.zeros(700, int))
    found = ood.measure(network, recipes.get("digits"), 0, data._replace(strangers=strangers), tmp_path)
    known, strange = (softmax(logits(network, split)).max(1) for split in (data.test, strangers))
    pairs = (known[:, None] > strange) + 0.5 * (known[:, None] == strange)
    assert found["auroc_strangers"] == pytest.approx(100 * pairs.mean(), abs=0.01) != pytest.approx(50, abs=1)
    assert set(found) == set(ood.COLUMNS)


def test_strangers_are_the_test_examples_of_the_set_that_the_recipe_names(tiny_fashion_mnist):
    own = dataclasses.replace(recipes.get("digits"), dataset="cifar10", strangers="svhn_cropped")
    data = runs.load(own, own.rows[0], 0, smoke=True)
    assert data.strangers.features.shape[1:] == (32, 32, 3) and len(data.strangers) == own.batch_size
    fashion = dataclasses.replace(recipes.get("fashion_mnist"), train_size=10, strangers="fashion_mnist")
    data = runs.load(fashion, fashion.rows[0], 0, tiny_fashion_mnist)
    assert len(data.test) > 10 and np.array_equal(data.strangers.features, data.test.features)
    assert runs.load(recipes.get("digits"), recipes.get("digits").rows[0], 0).strangers is None
    assert ("tensorflow_datasets", "tensorflow-datasets") in runs.study(own).packages()


@pytest.mark.parametrize("name", ["cifar10", "iris"])
def test_strangers_of_another_shape_are_refused(name):
    recipe = dataclasses.replace(recipes.get("digits"), strangers=name)
    with pytest.raises(
        UserError, match=r"^`strangers` should be a data set whose examples have the shape of those of "
    ):
        runs.load(recipe, recipe.rows[0], 0)


def test_what_is_no_image_has_no_blocks(tmp_path):
    source = datasets.get("gaussians-0.25")
    training, test = source.load(200, 0, None)
    network = keras.Sequential([keras.Input((300,)), keras.layers.Dense(2)])
    found = ood.measure(network, recipes.get("digits"), 0, Data(source, training, test), tmp_path)
    assert set(found) == {"auroc_noise"}


# --- Overlap --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, noise, share, nll",
    [
        ("noise-0-mixup", "map", 0.0, 0.0),
        ("noise-30-erm", "map", 30.0, -np.log(0.7)),
        ("noise-30-erm", "other", 30.0, -np.log(0.7)),
        ("noise-30-erm", "uniform", 27.0, -np.log(0.73)),  # a tenth of the others are what they were
        ("gaussians-0.1-erm", "map", 19.3238, 0.417842),
    ],
)
def test_overlap_and_what_is_best(row, noise, share, nll):
    recipe = dataclasses.replace(recipes.get("overlap"), noise=noise)
    recipe = for_row(recipe, next(one for one in recipe.rows if one.name == row))
    data = Data(datasets.get(recipe.dataset), None, None)
    found = overlap.measure(None, recipe, 0, data, None)
    assert found == pytest.approx({"overlap_share": share, "best_nll": nll}, rel=1e-4)


# --- Recipes and pictures -------------------------------------------------------------------------------------------


def test_the_rows_of_overlap_are_compared_where_classes_overlap_alike():
    from keras_mixup.zoo import report

    recipe = recipes.get("overlap")
    groups = report.comparisons(recipe, recipe.rows)
    assert [len(group) for group in groups] == [4] * 10
    assert all(group[0].method is None for group in groups)
    assert [for_row(recipe, group[0]).label_noise for group in groups] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0, 0, 0, 0]


def test_a_smoke_test_of_overlap_is_small():
    recipe = runs.study(recipes.get("overlap")).small()
    assert {for_row(recipe, row).train_size for row in recipe.rows} == {16}
    assert {for_row(recipe, row).epochs for row in recipe.rows} == {1}


@pytest.fixture
def captured(monkeypatch):
    """The figures that are drawn, in place of their files."""
    from keras_mixup.zoo import figures

    drawn, to_file = [], figures.figure_file

    def figure_file(path, **arguments):
        manager = to_file(path, **arguments)
        enter = type(manager).__enter__

        class Kept:
            def __enter__(self):
                drawn.append(enter(manager))
                return drawn[-1]

            def __exit__(self, *error):
                return manager.__exit__(*error)

        return Kept()

    monkeypatch.setattr(figures, "figure_file", figure_file)
    return drawn


def test_the_diagram_pools_the_seeds(tmp_path, captured):
    pytest.importorskip("matplotlib")
    recipe = recipes.get("calibration_small")
    empty = [0.0] * 13

    def result(confidence, accuracy, count):
        bins = {"confidence": [*empty, *confidence], "accuracy": [*empty, *accuracy], "count": [0] * 13 + count}
        return {"calibration": bins}, []

    found = {
        "erm": [result([0.9, 0.97], [0.8, 0.9], [30, 60]), result([0.92, 0.99], [0.5, 0.7], [10, 0])],
        "mixup-1.0": [result([0.9, 0.97], [0.95, 1.0], [9, 91])],
    }
    calibration.draw(recipe, found, tmp_path / "calibration.png", smoke=True)
    assert (tmp_path / "calibration.png").stat().st_size > 10_000
    (figure,) = captured
    upper, lower = figure.axes
    _, erm, mixup = upper.lines
    np.testing.assert_allclose(erm.get_xydata(), [[(27 + 9.2) / 40, (24 + 5) / 40], [0.97, 0.9]])
    np.testing.assert_allclose(mixup.get_xydata(), [[0.97, 1.0]])  # the bin of 9 is left out
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["ERM (n = 2)", "mixup, alpha 1.0 (n = 1)"]
    np.testing.assert_allclose(lower.patches[0].get_data().values[-2:], [40, 60])
    assert "SMOKE TEST" in figure.get_suptitle()


def test_the_picture_of_overlap_has_a_line_for_each_method(tmp_path, captured):
    pytest.importorskip("matplotlib")
    recipe = recipes.get("overlap")

    def result(nll, at_t, share, best):
        return {"nll": nll, "nll_t": at_t, "overlap_share": share, "best_nll": best}, []

    found = {
        "noise-30-erm": [result(2.0, 1.0, 30.0, 0.36), result(2.4, 1.2, 30.0, 0.36)],
        "noise-0-erm": [result(0.5, 0.4, 0.0, 0.0)],
        "noise-30-mixup": [result(0.8, 0.7, 30.0, 0.36)],
        "gaussians-0.1-erm": [result(0.9, 0.8, 19.3, 0.42)],
    }
    overlap.draw(recipe, found, tmp_path / "overlap.png")
    assert (tmp_path / "overlap.png").stat().st_size > 10_000
    (figure,) = captured
    images, gaussians = figure.axes
    lines = {container.get_label(): container.lines[0].get_xydata() for container in images.containers}
    assert list(lines) == ["ERM", "ERM at T", "mixup"]
    np.testing.assert_allclose(lines["ERM"], [[0, 0.5], [30, 2.2]])
    np.testing.assert_allclose(lines["ERM at T"], [[0, 0.4], [30, 1.1]])
    np.testing.assert_allclose(lines["mixup"], [[30, 0.8]])
    best = next(line for line in images.lines if line.get_label() == "best possible")
    np.testing.assert_allclose(best.get_xydata(), [[0, 0], [30, 0.36]])
    assert len(gaussians.containers) == 2


def test_their_columns_are_in_tables():
    assert {*calibration.COLUMNS, *ood.COLUMNS, *overlap.COLUMNS} <= set(measures.columns())
