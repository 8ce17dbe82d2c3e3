"""The weights follow the Beta law they promise, in every mode and under every dtype policy.

Draws are compared with SciPy's and TensorFlow Probability's distribution functions by exact binomial bounds: each test
says how likely a correct sampler is to fail it. The seeds are fixed, so a test that passed goes on passing until the
sampler, or a library's random stream, changes.
"""

import json
import math
import re

import keras
import numpy as np
import pytest
from scipy import stats

from keras_mixup import weights

ALPHAS = [0.001, 0.01, 0.1, 0.2, 1.0, 4.0, 32.0]
INSIDE = np.concatenate([[0.001, 0.003, 0.01, 0.03], np.linspace(0.07, 0.93, 23), [0.97, 0.99, 0.997, 0.999]])
TAIL = np.array([1e-20, 1e-12, 1e-6, 1e-4])  # near 1 float32 has no such numbers, so inside and the lower tail only
FAILURE = 1e-9


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def tensorflow_seed(seed):
    tf = pytest.importorskip("tensorflow")
    return tf.constant([seed, 77], "int32")


def long_tensorflow_seed(seed):
    tf = pytest.importorskip("tensorflow")
    return tf.constant([seed + 2**40, 77], "int64")


def compiled_beta(size, alpha, seed, **options):
    tf = pytest.importorskip("tensorflow")
    return tf.function(lambda s: weights.beta(size, alpha, s), **options)(tensorflow_seed(seed))


def jax_compiled_beta(size, alpha, seed):
    if keras.backend.backend() != "jax":
        pytest.skip("jax.jit needs the JAX backend")
    import jax

    return jax.jit(lambda: weights.beta(size, alpha, seed))()


MODES = {
    "eager": weights.beta,
    "eager, TensorFlow seed": lambda size, alpha, seed: weights.beta(size, alpha, tensorflow_seed(seed)),
    "eager, SeedGenerator": lambda size, alpha, seed: weights.beta(size, alpha, keras.random.SeedGenerator(seed)),
    "tf.function": compiled_beta,
    "tf.function, XLA": lambda size, alpha, seed: compiled_beta(size, alpha, seed, jit_compile=True),
    "jax.jit": jax_compiled_beta,
}


def check_cdf(sample, points, cdf, failure=FAILURE):
    """Hold the number of draws up to each point against its binomial law, all points together failing by `failure`."""
    each = failure / len(points) / 2
    counts = np.array([(sample <= point).sum() for point in points])
    low, high = stats.binom.ppf(each, len(sample), cdf), stats.binom.isf(each, len(sample), cdf)
    bad = (counts < low) | (counts > high)
    table = [
        f"P(w <= {p:g}) is {c / len(sample):.6f}, not {f:.6f}" for p, c, f in zip(points, counts, cdf, strict=True)
    ]
    assert not bad.any(), "\n".join(np.array(table)[bad])


def bernstein(n, variance, bound, failure=FAILURE):
    """How far the mean of n terms may stray, each within `bound` of its expectation and of that variance."""
    log = math.log(2 / failure)
    return (bound * log / 3 + math.sqrt((bound * log / 3) ** 2 + 2 * n * variance * log)) / n


def check_symmetric_beta(sample, alpha):
    """CDF on a grid inside (0.001, 0.999) and at the lower tail, and variance; fails by 2e-9 if all is well."""
    assert sample.dtype == np.float32
    assert not np.isnan(sample).any()
    assert (sample >= 0).all()
    assert (sample <= 1).all()
    points = np.concatenate([TAIL, INSIDE])
    check_cdf(sample, points, stats.beta.cdf(points, alpha, alpha))
    variance = 1 / (4 * (2 * alpha + 1))
    # The variance of (w - 1/2)^2, from the excess kurtosis -6 / (2 alpha + 3) of the law.
    spread = (2 - 6 / (2 * alpha + 3)) * variance**2
    margin = bernstein(len(sample), spread, 0.25)
    assert ((sample.astype("float64") - 0.5) ** 2).mean() == pytest.approx(variance, abs=margin)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_cdf_and_variance_agree_with_scipy(alpha):
    """A correct sampler fails with probability 2e-9 per alpha (binomial and Bernstein bounds, 600 000 draws)."""
    check_symmetric_beta(numpy(weights.beta(600_000, alpha, seed=20)), alpha)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_cdf_and_variance_agree_with_tensorflow_probability(alpha):
    """A correct sampler fails with probability 2e-9 per alpha (binomial and Bernstein bounds, 300 000 draws)."""
    tfp = pytest.importorskip("tensorflow_probability")
    law = tfp.distributions.Beta(np.float64(alpha), np.float64(alpha))
    sample = numpy(weights.beta(300_000, alpha, seed=21)).astype("float64")
    check_cdf(sample, INSIDE, law.cdf(INSIDE).numpy())
    square = (sample - 0.5) ** 2
    margin = bernstein(len(sample), (2 - 6 / (2 * alpha + 3)) * float(law.variance()) ** 2, 0.25)
    assert square.mean() == pytest.approx(float(law.variance()), abs=margin)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 4.0])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_draws_from_the_same_law(mode, alpha):
    """A correct sampler fails with probability 2e-9 per case; XLA's random numbers are others, so laws are compared."""
    check_symmetric_beta(numpy(MODES[mode](200_000, alpha, 22)), alpha)


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0])
@pytest.mark.parametrize(
    "policy, floatx",
    [("mixed_float16", None), ("mixed_bfloat16", None), ("float16", None), (None, "float16"), (None, "float64")],
)
def test_weights_stay_float32_under_any_policy(policy, floatx, alpha):
    """In float16, 83 % of the weights of alpha 0.01 would be exactly 1/2. Fails by chance with probability 2e-9."""
    if policy:
        keras.config.set_dtype_policy(policy)
    if floatx:
        keras.config.set_floatx(floatx)
    check_symmetric_beta(numpy(weights.beta(100_000, alpha, seed=23)), alpha)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_no_atom_at_one_half(alpha):
    """The gamma ratio puts 84 % there at alpha 0.001. Below 1 draw in a million is expected; ten have chance 1e-9."""
    assert (numpy(weights.beta(1_000_000, alpha, seed=24)) == 0.5).sum() <= 10


