"""The figures that a recipe's docstring quotes as its result are those of its table in `zoo/results`."""

import itertools
import json
import pathlib
import re

import numpy as np
import pytest

from keras_mixup import zoo
from keras_mixup.zoo import recipes, verdicts

RESULTS = pathlib.Path(zoo.__file__).parent / "results"
QUOTED = sorted(path.parent.name for path in RESULTS.glob("*/table.json") if path.parent.name in recipes.names())

# What is quoted and is not of the tables: of whom it is.
OTHERS = {
    "adversarial_small": {"80.8", "80.5", "75.8"},  # the same networks attacked at epsilon 1; the table has epsilon 4
    "cifar10_small": {"0.40", "4.17"},  # runs of the first two seeds on other cores, not kept
    "speech_test_clips": {"10.4"},  # the paper's LeNet, rounded
}


def figures(text):
    """The numbers with a decimal point before the first command, as they are printed; no version or arXiv numbers."""
    result = re.split(r"^ +keras-mixup ", text, maxsplit=1, flags=re.MULTILINE)[0]
    result = re.sub(r"`[^`]*`|\d{4}\.\d{5}|\d{4}-\d\d-\d\d", "", result)
    return re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", result)


def numbers(found):
    """All numbers in JSON."""
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from numbers(one)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield float(found)
    elif isinstance(found, str):
        yield from map(float, re.findall(r"\d+\.\d+", found))


def kept(table):
    """What a docstring may quote: all numbers of a table, and all differences and ratios of two rows' mean scores."""
    known = list(numbers(table))
    keys = {key for row in table["rows"] for key, value in row.items() if isinstance(value, dict) and "mean" in value}
    for key in keys:
        scores = [row[key] for row in table["rows"] if row.get(key)]
        for one, other in itertools.permutations(scores, 2):
            known += [one["mean"] - other["mean"], *([one["mean"] / other["mean"]] if other["mean"] else [])]
            if len(one["values"]) == len(other["values"]):
                difference = np.subtract(one["values"], other["values"])
                known += [difference.std(ddof=1)] if len(difference) > 1 else []
                known += verdicts.difference(difference)["interval"] or []
                known += list(difference)
    for row in table["rows"]:
        if row.get("published"):
            known += [row[row["headline"]]["mean"] - row["published"]["error"]]
    return np.abs([number for number in known if np.isfinite(number)])


def unknown(text, table):
    """The quoted figures that are not in the table, at the digits that are printed."""
    known = kept(table)

    def is_known(figure):
        half = 0.5 * 10.0 ** -len(figure.partition(".")[2])
        return np.min(np.abs(known - float(figure))) <= half * (1 + 1e-6)

    return [figure for figure in figures(text) if not is_known(figure)]


@pytest.mark.parametrize("name", QUOTED)
def test_quoted_figures_are_in_the_table(name):
    """Those of the recipes that it names in backticks count, too."""
    text = recipes.story(name)
    named = {name, *re.findall(r"`(\w+)`", text)} & {*QUOTED}
    tables = [json.loads((RESULTS / one / "table.json").read_text(encoding="utf-8")) for one in sorted(named)]
    missing = set.intersection(*(set(unknown(text, table)) for table in tables))
    assert missing <= OTHERS.get(name, set())


def test_a_wrong_figure_is_noticed():
    row = {"headline": "error", "error": {"mean": 3.187, "std": 0.2, "values": [3.1, 3.274]}}
    table = {"rows": [row, {**row, "error": {"mean": 2.66, "std": 0.1, "values": [2.5, 2.82]}}]}
    text = (
        "3.19 for ERM, 2.66 for mixup, 0.53 less (arXiv 1710.09412); 2026-11-21, `9.9`.\n\n    keras-mixup run a\n\n7.7"
    )
    assert figures(text) == ["3.19", "2.66", "0.53"] and unknown(text, table) == []
    assert unknown(text.replace("2.66", "2.76"), table) == ["2.76"]
