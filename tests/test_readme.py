"""What README.md says besides its Python, which `test_docs.py` runs: commands, links, and the table of results."""

import importlib.util
import json
import pathlib
import re
import shlex

import numpy as np
import peers
import pytest
from scipy import stats

from keras_mixup import cli
from keras_mixup.zoo import recipes, sweeps, variants
from keras_mixup.zoo.recipe import override

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(text):
    """Every `keras-mixup` command of the text, in blocks of shell commands or between backticks, as lists of words."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(keras-mixup [^`]+)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        while "keras-mixup" in words:
            words = words[words.index("keras-mixup") + 1 :]
            yield words[: words.index("&&")] if "&&" in words else words


COMMANDS = [words for words in commands(TEXT) if "RECIPE" not in words]


def test_commands_are_found():
    sample = (
        "```bash\npip install x && keras-mixup run digits  # now\nA=1 keras-mixup list\n```\nor `keras-mixup show a`"
    )
    assert list(commands(sample)) == [["run", "digits"], ["list"], ["show", "a"]]
    assert {words[0] for words in COMMANDS} == {"list", "show", "run", "sweep", "evaluate", "preview", "bench"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_is_one(words):
    args = cli._parser(words).parse_args(words)
    if hasattr(args, "recipe"):
        recipe = override(recipes.get(args.recipe), getattr(args, "set", []))
        rows = getattr(args, "row", None)
        rows = variants.chosen(recipe, [rows] if isinstance(rows, str) else rows)
        if words[0] == "run":
            variants.extended(recipe, rows, args.alpha, args.method)
        if words[0] == "sweep":
            variants.grid(recipe, rows, sweeps.parse(args.values))
        if words[0] == "preview" and args.method:
            cli._to_show(args.method)


def test_each_option_that_it_names_is_one():
    for setting in re.findall(r"`--set ([^`]+)`", TEXT):
        override(recipes.get("digits"), shlex.split(setting))


def test_links_lead_somewhere():
    anchors = {
        re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    links = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", TEXT)
    assert links
    for link in map("".join, links):
        if link.startswith("#"):
            assert link[1:] in anchors
        elif not link.startswith("https://"):
            assert (ROOT / link).exists(), link


def test_what_is_said_of_other_libraries_is_what_is_tested():
    assert peers.table() in TEXT, "paste `peers.table()`"


def test_every_recipe_has_its_place():
    (table,) = re.findall(r"^\| recipe \| what it reruns .*?\n\n", TEXT, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", table)) >= set(recipes.names())


@pytest.fixture(scope="module")
def results():
    spec = importlib.util.spec_from_file_location("results", ROOT / ".ci" / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_all_effects_is_that_of_the_committed_results(results):
    assert results.kept() == results.drawn(results.effects()), "Run `python .ci/results.py`."
    page = (ROOT / "keras_mixup" / "zoo" / "README.md").read_text(encoding="utf-8")
    assert str(results.PICTURE.relative_to(ROOT / "keras_mixup" / "zoo")) in page


def test_effects_are_in_percent_of_the_score_without(results):
    """The digits under attack, and a table whose splits overlap, computed once more."""
    found = {(one["group"], one["title"]): one for one in results.effects()}
    rows = {}
    for name in ("digits_attacked", "tabular"):
        text = (ROOT / f"keras_mixup/zoo/results/{name}/table.json").read_text(encoding="utf-8")
        rows[name] = {row["name"]: row for row in json.loads(text)["rows"]}
    one, two = (np.array(rows["digits_attacked"][row]["white_fgsm"]["values"]) for row in ("erm", "mixup-0.2"))
    attacked = found["Attacked, white box", "digits, FGSM"]
    assert attacked["mean"] == pytest.approx(100 * (two - one).mean() / one.mean())
    ends = stats.t.interval(0.95, len(one) - 1, (two - one).mean(), stats.sem(two - one))
    np.testing.assert_allclose(attacked["interval"], 100 * np.array(ends) / one.mean())
    assert attacked["published"] == pytest.approx(100 * (75.2 / 90.7 - 1)) and not attacked["same"]
    one, two = (np.array(rows["tabular"][row]["error"]["values"]) for row in ("arcene-erm", "arcene-mixup-0.2"))
    error = np.std(two - one, ddof=1) * np.sqrt(1 / len(one) + 0.25)
    ends = stats.t.interval(0.95, len(one) - 1, (two - one).mean(), error)
    arcene = found["Tables, as in mixup", "Arcene"]
    np.testing.assert_allclose(arcene["interval"], 100 * np.array(ends) / one.mean())
    assert arcene["verdict"] == "refuted" and not ends[0] <= 48.0 - 57.6 <= ends[1]


def test_results_are_those_that_are_committed(results):
    assert results.written(TEXT) == TEXT, "Run `python .ci/results.py`."
    assert results.written(TEXT.replace("| 300 digits", "| 301 digits").replace("2.66 ± 0.75", "2.65 ± 0.75")) == TEXT
