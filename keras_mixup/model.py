"""Mixing inside the compiled train step: `MixupModel(network).fit(...)`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_mixup import roles
from keras_mixup.batch import Layout, mix_batch
from keras_mixup.hidden import HiddenDraws, masks_are_united, mix_inside
from keras_mixup.methods import Method, adjustables, as_method, by_strength
from keras_mixup.others import rows_of
from keras_mixup.random_states import RandomStates
from keras_mixup.types import Alpha, Axes, Config, DataFormat, NumClasses, Roles, Seed, Size, Tensor, Tree

STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")
SPARSE = {
    getattr(module, name)
    for module, names in (
        (keras.losses, ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy")),
        (
            keras.metrics,
            (
                "SparseCategoricalCrossentropy",
                "SparseCategoricalAccuracy",
                "SparseTopKCategoricalAccuracy",
                "sparse_categorical_crossentropy",
                "sparse_categorical_accuracy",
                "sparse_top_k_categorical_accuracy",
            ),
        ),
    )
    for name in names
}
SPARSE_NAMES = {thing.__name__ for thing in SPARSE}


def _of_network(name: str) -> property:
    return property(lambda self: getattr(self.network, name), doc=f"The network's `{name}`.")


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixupModel(RandomStates, keras.Model):
    """Train any Keras model on mixed batches, mixing inside the train step, on the accelerator.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    `compile` and `fit` it like the network itself. `fit` mixes every training batch, sample weights included;
    `evaluate`, `predict`, validation and calls never do. It works on the TensorFlow, JAX and torch backends, with and
    without `jit_compile=True`. The trained network is `model.network`, and that is what `model.export` writes.

    To Keras' tools the model is the network: it is built when that is, with its shapes and weights. Saved in any way
    (`.keras`, weights, `BackupAndRestore`, `tf.train.Checkpoint`), it keeps the state of its draws and of the network's
    random layers, so that training resumed on TensorFlow is, number by number, what it would have been.

    Use a loss that takes soft targets (`CategoricalCrossentropy`, not the sparse one), and read training metrics with
    care: accuracy against a mixed target compares its larger half only; see `MixedAccuracy`. Validation metrics mean
    what they always mean.

    With `at="name"` the output of that layer is mixed instead of the input, and the targets alike. So words are mixed
    as embeddings, graphs as readout vectors, and inputs may be anything the network takes: ids, strings, ragged
    tensors, dicts of any shapes. The Keras mask of the output goes with the mix: behind it a position counts if it
    does so in either example (of weight > 0). So it is with a mask that is an input of its own, under the key
    `padding_mask` or `attention_mask` or told by `roles={...: "padding"}`: it is united before it goes in, so the layer
    has to come before all that look at it; a layer behind them is refused, as far as a functional model tells, unless
    it returns a vector for each example: there each keeps its own mask. `ManifoldMixup` chooses among several layers.

    Args:
        network: A Keras model or layer, without a `train_step` or a loss function of its own. A KerasHub task should
            have no preprocessor attached; give it preprocessed data, as `guides/doors.md` shows.
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
        others: Examples to take the partners from, in place of the batch itself: `x` or `(x, y)`, arrays of any number
            of rows, like the data of `fit`; what they lack is not mixed. They are kept on the accelerator, and each
            step draws rows of them at random. Mixing the input only; not saved with the model.
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
        network: keras.layers.Layer,
        method: Method | Alpha = 0.2,
        *,
        at: str | None = None,
        num_classes: NumClasses | None = None,
        pairs: bool = False,
        roles: Roles | None = None,
        data_format: DataFormat | None = None,
        axes: Axes | None = None,
        box_format: str | None = None,
        min_area: float = 0.1,
        others: Tree = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_network(network)
        self.layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        if at is not None and not isinstance(at, str):
            raise ValueError(f"`at` should be the name of a layer, as in `layer.name`. Received: at={at!r}.")
        self.network = network
        self.method = as_method(by_strength(method))
        self.method.check_model(at, pairs)
        self.at = at
        self._others = _Others(others)
        if others is not None and (at is not None or self.method.places != (None,)):
            raise ValueError(
                "`others` can be mixed with the input, and not with what a layer returns. "
                f"Received: at={at!r}, method={self.method!r}."
            )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Compiled steps see changes of a variable only if the model tracks it.
        self._adjustables = [adjustable.variable for adjustable in adjustables(self.method)]
        hidden = HiddenDraws(self.method, self.method.places if at is None else (at,))
        self._step = _Step(hidden)
        mix_inside(network, hidden, "layers" if at is None else "at")
        self.term_tracker: Any = keras.metrics.Mean(name=self.method.term) if self.method.term else None

    def call(self, inputs: Tree, training: bool | None = None) -> Tree:
        # Handed on by hand: under JAX the trainer calls this method directly, without Keras' call context.
        outputs = self.network(inputs, training=training)
        self._step.hidden.check_visited()
        return outputs

    @property
    def built(self) -> bool:
        network = getattr(self, "network", None)
        return self._was_called or (network is not None and network.built)

    @built.setter
    def built(self, value: Any) -> None:
        self._was_called = value

    input, output, inputs, outputs, input_shape, output_shape = map(
        _of_network, ("input", "output", "inputs", "outputs", "input_shape", "output_shape")
    )

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        network: Any = self.network if isinstance(self.network, keras.Model) else super()
        return network.export(filepath, *args, **kwargs)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Compile like any model.

        Raises:
            ValueError: If a loss or metric takes class ids, where targets become rows.
        """
        if self.method.averages or self.layout.pairs or self.layout.num_classes is not None:
            for name, given in (("loss", loss), ("metrics", metrics), ("weighted_metrics", weighted_metrics)):
                self._check_soft(name, given)
        super().compile(optimizer, loss, loss_weights, metrics, weighted_metrics, **kwargs)

    def compile_from_config(self, config: Config) -> None:
        # Keras would not call a `compile` that is not its own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def _check_soft(self, name: str, given: Any) -> None:
        for part in keras.tree.flatten(given):
            if not _is_sparse(part):
                continue
            if isinstance(self.layout.num_classes, dict) and isinstance(given, dict) and not self.method.averages:
                continue  # of a map that is only cut, perhaps
            kind = "`CategoricalCrossentropy`" if name == "loss" else "`CategoricalAccuracy` or `'accuracy'`"
            if self.layout.pairs:
                cure = "Use `PairLoss`, which takes pairs." if name == "loss" else "Use `MixedAccuracy(pairs=True)`."
            elif self.layout.num_classes is None:
                cure = f"Use {kind}, and `MixupModel(..., num_classes=...)` for targets that are class ids."
            else:
                cure = f"Use {kind}: with `num_classes` class ids become rows."
            raise ValueError(f"`{name}` should take mixed targets, which are no class ids. Received: {part!r}. {cure}")

    def train_step(self, *args: Any) -> Any:
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

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        y_pred, clean_logits = self._step.split(y_pred)
        y = self._rows(x, y)
        self._check_targets(y, y_pred)
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        method: Any = self.method
        if method.term is None:
            return loss
        self._step.hidden.forget()  # clean examples go through the network unmixed
        if self._step.clean is None:  # evaluation: the loss is the loss, the term only reported
            self.term_tracker.update_state(method.value(self, x, y, y_pred, training=False))
            return loss
        value = method.value(self, *self._step.clean, clean_logits, training=True)
        self.term_tracker.update_state(value)
        return method.loss(loss, value)

    def compute_metrics(self, x: Tensor, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> dict[str, Tensor]:
        y_pred, _ = self._step.split(y_pred)
        return super().compute_metrics(x, self._rows(x, y), y_pred, sample_weight)

    def _mix(self, data: Any) -> Any:
        method, hidden = self.method, self._step.hidden
        mixed = self._as_mixed(data, hidden, self.seed_generator)
        self._step.mixed = True
        if method.clean:
            self._step.clean = self._as_mixed(data[:2], method)
        if method.clean == "together":
            x, y = self._step.clean
            self._step.rows = keras.ops.shape(y)[0]
            if self.at is not None:
                hidden.add_clean(self.at)
            return (self._both(data, mixed[0], x), *mixed[1:])
        return mixed

    def _both(self, data: Any, mixed: Tree, clean: Tree) -> Tree:
        """The input for mixed and for clean rows; where they part at a layer, only masks."""
        leaves = roles.decide(data, self.layout.roles, inputs=self.at is None)
        rows = [leaf.role != roles.INPUTS for leaf in leaves if not leaf.path or leaf.path[0] == 0]
        rows = rows if self._unites_masks(data) else [False] * len(rows)
        parts = zip(rows, keras.tree.flatten(mixed), keras.tree.flatten(clean), strict=True)
        both = [keras.ops.concatenate([m, c]) if twice else m for twice, m, c in parts]
        return keras.tree.pack_sequence_as(mixed, both)

    def _as_mixed(self, data: Any, method: Any, seed: Seed = None) -> Any:
        """A batch mixed, or without a seed only in the form that it has when it is mixed."""
        mixes_input = None in self._step.hidden.places
        options = {"layout": self.layout, "dtype": self.compute_dtype, "inputs": mixes_input}
        if not mixes_input:  # a step of JAX that is not compiled gets arrays, of which only masks would become tensors
            data = keras.tree.map_structure(_as_tensor, data)
        others = None if seed is None else self._others.sample(data, seed)
        mixed = mix_batch(data, method, seed, others=others, training=seed is not None, **options)
        return mixed if self._unites_masks(data) else (data[0], *mixed[1:])

    def _unites_masks(self, data: Any) -> bool:
        """Whether masks of positions in the input go with the mix, and are not each example's own."""
        hidden = self._step.hidden
        if None in hidden.places:
            return True
        leaves = roles.decide(data, self.layout.roles, inputs=False)
        masks = [leaf.key for leaf in leaves if leaf.role == roles.PADDING and leaf.path[0] == 0]
        known, one = self._step.united, (self.network.built, *masks)
        if masks and one not in known:  # the same in every step, and some backends come here in each
            argument = "layers" if self.at is None else "at"
            known[one] = masks_are_united(self.network, hidden.places, masks, argument)
        return not masks or known[one]

    def _rows(self, x: Tensor, y: Tensor) -> Tree:
        """Targets in the form that they have when they are mixed, wherever they meet predictions."""
        if y is None or self._step.mixed or self.layout.num_classes is None:
            return y
        return self._as_mixed((x, y), self.method)[1]

    def _check_targets(self, y: Tensor, y_pred: Tensor) -> None:
        """Raise a `ValueError` where Keras' loss would only speak of ranks, or not at all."""
        if keras.tree.is_nested(y) or keras.tree.is_nested(y_pred) or y is None or self.layout.pairs:
            return
        shape, classes = tuple(y.shape), tuple(y_pred.shape)
        ids = len(shape) == 1 or shape[1:] == (1,)
        if ids and len(classes) == 2 and (classes[1] or 0) > 1 and not roles.is_float(y):
            raise ValueError(
                "Targets should be rows with a place for each class, as those that were mixed. Received: "
                f"`y` of {roles.words(y)} and predictions of shape {classes}. Give `MixupModel(..., "
                f"num_classes={classes[1]})` to train, validate and evaluate with class ids."
            )
        if _is_sparse(self.loss) and len(shape) == len(classes) and (shape[-1] or 0) > 1:
            raise ValueError(
                "`loss` should take rows, one place for each class. Received: "
                f"{self.loss!r} for `y` of {roles.words(y)}. Use `CategoricalCrossentropy`."
            )

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        # It comes next in the file, and Keras leaves it out where it has no variables yet.
        if self.compiled and self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "method": keras.saving.serialize_keras_object(self.method),
            "at": self.at,
            **self.layout.get_config(),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: Config) -> MixupModel:
        config = dict(config)
        network, method = (keras.saving.deserialize_keras_object(config.pop(k)) for k in ("network", "method"))
        return cls(network, method, **Layout.options(config), **config)


