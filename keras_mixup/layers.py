"""Mixing as a Keras layer, for `dataset.map(layer)`, eager calls and functional models."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import keras

from keras_mixup import ops as tables
from keras_mixup.batch import Layout, mix_batch, read
from keras_mixup.methods import Method, Mixup, adjustables, check_method
from keras_mixup.roles import FEATURES, PASS, Leaf, decide, is_numeric
from keras_mixup.types import Alpha, Axes, Config, DataFormat, NumClasses, Pairing, Probability, Roles, Seed, Tree
from keras_mixup.workers import Stream, check_not_mapped_by_grain


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixLayer(keras.layers.Layer):
    """Mix the examples of a batch by any method: `dataset.map(MixLayer(CutMix(1.0), num_classes=10))`.

    What `MixupLayer` is for mixup, for all methods; everything said there holds here.

    Args:
        method: How to mix: an object that draws, like `Mixup(0.2)`, `CutMix()`, `Choice((Mixup(0.8), CutMix(1.0)))`.
        num_classes: Number of classes of targets that are class ids, which become float32 one-hot rows: an int, or
            a dict by target, `{"fine": 100, "coarse": 20}`. Leave it out for targets that are floats already.
        pairs: If True, class ids come back as float32 rows (id, partner's id, weight) instead; see `PairLoss`.
        roles: What tensors are whose key or position does not say it, as in `{"category": "targets", "depth": "masks",
            "meta": "pass"}`, by key, path or position. Without it a batch of which it is not sure what to mix is
            refused.
        data_format: `"channels_last"` or `"channels_first"`; None for `keras.config.image_data_format()`.
        axes: Along which axes images are cut, where not along height and width: `1` for the time of a series.
        box_format: In what format bounding boxes are, by Keras' names; needed where images are cut.
        min_area: The share of a bounding box that has to be left where images are cut; others are dropped.
        seed: An int for the same draws in every run; None for fresh ones.
        **kwargs: `name`, `dtype` and the other arguments of `keras.layers.Layer`.

    Call arguments:
        - x: Features, or a whole batch in one; as for `MixupLayer`.
        - y: Targets.
        - sample_weight: Weights of the examples.
        - others: A batch to take the partners from, in place of this one: backgrounds, another domain, examples without
          labels; like this batch, or its `x` alone: what it lacks is not mixed. In a pipeline,
          `Dataset.zip((dataset, noise)).map(lambda batch, others: layer(batch, others=others))`.
        - training: If False nothing is mixed; dtypes and one-hot rows are as in training. By default the layer mixes;
          inside a functional or `Sequential` model only where that trains.

    Returns:
        The structure it was called with.

    Raises:
        ValueError: If an argument is out of range, or a tensor cannot be mixed.

    Example:

    >>> import numpy as np
    >>> from keras_mixup import CutMix
    >>> layer = MixLayer(CutMix(alpha=1.0), num_classes=10, seed=1)
    >>> images, labels = layer(np.zeros((8, 32, 32, 3), "uint8"), np.arange(8))
    >>> tuple(images.shape), tuple(labels.shape)
    ((8, 32, 32, 3), (8, 10))
    """

    def __init__(
        self,
        method: Method,
        *,
        num_classes: NumClasses | None = None,
        pairs: bool = False,
        roles: Roles | None = None,
        data_format: DataFormat | None = None,
        axes: Axes | None = None,
        box_format: str | None = None,
        min_area: float = 0.1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # the layer decides which tensors are cast
        check_method(method)
        self.layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        self.method = method
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._adjustables = [adjustable.variable for adjustable in adjustables(method)]
        self._stream = Stream(self.seed_generator, seed)
        self._tensorflow_generator: Any = None
        self._has_warned = False
        self.built = True

    @tables.untouched_by_autograph
    def __call__(
        self, x: Tree, y: Tree = None, sample_weight: Tree = None, *, others: Tree = None, **kwargs: Any
    ) -> Tree:
        check_not_mapped_by_grain()
        batch = (x, y, sample_weight) if sample_weight is not None else x if y is None else (x, y)
        leaves = decide(batch, self.layout.roles)
        if others is not None:
            return self._call_with(others, batch, leaves, **kwargs)
        if any(isinstance(leaf.tensor, keras.KerasTensor) for leaf in leaves):
            kwargs["in_model"] = True  # a functional model keeps it, and gives it again at every call
        if _is_foreign([leaf.tensor for leaf in leaves if leaf.role != PASS]):
            return self.call(batch, **kwargs)  # Keras' own machinery cannot hold the tensors of another library
        if not all(is_numeric(leaf.tensor) for leaf in leaves if leaf.role != PASS):
            read(batch, self.layout, self.method)  # refuses it in words, where Keras would fail to convert it
        # What passes through never enters Keras, which would convert it: strings, long ids.
        enters = [leaf.role != PASS or isinstance(leaf.tensor, keras.KerasTensor) for leaf in leaves]
        leaves = [leaf.tensor for leaf in leaves]
        entering = [leaf if inside else None for leaf, inside in zip(leaves, enters, strict=True)]
        outputs = keras.tree.flatten(super().__call__(keras.tree.pack_sequence_as(batch, entering), **kwargs))
        outputs = [out if inside else leaf for leaf, out, inside in zip(leaves, outputs, enters, strict=True)]
        return keras.tree.pack_sequence_as(batch, outputs)

    def _call_with(self, others: Tree, batch: Tree, leaves: list[Leaf], **kwargs: Any) -> Tree:
        """Mix with others; outside of models, which keep no such argument."""
        if any(isinstance(leaf.tensor, keras.KerasTensor) for leaf in leaves):
            raise ValueError(
                "`others` can be given in a pipeline and in eager calls. Received: a symbolic batch, of a functional "
                "model. Mix before the model, or use `MixupModel(network, method, others=...)`."
            )
        return self.call(batch, others=others, **kwargs)

    def call(self, batch: Tree, training: bool | None = None, in_model: bool = False, others: Tree = None) -> Tree:
        if training is None:
            training = not in_model
        if training and in_model:
            self._warn_of_features_alone(batch)
        return mix_batch(
            batch,
            self.method,
            self._foreign_seed() if _is_foreign(keras.tree.flatten(batch)) else self._stream.here(),
            others=others,
            layout=self.layout,
            dtype=self.compute_dtype,
            training=training,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy made in another process is told where the first one was made: there it is in a worker.
        return _unpickle, (super().__reduce__(), self._stream.process)

    def _warn_of_features_alone(self, batch: Tree) -> None:
        """Say once that features are mixed here and their targets are not."""
        alone = all(leaf.role in (FEATURES, PASS) for leaf in decide(batch, self.layout.roles))
        if alone and self.method.mixes and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"The layer {self.name!r} mixes features inside a model that trains, and their targets stay unmixed. "
                "To mix both, use `MixupModel(network, method)`, or the layer in the pipeline: `dataset.map(layer)`.",
                stacklevel=2,
            )

    def _foreign_seed(self) -> Seed:
        """A seed from a generator of TensorFlow's, which a `tf.data` pipeline can advance under any Keras backend."""
        import tensorflow as tf

        if self._tensorflow_generator is None:
            with tf.init_scope():  # a variable may not be created inside the mapped function
                self._tensorflow_generator = (
                    tf.random.Generator.from_non_deterministic_state()
                    if self.seed is None
                    else tf.random.Generator.from_seed(self.seed)
                )
        return self._tensorflow_generator.make_seeds(1)[:, 0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "method": keras.saving.serialize_keras_object(self.method),
            **self.layout.get_config(),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: Config) -> MixLayer:
        config = dict(config)
        options = Layout.options(config)
        return cls(keras.saving.deserialize_keras_object(config.pop("method")), **options, **config)


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixupLayer(MixLayer):
    """Mix each example of a batch with another one: inputs, targets and sample weights, all by the same draw.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    Use it in a pipeline, after `batch` (and after `cache`, which would freeze the mix): `dataset.map(MixupLayer(0.2))`.
    It works there under the TensorFlow, JAX and torch backends of Keras. Like every augmentation layer of Keras it is
    active unless told `training=False`, so map it over training data only.

    Inside a functional or `Sequential` model the layer is active in `fit` alone. It sees the features there and not the
    targets, so `MixupLayer(0.2)(inputs)` mixes inputs alone and the targets no longer match, of which it warns once; to
    mix both in the train step use `MixupModel`.

    The draws come from a counter that advances with every call. A pipeline that maps in parallel hands out its batches
    in varying order, so a seed alone does not make it reproducible; `dataset.apply(mixup(...))` does, and its iterators
    can be saved.

    Args:
        alpha: Strength, a finite number >= 0, or a distribution to draw weights from; 0 mixes nothing. See `Mixup`.
        per: `"example"` for a weight each, `"batch"` for one weight per batch as in the paper's listing.
        pairing: Who is mixed with whom; see `Mixup`.
        probability: Chance in [0, 1] that an example (or the batch) is mixed at all.
        num_classes: Number of classes of targets that are class ids, which become float32 one-hot rows: an int, or
            a dict by target, `{"fine": 100, "coarse": 20}`. Leave it out for targets that are floats already.
        roles: What tensors are whose key or position does not say it, as in `{"category": "targets", "depth": "masks",
            "meta": "pass"}`, by key, path or position. Without it a batch of which it is not sure what to mix is
            refused.
        seed: An int for the same draws in every run; None for fresh ones.
        **kwargs: The further arguments of `MixLayer`; `name`, `dtype` and the others of `keras.layers.Layer`.

    Call arguments:
        - x: Features of shape `(batch, ...)`, any rank; or a whole batch in one: a tuple `(x, y)` or `(x, y,
          sample_weight)`, or a dict such as `{"image": ..., "label": ..., "id": ...}`, whose unknown keys pass
          through untouched.
        - y: Targets: float rows, or integers with `num_classes`.
        - sample_weight: Weights of the examples; they travel with the mix.
        - others: A batch to take the partners from, in place of this one; as for `MixLayer`.
        - training: If False nothing is mixed; dtypes and one-hot rows are as in training.

    Returns:
        The structure it was called with. Float features keep their dtype, 8 and 16 bit integers become the layer's
        compute dtype (uint16 float32 where that is float16, which does not hold it), targets and sample weights
        float32. `alpha=0` returns every number as it was, bit for bit.

    Raises:
        ValueError: If an argument is out of range, or a tensor cannot be mixed (class ids without `num_classes`, ids of
            words, data that are not batched).

    Example:

    >>> import numpy as np
    >>> layer = MixupLayer(alpha=0.2, num_classes=10, seed=1)
    >>> images, labels = np.zeros((8, 32, 32, 3), "uint8"), np.arange(8)
    >>> images, labels = layer(images, labels)
    >>> tuple(images.shape), tuple(labels.shape)
    ((8, 32, 32, 3), (8, 10))

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """

    def __init__(
        self,
        alpha: Alpha = 0.2,
        *,
        per: Literal["example", "batch"] = "example",
        pairing: Pairing = "shuffle",
        probability: Probability = 1.0,
        num_classes: NumClasses | None = None,
        roles: Roles | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        method = Mixup(alpha, per=per, pairing=pairing, probability=probability)
        super().__init__(method, num_classes=num_classes, roles=roles, seed=seed, **kwargs)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["method"]
        return {**config, **self.method.get_config()}

    @classmethod
    def from_config(cls, config: Config) -> MixupLayer:
        config = dict(config)
        names = ("alpha", "per", "pairing", "probability")
        arguments = {name: keras.saving.deserialize_keras_object(config.pop(name)) for name in names}
        return cls(**arguments, **Layout.options(config), **config)


def _unpickle(reduced: tuple[Any, ...], process: int) -> MixLayer:
    make, arguments = reduced[:2]
    layer = make(*arguments)
    layer._stream.process = process
    return layer


def _is_foreign(leaves: list[Any]) -> bool:
    """Whether these are TensorFlow's tensors while Keras runs on another backend: a `tf.data` pipeline."""
    return keras.backend.backend() != "tensorflow" and any(map(tables.is_tensorflow, leaves))
