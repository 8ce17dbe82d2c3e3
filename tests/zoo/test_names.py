"""Own things by name: recipes, data sets, networks, measures and methods that are not of the zoo."""

import json
import sys

import pytest

from keras_mixup.cli import main
from keras_mixup.methods import Choice, CutMix, Mixup
from keras_mixup.zoo import datasets, expressions, measures, names, networks, recipes, variants
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row, Title

MINE = """
'''A recipe of my own: plain training against mixup on noise.'''

import keras
import numpy as np

from keras_mixup.methods import Mixup
from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.recipe import Recipe, Row


def network(shape, classes):
    return keras.Sequential([keras.Input(shape), keras.layers.Dense(classes)])


def noise(train_size, seed, data_dir=None):
    random = np.random.default_rng(seed)

    def split(size):
        return Arrays(random.normal(size=(size, 3)).astype("float32"), np.arange(size) % 2)

    return split(train_size or 24), split(10)


data = Source(shape=(3,), classes=("no", "yes"), needs=("numpy", "numpy"), load=noise)


class Largest:
    COLUMNS = {"largest": ("largest logit", 2)}
    NOTE = "The largest logit is that of the first test examples."
    PICTURE = None

    @staticmethod
    def measure(network, recipe, seed, data, folder):
        return {"largest": float(np.max(network(data.test.features)))}


class Half(Mixup):
    pass


RECIPE = Recipe(
    name="mine",
    title="Noise",
    dataset="mine:data",
    network="mine:network",
    rows=(Row("plain", "plain"), Row("mixed", "mixed", Mixup(0.3))),
    epochs=1,
    batch_size=8,
    learning_rate=0.1,
    weight_decay=0.0,
    measures=("mine:Largest",),
    seeds=2,
)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with `mine.py` in it, which is the working directory."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None)]:
        if str(sys.modules[name].__file__).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["./mine.py", "mine:RECIPE"])
def test_a_recipe_of_ones_own_runs(name, mine, capsys):
    assert main(["run", name]) == 0
    table = json.loads((mine / "runs" / "mine" / "table.json").read_text())
    assert [(row["title"], row["n"]) for row in table["rows"]] == [("plain", 2), ("mixed", 2)]
    assert "largest" in table["scores"] and len(table["rows"][1]["largest"]["values"]) == 2
    out = capsys.readouterr().out
    assert "largest logit" in out and "mine: 4 runs in runs/mine, 0 finished already." in out
    assert main(["evaluate", "runs/mine/mixed/seed0"]) == 0
    assert "on 10 test examples of mine:data" in capsys.readouterr().out


def test_a_recipe_of_ones_own_is_shown_and_tried_out(mine, capsys):
    assert main(["show", "./mine.py"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("A recipe of my own") and "\n  dataset=mine:data\n" in shown
    package = mine / "of_mine"
    package.mkdir()
    (package / "noise.py").write_text(MINE.replace('"mine:', '"of_mine.noise:'))
    assert main(["run", "of_mine.noise", "--smoke"]) == 0
    assert (mine / "runs" / "mine" / "smoke" / "table.json").exists()


def test_a_file_elsewhere_finds_what_lies_beside_it(mine, monkeypatch):
    away = mine / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    recipe = recipes.get("../mine.py")
    assert networks.get(recipe.network)((3,), 2).output_shape == (None, 2)
    assert datasets.get(recipe.dataset).classes == ("no", "yes")
    assert measures.get("mine:Largest").PICTURE is None


def test_two_files_of_the_same_name(mine):
    (mine / "other").mkdir()
    (mine / "other" / "mine.py").write_text(MINE.replace("Noise", "Other"))
    assert [recipes.get(name).title for name in ("mine.py", "other/mine.py")] == ["Noise", "Other"]


@pytest.mark.parametrize(
    "argv, message",
    [
        ("run ./mime.py", "`recipe` should be in a file that is there. Received: mime.py. Did you mean mine.py?"),
        ("run of_mine.none", "there is no module of_mine"),
        ("run mine:RECIP", "which has no RECIP. Received: recipe=mine:RECIP. Did you mean RECIPE?"),
        (
            "run mine:network",
            "should be a `keras_mixup.zoo.recipe.Recipe`. Received: recipe=mine:network, whose network",
        ),
        (
            "run ./mine.py --set network=mine:netwrok",
            "which has no netwrok. Received: network=mine:netwrok. Did you mean",
        ),
        ("run ./mine.py --set network=mine:data", "`network` should be a function `(shape, classes) -> keras.Model`."),
        ("run ./mine.py --set network=smal_cnn", "Received: network=smal_cnn. Did you mean small_cnn?"),
        ("run ./mine.py --set dataset=mine:RECIPE", "`dataset` should be a Source"),
        ("run ./mine.py --set dataset=digitz", "Received: dataset=digitz. Did you mean digits?"),
        ("run ./mine.py --set measures=calibratoin", "Received: measures=calibratoin. Did you mean calibration?"),
        ("run ./mine.py --set measures=mine:network", "without COLUMNS, NOTE, PICTURE, measure"),
        ("run ./mine.py --set epoch=3", "Received: --set epoch=3. Did you mean epochs?"),
        (
            "run ./mine.py --row plane",
            "one of: plain, mixed. Received: --row plane. Did you mean plain?",
        ),
        ("run ./mine.py --alpha -1", "`alpha` should be a finite number >= 0. Received: alpha=-1."),
        ("run ./mine.py --method mixap", "Received: method=mixap. Did you mean mixup?"),
        ("run ./mine.py --method mine:network", "which has no `draw(batch, seed)`"),
        ("rnu digits", "Received: rnu. Did you mean run?"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(argv, message, mine, capsys):
    assert main(argv.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (mine / "runs").exists()


@pytest.mark.parametrize(
    "other, message", [("plane", "against=plane. Did you mean plain?"), ("mixed", "against=mixed.")]
)
def test_a_row_is_compared_with_others_of_its_recipe_alone(other, message, mine, capsys):
    (mine / "mine.py").write_text(MINE.replace("Mixup(0.3))", f"Mixup(0.3), against=({other!r},))"))
    assert main(["run", "./mine.py"]) == 2
    error = capsys.readouterr().err
    assert "`against` of the row mixed should name another row of the recipe. Received: " + message in error
    assert not (mine / "runs").exists()


def test_what_goes_wrong_inside_the_users_file_keeps_its_traceback(mine):
    (mine / "broken.py").write_text("import nowhere_to_be_found")
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        main(["run", "./broken.py"])


def test_alphas_and_methods_add_rows_and_replace_those_of_the_same_name(mine, capsys):
    argv = ["run", "./mine.py", "--alpha", "0.4", "--method", "cutmix(alpha=0.5)", "mine:Half(0.7)", "--smoke"]
    assert main([*argv, "--row", "plain"]) == 2  # noise has no height and width to cut
    assert (
        "there are no images, as in mine:data. Received: CutMix, in the row cutmix-alpha-0.5."
        in capsys.readouterr().err
    )
    argv[5:6] = []
    assert main([*argv, "--row", "plain"]) == 0
    table = json.loads((mine / "runs" / "mine" / "smoke" / "table.json").read_text())
    assert [(row["name"], row["title"], row["method"] and row["method"]["alpha"]) for row in table["rows"]] == [
        ("plain", "plain", None),
        ("mixup-0.4", "mixup, alpha 0.4", 0.4),
        ("mine-half-0.7", "mine:Half(0.7)", 0.7),
    ]


def test_a_new_row_is_like_the_others_of_its_comparison():
    recipe = recipes.get("tabular")
    rows = variants.chosen(recipe, ["iris-erm", "iris-mixup-1.0"])
    longer, chosen = variants.extended(recipe, rows, alphas=["0.4"])
    assert len(longer.rows) == len(recipe.rows) + 1
    assert [row.name for row in chosen] == ["iris-erm", "iris-mixup-1.0", "mixup-0.4"]
    new = chosen[-1]
    assert new.title == "Iris, 10 epochs, mixup, alpha 0.4" and new.settings == {"dataset": "iris"}
    assert new.method == Mixup(0.4, per="batch")  # as the recipe's own
    replaced, chosen = variants.extended(recipes.get("digits"), recipes.get("digits").rows, alphas=["0.2"])
    assert [row.name for row in replaced.rows] == ["erm", "mixup-1.0", "mixup-0.2"]


@pytest.mark.parametrize(
    "text, method",
    [
        ("mixup(0.4)", Mixup(0.4)),
        ("CutMix", CutMix()),
        ("cutmix(alpha=0.5, per='batch')", CutMix(0.5, per="batch")),
        ("choice((mixup(0.8), cutmix(1.0)), per='example')", Choice((Mixup(0.8), CutMix(1.0)), per="example")),
    ],
)
def test_methods_are_read_from_text(text, method):
    assert expressions.method(text) == method


@pytest.mark.parametrize(
    "text",
    [
        *("mixup(", "mixup(0.2", "", "3", "'mixup'", "mixup(alpha=-1)", "mixup(beta=1)", "mixup(**{'alpha': 1})"),
        *("mixup(__import__('os'))", "mixup(alpha=1+len('a'))", "mixup.draw", "mixup(x)", "lambda: 0", "mixup()()"),
    ],
)
def test_what_is_no_method_is_refused_and_never_run(text):
    with pytest.raises(UserError, match="^`(--)?method` should be"):
        expressions.method(text)


def test_titles_have_parts_and_keep_them():
    assert Row("a", "Iris, ERM").title.parts == ("Iris", "ERM")
    row = Row("a", ("Abalone, in 3 classes", "ERM"))
    assert row.title == "Abalone, in 3 classes, ERM" and row.title.parts[0] == "Abalone, in 3 classes"
    import copy
    import dataclasses

    assert dataclasses.replace(row, name="b").title.parts == copy.deepcopy(row).title.parts == row.title.parts
    assert Title("one").parts == ("one",)


def test_the_nearest_name():
    assert names.nearest("digist", ["digits", "rings"]) == " Did you mean digits?"
    assert names.nearest("cifar", ["cifar10_small", "rings"]).startswith(" Did you mean cifar10_small")
    assert names.nearest("zzz", ["digits"]) == ""
