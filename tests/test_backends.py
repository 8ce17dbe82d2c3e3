"""The tests of the method and of its doors once more, with Keras on JAX and on torch."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import pytest

TESTS = pathlib.Path(__file__).parent
NEUTRAL = [
    *[
        "weights",
        "pairing",
        "mixing",
        "methods",
        "cutting",
        "family",
        "manifold",
        "mixupe",
        "matrix",
        "reports",
        "scenes",
    ],
    *[
        "regions",
        "contract",
        "network",
        "layer",
        "pipeline",
        "model",
        "sequences",
        "losses",
        "metrics",
        "calibration",
        "callbacks",
        "check",
        "attacks",
        "boxes",
        "loaders",
    ],
]


def run_tests(backend, paths, **options):
    """Run test files in a fresh interpreter under a backend of Keras."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--maxfail=20", "-p", "no:cacheprovider", *map(str, paths)],
        cwd=TESTS.parent,
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        **options,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NEUTRAL)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_tests_pass_under_another_backend(backend, name):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the other backends are started from TensorFlow's run")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = run_tests(backend, [TESTS / f"test_{name}.py"])
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.slow
def test_a_failure_under_another_backend_is_noticed(tmp_path):
    backend = next((b for b in ("jax", "torch") if importlib.util.find_spec(b)), "tensorflow")
    failing = tmp_path / "test_failing.py"
    failing.write_text(f"import keras\ndef test_it(): assert keras.backend.backend() != {backend!r}, 'seen'\n")
    done = run_tests(backend, [failing])
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "seen" in done.stdout
