"""Calibration: whether a network is as sure as it is right; how to measure that, and how to mend it afterwards.

The metrics stream over batches of any size. Those that sort predictions by confidence keep one table of sums, so the
tables of replicas add up, and no prediction is stored. (Before version 3.10, Keras averaged what the replicas computed,
each from its own table; so it did with its own metrics that are no means, such as AUC.)
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from keras_mixup.types import Array, Config, Tensor

# Bins of equal mass are put together from cells of equal width in log(confidence / (1 - confidence)), which are as fine
# near 1, where most predictions are, as elsewhere.
CELLS = 4096
LOG_ODDS = (-10.0, 22.0)  # confidences from 5e-5, less than a guess among 20,000 classes, to 1 - 3e-10
BINNINGS = ("width", "mass")
TEMPERATURES = (0.01, 100.0)


def expected_error(share: Tensor, confidence: Tensor, accuracy: Tensor) -> Tensor:
    """The mean over the examples of |accuracy - confidence| of their bin."""
    return keras.ops.sum(share * keras.ops.abs(accuracy - confidence))


def overconfidence_error(share: Tensor, confidence: Tensor, accuracy: Tensor) -> Tensor:
    """As `expected_error`, of bins that are too sure only, weighted with their confidence."""
    return keras.ops.sum(share * confidence * keras.ops.relu(confidence - accuracy))


def maximum_error(share: Tensor, confidence: Tensor, accuracy: Tensor) -> Tensor:
    """The largest |accuracy - confidence| of any bin."""
    return keras.ops.max(keras.ops.abs(accuracy - confidence))


def average_error(share: Tensor, confidence: Tensor, accuracy: Tensor) -> Tensor:
    """The mean over the bins that hold examples of |accuracy - confidence|, be they many or few."""
    full = keras.ops.sum(keras.ops.cast(share > 0, share.dtype))
    return keras.ops.sum(keras.ops.abs(accuracy - confidence)) / keras.ops.maximum(full, 1.0)


class _Binned(keras.metrics.Metric):
    """A function of the share, the mean confidence and the accuracy of bins; all three are 0 where a bin is empty."""

    def __init__(
        self,
        function: Callable[[Tensor, Tensor, Tensor], Tensor],
        bins: int,
        binning: Literal["width", "mass"],
        from_logits: bool,
        name: str,
    ) -> None:
        _check_bins(bins)
        if binning not in BINNINGS:
            raise ValueError(f"`binning` should be one of {', '.join(BINNINGS)}. Received: binning={binning!r}.")
        super().__init__(name=name, dtype=_precision())
        self.function = function
        self.bins = bins
        self.binning = binning
        self.from_logits = from_logits
        cells = bins if binning == "width" else CELLS
        # Of each cell the weight of its examples, and the sums of their confidences and of their hits.
        self.sums = self.add_variable((cells, 3), "zeros", self.dtype, name="sums")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        rows, p = _rows_and_probabilities(y_true, y_pred, self.from_logits, self.dtype)
        guess = keras.ops.one_hot(keras.ops.argmax(p, axis=-1), p.shape[-1], dtype="bool")
        zero = keras.ops.zeros_like(p)
        confidence = keras.ops.max(p, axis=-1)
        hit = keras.ops.sum(keras.ops.where(guess, rows, zero), axis=-1)
        if self.binning == "width":
            place = confidence
        else:
            # 1 - confidence would be 0 for whatever is surer than 1 - 6e-8. `tiny` stands for what underflows.
            tiny = 1e-37
            others = keras.ops.sum(keras.ops.where(guess, zero, p), axis=-1)
            odds = keras.ops.log(keras.ops.maximum(confidence, tiny)) - keras.ops.log(keras.ops.maximum(others, tiny))
            place = (odds - LOG_ODDS[0]) / (LOG_ODDS[1] - LOG_ODDS[0])
        place = keras.ops.where(place == place, place, 0.0)  # NaN has no place; it shows in the sums
        cells = self.sums.shape[0]
        cell = keras.ops.cast(keras.ops.clip(keras.ops.floor(place * cells), 0, cells - 1), "int32")
        weight = _weights(sample_weight, confidence)
        terms = keras.ops.stack([weight, weight * confidence, weight * hit], axis=-1)
        sums = keras.ops.segment_sum(keras.ops.reshape(terms, (-1, 3)), keras.ops.reshape(cell, (-1,)), cells)
        self.sums.assign_add(sums)

    def result(self) -> Tensor:
        sums = keras.ops.convert_to_tensor(self.sums)
        if self.binning == "mass":
            sums = _equal_masses(sums, self.bins)
        weight = keras.ops.where(sums[:, 0] > 0, sums[:, 0], 1.0)
        total = keras.ops.sum(sums[:, 0])
        share = sums[:, 0] / keras.ops.where(total > 0, total, 1.0)
        return self.function(share, sums[:, 1] / weight, sums[:, 2] / weight)

    def get_config(self) -> Config:
        return {"bins": self.bins, "binning": self.binning, "from_logits": self.from_logits, "name": self.name}


def _equal_masses(cells: Tensor, bins: int) -> Tensor:
    """Sums of as many bins of equal weight, from those of cells in rising order of confidence.

    A cell that lies across the end of a bin goes to both, in parts.
    """
    ends = keras.ops.cumsum(cells[:, 0])
    starts = ends - cells[:, 0]
    edges = ends[-1] * keras.ops.convert_to_tensor(np.arange(bins + 1) / bins, dtype=ends.dtype)
    overlap = keras.ops.minimum(edges[1:, None], ends) - keras.ops.maximum(edges[:-1, None], starts)
    part = keras.ops.relu(overlap) / keras.ops.where(cells[:, 0] > 0, cells[:, 0], 1.0)
    # Not a matrix product: accelerators round its factors.
    return keras.ops.stack([keras.ops.sum(part * cells[:, i], axis=1) for i in range(3)], axis=1)


@keras.saving.register_keras_serializable(package="keras_mixup")
class ExpectedCalibrationError(_Binned):
    """Expected calibration error (ECE): how far confidence is from accuracy, on average over the examples.

        ECE = sum_m |B_m| / n * |accuracy(B_m) - confidence(B_m)|

    Confidence is the largest probability, B_m the m-th bin of examples sorted by it. 0 is best, 1 is worst. More bins
    give larger values, of the noise in each, so compare only like with like.

    All sums are exact but for rounding, and so are bins of equal width. The ends of bins of equal mass are exact in
    mass, and in confidence up to one of 4,096 cells, 0.002 wide at 1/2 and 0.8 % of the distance to 1 near it. Examples
    of one cell, such as those of equal confidence, are shared out evenly if it lies across the end of a bin.

    Args:
        bins: Number of bins, >= 1. Most papers use 15; Thulasidasan et al. 100.
        binning: `"width"`: all bins are equally wide, [(m - 1) / M, m / M), and a confidence of 1 is in the last one.
            `"mass"`: all bins hold equally many examples, by weight; where most predictions are sure, this looks closer
            at them.
        from_logits: If True, predictions are logits; if False, probabilities.
        name: Name of the metric.

    Call arguments:
        - y_true: Class ids `(batch, ...)` or `(batch, ..., 1)`, or rows `(batch, ..., classes)`. A mixed row counts as
          each of its classes does, by its share: an example is as right as the share of the class guessed.
        - y_pred: Predictions `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights >= 0 of the examples, as for any Keras metric.

    Raises:
        ValueError: If `bins` or `binning` is not as above, or (when called) the shapes are not.

    Example:

    >>> metric = ExpectedCalibrationError(bins=10)
    >>> metric.update_state([0, 0, 1, 1], [[0.75, 0.25], [0.72, 0.28], [0.75, 0.25], [0.1, 0.9]])
    >>> round(float(metric.result()), 3)
    0.08

    Reference:
        On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 3.
    """

    def __init__(
        self,
        bins: int = 15,
        binning: Literal["width", "mass"] = "width",
        from_logits: bool = False,
        name: str = "expected_calibration_error",
    ) -> None:
        super().__init__(expected_error, bins, binning, from_logits, name)


@keras.saving.register_keras_serializable(package="keras_mixup")
class OverconfidenceError(_Binned):
    """Overconfidence error (OE): how much surer than right a network is, on average, where it is.

        OE = sum_m |B_m| / n * confidence(B_m) * max(confidence(B_m) - accuracy(B_m), 0)

    Unlike the expected calibration error it forgives a network that is too careful, as mixup with large alpha makes it.

    Args:
        bins: As for `ExpectedCalibrationError`.
        binning: Likewise.
        from_logits: If True, predictions are logits; if False, probabilities.
        name: Name of the metric.

    Call arguments:
        - y_true: Class ids or rows, as for `ExpectedCalibrationError`.
        - y_pred: Predictions `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights >= 0 of the examples, as for any Keras metric.

    Raises:
        ValueError: As for `ExpectedCalibrationError`.

    Example:

    >>> metric = OverconfidenceError(bins=10)
    >>> metric.update_state([0, 0, 1, 1], [[0.75, 0.25], [0.72, 0.28], [0.75, 0.25], [0.1, 0.9]])
    >>> round(float(metric.result()), 3)
    0.041

    Reference:
        On Mixup Training: Improved Calibration and Predictive Uncertainty for Deep Neural Networks (arXiv 1905.11001).
    """

    def __init__(
        self,
        bins: int = 15,
        binning: Literal["width", "mass"] = "width",
        from_logits: bool = False,
        name: str = "overconfidence_error",
    ) -> None:
        super().__init__(overconfidence_error, bins, binning, from_logits, name)


@keras.saving.register_keras_serializable(package="keras_mixup")
class MaximumCalibrationError(_Binned):
    """Maximum calibration error (MCE): how far confidence is from accuracy in the worst bin.

        MCE = max_m |accuracy(B_m) - confidence(B_m)|

    With bins of equal width the worst one is often one of few examples, and the value mostly chance.

    Args:
        bins: As for `ExpectedCalibrationError`.
        binning: Likewise.
        from_logits: If True, predictions are logits; if False, probabilities.
        name: Name of the metric.

    Call arguments:
        - y_true: Class ids or rows, as for `ExpectedCalibrationError`.
        - y_pred: Predictions `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights >= 0 of the examples, as for any Keras metric.

    Raises:
        ValueError: As for `ExpectedCalibrationError`.

    Example:

    >>> metric = MaximumCalibrationError(bins=10)
    >>> metric.update_state([0, 0, 1, 1], [[0.75, 0.25], [0.72, 0.28], [0.75, 0.25], [0.1, 0.9]])
    >>> round(float(metric.result()), 3)
    0.1

    Reference:
        On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 5.
    """

    def __init__(
        self,
        bins: int = 15,
        binning: Literal["width", "mass"] = "width",
        from_logits: bool = False,
        name: str = "maximum_calibration_error",
    ) -> None:
        super().__init__(maximum_error, bins, binning, from_logits, name)


@keras.saving.register_keras_serializable(package="keras_mixup")
class AverageCalibrationError(_Binned):
    """Average calibration error (ACE): how far confidence is from accuracy, on average over the bins.

        ACE = 1 / M+ * sum_m |accuracy(B_m) - confidence(B_m)|,    M+ bins hold examples

    Rare confidences count as much as frequent ones. It is netcal's ACE; the adaptive calibration error of Nixon et al.,
    which is shortened alike, is another measure.

    Args:
        bins: As for `ExpectedCalibrationError`.
        binning: Likewise.
        from_logits: If True, predictions are logits; if False, probabilities.
        name: Name of the metric.

    Call arguments:
        - y_true: Class ids or rows, as for `ExpectedCalibrationError`.
        - y_pred: Predictions `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights >= 0 of the examples, as for any Keras metric.

    Raises:
        ValueError: As for `ExpectedCalibrationError`.

    Example:

    >>> metric = AverageCalibrationError(bins=10)
    >>> metric.update_state([0, 0, 1, 1], [[0.75, 0.25], [0.72, 0.28], [0.75, 0.25], [0.1, 0.9]])
    >>> round(float(metric.result()), 3)
    0.087

    Reference:
        Its use: On the Limitations of Temperature Scaling for Distributions with Overlaps (arXiv 2306.00740).
    """

    def __init__(
        self,
        bins: int = 15,
        binning: Literal["width", "mass"] = "width",
        from_logits: bool = False,
        name: str = "average_calibration_error",
    ) -> None:
        super().__init__(average_error, bins, binning, from_logits, name)


@keras.saving.register_keras_serializable(package="keras_mixup")
class BrierScore(keras.metrics.MeanMetricWrapper):
    """Brier score: the squared distance of the probabilities from what came true.

        Brier = mean over examples of sum_c (p_c - [c = y])^2

    From 0, which is best, to 2. It is a proper score: no probabilities but the true ones have a better expectation. For
    two classes it is twice scikit-learn's binary `brier_score_loss`.

    Args:
        from_logits: If True, predictions are logits; if False, probabilities.
        name: Name of the metric.

    Call arguments:
        - y_true: Class ids or rows, as for `ExpectedCalibrationError`. A mixed row counts as each of its classes does,
          by its share; so its best value is not 0.
        - y_pred: Predictions `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights of the examples, as for any Keras metric.

    Raises:
        ValueError: When called, if the shapes are not as above.

    Example:

    >>> metric = BrierScore()
    >>> metric.update_state([0, 1], [[0.75, 0.25], [0.5, 0.5]])
    >>> float(metric.result())
    0.3125

    Reference:
        G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).
    """

    def __init__(self, from_logits: bool = False, name: str = "brier_score") -> None:
        super().__init__(_brier, name, _precision(), from_logits=from_logits, dtype_=_precision())
        self.from_logits = from_logits

    def get_config(self) -> Config:
        return {"from_logits": self.from_logits, "name": self.name}


@keras.saving.register_keras_serializable(package="keras_mixup")
class NegativeLogLikelihood(keras.metrics.MeanMetricWrapper):
    """Negative log-likelihood (NLL): the surprise at what came true, in nats.

        NLL = mean over examples of -log p_y

    Taken of logits it is exact however sure the network is, as the logarithm of the softmax is never computed from the
    softmax. Of probabilities, one below 1.2e-38 counts as that: a surprise of 87.3 at most, where Keras' cross-entropy
    stops at 16.1.

    Args:
        from_logits: If True, predictions are logits; if False, probabilities.
        name: Name of the metric.

    Call arguments:
        - y_true: Class ids or rows, as for `ExpectedCalibrationError`. A mixed row counts as each of its classes does,
          by its share.
        - y_pred: Predictions `(batch, ..., classes)` of two classes or more.
        - sample_weight: Weights of the examples, as for any Keras metric.

    Raises:
        ValueError: When called, if the shapes are not as above.

    Example:

    >>> metric = NegativeLogLikelihood(from_logits=True)
    >>> metric.update_state([0, 1], [[0.0, 0.0], [1000.0, 0.0]])
    >>> round(float(metric.result()), 4)
    500.3466
    """

    def __init__(self, from_logits: bool = False, name: str = "negative_log_likelihood") -> None:
        super().__init__(_nll, name, _precision(), from_logits=from_logits, dtype_=_precision())
        self.from_logits = from_logits

    def get_config(self) -> Config:
        return {"from_logits": self.from_logits, "name": self.name}


def _brier(y_true: Tensor, y_pred: Tensor, from_logits: bool, dtype_: str) -> Tensor:
    rows, p = _rows_and_probabilities(y_true, y_pred, from_logits, dtype_)
    # The second term is 0 unless a row is mixed. Then sum_k y_k sum_c (p_c - [c = k])^2 is this much more than
    # sum_c (p_c - y_c)^2.
    return keras.ops.sum((p - rows) ** 2 + rows * (1.0 - rows), axis=-1)


def _nll(y_true: Tensor, y_pred: Tensor, from_logits: bool, dtype_: str) -> Tensor:
    y_pred = _predictions(y_pred, dtype_)
    rows = _rows(y_true, y_pred)
    log_p = (
        keras.ops.log_softmax(y_pred, axis=-1)
        if from_logits
        else keras.ops.log(keras.ops.maximum(y_pred, float(np.finfo("float32").tiny)))
    )
    # A class that is not the target may be impossible, and 0 times -inf is NaN.
    return -keras.ops.sum(keras.ops.where(rows > 0, rows * log_p, 0.0), axis=-1)


def _predictions(y_pred: Tensor, dtype: str) -> Tensor:
    y_pred = keras.ops.cast(keras.ops.convert_to_tensor(y_pred), dtype)
    if len(y_pred.shape) < 2 or y_pred.shape[-1] == 1:
        raise ValueError(
            "Predictions should have at least 2 classes on the last axis. Received: y_pred of shape "
            f"{tuple(y_pred.shape)}. Of the output p of one sigmoid unit, make two classes: "
            "`keras.ops.concatenate([1 - p, p], axis=-1)`."
        )
    return y_pred


def _rows(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Targets as rows of the same shape and dtype as the predictions."""
    y_true = keras.ops.convert_to_tensor(y_true)
    shape, rank, classes = tuple(y_true.shape), len(y_pred.shape), y_pred.shape[-1]
    if len(shape) == rank and shape[-1] == 1:
        y_true = keras.ops.squeeze(y_true, -1)
    if len(y_true.shape) == rank - 1:
        return keras.ops.one_hot(keras.ops.cast(y_true, "int32"), classes, dtype=y_pred.dtype)
    if len(shape) != rank or shape[-1] not in (classes, None):
        raise ValueError(
            f"Targets should be class ids, or rows of {classes} classes. Received: y_true of shape {shape}, y_pred of "
            f"shape {tuple(y_pred.shape)}."
        )
    return keras.ops.cast(y_true, y_pred.dtype)


def _rows_and_probabilities(y_true: Tensor, y_pred: Tensor, from_logits: bool, dtype: str) -> tuple[Tensor, Tensor]:
    y_pred = _predictions(y_pred, dtype)
    return _rows(y_true, y_pred), keras.ops.softmax(y_pred, axis=-1) if from_logits else y_pred


def _weights(sample_weight: Tensor, values: Tensor) -> Tensor:
    """A weight for each of the values."""
    if sample_weight is None:
        return keras.ops.ones_like(values)
    weight = keras.ops.cast(keras.ops.convert_to_tensor(sample_weight), values.dtype)
    rank = len(values.shape)
    if len(weight.shape) == rank + 1:
        weight = keras.ops.squeeze(weight, -1)
    weight = keras.ops.reshape(weight, tuple(keras.ops.shape(weight)) + (1,) * (rank - len(weight.shape)))
    return weight * keras.ops.ones_like(values)


def _check_bins(bins: int) -> None:
    if not isinstance(bins, int) or isinstance(bins, bool) or bins < 1:
        raise ValueError(f"`bins` should be a positive integer. Received: bins={bins!r}.")


def _precision() -> str:
    """Half precision cannot count an epoch."""
    return "float64" if keras.config.floatx() == "float64" else "float32"


class Reliability(NamedTuple):
    """What a reliability diagram shows of each bin: mean confidence, accuracy (NaN if it is empty), examples."""

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # a tuple has a function of that name


def reliability(logits: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    """Sort predictions into bins by their confidence: the points of a reliability diagram.

        confidence(B) = mean of max_c p_c,    accuracy(B) = share of [argmax p = y],    B = [(m - 1) / M, m / M)

    Args:
        logits: Array of shape `(examples, classes)`, of two classes or more. Of probabilities give the logarithms.
        labels: Class ids, an integer array of shape `(examples,)`.
        bins: Number of bins of equal width, >= 1. A confidence of 1 belongs to the last.

    Returns:
        A `Reliability`: float64 arrays `confidence` and `accuracy`, NaN where a bin is empty, and an int64 array
        `count`, all of shape `(bins,)`.

    Raises:
        ValueError: If `bins` is not a positive integer, or the arrays are not as above.

    Example:

    >>> import numpy as np
    >>> confidence, accuracy, count = reliability(np.log([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]), [0, 1, 0], bins=4)
    >>> confidence.round(2), accuracy, count
    (array([ nan,  nan, 0.6 , 0.85]), array([nan, nan, 1. , 0.5]), array([0, 0, 1, 2]))

    Reference:
        On Calibration of Modern Neural Networks (arXiv 1706.04599), section 2.
    """
    _check_bins(bins)
    logits, labels = _checked(logits, labels)
    logits = logits - logits.max(axis=1, keepdims=True)
    confidence = 1.0 / np.exp(logits).sum(axis=1)
    hit = logits.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype("int64"), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.bincount(place, confidence, bins) / count, np.bincount(place, hit, bins) / count, count.astype("int64")
        )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature that makes a trained network's confidence fit held-out data best.

        T = argmin mean of -log softmax(logits / T)[y],    0.01 <= T <= 100

    Divide logits by it: the guesses stay, the probabilities become softer (T > 1) or sharper (T < 1). Fit it on
    examples that were not trained on, as on others a network is right more often. It is found by L-BFGS-B in log T;
    there is one minimum only, the problem being convex in 1/T.

    If every label has the largest logit of its row, smaller is always better and T is 0.01; if the labels' logits are
    no larger than the others on average, larger is always better and T is 100.

    Args:
        logits: Finite array of shape `(examples, classes)`, of two classes or more.
        labels: Class ids, an integer array of shape `(examples,)`.

    Returns:
        The temperature, a float from 0.01 to 100.

    Raises:
        ValueError: If the arrays are not as above.
        ImportError: If SciPy is not installed.

    Example:

    >>> import numpy as np
    >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> temperature = fit_temperature(logits, [0, 0, 0, 1])  # right 3 times of 4: a softmax of 0.75 is due
    >>> round(temperature, 3)
    3.641

    Reference:
        On Calibration of Modern Neural Networks (arXiv 1706.04599), section 4.2.
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise ImportError("`fit_temperature` needs SciPy. Install it with: pip install 'keras-mixup[zoo]'") from None

    logits, labels = _checked(logits, labels)
    if not np.all(np.isfinite(logits)):
        raise ValueError("`logits` should be finite. Received: logits with NaN or infinity.")
    # Of each row, relative to the label's logit.
    gaps = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    low, high = map(math.log, TEMPERATURES)
    wrong = np.arange(gaps.shape[1]) != labels[:, None]
    if np.all(gaps[wrong] < 0):
        return TEMPERATURES[0]  # where the softmax rounds to 1 there is no slope to follow

    def nll(log_t: Tensor) -> tuple[Any, Any]:
        scaled = gaps / math.exp(log_t[0])
        top = scaled.max(axis=1, keepdims=True)
        p = np.exp(scaled - top)
        total = p.sum(axis=1, keepdims=True)
        slope = -np.mean(np.sum(p / total * scaled, axis=1))
        return np.mean(np.log(total) + top), np.array([slope])

    options = {"ftol": 1e-15, "gtol": 1e-10}
    found = minimize(nll, [0.0], method="L-BFGS-B", jac=True, bounds=[(low, high)], options=options)
    return float(np.clip(math.exp(found.x[0]), *TEMPERATURES))


def _checked(logits: Tensor, labels: Tensor) -> tuple[Array, Array]:
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    if logits.ndim != 2 or not len(logits) or logits.shape[1] < 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "`logits` should be of shape (examples, classes), with two classes or more, and `labels` of shape "
            f"(examples,). Received: logits of shape {logits.shape}, labels of shape {labels.shape}."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"`labels` should be class ids from 0 to {logits.shape[1] - 1}. Received: labels of dtype {labels.dtype}, "
            f"from {labels.min()} to {labels.max()}."
        )
    return logits, labels
