"""How much of the original example is kept: the weight, one float32 number in [0, 1] per example.

x~ = weight * x + (1 - weight) * x[partner],    weight ~ Beta(alpha, alpha)
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any, TypeGuard

import keras

from keras_mixup import ops as tables
from keras_mixup.schedules import Adjustable
from keras_mixup.types import Alpha, Config, Distribution, Seed, Shape, Size, Tensor

TINY = 1e-30
TRIES = 12  # of Marsaglia and Tsang's rejection


def beta(size: Size, alpha: Alpha, seed: Seed) -> Tensor:
    """Draw weights from the symmetric Beta(alpha, alpha) distribution, exactly, for any `alpha`.

    The usual ratio of two gamma variates underflows for small `alpha`, in float32 from about 0.05 downwards: both are
    rounded to the same tiny number and the weight becomes one half, the strongest mix, where it should be 0 or 1.
    This draw needs three uniform numbers U, V, S, no rejection and no gamma. With a = U^(1 / alpha):

        b      = (1 - a) cos(pi V / 2)^2
        small  = a / (2 (a + b) (1 + sqrt(b / (a + b))))
        weight = small if S < 1/2 else 1 - small

    For alpha = 1 the weight is uniform, and one number is enough.

    Args:
        size: Number of weights; a Python int or a scalar integer tensor.
        alpha: A finite number >= 0. Weights crowd near 0 and 1 as it falls (variance 1 / (4 (2 alpha + 1))), are
            uniform at 1 and crowd near 1/2 as it grows. At 0 every weight is exactly 1: nothing is mixed.
        seed: An int, a `keras.random.SeedGenerator`, or a TensorFlow integer tensor of shape `(2,)`.

    Returns:
        A float32 tensor of shape `(size,)`, in [0, 1].

    Raises:
        ValueError: If `alpha` is not a finite number >= 0.

    Example:

    >>> weight = beta(4, alpha=0.2, seed=1)
    >>> tuple(weight.shape)
    (4,)

    Reference:
        Bailey, "Polar generation of random variates with the t-distribution" (1994); Devroye, "Random variate
        generation in one line of code" (1996), for the symmetric Beta as a function of Student's t.
    """
    check_alpha(alpha)
    ops = tables.of(seed)
    if not is_adjustable(alpha) and alpha == 0:
        return ops.ones((size,))
    if not is_adjustable(alpha) and alpha == 1:
        return ops.uniform((size,), seed) + 2.0**-24  # in the middle of the steps of 2^-23 in which it is drawn
    strength: Any = alpha.read(ops) if is_adjustable(alpha) else alpha
    u, v, s = ops.unstack(ops.uniform((3, size), seed))
    # u may be 0 but never 1; the bound keeps float32 from rounding the tiniest strengths to 0, and 0 / 0 from arising.
    log_a = ops.log(1.0 - u) / (ops.maximum(strength, TINY) if is_adjustable(alpha) else max(strength, TINY))
    cosine = ops.cos(0.5 * math.pi * v)
    a, minus_b = ops.exp(log_a), ops.expm1(log_a) * cosine * cosine
    total = a - minus_b
    small = a / (total * (2.0 + 2.0 * ops.sqrt(-minus_b / total)))
    weight = ops.where(s < 0.5, small, 1.0 - small)
    return ops.where(strength > 0.0, weight, 1.0) if is_adjustable(alpha) else weight


def dirichlet(size: Size, num: int, alpha: float, seed: Seed) -> Tensor:
    """Draw rows of `num` weights from the symmetric Dirichlet(alpha, ..., alpha) distribution.

    They are normalised gamma variates, taken in log space so that small `alpha` does not underflow: with
    G ~ Gamma(alpha + 1) by Marsaglia and Tsang's method and U uniform, log(G) + log(U) / alpha is the log of a
    Gamma(alpha) variate. Rejection is replaced by a fixed number of tries (all fail with probability below 1e-15).

    Args:
        size: Number of rows; a Python int or a scalar integer tensor.
        num: Number of weights in a row, >= 2.
        alpha: A finite number > 0; 1 is uniform over the simplex. 0 gives rows (1, 0, ..., 0).
        seed: As for `beta`.

    Returns:
        A float32 tensor of shape `(size, num)` whose rows add up to 1.

    Raises:
        ValueError: If `alpha` is not a finite number >= 0.

    Reference:
        Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
    """
    check_alpha(alpha)
    ops = tables.of(seed)
    if alpha == 0:
        return ops.stack([ops.ones((size,))] + [ops.zeros((size,))] * (num - 1), axis=1)
    for_normal, for_uniform, last = ops.split(seed, 3)
    factor = ops.log(1.0 - ops.uniform((size, num), last))
    if alpha == 1:  # Gamma(1) is exponential
        gamma = -factor
        return gamma / ops.sum(gamma)[:, None]
    d = alpha + 2.0 / 3.0
    x, u = ops.normal((TRIES, size, num), for_normal), ops.uniform((TRIES, size, num), for_uniform)
    v = (1.0 + x / math.sqrt(9.0 * d)) ** 3
    accepted = (v > 0.0) & (ops.log(1.0 - u) < 0.5 * x * x + d * (1.0 - v + ops.log(ops.maximum(v, 1e-30))))
    gamma = d * ops.ones((size, num))
    for one, good in zip(ops.unstack(v), ops.unstack(accepted), strict=True):
        gamma = ops.where(good, d * one, gamma)
    return ops.softmax(ops.log(gamma) + factor / alpha)


def draw(size: Size, alpha: Alpha, seed: Seed) -> Tensor:
    """Draw weights from Beta(alpha, alpha), or from any distribution object given in place of `alpha`.

    Args:
        size: Number of weights; a Python int or a scalar integer tensor.
        alpha: As for `beta`; or an object with `sample(shape, seed=...)`, for instance a `tfp.distributions`
            distribution over [0, 1]. It receives the seed as an int32 array of shape `(2,)`.
        seed: As for `beta`.

    Returns:
        A float32 tensor of shape `(size,)`.

    Raises:
        ValueError: If `alpha` is neither.
    """
    if not is_distribution(alpha):
        return beta(size, alpha, seed)
    if isinstance(alpha, Folded):
        return alpha.sample((size,), seed=seed)
    ops = tables.of(seed)
    return ops.cast(alpha.sample((size,), seed=ops.cast(ops.raw_seed(seed), "int32")), "float32")


@keras.saving.register_keras_serializable(package="keras_mixup")
@dataclasses.dataclass(frozen=True)
class Folded:
    """The law of the larger share: the original is never less than half of a mix, as in MixMatch.

        weight = max(w, 1 - w),    w ~ Beta(alpha, alpha)

    It stands where a method takes `alpha`: `Mixup(Folded(0.75))`. Folding changes which of two examples is called the
    original, not what the mixes of a batch look like on the whole; it matters where the two are not alike, as when one
    is labelled and its partner is not. It is the symmetric Beta law, truncated to [1/2, 1].

    Args:
        alpha: A finite number >= 0; at 0 every weight is exactly 1.

    Raises:
        ValueError: If `alpha` is not a finite number >= 0.

    Example:

    >>> from keras_mixup import Batch, Mixup
    >>> draw = Mixup(Folded(0.75), pairing="reverse").draw(Batch(size=8), seed=1)
    >>> float(keras.ops.min(draw.weight)) >= 0.5
    True

    Reference:
        MixMatch (arXiv 1905.02249), section 3.3.
    """

    alpha: float

    def __post_init__(self) -> None:
        if not _is_strength(self.alpha):
            raise ValueError(f"`alpha` should be a finite number >= 0. Received: alpha={self.alpha!r}.")

    def sample(self, shape: Shape, seed: Seed) -> Tensor:
        """Draw weights: float32 of shape `(size,)`; the seed is as for `beta`."""
        weight = beta(shape[0], self.alpha, seed)
        return tables.of(weight).maximum(weight, 1.0 - weight)

    def get_config(self) -> Config:
        """The arguments as plain data, for saving with Keras."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: Config) -> Folded:
        """Rebuild the law from `get_config`."""
        return cls(**config)


def is_distribution(alpha: Any) -> TypeGuard[Distribution]:
    """Whether `alpha` is an object that can be sampled, like those of `tfp.distributions`."""
    return callable(getattr(alpha, "sample", None)) and not isinstance(alpha, type)


def is_adjustable(value: Any) -> TypeGuard[Adjustable]:
    """Whether a number can change during training: a `keras_mixup.Adjustable`."""
    return isinstance(value, Adjustable)


def check_alpha(alpha: Any) -> None:
    """Raise a `ValueError` unless `alpha` is a finite number >= 0, adjustable, or a distribution."""
    if is_distribution(alpha) or is_adjustable(alpha):
        return
    if not _is_strength(alpha):
        raise ValueError(
            "`alpha` should be a finite number >= 0, or an object with `sample(shape, seed=...)` such as a "
            f"`tfp.distributions` distribution. Received: alpha={alpha!r}."
        )


def _is_strength(alpha: Any) -> bool:
    """Whether a value is a finite number >= 0."""
    return isinstance(alpha, numbers.Real) and not isinstance(alpha, bool) and 0 <= alpha < math.inf  # type: ignore[operator]
