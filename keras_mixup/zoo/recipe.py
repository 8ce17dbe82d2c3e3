"""What a recipe is: a frozen record of data set, network, budget and rows. No logic but its own checks."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from keras_mixup.zoo import augmentation, datasets, names, networks, partners
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.label_noise import KINDS as NOISES
from keras_mixup.zoo.measures import NAMES as MEASURES


@dataclasses.dataclass(frozen=True)
class Published:
    """A figure of a paper, kept apart from ours.

    Args:
        error: Test error in percent, or whatever the table's first column holds.
        source: Where it stands, such as `"arXiv 1710.09412, table 2"`.
        tag: How far it was verified, such as `"verified"` or `"from memory"`.
        std: Its standard deviation, where the paper gives one.
        top5: Top-5 error in percent, where the paper gives one.
    """

    error: float
    source: str
    tag: str
    std: float | None = None
    top5: float | None = None


class Title(str):
    """What a row is called: text to show, and the parts it is made of, from the general to the particular.

    Rows that share their first parts are shown under them.

    Args:
        *parts: Of the title, such as `"Iris", "10 epochs", "mixup", "alpha 0.2"`.

    Example:

    >>> title = Title("Iris", "mixup")
    >>> title, title.parts
    ('Iris, mixup', ('Iris', 'mixup'))
    """

    def __new__(cls, *parts):
        title = super().__new__(cls, ", ".join(parts))
        title.parts = parts
        return title

    def __getnewargs__(self):
        return self.parts


def titled(title):
    """A `Title` from its parts, or from one string with commas between them."""
    if isinstance(title, Title):
        return title
    return Title(*(title.split(", ") if isinstance(title, str) else title))


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: a way to train.

    Args:
        name: Short name for the command line and for folders, such as `"mixup-0.2"`.
        title: What the table and the plots call it: a `Title`, or its parts as a tuple, or in one string with commas.
        method: How batches are mixed (a `keras_mixup.methods.Mixup`), or `None` for plain empirical risk minimisation;
            in a recipe for GANs a `keras_mixup.zoo.gan.recipe.Gan`.
        published: The paper's figure for this row, if it has one.
        settings: Fields of the recipe that this row has otherwise, such as `{"network": "wide_resnet28_10"}`.
        against: Names of further rows to compare this one with, such as its control; every row is compared with the
            first of the same data, network and budget.
    """

    name: str
    title: str | tuple[str, ...]
    method: Any = None
    published: Published | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    against: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "title", titled(self.title))


def integer(least):
    """A check that a value is an int, and no less than that."""
    return lambda value: type(value) is int and value >= least


def finite(value):
    """Whether a number is neither infinite nor NaN."""
    return math.isfinite(value)


def choice(values):
    """The range of a setting that is one of a few values: in words, and as a check."""
    return f"one of {', '.join(map(str, values))}", lambda value: value in values


def known(values, other=lambda value: False):
    """The range of a setting that names something of the zoo, or something of your own as `module:NAME`."""
    words = f"one of {', '.join(values)}; or your own as module:NAME"
    return words, lambda value: value in values or names.is_own(value) or other(value), values


def several(values):
    """The range of a setting that is a tuple of such names."""
    words = f"some of {', '.join(values)}; or your own as module:NAME"
    return words, lambda value: all(one in values or names.is_own(one) for one in value), values


def setting(words, fits, known=(), default=dataclasses.MISSING, kind="budget"):
    """A field of a recipe that the command line can set: all that is to know of it, in one place.

    Args:
        words: Its range, as in "`epochs` should be a positive integer".
        fits: Whether a value is in its range.
        known: The names to choose from, where it is a name.
        default: Its default, if it has one.
        kind: `"data"` decides the examples; `"treatment"` is a way to train, as a method is: rows that differ in
            nothing else are compared with each other; the rest is `"budget"`.

    Returns:
        A field of a dataclass.
    """
    return dataclasses.field(default=default, metadata={"words": words, "fits": fits, "known": known, "kind": kind})


