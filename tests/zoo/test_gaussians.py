"""The overlapping Gaussians: drawn by the seed, with the moments they should have, and what is best for them."""

import numpy as np
import pytest

from keras_mixup.zoo import datasets
from keras_mixup.zoo.datasets import gaussians
from keras_mixup.zoo.errors import UserError


def arrays(split):
    (batch,) = split.batches(len(split)).as_numpy_iterator()
    return batch


@pytest.mark.parametrize("mu", gaussians.MEANS)
def test_classes_are_as_many_and_their_moments_right(mu):
    source = datasets.get(f"gaussians-{mu}")
    (x, y), (test_x, test_y) = map(arrays, source.load(0, 0, None))
    assert x.shape == (4000, 300) and test_x.shape == (1000, 300) and x.dtype == "float32"
    x, y = np.concatenate([x, test_x]), np.concatenate([y, test_y])
    assert np.bincount(y).tolist() == [2500, 2500]
    for label in (0, 1):
        part = x[y == label].astype("float64")
        assert part.mean() == pytest.approx(mu * label, abs=5 / np.sqrt(part.size))
        assert np.abs(part.mean(axis=0) - mu * label).max() < 5 / np.sqrt(2500)  # in every coordinate
        assert part.std() == pytest.approx(1.0, abs=0.005)
        covariance = np.cov(part, rowvar=False) - np.eye(300)
        assert np.abs(covariance).max() < 0.15
    assert np.array_equal(source.features(x[:2]), x[:2])


def test_they_are_drawn_by_the_seed():
    load = datasets.get("gaussians-0.1").load
    (x, y), (test_x, test_y) = map(arrays, load(0, 3, None))
    (again, _), (_, test_again) = map(arrays, load(0, 3, None))
    (other, _), _ = map(arrays, load(0, 4, None))
    assert np.array_equal(x, again) and np.array_equal(test_y, test_again) and not np.array_equal(x, other)
    assert {row.tobytes() for row in x}.isdisjoint({row.tobytes() for row in test_x})
    (few, few_y), (few_test, _) = map(arrays, load(100, 3, None))
    assert np.array_equal(few, x[:100]) and np.array_equal(few_y, y[:100]) and np.array_equal(few_test, test_x)


def test_all_overlaps_share_labels_and_noise():
    (x, y), (far, far_y) = (arrays(datasets.get(f"gaussians-{mu}").load(0, 1, None)[0]) for mu in (0.01, 0.25))
    assert np.array_equal(y, far_y)
    np.testing.assert_allclose(far - x, np.repeat(0.24 * y[:, None], 300, axis=1), atol=1e-6)


def test_more_than_there_are_is_refused():
    with pytest.raises(UserError) as error:
        datasets.get("gaussians-0.25").load(4001, 0, None)
    assert str(error.value) == "`train_size` should be at most 4000 for gaussians-0.25. Received: train_size=4001."


@pytest.mark.parametrize("flipped", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("mu", gaussians.MEANS)
def test_the_best_is_that_of_the_true_densities(mu, flipped):
    """On 200,000 points: log densities by SciPy, and labels that were flipped with that chance."""
    norm = pytest.importorskip("scipy.stats").norm
    random = np.random.default_rng(0)
    labels = random.integers(2, size=200_000)
    # Along the line through the means; across it the classes are the same.
    distance = mu * np.sqrt(300)
    x = random.normal(distance * labels)
    p = 1 / (1 + np.exp(norm.logpdf(x) - norm.logpdf(x, distance)))
    p = (1 - flipped) * p + flipped * (1 - p)
    given = np.where(random.random(len(labels)) < flipped, 1 - labels, labels)
    error, nll = gaussians.best(mu, flipped)
    assert error == pytest.approx(np.mean((p > 0.5) != given), abs=0.005)
    assert nll == pytest.approx(-np.mean(np.log(np.where(labels, p, 1 - p))), rel=0.02)


def test_the_best_is_exact():
    """Against an adaptive integral over x, from the density of a mix of the two classes."""
    integrate, norm = pytest.importorskip("scipy.integrate"), pytest.importorskip("scipy.stats").norm
    distance = 0.1 * np.sqrt(300)

    def surprise(x):
        return norm.pdf(x, distance) * np.logaddexp(0, norm.logpdf(x) - norm.logpdf(x, distance))

    expected, _ = integrate.quad(surprise, -10, 12, epsabs=1e-12)
    error, nll = gaussians.best(0.1)
    assert nll == pytest.approx(expected, rel=1e-9)
    assert error == pytest.approx(norm.cdf(-distance / 2), rel=1e-12)


def test_the_name_says_mu():
    assert gaussians.mean_of("gaussians-0.05") == 0.05
    assert gaussians.mean_of("fashion_mnist") is None
