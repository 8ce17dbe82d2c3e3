"""The documents of the project, and how they are executed: README.md, the guides, the folders' own README.

A block of Python is run, in the namespace of those above it, and what it prints is compared with the block of `text`
right under it. If it raises, the last line of that is the error. A comment above a block changes that:

    <!-- not executed: why -->       is left out
    <!-- slow: why -->               is run where there is time, as are all blocks of a page that is run slowly
    <!-- numbers within 0.5: why --> may print other numbers, if they are no further away
"""

import contextlib
import doctest
import io
import pathlib
import re
import textwrap
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
README = ROOT / "README.md"
GUIDES = ROOT / "keras_mixup" / "guides"
PAGES = (README, ROOT / "keras_mixup" / "README.md", *sorted(GUIDES.glob("*.md")))
ALL = (*PAGES, ROOT / "keras_mixup" / "zoo" / "README.md")  # the zoo's is run by a test of its own
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
COLOR = re.compile(r"\x1b\[\d+m")  # Keras prints errors in bold
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not executed|slow|numbers within (?P<within>[\d.]+)): [^>]+-->\s*\n)?"
    r"^(?P<indent>[ ]*)```(?:python|py)\b[^\n]*\n(?P<code>.*?)^[ ]*```[ ]*\n"
    r"(?:\n?^[ ]*```text\n(?P<printed>.*?)^[ ]*```)?",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A block of Python in a document."""

    line: int  # how many lines stand before its first
    code: str
    printed: str  # what it prints
    slow: bool = False
    within: float = 0.0  # how far numbers may be off


def blocks(markdown):
    """The blocks of Python of a text that are to be executed."""
    found = []
    for match in BLOCK.finditer(markdown + "\n"):
        if match["mark"] != "not executed":
            line = markdown[: match.start("code")].count("\n")
            texts = [textwrap.dedent(match[name] or "") for name in ("code", "printed")]
            found.append(Block(line, *texts, match["mark"] == "slow", float(match["within"] or 0)))
    return found


def same(printed, got, within=0.0):
    """If a text is what was printed; `...` stands for anything, and numbers may be off by `within`."""
    if within:
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (printed, got)]
        near = [abs(a - b) <= within for a, b in zip(*numbers, strict=False)]
        if len(numbers[0]) != len(numbers[1]) or not all(near):
            return False
        printed, got = (NUMBER.sub("0", text) for text in (printed, got))
    return doctest.OutputChecker().check_output(printed, got, OPTIONS)


def execute(markdown, name, slow=True):
    """Run the blocks of a text one after another in one namespace.

    Args:
        markdown: The text.
        name: What to call it in tracebacks, whose line numbers are those of the text.
        slow: If False, blocks marked so are left out.

    Returns:
        The namespace.
    """
    namespace = {"__name__": "document"}
    for block in blocks(markdown):
        if block.slow and not slow:
            continue
        code = compile("\n" * block.line + block.code, name, "exec")
        with contextlib.redirect_stdout(io.StringIO()) as output:
            try:
                exec(code, namespace)
            except Exception as error:
                if not re.search(rf"^{type(error).__name__}: ", block.printed, re.MULTILINE):
                    raise
                print(f"{type(error).__name__}: {error}")
        got = COLOR.sub("", output.getvalue())
        if not same(block.printed, got, block.within):
            raise AssertionError(f"{name}, line {block.line}: should print\n{block.printed}\nReceived:\n{got}")
    return namespace


def words(path):
    """What a document says: its text without blocks of code."""
    return re.sub(r"^[ ]*```.*?^[ ]*```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """What a link can point at within a text, as GitHub names it."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", title)).lower().replace(" ", "-") for title in titles}


def links(text):
    """Where a text points."""
    return ["".join(link) for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)]
