"""Recipes that train classifiers: what the command line needs of a kind of recipe, gathered in one place.

Such a recipe names this module as its `study`. The other studies (`keras_mixup.zoo.gan.toy`, `.images`) hold the same
names.
"""

from keras_mixup.zoo import datasets, figures, measures, runs
from keras_mixup.zoo.previews import preview  # noqa: F401
from keras_mixup.zoo.recipe import for_row
from keras_mixup.zoo.report import show, table, write  # noqa: F401

PICTURES = ("curves.png", "preview.png")
NO_PREVIEW = None
ONE_DEVICE_ONLY = False


def packages(recipe, smoke):
    """The packages that a run needs beside those that every recipe does, as pairs of a module and a name."""
    names = {for_row(recipe, row).dataset for row in recipe.rows}
    return () if smoke else tuple(datasets.get(name).needs for name in sorted(names))


def smoke(recipe):
    """The same recipe cut down to two steps of every row."""
    return runs.smoke_recipe(recipe)


def load(recipe, row, seed, data_dir, smoke):
    """The data of a seed."""
    return runs.load(recipe, row, seed, data_dir, smoke)


def steps(recipe, row):
    """How many records a run makes."""
    return for_row(recipe, row).epochs


def train(recipe, row, seed, data, on_record, folder, engine, report):
    """Train and test the network of a row; checkpoints and the trained network are kept in `folder`."""
    from keras_mixup.zoo import train

    return train.train(recipe, row, seed, data, on_record, folder, engine, report)


def progress(recipe, record):
    """What to show of a record: where it stands, and how good."""
    return (
        f"epoch {record['epoch']}/{recipe.epochs}",
        f"loss {record['loss']:.3f}, test error {record['test_error']:.2f} %, "
        f"{record['examples_per_second']:,.0f} examples/s",
    )


def summary(result):
    """What to print of a finished run."""
    return (
        f"error {result['error']:.2f} %, NLL {result['nll']:.3f}, ECE {result['ece']:.2f} %, {result['seconds']:.1f} s"
    )


def draw(recipe, found, out, smoke=False):
    """Draw the learning curves of all finished runs, and what was measured; return the names of the pictures."""
    figures.curves(recipe, found, out / "curves.png", smoke)
    return (*PICTURES, *measures.draw(recipe, found, out, smoke))
