"""The recipes for GANs: scores against hand-made samples, training that repeats itself, tables and refusals."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import scipy.stats

from keras_mixup.cli import main
from keras_mixup.zoo import recipes, report, runs, variants
from keras_mixup.zoo.gan import frechet, images, mixtures, toy, training
from keras_mixup.zoo.gan import recipe as gan_recipe
from keras_mixup.zoo.gan.recipe import Gan

trains = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="training needs the TensorFlow backend")
TINY = ["--set", "iterations=20", "width=8", "batch_size=8", "discriminator_steps=2"]


@pytest.mark.parametrize("name, modes", [("ring", 8), ("grid", 25), ("spiral", 200)])
def test_modes_lie_where_they_should(name, modes):
    centres = mixtures.means(name)
    assert centres.shape == (modes, 2)
    radius = np.linalg.norm(centres, axis=1)
    if name == "ring":
        np.testing.assert_allclose(radius, 1.0)
        np.testing.assert_allclose(np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1), 2 * np.sin(np.pi / 8))
    if name == "grid":
        assert {tuple(c) for c in centres.tolist()} == {(x / 2, y / 2) for x in range(-2, 3) for y in range(-2, 3)}
    if name == "spiral":
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert np.ptp(steps) < 0.002 and steps.mean() < 2 * mixtures.deviation(name)
        np.testing.assert_allclose(radius[[0, -1]], [0.2, 1.0], rtol=1e-6)


@pytest.mark.parametrize("name", ["ring", "grid", "spiral"])
def test_the_data_score_best(name):
    real = toy.reference(name)
    assert real["covered"] == 100.0
    assert real["quality"] == pytest.approx(98.9, abs=0.5) and real["near"] > 98.8
    assert real["kl"] < 2 * len(mixtures.means(name)) / (2 * mixtures.SAMPLES)  # about (modes - 1) / (2 samples)


def test_scores_of_samples_made_by_hand():
    """On the ring: 60 samples at one mode, 30 at another, 2 a little off a third one (near), 8 in the middle."""
    centres = mixtures.means("ring")
    points = np.concatenate(
        [np.repeat(centres[:1], 60, 0), np.repeat(centres[3:4], 30, 0), centres[5:6] + [[0.1, 0], [0, 0.1]]]
    )
    points = np.concatenate([points, np.tile([[0.2, 0.01]], (8, 1))])  # closest to the first mode
    found = mixtures.scores(points, "ring")
    assert found["modes"] == 3 and found["covered"] == 37.5  # of 100 samples a mode needs 1.25
    assert found["near"] == pytest.approx(92.0) and found["quality"] == pytest.approx(90.0)
    share = np.array([0.68, 0.30, 0.02])
    assert found["kl"] == pytest.approx(np.sum(share * np.log(share * 8)))
    one = mixtures.scores(points[:91], "ring")  # 1 near sample of 91 is less than a tenth of an eighth
    assert one["modes"] == 2


@pytest.mark.parametrize("distance, good", [(2.9, True), (3.1, False)])
def test_high_quality_ends_at_three_standard_deviations(distance, good):
    point = mixtures.means("grid")[7] + [0.0, distance * 0.01]
    assert mixtures.scores(point[None], "grid")["quality"] == 100.0 * good


@pytest.mark.parametrize("name", ["ring", "grid", "spiral"])
def test_training_points_follow_the_density_they_are_judged_by(name):
    dataset = mixtures.batches(name, 10_000, seed=1)
    first, second = next(dataset.as_numpy_iterator()), next(dataset.as_numpy_iterator())
    assert not np.array_equal(first, second)  # other points each time it is iterated over
    found = mixtures.scores(first, name)
    assert found["covered"] == 100.0 and found["quality"] == pytest.approx(98.9, abs=0.5)


@pytest.mark.parametrize(
    "iterations, expected",
    [(10, [10]), (50, [10, 50]), (1000, [10, 100, 1000]), (20000, [10, 100, 1000, 10000, 20000])],
)
def test_snapshots(iterations, expected):
    assert training.snapshots(iterations) == expected
    looks = training.looks(iterations)
    assert set(expected) <= set(looks) and looks == sorted(looks) and looks[-1] == iterations
    assert all(look % training.STEPS_PER_CALL == 0 for look in looks)


def test_frechet_distance_against_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    random = np.random.default_rng(3)
    one, other = random.normal(size=(50, 6)), random.normal(0.4, 1.7, (80, 6)) @ random.normal(size=(6, 6))
    (m, s), (n, t) = frechet.statistics(one), frechet.statistics(other)
    expected = np.sum((m - n) ** 2) + np.trace(s + t - 2 * linalg.sqrtm(s @ t).real)
    assert frechet.distance((m, s), (n, t)) == pytest.approx(expected, rel=1e-6)
    assert frechet.distance((m, s), (m, s)) == pytest.approx(0.0, abs=1e-6)
    # By hand: in one dimension it is (m - n)^2 + (s - t)^2 of the standard deviations.
    assert frechet.distance((np.ones(1), np.array([[4.0]])), (np.full(1, 3.0), np.array([[25.0]]))) == pytest.approx(
        4 + 9
    )


def run(out, *more):
    rows = ["--row", "ring-plain", "ring-mixup-0.2"]
    return main(["run", "gan_toy", "--seeds", "1", *rows, *TINY, *more, "--out", str(out)])


@trains
def test_a_run_keeps_what_it_promises_repeats_itself_and_is_skipped(tmp_path, capsys):
    assert run(tmp_path / "one") == 0
    first = capsys.readouterr().out
    assert "[2/2] ring-mixup-0.2, seed 0: " in first and "table.json, table.md, samples.png, curves.png" in first
    where = tmp_path / "one" / "ring-mixup-0.2" / "seed0"
    names = {"config.json", "history.json", "samples.npz", "result.json"}
    assert {path.name for path in where.iterdir()} - {".lock"} == names
    config, history = (json.loads((where / name).read_text()) for name in ("config.json", "history.json"))
    assert config["method"] == {
        "name": "Gan",
        "data": "ring",
        "alpha": 0.2,
        "generator_sees": "blends",
        "pairs": "real_fake",
        "generator_loss": None,
        "baseline": None,
    }
    assert [record["iteration"] for record in history] == training.looks(20)
    kept = toy.unpack(where / "samples.npz")
    assert list(kept) == ["10", "20"] and kept["20"].shape == (toy.KEPT_SAMPLES, 2)

    assert run(tmp_path / "one") == 0
    assert "2 finished already" in capsys.readouterr().out

    # The second time the compiled GAN is there already, and was trained by another row before.
    assert run(tmp_path / "two", "--row", "grid-mixup-0.2") == 0
    again = json.loads((tmp_path / "two" / "ring-mixup-0.2" / "seed0" / "history.json").read_text())
    assert again == history


@trains
def test_rows_of_a_seed_start_from_the_same_weights_and_seeds_differ(tmp_path):
    recipe = dataclasses.replace(recipes.get("gan_toy"), iterations=10, width=8, batch_size=4)

    def first_losses(alpha, seed):
        row = dataclasses.replace(recipe.rows[0], method=Gan("ring", alpha))
        dataset = mixtures.batches("ring", 20, seed)
        seen = []

        def build(recipe):
            networks = toy.build(recipe)
            seen.append([np.asarray(w) for network in networks[:2] for w in network.get_weights()])
            return networks

        training.train(recipe, row, seed, dataset, build, lambda *_: None)
        return seen[0]

    plain, mixed, other = first_losses(0.0, 1), first_losses(0.5, 1), first_losses(0.0, 2)
    assert all(np.array_equal(a, b) for a, b in zip(plain, mixed, strict=True))
    assert not np.array_equal(plain[0], other[0])


@trains
def test_a_loss_that_is_not_a_number_ends_the_run_in_words(tmp_path, capsys):
    assert run(tmp_path, "--set", "learning_rate=1e30") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("keras-mixup: `learning_rate` should be small enough for training to go on: the losses of")
    assert not list(tmp_path.glob("*/*/result.json"))


def finished(covered, kl, seed):
    environment = {"versions": {}, "backend": "b", "machine": "m", "commit": None, "date": "2026-01-01 00:00 UTC"}
    scores = {"modes": 1, "covered": covered, "near": 40.0, "quality": 20.0, "kl": kl, "seconds": 3.0}
    return {"seed": seed, **scores, "environment": environment}, [{"iteration": 10, "covered": covered}]


def test_the_table_of_points():
    recipe = recipes.get("gan_toy")
    found = {"ring-plain": [finished(50.0, 0.5, 0), finished(100.0, 0.1, 1), finished(75.0, 0.3, 2)]}
    table = toy.Toy(recipe).table(found)
    (row,) = table["rows"]
    assert (row["n"], row["stable"], row["seeds"]) == (3, 2, [0, 1, 2])  # half of the modes is a collapse
    assert row["covered"]["mean"] == 75.0 and row["covered"]["std"] == pytest.approx(25.0)
    json.dumps(table, allow_nan=False)
    text = report.markdown(table, toy.Toy(recipe).cells, toy.Toy(recipe).notes)
    assert "95 % interval" not in text  # nothing to compare with
    assert "| 8 Gaussians, plain | 3 | 2/3 | 75.0 ± 25.0 |  | 40.0 ± 0.0 | 20.0 ± 0.0 | 0.300 ± 0.200 | 3 |" in text
    assert "width=128" in text and "seeds=" not in text


def test_the_table_of_images():
    result, _ = finished(0, 0, 4)
    result = {**result, "distance": 7.0, "judge_error": 12.0, "real_distance": 0.25}
    found = {"r1": [(result, [{"iteration": 10, "distance": 5.0}, {"iteration": 20, "distance": 7.0}])]}
    study = images.Images(recipes.get("gan_images"))
    text = report.markdown(study.table(found), study.cells, study.notes)
    assert "| plain with R1 | 1 | 7.00 |  | 5.00 | 3 |" in text and "test error 12.0 %" in text and "have 0.25" in text


def test_points_are_compared_with_the_plain_gan_of_the_same_data():
    """In all tables together there are three differences, and each p-value is corrected for them."""
    recipe = recipes.get("gan_toy")
    values = {
        "ring-plain": (50.0, 37.5, 50.0, 25.0),
        "ring-mixup-0.2-samples": (100.0, 75.0, 100.0, 87.5),
        "grid-plain": (40.0, 44.0, 48.0, 40.0),
        "grid-mixup-0.5": (44.0, 40.0, 44.0, 48.0),
        "grid-mixup-1.0": (96.0, 88.0, 84.0, 100.0),
    }
    found = {name: [finished(one, 0.1, seed) for seed, one in enumerate(covered)] for name, covered in values.items()}
    table = toy.Toy(recipe).table(found)
    rows = {row["name"]: row for row in table["rows"]}
    assert {name: row["baseline"] for name, row in rows.items()} == {
        "ring-plain": None,
        "ring-mixup-0.2-samples": "ring-plain",
        "grid-plain": None,
        "grid-mixup-0.5": "grid-plain",
        "grid-mixup-1.0": "grid-plain",
    }
    tests = {}
    for name, row in rows.items():
        if row["baseline"]:
            difference = np.subtract(values[name], values[row["baseline"]])
            tests[name] = scipy.stats.ttest_1samp(difference, 0.0)
            assert row["against_baseline"]["values"] == difference.tolist()
            assert row["against_baseline"]["p"] == pytest.approx(tests[name].pvalue)
            interval = tests[name].confidence_interval(0.95)
            assert row["against_baseline"]["interval"] == pytest.approx(list(interval))
    ranked = sorted(tests, key=lambda name: tests[name].pvalue)
    corrected = np.maximum.accumulate([n * tests[name].pvalue for name, n in zip(ranked, (3, 2, 1), strict=True)])
    for name, p in zip(ranked, corrected, strict=True):
        assert rows[name]["against_baseline"]["p_holm"] == pytest.approx(min(1.0, p))
    verdicts = {name: rows[name]["against_baseline"]["verdict"] for name in tests}
    assert verdicts == {"ring-mixup-0.2-samples": "shown", "grid-mixup-0.5": "open", "grid-mixup-1.0": "shown"}
    text = report.markdown(table, toy.Toy(recipe).cells, toy.Toy(recipe).notes)
    assert "| covered (%) | minus baseline |" in text and "] shown | 40.0 ± 0.0" in text
    assert (
        "- The difference to the first row of the same data is taken seed by seed, with its 95 % interval (t)" in text
    )
    assert "Holm's correction" in text


def test_images_are_compared_with_the_plain_gan():
    def run(seed, distance):
        result = {**finished(0, 0, seed)[0], "distance": distance, "judge_error": 12.0, "real_distance": 0.25}
        return result, [{"iteration": 10, "distance": distance}]

    found = {
        "plain": [run(0, 9.0), run(1, 10.0), run(2, 9.5)],
        "r1": [run(0, 3.0), run(1, 4.25), run(2, 3.25)],
        "mixup-0.2": [run(0, 9.5)],
    }
    study = images.Images(recipes.get("gan_images"))
    text = report.markdown(study.table(found), study.cells, study.notes)
    oracle = scipy.stats.ttest_rel([3.0, 4.25, 3.25], [9.0, 10.0, 9.5])
    low, high = oracle.confidence_interval(0.95)
    assert oracle.pvalue < 0.05 and f"| -6.00 [{low:+.2f}, {high:+.2f}] shown |" in text
    assert "| mixup, alpha 0.2 | 1 | 9.50 | +0.50 open |" in text and "| Frechet distance | minus plain |" in text


def test_another_alpha_is_another_gan_on_the_same_data():
    recipe = recipes.get("gan_toy")
    extended, rows = variants.extended(recipe, variants.chosen(recipe, ["grid-plain"]), alphas=["0.3"])
    assert [row.name for row in rows] == ["grid-plain", "mixup-0.3"]
    assert rows[1].method == Gan("grid", 0.3) and rows[1].title == "25 Gaussians, mixup, alpha 0.3"
    assert rows[1] in extended.rows and report.baseline_of(extended)["mixup-0.3"] == "grid-plain"
    recipe = recipes.get("gan_images")
    _, rows = variants.extended(recipe, list(recipe.rows[:1]), alphas=["0.3"])
    assert rows[1].method == Gan("images", 0.3) and rows[1].title == "mixup, alpha 0.3"


@trains
def test_another_alpha_from_the_command_line(tmp_path):
    assert run(tmp_path, "--alpha", "0.3") == 0
    rows = {row["name"]: row for row in json.loads((tmp_path / "table.json").read_text())["rows"]}
    assert set(rows) == {"ring-plain", "ring-mixup-0.2", "mixup-0.3"}
    assert rows["mixup-0.3"]["method"]["alpha"] == 0.3 and rows["mixup-0.3"]["baseline"] == "ring-plain"


@pytest.mark.parametrize(
    "argv, message",
    [
        (
            "run gan_toy --set iterations=15",
            "`iterations` should be a positive multiple of 10. Received: iterations=15.",
        ),
        (
            "run gan_toy --set generator_loss=hinge",
            "`generator_loss` should be one of saturating, non_saturating. Received: generator_loss=hinge.",
        ),
        ("run gan_images --set momentum=1", "`momentum` should be a number in [0, 1). Received: momentum=1.0."),
        ("run gan_images --set batch_norm=2", "`batch_norm` should be one of 0, 1. Received: batch_norm=2."),
        (
            "run gan_toy --set epochs=3",
            "`--set` should be FIELD=VALUE with FIELD one of: iterations, discriminator_steps, batch_size, width, "
            "noise_size, learning_rate, generator_loss, seeds. Received: --set epochs=3.",
        ),
        ("run gan_toy --alpha=-1", "`alpha` should be a finite number >= 0. Received: alpha=-1."),
        ("run gan_images --alpha much", "`alpha` should be a finite number >= 0. Received: alpha=much."),
        (
            "run gan_toy --method cutmix",
            "`method` should be a Gan in gan_toy, where there are no labels to mix; `--alpha` adds rows of other "
            "alphas. Received: CutMix, in the row cutmix.",
        ),
        (
            "preview gan_toy",
            "`keras-mixup preview` has nothing to show: gan_toy has no mixed labelled images to preview. "
            "Received: recipe=gan_toy.",
        ),
    ],
)
def test_mistakes_take_one_line(argv, message, capsys):
    assert main(argv.split()) == 2
    assert capsys.readouterr().err == f"keras-mixup: {message}\n"


def test_show_lists_the_settings_of_a_gan(capsys):
    assert main(["show", "gan_toy"]) == 0
    text = capsys.readouterr().out
    assert "\n  ring-mixup-0.2" in text and "\n  discriminator_steps=5\n" in text and "epochs" not in text


@trains
def test_images_are_judged_and_tiled(tiny_fashion_mnist, tmp_path, capsys):
    recipe = ["--set", "train_size=30", "iterations=10", "filters=2", "batch_size=4"]
    with pytest.MonkeyPatch.context() as patch:  # the data set of the tests has 40 images
        patch.setattr(gan_recipe, "check", lambda recipe: None)
        argv = ["run", "gan_images", "--data-dir", str(tiny_fashion_mnist), "--out", str(tmp_path), "--seeds", "1"]
        assert main([*argv, "--row", "plain", "wgan-gp", *recipe]) == 0
    result = json.loads((tmp_path / "wgan-gp" / "seed0" / "result.json").read_text())
    assert result["distance"] > 0 and 0 <= result["judge_error"] <= 100
    kept = toy.unpack(tmp_path / "plain" / "seed0" / "samples.npz")["last"]
    assert kept.shape == (images.KEPT_SAMPLES, 28, 28, 1) and np.abs(kept).max() <= 1.0
    assert runs.is_finished(tmp_path, recipes.get("gan_images").rows[0], 0)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow trains")
def test_other_backends_are_refused_in_one_line(tmp_path, capsys):
    assert run(tmp_path) == 2
    assert "keras-mixup: Recipes for GANs need the TensorFlow backend: set KERAS" in capsys.readouterr().err


def test_a_row_says_whom_the_gan_pairs_and_by_which_loss():
    rows = {row.name: row for row in recipes.get("gan_toy_full").rows}
    recipe = dataclasses.replace(recipes.get("gan_toy_full"), width=2)

    def made(name):
        gan = training._new(recipe, rows[name].method, toy.build, 0)
        return gan.alpha, gan.pairs, gan.generator_sees, gan.generator_loss, gan.baseline

    assert made("plain") == (0.0, "real_fake", "blends", "saturating", None)
    assert made("mixup-formula-ns") == (0.2, "real_fake", "blends", "non_saturating", None)
    assert made("mixup-pools") == (0.2, "pools", "samples", "saturating", None)
    assert made("mixup-pools-ns") == (0.2, "pools", "samples", "non_saturating", None)
    assert made("wgan-gp")[-1] == "wgan_gp"
