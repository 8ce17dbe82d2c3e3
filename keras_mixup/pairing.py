"""Who is mixed with whom: the partner, one row number per example.

Every rule has the signature `rule(size, seed, targets)` and returns an int32 tensor of shape `(size,)` with
`x[partner]` the examples to mix in; a rule of your own is any function of that signature. The rules sort instead of
shuffling, because sorting compiles under XLA on every backend.
"""

from __future__ import annotations

import math

import keras

from keras_mixup import ops as tables
from keras_mixup.types import Config, Pairing, PairingRule, Seed, Size, Tensor


def shuffle(size: Size, seed: Seed, targets: Tensor = None) -> Tensor:
    """Pair by a uniformly random permutation, as in the paper; on average one example per batch meets itself."""
    ops = tables.of(size, seed)
    return ops.cast(ops.argsort(ops.uniform((size,), seed)), "int32")


def derangement(size: Size, seed: Seed, targets: Tensor = None) -> Tensor:
    """Pair by a random permutation in which, for two examples or more, nobody meets themselves.

    The permutation is uniform over those that form a single cycle, not over all derangements: each of the other
    examples is equally likely to be the partner.
    """
    ops = tables.of(seed)
    order = shuffle(size, seed)
    place = ops.argsort(order)  # place[order[k]] == k
    return ops.take(order, (place + 1) % size)


def reverse(size: Size, seed: Seed = None, targets: Tensor = None) -> Tensor:
    """Pair the first example with the last, the second with the last but one, and so on."""
    ops = tables.of(size, seed)
    return ops.flip(ops.arange(size))


def roll(size: Size, seed: Seed = None, targets: Tensor = None) -> Tensor:
    """Pair each example with the one before it, the first with the last."""
    ops = tables.of(size, seed)
    return (ops.arange(size) - 1) % size


def same_class(size: Size, seed: Seed, targets: Tensor) -> Tensor:
    """Pair with a random other example of the same class; an example alone in its class keeps itself.

    The class is the largest entry of a target row, or the target itself where it is one number. Partners are drawn
    independently, so an example may be the partner of several others.
    """
    order, place, start, end = _class_blocks(targets, seed)
    ops = tables.of(order)
    others = end - start - 1
    step = 1 + _random_below(others, seed)
    return ops.take(order, start + (place - start + step) % (others + 1))


def other_class(size: Size, seed: Seed, targets: Tensor) -> Tensor:
    """Pair with a random example of another class; in a batch of one single class everybody keeps themselves.

    The class is the largest entry of a target row, or the target itself where it is one number. Partners are drawn
    independently, so an example may be the partner of several others.
    """
    order, place, start, end = _class_blocks(targets, seed)
    ops = tables.of(order)
    step = _random_below(size - (end - start), seed)
    alone = end - start == size
    return ops.take(order, ops.where(alone, place, (end + step) % size))


@keras.saving.register_keras_serializable(package="keras_mixup")
class LabelDistance:
    """Pair with an example of a similar target, as C-Mixup does for regression: `pairing=LabelDistance(1.75)`.

        P(j | i) ~ exp(-|y_i - y_j|^2 / (2 bandwidth^2))

    The partners are drawn from the batch, an example itself being among them; `keras_mixup.c_mixup` draws them from a
    whole data set. Cost and memory grow with the square of the batch.

    Args:
        bandwidth: A finite number > 0, in the units of the targets: how far a partner's target may be. Large values
            give every example the same chance.

    Raises:
        ValueError: If it is not.

    Example:

    >>> import numpy as np
    >>> partner = LabelDistance(0.01)(size=4, seed=1, targets=np.array([0.0, 5.0, 0.0, 5.0], "float32"))
    >>> [int(p) % 2 for p in partner]
    [0, 1, 0, 1]

    Reference:
        C-Mixup (arXiv 2210.05775), section 3.
    """

    def __init__(self, bandwidth: float) -> None:
        number = isinstance(bandwidth, int | float) and not isinstance(bandwidth, bool)
        if not number or not 0 < bandwidth < math.inf:
            raise ValueError(f"`bandwidth` should be a finite number > 0. Received: bandwidth={bandwidth!r}.")
        self.bandwidth = bandwidth

    def __call__(self, size: Size, seed: Seed, targets: Tensor) -> Tensor:
        """Draw the partners; a rule like the others of this file."""
        if targets is None:
            raise ValueError("`LabelDistance` needs one tensor of targets. Received: no targets, or several.")
        return self.among(targets, targets, seed)

    def among(self, targets: Tensor, candidates: Tensor, seed: Seed) -> Tensor:
        """For each target, draw the row of a candidate near it."""
        ops = tables.of(targets)
        near, far = (
            ops.reshape(ops.cast(y, "float32"), (ops.shape(y)[0], math.prod(y.shape[1:])))
            for y in (targets, candidates)
        )
        distance = ops.sum((near[:, None, :] - far[None, :, :]) ** 2)
        return _sample_rows(-distance / (2.0 * self.bandwidth**2), seed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelDistance) and self.bandwidth == other.bandwidth

    def __hash__(self) -> int:
        return hash((LabelDistance, self.bandwidth))

    def __repr__(self) -> str:
        return f"LabelDistance({self.bandwidth!r})"

    def get_config(self) -> Config:
        """The argument as plain data, for saving with Keras."""
        return {"bandwidth": self.bandwidth}

    @classmethod
    def from_config(cls, config: Config) -> LabelDistance:
        """Rebuild from `get_config`."""
        return cls(**config)


