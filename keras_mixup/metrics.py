"""Accuracy for mixed targets. The metrics of calibration are here too, by name."""

from __future__ import annotations

import keras

from keras_mixup.calibration import (  # noqa: F401
    AverageCalibrationError,
    BrierScore,
    ExpectedCalibrationError,
    MaximumCalibrationError,
    NegativeLogLikelihood,
    OverconfidenceError,
)
from keras_mixup.types import Config, Tensor


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixedAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy against mixed targets: the share of the target that the prediction gets right.

        accuracy = y[argmax p],   or for pairs   weight * [argmax p = a] + (1 - weight) * [argmax p = b]

    Keras' own accuracy compares the prediction with the larger half of a mixed target, as if the other were not there.
    This one gives each half its weight. Against class ids or one-hot rows, so on validation data, both are the same.
    On mixed data the best value is not 1 but the mean of the larger shares; to see how well the training set is fitted,
    use `CleanMetrics`.

    Args:
        k: Number of guesses: the target's share of the `k` most probable classes is counted.
        pairs: If True, targets are pairs `[id of the original, id of the partner, weight of the original]` of shape
            `(batch, ..., 3)`, as for `PairLoss`; if False, rows. It has to be said: with three classes they look alike.
        name: Name of the metric; by default `mixed_accuracy`, or `mixed_top_5_accuracy` for `k=5`.

    Call arguments:
        - y_true: Rows `(batch, ..., classes)` or pairs `(batch, ..., 3)`; or class ids `(batch, ...)`, in either case.
        - y_pred: Probabilities or logits `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights of the examples, as for any Keras metric.

    Raises:
        ValueError: If `k` is not a positive integer; or (when called) if it is larger than the number of classes, or
            the shape of the targets is not as above.

    Example:

    >>> metric = MixedAccuracy()
    >>> metric.update_state([[0.75, 0.25, 0.0], [0.25, 0.0, 0.75]], [[0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    >>> float(metric.result())
    0.5
    >>> metric = MixedAccuracy(pairs=True)
    >>> metric.update_state([[0, 1, 0.75], [2, 0, 0.75]], [[0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    >>> float(metric.result())
    0.5
    """

    def __init__(self, k: int = 1, pairs: bool = False, name: str | None = None) -> None:
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ValueError(f"`k` should be a positive integer. Received: k={k!r}.")
        name = name or ("mixed_accuracy" if k == 1 else f"mixed_top_{k}_accuracy")
        dtype = "float64" if keras.config.floatx() == "float64" else "float32"  # half precision cannot count an epoch
        super().__init__(_share, name, dtype, k=k, pairs=pairs)
        self.k = k
        self.pairs = pairs

    def get_config(self) -> Config:
        return {"k": self.k, "pairs": self.pairs, "name": self.name}


def _share(y_true: Tensor, y_pred: Tensor, k: int, pairs: bool) -> Tensor:
    """The share of each target that is among the `k` most probable classes."""
    y_true, y_pred = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
    shape, rank, classes = tuple(y_true.shape), len(y_pred.shape), y_pred.shape[-1]
    if classes == 1 or k > classes:
        raise ValueError(
            f"Predictions should have at least {max(k, 2)} classes on the last axis. Received: y_pred of shape "
            f"{tuple(y_pred.shape)} with k={k}."
        )
    guesses = keras.ops.argmax(y_pred, axis=-1, keepdims=True) if k == 1 else keras.ops.top_k(y_pred, k)[1]
    guesses = keras.ops.cast(guesses, "int32")

    def hit(ids: Tensor) -> Tensor:
        ids = keras.ops.expand_dims(keras.ops.cast(ids, "int32"), -1)
        return keras.ops.cast(keras.ops.any(guesses == ids, axis=-1), "float32")

    if len(shape) == rank - 1:
        return hit(y_true)
    if len(shape) == rank and shape[-1] == 1:
        return hit(keras.ops.squeeze(y_true, -1))
    if pairs and len(shape) == rank and shape[-1] in (3, None):
        weight = keras.ops.cast(y_true[..., 2], "float32")
        return weight * hit(y_true[..., 0]) + (1.0 - weight) * hit(y_true[..., 1])
    if pairs or len(shape) != rank or shape[-1] not in (classes, None):
        form = "pairs of shape (batch, ..., 3)" if pairs else f"rows of {classes} classes"
        raise ValueError(
            f"Targets should be {form}, or class ids. Received: y_true of shape {shape}, y_pred of shape "
            f"{tuple(y_pred.shape)} with pairs={pairs!r}."
        )
    share = keras.ops.take_along_axis(keras.ops.cast(y_true, "float32"), guesses, axis=-1)
    return keras.ops.sum(share, axis=-1)
