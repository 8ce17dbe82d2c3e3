"""Callbacks for training on mixed batches."""

from __future__ import annotations

import contextlib
from typing import Any

import keras


class CleanMetrics(keras.callbacks.Callback):
    """Evaluate the model on training data as they are, not mixed, at the end of an epoch.

    Loss and accuracy on mixed batches say little about how well a network fits its training set. This adds
    `clean_loss`, `clean_accuracy` and so on to the logs, from `model.evaluate`; so `History`, TensorBoard, the progress
    bar and every callback listed after this one see them. Training goes on exactly as it would have without.

    It costs a forward pass over the data given: a few thousand examples are often enough.

    Args:
        x: The inputs, as for `model.evaluate`: arrays, or a `tf.data.Dataset` or other data set of batches `(x, y)`
            that can be read again every epoch. Give the data before they are mixed.
        y: The targets, if `x` is arrays.
        every: Evaluate after every so many epochs.
        batch_size: Examples at once, if `x` is arrays; as for `model.evaluate`.
        name: What the names in the logs begin with.

    Raises:
        ValueError: If `every` is not a positive integer, or `x` is an iterator or an endless dataset.

    Example:

    >>> import numpy as np
    >>> from keras_mixup import MixupModel
    >>> x, y = np.random.default_rng(1).normal(size=(8, 4)), np.arange(8) % 3
    >>> network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    >>> model = MixupModel(network, 1.0, num_classes=3, seed=1)
    >>> model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[CleanMetrics(x, y)])
    >>> sorted(history.history)
    ['accuracy', 'clean_accuracy', 'clean_loss', 'loss']
    """

    def __init__(
        self, x: Any, y: Any = None, *, every: int = 1, batch_size: int | None = None, name: str = "clean"
    ) -> None:
        super().__init__()
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise ValueError(f"`every` should be a positive integer. Received: every={every!r}.")
        if hasattr(x, "__next__"):
            raise ValueError(
                f"`x` should be arrays or a dataset that can be read again every epoch. Received: an iterator, x={x!r}."
            )
        if callable(getattr(x, "cardinality", None)) and int(x.cardinality()) == -1:
            raise ValueError("`x` should come to an end. Received: an endless dataset. Cut it: `x.take(100)`.")
        self.x = x
        self.y = y
        self.every = every
        self.batch_size = batch_size
        self.name = name

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        model = self.model
        # `evaluate` counts with the metrics of `fit`: they are given back as they were found.
        before = [(variable, keras.ops.copy(variable)) for variable in model.metrics_variables]
        with _same_shuffling():
            results = model.evaluate(self.x, self.y, batch_size=self.batch_size, verbose=0, return_dict=True)
        model.reset_metrics()
        for variable, value in before:
            variable.assign(value)
        if logs is not None:
            logs.update({f"{self.name}_{key}": value for key, value in results.items()})


def _same_shuffling() -> contextlib.AbstractContextManager[Any]:
    """Reading any data set advances torch's global generator, by which `fit` shuffles the next epoch."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.random.fork_rng(devices=[])
