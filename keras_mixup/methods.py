"""How a method draws: small frozen objects that turn a batch size and a seed into a `Draw`.

    draw(size, seed, targets=None, image_size=None) -> Draw

Every door takes any of them: `MixLayer(CutMix(1.0))`, `dataset.apply(mix_with(CutMix(1.0)))`,
`MixupModel(network, CutMix(1.0))`. Two more, which need the network, are in `manifold.py` and `mixupe.py`.
"""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any

import keras

from keras_mixup import ops as tables
from keras_mixup import pairing as pairings
from keras_mixup import regions, weights
from keras_mixup.mixing import Draw
from keras_mixup.schedules import Adjustable


def method(cls):
    """Class decorator: a frozen dataclass that Keras can save and that knows whether it `mixes`."""

    def get_config(self):
        """The arguments as plain data, for saving with Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    def from_config(cls, config):
        """Rebuild the method from `get_config`."""
        config = {key: keras.saving.deserialize_keras_object(value) for key, value in config.items()}
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()})

    def mixes(self):
        """Whether this method ever changes a batch."""
        alpha = getattr(self, "alpha", 1.0) if getattr(self, "minmax", None) is None else 1.0  # then alpha is not used
        off = [value for value in (alpha, self.probability) if is_number(value) and value == 0]
        return not off

    cls.get_config, cls.from_config = get_config, classmethod(from_config)
    if "mixes" not in vars(cls):
        cls.mixes = property(mixes)
    return keras.saving.register_keras_serializable(package="keras_mixup")(dataclasses.dataclass(frozen=True)(cls))


@method
class Mixup:
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

    >>> draw = Mixup(alpha=0.2).draw(size=8, seed=1)
    >>> tuple(draw.weight.shape), tuple(draw.partner.shape)
    ((8,), (8,))

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    alpha: Any = 0.2
    per: str = "example"
    pairing: str | Callable = "shuffle"
    probability: Any = 1.0

    cuts = False  # images are averaged

    def __post_init__(self):
        _check(self)

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw a weight and a partner for each example.

        Args:
            size: Number of examples; a Python int or a scalar integer tensor.
            seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`.
            targets: The batch's targets, a tensor with a row for each example; needed by the pairing rules that look at
                them.
            image_size: Not used; the methods that cut images need it.

        Returns:
            A `Draw`: float32 weights and int32 partners, both of shape `(size,)`.

        Raises:
            ValueError: If the pairing goes by class and there are no targets.
        """
        ops = tables.of(seed, size)
        for_weight, for_partner, for_coin = ops.split(seed, 3)
        weight = weights.draw(_count(self, size), self.alpha, for_weight)
        if self.probability != 1:
            weight = ops.where(_coin(self, size, for_coin), weight, 1.0)
        return Draw(_for_all(self, weight, size), _partner(self, size, for_partner, targets))