def _check_network(network: Any) -> None:
    """Raise a `ValueError` unless this is a network whose training may be left to a `MixupModel`."""
    if not isinstance(network, keras.layers.Layer):
        raise ValueError(f"`network` should be a Keras model or layer. Received: network={network!r}.")
    own = [
        name
        for name in (STEPS if isinstance(network, keras.Model) else ())
        if getattr(type(network), name) is not getattr(keras.Model, name) or name in vars(network)
    ]
    if own:
        raise ValueError(
            f"`network` should leave its training to Keras: a `{own[0]}` of its own would not be called. "
            f"Received: a `{type(network).__name__}`. Give the network that is inside of it; or mix in the pipeline, "
            "`dataset.map(MixupLayer(0.2))`, and `fit` it itself."
        )
    if getattr(network, "preprocessor", None) is not None:
        raise ValueError(
            "`network` should take its data as they come, without a preprocessor: only its own `fit` would use that. "
            f"Received: a `{type(network).__name__}` with one attached. Preprocess the data, "
            "`dataset.map(network.preprocessor)`, and detach it: `network.preprocessor = None`."
        )


def _as_tensor(x: Any) -> Any:
    """A NumPy array of numbers as a tensor of the backend; all else as it is."""
    return keras.ops.convert_to_tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind in "biuf" else x


