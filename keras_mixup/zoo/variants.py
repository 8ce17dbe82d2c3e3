"""Rows that a recipe does not have: other values of alpha, other methods, all values of a sweep."""

import ast
import dataclasses
import itertools
import re

from keras_mixup.methods import Mixup
from keras_mixup.zoo import expressions, names
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row, Title, read, settable
from keras_mixup.zoo.report import comparisons, split_titles


def chosen(recipe, wanted):
    """The rows of those names, in the recipe's order; all of them for None.

    Raises:
        UserError: If one is not there.
    """
    known = [row.name for row in recipe.rows]
    for name in wanted or []:
        if name not in known:
            raise UserError(
                f"`--row` should be one of: {', '.join(known)}. Received: --row {name}.{names.nearest(name, known)}"
            )
    return [row for row in recipe.rows if wanted is None or row.name in wanted]


def extended(recipe, rows, alphas=(), methods=()):
    """A recipe with more rows: of the data, network and budget of the first of `rows`.

    Args:
        recipe: A recipe.
        rows: Those of its rows that were chosen.
        alphas: Values of alpha, as text. The method is otherwise that of the first row of the same comparison that has
            an alpha, or mixup.
        methods: Expressions for `keras_mixup.zoo.expressions.method`.

    Returns:
        The recipe, and the chosen rows with the new ones. A new row takes the place of one of the same name.
    """
    new = []
    for text in alphas:
        alpha = number("alpha", text)
        like = _with_alpha(recipe, rows[0])
        method = dataclasses.replace(like.method, alpha=alpha) if like else Mixup(alpha)
        kind = getattr(method, "label", type(method).__name__.lower())
        new.append(_row(recipe, like or rows[0], f"{kind}-{text}", (kind, f"alpha {text}"), method))
    for text in methods:
        new.append(_row(recipe, rows[0], file_name(text), (text,), expressions.method(text)))
    replaced = {row.name for row in new}
    everything = [row for row in recipe.rows if row.name not in replaced] + new
    return dataclasses.replace(recipe, rows=tuple(everything)), [
        *(row for row in rows if row.name not in replaced),
        *new,
    ]


def grid(recipe, rows, values):
    """A recipe for a sweep.

    Args:
        recipe: A recipe.
        rows: Those of its rows that were chosen. What is varied is the first that has what is varied; what it is
            compared with is the first row of its comparison.
        values: A dict from names to lists of values, as text. The names are of arguments of the row's method, such as
            `alpha`, or of settings of the recipe.

    Returns:
        A recipe of that first row, and a row for each combination of values; and a dict from the names of these rows to
        tuples of values, as text.

    Raises:
        UserError: If nothing has that name, or a value does not fit.
    """
    row = _to_vary(recipe, rows, values)
    (group,) = [group for group in comparisons(recipe, recipe.rows) if row in group]
    varied, places = [], {}
    for combination in itertools.product(*values.values()):
        method, settings = row.method, dict(row.settings)
        for name, text in zip(values, combination, strict=True):
            if name in _arguments(row):
                method = changed(method, name, text)
            else:
                settings[name] = _setting(recipe, name, text)
        called = file_name("-".join(f"{name}-{text}" for name, text in zip(values, combination, strict=True)))
        title = Title(
            *row.title.parts[:-1], *(f"{name} {text}" for name, text in zip(values, combination, strict=True))
        )
        varied.append(Row(called, title, method, settings=settings))
        places[called] = combination
    baseline = [] if group[0] is row else [group[0]]
    return dataclasses.replace(recipe, rows=(*baseline, *varied)), places


def file_name(text):
    """A text as the name of a row or a file."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")


def changed(method, name, text):
    """A method with another value of an argument.

    Raises:
        UserError: If it does not take that.
    """
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    try:
        return dataclasses.replace(method, **{name: value})
    except (TypeError, ValueError) as error:
        raise UserError(f"`{name}` does not take that. Received: {name}={text}. {error}") from error


def number(name, text):
    """A number as it was typed.

    Raises:
        UserError: If it is none, or below 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"`{name}` should be a finite number >= 0. Received: {name}={text}.")
    return value


def _to_vary(recipe, rows, values):
    """The first of the rows whose method has all that is varied, but for settings."""
    own = [name for name in values if name not in settable(recipe)]
    for row in rows:
        if row.method is not None and all(name in _arguments(row) for name in own):
            return row
    if not own:
        return rows[0]
    known = dict.fromkeys((*(name for row in rows for name in _arguments(row)), *settable(recipe)))
    unknown = next((name for name in own if name not in known), own[0])
    raise UserError(
        f"A sweep should be over an argument of a row's method or a setting, one of: {', '.join(known)}. "
        f"Received: {unknown}={','.join(values[unknown])}.{names.nearest(unknown, list(known))}"
    )


def _arguments(row):
    return [field.name for field in dataclasses.fields(row.method)] if dataclasses.is_dataclass(row.method) else []


def _setting(recipe, name, text):
    return read(settable(recipe)[name], text)


def _with_alpha(recipe, row):
    """The first row of a comparison whose method has an alpha; plain mixup is preferred."""
    (group,) = [group for group in comparisons(recipe, recipe.rows) if row in group]
    found = [one for one in group if "alpha" in _arguments(one)]
    return next((one for one in found if type(one.method) is Mixup), found[0] if found else None)


def _row(recipe, like, name, parts, method):
    """A new row, titled as the others of its comparison."""
    (group,) = [group for group in comparisons(recipe, recipe.rows) if like in group]
    several = len(comparisons(recipe, recipe.rows)) > 1 and len(group) > 1
    common, _ = split_titles([row.title for row in group]) if several else ("", None)
    return Row(name, Title(*([common] if common else []), *parts), method, settings=like.settings)
