"""How a method draws: small frozen objects that turn a batch size and a seed into a `Draw`."""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any

import keras

from keras_mixup import ops as tables
from keras_mixup import pairing as pairings
from keras_mixup import weights
from keras_mixup.mixing import Draw


@keras.saving.register_keras_serializable(package="keras_mixup")
@dataclasses.dataclass(frozen=True)
class Mixup:
    """mixup: a convex combination of each example with a partner from the same batch.

        weight ~ Beta(alpha, alpha),    x~ = weight * x + (1 - weight) * x[partner]

    It says how to draw; `MixupLayer`, `mixup` and `MixupModel` do the mixing.

    Args:
        alpha: Strength: a finite number >= 0, or an object with `sample(shape, seed=...)` (a `tfp.distributions`
            distribution over [0, 1]) to draw the weights from. 0 mixes nothing. The paper uses 0.2 to 0.4 for ImageNet
            and 1 for CIFAR-10; large values underfit.
        per: `"example"` draws a weight for each example; `"batch"` one for the whole batch, as the paper's listing
            does.
        pairing: Who is mixed with whom: `"shuffle"` (a random permutation), `"derangement"` (never with oneself),
            `"reverse"`, `"roll"`, `"same_class"`, `"other_class"`, or a function `(size, seed, targets) -> partner`.
        probability: Chance in [0, 1] that an example (or, with `per="batch"`, the batch) is mixed at all.

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
    probability: float = 1.0

    def __post_init__(self):
        weights.check_alpha(self.alpha)
        pairings.rule(self.pairing)
        if self.per not in ("example", "batch"):
            raise ValueError(f"`per` should be 'example' or 'batch'. Received: per={self.per!r}.")
        number = isinstance(self.probability, numbers.Real) and not isinstance(self.probability, bool)
        if not number or not 0 <= self.probability <= 1:
            raise ValueError(
                f"`probability` should be a number between 0 and 1. Received: probability={self.probability!r}."
            )

    @property
    def mixes(self):
        """Whether this method ever changes a batch."""
        return self.probability > 0 and (weights.is_distribution(self.alpha) or self.alpha > 0)

    def draw(self, size, seed, targets=None):
        """Draw a weight and a partner for each example.

        Args:
            size: Number of examples; a Python int or a scalar integer tensor.
            seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`.
            targets: The batch's class labels, integers `(batch,)` or rows `(batch, classes)`; needed by the pairing
                rules that go by class.

        Returns:
            A `Draw`: float32 weights and int32 partners, both of shape `(size,)`.

        Raises:
            ValueError: If the pairing goes by class and there are no targets.
        """
        ops = tables.of(seed, size)
        for_weight, for_partner, for_coin = ops.split(seed, 3)
        count = size if self.per == "example" else 1
        weight = weights.draw(count, self.alpha, for_weight)
        if self.probability != 1:
            weight = ops.where(ops.uniform((count,), for_coin) < self.probability, weight, 1.0)
        if self.per == "batch":
            weight = weight * ops.ones((size,))
        partner = pairings.rule(self.pairing)(size, for_partner, targets)
        return Draw(weight, partner)

    def get_config(self):
        """The arguments as plain data, for saving with Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config):
        """Rebuild the method from `get_config`."""
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})