@method
class CutMix:
    """CutMix: paste a box of the partner's image, and mix the targets by the pixels that are left.

        keep ~ Beta(alpha, alpha),    box = sqrt(1 - keep) of height and width, around a random centre, clipped
        y~ = share * y + (1 - share) * y[partner],    share = pixels outside the box / all pixels

    The share is counted after rounding and clipping, so it is exact.

    Args:
        alpha: As for `Mixup`; the paper uses 1.
        minmax: None, or the smallest and the largest ratio of the box's sides to the image's: height and width are then
            drawn independently and uniformly between them and `alpha` is not used (timm's `cutmix_minmax`).
        per: `"example"` for a box each, `"batch"` for one box.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = CutMix().draw(size=8, seed=1, image_size=(32, 32))
    >>> tuple(draw.region.shape)
    (8, 32, 32)

    Reference:
        CutMix (arXiv 1905.04899), section 3.
    """

    alpha: Any = 1.0
    minmax: tuple | None = None
    per: str = "example"
    pairing: str | Callable = "shuffle"
    probability: Any = 1.0

    cuts = True  # images are cut, never averaged

    def __post_init__(self):
        _check(self)
        if self.minmax is not None:
            regions.check_minmax("minmax", self.minmax)
            object.__setattr__(self, "minmax", tuple(self.minmax))

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw a box and a partner for each image; arguments and result as for `Mixup.draw`."""
        _need_images(self, image_size)
        ops = tables.of(seed, size)
        for_weight, for_partner, for_coin, for_box = ops.split(seed, 4)
        count = _count(self, size)
        if self.minmax is None:
            box = regions.cut_box(image_size, weights.draw(count, self.alpha, for_weight), for_box)
        else:
            box = regions.minmax_box(image_size, self.minmax, count, for_box)
        if self.probability != 1:
            box = ops.where(_coin(self, size, for_coin)[:, None], box, 0)
        return _cut(self, size, box, image_size, _partner(self, size, for_partner, targets))


@method
class ResizeMix:
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

    >>> draw = ResizeMix().draw(size=8, seed=1, image_size=(32, 32))
    >>> tuple(draw.window.shape)
    (8, 4)

    Reference:
        ResizeMix (arXiv 2012.11101), section 3.
    """

    scale: tuple = (0.1, 0.8)
    per: str = "example"
    pairing: str | Callable = "shuffle"
    probability: Any = 1.0

    cuts = True  # images are cut, never averaged

    def __post_init__(self):
        _check(self)
        regions.check_minmax("scale", self.scale)
        object.__setattr__(self, "scale", tuple(self.scale))

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw a box and a partner for each image; arguments and result as for `Mixup.draw`."""
        _need_images(self, image_size)
        ops = tables.of(seed, size)
        for_partner, for_coin, for_box = ops.split(seed, 3)
        box = regions.square_box(image_size, self.scale, _count(self, size), for_box)
        if self.probability != 1:
            box = ops.where(_coin(self, size, for_coin)[:, None], box, 0)
        return _cut(self, size, box, image_size, _partner(self, size, for_partner, targets))._replace(window=box)


@method
class FMix:
    """FMix: cut the two images along a random smooth region instead of a box.

        keep ~ Beta(alpha, alpha),    region = the highest share `keep` of a random low-frequency picture
        x~ = x inside the region, x[partner] outside,    y~ = share * y + (1 - share) * y[partner]

    Drawing a region needs a Fourier transform and a sort per image, which is slow for large images; `per="batch"`, as
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

    >>> draw = FMix().draw(size=8, seed=1, image_size=(32, 32))
    >>> tuple(draw.region.shape)
    (8, 32, 32)

    Reference:
        FMix (arXiv 2002.12047), section 4.
    """

    alpha: Any = 1.0
    decay: float = 3.0
    per: str = "example"
    pairing: str | Callable = "shuffle"
    probability: Any = 1.0

    cuts = True  # images are cut, never averaged

    def __post_init__(self):
        _check(self)
        if not is_number(self.decay) or not 0 <= self.decay < float("inf"):
            raise ValueError(f"`decay` should be a finite number >= 0. Received: decay={self.decay!r}.")

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw a region and a partner for each image; arguments and result as for `Mixup.draw`."""
        _need_images(self, image_size)
        ops = tables.of(seed, size)
        for_weight, for_partner, for_coin, for_region = ops.split(seed, 4)
        keep = weights.draw(_count(self, size), self.alpha, for_weight)
        if self.probability != 1:
            keep = ops.where(_coin(self, size, for_coin), keep, 1.0)
        region, share = regions.fourier_region(image_size, keep, self.decay, for_region)
        partner = _partner(self, size, for_partner, targets)
        return Draw(ops.ones((size,)), partner, target_weight=_for_all(self, share, size), region=region)


