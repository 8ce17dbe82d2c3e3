"""How a method draws: small frozen objects that look at a batch and turn a seed into a `Draw`.

    draw(batch: Batch, seed) -> Draw

Every door takes any of them: `MixLayer(CutMix(1.0))`, `dataset.apply(mix_with(CutMix(1.0)))`,
`MixupModel(network, CutMix(1.0))`. Some have files of their own: `saliencymix.py`, `smoothmix.py` and, those that need
the network, `manifold.py` and `mixupe.py`.

A method of one's own is a subclass of `Method` with a dataclass decorator and one function; see `guides/own_method.md`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import keras

from keras_mixup import checks, regions, weights
from keras_mixup import ops as tables
from keras_mixup import pairing as pairings
from keras_mixup.batch import Batch
from keras_mixup.checks import is_number
from keras_mixup.mixing import Draw
from keras_mixup.schedules import Adjustable
from keras_mixup.types import Alpha, Config, Pairing, Probability, Seed, Shape, Size, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

BY_NAME = ("per", "pairing", "probability")
# The methods of this package by name, in lower case; they enter themselves. Those of others go by module and name.
REGISTRY: dict[str, type[Method]] = {}


class _Signature:
    """What a method takes, for `help` and editors: what its `__init__` does."""

    def __get__(self, method: object, cls: Any) -> inspect.Signature:
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        return inspect.Signature(parameters)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """The protocol of all methods: what they share, and what the doors want to know of them.

    A subclass is a frozen dataclass with the function `draw`. It works in every door, in `Choice` and on all backends
    of Keras, and Keras can save it: its fields are its config.

    Args:
        per: `"example"` draws for each example, `"batch"` once for the whole batch.
        pairing: Who is mixed with whom: `"shuffle"` (a random permutation), `"derangement"` (never with oneself),
            `"reverse"`, `"roll"`, `"same_class"`, `"other_class"`, or a function `(size, seed, targets) -> partner`.
        probability: Chance in [0, 1] that an example (or, with `per="batch"`, the batch) is mixed at all; a number or
            an `Adjustable`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_mixup import ops as tables
    >>> @dataclasses.dataclass(frozen=True)
    ... class Constant(Method):
    ...     share: float = 0.25
    ...
    ...     def draw(self, batch, seed):
    ...         for_partner, for_coin = tables.of(seed, batch.size).split(seed, 2)
    ...         weight = self.share * tables.of(seed, batch.size).ones((self.count(batch),))
    ...         weight = self.for_all(self.only_some(weight, 1.0, batch, for_coin), batch)
    ...         return Draw(weight, self.partner(batch, for_partner))
    >>> float(Constant(0.75).draw(Batch(size=2), seed=1).weight[0])
    0.75
    """

    per: Literal["example", "batch"] = "example"
    pairing: Pairing = "shuffle"
    probability: Probability = 1.0

    cuts: ClassVar[bool] = False  # whether it may cut images along a box or a region
    averages: ClassVar[bool] = True  # whether it may average examples, so that class ids have to become rows
    keeps_rows: ClassVar[bool] = True  # whether as many rows come out as go in
    needs_network: ClassVar[bool] = False  # whether it works in `MixupModel` alone
    # Where in a network it mixes: names of layers, and None for the input.
    places: ClassVar[tuple[str | None, ...]] = (None,)
    clean: ClassVar[str | None] = None  # "apart", or "together" in one batch: its loss looks at clean examples, too
    term: ClassVar[str | None] = None  # under what name the term that it adds to the loss is logged

    __signature__ = _Signature()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        names = [field.name for field in dataclasses.fields(cls) if field.init and not field.kw_only]
        if len(args) > len(names):
            example = ", ".join(f"{name}={value!r}" for name, value in zip(BY_NAME, args[len(names) :], strict=False))
            raise TypeError(
                f"`{cls.__name__}` takes {', '.join(f'`{name}`' for name in names) or 'nothing'} by position, and "
                f"`per`, `pairing` and `probability` by name: `{cls.__name__}(..., {example})`. "
                f"Received: {len(args)} arguments by position."
            )
        return super().__new__(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in vars(cls):  # that of a dataclass would begin with `per`
            cls.__repr__ = Method.__repr__  # type: ignore[method-assign]
        if "draw" in vars(cls):
            cls.draw = _of_a_batch(cls.draw)  # type: ignore[method-assign]
        if cls.__module__.rpartition(".")[0] == __name__.rpartition(".")[0]:
            REGISTRY[cls.__name__.lower()] = cls
        # Saved models name a class by its package and its own name.
        keras.saving.register_keras_serializable(package=cls.__module__.partition(".")[0])(cls)

    def __repr__(self) -> str:
        fields = sorted(dataclasses.fields(self), key=lambda field: field.name in BY_NAME)
        return f"{type(self).__name__}({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in fields)})"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # JSON, and so a saved model, knows lists alone
            value = getattr(self, field.name)
            if isinstance(value, list) and "tuple" in str(field.type):
                object.__setattr__(self, field.name, tuple(value))
        checks.one_of("per", self.per, ("example", "batch"))
        if self.pairing is not None:
            pairings.rule(self.pairing)
        checks.probability("probability", self.probability)
        weights.check_alpha(getattr(self, "alpha", 1.0))

    @property
    def mixes(self) -> bool:
        """Whether this method ever changes a batch."""
        return not any(is_number(value) and value == 0 for value in (getattr(self, "alpha", 1.0), self.probability))

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw for a batch.

        Args:
            batch: A `Batch`: its size and, where there are any, targets, features and the size of the images.
            seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`.

        Returns:
            A `Draw`.
        """
        raise NotImplementedError(f"`{type(self).__name__}` should have a function `draw(batch, seed)`.")

    def model(self, network: keras.layers.Layer, seed: int | None = None) -> keras.Model | None:
        """The Keras model that trains a network by this method; None leaves it to `MixupModel`."""
        return None

    def check_model(self, at: str | None, pairs: bool) -> None:
        """Raise a `ValueError` if a `MixupModel` with these arguments cannot train by this method."""
        if at is not None and self.cuts:
            raise ValueError(
                "What a layer returns is averaged, not cut: use a method like `Mixup`, or leave out `at`. "
                f"Received: at={at!r}, method={self!r}."
            )

    def get_config(self) -> Config:
        """The arguments as plain data, for saving with Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Rebuild the method from `get_config`."""
        return cls(**{key: keras.saving.deserialize_keras_object(value) for key, value in config.items()})

    # What draws are made of.

    def count(self, batch: Batch) -> Size:
        """How many times to draw: once for each example, or once for the batch."""
        return batch.size if self.per == "example" else 1

    def for_all(self, values: Tensor, batch: Batch) -> Tensor:
        """One number per batch repeated for each example; numbers per example as they are."""
        return values if self.per == "example" else values * tables.of(values).ones((batch.size,))

    def partner(self, batch: Batch, seed: Seed) -> Tensor:
        """Who is mixed with whom, by the method's pairing: an int32 tensor `(size,)`, rows of `batch.partners`."""
        rule = pairings.rule(self.pairing)
        if batch.others is None:
            return rule(batch.size, seed, batch.targets)
        if rule in pairings.WITHIN or isinstance(rule, pairings.LabelDistance):
            raise ValueError(
                "`pairing` should not look at targets where the partners are others. "
                f"Received: pairing={self.pairing!r}. Leave it out, or use a function `(size, seed, targets)`."
            )
        sizes = batch.size, batch.others.size
        known = all(isinstance(size, int) for size in sizes)
        rows = rule(max(sizes) if known else tables.of(*sizes).maximum(*sizes), seed, batch.targets)
        return rows[: batch.size] % batch.others.size

    def image_size(self, batch: Batch) -> Shape:
        """Height and width of the images, or the length of the series, that this method cuts.

        Raises:
            ValueError: If nothing in the batch can be cut.
        """
        if batch.image_size is None:
            raise ValueError(
                f"`{type(self).__name__}` cuts images. Received: a batch of which no size of images is known. Give "
                "`Batch(size, image_size=(height, width))`; or use `Mixup` for other data."
            )
        return batch.image_size

    def only_some(self, values: Tensor, otherwise: Any, batch: Batch, seed: Seed) -> Tensor:
        """These values with the method's probability, other ones else; a row per example or one per batch."""
        if is_number(self.probability) and self.probability == 1:
            return values
        ops = tables.of(seed, batch.size)
        probability = self.probability.read(ops) if isinstance(self.probability, Adjustable) else self.probability
        coin = ops.uniform((self.count(batch),), seed) < probability
        return ops.where(ops.reshape(coin, (-1,) + (1,) * (len(values.shape) - 1)), values, otherwise)


