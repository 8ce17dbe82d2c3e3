"""Partners follow the rule they are named after: who may be met, and how often.

Frequencies are held against the uniform law by chi-squared tests at 1e-9, the probability that a correct rule fails.
The seeds are fixed, so a test that passed goes on passing until a rule, or a library's random stream, changes.
"""

import collections
import functools
import itertools
import math
import re

import keras
import numpy as np
import pytest
from scipy import stats

from keras_mixup import Batch, Mixup, pairing

FAILURE = 1e-9
CLASSES = np.array([0, 2, 0, 1, 2, 0, 2, 2], "int32")  # class 1 has one example only


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def eager(rule, size, seed, targets=None):
    return numpy(pairing.RULES[rule](size, seed, targets))


@functools.cache
def traced(rule, shape, dtype, **options):
    """A rule inside `tf.function`; where `shape` starts with None the batch size is unknown while tracing."""
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec(shape, dtype), tf.TensorSpec([2], tf.int32)], **options)
    def draw(targets, seed):
        return pairing.RULES[rule](shape[0] or tf.shape(targets)[0], seed, targets)

    return draw


def in_tensorflow(rule, size, seed, targets=None, known_size=False, **options):
    targets = np.zeros(size, "int32") if targets is None else targets
    shape = (size if known_size else None, *targets.shape[1:])
    return traced(rule, shape, targets.dtype.name, **options)(targets, [seed, 77]).numpy()


def in_xla(rule, size, seed, targets=None):
    return in_tensorflow(rule, size, seed, targets, jit_compile=True)


def in_xla_with_known_size(rule, size, seed, targets=None):
    return in_tensorflow(rule, size, seed, targets, known_size=True, jit_compile=True)


def in_jax(rule, size, seed, targets=None):
    if keras.backend.backend() != "jax":
        pytest.skip("jax.jit needs the JAX backend")
    import jax

    draw = jax.jit(lambda targets: pairing.RULES[rule](size, seed, targets))
    return np.asarray(draw(None if targets is None else jax.numpy.asarray(targets)))


def by_mode(*modes):
    return pytest.mark.parametrize("mode", modes, ids=lambda mode: mode.__name__)


def check_uniform(values, number):
    """Hold the frequencies of integers in [0, number) against the uniform law; fails by chance at 1e-9."""
    counts = np.bincount(values, minlength=number)
    assert len(counts) == number
    assert counts.sum() >= 10 * number, "too few draws for a chi-squared test"
    assert stats.chisquare(counts).pvalue > FAILURE, counts


def is_permutation(partner):
    return np.array_equal(np.sort(partner), np.arange(len(partner)))


def candidates(classes, same):
    """For each example, the others of its own class, or those of other classes."""
    rows = np.arange(len(classes))
    return [rows[((classes == c) == same) & (rows != i)] for i, c in enumerate(classes)]


@by_mode(eager, in_tensorflow, in_xla, in_xla_with_known_size, in_jax)
@pytest.mark.parametrize("size", [0, 1, 2, 5])
@pytest.mark.parametrize("rule", pairing.RULES)
def test_every_rule_gives_one_row_number_per_example(rule, size, mode):
    partner = mode(rule, size, 3, np.arange(size, dtype="int32") % 2)
    assert partner.dtype == np.int32
    assert partner.shape == (size,)
    assert ((partner >= 0) & (partner < size)).all()


@by_mode(eager, in_tensorflow, in_xla, in_jax)
@pytest.mark.parametrize("rule", ["shuffle", "derangement", "reverse", "roll"])
def test_rules_that_permute_use_everybody_once(rule, mode):
    sizes = (1, 2, 3, 50, 257) if mode is eager else (50,)
    for size, seed in itertools.product(sizes, (0, 1)):
        assert is_permutation(mode(rule, size, seed))


def test_shuffle_gives_each_permutation_of_three_equally_often():
    """Chi-squared over the six permutations; fails by chance at 1e-9."""
    order = {permutation: k for k, permutation in enumerate(itertools.permutations(range(3)))}
    check_uniform([order[tuple(eager("shuffle", 3, seed).tolist())] for seed in range(900)], len(order))


def test_shuffle_gives_each_permutation_of_four_equally_often_in_tensorflow():
    """Chi-squared over the 24 permutations; fails by chance at 1e-9."""
    tf = pytest.importorskip("tensorflow")
    seeds = tf.stack([tf.range(6000), tf.fill([6000], 5)], axis=1)
    partners = tf.function(lambda: tf.map_fn(lambda seed: pairing.shuffle(4, seed), seeds))().numpy()
    order = {permutation: k for k, permutation in enumerate(itertools.permutations(range(4)))}
    check_uniform([order[tuple(partner)] for partner in partners.tolist()], len(order))