def share(value):
    """Whether a number is at least 0 and below 1."""
    return 0 <= value < 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """One table: everything that decides its figures.

    Args:
        name: The name of its file, and of the recipe on the command line.
        title: One line for `keras-mixup list`.
        dataset: A name in `keras_mixup.zoo.datasets`.
        network: A name in `keras_mixup.zoo.networks`.
        rows: What is compared; the first row is the baseline the others are compared with.
        train_size: Number of training examples, >= 2; drawn anew for each seed, the same for each row. 0 is all.
        epochs: Passes over the training examples, >= 1.
        batch_size: Examples per step over all devices, >= 2: mixing needs a partner.
        learning_rate: The highest, > 0.
        weight_decay: >= 0; what it means says `decay`.
        seeds: Runs per row, >= 1, with the seeds 0, 1, ...
        optimizer: `"nesterov"` or `"sgd"` (momentum 0.9 both), `"adam"` or `"adamw"`.
        schedule: How the learning rate falls: `"cosine"` until the last step, `"step"` at the milestones,
            `"constant"` not at all.
        milestones: For `"step"`: the numbers of finished epochs after which it falls.
        decay_factor: For `"step"`: what it is multiplied by at each, > 0; for `"cosine"`: the share of the highest at
            which it ends. Below 1.
        beta_2: Of Adam, in [0, 1).
        warmup_epochs: The learning rate rises in a line from `warmup_from` for so many epochs, >= 0, which count in the
            schedule.
        warmup_from: The learning rate of the first step then, >= 0.
        decay: `"l2"` adds `weight_decay * w` to the gradient of every weight, as PyTorch's SGD does and the papers'
            programs mean it; `"l2_kernels"` spares biases and batch normalisation, as Goyal et al. do; `"decoupled"`
            takes that share, times the learning rate, off every weight, past the momentum; `"decoupled_kernels"` spares
            the same.
        ema: If > 0, the network is tested with an exponential moving average of its weights of this momentum, < 1.
        ema_statistics: `"on"` averages the statistics of batch normalisation in the same way, and tests with these.
        clip_norm: If > 0, gradients are scaled down to this norm over all weights.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`, a global policy of Keras.
        jit: Compile the step with XLA: `"on"`, `"off"`, or `"auto"`, which is off on a CPU under TensorFlow.
        test_every: Test after every so many epochs, >= 1, and after the last. Where the test set is as large as the
            training set, testing each time takes a quarter of the time.
        steps_at_once: At most so many steps are made at once, >= 1, before TensorFlow comes back to Python; the results
            are the same. With small networks most of the time is spent on the way.
        augment: A name in `keras_mixup.zoo.augmentation`.
        label_smoothing: Share of each target that is spread over all classes, before mixing; in [0, 1).
        input_noise: Standard deviation of Gaussian noise on the network's input, >= 0, in units of standardised pixels.
        dropout: Rate in the network, in [0, 1), if the network has a place for it.
        pairs: Who may be mixed with whom: `"random"` leaves it to the method, which pairs within the batch; the others
            are those of `keras_mixup.zoo.partners`.
        unmixed_epochs: The first so many epochs do not mix, >= 0.
        door: `"pipeline"` mixes in `tf.data`, `"model"` in the train step. Methods that need the network always do the
            latter.
        at: The layer whose output is mixed instead of the input; `""` for the input.
        label_noise: Share of the labels to train with that are replaced, in [0, 1]; those tested with stay true.
        noise: By what: see `keras_mixup.zoo.label_noise`.
        held_out: So many of the training examples, >= 0, are not trained on, but kept for what has to be fitted after
            training, such as a temperature.
        seed_offset: Added to the seed of initial weights, order and mixes, but not to that of the data, >= 0: for a row
            whose network should be another one than that of the first row.
        epsilon: How far the measure `attacks` may move a pixel, >= 0, in the units it is stored in.
        attacked: How many test images, at most, that measure attacks, >= 1. Of `n` images an error has a standard error
            of up to `50 / sqrt(n)` points.
        strangers: Another data set, whose test examples the measure `ood` takes for strangers; `""` for none.
        broken_images: What to do about image files that cannot be decoded: `"refuse"` stops at the first, and names it;
            `"skip"` decodes all of them beforehand, and leaves out those, by name, from training and from testing.
        measures: What to measure of the trained network beside its error: names in `keras_mixup.zoo.measures`.
        score: Which epoch's test error the table reports: the `"last"`, the `"best"` (chosen on the test set, as papers
            do), or the `"median"` of the last ten that were tested, or of as many as the kind of recipe says.

    Raises:
        UserError: If a setting is out of its range.
    """

    name: str
    title: str
    dataset: str = setting(*known(datasets.NAMES, datasets.is_file), kind="data")
    network: str = setting(*known(networks.NAMES))
    rows: tuple[Row, ...]
    train_size: int = setting(
        "an integer >= 2, or 0 for all", lambda x: integer(2)(x) or x == 0, default=0, kind="data"
    )
    epochs: int = setting("a positive integer", integer(1))
    batch_size: int = setting("an integer >= 2", integer(2))
    learning_rate: float = setting("a finite number > 0", lambda x: finite(x) and x > 0)
    weight_decay: float = setting("a finite number >= 0", lambda x: finite(x) and x >= 0)
    seeds: int = setting("a positive integer", integer(1))
    optimizer: str = setting(*choice(("nesterov", "sgd", "adam", "adamw")), default="nesterov")
    schedule: str = setting(*choice(("cosine", "step", "constant")), default="cosine")
    milestones: tuple[int, ...] = setting(
        "rising numbers of epochs, such as 100,150",
        lambda x: x == tuple(sorted(set(x))) and min(x, default=1) > 0,
        default=(),
    )
    decay_factor: float = setting("a number >= 0 and < 1", share, default=0.0)
    beta_2: float = setting("a number >= 0 and < 1", share, default=0.999)
    warmup_epochs: int = setting("an integer >= 0", integer(0), default=0)
    warmup_from: float = setting("a finite number >= 0", lambda x: finite(x) and x >= 0, default=0.0)
    decay: str = setting(*choice(("l2", "l2_kernels", "decoupled", "decoupled_kernels")), default="decoupled")
    ema: float = setting("a number >= 0 and < 1", share, default=0.0)
    ema_statistics: str = setting(*choice(("off", "on")), default="off")
    clip_norm: float = setting("a finite number >= 0", lambda x: finite(x) and x >= 0, default=0.0)
    precision: str = setting(*choice(("float32", "mixed_float16", "mixed_bfloat16")), default="float32")
    jit: str = setting(*choice(("auto", "on", "off")), default="auto")
    test_every: int = setting("a positive integer", integer(1), default=1)
    steps_at_once: int = setting("a positive integer", integer(1), default=1)
    augment: str = setting(*choice(augmentation.NAMES), default="none")
    label_smoothing: float = setting("a number >= 0 and < 1", share, default=0.0, kind="treatment")
    input_noise: float = setting("a finite number >= 0", lambda x: finite(x) and x >= 0, default=0.0, kind="treatment")
    dropout: float = setting("a number >= 0 and < 1", share, default=0.0, kind="treatment")
    pairs: str = setting(*choice(partners.NAMES), default="random", kind="treatment")
    unmixed_epochs: int = setting("an integer >= 0", integer(0), default=0, kind="treatment")
    door: str = setting(*choice(("pipeline", "model")), default="pipeline", kind="treatment")
    at: str = setting("the name of a layer", lambda x: True, default="", kind="treatment")
    label_noise: float = setting("a number between 0 and 1", lambda x: 0 <= x <= 1, default=0.0, kind="data")
    noise: str = setting(*choice(NOISES), default="uniform", kind="data")
    held_out: int = setting("an integer >= 0", integer(0), default=0, kind="data")
    seed_offset: int = setting("an integer >= 0", integer(0), default=0)
    epsilon: float = setting("a finite number >= 0", lambda x: finite(x) and x >= 0, default=4.0)
    attacked: int = setting("a positive integer", integer(1), default=2000)
    strangers: str = setting(*known(datasets.NAMES, lambda x: not x or datasets.is_file(x)), default="", kind="data")
    broken_images: str = setting(*choice(("refuse", "skip")), default="refuse", kind="data")
    measures: tuple[str, ...] = setting(*several(MEASURES), default=())
    score: str = setting(*choice(("last", "best", "median")), default="last")

    unused: ClassVar = ()  # the settings that recipes of this kind do not heed
    median_of: ClassVar = 10  # of so many last epochs is the median that may be the score

    def __post_init__(self):
        check(self)
        if self.schedule == "step" and not (self.milestones and self.decay_factor):
            raise UserError(
                "`schedule` should come with `milestones` and `decay_factor` if it is step. "
                f"Received: milestones={self.milestones}, decay_factor={self.decay_factor}."
            )
        if self.optimizer == "adamw" and self.decay != "decoupled":
            raise UserError(f"`decay` should be decoupled with adamw. Received: decay={self.decay}.")
        if self.ema_statistics == "on" and not self.ema:
            raise UserError("`ema` should be > 0 if ema_statistics is on. Received: ema=0.")
        for row in self.rows:
            own = for_row(self, row)
            if row.method is not None and in_model(own, row.method) and (own.unmixed_epochs or own.pairs != "random"):
                raise UserError(
                    f"`unmixed_epochs` and `pairs` should be 0 and random where the train step mixes, as in the row "
                    f"{row.name}. Received: unmixed_epochs={own.unmixed_epochs}, pairs={own.pairs}."
                )