def _of_a_batch(draw: Callable[..., Draw]) -> Callable[..., Draw]:
    """A method's `draw` that says in words that it takes a `Batch`; once, it took the size."""

    @functools.wraps(draw)
    def checked(self: Any, batch: Any = None, *args: Any, **kwargs: Any) -> Draw:
        if not isinstance(batch, Batch):
            received = ", ".join([repr(batch)] * (batch is not None) + [f"{key}=..." for key in kwargs])
            raise TypeError(
                "`draw` takes a `Batch`: `draw(Batch(size=8), seed)`, with `targets=` and `image_size=` where a "
                f"method needs them. Received: draw({received})."
            )
        return draw(self, batch, *args, **kwargs)

    return checked


@dataclasses.dataclass(frozen=True)
class Mixup(Method):
    """mixup: a convex combination of each example with a partner from the same batch.

        weight ~ Beta(alpha, alpha),    x~ = weight * x + (1 - weight) * x[partner]

    It says how to draw; `MixupLayer`, `mixup` and `MixupModel` do the mixing.

    Args:
        alpha: Strength: a finite number >= 0, or an object with `sample(shape, seed=...)` (a `tfp.distributions`
            distribution over [0, 1]) to draw the weights from, or an `Adjustable`. 0 mixes nothing. The paper uses 0.2
            to 0.4 for ImageNet and 1 for CIFAR-10; large values underfit.
        per: `"example"` draws a weight for each example; `"batch"` one for the whole batch, as the paper's listing
            does.
        pairing: Who is mixed with whom: `"shuffle"` (a random permutation), `"derangement"` (never with oneself),
            `"reverse"`, `"roll"`, `"same_class"`, `"other_class"`, or a function `(size, seed, targets) -> partner`.
        probability: Chance in [0, 1] that an example (or, with `per="batch"`, the batch) is mixed at all; a number or
            an `Adjustable`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = Mixup(alpha=0.2).draw(Batch(size=8), seed=1)
    >>> tuple(draw.weight.shape), tuple(draw.partner.shape)
    ((8,), (8,))

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    alpha: Alpha = 0.2

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a weight and a partner for each example.

        Args:
            batch: A `Batch`; its targets are needed by the pairing rules that look at them.
            seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`.

        Returns:
            A `Draw`: float32 weights and int32 partners, both of shape `(size,)`.

        Raises:
            ValueError: If the pairing goes by class and there are no targets.
        """
        return draw_mixup(self, batch, seed)


