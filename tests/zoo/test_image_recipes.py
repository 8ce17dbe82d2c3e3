"""The tables of the papers on images: their figures, their budgets, and that every kind of row trains."""

import collections
import dataclasses

import keras
import numpy as np
import pytest

from keras_mixup.batch import Batch
from keras_mixup.manifold import ManifoldMixup
from keras_mixup.methods import Mixup
from keras_mixup.mixing import mix
from keras_mixup.mixupe import MixupE
from keras_mixup.model import MixupModel
from keras_mixup.zoo import augmentation, datasets, networks, recipes, report, runs
from keras_mixup.zoo.ablation import InputsOnly, oneself
from keras_mixup.zoo.recipe import for_row

# Rows per recipe, and some cells as the papers have them: row, error, its deviation, top-5 error, tag.
TABLES = {
    "cifar10": (
        18,
        [
            ("preact18-erm", 5.6, None, None, "from memory"),
            ("densenet190-mixup", 2.7, None, None, "transcribed"),
            ("preact50-mixupe", 3.53, 0.047, None, "verified"),
            ("wrn28-b100-erm", 4.24, 0.101, None, "verified"),
        ],
    ),
    "cifar100": (
        18,
        [
            ("wrn28-mixup", 17.5, None, None, "from memory"),
            ("densenet190-mixup", 16.8, None, None, "transcribed"),
            ("preact50-mixupe", 20.23, 0.507, None, "verified"),
            ("preact101-mixup", 23.05, 0.383, None, "verified"),
        ],
    ),
    "svhn": (12, [("preact101-mixupe", 2.35, 0.019, None, "verified"), ("wrn28-erm", 2.82, 0.049, None, "verified")]),
    "tiny_imagenet": (
        12,
        [
            ("preact18-erm", 45.03, 0.52, 27.29, "verified"),
            ("preact50-mixupe", 32.78, 0.38, 14.86, "verified"),
        ],
    ),
    "imagenet": (
        27,
        [
            ("resnet50-erm-90", 23.5, None, None, "from memory, fits the text"),
            ("resnet101-mixup-200", 20.8, None, 5.4, "from memory, fits the text"),
            ("resnext101-64x4d-mixup-90", 19.8, None, 4.9, "from memory, fits the text"),
            ("resnet50-mixupe-320", 22.3, 0.2, 5.6, "verified"),
            ("vit-b16-erm-320", 20.9, 0.2, 4.9, "verified"),
            ("vit-b16-mixupe-320", 19.6, 0.1, 4.2, "verified"),
            ("coatnet0-mixup-320", 19.2, 0.3, 4.5, "verified"),
        ],
    ),
    "mixupe_ablation": (
        9,
        [
            ("erm", 24.68, None, None, "verified"),
            ("erm-r", 22.42, None, None, "verified"),
            ("mixupe-1e-4", 20.23, None, None, "verified"),
            ("mixupe-1e-1", 20.87, None, None, "verified"),
        ],
    ),
    "kmnist": (3, [("erm", 2.18, None, None, "verified"), ("mixup", 1.59, None, None, "verified")]),
    "ablation": (
        44,
        [
            ("mixup-1e-4", 4.24, None, None, "verified"),
            ("erm-5e-4", 5.18, None, None, "verified"),
            ("mixup-5e-4", 4.68, None, None, "verified"),
            ("layer4-1e-4", 5.95, None, None, "from memory"),
            ("inputs-sc-knn-5e-4", 5.52, None, None, "from memory"),
            ("inputs-smooth-0.2-1e-4", 4.98, None, None, "from memory"),
            ("noise-0.2-5e-4", 7.24, None, None, "from memory"),
        ],
    ),
}
NAMES = [*TABLES, "cifar10_small", "deformations"]


def row_of(recipe, name):
    return next(row for row in recipe.rows if row.name == name)


@pytest.mark.parametrize("name", TABLES)
def test_figures_are_those_of_the_papers(name):
    number, cells = TABLES[name]
    recipe = recipes.get(name)
    assert len(recipe.rows) == number
    controls = {row.name for row in recipe.rows if getattr(row.method, "eta", None) == 0.0}
    assert {row.name for row in recipe.rows if row.published is None} == controls
    for row, error, std, top5, tag in cells:
        published = row_of(recipe, row).published
        assert (published.error, published.std, published.top5, published.tag) == (error, std, top5, tag)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_rows_name_is_there(name):
    recipe = recipes.get(name)
    assert len({row.name for row in recipe.rows}) == len({row.title for row in recipe.rows}) == len(recipe.rows)
    for row in recipe.rows:
        setting = for_row(recipe, row)
        assert setting.dataset in datasets.NAMES and setting.augment in augmentation.NAMES
        assert callable(networks.get(setting.network))


def settings(name, row, *fields):
    recipe = recipes.get(name)
    return tuple(getattr(for_row(recipe, row_of(recipe, row)), field) for field in fields)


