"""What the documents say besides their Python, which `test_docs.py` runs: commands, links, pictures, tables."""

import importlib.util
import json
import re
import shlex
import struct

import documents
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from keras_mixup import cli
from keras_mixup.zoo import recipes, sweeps, variants
from keras_mixup.zoo.recipe import override

TEXTS = {path: path.read_text(encoding="utf-8") for path in documents.ALL}
RECIPES, RESULTS = (documents.GUIDES / name for name in ("recipes.md", "results.md"))


def commands(text):
    """Every `keras-mixup` command of the text, in blocks of shell commands or between backticks, as lists of words."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(keras-mixup [^`]+)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        while "keras-mixup" in words:
            words = words[words.index("keras-mixup") + 1 :]
            yield words[: words.index("&&")] if "&&" in words else words


# The zoo's page has files of its own, and a test of its own that runs it.
COMMANDS = [words for text in list(TEXTS.values())[:-1] for words in commands(text) if not {"RECIPE", "..."} & {*words}]
COMMANDS = [list(words) for words in sorted(set(map(tuple, COMMANDS)))]


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
    for setting in re.findall(r"`--set ([^`]+)`", TEXTS[RECIPES]):
        override(recipes.get("digits"), shlex.split(setting))


def test_readme_is_short_and_holds_the_two_commands():
    lines = TEXTS[documents.README].splitlines()
    assert len(lines) <= 150
    assert 'pip install -e ".[zoo]" && keras-mixup run digits' in lines
    assert 'pip install -e ".[test]" && pytest -n 2 --dist loadfile' in lines
    assert 'pip install --quiet -e ".[test]" && pytest -n 2 --dist loadfile' in (
        documents.ROOT / ".ci" / "run"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_links_lead_somewhere(path):
    for link in documents.links(documents.words(path)):
        file, _, anchor = link.partition("#")
        if not link.startswith("https://"):
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), link
            assert not anchor or anchor in documents.anchors(target.read_text(encoding="utf-8")), link


def test_the_readme_leads_to_every_guide():
    found = {link.partition("#")[0] for link in documents.links(TEXTS[documents.README])}
    assert {path.relative_to(documents.ROOT).as_posix() for path in documents.GUIDES.glob("*.md")} <= found


def test_no_picture_is_taller_than_a_screen():
    shown = 0
    for path, text in TEXTS.items():
        for source, width in re.findall(r"<img src=\"([^\"]+)\" width=\"(\d+)\" alt=\"[^\"]+\">", text):
            header = (path.parent / source).read_bytes()[:24]
            assert header[:8] == b"\x89PNG\r\n\x1a\n"
            wide, high = struct.unpack(">II", header[16:])
            assert high * int(width) / wide <= 900 and wide >= int(width), source
            shown += 1
        assert text.count("<img ") == len(re.findall(r"<img src=\"[^\"]+\" width=\"\d+\" alt=\"[^\"]+\">", text))
    assert shown > 5


def test_every_recipe_has_its_place():
    (table,) = re.findall(r"^\| recipe \| what it reruns .*?\n\n", TEXTS[RECIPES], re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", table)) >= set(recipes.names())


@pytest.fixture(scope="module")
def results():
    spec = importlib.util.spec_from_file_location("results", documents.ROOT / ".ci" / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_all_effects_is_that_of_the_committed_results(results):
    assert results.kept() == results.drawn(results.effects()), "Run `python .ci/results.py`."
    page = (documents.ROOT / "keras_mixup" / "zoo" / "README.md").read_text(encoding="utf-8")
    assert str(results.PICTURE.relative_to(documents.ROOT / "keras_mixup" / "zoo")) in page


def test_effects_are_in_percent_of_the_score_without(results):
    """The digits under attack, and a table whose splits overlap, computed once more."""
    found = {(one["group"], one["title"]): one for one in results.effects()}
    rows = {}
    for name in ("digits_attacked", "tabular_published"):
        text = (documents.ROOT / f"keras_mixup/zoo/results/{name}/table.json").read_text(encoding="utf-8")
        rows[name] = {row["name"]: row for row in json.loads(text)["rows"]}
    one, two = (np.array(rows["digits_attacked"][row]["white_fgsm"]["values"]) for row in ("erm", "mixup-0.2"))
    attacked = found["Attacked, white box", "digits, FGSM"]
    assert attacked["mean"] == pytest.approx(100 * (two - one).mean() / one.mean())
    ends = stats.t.interval(0.95, len(one) - 1, (two - one).mean(), stats.sem(two - one))
    np.testing.assert_allclose(attacked["interval"], 100 * np.array(ends) / one.mean())
    assert attacked["published"] == pytest.approx(100 * (75.2 / 90.7 - 1)) and not attacked["same"]
    rows = rows["tabular_published"]
    one, two = (np.array(rows[row]["error"]["values"]) for row in ("arcene-erm", "arcene-mixup-0.2"))
    error = np.std(two - one, ddof=1) * np.sqrt(1 / len(one) + 0.25)
    ends = stats.t.interval(0.95, len(one) - 1, (two - one).mean(), error)
    arcene = found["Tables, as in mixup", "Arcene"]
    np.testing.assert_allclose(arcene["interval"], 100 * np.array(ends) / one.mean())
    assert arcene["verdict"] == "refuted" and not ends[0] <= 48.0 - 57.6 <= ends[1]


def test_results_are_those_that_are_committed(results):
    text = TEXTS[RESULTS]
    assert results.PAGE == RESULTS and results.written(text) == text, "Run `python .ci/results.py`."
    spoilt = re.sub(r"\d\.\d\d ± \d\.\d\d", "9.99 ± 9.99", text, count=1)
    assert spoilt != text and results.written(spoilt) == text


def test_the_pictures_are_what_draws_them(tmp_path):
    spec = importlib.util.spec_from_file_location("pictures", documents.ROOT / ".ci" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    pictures.draw(tmp_path)
    there = documents.GUIDES / "pictures"
    assert pictures.FOLDER == there
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in there.iterdir()}
    for path in there.iterdir():
        drawn, kept = (np.asarray(Image.open(one).convert("RGB"), float) for one in (tmp_path / path.name, path))
        assert drawn.shape == kept.shape
        assert abs(drawn - kept).mean() < 8, path.name  # fonts differ; another draw is further away
