"""What importing the package costs, and which of its files may know of which."""

import ast
import graphlib
import os
import pathlib
import subprocess
import sys

import pytest

import keras_mixup

PACKAGE = pathlib.Path(keras_mixup.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# From the ground up; a file may import from the floors below its own. A new file has to be put somewhere.
FLOORS = [
    {"types"},
    {"blocks"},
    {"ops", "schedules", "gradients", "calibration", "roles", "random_states"},
    {"weights", "pairing", "regions", "checks", "forms", "boxes", "workers"},
    {"mixing", "read_back", "others"},
    {"batch"},
    {"methods"},
    {"layers", "loaders", "pipeline", "losses", "metrics", "hidden", "manifold", "mixupe", "saliencymix", "smoothmix"},
    {"model", "gan", "callbacks", "check", "attacks"},
    {"contents"},
    {""},  # the package itself, `keras_mixup/__init__.py`
    {"zoo"},
    {"bench"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}


def room(path):
    """The room of a file: the first part of its path inside the package, `""` for the package itself."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported(source, package="keras_mixup"):
    """The full names of all that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module or ''}".rstrip(".") if node.level else node.module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def wrong_arrows(name, source):
    """The rooms that the file of that room imports and should not."""
    found = set()
    for target in imported(source):
        first, *rest = target.split(".")
        if first == "keras_mixup":
            other = rest[0] if rest and rest[0] in FLOOR else ""  # `from keras_mixup import Mixup` is the package
            if other != name and FLOOR[other] >= FLOOR[name]:
                found.add(other)
    return found


def loaded(code, names, backend="tensorflow"):
    """Which of the named packages some code loads in a fresh interpreter that has imported Keras before.

    Keras itself loads some of them where they are installed, scikit-learn and matplotlib for instance.
    """
    program = f"import sys, keras\nbefore = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return set(names) & set(done.stdout.split())


HEAVY = ("tensorflow_datasets", "tensorflow_probability", "tf_keras", "matplotlib.figure", "sklearn.datasets", "rich")


def test_importing_the_package_and_listing_recipes_stay_light():
    code = """
import contextlib, io, keras_mixup, mailbox
from keras_mixup.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["list"]) == 0
"""
    # `mailbox` stands for a heavy package: it is noticed, so the others would be.
    assert loaded(code, (*HEAVY, "mailbox")) == {"mailbox"}


def test_importing_the_package_loads_nothing_that_keras_has_not_loaded():
    """But itself and the standard library: so it takes a few hundredths of a second, as `keras-mixup bench` says."""
    program = "import sys, keras\nbefore = set(sys.modules)\nimport keras_mixup\nprint(*set(sys.modules) - before)"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    packages = {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names
    assert packages == {"keras_mixup"}


@pytest.mark.parametrize("path", [path for path in FILES if room(path) != "zoo"], ids=lambda path: path.name)
def test_heavy_packages_are_named_in_the_zoo_only(path):
    """Keras loads some of them itself, so the test above would not notice all of them."""
    roots = {name.partition(".")[0] for name in imported(path.read_text(encoding="utf-8"))}
    assert not roots & {name.partition(".")[0] for name in HEAVY} - ({"rich"} if path.name == "cli.py" else set())


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_tensorflow_is_not_imported_under_another_backend(backend):
    """Nor by drawing and mixing, or by naming a transformation: only a `tf.data` pipeline needs it."""
    pytest.importorskip(backend)
    code = """
import numpy as np, keras_mixup
images, labels = np.ones((4, 3), "float32"), np.arange(4)
keras_mixup.mix(images, keras_mixup.Mixup(0.2).draw(keras_mixup.Batch(4), seed=1))
keras_mixup.MixupLayer(0.2, num_classes=4)(images, labels)
keras_mixup.mixup(0.2)
assert "tensorflow" not in sys.modules
"""
    assert loaded(code, ("tensorflow", *HEAVY), backend) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    assert room(path) in FLOOR, f"give `{room(path)}` a floor in this file's FLOORS"
    assert wrong_arrows(room(path), path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "name, line, wrong",
    [
        ("weights", "from keras_mixup.mixing import Draw", {"mixing"}),
        ("weights", "from keras_mixup import pairing", {"pairing"}),  # neighbours
        ("weights", "from keras_mixup import ops as tables", set()),
        ("ops", "import keras_mixup.weights", {"weights"}),
        ("ops", "from . import weights", {"weights"}),
        ("ops", "from .weights import beta", {"weights"}),
        ("mixing", "def f():\n    from keras_mixup.methods import Mixup", {"methods"}),
        ("layers", "from keras_mixup import Mixup", {""}),
        ("model", "from keras_mixup.zoo.recipe import Recipe", {"zoo"}),
        ("zoo", "from keras_mixup.cli import main", {"cli"}),
        ("zoo", "import keras_mixup", set()),
        ("zoo", "from keras_mixup.zoo import atomic", set()),
        ("zoo", "from keras_mixup.model import MixupModel", set()),
        ("cli", "from keras_mixup.zoo import runs", set()),
    ],
)
def test_a_wrong_arrow_is_noticed(name, line, wrong):
    assert wrong_arrows(name, line) == wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_public_keras_is_used_and_nothing_is_asserted(path):
    """`keras.src` moves without notice; `assert` disappears under `python -O` and helps nobody."""
    source = path.read_text(encoding="utf-8")
    assert "keras.src" not in source
    assert not [name for name in imported(source) if name.startswith(("keras.src", "keras._", "tensorflow.python"))]
    assert not [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def arrows(package):
    """Which file imports which, at its top or inside functions: a dict from names to sets of names."""
    files = {".".join(path.relative_to(package).with_suffix("").parts): path for path in package.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items() if name != "__init__"}
    found = {}
    for name, path in files.items():
        targets = {target.partition("keras_mixup.zoo.")[2] for target in imported(path.read_text(encoding="utf-8"))}
        # `from keras_mixup.zoo.runs import load` is an arrow to `runs`.
        ends = {next((end for end in (target, target.rpartition(".")[0]) if end in files), None) for target in targets}
        found[name] = ends - {None, name}
    return found


def test_the_files_of_the_zoo_import_one_way():
    graphlib.TopologicalSorter(arrows(PACKAGE / "zoo")).prepare()  # raises where there is a way back


def test_a_way_back_is_noticed(tmp_path):
    (tmp_path / "runs.py").write_text("from keras_mixup.zoo import study")
    (tmp_path / "study.py").write_text("def f():\n    from keras_mixup.zoo.runs import load")
    assert arrows(tmp_path) == {"runs": {"study"}, "study": {"runs"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(arrows(tmp_path)).prepare()


@pytest.mark.parametrize(
    "argv",
    ["--help", "--version", "list", "run --help", "rnu", "run digitz", "show digitz", "run digits --frob", "run"],
)
@pytest.mark.parametrize("started", [["-m", "keras_mixup"], ["keras-mixup"]])
def test_the_command_answers_without_keras(argv, started, tmp_path):
    """Nor NumPy; so it takes a tenth of a second."""
    heavy = ("keras", "tensorflow", "numpy")
    if started == ["keras-mixup"]:
        script = tmp_path / "keras-mixup"  # as `pip` writes it
        script.write_text("import sys\nfrom keras_mixup.cli import main\nsys.exit(main())\n")
        started = [script]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *started, *argv.split()], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert "argparse" in names and not set(heavy) & set(names)


def test_under_the_command_the_contents_come_when_they_are_asked_for():
    code = """
import sys
sys.argv = ["/usr/bin/keras-mixup"]
import keras_mixup
assert "keras" not in sys.modules
from keras_mixup import ops, Mixup
assert keras_mixup.Mixup is Mixup and "MixupModel" in keras_mixup.__all__ and keras_mixup.__version__
try:
    keras_mixup.nothing
except AttributeError:
    print("ok")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "ok\n", done.stderr[-2000:]


def test_a_module_of_somebody_else_is_not_taken_for_the_command(tmp_path):
    """While Python looks for `theirs.train`, `sys.argv[0]` is `-m`, too."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("import sys, keras_mixup\nprint('keras' in sys.modules)")
    (tmp_path / "theirs" / "train.py").write_text("")
    path = os.pathsep.join([str(tmp_path), str(PACKAGE.parent)])
    done = subprocess.run(
        [sys.executable, "-m", "theirs.train"], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done.stderr[-2000:]


def hidden_randomness(source):
    """The uses of random numbers that come from a global state."""
    names = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    sound = {f"np.random.{name}" for name in ("default_rng", "Generator", "Philox", "SeedSequence")}
    return {
        name
        for name in names
        if name.rpartition(".")[0] in ("np.random", "numpy.random", "random")
        and name not in sound
        or name.endswith(("set_seed", "set_random_seed", "manual_seed"))
    }


@pytest.mark.parametrize("path", [path for path in FILES if room(path) != "zoo"], ids=lambda path: path.name)
def test_draws_come_from_seeds_and_never_from_a_global_state(path):
    assert hidden_randomness(path.read_text(encoding="utf-8")) == set()


def test_a_global_state_is_noticed():
    source = "np.random.default_rng(1)\nnp.random.beta(1, 1)\nrandom.random()\ntf.random.set_seed(1)"
    assert hidden_randomness(source) == {"np.random.beta", "random.random", "tf.random.set_seed"}