def test_budgets():
    fields = ("epochs", "batch_size", "optimizer", "milestones", "weight_decay", "decay", "augment")
    shared = (200, 128, "sgd", (100, 150), 1e-4, "l2", "pad_crop_flip")
    assert settings("cifar10", "preact18-mixup", *fields) == shared
    for recipe in ("cifar10", "cifar100"):
        assert settings(recipe, "wrn28-erm", *fields) == (*shared[:3], (60, 120, 160), *shared[4:])
        assert settings(recipe, "wrn28-mixup", "decay_factor") == (0.2,)
        assert settings(recipe, "preact18-mixup", "decay_factor") == settings(recipe, "wrn28-b100-erm", "decay_factor")
    assert settings("ablation", "mixup-knn-5e-4", *fields) == (*shared[:4], 5e-4, *shared[5:])
    mixupe = (200, 100, "nesterov", (100, 150), 1e-4, "l2")
    assert settings("cifar10", "wrn28-b100-mixup", *fields) == (*mixupe, "pad2_crop_flip")
    assert settings("svhn", "wrn28-mixupe", *fields) == (*mixupe, "pad2_crop")
    assert settings("tiny_imagenet", "preact34-erm", *fields) == (*mixupe, "pad_crop_flip")


def test_budgets_of_the_mixupe_paper_alone():
    fields = ("epochs", "batch_size", "optimizer", "milestones", "augment")
    assert settings("deformations", "manifold", *fields) == (1200, 100, "nesterov", (400, 800), "pad2_crop_flip")
    assert settings("deformations", "mixupe", *fields) == (400, 100, "nesterov", (200, 300), "pad2_crop_flip")
    fields += ("weight_decay", "decay", "warmup_epochs", "network")
    for row in ("erm", "mixupe"):
        other = "mixupe_ablation", row if row == "erm" else "mixupe-1e-4"
        assert settings(*other, *fields) == settings("cifar100", f"preact50-{row}", *fields)


def test_imagenet_budgets():
    fields = ("epochs", "batch_size", "learning_rate", "warmup_from", "schedule", "milestones", "decay", "ema")
    assert settings("imagenet", "resnet50-mixup-90", *fields) == (
        *(90, 1024, 0.4, 0.1, "step", (30, 60, 80), "l2_kernels", 0.0),
    )
    assert settings("imagenet", "resnext101-32x4d-mixup-200", *fields)[5] == (60, 120, 180)
    epochs, batch_size, rate, start, schedule, _, decay, ema = settings("imagenet", "resnet50-mixupe-320", *fields)
    assert (batch_size, rate, start, schedule, decay, ema) == (4096, 1.6, 0.0, "cosine", "l2", 0.999)
    steps = epochs * -(-1_281_167 // batch_size)
    assert abs(steps - 100_000) < 1_281_167 / batch_size  # 100,000 steps, but for less than an epoch
    for name, network, weight_decay in (("vit-b16", "vit_b16", 0.3), ("coatnet0", "coatnet0", 0.05)):
        adamw = settings("imagenet", f"{name}-mixupe-320", "network", "optimizer", "beta_2", "weight_decay", *fields)
        assert adamw[:4] == (network, "adamw", 0.99, weight_decay)
        assert adamw[4:] == (320, 4096, 1e-3, 0.0, "cosine", adamw[9], "decoupled", 0.999)


def test_methods():
    def method(name, row):
        return row_of(recipes.get(name), row).method

    assert method("cifar10", "preact18-mixup") == Mixup(alpha=1.0, per="batch")
    assert method("cifar100", "preact50-mixupe") == MixupE(alpha=1.0, eta=1e-4)
    assert method("cifar100", "preact101-mixupe") == MixupE(alpha=1.0, eta=1e-3)
    assert method("tiny_imagenet", "preact18-mixupe") == MixupE(alpha=0.2, eta=1e-3)
    assert method("imagenet", "resnet50-mixup-200") == Mixup(alpha=0.2, per="batch")
    assert method("imagenet", "resnet50-mixupe-320") == MixupE(alpha=0.2, eta=1e-3)
    assert method("imagenet", "coatnet0-mixup-320") == Mixup(alpha=0.4, per="batch")
    assert method("imagenet", "vit-b16-mixupe-320") == MixupE(alpha=0.4, eta=5e-4)
    assert method("imagenet", "resnext101-64x4d-mixup-90") == Mixup(alpha=0.4, per="batch")
    assert method("kmnist", "manifold") == ManifoldMixup(("stage1", "stage2"), alpha=2.0, per="batch")
    assert method("mixupe_ablation", "mixupe-1e-2") == MixupE(alpha=1.0, eta=1e-2)
    assert method("mixupe_ablation", "erm-r") == MixupE(alpha=1.0, eta=1e-4, pairing=oneself)
    assert method("deformations", "manifold") == method("kmnist", "manifold")
    errors = [row.published and row.published.error for row in recipes.get("deformations").rows]
    assert errors == [None, 44.45, 43.52, 39.92, 37.77, None]
    assert isinstance(method("ablation", "inputs-smooth-0.4-5e-4"), InputsOnly)
    assert method("ablation", "smooth-0.1-1e-4") is None


@pytest.mark.parametrize("name", recipes.names())
def test_beside_every_mixupe_stands_its_control_without_penalty(name):
    recipe = recipes.get(name)
    if getattr(recipe, "network", None) == "mlp":
        return  # no batch normalisation, no dropout: mixup is the control
    for group in report.comparisons(recipe, recipe.rows):
        methods = [row.method for row in group if isinstance(row.method, MixupE)]
        for method in methods:
            assert dataclasses.replace(method, eta=0.0) in methods, (name, method)


def test_the_penalty_alone_mixes_nothing_and_is_still_taken():
    method = row_of(recipes.get("mixupe_ablation"), "erm-r").method
    assert type(method).from_config(method.get_config()) == method
    x, y = (
        np.random.default_rng(0).normal(size=(6, 4)).astype("float32"),
        np.eye(3, dtype="float32")[[0, 1, 2, 2, 1, 0]],
    )
    draw = method.draw(Batch(6), seed=1)
    assert np.ptp(draw.weight) == 0 < draw.weight[0] < 1  # one weight for the batch, as in the paper
    np.testing.assert_allclose(mix(x, draw), x, rtol=1e-5)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = MixupModel(network, method, seed=1)
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True), optimizer=keras.optimizers.SGD(0.0))
    logs = model.fit(x, y, batch_size=6, verbose=0).history
    logits = x @ network.get_weights()[0]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert logs["loss"][0] == pytest.approx(-np.mean(np.log(p[y == 1])), rel=1e-5)
    assert logs["directional"][0] == pytest.approx(np.mean(abs(np.sum((y - p) * logits, axis=1))) / 3, rel=1e-4)