def draw_mixup(method: Any, batch: Batch, seed: Seed) -> Draw:
    """Draw as `Mixup.draw` does, for a method that has an `alpha` and adds something of its own."""
    for_weight, for_partner, for_coin = tables.of(seed, batch.size).split(seed, 3)
    weight = weights.draw(method.count(batch), method.alpha, for_weight)
    weight = method.only_some(weight, 1.0, batch, for_coin)
    return Draw(method.for_all(weight, batch), method.partner(batch, for_partner))


@dataclasses.dataclass(frozen=True)
class CutMix(Method):
    """CutMix: paste a box of the partner's image, and mix the targets by the pixels that are left.

        keep ~ Beta(alpha, alpha),    box = sqrt(1 - keep) of height and width, around a random centre, clipped
        y~ = share * y + (1 - share) * y[partner],    share = pixels outside the box / all pixels

    The share is counted after rounding and clipping, so it is exact.

    Args:
        alpha: As for `Mixup`; the paper uses 1.
        minmax: None, or the smallest and the largest ratio of the box's sides to the image's: height and width are then
            drawn independently and uniformly between them and `alpha` only says whether to mix at all (timm's
            `cutmix_minmax`).
        inside: If True, boxes lie within the image, as those of `keras.layers.CutMix`; if False, as in the paper, only
            their centres do, and they are clipped.
        per: `"example"` for a box each, `"batch"` for one box.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = CutMix().draw(Batch(size=8, image_size=(32, 32)), seed=1)
    >>> tuple(draw.box.shape)
    (8, 4)

    Reference:
        CutMix (arXiv 1905.04899), section 3.
    """

    alpha: Alpha = 1.0
    minmax: tuple[float, float] | None = None
    inside: bool = False

    cuts = True
    averages = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.truth("inside", self.inside)
        if self.minmax is not None:
            regions.check_minmax("minmax", self.minmax)

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a box and a partner for each image; arguments and result as for `Mixup.draw`."""
        size = self.image_size(batch)
        for_weight, for_partner, for_coin, for_box = tables.of(seed, batch.size).split(seed, 4)
        if self.minmax is None:
            keep = weights.draw(self.count(batch), self.alpha, for_weight)
            box = regions.cut_box(size, keep, for_box, self.inside)
        else:
            box = regions.minmax_box(size, self.minmax, self.count(batch), for_box)
            if isinstance(self.alpha, Adjustable):
                ops = tables.of(box)
                box = ops.where(self.alpha.read(ops) > 0.0, box, 0)
        return _paste(self, batch, self.only_some(box, 0, batch, for_coin), for_partner)


@dataclasses.dataclass(frozen=True)
class ResizeMix(Method):
    """ResizeMix: shrink the partner's whole image and paste it into the original.

        side ~ Uniform(scale),    box = side of height and width, around a random centre, clipped
        y~ = share * y + (1 - share) * y[partner],    share = pixels outside the box / all pixels

    Args:
        scale: The smallest and the largest ratio of the box's sides to the image's.
        per: `"example"` for a box each, `"batch"` for one box.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = ResizeMix().draw(Batch(size=8, image_size=(32, 32)), seed=1)
    >>> tuple(draw.window.shape)
    (8, 4)

    Reference:
        ResizeMix (arXiv 2012.11101), section 3.
    """

    scale: tuple[float, float] = (0.1, 0.8)

    cuts = True
    averages = False

    def __post_init__(self) -> None:
        super().__post_init__()
        regions.check_minmax("scale", self.scale)

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a box and a partner for each image; arguments and result as for `Mixup.draw`."""
        size = self.image_size(batch)
        for_partner, for_coin, for_box = tables.of(seed, batch.size).split(seed, 3)
        box = regions.square_box(size, self.scale, self.count(batch), for_box)
        draw = _paste(self, batch, self.only_some(box, 0, batch, for_coin), for_partner)
        return draw._replace(window=draw.box)


