"""Losses, and class weights, for mixed targets.

Mixed targets have one of two forms. Soft rows `(batch, classes)` go with any loss that takes them, such as
`keras.losses.CategoricalCrossentropy`. Pairs `(..., 3)` hold two targets and a weight; they go with `PairLoss`. Of
class ids that is all a row holds however many classes there are; of other targets it is more, and lets a loss that is
not linear in the target be interpolated. They are float32 as a whole, which holds ids up to 2**24.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_mixup import checks
from keras_mixup import ops as tables
from keras_mixup.checks import is_number
from keras_mixup.types import Array, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_mixup")
class PairLoss(keras.losses.Loss):
    """Weigh a loss against two targets, given as pairs: for large label spaces, and for any loss at all.

        loss = weight * loss(a, prediction) + (1 - weight) * loss(b, prediction)

    A target is a row `[a, b, weight]`: that of the original, that of its partner, and the share of the original. For
    cross-entropy, which is linear in the target, this is the loss of the soft row `weight * one_hot(a) + (1 - weight) *
    one_hot(b)`. For other losses (focal, squared error) it is not: it is the mix of the two losses and not the loss of
    the mixed target.

    With 21,841 classes and batches of 256 (measured on two CPU cores) the targets take 3,072 bytes in place of
    22,365,184, and a pipeline step makes them in 0.6 ms in place of 3 ms. Loss and gradient take as long as with rows
    where XLA compiles the step (8 ms and 9 ms), and twice to three times as long where not (39 ms and 14 ms): without
    XLA the softmax is computed for each of the two classes.

    Class ids `(batch,)` or `(batch, 1)` are taken too, as they are (weight 1), so that validation data need no
    conversion. Keras' metric `"accuracy"` would misread pairs without a word; use `MixedAccuracy(pairs=True)`.

    Args:
        loss: A Keras loss that takes class ids, for instance
            `keras.losses.SparseCategoricalCrossentropy(from_logits=True)`; its name; or a function `(y_true, y_pred)`
            that returns a loss per example. Its reduction becomes that of the whole.
        one_hot: If True, the loss is one that takes rows: it gets the two ids as one-hot rows, as wide as the
            predictions, made two at a time on the accelerator. So focal losses, label smoothing and binary
            cross-entropy can be used.
        dense: If True, targets are not class ids but have the form of the predictions: soft rows, quantities, boxes,
            pixels. Any loss of them can be interpolated (Huber, Dice, cosine, IoU, one of your own).
        name: Name of the loss.

    Call arguments:
        - y_true: Float32 pairs: of class ids `(batch, 3)` or, of maps, `(batch, height, width, 3)`; of dense targets
          their shape and a last axis of 3. Or targets without pairs, as validation data have them.
        - y_pred: Predictions of shape `(batch, ..., classes)` or, if dense, of the shape of a target.
        - sample_weight: Weights of the examples, as for any Keras loss.

    Raises:
        ValueError: If `loss` is not a loss, or ignores a class; or (when called) if the targets have another shape.

    Example:

    >>> loss = PairLoss(keras.losses.SparseCategoricalCrossentropy())
    >>> targets = [[0, 2, 0.75], [1, 0, 0.5]]
    >>> predictions = [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]]
    >>> round(float(loss(targets, predictions)), 4)
    0.7798
    >>> round(float(loss([0, 1], predictions)), 4)  # validation data
    0.6931

    A loss that is not linear in the target: to 0.75 of the one and 0.25 of the other, not to their mean.

    >>> loss = PairLoss("mean_absolute_error", dense=True)
    >>> targets = [[[1.0, 5.0, 0.75], [2.0, 2.0, 0.75]]]  # of an example with two numbers
    >>> float(loss(targets, [[2.0, 2.0]]))
    0.75

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2; the authors' code trains this form.
    """

    def __init__(self, loss: Any, one_hot: bool = False, dense: bool = False, name: str = "pair_loss") -> None:
        self.loss: Any = keras.losses.get(loss)
        if not callable(self.loss):
            raise ValueError(
                "`loss` should be a Keras loss, the name of one, or a function `(y_true, y_pred)`. "
                f"Received: loss={loss!r}."
            )
        ignored = getattr(self.loss, "ignore_class", None)
        if ignored is not None:
            raise ValueError(
                "`loss` should not ignore a class: a mixed target may have half of it. Give such examples a "
                f"`sample_weight` of 0 before mixing. Received: ignore_class={ignored!r}."
            )
        checks.truth("one_hot", one_hot)
        checks.truth("dense", dense)
        if one_hot and dense:
            raise ValueError(
                "`one_hot` is for class ids, which `dense` targets are not: give one of the two. "
                "Received: one_hot=True, dense=True."
            )
        self.one_hot = one_hot
        self.dense = dense
        super().__init__(name, getattr(self.loss, "reduction", "sum_over_batch_size"), _precision())

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_true, y_pred = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
        if not self._are_pairs(tuple(y_true.shape), tuple(y_pred.shape)):
            return self._against(y_true, y_pred)
        of_original, of_partner = (self._against(y_true[..., k], y_pred) for k in (0, 1))
        weight = y_true[..., 2]
        while len(weight.shape) > len(of_original.shape):  # the loss is a mean along this axis
            weight = weight[..., 0]
        return weight * of_original + (1.0 - weight) * of_partner

    def _are_pairs(self, shape: Sequence[Any], predicted: Sequence[Any]) -> bool:
        """Whether targets of a shape are pairs, and not what they are in validation data."""
        rank, of_three = len(predicted), len(shape) > 0 and shape[-1] in (3, None)
        if self.dense:
            columns = len(shape) == rank and predicted[-1] == 1 and shape[-1] != 1  # pairs of one number each
            if len(shape) == rank + 1 or columns:
                pairs, known = True, of_three
            else:
                pairs, known = False, len(shape) in (rank, rank - 1)
        else:
            pairs = len(shape) == rank and shape[-1] != 1
            known = of_three if pairs else len(shape) in (rank, rank - 1)
        if not known:
            plain = "targets of the predictions' shape" if self.dense else "class ids of shape (batch,)"
            cure = (
                "Make them with `pairs=True`."
                if self.dense
                else "For soft rows use a loss that takes them: `keras.losses.CategoricalCrossentropy`; for pairs of "
                "other targets than class ids, `dense=True`."
            )
            pair = (
                "(..., 3), [target of the original, of the partner"
                if self.dense
                else ("(batch, 3), [id of the original, id of the partner")
            )
            raise ValueError(
                f"Targets should be pairs of shape {pair}, weight of the original], or {plain}. Received: y_true of "
                f"shape {shape} for predictions of shape {predicted}. {cure}"
            )
        return pairs

    def _against(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each example, or place, if all of its target were this."""
        if not self.dense and len(y_true.shape) == len(y_pred.shape):
            y_true = keras.ops.squeeze(y_true, -1)
        if self.one_hot:
            y_true = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=self.dtype)
        return getattr(self.loss, "call", self.loss)(y_true, y_pred)

    def get_config(self) -> Config:
        return {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "one_hot": self.one_hot,
            "dense": self.dense,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Config) -> PairLoss:
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


