"""Differences, their intervals and what is said of them, against SciPy, NumPy and by hand."""

import numpy as np
import pytest
import scipy.stats

from keras_mixup.zoo import verdicts
from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.errors import UserError


def test_the_interval_and_the_test_of_a_difference_against_scipy():
    values = [-1.0, -0.5, 0.25, -2.0]
    found, oracle = verdicts.difference(values), scipy.stats.ttest_1samp(values, 0.0)
    assert found["p"] == pytest.approx(oracle.pvalue)
    assert found["interval"] == pytest.approx(list(oracle.confidence_interval(0.95)))
    assert found["values"] == values


@pytest.mark.parametrize("share", [0.25, 1 / 9])
def test_the_corrected_test_by_its_formula(share):
    """Nadeau and Bengio: t = mean / sqrt((1/n + n_test/n_train) variance), of n - 1 degrees of freedom."""
    values = np.array([-1.0, -0.5, 0.25, -2.0, -0.75])
    t = values.mean() / np.sqrt((1 / 5 + share) * values.var(ddof=1))
    found = verdicts.difference(list(values), share)
    assert found["p"] == pytest.approx(2 * scipy.stats.t.cdf(-abs(t), 4))
    reach = values.mean() / t * scipy.stats.t.ppf(0.975, 4)
    assert found["interval"] == pytest.approx([values.mean() - reach, values.mean() + reach])
    # The ends of the interval are where the test is at its limit.
    at_the_end = verdicts.difference(list(values - found["interval"][1]), share)
    assert at_the_end["p"] == pytest.approx(0.05)


def test_of_splits_that_overlap_the_plain_test_finds_too_much_and_the_corrected_one_does_not():
    """Ten splits, four to one, of 200 numbers around 0: the differences are the means of their test parts.

    Of a constant prediction the correlation of two splits is the share that tests, which the correction assumes.
    """
    random, found = np.random.default_rng(0), {0.0: 0, 0.25: 0}
    for _ in range(400):
        numbers = random.normal(size=200)
        values = [numbers[random.permutation(200)[:40]].mean() for _ in range(10)]
        for share in found:
            found[share] += verdicts.difference(values, share)["p"] < 0.05
    plain, corrected = (one / 400 for one in found.values())
    assert plain > 0.2 and corrected < 0.08


def run(seed, error, sizes=(120, 30)):
    return {"seed": seed, "error": error, **({"sizes": dict(zip(("training", "test"), sizes, strict=True))})}


def test_the_share_comes_from_the_sizes_of_the_splits_and_only_for_splits_that_overlap():
    rows = [run(0, 3.0), run(1, 5.0), run(2, 4.5), run(4, 9.9)], [run(0, 3.5), run(1, 4.0), run(2, 4.75), run(3, 0.0)]
    apart, split, folds = (verdicts.against(*rows, "error", splits) for splits in verdicts.TESTS)
    assert apart["values"] == split["values"] == [-0.5, 1.0, -0.25] and "share" not in apart
    assert split["share"] == folds["share"] == 0.25
    assert apart["interval"] == verdicts.difference(apart["values"])["interval"]
    assert split["interval"] == folds["interval"] == verdicts.difference(apart["values"], 0.25)["interval"]
    assert split["p"] > apart["p"]
    assert verdicts.against([run(0, 1.0)], [run(1, 1.0)], "error") is None


def test_without_the_sizes_there_is_no_interval_of_splits_that_overlap():
    old = [{"seed": seed, "error": error} for seed, error in enumerate([1.0, 2.0, 4.0])]
    zeros = [{"seed": seed, "error": 0.0} for seed in range(3)]
    found = verdicts.against(old, zeros, "error", "random")
    assert found["interval"] is None and found["p"] is None and found["values"] == [1.0, 2.0, 4.0]
    assert verdicts.against(old, zeros, "error", "apart")["interval"]
    with_measure = [{**result, "epochs_sizes": [90, 10]} for result in old]
    assert verdicts.against(with_measure, zeros, "error", "folds")["share"] == pytest.approx(1 / 9)


def test_the_words_name_every_test_that_was_used():
    def row(splits):
        return {"against_baseline": splits and {"splits": splits}}

    assert verdicts.in_words([row(None)]) == ""
    (plain,) = {verdicts.in_words(rows) for rows in ([row("apart")], [{"against_baseline": {"mean": 1.0}}])}
    assert "p < 0.05 in a paired t-test after Holm" in plain and "1/n" not in plain
    both = verdicts.in_words([row("random"), row("apart"), row(None)])
    assert "in a paired t-test, or a paired t-test for random splits (with 1/n + n_test/n_train for 1/n" in both
    assert "Nadeau and Bengio" in both and "folds" not in both
    assert "Bouckaert and Frank" in verdicts.in_words([row("folds")])


def test_a_source_says_how_its_splits_hang_together_or_is_refused():
    with pytest.raises(UserError, match="`splitting` should be one of apart, random, folds. Received: splitting=some"):
        Source(shape=(2,), classes=("a",), needs=("numpy", "numpy"), load=None, splitting="some")


@pytest.mark.parametrize("values", [[-1.0], [0.5, 0.5], [0.0, 0.0, 0.0]])
def test_without_a_spread_nothing_is_known_of_a_difference(values):
    found = verdicts.difference(values)
    assert found["interval"] is None and found["p"] is None


def test_holm():
    """By hand: 0.01 * 4, 0.02 * 3, then not less than before, then 0.5 * 1."""
    assert verdicts.holm([0.02, 0.5, 0.01, 0.025]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert verdicts.holm([0.6, None]) == [1.0, None] and verdicts.holm([]) == []


def judged(values, *others, published=(None, None)):
    """What is known of a row with these differences, in a table with some more."""

    def row(name, against, error=None):
        paper = None if error is None else {"error": error}
        return {"name": name, "baseline": "erm", "against_baseline": against, "published": paper}

    rows = [row("erm", None, published[0]), row("mixup", verdicts.difference(values), published[1])]
    rows += [row(f"other-{i}", verdicts.difference(other)) for i, other in enumerate(others)]
    verdicts.judge(rows)
    return rows[1]["against_baseline"]["verdict"]


def test_what_is_known_of_a_difference():
    clear, unsure = [-1.0, -1.1, -0.9, -1.05], [-1.0, 0.8, -0.5, 0.3]
    assert judged(clear) == "shown" and judged(unsure) == "open" and judged([-1.0]) == "open"
    # The interval of `unsure` is about -1.4 to 1.2: it reaches a published -1.3, and not a -2.5.
    assert judged(unsure, published=(5.0, 3.7)) == "open" and judged(unsure, published=(5.0, 2.5)) == "refuted"
    # A difference in the other direction is no confirmation.
    assert judged(clear, published=(5.0, 4.0)) == "shown" and judged(clear, published=(4.0, 5.0)) == "refuted"


def test_more_comparisons_ask_for_more():
    weak = [-1.0, -0.4, -1.6, -0.9, -0.3]  # p = 0.024
    assert judged(weak) == "shown" and judged(weak, [1.0, -1.2, 0.1], [0.3, -0.2, 0.1]) == "open"