@method
class Remix:
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
    >>> draw = Remix(class_counts=(100, 10)).draw(size=4, seed=1, targets=np.array([0, 1, 0, 1]))
    >>> tuple(draw.target_weight.shape)
    (4,)

    Reference:
        Remix (arXiv 2007.03943), section 3.
    """

    class_counts: tuple = ()
    alpha: Any = 1.0
    kappa: float = 3.0
    tau: float = 0.5
    per: str = "example"
    pairing: str | Callable = "shuffle"
    probability: Any = 1.0

    cuts = False  # images are averaged

    def __post_init__(self):
        _check(self)
        object.__setattr__(self, "class_counts", tuple(float(n) for n in self.class_counts))
        if not self.class_counts or min(self.class_counts) <= 0:
            raise ValueError(
                "`class_counts` should hold the number of training examples of each class, all positive. "
                f"Received: class_counts={self.class_counts!r}."
            )
        if not is_number(self.kappa) or self.kappa <= 1:
            raise ValueError(f"`kappa` should be a number > 1. Received: kappa={self.kappa!r}.")
        if not is_number(self.tau) or not 0 <= self.tau <= 1:
            raise ValueError(f"`tau` should be a number between 0 and 1. Received: tau={self.tau!r}.")

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw a weight, a partner and the targets' own weight; arguments and result as for `Mixup.draw`."""
        draw = Mixup(self.alpha, self.per, self.pairing, self.probability).draw(size, seed, targets)
        ops = tables.of(seed, size)
        classes = ops.cast(pairings.class_ids(targets, seed), "int32")
        count = ops.take(ops.convert(self.class_counts), classes)
        ratio = count / ops.take(count, draw.partner)
        weight = draw.weight
        share = ops.where((ratio <= 1.0 / self.kappa) & (1.0 - weight < self.tau), 1.0, weight)
        share = ops.where((ratio >= self.kappa) & (weight < self.tau), 0.0, share)
        return draw._replace(target_weight=ops.where(weight == 1.0, 1.0, share))


@method
class DMixup:
    """d-Mixup: a convex combination of d + 1 examples instead of two.

        weights ~ Dirichlet(alpha, ..., alpha),    x~ = weights_0 x + sum_k weights_k x[partner_k]

    With targets mixed alike, cross-entropy on the mixed target is the weighted sum of the cross-entropies.

    Args:
        partners: Number of partners, d >= 1; 1 is mixup.
        alpha: A finite number >= 0; 1 is uniform over the simplex, as in the authors' code. 0 mixes nothing.
        per: `"example"` for weights each, `"batch"` for one set of weights, as in the authors' code.
        pairing: As for `Mixup`; every partner is drawn independently.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = DMixup(partners=4).draw(size=8, seed=1)
    >>> tuple(draw.weight.shape), tuple(draw.partner.shape)
    ((8, 5), (8, 4))

    Reference:
        On the Limitations of Temperature Scaling for Distributions with Overlaps (arXiv 2306.00740), section 4.
    """

    partners: int = 2
    alpha: float = 1.0
    per: str = "example"
    pairing: str | Callable = "shuffle"

    cuts = False  # images are averaged

    def __post_init__(self):
        _check(self)
        if not isinstance(self.partners, int) or isinstance(self.partners, bool) or self.partners < 1:
            raise ValueError(f"`partners` should be a positive integer. Received: partners={self.partners!r}.")
        if not is_number(self.alpha):
            raise ValueError(f"`alpha` should be a finite number >= 0. Received: alpha={self.alpha!r}.")

    @property
    def mixes(self):
        """Whether this method ever changes a batch."""
        return self.alpha > 0

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw weights and partners; arguments and result as for `Mixup.draw`."""
        ops = tables.of(seed, size)
        for_weights, *for_partners = ops.split(seed, 1 + self.partners)
        weight = weights.dirichlet(_count(self, size), 1 + self.partners, self.alpha, for_weights)
        weight = weight * ops.ones((size, 1))
        partner = ops.stack([_partner(self, size, stream, targets) for stream in for_partners], axis=1)
        return Draw(weight, partner)


@method
class RegMixup:
    """RegMixup: train on the clean batch and on a mixed one together.

        L = CE(f(x), y) + eta * CE(f(x~), y~),    weight ~ Beta(alpha, alpha)

    The batch comes back twice as long: the clean examples, then the mixed ones. With `eta=1` the loss is the mean over
    both, half of L as in the authors' code; otherwise sample weights 2 and 2 eta make it L.

    Args:
        alpha: As for `Mixup`, but large: the paper uses 20 for CIFAR-10 and 10 for CIFAR-100.
        eta: Weight of the mixed part, > 0.
        per: As for `Mixup`; the authors draw one weight per batch.
        pairing: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = RegMixup().draw(size=8, seed=1)
    >>> tuple(draw.weight.shape)
    (16,)

    Reference:
        RegMixup (arXiv 2206.14502), section 3.
    """

    alpha: Any = 20.0
    eta: float = 1.0
    per: str = "example"
    pairing: str | Callable = "shuffle"

    cuts = False  # images are averaged

    def __post_init__(self):
        _check(self)
        if not is_number(self.eta) or not 0 < self.eta < float("inf"):
            raise ValueError(f"`eta` should be a finite number > 0. Received: eta={self.eta!r}.")

    @property
    def mixes(self):
        """Whether this method ever changes a batch; it always doubles it."""
        return True

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw as mixup does, and put the clean batch before it; arguments and result as for `Mixup.draw`."""
        mixed = Mixup(self.alpha, self.per, self.pairing).draw(size, seed, targets)
        ops = tables.of(seed, size)
        clean, rows = ops.ones((size,)), ops.arange(size)
        return Draw(
            weight=ops.concat([clean, mixed.weight]),
            partner=ops.concat([rows, mixed.partner]),
            original=ops.concat([rows, rows]),
            importance=None if self.eta == 1 else ops.concat([2.0 * clean, 2.0 * self.eta * clean]),
        )


