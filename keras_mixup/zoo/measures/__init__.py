"""What can be measured of a trained network beside its error: one module each, named in `Recipe.measures`.

Every module has

    COLUMNS     the scores that the table shows: {key: (heading, digits)}
    NOTE        what they mean, in a sentence or two for the table's notes
    PICTURE     the name of the PNG, or None
    measure(network, recipe, seed, data, folder)
                a dict with the keys of COLUMNS and, under the module's own name, what the picture needs; `network`
                gives logits, `data` is as `runs.load` gives it, `folder` is the run's
    draw(recipe, found, path, smoke)
                draws the picture of all finished runs, if there is one

and, if it needs something beforehand,

    check(recipe, data, folder)
                raises a `UserError` before training if it is not there, or `Busy` if another process is making it

and, if it is to be followed over training,

    watch(network, data)
                a dict for the record of an epoch
"""

import importlib

from keras_mixup.zoo import names
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.tasks import Classification

NAMES = (
    "attacks",
    "between",
    "calibration",
    "deformations",
    "directional",
    "epochs",
    "memorised",
    "ood",
    "overlap",
    "plane",
)


def get(name):
    """The measure of that name: a module as above, or under `module:NAME` an object of your own with the same names.

    Raises:
        UserError: If there is none.
    """
    if name in NAMES:
        return importlib.import_module(f"{__name__}.{name}")
    if not names.is_own(name):
        raise names.unknown("measures", name, NAMES)
    found = names.own("measures", name)
    missing = [one for one in ("COLUMNS", "NOTE", "PICTURE", "measure") if not hasattr(found, one)]
    if missing:
        raise UserError(
            f"`measures` should have the names that {__name__} lists. "
            f"Received: measures={name}, without {', '.join(missing)}."
        )
    return found


def columns(chosen=NAMES):
    """The columns of some measures, or of all, in order: a dict from scores to headings and digits."""
    return {key: column for name in chosen for key, column in get(name).COLUMNS.items()}


def take(network, recipe, seed, data, folder):
    """All that a recipe measures of a trained network, as a dict."""
    taken = {}
    for name in recipe.measures:
        taken |= get(name).measure(network, recipe, seed, data, folder)
    return taken


def check(recipe, data, folder):
    """Make sure that all that a recipe measures can be measured, before the network is trained.

    Raises:
        UserError: If it cannot.
    """
    if recipe.measures and not isinstance(data.source.task, Classification):
        raise UserError(
            f"`measures` should be empty where numbers are predicted, as of {recipe.dataset}. "
            f"Received: measures={','.join(recipe.measures)}."
        )
    for module in map(get, recipe.measures):
        if hasattr(module, "check"):
            module.check(recipe, data, folder)


def need_arrays(name, recipe, split):
    """Refuse a measure of examples that are not in memory."""
    if not isinstance(split, Arrays):
        raise UserError(
            f"`measures` should not hold {name} for {recipe.dataset}, which is not read into memory. "
            f"Received: measures={','.join(recipe.measures)}."
        )


def watch(network, recipe, data):
    """What a recipe's measures follow from epoch to epoch, as a dict."""
    watched = {}
    for module in map(get, recipe.measures):
        watched |= module.watch(network, data) if hasattr(module, "watch") else {}
    return watched


def draw(recipe, found, out, smoke=False):
    """Draw the pictures of a recipe's measures into a folder, and return their names."""
    pictures = [(get(name), get(name).PICTURE) for name in recipe.measures if get(name).PICTURE]
    for module, picture in pictures:
        module.draw(recipe, found, out / picture, smoke)
    return tuple(picture for _, picture in pictures)
