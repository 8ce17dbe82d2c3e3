"""A prepared data set small enough for a test, and a disk without room."""

import errno
import os
import pathlib

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_fashion_mnist(tmp_path_factory):
    """A `--data-dir` with 40 training and 12 test images; the corner pixel of each holds its label."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder, random = tmp_path_factory.mktemp("tfds"), np.random.default_rng(0)

    def examples(size):
        for i in range(size):
            image = random.integers(256, size=(28, 28, 1), dtype="uint8")
            image[0, 0] = i % 10
            yield i, {"image": image, "label": i % 10}

    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name="fashion_mnist",
        version="3.0.1",
        features=features,
        split_datasets={"train": list(examples(40)), "test": list(examples(12))},
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


@pytest.fixture
def no_room_for(monkeypatch):
    """A function that leaves the disk without room for the file of a name, until `monkeypatch.undo()`."""
    replace = os.replace

    def fill(name):
        def refuse(source, target):
            if pathlib.Path(target).name == name:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(source, target)

        monkeypatch.setattr(os, "replace", refuse)

    return fill
