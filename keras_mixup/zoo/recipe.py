"""What a recipe is: a frozen record of data set, network, budget and rows. No logic but its own checks."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from keras_mixup.zoo import augmentation, networks, partners
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


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: a way to train.

    Args:
        name: Short name for the command line and for folders, such as `"mixup-0.2"`.
        title: What the table and the plots call it.
        method: How batches are mixed (a `keras_mixup.methods.Mixup`), or `None` for plain empirical risk minimisation;
            in a recipe for GANs a `keras_mixup.zoo.gan.recipe.Gan`.
        published: The paper's figure for this row, if it has one.
        settings: Fields of the recipe that this row has otherwise, such as `{"network": "wide_resnet28_10"}`.
    """

    name: str
    title: str
    method: Any = None
    published: Published | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


def integer(least):
    """A check that a value is an int, and no less than that."""
    return lambda value: type(value) is int and value >= least


def finite(value):
    """Whether a number is neither infinite nor NaN."""
    return math.isfinite(value)


def choice(values):
    """The range of a setting that is one of a few values: in words, and as a check."""
    return f"one of {', '.join(map(str, values))}", lambda value: value in values


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
        clip_norm: If > 0, gradients are scaled down to this norm over all weights.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`, a global policy of Keras.
        jit: Compile the step with XLA: `"on"`, `"off"`, or `"auto"`, which is off on a CPU under TensorFlow.
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
        epsilon: How far the measure `attacks` may move a pixel, >= 0, of 255.
        broken_images: What to do about image files that cannot be decoded: `"refuse"` stops at the first, and names it;
            `"skip"` decodes all of them beforehand, and leaves out those, by name, from training and from testing.
        measures: What to measure of the trained network beside its error: names in `keras_mixup.zoo.measures`.
        score: Which epoch's test error the table reports: the `"last"`, the `"best"` (chosen on the test set, as papers
            do), or the `"median"` of the last ten, or of as many as the kind of recipe says.

    Raises:
        UserError: If a setting is out of its range.
    """

    name: str
    title: str
    dataset: str
    network: str
    rows: tuple[Row, ...]
    train_size: int = 0
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seeds: int
    optimizer: str = "nesterov"
    schedule: str = "cosine"
    milestones: tuple[int, ...] = ()
    decay_factor: float = 0.0
    beta_2: float = 0.999
    warmup_epochs: int = 0
    warmup_from: float = 0.0
    decay: str = "decoupled"
    ema: float = 0.0
    clip_norm: float = 0.0
    precision: str = "float32"
    jit: str = "auto"
    steps_at_once: int = 1
    augment: str = "none"
    label_smoothing: float = 0.0
    input_noise: float = 0.0
    dropout: float = 0.0
    pairs: str = "random"
    unmixed_epochs: int = 0
    door: str = "pipeline"
    at: str = ""
    label_noise: float = 0.0
    noise: str = "uniform"
    held_out: int = 0
    seed_offset: int = 0
    epsilon: float = 4.0
    broken_images: str = "refuse"
    measures: tuple[str, ...] = ()
    score: str = "last"

    # The module that trains, tabulates and draws such a recipe; and the settings that may be changed, and their ranges.
    study: ClassVar = "keras_mixup.zoo.classifiers"
    median_of: ClassVar = 10  # of so many last epochs is the median that may be the score
    ranges: ClassVar = {
        "network": choice(networks.NAMES),
        "train_size": ("an integer >= 2, or 0 for all", lambda x: integer(2)(x) or x == 0),
        "epochs": ("a positive integer", integer(1)),
        "batch_size": ("an integer >= 2", integer(2)),
        "learning_rate": ("a finite number > 0", lambda x: finite(x) and x > 0),
        "weight_decay": ("a finite number >= 0", lambda x: finite(x) and x >= 0),
        "seeds": ("a positive integer", integer(1)),
        "optimizer": choice(("nesterov", "sgd", "adam", "adamw")),
        "schedule": choice(("cosine", "step", "constant")),
        "milestones": (
            "rising numbers of epochs, such as 100,150",
            lambda x: x == tuple(sorted(set(x))) and min(x, default=1) > 0,
        ),
        "decay_factor": ("a number >= 0 and < 1", share),
        "beta_2": ("a number >= 0 and < 1", share),
        "warmup_epochs": ("an integer >= 0", integer(0)),
        "warmup_from": ("a finite number >= 0", lambda x: finite(x) and x >= 0),
        "decay": choice(("l2", "l2_kernels", "decoupled", "decoupled_kernels")),
        "ema": ("a number >= 0 and < 1", share),
        "clip_norm": ("a finite number >= 0", lambda x: finite(x) and x >= 0),
        "precision": choice(("float32", "mixed_float16", "mixed_bfloat16")),
        "jit": choice(("auto", "on", "off")),
        "steps_at_once": ("a positive integer", integer(1)),
        "augment": choice(augmentation.NAMES),
        "label_smoothing": ("a number >= 0 and < 1", share),
        "input_noise": ("a finite number >= 0", lambda x: finite(x) and x >= 0),
        "dropout": ("a number >= 0 and < 1", share),
        "pairs": choice(partners.NAMES),
        "unmixed_epochs": ("an integer >= 0", integer(0)),
        "door": choice(("pipeline", "model")),
        "at": ("the name of a layer", lambda x: True),
        "label_noise": ("a number between 0 and 1", lambda x: 0 <= x <= 1),
        "noise": choice(NOISES),
        "held_out": ("an integer >= 0", integer(0)),
        "seed_offset": ("an integer >= 0", integer(0)),
        "epsilon": ("a finite number >= 0", lambda x: finite(x) and x >= 0),
        "broken_images": choice(("refuse", "skip")),
        "measures": (f"some of {', '.join(MEASURES)}", lambda x: set(x) <= set(MEASURES)),
        "score": choice(("last", "best", "median")),
    }

    def __post_init__(self):
        check(self)
        if self.schedule == "step" and not (self.milestones and self.decay_factor):
            raise UserError(
                "`schedule` should come with `milestones` and `decay_factor` if it is step. "
                f"Received: milestones={self.milestones}, decay_factor={self.decay_factor}."
            )
        if self.optimizer == "adamw" and self.decay != "decoupled":
            raise UserError(f"`decay` should be decoupled with adamw. Received: decay={self.decay}.")
        for row in self.rows:
            own = for_row(self, row)
            if row.method is not None and in_model(own, row.method) and (own.unmixed_epochs or own.pairs != "random"):
                raise UserError(
                    f"`unmixed_epochs` and `pairs` should be 0 and random where the train step mixes, as in the row "
                    f"{row.name}. Received: unmixed_epochs={own.unmixed_epochs}, pairs={own.pairs}."
                )


def check(recipe):
    """Raise a `UserError` if a setting of a recipe is out of its range."""
    for field, (kind, fits) in recipe.ranges.items():
        value = getattr(recipe, field)
        if not fits(value):
            raise UserError(f"`{field}` should be {kind}. Received: {field}={value}.")


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
            changes[field] = _read(types[field], text)
        except ValueError:
            raise UserError(f"`{field}` should be {recipe.ranges[field][0]}. Received: {field}={text}.") from None
    changed = dataclasses.replace(recipe, **changes)
    for assignment in assignments:
        field, _, _ = assignment.partition("=")
        if any(field in row.settings for row in changed.rows):
            raise UserError(
                f"`--set` should not change `{field}`, in which the rows of {recipe.name} differ; choose among them "
                f"with `--row`. Received: --set {assignment}."
            )
    return changed


def _read(kind, text):
    if kind == tuple[int, ...]:
        return tuple(int(number) for number in text.split(",") if number)
    if kind == tuple[str, ...]:
        return tuple(name for name in text.split(",") if name)
    return kind(text)


def settable(recipe=Recipe):
    """The fields that `--set` may change."""
    return tuple(recipe.ranges)


def settings(recipe):
    """What a table says of its recipe: the fields that `--set` may change and that are not at their defaults."""
    defaults = {field.name: field.default for field in dataclasses.fields(recipe)}
    values = {field: getattr(recipe, field) for field in settable(recipe) if field != "seeds"}
    return {field: value for field, value in values.items() if value != defaults[field]}