def test_rows_of_the_ablation():
    recipe = recipes.get("ablation")
    assert recipe.score == "median"
    decays = collections.Counter(for_row(recipe, row).weight_decay for row in recipe.rows)
    assert decays == {1e-4: 22, 5e-4: 22}
    for decay in ("1e-4", "5e-4"):
        layers = [settings("ablation", f"layer{k}-{decay}", "at")[0] for k in range(1, 6)]
        assert layers == ["stem", "stage1", "stage2", "stage3", "stage4"]
        assert settings("ablation", f"inputs-sc-knn-{decay}", "pairs") == ("same_class_neighbours",)
        assert settings("ablation", f"inputs-knn-{decay}", "pairs") == ("neighbours",)
        assert settings("ablation", f"inputs-sc-{decay}", "pairs") == ("same_class",)
        assert settings("ablation", f"inputs-{decay}", "pairs") == ("random",)
        assert settings("ablation", f"inputs-smooth-0.4-{decay}", "label_smoothing") == (0.4,)
        assert settings("ablation", f"noise-0.05-{decay}", "input_noise") == (0.05,)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_compared_with_erm_of_the_same_budget(name):
    recipe = recipes.get(name)
    groups = report.comparisons(recipe, recipe.rows)
    assert sum(map(len, groups)) == len(recipe.rows)
    for first, *others in groups:
        # ImageNet's 64 x 4d, and MixupE on deformed images, have no ERM of as many epochs.
        if others or name not in ("imagenet", "deformations"):
            own = "mixupe" if name == "deformations" and others == [row_of(recipe, "mixupe-0")] else "erm"
            assert own in first.name and (first.method is None) == (own == "erm")
        fields = ("dataset", "network", "epochs", "batch_size", "weight_decay", "milestones")
        for row in others:
            assert settings(name, row.name, *fields) == settings(name, first.name, *fields)


KINDS = ("erm", "mixup-knn", "layer1", "inputs-sc-knn", "inputs-smooth-0.1", "smooth-0.2", "noise-0.2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Every kind of row of the ablation, and MixupE, on 60 digits."""
    ablation = recipes.get("ablation")
    rows = [row_of(ablation, f"{kind}-1e-4") for kind in KINDS]
    rows.append(dataclasses.replace(rows[0], name="mixupe", method=MixupE(alpha=1.0, eta=0.1)))
    recipe = dataclasses.replace(
        ablation,
        rows=tuple(rows),
        dataset="digits",
        network="wide_resnet10_1",
        train_size=60,
        batch_size=30,
        epochs=1,
        jit="off",
    )
    out = tmp_path_factory.mktemp("ablation")
    data = runs.load(recipe, rows[0], seed=0)
    return {row.name: runs.run(recipe, row, 0, data, out) for row in rows}, runs.collect(recipe, out)


@pytest.mark.slow
def test_every_kind_of_row_trains_in_its_own_way(trained):
    results, found = trained
    losses = [found[name][0][1][-1]["loss"] for name in results]
    assert len(set(losses)) == len(results)
    for result in results.values():
        assert np.isfinite(result["nll"]) and 0 <= result["error"] <= 100
        assert result["error"] == result["median_error"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_first_rows_smoke(name, tmp_path):
    recipe = runs.study(recipes.get(name)).small()
    row = recipe.rows[1]
    result = runs.run(recipe, row, 0, runs.load(recipe, row, 0, smoke=True), tmp_path, smoke=True)
    assert np.isfinite(result["nll"])
