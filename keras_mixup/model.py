"""Mixing inside the compiled train step: `MixupModel(network).fit(...)`."""

import keras

from keras_mixup import weights
from keras_mixup.batch import check_num_classes, mix_batch, targets_as_rows
from keras_mixup.methods import Mixup


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixupModel(keras.Model):
    """Train any Keras model on mixed batches, mixing inside the train step, on the accelerator.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    `compile` and `fit` it like the network itself. `fit` mixes every training batch, sample weights included;
    `evaluate`, `predict`, validation and calls never do. It works on the TensorFlow, JAX and torch backends, with and
    without `jit_compile=True`. The trained network is `model.network`.

    Use a loss that takes soft targets (`CategoricalCrossentropy`, not the sparse one), and read training metrics with
    care: accuracy against a mixed target compares its larger half only. Validation metrics mean what they always mean.

    Args:
        network: A Keras model or layer; for a KerasHub task, give preprocessed data.
        method: How to mix: a number, for `Mixup(alpha)`, or an object such as `Mixup(0.2, per="batch")`.
        num_classes: Number of classes of integer targets; they are trained, and evaluated, as float32 one-hot rows.
            Leave it out for targets that are floats already.
        seed: An int for the same draws in every run; None for fresh ones.
        **kwargs: `name`, `dtype` and the other arguments of `keras.Model`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import numpy as np
    >>> network = keras.Sequential([keras.Input((16,)), keras.layers.Dense(3, activation="softmax")])
    >>> model = MixupModel(network, 0.2, num_classes=3, seed=1)
    >>> model.compile(optimizer="sgd", loss="categorical_crossentropy")
    >>> history = model.fit(np.ones((8, 16)), np.arange(8) % 3, verbose=0)
    >>> tuple(model.predict(np.ones((2, 16)), verbose=0).shape)
    (2, 3)

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    def __init__(self, network, method=0.2, *, num_classes=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(f"`network` should be a Keras model or layer. Received: network={network!r}.")
        check_num_classes(num_classes)
        draws = hasattr(method, "draw") and not weights.is_distribution(method)
        self.network = network
        self.method = method if draws else Mixup(method)
        self.num_classes = num_classes
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if not self.network.built:
            self.network.build(input_shape)
        self.built = True

    def call(self, inputs, training=None):
        # Handed on by hand: under JAX the trainer calls this method directly, without Keras' call context.
        return self.network(inputs, training=training)

    def train_step(self, *args):
        # TensorFlow and torch call train_step(data); JAX calls train_step(state, data) and gets the new state back.
        *state, data = args
        if not state:
            return super().train_step(self._mix(data))
        (state,) = state
        trainable, non_trainable, *others = state
        with keras.StatelessScope(state_mapping=zip(self.non_trainable_variables, non_trainable, strict=True)) as scope:
            data = self._mix(data)
        non_trainable = [scope.get_current_value(v) for v in self.non_trainable_variables]
        return super().train_step((trainable, non_trainable, *others), data)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, self._rows(y), y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, self._rows(y), y_pred, sample_weight)

    def _mix(self, data):
        return mix_batch(
            tuple(data) if isinstance(data, list) else data,  # torch's data loaders collate tuples into lists
            self.method,
            self.seed_generator,
            num_classes=self.num_classes,
            dtype=self.compute_dtype,
        )

    def _rows(self, y):
        """Class ids become one-hot rows wherever targets meet predictions; mixed targets are rows already."""
        return y if self.num_classes is None or y is None else targets_as_rows(y, self.num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "method": keras.saving.serialize_keras_object(self.method),
            "num_classes": self.num_classes,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        network, method = (keras.saving.deserialize_keras_object(config.pop(k)) for k in ("network", "method"))
        return cls(network, method, **config)