def test_shuffle_of_a_large_batch_has_no_local_order():
    """Each run of four neighbours is in one of 24 orders, all alike (chi-squared, fails by chance at 1e-9)."""
    ranks = eager("shuffle", 40_000, 6).reshape(-1, 4).argsort(axis=1)
    order = {permutation: k for k, permutation in enumerate(itertools.permutations(range(4)))}
    check_uniform([order[tuple(rank)] for rank in ranks.tolist()], len(order))


def test_shuffle_meets_itself_once_per_batch_on_average():
    """Fixed points of random permutations are Poisson(1); the sum of 400 batches fails by chance at 1e-9."""
    fixed = sum((eager("shuffle", 30, seed) == np.arange(30)).sum() for seed in range(400))
    low, high = stats.poisson.ppf(FAILURE / 2, 400), stats.poisson.isf(FAILURE / 2, 400)
    assert low <= fixed <= high


@by_mode(eager, in_xla)
def test_derangement_has_no_fixed_points_and_one_cycle(mode):
    compiles = mode is in_xla or keras.backend.backend() == "jax"  # JAX compiles each size, even eagerly
    for size in (2, 3, 17) if compiles else range(2, 51):
        for seed in range(4):
            partner = mode("derangement", size, seed)
            assert is_permutation(partner)
            assert (partner != np.arange(size)).all()
            seen, row = set(), 0
            while row not in seen:
                seen.add(row)
                row = partner[row]
            assert len(seen) == size  # uniform over single cycles, as documented


def test_derangement_meets_each_of_the_others_equally_often():
    """Chi-squared for each of five rows; one of them fails by chance with probability 5e-9."""
    partners = np.array([eager("derangement", 5, seed) for seed in range(600)])
    for row in range(5):
        others = [j for j in range(5) if j != row]
        check_uniform([others.index(j) for j in partners[:, row]], 4)


def test_derangement_gives_each_cycle_of_four_equally_often():
    """Chi-squared over the six cycles of four; fails by chance at 1e-9."""
    counts = collections.Counter(tuple(eager("derangement", 4, seed).tolist()) for seed in range(900))
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > FAILURE, counts


@by_mode(eager, in_tensorflow, in_xla, in_jax)
def test_reverse_pairs_the_first_with_the_last(mode):
    assert mode("reverse", 5, 1).tolist() == [4, 3, 2, 1, 0]
    assert mode("reverse", 4, 1).tolist() == [3, 2, 1, 0]


@by_mode(eager, in_tensorflow, in_xla, in_jax)
def test_roll_pairs_each_example_with_the_one_before(mode):
    assert mode("roll", 5, 1).tolist() == [4, 0, 1, 2, 3]


@by_mode(eager, in_tensorflow, in_xla, in_jax)
@pytest.mark.parametrize("rule, same", [("same_class", True), ("other_class", False)])
def test_rules_by_class_keep_to_the_class(rule, same, mode):
    allowed = candidates(CLASSES, same)
    for seed in range(20 if mode is eager else 3):
        for row, partner in enumerate(mode(rule, len(CLASSES), seed, CLASSES)):
            assert partner in (allowed[row] if len(allowed[row]) else [row]), (row, partner)


@by_mode(eager, in_tensorflow, in_xla, in_jax)
@pytest.mark.parametrize(
    "rule, classes", [("same_class", [0, 1, 2, 3]), ("other_class", [7, 7, 7, 7]), ("other_class", [3])]
)
def test_an_example_without_candidates_keeps_itself(rule, classes, mode):
    assert mode(rule, len(classes), 1, np.array(classes, "int32")).tolist() == list(range(len(classes)))


@pytest.mark.parametrize("rule, same", [("same_class", True), ("other_class", False)])
def test_rules_by_class_meet_each_candidate_equally_often_in_small_batches(rule, same):
    """Chi-squared for each example with a choice; one of them fails by chance with probability under 1e-8."""
    partners = np.array([eager(rule, len(CLASSES), seed, CLASSES) for seed in range(250)])
    for row, allowed in enumerate(candidates(CLASSES, same)):
        if len(allowed) > 1:
            check_uniform([allowed.tolist().index(j) for j in partners[:, row]], len(allowed))


def test_same_class_meets_each_candidate_equally_often_in_large_batches():
    """6000 examples in scattered classes of four: which of the other three is met? Fails by chance at 1e-9."""
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(1500), 4)).astype("int32")
    members = [np.flatnonzero(classes == c) for c in range(1500)]
    partner = eager("same_class", len(classes), 8, classes)
    others = [[j for j in members[c] if j != i] for i, c in enumerate(classes)]
    check_uniform([rest.index(j) for rest, j in zip(others, partner, strict=True)], 3)