def check(recipe):
    """Raise a `UserError` if a setting of a recipe is out of its range."""
    for name, field in settable(recipe).items():
        value = getattr(recipe, name)
        if not field.metadata["fits"](value):
            raise _out_of_range(field, value)


def _out_of_range(field, value):
    words, known = field.metadata["words"], field.metadata["known"]
    text = ",".join(value) if isinstance(value, tuple) and known else value
    strangers = [one for one in (value if isinstance(value, tuple) else [value]) if known and one not in known]
    hint = names.nearest(strangers[0], known) if strangers else ""
    return UserError(f"`{field.name}` should be {words}. Received: {field.name}={text}.{hint}")


def in_model(recipe, method):
    """Whether the train step mixes, and not the input pipeline."""
    return bool(recipe.door == "model" or recipe.at or getattr(method, "needs_network", False))


def for_row(recipe, row):
    """The recipe as one of its rows has it: with the row's own settings, and no rows."""
    return dataclasses.replace(recipe, rows=(), **row.settings)


def override(recipe, assignments):
    """Change settings of a recipe, as `keras-mixup run --set` does.

    Args:
        recipe: A `Recipe`, or one of `keras_mixup.zoo.gan.recipe`.
        assignments: Strings such as `"epochs=10"`; the fields are those of `settable(recipe)`.

    Returns:
        A new recipe.

    Raises:
        UserError: If a field is unknown, a value has the wrong type or is out of its range, or if the rows differ in
            that very field.
    """
    fields, changes = settable(recipe), {}
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        if not equals or field not in fields:
            raise UserError(
                f"`--set` should be FIELD=VALUE with FIELD one of: {', '.join(fields)}. "
                f"Received: --set {assignment}.{names.nearest(field, fields) if field not in fields else ''}"
            )
        changes[field] = read(fields[field], text)
    changed = dataclasses.replace(recipe, **changes)
    for assignment in assignments:
        field, _, _ = assignment.partition("=")
        if any(field in row.settings for row in changed.rows):
            raise UserError(
                f"`--set` should not change `{field}`, in which the rows of {recipe.name} differ; choose among them "
                f"with `--row`. Received: --set {assignment}."
            )
    return changed


def read(field, text):
    """The value of a setting from text.

    Raises:
        UserError: If it has the wrong type.
    """
    try:
        if field.type == tuple[int, ...]:
            return tuple(int(number) for number in text.split(",") if number)
        if field.type == tuple[str, ...]:
            return tuple(name for name in text.split(",") if name)
        return field.type(text)
    except ValueError:
        raise _out_of_range(field, text) from None


def settable(recipe=Recipe):
    """The fields that `--set` may change, by name."""
    fields = {field.name: field for field in dataclasses.fields(recipe) if "words" in field.metadata}
    return {name: field for name, field in fields.items() if name not in getattr(recipe, "unused", ())}


def of_kind(recipe, kind):
    """The defaults of the settings of a kind, by name: see `setting`."""
    return {field.name: field.default for field in dataclasses.fields(recipe) if field.metadata.get("kind") == kind}


def settings(recipe):
    """What a table says of its recipe: the fields that `--set` may change and that are not at their defaults."""
    shown = {name: field for name, field in settable(recipe).items() if name not in ("seeds", "dataset")}
    return {name: getattr(recipe, name) for name, field in shown.items() if getattr(recipe, name) != field.default}