@method
class Choice:
    """One of several methods, chosen at random for each batch or each example.

    `Choice((Mixup(0.8), CutMix(1.0)))` is timm's setting for DeiT: `mixup_alpha=0.8, cutmix_alpha=1.0,
    switch_prob=0.5`.

    Args:
        methods: Two or more of `Mixup`, `CutMix`, `ResizeMix`, `FMix`, `Remix`.
        probabilities: The chance of each, adding up to 1; None for equal chances.
        per: `"batch"` chooses one method for the whole batch, `"example"` one for each example.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> method = Choice((Mixup(0.8), CutMix(1.0)), probabilities=(0.25, 0.75))
    >>> draw = method.draw(size=8, seed=1, image_size=(32, 32))
    >>> tuple(draw.weight.shape), tuple(draw.region.shape)
    ((8,), (8, 32, 32))
    """

    methods: tuple = ()
    probabilities: tuple | None = None
    per: str = "batch"

    def __post_init__(self):
        _check(self)
        kinds = (Mixup, CutMix, ResizeMix, FMix, Remix)
        if len(self.methods) < 2 or not all(isinstance(m, kinds) for m in self.methods):
            names = ", ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"`methods` should be two or more of {names}. Received: methods={self.methods!r}.")
        object.__setattr__(self, "methods", tuple(self.methods))
        if self.probabilities is not None:
            object.__setattr__(self, "probabilities", tuple(self.probabilities))
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
    def cuts(self):
        """Whether images are only ever cut, never averaged, so that class ids in masks stay class ids."""
        return all(m.cuts for m in self.methods)

    @property
    def mixes(self):
        """Whether this method ever changes a batch."""
        return any(m.mixes for m in self.methods)

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw by each method and choose; arguments and result as for `Mixup.draw`."""
        ops = tables.of(seed, size)
        for_choice, *streams = ops.split(seed, 1 + len(self.methods))
        draws = [m.draw(size, stream, targets, image_size) for m, stream in zip(self.methods, streams, strict=True)]
        if any(draw.region is not None for draw in draws):
            everywhere = ops.arange(1)[:, None, None] == 0
            draws = [d if d.region is not None else d._replace(region=everywhere) for d in draws]
        if any(draw.window is not None for draw in draws):
            whole = ops.stack([0, 0, *image_size])[None]
            draws = [d if d.window is not None else d._replace(window=whole) for d in draws]
        draws = [d._replace(target_weight=d.for_targets.weight) for d in draws]

        uniform = ops.uniform((_count(self, size),), for_choice)
        chances = self.probabilities or (1 / len(draws),) * len(draws)
        chosen, below = draws[-1], 1.0
        for draw, chance in zip(draws[-2::-1], chances[:0:-1], strict=True):
            below -= chance
            chosen = _choose(uniform < below, draw, chosen)
        return chosen


def check_method(method):
    """Raise a `ValueError` unless this is a method that needs no network."""
    if isinstance(method, type) or not callable(getattr(method, "draw", None)) or weights.is_distribution(method):
        raise ValueError(
            f"`method` should be an object that draws, like `Mixup(0.2)` or `CutMix()`. Received: method={method!r}."
        )
    if getattr(method, "needs_network", False):
        raise ValueError(
            f"`{type(method).__name__}` needs the network. Use it with `MixupModel(network, method)`. "
            f"Received: method={method!r}."
        )


def adjustables(method):
    """All `Adjustable` numbers of a method, also of the methods inside a `Choice`."""
    for value in vars(method).values():
        if isinstance(value, Adjustable):
            yield value
        for inner in value if isinstance(value, tuple) else ():
            if dataclasses.is_dataclass(inner):
                yield from adjustables(inner)


def _choose(condition, a, b):
    """Row by row, the one draw or the other."""
    ops = tables.of(condition)

    def field(x, y):
        if x is None:
            return None
        return ops.where(ops.reshape(condition, (-1,) + (1,) * (len(x.shape) - 1)), x, y)

    return Draw(*map(field, a, b))


def _cut(self, size, box, image_size, partner):
    """The draw that puts the partner into a box: the original stands outside it."""
    ops = tables.of(box)
    share = _for_all(self, regions.share_outside(box, image_size), size)
    return Draw(ops.ones((size,)), partner, target_weight=share, region=regions.outside(box, image_size))


def _coin(self, size, seed):
    """Whether to mix at all: true with the method's probability, for each example or for the batch."""
    ops = tables.of(seed, size)
    probability = self.probability.read(ops) if isinstance(self.probability, Adjustable) else self.probability
    return ops.uniform((_count(self, size),), seed) < probability


def _partner(self, size, seed, targets):
    return pairings.rule(self.pairing)(size, seed, targets)


def _count(self, size):
    return size if self.per == "example" else 1


def _for_all(self, values, size):
    """One number per batch repeated for each example; numbers per example as they are."""
    return values if self.per == "example" else values * tables.of(values).ones((size,))


def _need_images(self, image_size):
    if image_size is None:
        raise ValueError(
            f"`{type(self).__name__}` cuts images. Received: features that are not images of shape "
            "`(batch, height, width, channels)`, all of one size. Use `Mixup` for other data."
        )


def is_number(value):
    """Whether a value is a real number and not a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _check(self):
    """The arguments that methods share."""
    if hasattr(self, "alpha"):
        weights.check_alpha(self.alpha)
    if hasattr(self, "pairing"):
        pairings.rule(self.pairing)
    if self.per not in ("example", "batch"):
        raise ValueError(f"`per` should be 'example' or 'batch'. Received: per={self.per!r}.")
    probability = getattr(self, "probability", 1.0)
    if not isinstance(probability, Adjustable) and not (is_number(probability) and 0 <= probability <= 1):
        raise ValueError(f"`probability` should be a number between 0 and 1. Received: probability={probability!r}.")
