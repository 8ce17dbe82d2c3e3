"""Everything shown is executed: the examples of docstrings, and the Python of README.md and of the guides."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import textwrap

import documents
import pytest

import keras_mixup

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
        result = doctest.testmod(importlib.import_module(name), optionflags=documents.OPTIONS)
    assert result.failed == 0, output.getvalue()


def test_a_wrong_docstring_example_is_noticed():
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    runner = doctest.DocTestRunner(verbose=False, optionflags=documents.OPTIONS)
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


# --- Documents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", documents.PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_documents_do_what_they_say(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents.execute(path.read_text(encoding="utf-8"), str(path), slow=False)


SLOW = [path for path in documents.PAGES if any(b.slow for b in documents.blocks(path.read_text(encoding="utf-8")))]


@pytest.mark.slow
@pytest.mark.parametrize("path", SLOW, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_documents_do_what_they_say_slowly(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents.execute(path.read_text(encoding="utf-8"), str(path), slow=True)


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
  print("b is", b)
  ```

  ```text
  b is 2
  ```
<!-- slow: trains -->
```python
c = b + 1
```
<!-- numbers within 0.5: rounded otherwise elsewhere -->
```python
print(f"{b + 0.4} of {a}")
```
```text
2.0 of 1.4
```
```python
raise ValueError("first\\nsecond: 3")
```
```text
ValueError: ...second: 3
```
"""


def test_blocks_share_a_namespace_in_order():
    found = documents.blocks(SAMPLE)
    assert [(block.line, block.slow, block.within) for block in found] == [
        (2, False, 0),
        (15, False, 0),
        (24, True, 0),
        (28, False, 0.5),
        (34, False, 0),
    ]
    assert found[1][1:3] == ('b = a + 1\nprint("b is", b)\n', "b is 2\n")
    assert documents.execute(SAMPLE, "sample.md")["c"] == 3
    assert "c" not in documents.execute(SAMPLE, "sample.md", slow=False)


@pytest.mark.parametrize(
    ("there", "wrong"),
    [
        ("b is 2", "b is 3"),
        ("2.0 of 1.4", "2.0 of 1.6"),
        ("2.0 of 1.4", "2.0 off 1.4"),
        ("2.0 of 1.4", "2.0 of 1.4 and 3"),
        ("ValueError: ...", "TypeError: ..."),
        ("second: 3\n```\n", "second: 4\n```\n"),
        ("a = 1\n", "a = 1\nprint(a)\n"),
        ("c = b + 1", "c = gone"),
    ],
)
def test_a_document_that_is_wrong_is_noticed(there, wrong):
    assert SAMPLE.count(there) == 1
    with pytest.raises((AssertionError, NameError, ValueError)):
        documents.execute(SAMPLE.replace(there, wrong), "sample.md")
