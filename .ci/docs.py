"""Build the site: README.md, the guides, notebooks, tables of results and the API, by Sphinx and without the internet.

`python .ci/docs.py FOLDER`, then open `FOLDER/index.html`. Its pages load nothing from elsewhere, and search works from
the disk. What stands beside the package in the repository is laid out in a temporary folder as it lies there, so that
links which work on a page of the repository work on the site.
"""

import base64
import inspect
import os
import pathlib
import pkgutil
import re
import shutil
import sys
import tempfile

import nbformat
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

import keras_mixup
from keras_mixup import types, zoo

ROOT = pathlib.Path(__file__).parent.parent
# Guides in the order of reading; those that are not there are left out.
GUIDES = (
    ("Guides", "start doors mixed methods metrics gans loaders"),
    ("Your own", "own_method recipes ../zoo/README machines"),
    ("When it goes wrong", "troubleshooting migration ../README"),
    ("The project", "results changes contributing"),
)
# The API by what one wants to do.
API = (
    ("mix", "Mix batches", "MixupLayer MixLayer mixup mix_with c_mixup MixupModel"),
    (
        "methods",
        "Choose a method",
        "Mixup CutMix ResizeMix FMix SaliencyMix SmoothMix Choice DMixup RegMixup Remix ManifoldMixup MixupE",
    ),
    (
        "strength",
        "Say how strongly, and with whom",
        "Folded Adjustable Schedule off_epochs without_hesitation LabelDistance",
    ),
    ("losses", "Train on mixed targets", "PairLoss ThresholdedBinaryCrossentropy class_sample_weight"),
    (
        "metrics",
        "Measure",
        "MixedAccuracy CleanMetrics ExpectedCalibrationError MaximumCalibrationError AverageCalibrationError "
        "OverconfidenceError BrierScore NegativeLogLikelihood fit_temperature reliability",
    ),
    ("loaders", "Mix in a loader of your own", "MixBatches MixCollate MixGrain MixPyDataset"),
    ("check", "Check a pipeline", "check_mixed MixReport"),
    ("gan", "Train a GAN", "MixupGAN"),
    ("own", "Write a method or a door of your own", "Method Batch Draw mix mix_batch"),
)
ZOO = ("", ".datasets", ".networks", ".measures", ".gan")  # packages of modules that recipes of your own may use

OPTIONS = {
    "project": "keras_mixup",
    "author": "the keras_mixup authors",
    "copyright": "the keras_mixup authors",
    "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "html_theme": "furo",
    "html_show_sphinx": False,
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_search_summary": False,  # it would fetch pages, which a browser refuses from the disk
    "html_static_path": ["_static"],
    "html_css_files": ["keras_mixup.css"],
    "exclude_patterns": [],
    "default_role": "py:obj",  # `name` is code, and a link where the name is known
    "autodoc_inherit_docstrings": False,  # what Keras says of its own methods is not ours
    "autodoc_member_order": "bysource",
    # By their names, not by what they stand for.
    "autodoc_type_aliases": {name: name for name in vars(types) if name[0].isupper()},
    "add_module_names": False,
    "napoleon_custom_sections": [("Call arguments", "Arguments of a call"), ("Reference", "References")],
    "napoleon_use_rtype": False,
    "toc_object_entries": False,  # each has a heading
    "myst_heading_anchors": 4,
    "myst_enable_extensions": ["html_image"],
    "suppress_warnings": ["misc.highlighting_failure", "app.add_node"],
    "language": "en",
}
CSS = """
img { max-width: 100%; height: auto; background: white; }
article table.docutils { font-size: 0.85rem; }
article code.literal { overflow-wrap: anywhere; }
article td code.literal { overflow-wrap: normal; }
"""


