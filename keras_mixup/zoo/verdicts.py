"""What is known of the differences between rows: their intervals, a test of each, and a word for it.

Which test fits is a matter of how the seeds draw their examples, which a `Source` says in `splitting`:

    "apart"     all seeds are tested on the same examples: paired t-test
    "random"    each seed splits the same examples anew, and most of them train: corrected resampled t-test
    "folds"     each seed tests on one fold of a cross-validation: likewise
"""

import numpy as np

CONFIDENCE = 0.95
_PAIRED = "paired t-test"
_CORRECTED = "with 1/n + n_test/n_train for 1/n in its variance, as training parts overlap"
TESTS = {
    "apart": _PAIRED,
    "random": f"{_PAIRED} for random splits ({_CORRECTED}: Nadeau and Bengio, 2003)",
    "folds": f"{_PAIRED} for the folds of a cross-validation ({_CORRECTED}: Bouckaert and Frank, 2004)",
}


def statistics(values):
    """Mean, standard deviation over n - 1, and the values themselves."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": spread, "values": list(values)}


def difference(values, share=0.0):
    """The difference between two rows, from those of the seeds that both have.

        mean ± t(0.975, n - 1) * std * sqrt(1 / n + share)

    Training sets that overlap make differences alike that chance should make unlike: a plain t-test, which takes them
    for independent, then finds too many. Without `share` it is that test.

    Args:
        values: The differences, seed by seed, n of them.
        share: How many examples test for each that trains, if the seeds divide the same examples among both; 0 if the
            seeds are independent. For k folds it is 1 / (k - 1).

    Returns:
        What `statistics` gives, and besides `interval`, in which the true mean lies with a confidence of 95 % if the
        differences are normal; and `p`, that of the two-sided test. Both are None where they are not defined: for a
        single seed, or if all seeds differ alike.

    Reference:
        Nadeau and Bengio, Inference for the Generalization Error (Machine Learning 52, 2003), section 3.3; Bouckaert
        and Frank, Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms (PAKDD 2004).
    """
    found = statistics(values)
    if not found["std"]:
        return {**found, "interval": None, "p": None}
    from scipy.stats import t

    freedom, error = len(values) - 1, found["std"] * (1.0 / len(values) + share) ** 0.5
    reach = float(t.ppf(0.5 + CONFIDENCE / 2.0, freedom)) * error
    p = 2.0 * float(t.sf(abs(found["mean"]) / error, freedom))
    return {**found, "interval": [found["mean"] - reach, found["mean"] + reach], "p": p}


def against(results, reference, score, splits="apart"):
    """The difference in a score between the runs of two rows, seed by seed.

    Args:
        results: What the runs of a row have in `result.json`.
        reference: The same of the row to compare with.
        score: Its name.
        splits: A key of `TESTS`.

    Returns:
        What `difference` gives, and `splits`; for overlapping splits also `share`, that of examples that test. None if
        there is no seed that both rows have. Runs from before the sizes of their splits were kept have no interval
        where it takes those.
    """
    values = {result["seed"]: result[score] for result in reference}
    pairs = [result[score] - values[result["seed"]] for result in results if result["seed"] in values]
    if not pairs:
        return None
    if splits == "apart":
        return {**difference(pairs), "splits": splits}
    kept = [sizes(result) for result in results]
    if None in kept:
        return {**statistics(pairs), "interval": None, "p": None, "splits": splits, "share": None}
    share = float(np.mean([one["test"] / one["training"] for one in kept]))
    return {**difference(pairs, share), "splits": splits, "share": share}


def sizes(result):
    """How many examples trained and tested in a run: a dict of `training` and `test`; None if that was not kept."""
    if "epochs_sizes" in result:  # so it was, where the measure `epochs` was taken
        return dict(zip(("training", "test"), result["epochs_sizes"], strict=True))
    return result.get("sizes")


def judge(rows):
    """Say of every comparison in a table what is known: its `verdict`, and the `p_holm` that it rests on.

    `"shown"`: there is a difference, by a p below 0.05 after Holm's correction for all comparisons of the table, and it
    has the sign of the published one, if there is one. `"refuted"`: not so, and the interval does not reach the
    published difference. `"open"`: neither.

    Args:
        rows: Those of a table, to which the two are added.

    Reference:
        Holm, A simple sequentially rejective multiple test procedure (Scandinavian Journal of Statistics 6, 1979).
    """
    compared = [
        (row["name"], other, found)
        for row in rows
        for other, found in ((row.get("baseline"), row["against_baseline"]), *row.get("against", {}).items())
        if found
    ]
    published = {row["name"]: row.get("published") and row["published"]["error"] for row in rows}
    corrected = holm([found["p"] for _, _, found in compared])
    for (name, other, found), p in zip(compared, corrected, strict=True):
        figures = published[name], published[other]
        effect = None if None in figures else figures[0] - figures[1]
        excluded = found["interval"] and effect and not found["interval"][0] <= effect <= found["interval"][1]
        shown = p is not None and p < 1.0 - CONFIDENCE and not (effect and effect * found["mean"] < 0)
        found["p_holm"] = p
        found["verdict"] = "shown" if shown else "refuted" if excluded else "open"


def holm(values):
    """Holm's correction of p-values: each times the number of those that are no smaller, and never falling.

    Args:
        values: The p-values; None where a test is not defined, which counts as 1.

    Returns:
        A list of the same length, with None in the same places.

    Example:

    >>> holm([0.02, 0.01, None])
    [0.04, 0.03, None]
    """
    corrected, largest = [None] * len(values), 0.0
    order = sorted((one, i) for i, one in enumerate(values) if one is not None)
    for rank, (one, i) in enumerate(order):
        largest = max(largest, min(1.0, one * (len(values) - rank)))
        corrected[i] = largest
    return corrected


def known(statistic, digits):
    """A difference as text: its mean, the interval around it, and what is known."""
    if statistic is None:
        return ""
    mean = f"{statistic['mean']:+.{digits}f}"
    if statistic["interval"] is None:
        return f"{mean} {statistic['verdict']}"
    return f"{mean} [{', '.join(f'{end:+.{digits}f}' for end in statistic['interval'])}] {statistic['verdict']}"


def in_words(rows):
    """How the differences of a table's rows were judged, for its reader; "" if there are none."""
    found = [row["against_baseline"] for row in rows if row.get("against_baseline")]
    if not found:
        return ""
    used = {one.get("splits", "apart") for one in found}  # older tables do not say, and had the first only
    tests = [test for splits, test in TESTS.items() if splits in used]
    return (
        f"with its 95 % interval (t): shown if p < 0.05 in a {', or a '.join(tests)} after Holm's correction for all "
        "differences of this table, refuted if the interval excludes the published difference, else open"
    )
