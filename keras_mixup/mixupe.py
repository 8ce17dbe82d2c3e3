"""MixupE: mixup with an extra term on the directional derivatives that mixup only bounds implicitly.

    L = s (L_mix + eta R),    R = alpha / (2 alpha + 1) * mean_i |q(x_i)|,    s = |L_mix| / |L_mix + eta R|  (a
    constant)

    q(x)  = (softmax(f(x)) - y)^T J_f(x) (mean(x') - x)
    q^(x) = (y - softmax(f(x)))^T f(x)      equal to q if inputs have zero mean and J_f(x) x = f(x)

evaluated on the clean batch.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

import keras

from keras_mixup import checks
from keras_mixup.batch import Batch
from keras_mixup.gradients import gradient
from keras_mixup.methods import Method, draw_mixup
from keras_mixup.mixing import Draw
from keras_mixup.types import Seed, Tensor


class Variant(NamedTuple):
    """How a published variant turns directional derivatives into a penalty."""

    sign: int
    absolute: bool
    detached: bool  # no gradient through softmax(f) - y
    below_threshold: bool  # only examples whose q is below the threshold count
    exact: bool  # q with the input mean, by differentiation, instead of q^


VARIANTS = {
    "paper": Variant(sign=+1, absolute=True, detached=False, below_threshold=False, exact=False),
    "exact": Variant(sign=+1, absolute=True, detached=True, below_threshold=False, exact=True),
    "exact_below": Variant(sign=+1, absolute=False, detached=True, below_threshold=True, exact=True),
    "raise_below": Variant(sign=-1, absolute=False, detached=False, below_threshold=True, exact=False),
    "raise_mean": Variant(sign=-1, absolute=False, detached=True, below_threshold=False, exact=False),
    "raise_absolute": Variant(sign=-1, absolute=True, detached=False, below_threshold=False, exact=False),
}


@dataclasses.dataclass(frozen=True)
class MixupE(Method):
    """MixupE for `MixupModel`: mixup whose directional derivatives are penalised explicitly.

        L = s (L_mix + eta R),    R = alpha / (2 alpha + 1) * mean_i |q^(x_i)|

    `R` is logged as the metric `directional`. Rescaling by s keeps the printed loss at L_mix. The network should give
    logits (probabilities' logarithms do as well) for one set of classes, and inputs should be normalised to zero mean.

    The paper and its published programs do not agree. The default is the paper's objective; by name:

    - `"paper"`: + mean |q^|, gradients through softmax(f) as well (equations 7 to 9, Listing 1).
    - `"exact"`: + mean |q|, q by differentiation, softmax(f) - y detached (program, version 2).
    - `"exact_below"`: + sum of the q below `threshold` / batch, detached (version 1).
    - `"raise_below"`: - sum of the q^ below `threshold` / batch (version 3, the one its README recommends; on examples
      below the threshold its gradient is the opposite of the paper's where q^ > 0).
    - `"raise_mean"`: - mean q^, detached (version 4).
    - `"raise_absolute"`: - mean |q^| (the authors' speech program).

    Args:
        alpha: A finite number > 0, as for `Mixup`.
        eta: Weight of the penalty, >= 0; the paper uses 1e-3 for most images, 0.01 for speech.
        variant: One of the names above.
        threshold: For the variants that have one; the README of the published program uses 1.
        x_mean: Mean of the training inputs, for the exact variants: a number or an array of the inputs' shape.
        one_pass: If True, clean and mixed examples go through the network in one batch; batch normalisation then sees
            both together. The paper measures 1.3 times the cost of mixup instead of 2, on a GPU; on a processor it
            takes 2 times as long, or longer.
        clean_statistics: Whether the pass of the clean examples counts in the averages of batch normalisation, which
            testing takes, as the mixed one does. If False it leaves no trace in the network, in the random states of
            dropout neither; `eta=0` is then mixup, number by number (on torch if `Dropout` has a seed: else Keras draws
            from a global generator). In both cases batches are normalised each by its own statistics. For two passes.
        per: As for `Mixup`; the paper draws one weight per batch.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> method = MixupE(alpha=1.0, eta=1e-3)
    >>> round(method.coefficient, 4)
    0.3333

    Reference:
        MixupE (arXiv 2212.13381), section 3 and supplement, Listing 1.
    """

    alpha: float = 1.0
    eta: float = 1e-3
    variant: Literal["paper", "exact", "exact_below", "raise_below", "raise_mean", "raise_absolute"] = "paper"
    threshold: float = 1.0
    x_mean: Any = 0.0
    one_pass: bool = False
    clean_statistics: bool = True
    per: Literal["example", "batch"] = dataclasses.field(default="batch", kw_only=True)

    needs_network = True
    term = "directional"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number("alpha", self.alpha, above=0)
        checks.number("eta", self.eta, least=0)
        checks.one_of("variant", self.variant, VARIANTS)
        checks.truth("clean_statistics", self.clean_statistics)
        if self.one_pass and not self.clean_statistics:
            raise ValueError(
                "`one_pass=True` sends clean and mixed examples through together, so both are in the averages. "
                "Received: one_pass=True, clean_statistics=False."
            )
        if self.one_pass and VARIANTS[self.variant].exact:
            raise ValueError(
                f"`one_pass=True` goes with the variants of q^, not with {self.variant!r}, which differentiates the "
                "network by itself. Received: one_pass=True."
            )

    @property
    def mixes(self) -> bool:
        """Always: its penalty remains where nothing is mixed."""
        return True

    @property
    def coefficient(self) -> float:
        """The mean share of the partner under the law that the derivation uses, alpha / (2 alpha + 1)."""
        return self.alpha / (2.0 * self.alpha + 1.0)

    @property
    def clean(self) -> str:  # type: ignore[override]
        """How clean examples go through the network: on their own, or in one batch with the mixed ones."""
        return "together" if self.one_pass else "apart"

    def check_model(self, at: str | None, pairs: bool) -> None:
        """The penalty needs target rows and, in the exact variants, the input."""
        if pairs:
            raise ValueError("`MixupE` needs target rows. Received: pairs=True. Give `num_classes=...` instead.")
        if at is not None and VARIANTS[self.variant].exact:
            raise ValueError(
                "The exact variants of `MixupE` differentiate at the input. Leave out `at`, or use variant='paper'. "
                f"Received: at={at!r}, variant={self.variant!r}."
            )

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw as mixup does."""
        return draw_mixup(self, batch, seed)

    def value(self, model: Any, x: Tensor, y: Tensor, logits: Tensor, training: bool) -> Tensor:
        """The term R of the loss, for clean examples in a model.

        Args:
            model: The `MixupModel`.
            x: The clean features.
            y: Their target rows.
            logits: What the model returns for them; None if it still has to be called.
            training: Whether the model is called in training mode.

        Returns:
            A float32 scalar.
        """
        variables = [] if self.clean_statistics or logits is not None else model.network.non_trainable_variables
        before = [(variable, keras.ops.copy(variable)) for variable in variables]
        if VARIANTS[self.variant].exact:
            value = self.penalty(y, None, exact_derivative(model.network, x, y, self.x_mean, training))
        else:
            value = self.penalty(y, model(x, training=training) if logits is None else logits)
        for variable, earlier in before:
            variable.assign(earlier)
        return value

    def loss(self, loss: Tensor, value: Tensor) -> Tensor:
        """L from L_mix and the value of R."""
        total = loss + self.eta * keras.ops.cast(value, loss.dtype)
        size = keras.ops.abs(loss) / keras.ops.maximum(keras.ops.abs(total), 1e-12)
        return keras.ops.stop_gradient(size) * total

    def penalty(self, y: Tensor, logits: Tensor, q: Tensor = None) -> Tensor:
        """R for a clean batch.

        Args:
            y: Target rows of shape `(batch, classes)`.
            logits: The network's outputs for the clean batch, of the same shape.
            q: For the exact variants, the directional derivatives `(batch,)`.

        Returns:
            A float32 scalar.
        """
        variant = VARIANTS[self.variant]
        q = approximate_derivative(y, logits, variant.detached) if q is None else q
        if variant.below_threshold:
            q = keras.ops.where(q < self.threshold, q, 0.0)
        return variant.sign * self.coefficient * keras.ops.mean(keras.ops.abs(q) if variant.absolute else q)


def approximate_derivative(y: Tensor, logits: Tensor, detached: bool = False) -> Tensor:
    """q^(x) = (y - softmax(f(x)))^T f(x), from the logits alone.

    Args:
        y: Target rows of shape `(batch, classes)`.
        logits: f(x), or log-probabilities, of the same shape.
        detached: If True, no gradient flows through y - softmax(f(x)).

    Returns:
        A float32 tensor of shape `(batch,)`.

    Example:

    >>> import numpy as np
    >>> y, logits = np.array([[1.0, 0.0]], "float32"), np.array([[2.0, 2.0]], "float32")
    >>> float(approximate_derivative(y, logits)[0])
    0.0

    Reference:
        MixupE (arXiv 2212.13381), section 3.
    """
    logits = keras.ops.cast(logits, "float32")
    difference = keras.ops.cast(y, "float32") - keras.ops.softmax(logits, axis=-1)
    if detached:
        difference = keras.ops.stop_gradient(difference)
    return keras.ops.sum(difference * logits, axis=-1)


def exact_derivative(
    network: keras.layers.Layer, x: Tensor, y: Tensor, x_mean: Tensor, training: bool = True
) -> Tensor:
    """q(x) = (softmax(f(x)) - y)^T J_f(x) (x_mean - x), by reverse-mode differentiation, softmax(f) - y held constant.

    Gradients flow through it to the weights of the network, on the TensorFlow, JAX and torch backends.

    Args:
        network: A Keras model or layer from `x` to logits.
        x: Tensor of shape `(batch, ...)`.
        y: Target rows of shape `(batch, classes)`.
        x_mean: The mean of the training inputs, a number or an array that broadcasts against `x`.
        training: Whether the network is called in training mode.

    Returns:
        A float32 tensor of shape `(batch,)`.

    Raises:
        ValueError: If `x` is several tensors.

    Reference:
        MixupE (arXiv 2212.13381), theorem 1.
    """
    ops = keras.ops
    if keras.tree.is_nested(x):
        raise ValueError("The exact variants of `MixupE` need one tensor of features. Received: several.")
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        x = ops.cast(x, "float32")

    def product(x: Tensor) -> Tensor:
        logits = ops.cast(network(x, training=training), "float32")
        difference = ops.stop_gradient(ops.softmax(logits, axis=-1) - ops.cast(y, "float32"))
        return ops.sum(difference * logits)

    slope = gradient(product, x, network.variables)
    direction = ops.cast(x_mean, "float32") - ops.cast(x, "float32")
    return ops.sum(ops.reshape(ops.cast(slope, "float32") * direction, (ops.shape(x)[0], -1)), axis=-1)