def build(folder):
    """Write the site.

    Args:
        folder: Where to; open `index.html` in it.

    Raises:
        SphinxError: If anything is dead or malformed: warnings are errors.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work) / "source"
        lay_out(source)
        options = {**OPTIONS, "release": keras_mixup.__version__, "version": keras_mixup.__version__}
        options["html_title"] = f"keras_mixup {keras_mixup.__version__}"
        app = Sphinx(
            source,
            None,
            folder,
            pathlib.Path(work) / "trees",
            "html",
            confoverrides=options,
            status=None,
            warningiserror=True,
            freshenv=True,
        )
        app.connect("autodoc-process-signature", as_written)
        app.connect("autodoc-process-docstring", as_restructured_text, priority=400)  # before napoleon
        app.build()
        if app.statuscode:
            raise SystemExit(app.statuscode)


# --- Pages ----------------------------------------------------------------------------------------------------------


def lay_out(source):
    """Write everything that the pages are made of."""
    for path in pages():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            target.with_suffix(".md").write_text(from_notebook(path, target.parent), encoding="utf-8")
        elif path.suffix == ".md":
            # A notebook is a page of the site.
            text = re.sub(r"(\]\([^)\s]+)\.ipynb\)", r"\1.md)", path.read_text(encoding="utf-8"))
            target.write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    for name, text in api().items():
        (source / "api").mkdir(exist_ok=True)
        (source / "api" / f"{name}.md").write_text(text, encoding="utf-8")
    readme = source / "README.md"
    (source / "index.md").write_text(readme.read_text(encoding="utf-8") + contents(), encoding="utf-8")
    readme.unlink()
    (source / "_static").mkdir()
    (source / "_static" / "keras_mixup.css").write_text(CSS, encoding="utf-8")


def pages():
    """The files of the repository that are pages, or that pages show or link to."""
    package = ROOT / "keras_mixup"
    yield from (ROOT / "README.md", ROOT / "LICENSE", package / "README.md", package / "zoo" / "README.md")
    yield package / "mixing.py"
    yield from sorted((ROOT / "notebooks").glob("*.ipynb"))
    for folder in (package / "guides", package / "zoo" / "results"):
        yield from (path for path in sorted(folder.rglob("*")) if path.suffix in (".md", ".png", ".json"))


def contents():
    """The side bar, as the end of the first page."""
    guides = ROOT / "keras_mixup" / "guides"
    parts = [
        (title, [f"keras_mixup/guides/{name}" for name in names.split() if (guides / f"{name}.md").exists()])
        for title, names in GUIDES
    ]
    named = {os.path.normpath(ROOT / f"{name}.md") for _, names in parts for name in names}
    if forgotten := [path.name for path in sorted(guides.glob("*.md")) if str(path) not in named]:
        raise ValueError(f"Every guide should have its place in `GUIDES`. Received: {forgotten}.")
    parts.append(("Notebooks", [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]))
    parts.append(("API", [f"api/{name}" for name in api()]))
    lines = []
    for title, names in parts:
        names = [os.path.normpath(name).replace(os.sep, "/") for name in names]
        lines += ["", "```{toctree}", ":hidden:", f":caption: {title}", "", *names, "```"]
    tables = sorted((ROOT / "keras_mixup" / "zoo" / "results").rglob("*.md"))
    names = [path.relative_to(ROOT).with_suffix("").as_posix() for path in tables]
    return "\n".join(["", *lines, "", "```{toctree}", ":hidden:", ":caption: Tables", "", *names, "```", ""])


def from_notebook(path, folder):
    """A notebook as Markdown; its pictures are written into a folder beside the page."""
    lines = []
    for index, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "markdown":
            lines += [with_formulas(re.sub(r"\.ipynb\)", ".md)", cell.source)), ""]
            continue
        lines += ["```python", cell.source, "```", ""]
        for number, output in enumerate(cell.outputs):
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{path.stem}-{index}-{number}.png"
                (folder / picture).write_bytes(base64.b64decode(data["image/png"]))
                lines += [f"![What the cell draws]({picture})", ""]
            elif output.output_type == "stream" or "text/plain" in data:
                text = output.get("text") or data["text/plain"]
                lines += ["```text", text.rstrip("\n"), "```", ""]
    return "\n".join(lines)


def with_formulas(markdown):
    """A text whose formulas between dollars are MathML, which needs no script in the browser."""

    def converted(match):
        block = match[0].startswith("$$")
        formula = re.sub(r"\\[bB]ig+[lr]?(?![a-z])", "", match[1] or match[2])  # MathML's brackets grow by themselves
        formula = re.sub(r"\\tilde (\w)_", r"\\tilde{\1}{}_", formula)  # or the index would stand under the letter
        text = latex2mathml.tex2mathml(formula, as_block=block)
        return re.sub(r"\s*\n\s*", "", text)

    return re.sub(r"\$\$(.+?)\$\$|\$(.+?)\$", converted, markdown)


# --- API ------------------------------------------------------------------------------------------------------------


def api():
    """The pages of the API, as Markdown by name."""
    grouped = [name for _, _, names in API for name in names.split()]
    if sorted(grouped) != keras_mixup.__all__:
        wrong = sorted(set(grouped) ^ set(keras_mixup.__all__))
        raise ValueError(f"Every public name should have one place in `API`. Received: {wrong}.")
    found = {}
    for page, title, names in API:
        parts = [f"# {title}", ""]
        for name in names.split():
            thing = getattr(keras_mixup, name)
            parts += [f"## {name}", "", *directive("class" if isinstance(thing, type) else "function", name)]
        found[page] = "\n".join(parts)
    found["types"] = "\n".join(["# Names in annotations", "", "```python", inspect.getsource(types), "```", ""])
    found["attacks"] = "\n".join(["# Attack a network", "", *directive("module", "attacks", members=True)])
    for suffix in ZOO:
        package = zoo if not suffix else __import__(f"keras_mixup.zoo{suffix}", fromlist=["_"])
        parts = [f"# zoo{suffix}", ""]
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg:
                name = f"zoo{suffix}.{module.name}"
                parts += [f"## {name}", "", *directive("module", name, members=True)]
        found[f"zoo{suffix.replace('.', '_')}"] = "\n".join(parts)
    return found


def directive(kind, name, members=False):
    """What makes Sphinx read a docstring."""
    lines = [f".. auto{kind}:: keras_mixup.{name}"]
    if members or kind == "class":
        lines.append("   :members:")
    return ["```{eval-rst}", *lines, "```", ""]


def as_written(app, what, name, thing, options, signature, returns):
    """The arguments of a class as its constructor has them: Keras wraps it in one of `*args`."""
    if what == "class" and isinstance(thing, type) and "__init__" in vars(thing):
        written = inspect.signature(thing.__init__)
        written = written.replace(
            parameters=list(written.parameters.values())[1:], return_annotation=inspect.Signature.empty
        )
        return stringify_signature(written), returns
    return None


HEADER = re.compile(r"^(Args|Call arguments|Returns|Raises|Example|Examples|Reference|Yields):\s*$")


def as_restructured_text(app, what, name, thing, options, lines):
    """Turn the little Markdown of the docstrings into what Sphinx reads, in place."""
    done, before_sections, literal = [], True, False
    for i, line in enumerate(lines):
        before_sections = before_sections and not HEADER.match(line)
        indented = line.startswith("    ") and i > 0 and not lines[i - 1].strip()
        if before_sections and indented and not _within_block(done):
            done += ["::", ""]
            literal = True
        literal = literal and (line.startswith("    ") or not line.strip())
        done.append(line if literal or line.lstrip().startswith(">>>") else _escaped(line))
    lines[:] = done


def _escaped(line):
    """A line in which bars are bars, and a name in backticks may stand right before a letter, as in Markdown."""
    parts = re.split(r"(`[^`]+`)", line)
    for i in range(0, len(parts), 2):
        parts[i] = parts[i].replace("|", r"\|")
        if i and re.match("[A-Za-z]", parts[i]):
            parts[i] = r"\ " + parts[i]
    return "".join(parts)


def _within_block(lines):
    """If the last line that is not empty belongs to a block that is set as it is, or to a list."""
    last = next((line for line in reversed(lines) if line.strip()), "")
    return last.startswith("    ") or last.lstrip().startswith("- ")


if __name__ == "__main__":
    build(*sys.argv[1:])
    print("Open", pathlib.Path(sys.argv[1]) / "index.html")
