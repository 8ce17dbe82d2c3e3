"""What is measured of trained networks, against networks whose answers are known."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import scipy.ndimage

from keras_mixup.cli import main
from keras_mixup.zoo import datasets, measures, recipes, report, runs
from keras_mixup.zoo.datasets.splits import Arrays, Records
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.examples import Data
from keras_mixup.zoo.measures import between, deformations, directional, memorised, plane

RANDOM = np.random.default_rng(0)
POINTS = dataclasses.replace(datasets.get("rings"), shape=(3,), classes=("a", "b", "c"), mean=0.0, deviation=2.0)


def linear(kernel, bias):
    """A network whose logits are known."""
    network = keras.Sequential([keras.Input((len(kernel),)), keras.layers.Dense(len(bias))])
    network.set_weights([np.asarray(kernel, "float32"), np.asarray(bias, "float32")])
    return network


KERNEL, BIAS = RANDOM.normal(size=(3, 3)), np.array([0.3, -0.2, 0.1])
NETWORK = linear(KERNEL, BIAS)


def examples(size):
    return Arrays(RANDOM.normal(0.4, 2.0, (size, 3)).astype("float32"), RANDOM.integers(3, size=size))


def test_every_measure_keeps_to_the_form():
    assert list(measures.NAMES) == sorted(measures.NAMES)
    for module in map(measures.get, measures.NAMES):
        assert module.__doc__ and module.NOTE.endswith(".")
        assert all(isinstance(digits, int) for _, digits in module.COLUMNS.values())
        assert module.PICTURE is None or callable(module.draw)
    keys = [key for name in measures.NAMES for key in measures.get(name).COLUMNS]
    assert len(keys) == len(set(keys)) and not set(keys) & set(report.SCORES)


def test_memorised_counts_real_and_corrupted_labels_apart():
    features = np.eye(3, dtype="float32")[[0, 0, 1, 1, 2, 2, 0]] * 4
    given, true = np.array([0, 1, 1, 2, 2, 2, 2]), np.array([0, 0, 1, 1, 2, 0, 0])
    data = Data(POINTS, Arrays(features, given), None, None, true)
    measured = memorised.measure(linear(np.eye(3), np.zeros(3)), None, 0, data, None)
    # Predicted are 0 0 1 1 2 2 0: all three real ones are right, one of four corrupted ones is known by heart.
    assert measured == {"real_error": 0.0, "corrupted_error": 75.0}
    clean = Data(POINTS, Arrays(features, true), None, None, true)
    assert memorised.measure(NETWORK, None, 0, clean, None).keys() == {"real_error"}


def test_gradients_of_the_predicted_logit():
    x = RANDOM.normal(size=(600, 3)).astype("float32")  # more than a batch
    guesses, norms = between.guess(NETWORK, x)
    np.testing.assert_array_equal(guesses, np.argmax(x @ KERNEL + BIAS, axis=1))
    np.testing.assert_allclose(norms, np.linalg.norm(KERNEL, axis=0)[guesses], rtol=1e-5)


def test_misses_between_examples_by_numpy(monkeypatch):
    monkeypatch.setattr(between, "PAIRS", 400)
    data = Data(POINTS, None, examples(1000))
    measured = between.measure(NETWORK, None, 2, data, None)
    rows = np.random.default_rng((2, 3)).permutation(1000)[:800]
    x, ids = data.test.features[rows] / 2.0, data.test.labels[rows]
    for weight, misses in zip(measured["between"]["weights"], measured["between"]["misses"], strict=True):
        guesses = np.argmax((weight * x[:400] + (1 - weight) * x[400:]) @ KERNEL + BIAS, axis=1)
        expected = 100 * np.mean((guesses != ids[:400]) & (guesses != ids[400:]))
        assert misses == pytest.approx(expected, abs=0.26)  # a logit may be equal to another but for rounding
    assert measured["miss"] == measured["between"]["misses"][10]
    assert 1.0 < measured["miss"] < 99.0


def test_directional_derivatives_of_a_linear_network_by_hand(monkeypatch):
    monkeypatch.setattr(directional, "EXAMPLES", 300)
    data = Data(POINTS, examples(700), None)
    x = data.training.features / 2.0
    mean, x, y = x.mean(axis=0), x[:300], np.eye(3)[data.training.labels[:300]]
    logits = x @ KERNEL + BIAS
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    q = np.sum((p - y) * ((mean - x) @ KERNEL), axis=1)
    q_hat = np.sum((y - p) * logits, axis=1)
    expected = {"q": q, "q_absolute": abs(q), "q_hat": q_hat, "q_hat_absolute": abs(q_hat)}
    measured = directional.watch(NETWORK, data)
    assert measured == pytest.approx({key: values.mean() for key, values in expected.items()}, rel=1e-4)


@pytest.mark.parametrize("name", deformations.DEFORMATIONS)
def test_deformations_by_scipy(name):
    _, matrices, low, high = deformations.DEFORMATIONS[name]
    images = RANDOM.normal(size=(4, 9, 6, 2)).astype("float32")
    m = matrices(np.linspace(low, high, 4) - 0.07)  # no pixel half way between two
    center = np.array([9 / 2 + 0.5, 6 / 2 + 0.5, 0.0])  # SciPy's axes are rows, columns, channels
    expected = np.empty_like(images)
    for i, image in enumerate(images):
        matrix = np.eye(3)
        matrix[:2, :2] = m[i]
        offset = center - matrix @ center
        expected[i] = scipy.ndimage.affine_transform(image, matrix, offset, order=0, mode="grid-constant")
    np.testing.assert_allclose(deformations.deform(images, m), expected, atol=1e-4)


def test_deformations_go_the_way_they_are_called():
    """A bright pixel right of the center, which is at 5, 5; positive angles turn it clockwise and shear it down."""
    image = np.zeros((1, 9, 9, 1), "float32")
    image[0, 5, 7] = 1.0
    where = {
        "turned": (deformations.rotation([90.0]), (7, 5)),
        "sheared": (deformations.shear([30.0]), (6, 7)),
        "zoomed in": (deformations.zoom([0.6]), (5, 8)),
        "zoomed out": (deformations.zoom([2.0]), (5, 6)),
    }
    for name, (matrices, expected) in where.items():
        found = deformations.deform(image, matrices)[0, :, :, 0]
        assert np.unravel_index(found.argmax(), found.shape) == expected, name


def test_errors_under_deformations_of_a_network_that_compares_two_pixels(monkeypatch):
    """Of class 1 is what is bright right of the center; turned by half a circle it looks like class 0."""
    kinds = {
        "as_it_is": ("", deformations.zoom, 1.0, 1.0),
        "half": ("", deformations.rotation, 180.0, 180.0),
        "far": ("", deformations.zoom, 3.0, 3.0),  # nothing is left where the network looks
    }
    monkeypatch.setattr(deformations, "DEFORMATIONS", kinds)
    classes = ("left", "right")
    source = dataclasses.replace(datasets.get("digits"), shape=(7, 7, 1), classes=classes, mean=0.0, deviation=1.0)
    labels = RANDOM.integers(2, size=700)  # more than a batch
    images = np.zeros((700, 7, 7, 1), "float32")
    images[np.arange(700), 4, np.where(labels, 5, 3)] = 1.0
    kernel = np.zeros((49, 2), "float32")
    kernel[31, 0] = kernel[33, 1] = 1.0
    network = keras.Sequential([keras.Input((7, 7, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    network.set_weights([kernel, np.array([0.1, 0.0], "float32")])
    found = deformations.measure(network, None, 3, Data(source, None, Arrays(images, labels)), None)
    assert found == pytest.approx({"as_it_is": 0.0, "half": 100.0, "far": 100 * labels.mean()})


def test_deformations_are_the_same_for_all_rows_and_others_with_another_seed(monkeypatch):
    data = runs.load(recipes.get("digits"), recipes.get("digits").rows[0], seed=0)
    drawn = []
    monkeypatch.setattr(deformations, "deform", lambda images, matrices: drawn.append(matrices) or images)
    network = keras.Sequential([keras.Input(data.source.shape), keras.layers.Flatten(), keras.layers.Dense(10)])
    for seed in (0, 0, 1):
        deformations.measure(network, None, seed, data, None)
    first, again, other = np.split(np.concatenate(drawn), 3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first[: len(data.test.labels)], axis=0)) > 0.99 * len(data.test.labels)


def test_deformations_are_of_images():
    recipe = dataclasses.replace(recipes.get("rings"), measures=("deformations",))
    with pytest.raises(UserError, match="`measures` should not hold deformations for rings, which has no images"):
        measures.check(recipe, Data(POINTS, examples(5), examples(5)), None)


def test_the_plane_by_a_sigmoid():
    data = runs.load(recipes.get("rings"), recipes.get("rings").rows[0], seed=0)
    measured = plane.measure(linear([[0.0, 3.0], [0.0, 0.5]], [0.0, 1.0]), None, 0, data, None)
    reach, grid = measured["plane"]["reach"], np.array(measured["plane"]["probability"])
    assert reach == 2.0 and grid.shape == (plane.SIDE, plane.SIDE)
    axis = np.linspace(-2, 2, plane.SIDE)
    expected = 1 / (1 + np.exp(-(3.0 * axis[None, :] + 0.5 * axis[:, None] + 1)))  # rows are the second coordinate
    np.testing.assert_allclose(grid, expected, atol=6e-4)
    undecided = 100 * np.mean((expected >= 0.1) & (expected <= 0.9))
    assert measured["undecided"] == pytest.approx(undecided, abs=0.1)


def test_measures_are_taken_shown_drawn_and_followed(tmp_path, capsys):
    argv = ["run", "digits", "--row", "erm", "--seeds", "2", "--out", str(tmp_path)]
    measured = "between,deformations,directional,memorised"
    argv += ["--set", "epochs=2", "train_size=200", f"measures={measured}", "label_noise=0.5"]
    assert main(argv) == 0
    assert "between.png, deformations.png, directional.png" in capsys.readouterr().out
    for name in ("between.png", "deformations.png", "directional.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    table = json.loads((tmp_path / "table.json").read_text())
    (row,) = table["rows"]
    assert row["miss"]["values"] and row["corrupted_error"]["mean"] > row["real_error"]["mean"]
    text = (tmp_path / "table.md").read_text()
    for name in measured.split(","):
        assert measures.get(name).NOTE in text
    history = json.loads((tmp_path / "erm" / "seed1" / "history.json").read_text())
    assert history[0]["q"] != history[1]["q"] == row["q"]["values"][1]


def test_an_unknown_measure_is_refused(capsys):
    assert main(["run", "digits", "--set", "measures=between,beauty"]) == 2
    known = ", ".join(measures.NAMES)
    assert capsys.readouterr().err == (
        f"keras-mixup: `measures` should be some of {known}; or your own as module:NAME. "
        "Received: measures=between,beauty.\n"
    )


def test_a_setting_that_is_newer_than_a_run_was_at_its_default_then(tmp_path, capsys):
    recipe = dataclasses.replace(recipes.get("digits"), train_size=40, epochs=2)
    row = recipe.rows[0]
    config = runs.config(recipe, row, 0)
    for key in ("measures", "held_out", "label_noise"):
        del config[key]
    where = runs.folder(tmp_path, row, 0)
    where.mkdir(parents=True)
    (where / "config.json").write_text(json.dumps(config))
    (where / "checkpoint-0001.npz").write_bytes(b"")
    runs.check_out(recipe, tmp_path)
    assert main(["run", "digits", "--set", "train_size=40", "epochs=2", "held_out=5", "--out", str(tmp_path)]) == 2
    assert "has held_out=0, and you ask for held_out=5." in capsys.readouterr().err


def test_measures_of_classes_refuse_numbers_before_training(capsys, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i * 0.37}\n" for i in range(40)))
    argv = ["run", "tabular", "--set", f"csv={path}", "target=b", "epochs=1", "measures=between", "--row", "erm"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 2
    message = f"`measures` should be empty where numbers are predicted, as of csv:{path}:b. Received: measures=between."
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["between", "directional", "plane"])
def test_examples_on_disk_are_refused_before_training(name):
    recipe = dataclasses.replace(recipes.get("imagenet"), measures=(name,), rows=())
    images = Records(3, None, 8, 1.0)
    data = Data(datasets.get("cifar10"), images, images)
    with pytest.raises(UserError, match=f"`measures` should not hold {name} for imagenet, which is not read into"):
        measures.check(recipe, data, None)
