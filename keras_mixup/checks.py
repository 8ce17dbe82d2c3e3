"""Checks of arguments: one wording for each, in one place."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

from keras_mixup.schedules import Adjustable


def is_number(value: Any) -> bool:
    """Whether a value is a real number and not a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def integer(name: str, value: Any, least: int = 1) -> None:
    """Raise a `ValueError` unless a value is an integer, of `least` or more."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        what = "a positive integer" if least == 1 else f"an integer >= {least}"
        raise ValueError(f"`{name}` should be {what}. Received: {name}={value!r}.")


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float = math.inf,
    instead: str = "",
) -> None:
    """Raise a `ValueError` unless a value is a finite number within bounds.

    Args:
        name: What the user calls it.
        value: What was given.
        least: The smallest number allowed.
        above: The largest number that is too small already, in place of `least`.
        most: The largest number allowed.
        instead: What else may be given in its place, for the message.
    """
    low = least if above is None else above
    inside = is_number(value) and (low <= value if above is None else low < value)
    if inside and value <= most and value < math.inf:
        return
    if most < math.inf:
        what = f"a number between {least} and {most}" if above is None else f"a number in ({above}, {most}]"
    else:
        what = f"a finite number {'>' if above is not None else '>='} {low}"
    raise ValueError(f"`{name}` should be {what}{instead}. Received: {name}={value!r}.")


def probability(name: str, value: Any) -> None:
    """Raise a `ValueError` unless a value is a number between 0 and 1, or an `Adjustable`."""
    if not isinstance(value, Adjustable):
        number(name, value, least=0, most=1)


def one_of(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise a `ValueError` unless a value is one of several."""
    if value not in tuple(choices):
        *first, last = map(repr, choices)
        raise ValueError(f"`{name}` should be {', '.join(first)} or {last}. Received: {name}={value!r}.")


def truth(name: str, value: Any) -> None:
    """Raise a `ValueError` unless a value is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` should be True or False. Received: {name}={value!r}.")
