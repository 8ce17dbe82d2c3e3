"""Recipes are data: what they hold, how settings are overridden, and what importing them costs."""

import dataclasses
import pathlib
import re
import subprocess
import sys

import pytest

from keras_mixup import zoo
from keras_mixup.zoo import datasets, networks, recipes, runs, study
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Recipe, override, settable

HEAVY = ("tensorflow_datasets", "tensorflow_probability", "tf_keras", "matplotlib", "sklearn")


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_whole(name):
    recipe = recipes.get(name)
    rows = [row.name for row in recipe.rows]
    assert recipe.name == name
    assert len(set(rows)) == len(rows)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", row) for row in rows)  # they become folders
    assert all(set(row.against) <= set(rows) - {row.name} for row in recipe.rows)
    assert f"keras-mixup run {name}" in recipes.story(name)
    assert set(settable(recipe)) <= {f.name for f in dataclasses.fields(recipe)}
    assert isinstance(runs.study(recipe), study.Study)


CLASSIFIERS = [name for name in recipes.names() if isinstance(recipes.get(name), Recipe)]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_recipe_for_classifiers_is_whole(name):
    recipe = recipes.get(name)
    assert recipe.rows[0].method is None  # the baseline of the table's differences
    source = datasets.get(recipe.dataset)
    model = networks.get(recipe.network)(source.shape, len(source.classes))
    assert model.output_shape == (None, len(source.classes))


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipes.get("digits").epochs = 3


def test_override_parses_by_type():
    recipe = override(recipes.get("digits"), ["epochs=7", "learning_rate=1e-3", "weight_decay=0"])
    assert (recipe.epochs, recipe.learning_rate, recipe.weight_decay) == (7, 0.001, 0.0)
    assert type(recipe.epochs) is int and type(recipe.weight_decay) is float
    assert recipes.get("digits").epochs != 7


FIELDS = ", ".join(settable())


@pytest.mark.parametrize(
    "assignment, message",
    [
        ("epochs=-1", "`epochs` should be a positive integer. Received: epochs=-1."),
        ("epochs=many", "`epochs` should be a positive integer. Received: epochs=many."),
        ("epochs=2.0", "`epochs` should be a positive integer. Received: epochs=2.0."),
        ("epochs=", "`epochs` should be a positive integer. Received: epochs=."),
        ("batch_size=1", "`batch_size` should be an integer >= 2. Received: batch_size=1."),
        ("learning_rate=nan", "`learning_rate` should be a finite number > 0. Received: learning_rate=nan."),
        ("learning_rate=0", "`learning_rate` should be a finite number > 0. Received: learning_rate=0.0."),
        ("weight_decay=-0.1", "`weight_decay` should be a finite number >= 0. Received: weight_decay=-0.1."),
        ("lr=1", f"`--set` should be FIELD=VALUE with FIELD one of: {FIELDS}. Received: --set lr=1."),
        ("rows=1", f"`--set` should be FIELD=VALUE with FIELD one of: {FIELDS}. Received: --set rows=1."),
        ("epochs", f"`--set` should be FIELD=VALUE with FIELD one of: {FIELDS}. Received: --set epochs."),
    ],
)
def test_override_refuses(assignment, message):
    with pytest.raises(UserError) as error:
        override(recipes.get("digits"), [assignment])
    assert str(error.value) == message


def test_a_recipe_checks_its_own_numbers():
    with pytest.raises(UserError, match=r"^`epochs` should be a positive integer. Received: epochs=True\.$"):
        dataclasses.replace(recipes.get("digits"), epochs=True)


def test_every_setting_of_a_recipe_can_be_set():
    fields = [f.name for f in dataclasses.fields(Recipe)]
    assert set(fields) - set(settable()) == {"name", "title", "rows"}
    assert set(settable()) <= set(fields)
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipes.get("digits").seeds = 1


def test_looking_at_recipes_imports_nothing_heavy():
    code = f"""if True:
        import sys
        import keras  # which brings scikit-learn and matplotlib itself where it finds them
        def heavy():
            return {{m for m in {HEAVY} if m in sys.modules}}
        before = heavy()
        from keras_mixup.cli import main
        main(["list"])
        main(["show", "digits"])
        print("ADDED", sorted(heavy() - before))
        import tensorflow_datasets
        print("ADDED", sorted(heavy() - before))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    looking, control = [line for line in done.stdout.splitlines() if line.startswith("ADDED")]
    assert looking == "ADDED []"
    assert control == "ADDED ['tensorflow_datasets']"  # the check itself can fail


@pytest.mark.parametrize("path", sorted(pathlib.Path(zoo.__file__).parent.rglob("*.py")), ids=lambda p: p.stem)
def test_heavy_imports_stay_inside_functions(path):
    at_the_top = [
        line.split()[1].split(".")[0] for line in path.read_text().splitlines() if re.match("import|from", line)
    ]
    assert not {*HEAVY, "tensorflow", "rich"} & set(at_the_top)