def _is_sparse(thing: Any) -> bool:
    """Whether a loss or metric of Keras takes class ids."""
    if isinstance(thing, str):
        return thing in SPARSE_NAMES
    return any(isinstance(thing, kind) if isinstance(kind, type) else thing is kind for kind in SPARSE)


class _Others:
    """The examples that partners are taken from, kept where the network trains; None for the batch itself."""

    def __init__(self, others: Any) -> None:
        self.tree = None if others is None else keras.tree.map_structure(keras.ops.convert_to_tensor, others)
        self.size = rows_of(self.tree)

    def sample(self, data: Any, seed: Seed) -> Tree:
        """As many rows as a batch has, drawn uniformly; None where partners are in the batch."""
        if self.tree is None:
            return None
        x = keras.tree.flatten(data)[0]
        places = keras.random.uniform((keras.ops.shape(x)[0],), seed=seed, dtype="float32")
        rows = keras.ops.minimum(keras.ops.cast(places * self.size, "int32"), self.size - 1)
        return keras.tree.map_structure(lambda x: keras.ops.take(x, rows, axis=0), self.tree)


class _Step:
    """What one train step has to remember between mixing, the forward pass and the loss; empty outside of it."""

    def __init__(self, hidden: HiddenDraws) -> None:
        self.hidden = hidden  # draws for the layers that mix
        self.united: dict[Any, bool] = {}  # whether masks of these names are; kept from step to step
        self._forget()

    def _forget(self) -> None:
        self.hidden.forget()
        self.mixed = False  # whether this step's batch has been mixed, and its targets have their form
        self.clean: Any = None  # for a method that looks at it: the clean batch, x and target rows
        # Where both go through the network together: how many rows are mixed; the clean ones follow.
        self.rows: Size = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Forget everything when the step is over, or has failed."""
        try:
            yield
        finally:
            self._forget()

    def split(self, y_pred: Tensor) -> tuple[Tree, Tree]:
        """Predictions for mixed and for clean examples."""
        return (y_pred, None) if self.rows is None else (y_pred[: self.rows], y_pred[self.rows :])