@pytest.mark.parametrize("alpha", [0.001, 0.2, 32.0])
def test_both_sides_are_alike(alpha):
    """`w` and `1 - w` have one law, and the side does not depend on the distance. Fails by chance at 1e-9."""
    sample = numpy(weights.beta(400_000, alpha, seed=25))
    inner = sample[(sample > 0.25) & (sample < 0.75)]
    for part in (sample, inner):
        ahead = int((part > 0.5).sum())
        assert stats.binomtest(ahead, len(part), 0.5).pvalue > 5e-10, (ahead, len(part))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_neighbours_are_independent(alpha):
    """Lag-one correlation; 6.1 standard deviations of a normal law, 1e-9."""
    sample = numpy(weights.beta(200_000, alpha, seed=26))
    for a, b in ((sample[:-1], sample[1:]), (abs(sample[:-1] - 0.5), abs(sample[1:] - 0.5))):
        assert abs(np.corrcoef(a, b)[0, 1]) < 6.1 / math.sqrt(len(a))


@pytest.mark.parametrize("mode", MODES)
def test_alpha_zero_is_exactly_one_everywhere(mode):
    weight = numpy(MODES[mode](1000, 0, 3))
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, np.ones(1000))


@pytest.mark.parametrize("alpha", [1e-300, 1e-45, 1e-30, 1e-6])
@pytest.mark.parametrize("mode", ["eager", "tf.function, XLA"])
def test_tiny_alpha_takes_one_side_whole(mode, alpha):
    """Half of the weights are 0 and half are 1; each count strays by chance with probability 1e-9."""
    sample = numpy(MODES[mode](1_000_000, alpha, 27))
    assert not np.isnan(sample).any()
    assert (np.minimum(sample, 1 - sample) > 1e-6).mean() < 1e-3
    check_cdf(sample, [0.3], [0.5])


@pytest.mark.parametrize("alpha", [1e6, 1e30, 1e300])
@pytest.mark.parametrize("mode", ["eager", "tf.function, XLA"])
def test_huge_alpha_crowds_around_one_half(mode, alpha):
    sample = numpy(MODES[mode](1_000_000, alpha, 28))
    assert not np.isnan(sample).any()
    assert np.abs(sample - 0.5).max() < 8 / math.sqrt(8 * alpha) + 1e-7  # eight standard deviations


@pytest.mark.parametrize("size", [0, 1, 2, 7])
@pytest.mark.parametrize("mode", MODES)
def test_one_weight_per_example(mode, size):
    weight = numpy(MODES[mode](size, 0.4, 1))
    assert weight.shape == (size,)
    assert weight.dtype == np.float32


@pytest.mark.parametrize("alpha", [0, 0.4])
def test_the_size_may_be_a_tensor(alpha):
    tf = pytest.importorskip("tensorflow")
    draw = tf.function(lambda x, s: weights.beta(tf.shape(x)[0], alpha, s), input_signature=[
        tf.TensorSpec([None, 3]), tf.TensorSpec([2], tf.int32)
    ])  # fmt: skip
    for size in (0, 1, 5):
        assert draw(tf.zeros((size, 3)), tensorflow_seed(1)).shape == (size,)


@pytest.mark.parametrize("alpha", [np.float32(0.2), np.float64(0.2), np.int64(1), 1])
def test_alpha_may_be_any_real_number(alpha):
    weight = numpy(weights.beta(50, alpha, seed=5))
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, numpy(weights.beta(50, float(alpha), seed=5)))


