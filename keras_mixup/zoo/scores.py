"""How good a trained network is: error, negative log-likelihood and calibration, from its logits."""

import numpy as np

from keras_mixup.calibration import reliability


def error(logits, labels, top=1):
    """Share of the examples whose label's logit is not among the `top` largest, in percent.

    Of equal logits, those of the lower classes count as larger, as `argmax` has it.
    """
    ranked = np.argsort(-np.asarray(logits), axis=1, kind="stable")[:, :top]
    return 100.0 * float(np.mean(np.all(ranked != np.asarray(labels)[:, None], axis=1)))


def nll(logits, labels):
    """Mean negative log-likelihood of the labels, in nats."""
    logits = np.asarray(logits, "float64")
    logits = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    return float(np.mean(log_sum - logits[np.arange(len(labels)), labels]))


def ece(logits, labels, bins=15):
    """Expected calibration error, in percent: how far confidence is from accuracy, on average.

    The examples are sorted by confidence, the largest softmax probability, into bins of equal width; a confidence of
    exactly 1 belongs to the last bin. The error is the mean over the examples of |accuracy - confidence| of their bin.

    Args:
        logits: Array of shape `(examples, classes)`.
        labels: Integer array of shape `(examples,)`.
        bins: Number of bins; 15 in most papers. More bins give larger figures, so compare only like with like.

    Returns:
        A float from 0 to 100.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 3.
    """
    confidence, accuracy, count = reliability(logits, labels, bins)
    return 100.0 * float(np.nansum(count * np.abs(accuracy - confidence)) / count.sum())
