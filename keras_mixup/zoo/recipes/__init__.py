"""The recipes, one file each: a docstring with the result, then `RECIPE`. A new file here is a new recipe."""

import importlib
import pkgutil

from keras_mixup.zoo.errors import UserError


def names():
    """The names of all recipes, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name):
    """The recipe of that name.

    Raises:
        UserError: If there is none.
    """
    return _module(name).RECIPE


def story(name):
    """What the recipe's file says of its result and how to repeat it."""
    return _module(name).__doc__.strip()


def _module(name):
    if name not in names():
        raise UserError(f"`recipe` should be one of: {', '.join(names())}. Received: recipe={name}.")
    return importlib.import_module(f"{__name__}.{name}")
