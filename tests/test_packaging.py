"""What is shipped: it builds, installs and works without the source tree; it never loads a pickle."""

import ast
import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

import keras_mixup

PACKAGE = pathlib.Path(keras_mixup.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))

# --- No pickles -----------------------------------------------------------------------------------------------------

PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def unsafe_loads(source):
    """The lines of a source that load a pickle, or may be made to."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in PICKLERS for alias in node.names):
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLERS:
            yield node.lineno
        if not isinstance(node, ast.Call):
            continue
        name, keywords = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        if name in ("eval", "exec", "torch.load", "np.lib.format.read_array"):
            yield node.lineno
        if keywords.get("allow_pickle", "False") != "False" or keywords.get("safe_mode", "True") != "True":
            yield node.lineno
        if name.endswith("enable_unsafe_deserialization") or name.endswith("layers.Lambda"):
            yield node.lineno  # a network with a Lambda needs unsafe loading


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_loads_pickles(path):
    assert list(unsafe_loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "torch.load(path)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "keras.layers.Lambda(lambda x: x)",
        "eval(text)",
    ],
)
def test_what_loads_pickles_is_noticed(source):
    assert list(unsafe_loads(source))
    assert not list(unsafe_loads("np.load(path)\nnp.load(path, allow_pickle=False)\nkeras.models.load_model(path)"))


@pytest.mark.slow
def test_networks_of_the_zoo_load_in_safe_mode(tmp_path):
    import keras

    from keras_mixup import MixupModel
    from keras_mixup.zoo import networks

    for name in networks.NAMES:
        if name.startswith(("resnext", "resnet1", "densenet", "wide_resnet28", "preact_resnet3", "preact_resnet50")):
            continue  # larger ones of the same parts
        if name == "gin":
            continue  # takes no images
        network = networks.get(name)((224, 224, 3) if name.startswith(("resnet", "vit")) else (32, 32, 3), 10)
        network.save(tmp_path / "network.keras")
        again = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
        assert again.count_params() == network.count_params()
    model = MixupModel(network, 0.2, num_classes=10)
    model.build(network.input_shape)
    model.save(tmp_path / "model.keras")
    assert isinstance(keras.saving.load_model(tmp_path / "model.keras", safe_mode=True), MixupModel)


# --- Wheel and source distribution ----------------------------------------------------------------------------------


def command(*argv, **options):
    done = subprocess.run([*map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel from the tree, the source distribution, and a wheel from that."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("there is no source tree")
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    command(sys.executable, "-m", "hatchling", "build", "-d", out, cwd=ROOT)
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(out / "source", filter="data")
    (tree,) = (out / "source").iterdir()
    command(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out / "again", cwd=tree)
    (again,) = (out / "again").glob("*.whl")
    return wheel, source, again


def content(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.startswith("keras_mixup/")}


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built):
    wheel, _, again = built
    found = content(wheel)
    ours = {f"keras_mixup/{path.relative_to(PACKAGE)}" for path in FILES}
    assert ours <= set(found) and "keras_mixup/py.typed" in found
    with zipfile.ZipFile(wheel) as archive:
        roots = {name.split("/")[0] for name in archive.namelist()}
    version = keras_mixup.__version__
    assert roots == {"keras_mixup", f"keras_mixup-{version}.dist-info"}
    assert not [name for name in found if "__pycache__" in name or name.endswith((".pyc", ".npz.tmp"))]
    assert content(again) == found
    assert wheel.stat().st_size < 2**20  # the results stay in the repository
    assert not [name for name in found if name.startswith("keras_mixup/zoo/results/")]


INSTALLED = """
import pathlib, sys, keras_mixup
assert pathlib.Path(sys.prefix) in pathlib.Path(keras_mixup.__file__).parents, keras_mixup.__file__
assert (pathlib.Path(keras_mixup.__file__).parent / "py.typed").exists()
print(keras_mixup.__version__)
"""


@pytest.mark.slow
def test_it_works_where_it_is_installed(built, tmp_path):
    """In an environment of its own; only what it depends on is borrowed from this one."""
    wheel, _, _ = built
    environment = tmp_path / "venv"
    command(sys.executable, "-m", "venv", "--without-pip", environment)
    (site,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A plain path, whose own `.pth` files are not read: an editable install of this package is one of those.
    import keras

    (site / "borrowed.pth").write_text(str(pathlib.Path(keras.__file__).parents[1]))
    python = environment / "bin" / "python"
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    options = {"cwd": tmp_path, "env": clean}
    assert keras_mixup.__version__ in command(python, "-c", INSTALLED, **options)
    assert "digits" in command(python, "-m", "keras_mixup", "list", **options)
    out = command(python, "-m", "keras_mixup", "run", "digits", "--smoke", "--row", "mixup-0.2", **options)
    assert "mixup, alpha 0.2" in out and (tmp_path / "runs" / "digits" / "smoke" / "table.json").exists()
