"""Adversarial examples: images changed by so little that nobody sees it, and so that a network errs.

    x' = clip(x + e sign(grad_x l(f(x), y)))        clip: into the ball |x' - x| <= epsilon and the range of pixels

Everything here is in the units of `x`, the pixels as they are stored: 0 to 255, or what `pixels` says. What lies
between them and the model's inputs, such as standardising, is the argument `preprocess`, and is differentiated with the
model. So `epsilon` is 4 of 255 whatever the model's inputs are divided by, and no pixel leaves its range.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_mixup import checks
from keras_mixup.gradients import gradient
from keras_mixup.types import Array, Tensor

_TINY = 1e-37  # of the float32 numbers that are not flushed to 0


def fgsm(
    model: keras.layers.Layer,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    pixels: tuple[float, float] = (0, 255),
    preprocess: Callable[[Tensor], Tensor] | None = None,
    targeted: bool = False,
    from_logits: bool = True,
    batch_size: int = 128,
) -> Array:
    """Make adversarial examples by the fast gradient sign method: one step to the border of the ball.

        x' = clip(x + epsilon sign(grad_x l(f(x), y)))

    l is the cross-entropy. The model runs as in testing. An example whose gradient is zero stays as it is. The sign is
    that of the exact formula where a network in half precision would have rounded the gradient away.

    Args:
        model: A Keras model from one tensor to logits `(batch, classes)`. To attack one network with the examples of
            another (a black box), give the other here.
        x: Array of pixels, `(examples, ...)`, of any number of examples. Floats keep fractions of pixels; integers come
            back as whole pixels, within the whole part of `epsilon`.
        y: The true classes, or with `targeted` the wanted ones: ids `(examples,)`, or rows `(examples, classes)`.
        epsilon: How far a pixel may move, in the units of `x`; a finite number >= 0. At 0 nothing changes.
        pixels: Least and greatest value of a pixel.
        preprocess: Function from a float32 tensor of pixels `(batch, ...)` to what the model takes, of operations of
            the backend or of `keras.ops`, such as `lambda x: (x - 127.5) / 127.5`; or a Keras layer. None if the model
            takes pixels. Give the same object each time: for another one everything is compiled anew.
        targeted: If True, the loss of `y` is lowered instead of raised.
        from_logits: If False, the model gives probabilities.
        batch_size: Examples at a time, >= 1. It changes speed and memory alone.

    Returns:
        A NumPy array of the shape and the dtype of `x`.

    Raises:
        ValueError: If an argument is out of its range, pixels or shapes do not fit, or the model gives infinities or
            NaN.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.array([[1.0, -1.0], [-2.0, 2.0]])])
    >>> fgsm(model, np.array([[100.0, 50.0], [254.0, 1.0]]), [0, 1], epsilon=4).tolist()
    [[96.0, 54.0], [255.0, 0.0]]

    Reference:
        Goodfellow et al., Explaining and Harnessing Adversarial Examples (arXiv 1412.6572), section 4.
    """
    options = _Options(pixels, preprocess, targeted, from_logits, batch_size)
    return _attack(model, x, y, epsilon, options)


def iterated_fgsm(
    model: keras.layers.Layer,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    steps: int = 10,
    pixels: tuple[float, float] = (0, 255),
    preprocess: Callable[[Tensor], Tensor] | None = None,
    targeted: bool = False,
    from_logits: bool = True,
    batch_size: int = 128,
) -> Array:
    """Make adversarial examples by the iterated fast gradient sign method (I-FGSM): small steps from the original.

        x_0 = x,    x_{k+1} = clip(x_k + epsilon / steps sign(grad_x l(f(x_k), y)))

    Stronger than `fgsm` against the model itself; its examples carry over to other models less well.

    Args:
        model: As for `fgsm`.
        x: As for `fgsm`.
        y: As for `fgsm`.
        epsilon: As for `fgsm`; all steps together go no further.
        steps: How many, >= 1.
        pixels: As for `fgsm`.
        preprocess: As for `fgsm`.
        targeted: As for `fgsm`.
        from_logits: As for `fgsm`.
        batch_size: As for `fgsm`.

    Returns:
        A NumPy array of the shape and the dtype of `x`.

    Raises:
        ValueError: As for `fgsm`, or if `steps` is not a positive integer.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.array([[1.0, -1.0], [-2.0, 2.0]])])
    >>> iterated_fgsm(model, np.array([[100, 50], [254, 1]]), [0, 1], epsilon=4, targeted=True).tolist()
    [[104, 46], [250, 5]]

    Reference:
        Kurakin et al., Adversarial Machine Learning at Scale (arXiv 1611.01236), section 2; with 10 steps and epsilon 4
        of 255 as in mixup (arXiv 1710.09412), section 3.5.
    """
    options = _Options(pixels, preprocess, targeted, from_logits, batch_size)
    return _attack(model, x, y, epsilon, options, steps)


def pgd(
    model: keras.layers.Layer,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    steps: int = 10,
    step_size: float | None = None,
    seed: int | None = None,
    pixels: tuple[float, float] = (0, 255),
    preprocess: Callable[[Tensor], Tensor] | None = None,
    targeted: bool = False,
    from_logits: bool = True,
    batch_size: int = 128,
) -> Array:
    """Make adversarial examples by projected gradient descent: steps from a random point of the ball.

        x_0 = clip(x + Uniform(-epsilon, epsilon)),    x_{k+1} = clip(x_k + step_size sign(grad_x l(f(x_k), y)))

    Other seeds start elsewhere; the worst of several runs is a stronger attack than any of them.

    Args:
        model: As for `fgsm`.
        x: As for `fgsm`.
        y: As for `fgsm`.
        epsilon: As for `fgsm`.
        steps: How many, >= 1.
        step_size: How far each goes, in the units of `x`; a finite number > 0. By default `2.5 * epsilon / steps`: far
            enough to reach every border from everywhere.
        seed: An int >= 0 for the same examples each time, whatever the batch size; None for others each time.
        pixels: As for `fgsm`.
        preprocess: As for `fgsm`.
        targeted: As for `fgsm`.
        from_logits: As for `fgsm`.
        batch_size: As for `fgsm`.

    Returns:
        A NumPy array of the shape and the dtype of `x`.

    Raises:
        ValueError: As for `fgsm`, or if `steps`, `step_size` or `seed` is out of its range.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.array([[1.0, -1.0], [-2.0, 2.0]])])
    >>> pgd(model, np.array([[100.0, 50.0], [254.0, 1.0]]), [0, 1], epsilon=4, seed=0).tolist()
    [[96.0, 54.0], [255.0, 0.0]]

    Reference:
        Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks (arXiv 1706.06083), section 2.1.
    """
    if step_size is not None and (not _is_finite(step_size) or step_size <= 0):
        raise ValueError(f"`step_size` should be a finite number > 0, or None. Received: step_size={step_size!r}.")
    if seed is not None:
        checks.integer("seed", seed, least=0)
    options, generator = _Options(pixels, preprocess, targeted, from_logits, batch_size), np.random.default_rng(seed)
    return _attack(model, x, y, epsilon, options, steps, step_size, reach=2.5, generator=generator)


class _Options(NamedTuple):
    """What all attacks take alike: see `fgsm`."""

    pixels: tuple[float, float]
    preprocess: Callable[[Tensor], Tensor] | None
    targeted: bool
    from_logits: bool
    batch_size: int


def _attack(
    model: keras.layers.Layer,
    x: Tensor,
    y: Tensor,
    epsilon: float,
    options: _Options,
    steps: int = 1,
    step_size: float | None = None,
    reach: float = 1.0,
    generator: np.random.Generator | None = None,
) -> Array:
    """Take so many steps from every example, by default such that all together reach so many times epsilon.

    Args:
        model: As for `fgsm`.
        x: As for `fgsm`.
        y: As for `fgsm`.
        epsilon: As for `fgsm`.
        options: The other arguments of `fgsm`.
        steps: As for `pgd`.
        step_size: As for `pgd`, but that by default it is `reach * epsilon / steps`.
        reach: A number > 0.
        generator: A NumPy generator to draw the first point of the ball from, or None to begin with `x`.
    """
    preprocess, batch_size = options.preprocess or _identity, options.batch_size
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(f"`model` should be a Keras model or layer. Received: model={model!r}.")
    if not callable(preprocess):
        raise ValueError(f"`preprocess` should be a function, or None. Received: preprocess={preprocess!r}.")
    if not _is_finite(epsilon) or epsilon < 0:
        raise ValueError(f"`epsilon` should be a finite number >= 0. Received: epsilon={epsilon!r}.")
    checks.integer("steps", steps)
    checks.integer("batch_size", batch_size)
    x, pixels = _as_pixels(x, options.pixels)
    if not len(x):
        return x.copy()
    y = _as_rows(y, _classes(model, preprocess, x), len(x))
    if np.issubdtype(x.dtype, np.integer):
        epsilon = math.floor(epsilon)  # no whole pixel is further away
    step_size = reach * epsilon / steps if step_size is None else step_size
    ascend = _compiled(model, preprocess, options.from_logits)
    signed = _as_tensor(-step_size if options.targeted else step_size)
    adversarial = np.empty_like(x)
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        original = x[part].astype("float64")
        ball = original - epsilon, original + epsilon
        moved = original if generator is None else generator.uniform(*ball)
        lower, upper = np.maximum(ball[0], pixels[0]), np.minimum(ball[1], pixels[1])
        moved, *others = map(_as_tensor, (np.clip(moved, lower, upper), y[part], lower, upper))
        for _ in range(steps):
            moved = ascend(moved, *others, signed)
        moved = keras.ops.convert_to_numpy(moved).astype("float64")
        if not np.all(np.isfinite(moved)):
            raise ValueError("`model` should have finite logits and gradients. Received: infinities or NaN.")
        if np.issubdtype(x.dtype, np.integer):
            moved = np.rint(moved)
        adversarial[part] = np.clip(moved, lower, upper)  # float32 may have rounded beyond the ball
    return adversarial


@functools.lru_cache(maxsize=2)  # two, as a black box needs a source
def _compiled(
    model: keras.layers.Layer, preprocess: Callable[[Tensor], Tensor], from_logits: bool
) -> Callable[..., Tensor]:
    """A step of an attack, compiled where the backend can; kept, as to compile takes far longer than to step."""
    step = functools.partial(_step, model, preprocess, from_logits)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # Not by XLA, which takes minutes for a deep network, and on a CPU makes convolutions slower.
        return tf.function(step, autograph=False, reduce_retracing=True)
    if backend == "jax":
        import jax

        def stateless(values: list[Tensor], *arguments: Any) -> Tensor:
            # Weights are arguments: as constants they would stay what they were.
            with keras.StatelessScope(state_mapping=zip(model.variables, values, strict=True)):
                return step(*arguments)

        jitted = jax.jit(stateless)
        return lambda *arguments: jitted([variable.value for variable in model.variables], *arguments)
    import torch

    return torch.no_grad()(step)


def _step(
    model: keras.layers.Layer,
    preprocess: Callable[[Tensor], Tensor],
    from_logits: bool,
    x: Tensor,
    y: Tensor,
    lower: Tensor,
    upper: Tensor,
    step_size: Tensor,
) -> Tensor:
    """clip(x + step_size sign(grad_x l(f(x), y)))."""

    def product(x: Tensor) -> Tensor:
        outputs = keras.ops.cast(model(preprocess(x), training=False), "float32")
        logits = outputs if from_logits else keras.ops.log(keras.ops.maximum(outputs, _TINY))
        slope = keras.ops.stop_gradient(_slope(logits, y))
        return keras.ops.sum(slope * logits)

    slope = gradient(product, x, model.variables)
    # Torch gives NaN the sign 0, and so would hide it.
    sign = keras.ops.where(keras.ops.isnan(slope), slope, keras.ops.sign(slope))
    return keras.ops.minimum(keras.ops.maximum(x + step_size * sign, lower), upper)


def _slope(logits: Tensor, y: Tensor) -> Tensor:
    """The gradient of the cross-entropy by the logits, but for a positive factor for each example.

        p_c sum_k y_k - y_c = p_c sum_{k != c} y_k - y_c sum_{k != c} p_k

    The second form does not cancel where the network is sure, and p_c of a right class rounds to 1. The factor does not
    change the sign and keeps half precision, in which the network may compute, from rounding the gradient to 0.
    """
    p, others = keras.ops.softmax(logits, axis=-1), 1.0 - keras.ops.eye(logits.shape[-1], dtype="float32")
    slope = p * keras.ops.matmul(y, others) - y * keras.ops.matmul(p, others)
    return slope / keras.ops.maximum(keras.ops.max(keras.ops.abs(slope), axis=-1, keepdims=True), _TINY)


def _identity(x: Tensor) -> Tensor:
    return x


def _as_pixels(x: Tensor, pixels: tuple[float, float]) -> tuple[Array, tuple[float, float]]:
    """The array and its range, once it is sure that it is one of pixels in that range."""
    low = high = math.nan
    with contextlib.suppress(TypeError, ValueError):
        low, high = pixels
    if not (_is_finite(low) and _is_finite(high) and low < high):
        raise ValueError(
            "`pixels` should be two finite numbers, the least and the greatest value of a pixel. "
            f"Received: pixels={pixels!r}."
        )
    x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    if x.ndim < 2 or x.dtype.kind not in "iuf":
        raise ValueError(
            "`x` should be an array of pixels of shape (examples, ...). "
            f"Received: x of shape {x.shape} and dtype {x.dtype}."
        )
    least, greatest = (x.min(), x.max()) if x.size else pixels
    if not low <= least <= greatest <= high:  # nor is NaN
        raise ValueError(
            f"`x` should be finite pixels from {low} to {high}; what standardises them for the model is `preprocess`. "
            f"Received: x from {least} to {greatest}."
        )
    return x, (low, high)


def _classes(model: keras.layers.Layer, preprocess: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """How many classes the model has, by its logits of one example."""
    shape = tuple(model(preprocess(_as_tensor(x[:1])), training=False).shape)
    if len(shape) != 2 or shape[1] < 2:
        raise ValueError(
            f"`model` should give logits of shape (batch, classes), of at least 2 classes. Received: shape {shape}."
        )
    return shape[1]


def _as_rows(y: Tensor, classes: int, size: int) -> Array:
    """Targets as float32 rows."""
    y = keras.ops.convert_to_numpy(y) if keras.ops.is_tensor(y) else np.asarray(y)
    if y.shape == (size,) and y.dtype.kind in "iu":
        if y.min() < 0 or y.max() >= classes:
            raise ValueError(
                f"`y` should be class ids from 0 to {classes - 1}. Received: ids from {y.min()} to {y.max()}."
            )
        return np.eye(classes, dtype="float32")[y]
    if y.shape != (size, classes) or y.dtype.kind not in "iuf" or not np.all(np.isfinite(y)):
        raise ValueError(
            f"`y` should be class ids of shape ({size},) or finite rows of shape ({size}, {classes}). "
            f"Received: y of shape {y.shape} and dtype {y.dtype}."
        )
    return y.astype("float32")


def _as_tensor(array: Any) -> Tensor:
    return keras.ops.convert_to_tensor(np.asarray(array, "float32"))


def _is_finite(value: Any) -> bool:
    return checks.is_number(value) and math.isfinite(value)