@pytest.mark.parametrize("mode", MODES)
def test_a_seed_fixes_the_draw_and_another_changes_it(mode):
    first, again, other = (numpy(MODES[mode](100, 0.5, seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_a_seed_generator_gives_a_new_draw_each_time():
    generator = keras.random.SeedGenerator(9)
    first, second = (numpy(weights.beta(100, 0.5, generator)) for _ in range(2))
    assert (first != second).mean() > 0.9


def test_a_graph_draws_the_same_numbers_as_eager_code():
    graph, eager = (numpy(MODES[mode](1000, 0.2, 3)) for mode in ("tf.function", "eager, TensorFlow seed"))
    np.testing.assert_allclose(graph, eager, atol=3e-7)  # TensorFlow's graph optimizer may round otherwise


@pytest.mark.parametrize(
    "alpha, shown",
    [
        (-1.0, "-1.0"),
        (-1e-9, "-1e-09"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (True, "True"),
        (False, "False"),
        ("0.2", "'0.2'"),
        (None, "None"),
        ([0.2], "[0.2]"),
        ((0.2, 0.2), "(0.2, 0.2)"),
        (1j, "1j"),
    ],
)
def test_a_bad_alpha_is_refused_in_words(alpha, shown):
    message = (
        "`alpha` should be a finite number >= 0, or an object with `sample(shape, seed=...)` such as a "
        f"`tfp.distributions` distribution. Received: alpha={shown}."
    )
    for draw in (weights.beta, weights.draw):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            draw(4, alpha, 1)


class Triangular:
    """A law that is not of any library: what `sample` receives is kept."""

    def sample(self, shape, seed):
        self.shape, self.seed = shape, numpy(seed)
        return np.random.default_rng(np.atleast_1d(self.seed)).triangular(0, 0.3, 1, shape)


def test_any_object_that_samples_may_stand_in_for_alpha():
    law = Triangular()
    weight = numpy(weights.draw(6, law, seed=4))
    assert weight.dtype == np.float32  # the sample is float64
    assert law.shape == (6,)
    np.testing.assert_array_equal(weight, law.sample((6,), law.seed).astype("float32"))


def tfp_beta():
    tfp = pytest.importorskip("tensorflow_probability")
    return tfp.distributions.Beta(2.0, 5.0)


def tfp_draw_in_graph(size, law, seed):
    tf = pytest.importorskip("tensorflow")
    return tf.function(lambda s: weights.draw(size, law, s))(tensorflow_seed(seed))


TFP_MODES = {
    "int": weights.draw,
    "SeedGenerator": lambda size, law, seed: weights.draw(size, law, keras.random.SeedGenerator(seed)),
    "TensorFlow seed": lambda size, law, seed: weights.draw(size, law, tensorflow_seed(seed)),
    "int64 TensorFlow seed": lambda size, law, seed: weights.draw(size, law, long_tensorflow_seed(seed)),
    "tf.function": tfp_draw_in_graph,
}


@pytest.mark.parametrize("mode", TFP_MODES)
def test_a_tfp_distribution_may_stand_in_for_alpha(mode):
    """Beta(2, 5) is lopsided: its mirror image fails. A correct sampler fails with probability 1e-9."""
    sample = numpy(TFP_MODES[mode](50_000, tfp_beta(), 12))
    assert sample.dtype == np.float32
    assert sample.shape == (50_000,)
    check_cdf(sample, INSIDE, stats.beta.cdf(INSIDE, 2, 5))
    assert sample.mean() == pytest.approx(2 / 7, abs=bernstein(len(sample), 10 / (49 * 8), 1.0))


@pytest.mark.parametrize("mode", TFP_MODES)
def test_a_tfp_distribution_honours_the_seed(mode):
    first, again, other = (numpy(TFP_MODES[mode](100, tfp_beta(), seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


@pytest.mark.parametrize("mode", TFP_MODES)
@pytest.mark.parametrize("alpha", [0.25, 0.75])
def test_folded_weights_follow_the_truncated_law(alpha, mode):
    """P(max(w, 1 - w) <= x) = 2 F(x) - 1 from 1/2 on. A correct sampler fails with probability 1e-9 per case."""
    sample = numpy(TFP_MODES[mode](100_000, weights.Folded(alpha), 12))
    assert sample.dtype == np.float32 and sample.shape == (100_000,)
    assert sample.min() >= 0.5
    points = INSIDE[INSIDE > 0.5]
    check_cdf(sample, points, 2 * stats.beta.cdf(points, alpha, alpha) - 1)


def test_folding_takes_the_larger_share_of_the_same_draw():
    weight = numpy(weights.draw(1000, 0.4, seed=9))
    folded = numpy(weights.draw(1000, weights.Folded(0.4), seed=9))
    np.testing.assert_array_equal(folded, np.maximum(weight, 1 - weight))
    assert 300 < (folded != weight).sum() < 700
    assert (numpy(weights.draw(6, weights.Folded(0), seed=1)) == 1.0).all()


@pytest.mark.parametrize("alpha", [-0.1, math.inf, math.nan, True, "0.2", None, Triangular()])
def test_only_a_number_is_folded(alpha):
    with pytest.raises(ValueError, match=r"^`alpha` should be a finite number >= 0\. Received: alpha="):
        weights.Folded(alpha)


def test_a_folded_law_is_saved():
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(weights.Folded(0.75))))
    assert keras.saving.deserialize_keras_object(config) == weights.Folded(0.75)
