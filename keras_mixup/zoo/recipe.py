"""What a recipe is: a frozen record of data set, network, budget and rows. No logic but its own checks."""

import dataclasses
import math
from typing import Any, ClassVar

from keras_mixup.zoo.errors import UserError


@dataclasses.dataclass(frozen=True)
class Published:
    """A figure of a paper, kept apart from ours.

    Args:
        error: Test error in percent.
        source: Where it stands, such as `"arXiv 1710.09412, table 2"`.
        tag: How far it was verified, such as `"verified"` or `"from memory"`.
    """

    error: float
    source: str
    tag: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: a way to train.

    Args:
        name: Short name for the command line and for folders, such as `"mixup-0.2"`.
        title: What the table and the plots call it.
        method: How batches are mixed (a `keras_mixup.methods.Mixup`), or `None` for plain empirical risk minimisation;
            in a recipe for GANs a `keras_mixup.zoo.gan.recipe.Gan`.
        published: The paper's figure for this row, if it has one.
    """

    name: str
    title: str
    method: Any = None
    published: Published | None = None


def integer(least):
    """A check that a value is an int, and no less than that."""
    return lambda value: type(value) is int and value >= least


def finite(value):
    """Whether a number is neither infinite nor NaN."""
    return math.isfinite(value)


def choice(values):
    """The range of a setting that is one of a few values: in words, and as a check."""
    return f"one of {', '.join(map(str, values))}", lambda value: value in values


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One table: everything that decides its figures.

    Args:
        name: The name of its file, and of the recipe on the command line.
        title: One line for `keras-mixup list`.
        dataset: A name in `keras_mixup.zoo.datasets`.
        network: A name in `keras_mixup.zoo.networks`.
        rows: What is compared; the first row is the baseline the others are compared with.
        train_size: Number of training examples, >= 2; drawn anew for each seed, the same for each row.
        epochs: Passes over the training examples, >= 1.
        batch_size: Examples per step, >= 2: mixing needs a partner.
        learning_rate: Of SGD with Nesterov momentum 0.9, > 0; falls to 0 along a cosine.
        weight_decay: >= 0; each step takes this share, times the learning rate, off every weight (decoupled, so not
            what PyTorch's SGD calls `weight_decay`, which passes through the momentum).
        seeds: Runs per row, >= 1, with the seeds 0, 1, ...

    Raises:
        UserError: If a number is out of its range.
    """

    name: str
    title: str
    dataset: str
    network: str
    rows: tuple[Row, ...]
    train_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seeds: int

    # The module that trains, tabulates and draws such a recipe; and the settings that may be changed, and their ranges.
    study: ClassVar = "keras_mixup.zoo.classifiers"
    ranges: ClassVar = {
        "train_size": ("an integer >= 2", integer(2)),
        "epochs": ("a positive integer", integer(1)),
        "batch_size": ("an integer >= 2", integer(2)),
        "learning_rate": ("a finite number > 0", lambda x: finite(x) and x > 0),
        "weight_decay": ("a finite number >= 0", lambda x: finite(x) and x >= 0),
        "seeds": ("a positive integer", integer(1)),
    }

    def __post_init__(self):
        check(self)


def check(recipe):
    """Raise a `UserError` if a setting of a recipe is out of its range."""
    for field, (kind, fits) in recipe.ranges.items():
        value = getattr(recipe, field)
        if not fits(value):
            raise UserError(f"`{field}` should be {kind}. Received: {field}={value}.")


def override(recipe, assignments):
    """Change settings of a recipe, as `keras-mixup run --set` does.

    Args:
        recipe: A `Recipe`, or one of `keras_mixup.zoo.gan.recipe`.
        assignments: Strings such as `"epochs=10"`; the fields are those of `settable(recipe)`.

    Returns:
        A new recipe.

    Raises:
        UserError: If a field is unknown, a value has the wrong type, or it is out of its range.
    """
    types = {field.name: field.type for field in dataclasses.fields(recipe)}
    changes = {}
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        if not equals or field not in settable(recipe):
            raise UserError(
                f"`--set` should be FIELD=VALUE with FIELD one of: {', '.join(settable(recipe))}. "
                f"Received: --set {assignment}."
            )
        try:
            changes[field] = types[field](text)
        except ValueError:
            raise UserError(f"`{field}` should be {recipe.ranges[field][0]}. Received: {field}={text}.") from None
    return dataclasses.replace(recipe, **changes)


def settable(recipe=Recipe):
    """The fields that `--set` may change."""
    return tuple(recipe.ranges)


def settings(recipe):
    """Those fields and their values, but for the number of seeds: what a table says of its recipe."""
    return {field: getattr(recipe, field) for field in settable(recipe) if field != "seeds"}