def test_other_class_meets_each_candidate_equally_often_in_large_batches():
    """The place of the partner among all candidates, in ten bins per class; fails by chance at 3e-9."""
    classes = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [300, 1500, 4200])).astype("int32")
    partner = eager("other_class", len(classes), 9, classes)
    for c in range(3):
        allowed = np.flatnonzero(classes != c)
        check_uniform(np.searchsorted(allowed, partner[classes == c]) * 10 // len(allowed), 10)


@by_mode(eager, in_tensorflow, in_xla, in_jax)
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "uint8"])
@pytest.mark.parametrize("rule", ["same_class", "other_class"])
def test_rows_of_targets_count_by_their_largest_entry(rule, dtype, mode):
    if mode is in_xla and dtype != "float32":
        pytest.skip("one dtype is enough to compile")
    soft = np.full((len(CLASSES), 3), 10)
    soft[np.arange(len(CLASSES)), CLASSES] = 30  # smoothed rows, whole numbers so that every dtype can hold them
    expected = mode(rule, len(CLASSES), 4, CLASSES)
    np.testing.assert_array_equal(mode(rule, len(CLASSES), 4, soft.astype(dtype)), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64"])
@pytest.mark.parametrize("rule", ["same_class", "other_class"])
def test_class_ids_may_have_any_integer_dtype(rule, dtype):
    expected = eager(rule, len(CLASSES), 4, CLASSES)
    np.testing.assert_array_equal(eager(rule, len(CLASSES), 4, CLASSES.astype(dtype)), expected)


@pytest.mark.parametrize("rule", ["same_class", "other_class"])
@pytest.mark.parametrize("shape", [(), (4, 2, 3)])
def test_targets_of_another_rank_are_refused_in_words(rule, shape):
    message = (
        "Mixing by class needs class labels: integers of shape `(batch,)` or rows of shape `(batch, classes)`. "
        f"Received: targets of shape {shape}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pairing.RULES[rule](4, 1, np.zeros(shape, "int32"))


@pytest.mark.parametrize("rule", ["shuffle", "derangement", "same_class", "other_class"])
def test_a_seed_fixes_the_partners_and_another_changes_them(rule):
    classes = np.arange(60, dtype="int32") % 3
    first, again, other = (eager(rule, 60, seed, classes) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_a_seed_generator_gives_new_partners_each_time():
    generator = keras.random.SeedGenerator(1)
    first, second = (numpy(pairing.shuffle(60, generator)) for _ in range(2))
    assert (first != second).mean() > 0.5


def test_a_rule_is_found_by_name_or_given_as_a_function():
    def nobody(size, seed, targets):
        return np.arange(size)

    assert pairing.rule(nobody) is nobody
    for name in ("shuffle", "derangement", "reverse", "roll", "same_class", "other_class"):
        assert pairing.rule(name) is getattr(pairing, name)


def test_a_rule_of_ones_own_gets_size_seed_and_targets():
    calls = []

    def to_the_first(size, seed, targets):
        calls.append((size, seed, targets))
        return np.zeros(size, "int32")

    targets = np.arange(5)
    draw = Mixup(0.4, pairing=to_the_first).draw(Batch(5, targets), seed=3)
    np.testing.assert_array_equal(numpy(draw.partner), np.zeros(5))
    [(size, seed, seen)] = calls
    assert size == 5
    assert seed is not None
    assert seen is targets


@pytest.mark.parametrize("name", ["Shuffle", "random", "", "rule", "_class_blocks", None, 3, ["shuffle"]])
def test_an_unknown_rule_is_refused_with_the_valid_names(name):
    message = (
        "`pairing` should be one of ['derangement', 'other_class', 'reverse', 'roll', 'same_class', 'shuffle'] or a "
        f"function `(size, seed, targets) -> partner`. Received: pairing={name!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pairing.rule(name)


@pytest.mark.parametrize("kind", ["int", "SeedGenerator", "TensorFlow"])
def test_weight_and_partner_are_uncorrelated(kind):
    """A shared random stream would show in one of these; 6.1 standard deviations of a normal law, 1e-9 each."""
    size, seed = 20_000, 11
    if kind == "SeedGenerator":
        seed = keras.random.SeedGenerator(seed)
    if kind == "TensorFlow":
        seed = pytest.importorskip("tensorflow").constant([11, 5])
    draw = Mixup(1.0, pairing="shuffle").draw(Batch(size), seed)
    weight, partner, row = numpy(draw.weight), numpy(draw.partner), np.arange(size)
    for share in (weight, np.abs(weight - 0.5)):
        for a, b in ((share, partner), (share[partner], row), (share, row), (row, partner)):
            assert abs(np.corrcoef(a, b)[0, 1]) < 6.1 / math.sqrt(size)