@keras.saving.register_keras_serializable(package="keras_mixup")
class ThresholdedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy against every class that has enough of a share in the mix.

        t_c = 1 if y_c > threshold else 0,    loss = mean_c BCE(t_c, prediction_c)

    Each class gets a sigmoid of its own, and a mixed image shows both of its classes, not a part of each: so both are
    1 and the row may sum to 2. As in "ResNet strikes back".

    Args:
        threshold: Share in [0, 1) above which a class counts as present. With label smoothing it has to be above the
            share that every class gets.
        from_logits: If True, predictions are logits; if False, probabilities (the outputs of a sigmoid).
        sum_classes: If True, the loss is summed over the classes and not averaged: larger by their number.
        reduction: How the losses of the examples are reduced, as for any Keras loss.
        name: Name of the loss.

    Call arguments:
        - y_true: Rows of shape `(batch, classes)`, mixed or not.
        - y_pred: Predictions of the same shape.
        - sample_weight: Weights of the examples, as for any Keras loss.

    Raises:
        ValueError: If `threshold` is not in [0, 1); or (when called) if the two shapes differ.

    Example:

    >>> loss = ThresholdedBinaryCrossentropy(threshold=0.2, from_logits=False)
    >>> probabilities = [[0.5, 0.5, 0.25]]
    >>> round(float(loss([[0.7, 0.3, 0.0]], probabilities)), 4)
    0.558
    >>> round(float(loss([[1.0, 1.0, 0.0]], probabilities)), 4)
    0.558

    Reference:
        ResNet strikes back: An improved training procedure in timm (arXiv 2110.00476); timm's `--bce-target-thresh` and
        `--bce-sum`.
    """

    def __init__(
        self,
        threshold: float = 0.2,
        from_logits: bool = True,
        sum_classes: bool = False,
        reduction: str = "sum_over_batch_size",
        name: str = "thresholded_binary_crossentropy",
    ) -> None:
        if not is_number(threshold) or not 0 <= threshold < 1:
            raise ValueError(f"`threshold` should be a number in [0, 1). Received: threshold={threshold!r}.")
        super().__init__(name, reduction, _precision())
        self.threshold = threshold
        self.from_logits = from_logits
        self.sum_classes = sum_classes

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_true, y_pred = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
        if not _agree(y_true.shape, y_pred.shape):
            raise ValueError(
                "Targets should be rows of the same shape as the predictions. Received: y_true of shape "
                f"{tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}. One-hot class ids first: "
                "`keras.ops.one_hot(y, num_classes)`."
            )
        present = keras.ops.cast(y_true > self.threshold, y_pred.dtype)
        losses = keras.ops.binary_crossentropy(present, y_pred, from_logits=self.from_logits)
        return keras.ops.sum(losses, axis=-1) if self.sum_classes else keras.ops.mean(losses, axis=-1)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "from_logits": self.from_logits,
            "sum_classes": self.sum_classes,
        }


def class_sample_weight(
    y: Tensor, class_weight: dict[int, float] | Sequence[float] | Tensor, pairs: bool = False
) -> Tensor:
    """Compute sample weights from class weights, for mixed targets.

        sample_weight = sum_c y_c * class_weight_c

    `fit(class_weight=...)` gives a mixed example the weight of its larger class, all of it: Keras takes the argmax of a
    row (and of a pair, where it means nothing). In a pipeline, map this function after the mix instead:
    `dataset.map(lambda x, y: (x, y, class_sample_weight(y, {0: 1.0, 1: 5.0})))`. It comes to the same as weighing the
    examples before and letting the mix carry their weights along. (With `MixupModel` Keras sees the targets before the
    mix, and `fit(class_weight=...)` does just that.)

    Args:
        y: Soft rows `(batch, classes)`, pairs `(batch, 3)`, or class ids `(batch,)` or `(batch, 1)`; in a `tf.data`
            pipeline TensorFlow's tensors, whatever the backend of Keras.
        class_weight: A dict from class id to weight, where a class left out has weight 1 as in Keras; or a vector
            with the weight of each class. Weights are finite numbers >= 0.
        pairs: If True, rows are pairs `[id of the original, id of the partner, weight of the original]`.

    Returns:
        A float32 tensor of shape `(batch,)`.

    Raises:
        ValueError: If the class weights, or the shape of the targets, are not as above.

    Example:

    >>> rows = keras.ops.convert_to_tensor([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]])
    >>> [float(weight) for weight in class_sample_weight(rows, {1: 5.0})]
    [2.0, 3.0]
    >>> [float(weight) for weight in class_sample_weight([[0, 1, 0.75], [1, 2, 0.5]], {1: 5.0}, pairs=True)]
    [2.0, 3.0]
    """
    ops = tables.of(y)
    y = ops.convert(y)
    shape = tuple(y.shape)
    ids = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    known = len(shape) == 2 and (shape[1] in (3, None) if pairs else shape[1] is not None)
    if not (ids or known):
        raise ValueError(
            "Targets should be soft rows (batch, classes), class ids (batch,) or, with `pairs=True`, pairs (batch, 3). "
            f"Received: y of shape {shape} with pairs={pairs!r}."
        )
    rows = not (ids or pairs)
    weights = ops.convert(_class_weights(class_weight, shape[1] if rows else None))  # pyright: ignore[reportGeneralTypeIssues]
    if rows:
        return ops.sum(ops.cast(y, "float32") * weights)

    def look_up(ids: Tensor) -> Tensor:
        # A dict was made into a vector whose last entry stands for all the classes beyond.
        ids = ops.cast(ids, "int32")
        return ops.take(weights, ops.minimum(ids, weights.shape[0] - 1) if isinstance(class_weight, dict) else ids)

    if ids:
        return look_up(ops.reshape(y, (-1,)))
    share = ops.cast(y[:, 2], "float32")
    return share * look_up(y[:, 0]) + (1.0 - share) * look_up(y[:, 1])


def _class_weights(class_weight: Any, classes: int | None) -> Array:
    """Class weights as a float32 vector, of `classes` entries where that number is known."""
    if isinstance(class_weight, dict):
        ids = list(class_weight)
        if not all(tables.is_integer(c) and c >= 0 for c in ids):
            raise ValueError(
                f"The keys of `class_weight` should be class ids. Received: class_weight={class_weight!r}."
            )
        size = max(ids, default=-1) + 2 if classes is None else classes
        if any(c >= size for c in ids):
            raise ValueError(
                f"`class_weight` should be about the {classes} classes of the targets. "
                f"Received: class_weight={class_weight!r}."
            )
        values = [class_weight.get(c, 1.0) for c in range(size)]
    else:
        values = np.asarray(class_weight).tolist()
        if not isinstance(values, list) or any(isinstance(value, list) for value in values):
            raise ValueError(
                "`class_weight` should be a dict from class id to weight, or a vector with the weight of each class. "
                f"Received: class_weight={class_weight!r}."
            )
        if classes not in (None, len(values)):
            raise ValueError(
                f"`class_weight` should have a weight for each of the {classes} classes of the targets. "
                f"Received: class_weight of length {len(values)}."
            )
    if not all(is_number(value) and math.isfinite(value) and value >= 0 for value in values):
        raise ValueError(f"Class weights should be finite numbers >= 0. Received: class_weight={class_weight!r}.")
    return np.array(values, "float32")


def _precision() -> str:
    """Losses are computed in float32, or in float64 where that is what Keras computes in, and never in less."""
    return "float64" if keras.config.floatx() == "float64" else "float32"


def _agree(one: Shape, other: Shape) -> bool:
    """Whether two static shapes may be the same, as far as they are known."""
    return len(one) == len(other) and all(n == m or None in (n, m) for n, m in zip(one, other, strict=True))
