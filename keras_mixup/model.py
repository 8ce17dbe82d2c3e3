"""Mixing inside the compiled train step: `MixupModel(network).fit(...)`."""

import contextlib

import keras

from keras_mixup import checks, weights
from keras_mixup.batch import Layout, mix_batch
from keras_mixup.hidden import HiddenDraws, mix_inside
from keras_mixup.methods import Mixup, adjustables, as_method


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixupModel(keras.Model):
    """Train any Keras model on mixed batches, mixing inside the train step, on the accelerator.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    `compile` and `fit` it like the network itself. `fit` mixes every training batch, sample weights included;
    `evaluate`, `predict`, validation and calls never do. It works on the TensorFlow, JAX and torch backends, with and
    without `jit_compile=True`. The trained network is `model.network`.

    Use a loss that takes soft targets (`CategoricalCrossentropy`, not the sparse one), and read training metrics with
    care: accuracy against a mixed target compares its larger half only; see `MixedAccuracy`. Validation metrics mean
    what they always mean.

    With `at="name"` the output of that layer is mixed instead of the input, and the targets alike. So words are mixed
    as embeddings, graphs as readout vectors, and inputs may be anything the network takes: ids, strings, ragged
    tensors, dicts of any shapes. The Keras mask of the output goes with the mix: behind it a position counts if it
    does so in either example (of weight > 0). A mask that is an input of its own stays the original's.
    `ManifoldMixup` chooses among several layers.

    Args:
        network: A Keras model or layer; for a KerasHub task, give preprocessed data.
        method: How to mix: a number, for `Mixup(alpha)`, or an object such as `Mixup(0.2, per="batch")`, `CutMix()`,
            `ManifoldMixup(layers=("block1",))` or `MixupE(alpha=1.0, eta=1e-3)`.
        at: The name of the layer whose output is mixed, as in `layer.name`, wherever it is nested; None for the input.
            It returns a row for each example. Not for methods that cut images. In `MixupE(one_pass=True)` mixed and
            clean rows go on from there in one batch of twice the size.
        num_classes: Number of classes of targets that are class ids, an int or a dict by target; they are trained, and
            evaluated, as float32 one-hot rows.
            Ids outside of `[0, num_classes)` are an error or, in a compiled step, which cannot raise, turn the loss
            into NaN. Leave it out for targets that are floats already.
        pairs: If True, integer targets are mixed in pair form, for many classes; compile with `PairLoss`.
        roles: As for `MixLayer`.
        data_format: As for `MixLayer`.
        axes: As for `MixLayer`.
        box_format: As for `MixLayer`.
        min_area: As for `MixLayer`.
        seed: An int for the same draws in every run; None for fresh ones.
        **kwargs: `name`, `dtype` and the other arguments of `keras.Model`.

    Raises:
        ValueError: If an argument is out of range, or (in `fit`) if a tensor cannot be mixed.

    Example:

    >>> import numpy as np
    >>> network = keras.Sequential([keras.Input((16,)), keras.layers.Dense(3, activation="softmax")])
    >>> model = MixupModel(network, 0.2, num_classes=3, seed=1)
    >>> model.compile(optimizer="sgd", loss="categorical_crossentropy")
    >>> history = model.fit(np.ones((8, 16)), np.arange(8) % 3, verbose=0)
    >>> tuple(model.predict(np.ones((2, 16)), verbose=0).shape)
    (2, 3)

    Words, mixed as embeddings:

    >>> embedding = keras.layers.Embedding(100, 8, mask_zero=True, name="embedding")
    >>> reader = keras.Sequential([embedding, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2)])
    >>> model = MixupModel(reader, 0.2, at="embedding", num_classes=2)
    >>> model.compile(optimizer="adam", loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    >>> history = model.fit(np.array([[5, 17, 0], [3, 0, 0]]), np.array([0, 1]), verbose=0)

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    def __init__(
        self,
        network,
        method=0.2,
        *,
        at=None,
        num_classes=None,
        pairs=False,
        roles=None,
        data_format=None,
        axes=None,
        box_format=None,
        min_area=0.1,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(f"`network` should be a Keras model or layer. Received: network={network!r}.")
        self.layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        if checks.is_number(method) or weights.is_distribution(method) or weights.is_adjustable(method):
            method = Mixup(method)
        if at is not None and not isinstance(at, str):
            raise ValueError(f"`at` should be the name of a layer, as in `layer.name`. Received: at={at!r}.")
        self.network = network
        self.method = as_method(method)
        self.method.check_model(at, pairs)
        self.at = at
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Compiled steps see changes of a variable only if the model tracks it.
        self._adjustables = [adjustable.variable for adjustable in adjustables(self.method)]
        hidden = HiddenDraws(self.method, self.method.places if at is None else (at,))
        self._step = _Step(hidden)
        mix_inside(network, hidden, "layers" if at is None else "at")
        self.term_tracker = keras.metrics.Mean(name=self.method.term) if self.method.term else None

    def call(self, inputs, training=None):
        # Handed on by hand: under JAX the trainer calls this method directly, without Keras' call context.
        outputs = self.network(inputs, training=training)
        self._step.hidden.check_visited()
        return outputs

    def train_step(self, *args):
        # TensorFlow and torch call train_step(data); JAX calls train_step(state, data) and gets the new state back.
        *state, data = args
        with self._step.open():
            if not state:
                return super().train_step(self._mix(data))
            trainable, non_trainable, *others = state[0]
            mapping = zip(self.non_trainable_variables, non_trainable, strict=True)
            with keras.StatelessScope(state_mapping=mapping) as scope:
                data = self._mix(data)
            non_trainable = [scope.get_current_value(v) for v in self.non_trainable_variables]
            return super().train_step((trainable, non_trainable, *others), data)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y_pred, clean_logits = self._step.split(y_pred)
        y = self._rows(x, y)
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self.method.term is None:
            return loss
        self._step.hidden.forget()  # clean examples go through the network unmixed
        if self._step.clean is None:  # evaluation: the loss is the loss, the term only reported
            self.term_tracker.update_state(self.method.value(self, x, y, y_pred, training=False))
            return loss
        value = self.method.value(self, *self._step.clean, clean_logits, training=True)
        self.term_tracker.update_state(value)
        return self.method.loss(loss, value)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y_pred, _ = self._step.split(y_pred)
        return super().compute_metrics(x, self._rows(x, y), y_pred, sample_weight)

    def _mix(self, data):
        method, hidden = self.method, self._step.hidden
        mixed = self._as_mixed(data, hidden, self.seed_generator)
        self._step.mixed = True
        if method.clean:
            self._step.clean = self._as_mixed(data[:2], method)
        if method.clean == "together":
            x, y = self._step.clean
            self._step.rows = keras.ops.shape(y)[0]
            if self.at is None:
                both = keras.tree.map_structure(lambda *pair: keras.ops.concatenate(pair), mixed[0], x)
                return (both, *mixed[1:])
            hidden.add_clean(self.at)
        return mixed

    def _as_mixed(self, data, method, seed=None):
        """A batch mixed, or without a seed only in the form that it has when it is mixed."""
        mixes_input = None in self._step.hidden.places
        options = {"layout": self.layout, "dtype": self.compute_dtype, "inputs": mixes_input}
        return mix_batch(data, method, seed, training=seed is not None, **options)

    def _rows(self, x, y):
        """Targets in the form that they have when they are mixed, wherever they meet predictions."""
        if y is None or self._step.mixed or self.layout.num_classes is None:
            return y
        return self._as_mixed((x, y), self.method)[1]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["draws"] = keras.ops.convert_to_numpy(self.seed_generator.state.value)

    def load_own_variables(self, store):
        # Keras does not keep the state of random draws; with it a resumed run goes on where it was, not from the first.
        super().load_own_variables({key: store[key] for key in store.keys() if key != "draws"})
        self.seed_generator.state.assign(store["draws"])

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "method": keras.saving.serialize_keras_object(self.method),
            "at": self.at,
            **self.layout.get_config(),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        network, method = (keras.saving.deserialize_keras_object(config.pop(k)) for k in ("network", "method"))
        return cls(network, method, **Layout.options(config), **config)


class _Step:
    """What one train step has to remember between mixing, the forward pass and the loss; empty outside of it."""

    def __init__(self, hidden):
        self.hidden = hidden  # draws for the layers that mix
        self._forget()

    def _forget(self):
        self.hidden.forget()
        self.mixed = False  # whether this step's batch has been mixed, and its targets have their form
        self.clean = None  # for a method that looks at it: the clean batch, x and target rows
        self.rows = None  # where both go through the network together: how many rows are mixed; the clean ones follow

    @contextlib.contextmanager
    def open(self):
        """Forget everything when the step is over, or has failed."""
        try:
            yield
        finally:
            self._forget()

    def split(self, y_pred):
        """Predictions for mixed and for clean examples."""
        return (y_pred, None) if self.rows is None else (y_pred[: self.rows], y_pred[self.rows :])