@dataclasses.dataclass(frozen=True)
class FMix(Method):
    """FMix: cut the two images along a random smooth region instead of a box.

        keep ~ Beta(alpha, alpha),    region = the highest share `keep` of a random low-frequency picture
        x~ = x inside the region, x[partner] outside,    y~ = share * y + (1 - share) * y[partner]

    Drawing a region needs a Fourier transform per image, which costs several times as much as mixing; `per="batch"`, as
    in the authors' code, needs only one per batch.

    Args:
        alpha: As for `Mixup`; the paper uses 1.
        decay: How fast high frequencies fall, >= 0; larger means smoother regions.
        per: `"example"` for a region each, `"batch"` for one region.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = FMix().draw(Batch(size=8, image_size=(32, 32)), seed=1)
    >>> tuple(draw.region.shape)
    (8, 32, 32)

    Reference:
        FMix (arXiv 2002.12047), section 4.
    """

    alpha: Alpha = 1.0
    decay: float = 3.0

    cuts = True
    averages = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number("decay", self.decay, least=0)

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a region and a partner for each image; arguments and result as for `Mixup.draw`."""
        size = self.image_size(batch)
        ops = tables.of(seed, batch.size)
        for_weight, for_partner, for_coin, for_region = ops.split(seed, 4)
        keep = self.only_some(weights.draw(self.count(batch), self.alpha, for_weight), 1.0, batch, for_coin)
        region, share = regions.fourier_region(size, keep, self.decay, for_region)
        share = self.for_all(share, batch)
        return Draw(ops.ones((batch.size,)), self.partner(batch, for_partner), target_weight=share, region=region)


@dataclasses.dataclass(frozen=True)
class Remix(Method):
    """Remix: mixup whose targets lean towards the rarer class, for unbalanced data.

        y~ = share * y + (1 - share) * y[partner],
        share = 0 if n_i / n_j >= kappa and weight < tau
                1 if n_i / n_j <= 1 / kappa and 1 - weight < tau
                weight otherwise

    where n_i is the number of training examples of the original's class and n_j of the partner's.

    Args:
        class_counts: The number of training examples of each class, a sequence of positive numbers.
        alpha: As for `Mixup`.
        kappa: How many times rarer a class must be, > 1.
        tau: How little of the other example there may be, in [0, 1].
        per: As for `Mixup`.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range, or (when drawing) there are no class labels.

    Example:

    >>> import numpy as np
    >>> draw = Remix(class_counts=(100, 10)).draw(Batch(4, targets=np.array([0, 1, 0, 1])), seed=1)
    >>> tuple(draw.target_weight.shape)
    (4,)

    Reference:
        Remix (arXiv 2007.03943), section 3.
    """

    class_counts: Sequence[float] = ()
    alpha: Alpha = 1.0
    kappa: float = 3.0
    tau: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "class_counts", tuple(float(n) for n in self.class_counts))
        if not self.class_counts or min(self.class_counts) <= 0:
            raise ValueError(
                "`class_counts` should hold the number of training examples of each class, all positive. "
                f"Received: class_counts={self.class_counts!r}."
            )
        checks.number("kappa", self.kappa, above=1)
        checks.number("tau", self.tau, least=0, most=1)

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a weight, a partner and the targets' own weight; arguments and result as for `Mixup.draw`."""
        draw = draw_mixup(self, batch, seed)
        ops = tables.of(seed, batch.size)
        count, count_of_all = (
            ops.take(ops.convert(self.class_counts), ops.cast(pairings.class_ids(one.targets, seed), "int32"))
            for one in (batch, batch.partners)
        )
        ratio = count / ops.take(count_of_all, draw.partner)
        weight = draw.weight
        share = ops.where((ratio <= 1.0 / self.kappa) & (1.0 - weight < self.tau), 1.0, weight)
        share = ops.where((ratio >= self.kappa) & (weight < self.tau), 0.0, share)
        return draw._replace(target_weight=ops.where(weight == 1.0, 1.0, share))