def _sample_rows(logits: Tensor, seed: Seed) -> Tensor:
    """Draw one column for each row of `logits`, with probability softmax(row), by the Gumbel maximum."""
    ops = tables.of(logits)
    uniform = ops.uniform(ops.shape(logits), seed)
    # The bound is half the smallest step of the uniform numbers: a zero stands for what lies below that step.
    gumbel = -ops.log(ops.maximum(-ops.log(1.0 - uniform), 6e-8))
    return ops.cast(ops.argmax(logits + gumbel), "int32")


def class_ids(targets: Tensor, seed: Seed = None) -> Tensor:
    """The class of each example: the largest entry of a target row, or the target itself where it is one number.

    Raises:
        ValueError: If there are no such targets.
    """
    rank = None if targets is None else len(targets.shape)
    if targets is None or rank not in (1, 2):
        received = "no targets, or several" if targets is None else f"targets of shape {tuple(targets.shape)}"
        raise ValueError(
            "Mixing by class needs class labels: integers of shape `(batch,)` or rows of shape `(batch, classes)`. "
            f"Received: {received}."
        )
    ops = tables.of(targets, seed)
    one_number = rank == 1 or targets.shape[1] == 1
    return ops.reshape(ops.convert(targets), (-1,)) if one_number else ops.argmax(targets)


def _class_blocks(targets: Tensor, seed: Seed) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sort a batch by class, so that each class is one block of places.

    Returns:
        `order`, the example at each place, and for each example its own `place` and its block's `start` and `end`.
    """
    classes = class_ids(targets, seed)
    ops = tables.of(classes)
    order = ops.cast(ops.argsort(classes), "int32")
    place = ops.cast(ops.argsort(order), "int32")
    in_order = ops.take(classes, order)
    start = ops.searchsorted(in_order, classes, "left")
    end = ops.searchsorted(in_order, classes, "right")
    return order, place, start, end


def _random_below(bound: Tensor, seed: Seed) -> Tensor:
    """Uniform integers in [0, bound), and 0 where the bound is 0."""
    ops = tables.of(bound)
    uniform = ops.uniform(ops.shape(bound), seed)
    below = ops.cast(ops.floor(uniform * ops.cast(bound, "float32")), "int32")
    return ops.maximum(ops.minimum(below, bound - 1), 0)


WITHIN = (same_class, other_class)  # look at targets, and so pair within a batch
RULES = {rule.__name__: rule for rule in (shuffle, derangement, reverse, roll, same_class, other_class)}


def rule(pairing: Pairing) -> PairingRule:
    """Look a pairing rule up by name; a function (or `LabelDistance`) is taken as it is.

    Raises:
        ValueError: If there is no such rule.
    """
    if callable(pairing):
        return pairing
    if not isinstance(pairing, str) or pairing not in RULES:
        raise ValueError(
            f"`pairing` should be one of {sorted(RULES)} or a function `(size, seed, targets) -> partner`. "
            f"Received: pairing={pairing!r}."
        )
    return RULES[pairing]
