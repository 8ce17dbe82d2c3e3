"""What is known of a data set, and how to read it."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.tasks import Classification
from keras_mixup.zoo.verdicts import TESTS

SMALL = 64  # five times halved, as by the networks of ImageNet, 2 are left


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A data set, before its examples are read.

    Args:
        shape: Of one example as the network takes it, such as height, width, channels.
        classes: The class names, in the order of the labels; for regression the names of the numbers to predict.
        needs: The module that reads it and the name to install.
        load: Function `(train_size, seed, data_dir) -> (train, test)`: two splits. The seed alone decides which
            examples are in `train`; with `train_size` 0 it is all of them. It may take `broken_images`, as for
            `Recipe`, where there may be some.
        load_test: Function `data_dir -> test`, where the test split can be read alone.
        mean: Mean of the pixels, in the units in which they are stored: one number, or one for each channel.
        deviation: Standard deviation of the pixels, likewise.
        task: What the training loop needs to know of the labels: see `keras_mixup.zoo.tasks`.
        transform: For what is not an image: a function of the stored features of a batch (a tensor or a dict of
            tensors) that computes what the network takes.
        generate: For what is not an image: a function `(size, random) -> split` of so many examples of noise, drawn
            from that NumPy generator, for `--smoke`.
        splitting: How the splits of several seeds hang together, which decides how their differences are tested:
            `"apart"`, `"random"` or `"folds"`, see `keras_mixup.zoo.verdicts`.
        at: For a set whose classes or shape lie in the data: a function `data_dir -> Source`.
    """

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    needs: tuple[str, str]
    load: Callable
    load_test: Callable | None = None
    mean: float | tuple[float, ...] = 0.0
    deviation: float | tuple[float, ...] = 1.0
    task: Any = Classification()
    transform: Callable | None = None
    generate: Callable | None = None
    splitting: str = "apart"
    at: Callable | None = None

    def __post_init__(self):
        if self.splitting not in TESTS:
            raise UserError(f"`splitting` should be one of {', '.join(TESTS)}. Received: splitting={self.splitting}.")

    def splits(self, name, train_size, seed, data_dir, broken_images="refuse"):
        """What `load` gives.

        Raises:
            UserError: If broken images should be skipped where there are no image files.
        """
        if broken_images == "refuse":
            return self.load(train_size, seed, data_dir)
        if "broken_images" not in inspect.signature(self.load).parameters:
            raise UserError(
                f"`broken_images` should be refuse for {name}, which has no image files. "
                f"Received: broken_images={broken_images}."
            )
        return self.load(train_size, seed, data_dir, broken_images)

    def test(self, name, seed, data_dir, broken_images="refuse"):
        """The test split. Of some sets it is what training leaves over, and comes with the training split only."""
        if self.load_test is not None and broken_images == "refuse":
            return self.load_test(data_dir)
        return self.splits(name, 0, seed, data_dir, broken_images)[1]

    def small(self):
        """The same with smaller images, to try out large networks: no side is longer than `SMALL`."""
        if self.transform is not None or len(self.shape) != 3:
            return self
        return dataclasses.replace(self, shape=(*(min(side, SMALL) for side in self.shape[:2]), self.shape[2]))

    def fitted(self, training):
        """The source with what its task takes from the training split: see `tasks`."""
        return dataclasses.replace(self, task=self.task.fitted(training))

    def features(self, batch):
        """What the network takes of the stored features of a batch: of images `(batch - mean) / deviation`."""
        return (self.transform or _standardise(self.mean, self.deviation))(batch)


@functools.cache
def _standardise(mean, deviation):
    """Compiled by XLA into one pass, it takes 0.6 ms instead of 3.6 for 128 images of CIFAR, on one core."""
    import tensorflow as tf

    def standardise(batch):
        return (tf.cast(batch, tf.float32) - mean) / deviation

    return tf.function(standardise, jit_compile=True, autograph=False, reduce_retracing=True)