@dataclasses.dataclass(frozen=True)
class DMixup(Method):
    """d-Mixup: a convex combination of d + 1 examples instead of two.

        weights ~ Dirichlet(alpha, ..., alpha),    x~ = weights_0 x + sum_k weights_k x[partner_k]

    With targets mixed alike, cross-entropy on the mixed target is the weighted sum of the cross-entropies.

    Args:
        partners: Number of partners, d >= 1; 1 is mixup.
        alpha: A finite number >= 0; 1 is uniform over the simplex, as in the authors' code. 0 mixes nothing.
        per: `"example"` for weights each, `"batch"` for one set of weights, as in the authors' code.
        pairing: As for `Mixup`; every partner is drawn independently.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = DMixup(partners=4).draw(Batch(size=8), seed=1)
    >>> tuple(draw.weight.shape), tuple(draw.partner.shape)
    ((8, 5), (8, 4))

    Reference:
        On the Limitations of Temperature Scaling for Distributions with Overlaps (arXiv 2306.00740), section 4.
    """

    partners: int = 2
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("partners", self.partners)
        checks.number("alpha", self.alpha, least=0)

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw weights and partners; arguments and result as for `Mixup.draw`."""
        ops = tables.of(seed, batch.size)
        for_weights, *for_partners, for_coin = ops.split(seed, 2 + self.partners)
        weight = weights.dirichlet(self.count(batch), 1 + self.partners, self.alpha, for_weights)
        alone = ops.convert([[1.0] + [0.0] * self.partners])
        weight = self.only_some(weight, alone, batch, for_coin) * ops.ones((batch.size, 1))
        return Draw(weight, ops.stack([self.partner(batch, stream) for stream in for_partners], axis=1))


@dataclasses.dataclass(frozen=True)
class RegMixup(Method):
    """RegMixup: train on the clean batch and on a mixed one together.

        L = CE(f(x), y) + eta * CE(f(x~), y~),    weight ~ Beta(alpha, alpha)

    The batch comes back twice as long: the clean examples, then the mixed ones. With `eta=1` the loss is the mean over
    both, half of L as in the authors' code; otherwise sample weights 2 and 2 eta make it L.

    Args:
        alpha: As for `Mixup`, but large: the paper uses 20 for CIFAR-10 and 10 for CIFAR-100.
        eta: Weight of the mixed part, > 0.
        per: As for `Mixup`; the authors draw one weight per batch.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = RegMixup().draw(Batch(size=8), seed=1)
    >>> tuple(draw.weight.shape)
    (16,)

    Reference:
        RegMixup (arXiv 2206.14502), section 3.
    """

    alpha: Alpha = 20.0
    eta: float = 1.0

    keeps_rows = False  # it doubles them

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number("eta", self.eta, above=0)

    @property
    def mixes(self) -> bool:
        """Always: it doubles the batch even where nothing is mixed."""
        return True

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw as mixup does, and put the clean batch before it; arguments and result as for `Mixup.draw`."""
        mixed = draw_mixup(self, batch, seed)
        ops = tables.of(seed, batch.size)
        clean, rows = ops.ones((batch.size,)), ops.arange(batch.size)
        return Draw(
            weight=ops.concat([clean, mixed.weight]),
            partner=ops.concat([rows, mixed.partner]),
            original=ops.concat([rows, rows]),
            importance=None if self.eta == 1 else ops.concat([2.0 * clean, 2.0 * self.eta * clean]),
        )


