"""How good a trained network is on any data set with its classes."""

import json
import pathlib

from keras_mixup.zoo import datasets
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.inputs import test_batches
from keras_mixup.zoo.train import NETWORK, TEST_BATCH


def evaluate(folder, dataset=None, data_dir=None):
    """Test the network of a finished run.

    If a data set has only some of the network's classes, only their logits are compared, as ImageNet-A is meant.

    Args:
        folder: Of the run, such as `runs/cifar10/erm/seed0`.
        dataset: A name in `keras_mixup.zoo.datasets`, or `None` for the one the run was trained on.
        data_dir: Where its data lies.

    Returns:
        The name of the data set, the number of test examples, and a dict of scores.

    Raises:
        UserError: If there is no trained network, or the classes do not fit.
    """
    import keras
    import numpy as np

    folder = pathlib.Path(folder).expanduser()
    if not (folder / "result.json").exists() or not (folder / NETWORK).exists():
        raise UserError(
            f"`RUN` should be the folder of a finished run, with result.json and {NETWORK}, such as "
            f"runs/digits/erm/seed0. Received: RUN={folder}."
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if dataset is not None and dataset not in datasets.NAMES:
        raise UserError(f"`--data` should be one of: {', '.join(datasets.NAMES)}. Received: --data {dataset}.")
    name = dataset or config["dataset"]
    trained_on = datasets.get(config["dataset"], data_dir if name == config["dataset"] else None)
    source = trained_on if name == config["dataset"] else datasets.get(name, data_dir)
    if not set(source.classes) <= set(trained_on.classes):
        raise UserError(
            f"`--data` should have the classes of {config['dataset']} or some of them. "
            f"Received: --data {name}, with the classes {', '.join(source.classes[:5])}..."
        )
    # The test split of some sets is what training leaves over.
    _, test = source.load(config["train_size"] if name == config["dataset"] else 0, config["seed"], data_dir)
    features, labels = test_batches(test, source, TEST_BATCH)
    outputs = keras.models.load_model(folder / NETWORK, compile=False).predict(features, verbose=0)
    if source.classes != trained_on.classes:
        outputs = np.stack([outputs[:, trained_on.classes.index(one)] for one in source.classes], axis=1)
    return name, len(labels), source.task.scores(outputs, labels)
