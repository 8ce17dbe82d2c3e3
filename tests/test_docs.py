"""Everything shown is executed: the examples of docstrings, and the Python of README.md."""

import contextlib
import doctest
import importlib
import inspect
import io
import pathlib
import pkgutil
import re
import textwrap

import pytest

import keras_mixup

README = pathlib.Path(__file__).parent.parent / "README.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = ["keras_mixup"] + [
    module.name
    for module in pkgutil.walk_packages(keras_mixup.__path__, "keras_mixup.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert result.failed == 0, output.getvalue()


def test_a_wrong_docstring_example_is_noticed():
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    assert runner.run(example, out=lambda text: None).failed == 1


def sections(thing):
    """The sections of a Google-style docstring: their text by name."""
    text = inspect.getdoc(thing) or ""
    parts = re.split(r"^(Args|Call arguments|Returns|Raises|Example|Reference):[ ]*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def arguments(section):
    """The names listed under `Args:`."""
    return re.findall(r"^\*{0,2}(\w+):", textwrap.dedent(section.strip("\n")), flags=re.MULTILINE)


@pytest.mark.parametrize("name", keras_mixup.__all__)
def test_public_names_are_documented(name):
    thing = getattr(keras_mixup, name)
    found = sections(thing)
    parameters = list(inspect.signature(thing).parameters)
    assert inspect.getdoc(thing).splitlines()[0].endswith((".", ":"))
    assert arguments(found.get("Args", "")) == parameters
    if inspect.isfunction(thing):
        assert found["Returns"].strip()
    assert ">>> " in found.get("Example", "") or name in ("Draw", "MixReport", "mix_with")  # shown where made


def test_all_lists_what_the_contents_page_imports():
    shown = {name for name in vars(keras_mixup) if not name.startswith("_")}
    public = {name for name in shown if not inspect.ismodule(getattr(keras_mixup, name))}
    assert public == set(keras_mixup.__all__)
    assert keras_mixup.__all__ == sorted(keras_mixup.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", keras_mixup.__version__)


def python_blocks(markdown):
    """The Python blocks of a Markdown text, as pairs of line number and code.

    A block right under a comment `<!-- not executed: reason -->` is left out.
    """
    blocks = []
    pattern = (
        r"^(?P<skip><!-- not executed: [^>]+-->\s*\n)?(?P<indent>[ ]*)```(?:python|py)\b[^\n]*\n(?P<code>.*?)^[ ]*```"
    )
    for match in re.finditer(pattern, markdown, flags=re.MULTILINE | re.DOTALL):
        if not match["skip"]:
            blocks.append((markdown[: match.start("code")].count("\n"), textwrap.dedent(match["code"])))
    return blocks


def execute(markdown, name):
    """Run the blocks one after another in one namespace, with line numbers of the text in tracebacks."""
    namespace = {"__name__": "readme"}
    for line, code in python_blocks(markdown):
        exec(compile("\n" * line + code, name, "exec"), namespace)
    return namespace


@pytest.mark.parametrize(
    "path", [README, README.parent / "keras_mixup" / "README.md"], ids=lambda path: path.parent.name
)
def test_readme_code_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    text = path.read_text(encoding="utf-8")
    assert len(python_blocks(text)) >= (3 if path == README else 1), "an example for each door"
    execute(text, str(path))


SAMPLE = """# Title
```python
a = 1
```
text
```bash
exit 1
```
<!-- not executed: downloads a data set -->
```python
raise SystemExit
```
- item

  ```python
  b = a + 1
  ```
"""


def test_readme_blocks_share_a_namespace_in_order():
    assert python_blocks(SAMPLE) == [(2, "a = 1\n"), (15, "b = a + 1\n")]
    assert execute(SAMPLE, "sample.md")["b"] == 2


def test_a_wrong_readme_block_is_noticed():
    with pytest.raises(NameError, match="gone"):
        execute("```python\ngone\n```\n", "sample.md")
