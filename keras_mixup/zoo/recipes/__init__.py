"""The recipes, one file each: a docstring with the result, then `RECIPE`. A new file here is a new recipe."""

import ast
import importlib
import pathlib
import pkgutil

from keras_mixup.zoo import names as own_names
from keras_mixup.zoo.errors import UserError


def names():
    """The names of all recipes, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name):
    """The recipe of that name.

    Args:
        name: One of `names()`; or your own: `path/to/FILE.py` or `package.module`, with `RECIPE` in it, or
            `package.module:NAME`.

    Raises:
        UserError: If there is none.
    """
    return _found(name)[1]


def story(name):
    """What the recipe's file says of its result and how to repeat it, or nothing."""
    if name in names():  # known without Keras
        text = (pathlib.Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8")
        return ast.get_docstring(ast.parse(text)).strip()
    return (_found(name)[0].__doc__ or "").strip()


def check(name):
    """Raise a `UserError` if a name cannot be that of a recipe; this needs no Keras."""
    file = name.endswith(".py") and pathlib.Path(name).expanduser().is_file()
    if not (name in names() or file or "." in name.removesuffix(".py") or own_names.is_own(name)):
        raise UserError(
            f"`recipe` should be one of: {', '.join(names())}; or your own, FILE.py or package.module. "
            f"Received: recipe={name}.{own_names.nearest(name, names())}"
        )


def _found(name):
    """The module of a recipe, and the recipe."""
    check(name)
    if name in names():
        module = importlib.import_module(f"{__name__}.{name}")
        return module, module.RECIPE
    where, _, what = name.rpartition(":") if own_names.is_own(name) else (name, ":", "RECIPE")
    recipe = own_names.own("recipe", f"{where}:{what}")
    if not (hasattr(recipe, "rows") and hasattr(recipe, "seeds")):
        raise UserError(
            f"`recipe` should be a `keras_mixup.zoo.recipe.Recipe`. Received: recipe={name}, whose {what} is a "
            f"{type(recipe).__name__}."
        )
    rows = [row.name for row in recipe.rows]
    for row in recipe.rows:
        for other in row.against:
            if other not in rows or other == row.name:
                raise UserError(
                    f"`against` of the row {row.name} should name another row of the recipe. Received: "
                    f"against={other}.{own_names.nearest(other, rows)}"
                )
    return own_names.module("recipe", where), recipe