@dataclasses.dataclass(frozen=True)
class Choice(Method):
    """One of several methods, chosen at random for each batch or each example.

    `Choice((Mixup(0.8), CutMix(1.0)))` is timm's setting for DeiT: `mixup_alpha=0.8, cutmix_alpha=1.0,
    switch_prob=0.5`. A choice of one, `Choice((Mixup(0.2),), probability=0.5)`, tosses one coin for the batch and
    draws weights for each example.

    Args:
        methods: One or more methods, of those that keep the number of rows and need no network.
        probabilities: The chance of each, adding up to 1; None for equal chances.
        per: `"batch"` chooses one method for the whole batch, `"example"` one for each example.
        pairing: As for `Mixup`, for all methods alike; None leaves each its own.
        probability: Chance in [0, 1] that the batch (or, with `per="example"`, an example) is mixed at all, whichever
            the method; each has its own besides.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> method = Choice((Mixup(0.8), CutMix(1.0)), probabilities=(0.25, 0.75))
    >>> draw = method.draw(Batch(size=8, image_size=(32, 32)), seed=1)
    >>> tuple(draw.weight.shape), tuple(draw.box.shape)
    ((8,), (8, 4))
    """

    methods: tuple[Method, ...] = ()
    probabilities: tuple[float, ...] | None = None
    per: Literal["example", "batch"] = dataclasses.field(default="batch", kw_only=True)
    pairing: Pairing | None = dataclasses.field(default=None, kw_only=True)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        several = isinstance(self.methods, tuple) and self.methods
        if not several or not all(isinstance(m, Method) for m in self.methods):
            raise ValueError(
                "`methods` should be a tuple of methods, like `(Mixup(0.8), CutMix(1.0))`. "
                f"Received: methods={self.methods!r}."
            )
        unfit = [m for m in self.methods if m.needs_network or not m.keeps_rows]
        if unfit:
            raise ValueError(
                "`methods` should be methods that need no network and keep the number of rows, as all but "
                f"`ManifoldMixup`, `MixupE` and `RegMixup` do. Received: {unfit[0]!r}."
            )
        if self.pairing is not None:
            methods = tuple(dataclasses.replace(m, pairing=self.pairing) for m in self.methods)
            object.__setattr__(self, "methods", methods)
        chances = self.probabilities
        if chances is not None and (
            len(chances) != len(self.methods)
            or not all(is_number(p) and p >= 0 for p in chances)
            or abs(sum(chances) - 1) > 1e-6
        ):
            raise ValueError(
                "`probabilities` should be a number >= 0 for each method, adding up to 1. "
                f"Received: probabilities={chances!r} for {len(self.methods)} methods."
            )

    @property
    def cuts(self) -> bool:  # type: ignore[override]
        """Whether some images are cut."""
        return any(m.cuts for m in self.methods)

    @property
    def averages(self) -> bool:  # type: ignore[override]
        """Whether some examples are averaged, so that class ids have to become rows."""
        return any(m.averages for m in self.methods)

    @property
    def mixes(self) -> bool:
        """Whether this method ever changes a batch."""
        return super().mixes and any(m.mixes for m in self.methods)

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw by each method and choose; arguments and result as for `Mixup.draw`."""
        ops = tables.of(seed, batch.size)
        for_choice, for_coin, *streams = ops.split(seed, 2 + len(self.methods))
        draws = _alike([m.draw(batch, stream) for m, stream in zip(self.methods, streams, strict=True)], batch)
        uniform = ops.uniform((self.count(batch),), for_choice)
        chances = self.probabilities or (1 / len(draws),) * len(draws)
        chosen, below = draws[-1], 1.0
        for draw, chance in zip(draws[-2::-1], chances[:0:-1], strict=True):
            below -= chance
            chosen = _choose(uniform < below, draw, chosen)
        if is_number(self.probability) and self.probability == 1:
            return chosen
        mixed = self.only_some(ops.ones((self.count(batch),)), 0.0, batch, for_coin) > 0.0
        nothing = _alike([Draw(ops.ones((batch.size,)), _first_partner(chosen)), chosen], batch)[0]
        return _choose(mixed, chosen, nothing)


def _alike(draws: list[Draw], batch: Batch) -> list[Draw]:
    """Draws with the same fields and shapes: those that one of them lacks say nothing in it."""
    ops = tables.of(draws[0].weight)
    several = max(d.partner.shape[1] if len(d.partner.shape) == 2 else 1 for d in draws)
    if several > 1:
        draws = [_with_partners(d, several) for d in draws]
    size: Any = batch.image_size
    if any(d.region is not None for d in draws):
        everywhere = ops.arange(1)[(slice(None),) + (None,) * len(size)] == 0
        draws = [d if d.region is not None else d._replace(region=everywhere) for d in draws]
        if len({keras.backend.standardize_dtype(d.region.dtype) for d in draws}) > 1:
            draws = [d._replace(region=ops.cast(d.region, "float32")) for d in draws]
    if any(d.box is not None for d in draws):
        nowhere = ops.stack([0] * (2 * len(size)))[None]
        draws = [d if d.box is not None else d._replace(box=nowhere) for d in draws]
    if any(d.window is not None for d in draws):
        whole = ops.stack([0] * len(size) + list(size))[None]
        draws = [d if d.window is not None else d._replace(window=whole) for d in draws]
    return [d._replace(target_weight=d.for_targets.weight) for d in draws]


def _with_partners(draw: Draw, number: int) -> Draw:
    """A draw in the form of several partners: those that it lacks are its first, with no share."""
    ops = tables.of(draw.weight)

    def shares(weight: Tensor) -> Tensor:
        if weight is None:
            return None
        if len(weight.shape) == 1:
            weight = ops.stack([weight, 1.0 - weight], axis=1)
        lacking = number + 1 - weight.shape[1]
        return ops.concat([weight, *[0.0 * weight[:, :1]] * lacking], axis=1) if lacking else weight

    partner = draw.partner if len(draw.partner.shape) == 2 else draw.partner[:, None]
    partner = ops.concat([partner, *[partner[:, :1]] * (number - partner.shape[1])], axis=1)
    return draw._replace(weight=shares(draw.weight), target_weight=shares(draw.target_weight), partner=partner)


def _first_partner(draw: Draw) -> Tensor:
    """The first partner of each row."""
    return draw.partner if len(draw.partner.shape) == 1 else draw.partner[:, 0]


def check_method(method: Any) -> None:
    """Raise a `ValueError` unless this is a method that needs no network."""
    as_method(method)
    if method.needs_network:
        raise ValueError(
            f"`{type(method).__name__}` needs the network. Use it with `MixupModel(network, method)`. "
            f"Received: method={method!r}."
        )


def by_strength(method: Any) -> Any:
    """`Mixup` of a strength, where a strength is given in place of a method; else what was given."""
    strength = is_number(method) or weights.is_distribution(method) or weights.is_adjustable(method)
    return Mixup(method) if strength else method


def as_method(method: Any) -> Method:
    """The method that was given, once it is sure that it is one.

    Raises:
        ValueError: If it is anything else, a class in place of an object among it.
    """
    if isinstance(method, type) and issubclass(method, Method):
        raise ValueError(f"`method` should be an object, not a class: `{method.__name__}()`. Received: {method!r}.")
    if not isinstance(method, Method):
        raise ValueError(
            "`method` should be a `keras_mixup.Method`, like `Mixup(0.2)` or `CutMix()`; for one of your own, derive "
            f"it from `Method`. Received: method={method!r}."
        )
    return method


def adjustables(method: Any) -> Iterator[Adjustable]:
    """All `Adjustable` numbers of a method, also of the methods inside a `Choice`."""
    for value in vars(method).values():
        if isinstance(value, Adjustable):
            yield value
        for inner in value if isinstance(value, tuple) else ():
            if dataclasses.is_dataclass(inner):
                yield from adjustables(inner)


def _choose(condition: Tensor, a: Draw, b: Draw) -> Draw:
    """Row by row, the one draw or the other."""
    ops = tables.of(condition)

    def field(x: Tensor, y: Tensor) -> Tensor:
        if x is None:
            return None
        return ops.where(ops.reshape(condition, (-1,) + (1,) * (len(x.shape) - 1)), x, y)

    return Draw(*map(field, a, b))


def _paste(method: Method, batch: Batch, box: Tensor, for_partner: Seed) -> Draw:
    """The draw that puts the partner into a box: the original stands outside it."""
    share = method.for_all(regions.share_outside(box, method.image_size(batch)), batch)
    weight = tables.of(box).ones((batch.size,))
    return Draw(weight, method.partner(batch, for_partner), target_weight=share, box=box)
