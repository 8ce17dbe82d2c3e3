"""Errors under attack, against linear networks whose adversarial examples are known in closed form."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import pytest

from keras_mixup.cli import main
from keras_mixup.zoo import checkpoints, datasets, locks, recipes, report, runs
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.examples import Data
from keras_mixup.zoo.measures import attacks

SHAPE, CLASSES = (4, 3, 3), 12
SOURCE = dataclasses.replace(
    datasets.get("cifar10"),
    shape=SHAPE,
    classes=tuple("abcdefghijkl"),
    mean=(120.0, 90.0, 60.0),
    deviation=(60.0, 20.0, 90.0),
)
RECIPE = dataclasses.replace(recipes.get("adversarial_small"), rows=(), epsilon=25.0, attacked=70)


def weights(seed):
    """Of networks that have something in common."""
    shared, own = np.random.default_rng(9), np.random.default_rng(seed)
    return tuple(shared.normal(size=size) + 0.7 * own.normal(size=size) for size in ((36, CLASSES), CLASSES))


def network(seed):
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(CLASSES)])
    model.set_weights(weights(seed))
    return model


def logits(images, seed):
    kernel, bias = weights(seed)
    return ((images - SOURCE.mean) / SOURCE.deviation).reshape(len(images), -1) @ kernel + bias


def attacked(images, labels, seed, epsilon, steps, reach=1.0, start=0.0):
    """FGSM in so many steps, in double precision; all of them reach so many times epsilon."""
    images = images.astype(float)
    moved = np.clip(images + start, 0, 255)
    for _ in range(steps):
        z = logits(moved, seed)
        p = np.exp(z - z.max(-1, keepdims=True))
        slope = p / p.sum(-1, keepdims=True) - np.eye(CLASSES)[labels]
        direction = np.sign(slope @ weights(seed)[0].T).reshape(images.shape)
        moved = np.clip(moved + reach * epsilon / steps * direction, images - epsilon, images + epsilon).clip(0, 255)
    return moved


def starts(size, epsilon):
    """Where PGD starts in each part of the images, beside them."""
    parts = [min(32, size - start) for start in range(0, size, 32)]
    return np.concatenate([np.random.default_rng(0).uniform(-epsilon, epsilon, (part, *SHAPE)) for part in parts])


def by(method, images, labels, seed, epsilon):
    """The examples of an attack."""
    if method == "pgd":
        return attacked(images, labels, seed, epsilon, 10, 2.5, starts(len(images), epsilon))
    return attacked(images, labels, seed, epsilon, {"fgsm": 1, "ifgsm": 10}[method])


def error(images, labels, seed, top=1):
    ranked = np.argsort(-logits(images, seed), axis=1)[:, :top]
    return 100 * np.mean(np.all(ranked != labels[:, None], axis=1))


@pytest.fixture
def data(monkeypatch):
    """150 images, of which 70 are attacked, in parts."""
    monkeypatch.setattr(attacks, "BATCH", 32)
    random = np.random.default_rng(9)
    images = random.integers(256, size=(150, *SHAPE), dtype="uint8")
    # One of the first guesses of the network of seed 1, so that attacks of several strengths have something to gain.
    ranks = random.choice(8, size=150, p=[0.5, 0.15, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05])
    labels = np.argsort(-logits(images, 1), axis=1)[np.arange(150), ranks]
    return Data(SOURCE, None, Arrays(images, labels))


def chosen(data):
    rows = np.sort(np.random.default_rng(0).permutation(150)[:70])
    return data.test.features[rows], data.test.labels[rows]


def test_errors_in_both_boxes_by_numpy(data, tmp_path):
    (tmp_path / "source" / "seed5").mkdir(parents=True)
    network(2).save(tmp_path / "source" / "seed5" / "network.keras")
    measured = attacks.measure(network(1), RECIPE, 5, data, tmp_path / "mixup" / "seed5")
    images, labels = chosen(data)
    expected = {
        f"{box}_{method}{suffix}": error(by(method, images, labels, attacker, 25.0), labels, 1, top)
        for box, attacker in (("white", 1), ("black", 2))
        for method in ("fgsm", "ifgsm", "pgd")
        for suffix, top in (("", 1), ("_top5", 5))
    }
    curves = measured.pop("attacks")
    assert measured == pytest.approx(expected) and set(measured) == set(attacks.COLUMNS)
    assert measured["white_fgsm"] > measured["black_fgsm"] > curves["black"]["fgsm"][0] > 0
    assert all(measured[f"{box}_fgsm_top5"] != measured[f"{box}_ifgsm_top5"] for box in ("white", "black"))
    for box, attacker in (("white", 1), ("black", 2)):
        for method in ("fgsm", "ifgsm", "pgd"):
            examples = [by(method, images, labels, attacker, epsilon) for epsilon in (0, 0.5, 1, 2, 4)]
            assert curves[box][method] == pytest.approx([error(x, labels, 1) for x in examples])


def test_what_the_attack_standardises_is_what_the_network_is_trained_on(data):
    images = data.test.features
    ours = attacks._standardise(SOURCE)(images.astype("float32"))
    np.testing.assert_allclose(ours, SOURCE.features(images), rtol=1e-6)


def test_without_a_source_there_is_but_the_white_box(data, tmp_path):
    white = {key for key in attacks.COLUMNS if key.startswith("white")}
    other = dataclasses.replace(RECIPE, name="cifar10_small")
    for recipe, row in ((RECIPE, "source"), (other, "mixup")):
        measured = attacks.measure(network(1), recipe, 0, data, tmp_path / row / "seed0")
        assert set(measured) == white | {"attacks"} and set(measured["attacks"]) == {"white"}


def test_up_to_ten_classes_have_no_top_5(data, tmp_path):
    few = data._replace(source=dataclasses.replace(SOURCE, classes=SOURCE.classes[:10]))
    measured = attacks.measure(network(1), RECIPE, 0, few, tmp_path / "source" / "seed0")
    assert set(measured) == {"white_fgsm", "white_ifgsm", "white_pgd", "attacks"}


def test_a_missing_source_is_refused_before_training(tmp_path):
    attacks.check(RECIPE, None, tmp_path / "source" / "seed0")
    attacks.check(dataclasses.replace(RECIPE, name="cifar10_small"), None, tmp_path / "erm" / "seed0")
    with pytest.raises(
        UserError, match="Run `keras-mixup run adversarial_small --row source`, then the same command"
    ) as e:
        attacks.check(RECIPE, None, tmp_path / "erm" / "seed0")
    assert str(tmp_path / "source" / "seed0" / "network.keras") in str(e.value)
    with locks.alone(tmp_path / "source" / "seed0"), pytest.raises(locks.Busy):  # the next seed may be free
        attacks.check(RECIPE, None, tmp_path / "erm" / "seed0")
    recipe = runs.study(recipes.get(RECIPE.name)).small()
    row = recipe.rows[1]
    data = runs.load(recipe, row, 0, smoke=True)
    with pytest.raises(UserError, match="The row source should be run before the others"):
        runs.run(recipe, row, 0, data, tmp_path)
    assert not checkpoints.paths(runs.folder(tmp_path, row, 0))


@pytest.mark.parametrize(
    "features", [np.zeros((4, 36), "uint8"), np.zeros((4, *SHAPE), "float32")], ids=["no image", "no pixels"]
)
def test_what_is_no_image_is_refused(data, tmp_path, features):
    with pytest.raises(UserError, match="`measures` should hold attacks only for images of 8 bits"):
        other = data._replace(test=Arrays(features, np.zeros(4, int)))
        attacks.measure(network(1), RECIPE, 0, other, tmp_path / "source" / "seed0")


def curves_of(number):
    """The errors of each attack at each epsilon, which no two attacks share."""
    return {method: [number + 10.0 * i + e for e in range(5)] for i, method in enumerate(("fgsm", "ifgsm", "pgd"))}


def test_the_picture_has_a_panel_for_each_box_and_attack(tmp_path, monkeypatch):
    from keras_mixup.zoo import figures

    drawn = []

    def band(axes, x, values, number, title):
        drawn.append((axes.get_subplotspec().num1, title, number, values))

    monkeypatch.setattr(figures, "band", band)
    recipe, white, black = recipes.get("adversarial_small"), curves_of(1), curves_of(0)
    both = {"seed": 0, "attacks": {"white": white, "black": black}}
    found = {
        "source": [({"seed": 0, "attacks": {"white": white}}, [])],
        "erm": [(both, []), (both, [])],
        "mixup": [({"seed": 0}, [])],  # a row that was not attacked
    }
    attacks.draw(recipe, found, tmp_path / "attacks.png")
    methods = list(enumerate(("fgsm", "ifgsm", "pgd")))
    of_source = [(i, "first ERM", 0, [white[method]]) for i, method in methods]
    of_erm = [(i, "second ERM", 1, [white[method]] * 2) for i, method in methods]
    of_erm += [(i + 3, "second ERM", 1, [black[method]] * 2) for i, method in methods]
    assert sorted(drawn, key=lambda one: one[:2]) == sorted(of_source + of_erm, key=lambda one: one[:2])
    assert (tmp_path / "attacks.png").read_bytes().startswith(b"\x89PNG")


def test_published_figures():
    rows = {row.name: row for row in recipes.get("adversarial").rows}
    assert rows["source"].published is None
    assert (rows["erm"].published.error, rows["erm"].published.top5) == (90.7, 63.1)
    assert (rows["mixup"].published.error, rows["mixup"].published.top5) == (75.2, 49.1)
    assert all("from memory" in rows[name].published.tag for name in ("erm", "mixup"))


@pytest.mark.slow
def test_smoke(tmp_path):
    assert main(["run", "adversarial_small", "--smoke", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "smoke" / "table.md").read_text(encoding="utf-8")
    assert "white FGSM (%)" in text and "black I-FGSM (%)" in text and "top-5" not in text
    assert attacks.NOTE in text
    assert (tmp_path / "smoke" / "attacks.png").exists()
    found = runs.collect(recipes.get("adversarial_small"), tmp_path / "smoke")
    assert "black_fgsm" in found["mixup"][0][0] and "black_fgsm" not in found["source"][0][0]
    assert report.columns().keys() >= attacks.COLUMNS.keys()


def test_all_epsilons_of_all_seeds_are_kept_beside_the_picture(tmp_path):
    recipe = recipes.get("adversarial_small")
    white, black = [curves_of(4.0 + seed) for seed in (0, 1)], [curves_of(1.5), curves_of(2.5)]
    found = {
        "source": [({"seed": 4, "attacks": {"white": white[0]}}, [])],
        "erm": [({"seed": i, "attacks": {"white": white[i], "black": black[i]}}, []) for i in (0, 1)],
    }
    attacks.draw(recipe, found, tmp_path / "attacks.png")
    kept = json.loads((tmp_path / "attacks.json").read_text())
    assert kept["epsilons"] == [0, 0.5, 1, 2, 4]
    assert kept["rows"]["source"] == {"seeds": [4], "white": {name: [c] for name, c in white[0].items()}}
    for box, values in (("white", white), ("black", black)):
        assert kept["rows"]["erm"][box] == {name: [one[name] for one in values] for name in values[0]}
    assert kept["rows"]["erm"]["seeds"] == [0, 1]
    assert (tmp_path / "attacks.png").read_bytes().startswith(b"\x89PNG")


def test_the_legend_gives_epsilon_in_the_units_of_the_data():
    """It once said "of 255" of digits, whose pixels end at 16."""
    assert "of 255" not in attacks.NOTE
    _, test = datasets.get("digits").load(100, 0)
    assert test.features.max() == 16 and "`digits` from 0 to 16" in attacks.NOTE


@pytest.mark.parametrize("name", ["adversarial_small", "digits_attacked"])
def test_committed_tables_have_the_legend_of_today(name):
    folder = pathlib.Path(report.__file__).parent / "results" / name
    assert f"- {attacks.NOTE}\n" in (folder / "table.md").read_text(encoding="utf-8")
