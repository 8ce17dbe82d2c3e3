"""Strengths that change during training: weaker towards the end, off for the last epochs, on and off."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import keras

from keras_mixup.types import Config, Number, Ops, Tensor


@keras.saving.register_keras_serializable(package="keras_mixup")
class Adjustable:
    """A number that compiled code reads anew in every step, so that changing it needs no retracing.

    Give one in place of `alpha` or `probability` and change it with `assign`, or by epoch with the `Schedule` callback;
    under JAX, `fit` notices changes between epochs only. A pipeline that contains one cannot save its iterator: the
    number is state outside it.

    Args:
        value: The number to start with; a finite number >= 0.

    Raises:
        ValueError: If it is not.

    Example:

    >>> from keras_mixup import Mixup
    >>> alpha = Adjustable(0.4)
    >>> method = Mixup(alpha)
    >>> alpha.assign(0.0)  # from now on nothing is mixed
    >>> float(alpha)
    0.0
    """

    def __init__(self, value: Number) -> None:
        _check(value)
        self.variable = keras.Variable(float(value), dtype="float32", trainable=False, name="adjustable")
        self._mirror: Any = None

    def assign(self, value: Number) -> None:
        """Set the number."""
        _check(value)
        self.variable.assign(float(value))
        if self._mirror is not None:
            self._mirror.assign(float(value))

    def read(self, ops: Ops) -> Tensor:
        """The number as a tensor of the library that a table of operations belongs to."""
        if not ops.is_tensorflow or keras.backend.backend() == "tensorflow":
            return ops.convert(self.variable)
        import tensorflow as tf

        if self._mirror is None:  # a tf.data pipeline under another backend reads a variable of TensorFlow's
            with tf.init_scope():
                self._mirror = tf.Variable(float(self), dtype=tf.float32, trainable=False)  # pyright: ignore[reportArgumentType]
        return tf.convert_to_tensor(self._mirror)

    def __float__(self) -> float:
        return float(keras.ops.convert_to_numpy(self.variable.value))

    def __repr__(self) -> str:
        return f"Adjustable({float(self)!r})"

    def get_config(self) -> Config:
        """The present value as plain data, for saving with Keras."""
        return {"value": float(self)}

    @classmethod
    def from_config(cls, config: Config) -> Adjustable:
        """Rebuild from `get_config`."""
        return cls(**config)


class Schedule(keras.callbacks.Callback):
    """Change an `Adjustable` at the beginning of every epoch of `fit`.

    Args:
        adjustable: The `Adjustable` that a method was given as `alpha` or `probability`.
        schedule: A function from the epoch, counted from 0, to the number to use in it; for instance `off_epochs(10,
            2)` or `without_hesitation(10)`.

    Raises:
        ValueError: If `adjustable` is not one.

    Example:

    >>> probability = Adjustable(1.0)
    >>> callback = Schedule(probability, off_epochs(total=10, off=2))
    >>> callback.on_epoch_begin(8)
    >>> float(probability)
    0.0
    """

    def __init__(self, adjustable: Adjustable, schedule: Callable[[int], float]) -> None:
        super().__init__()
        if not isinstance(adjustable, Adjustable):
            raise ValueError(f"`adjustable` should be a `keras_mixup.Adjustable`. Received: adjustable={adjustable!r}.")
        self.adjustable = adjustable
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.adjustable.assign(self.schedule(epoch))


def off_epochs(total: int, off: int, on: float = 1.0) -> Callable[[int], float]:
    """A schedule that mixes with `on` and, in the last `off` of `total` epochs, not at all.

    Args:
        total: Number of epochs, >= 1.
        off: How many of them, at the end, do not mix; between 0 and `total`.
        on: The number (alpha or probability) before that.

    Returns:
        A function from epoch to number, for `Schedule`.

    Raises:
        ValueError: If `off` is out of range.

    Example:

    >>> [off_epochs(total=5, off=2, on=0.2)(epoch) for epoch in range(5)]
    [0.2, 0.2, 0.2, 0.0, 0.0]
    """
    if not 0 <= off <= total:
        raise ValueError(f"`off` should be between 0 and `total`. Received: total={total!r}, off={off!r}.")
    return lambda epoch: on if epoch < total - off else 0.0


def without_hesitation(total: int) -> Callable[[int], float]:
    """The schedule of "mixup without hesitation", for `probability`.

    Mixup in the first 60 % of the epochs; then mixup in every other epoch, up to 90 %; then mixup with a probability
    that falls linearly from 1 to 0.

    Args:
        total: Number of epochs, >= 1.

    Returns:
        A function from epoch to probability, for `Schedule`.

    Example:

    >>> [round(without_hesitation(20)(epoch), 2) for epoch in (0, 11, 12, 13, 17, 18, 19)]
    [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.5]

    Reference:
        Mixup without hesitation (arXiv 2101.04342), section 3.
    """
    first, second = round(0.6 * total), round(0.9 * total)

    def probability(epoch: int) -> float:
        if epoch < first:
            return 1.0
        if epoch < second:
            return 1.0 if epoch % 2 == 0 else 0.0
        return max(0.0, (total - epoch) / max(total - second, 1))

    return probability


def _check(value: Any) -> None:
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise ValueError(f"`value` should be a finite number >= 0. Received: value={value!r}.")
