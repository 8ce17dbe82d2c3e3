"""A prepared data set small enough for a test."""

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
