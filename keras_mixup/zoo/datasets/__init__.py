"""The data sets, by name. `get(name).load(...)` gives a training and a test split as unbatched `tf.data`."""

import dataclasses
from collections.abc import Callable

from keras_mixup.zoo.datasets import digits, prepared


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set, before any of it is read.

    Args:
        shape: Of one image: height, width, channels.
        classes: The class names, in the order of the labels.
        mean: Mean of the pixels, in the units in which they are stored. With `deviation` it standardises the images.
        deviation: Standard deviation of the pixels.
        needs: The module that reads it and the name to install.
        load: Function `(train_size, seed, data_dir) -> (train, test)`: two unbatched `tf.data.Dataset`s of an image and
            an integer label, with known cardinality. The seed alone decides which examples are in `train`.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: float
    deviation: float
    needs: tuple[str, str]
    load: Callable


_SOURCES = {
    "digits": Source(
        shape=(8, 8, 1),
        classes=tuple("0123456789"),
        mean=4.884,
        deviation=6.017,
        needs=("sklearn", "scikit-learn"),
        load=digits.load,
    ),
    "fashion_mnist": Source(
        shape=(28, 28, 1),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        mean=72.94,
        deviation=90.02,
        needs=("tensorflow_datasets", "tensorflow-datasets"),
        load=prepared.loader("fashion_mnist"),
    ),
}


def get(name):
    """The source of that name.

    Raises:
        KeyError: If there is none. Recipes name their data sets, users do not; so this is a bug in a recipe.
    """
    return _SOURCES[name]
