"""How good a trained network is on any data set with its classes."""

import json
import pathlib

from keras_mixup.zoo import datasets
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.inputs import test_batches
from keras_mixup.zoo.train import NETWORK, TEST_BATCH


def evaluate(folder, dataset=None, data_dir=None):
    """Test the network of a finished run.

    If another data set has examples of only some of the network's classes, as ImageNet-A has, only the logits of these
    are compared.

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
    name = dataset or config["dataset"]
    trained_on, source = (datasets.get(one, data_dir) for one in (config["dataset"], name))
    if not set(source.classes) <= set(trained_on.classes) or source.shape != trained_on.shape:
        raise UserError(
            f"`--data` should have the classes and the shape of {config['dataset']}, or some of its classes. Received: "
            f"--data {name}, with the classes {', '.join(source.classes[:5])}, ... and the shape {source.shape}."
        )
    seed, broken_images = config["seed"], config.get("broken_images", "refuse")
    if name == config["dataset"]:
        # The test split of some sets is what training leaves over.
        training, test = source.splits(name, config["train_size"], seed, data_dir, broken_images)
        trained_on = trained_on.fitted(training)
    else:
        test = source.test(name, seed, data_dir, broken_images)
    features = test_batches(test, trained_on, TEST_BATCH)  # standardised as the network knows it
    outputs = keras.models.load_model(folder / NETWORK, compile=False).predict(features, verbose=0)
    if name == config["dataset"]:
        return name, len(test), trained_on.task.scores(outputs, test.labels)
    present, labels = np.unique(test.labels, return_inverse=True)
    outputs = outputs[:, [trained_on.classes.index(source.classes[label]) for label in present]]
    return name, len(test), trained_on.task.scores(outputs, labels)
