"""Type checkers find wrong calls, and nothing else: neither in the library nor in what the documents show."""

import json
import os
import re
import subprocess
import sys
import textwrap

import documents
import nbformat
import pytest

NOTEBOOKS = sorted((documents.ROOT / "notebooks").glob("*.ipynb"))
# For code of others: no strictness, but inside functions without annotations, too.
MYPY = """
[mypy]
allow_redefinition = true
check_untyped_defs = true
disable_error_code = var-annotated
follow_imports = silent
ignore_missing_imports = true
[mypy-grain.*,IPython.*,jax.*,keras.*,keras_hub.*,matplotlib.*,optuna.*,rich.*,scipy.*,sklearn.*,tensorflow.*,torch.*]
follow_imports = skip
"""


def run(*command):
    environment = {**os.environ, "MYPYPATH": str(documents.ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=documents.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]  # else it did not come to checking
    return done.stdout


def by_mypy(folder=None):
    """The complaints of mypy as `(file, line, message)`: about a folder, or, strictly, about the library."""
    if folder is None:
        options = ["--strict"]
    else:
        (folder / "mypy.ini").write_text(MYPY)
        options = ["--config-file", str(folder / "mypy.ini"), str(folder)]
    lines = run("mypy", "--output", "json", *options).splitlines()
    complaints = [json.loads(line) for line in lines if line.startswith("{")]
    return [
        (os.path.basename(complaint["file"]), complaint["line"], complaint["message"])
        for complaint in complaints
        if complaint["severity"] == "error"
    ]


def by_pyright(folder=None, **options):
    """The complaints of pyright, alike."""
    project = documents.ROOT
    if folder is not None:
        project = folder / "pyrightconfig.json"
        project.write_text(json.dumps({"include": ["."], "extraPaths": [str(documents.ROOT)], **options}))
    found = json.loads(run("pyright", "--outputjson", "--project", str(project)))
    assert found["summary"]["filesAnalyzed"] > 0
    return [
        (os.path.basename(complaint["file"]), complaint["range"]["start"]["line"] + 1, complaint["message"])
        for complaint in found["generalDiagnostics"]
        if complaint["severity"] == "error"
    ]


@pytest.mark.parametrize("check", [by_mypy, by_pyright])
def test_the_library_is_typed(check):
    assert check() == []


# Blocks of code at the lines where they stand.
def code_of(page):
    lines = []
    for block in documents.blocks(page.read_text(encoding="utf-8")):
        lines += [""] * (block.line - len(lines)) + block.code.splitlines()
    return "\n".join(lines)


def code_of_notebook(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return re.sub(r"^( *)[%!].*$", r"\1pass", "\n\n".join(cells), flags=re.MULTILINE)  # what IPython alone knows


@pytest.fixture(scope="module")
def snippets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snippets")
    for page in documents.ALL:
        name = "_".join(page.relative_to(documents.ROOT).with_suffix("").parts)
        (folder / f"{name}.py").write_text(code_of(page), encoding="utf-8")
    for path in NOTEBOOKS:
        (folder / f"notebook_{path.stem}.py").write_text(code_of_notebook(path), encoding="utf-8")
    assert len(list(folder.glob("*.py"))) == len(documents.ALL) + len(NOTEBOOKS)
    return folder


def test_what_the_documents_show_pleases_mypy(snippets):
    assert by_mypy(snippets) == []


def test_what_the_documents_show_pleases_pyright(snippets):
    # Pyright guesses types of Keras, by which `fit(verbose=0)` is wrong, and has some of TensorFlow's, by which a
    # dataset of dicts is: here neither has any.
    (snippets / "typings" / "tensorflow").mkdir(parents=True)
    nothing = "from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n"
    (snippets / "typings" / "tensorflow" / "__init__.pyi").write_text(nothing)
    assert by_pyright(snippets, typeCheckingMode="basic", useLibraryCodeForTypes=False) == []


CALLS = """
import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import Adjustable, Batch, Choice, CutMix, DMixup, Draw, Folded, LabelDistance, ManifoldMixup, Method
from keras_mixup import MixBatches, MixCollate, MixLayer, Mixup, MixupE, MixupGAN, MixupLayer, MixupModel, PairLoss
from keras_mixup import Remix, c_mixup, check_mixed, mix, mix_batch, mix_with, mixup, off_epochs
from keras_mixup import Mixxup  # wrong
from keras_mixup import ops as tables
from keras_mixup.types import Seed

images, labels = np.zeros((8, 4, 4, 3), "uint8"), np.arange(8)
dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
network = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(8)])

CutMix(1.0)
CutMix(per="batch", pairing=LabelDistance(1.0), probability=Adjustable(0.5))
CutMix(per=4)  # wrong
CutMix(1.0, "batch", "shuffle", 0.5, True)  # wrong
CutMix(alhpa=1.0)  # wrong
Mixup(alpha=0.3, per="batch")
Mixup(Folded(0.75), pairing=lambda size, seed, targets: np.arange(size))
Mixup(Adjustable(0.2)).alpha
Mixup(np.float32(0.2), probability=1)
Mixup("0.2")  # wrong
Mixup(per="batches")  # wrong
Mixup(pairing="shuffled")  # wrong
Mixup(0.2).alfa  # wrong
Mixup(0.2).draw(Batch(8), seed=1).weight
Mixup(0.2).draw(8, seed=1)  # wrong
Choice((Mixup(0.8), CutMix(1.0)), probabilities=(0.25, 0.75), per="example")
Choice((Mixup, CutMix))  # wrong
DMixup(partners=2)
DMixup(partners="two")  # wrong
Remix([100, 10], kappa=2)
ManifoldMixup(("block",))
ManifoldMixup("block")  # wrong

MixupLayer(0.2, num_classes=8, name="mixup")
MixupLayer("a")  # wrong
MixupLayer(0.2, per="each")  # wrong
MixLayer(CutMix(), num_classes={"label": 8}, roles={"depth": "masks", ("x", 1): "pass"}, axes=(1, 2))
MixLayer(CutMix)  # wrong
MixLayer(0.2)  # wrong
dataset.apply(mixup(0.2)).prefetch(1)
dataset.apply(mix_with(CutMix(1.0), num_classes=8, seed=1, num_parallel_calls=2))
dataset.map(MixupLayer(0.2))
mix_with(0.2)  # wrong
mixup(alpha=[0.2])  # wrong
MixupModel(network, 0.2, at="dense").compile("sgd", "categorical_crossentropy")
MixupModel(network, CutMix(1.0), num_classes=8, seed=1).method.draw(Batch(8), 1)
MixupModel(network, CutMix)  # wrong
MixupModel(network, "cutmix")  # wrong
MixupModel(network, MixupE(variant="exact", per="batch"), name="model")
MixupGAN(network, network, generator_loss="non_saturating", pairs="pools", alpha=0.5)
MixupGAN(network, network, generator_loss="saturated")  # wrong

mixed_images, mixed_labels = mix_batch((images, labels), Mixup(0.2), seed=1, num_classes=8)
mix_batch((images, labels), Mixup, seed=1)  # wrong
mix({"image": mixed_images}, Draw(np.ones(8), np.arange(8)))["image"]
mix(mixed_images, (np.ones(8), np.arange(8)))  # wrong
check_mixed((images, labels), (mixed_images, mixed_labels)).okay  # wrong
[x.shape for x, _ in MixBatches([(images, labels)], 0.2, num_classes=8)]
MixCollate(CutMix(1.0), num_classes=8, seed=1)([(images[0], 1), (images[1], 2)])
MixCollate(CutMix, num_classes=8)  # wrong
c_mixup(images, labels, bandwidth=0.1, batch_size=4).take(1)
c_mixup(images, labels, bandwidth=None)  # wrong
keras.callbacks.LambdaCallback(off_epochs(10, off=2))
off_epochs(10, off="two")  # wrong
PairLoss("sparse_categorical_crossentropy")
PairLoss("sparse_categorical_crossentropy", "dense")  # wrong


@dataclasses.dataclass(frozen=True)
class Constant(Method):
    share: float = 0.25

    cuts = False

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        for_partner, for_coin = tables.of(seed, batch.size).split(seed, 2)
        weight = self.share * tables.of(seed, batch.size).ones((self.count(batch),))
        weight = self.for_all(self.only_some(weight, 1.0, batch, for_coin), batch)
        return Draw(weight, self.partner(batch, for_partner))


Constant(0.5, per="batch", pairing="roll")
Constant("half")  # wrong
Constant(0.5, per=4)  # wrong
MixLayer(Constant())
MixLayer(Constant)  # wrong


class Tuple(Method):
    def draw(self, batch: Batch, seed: Seed) -> tuple[Any, Any]:  # wrong
        return 1, 2
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    (folder / "calls.py").write_text(CALLS)
    return folder


@pytest.mark.parametrize("check", [by_mypy, by_pyright])  # pyright as it comes
def test_wrong_calls_are_found_and_right_ones_are_not(check, calls):
    lines = CALLS.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(wrong) > 30
    found = {line: message for _, line, message in check(calls)}
    assert {number: lines[number - 1] for number in wrong - set(found)} == {}, "not found"
    assert {lines[number - 1]: found[number] for number in set(found) - wrong} == {}, "found, and right"


def test_a_complaint_about_a_document_names_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        textwrap.dedent("""\
        # Title
        ```python
        from keras_mixup import CutMix

        CutMix(per=4)
        ```
        """)
    )
    (tmp_path / "page.py").write_text(code_of(page))
    for check in (by_mypy, by_pyright):
        assert [line for _, line, _ in check(tmp_path)] == [5]
