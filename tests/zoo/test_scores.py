"""Error, NLL and ECE against cases computed by hand and against NumPy."""

import numpy as np
import pytest

from keras_mixup.zoo import scores


def logits_of(confidences):
    """Two-class logits that predict class 0 with these confidences."""
    p = np.asarray(confidences, "float64")
    return np.stack([np.log(p), np.log1p(-p)], axis=1).astype("float32")


def test_error_in_percent():
    assert scores.error(np.array([[2.0, 1], [0, 3], [5, 4], [1, 0]]), np.array([0, 1, 1, 0])) == 25.0


def test_nll_by_hand_and_where_a_softmax_underflows():
    assert scores.nll(logits_of([0.9, 0.6]), np.array([0, 1])) == pytest.approx(
        -(np.log(0.9) + np.log(0.4)) / 2, rel=1e-6
    )
    assert scores.nll(np.array([[1000.0, 0.0]], "float32"), np.array([1])) == 1000.0


def test_ece_by_hand():
    # Bins of width 1/15: the two of 0.9 share one, where half are right; 0.62 and 0.68 do not (of 10 they would).
    expected = 0.5 * abs(0.5 - 0.9) + 0.25 * abs(1 - 0.62) + 0.25 * abs(0 - 0.68)
    got = scores.ece(logits_of([0.9, 0.9, 0.62, 0.68]), np.array([0, 1, 0, 1]))
    assert got == pytest.approx(100 * expected, rel=1e-5)


def test_ece_counts_a_confidence_of_exactly_one_in_the_last_bin():
    certain = np.array([[200.0, 0.0], [200.0, 0.0]], "float32")
    assert scores.ece(certain, np.array([1, 0])) == pytest.approx(50.0)
    # Together with 0.95, of the same bin: half are right at a mean confidence of 0.975.
    both = np.concatenate([certain[:1], logits_of([0.95])])
    assert scores.ece(both, np.array([1, 0])) == pytest.approx(47.5, rel=1e-5)


def test_ece_of_a_perfectly_calibrated_toy_is_zero():
    labels = np.array([0] * 3 + [1])
    assert scores.ece(logits_of([0.75] * 4), labels) == pytest.approx(0.0, abs=1e-4)


def test_ece_against_numpy():
    random = np.random.default_rng(0)
    logits = (3 * random.normal(size=(2000, 10))).astype("float32")
    # Half of the labels are the prediction, so confidence is too low in some bins and too high in others.
    labels = np.where(random.random(2000) < 0.5, logits.argmax(1), random.integers(10, size=2000))
    p = np.exp(logits - logits.max(1, keepdims=True))
    confidence = (p / p.sum(1, keepdims=True)).max(1)
    right = logits.argmax(1) == labels
    bins = np.minimum((confidence * 15).astype(int), 14)
    expected = sum(abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in range(15)) / len(labels)
    assert scores.ece(logits, labels) == pytest.approx(100 * expected, rel=1e-4)
