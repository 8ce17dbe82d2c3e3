"""GANs whose discriminator sees blends of real and generated examples: `MixupGAN(generator, discriminator).fit(x)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

import keras

from keras_mixup import checks, weights
from keras_mixup import ops as tables
from keras_mixup.random_states import RandomStates
from keras_mixup.types import Config, Distribution, Number, Seed, Shape, Size, Tensor

GENERATOR_LOSSES = ("saturating", "non_saturating")
GENERATOR_SEES = ("blends", "samples")
PAIRS = ("real_fake", "pools")
BASELINES = (None, "r1", "wgan_gp")
Blend: TypeAlias = tuple[Tensor, Tensor | float]  # points, and how much of each is real


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixupGAN(RandomStates, keras.Model):
    """Train a GAN whose discriminator tells how much of a blend of a real and a generated example is real.

        max_g min_d E l(d(w x + (1 - w) g(z)), w),        w ~ Beta(alpha, alpha), one per example

    with the logistic loss l(s, w) = softplus(s) - w s of a logit s. The discriminator becomes a smooth function between
    the data and the samples, where a plain one jumps, so that it passes the generator a gradient that does not vanish.

    `fit` it on real examples alone: arrays, or a batched data set, of floats in the range of the generator's output.
    The generator turns noise, standard normal and of its input shape, into examples; the discriminator turns examples
    into logits (no sigmoid). Calling the model, and `predict`, apply the generator; `sample` draws noise, too. Training
    needs the TensorFlow backend; it works with `jit_compile=True`, mixed precision, `.keras` files and checkpoints, and
    resumes exactly.

    `alpha=0` is the plain GAN, l(d(x), 1) + l(d(g(z)), 0), the limit of the objective above: as alpha falls to 0, w
    becomes 0 or 1 with equal chances, so that half the examples are seen as real and half as generated. Instead of
    drawing one of the two terms for each example, both are computed, each on a batch of its own. That is twice the
    limit, a factor that Adam does not notice, and about twice the work for the discriminator.

    Args:
        generator: A Keras model with a known input shape, that of the noise.
        discriminator: A Keras model or layer that gives one or more logits per example.
        alpha: Strength: a finite number >= 0, or an object with `sample(shape, seed=...)` (a `tfp.distributions`
            distribution over [0, 1]) to draw the weights from. The paper uses 0.2; 0 is the plain GAN.
        discriminator_steps: Steps of the discriminator before each one of the generator, >= 1. The batch is cut into so
            many parts, one for each, and the generator's step uses the last: for five steps of 128 examples train on
            batches of 640. A batch that cannot be cut evenly is filled up with its own first examples.
        generator_loss: `"saturating"`: the generator maximises what the discriminator minimises, as in the formula.
            `"non_saturating"`: it minimises the same loss with the opposite targets, l(., 1 - w), as most GANs do.
        generator_sees: In its own step. `"blends"`: the generator is judged by blends of its samples with real
            examples, as in the formula. `"samples"`: by its samples alone, with the loss of the plain GAN, as in the
            paper's published code; only the discriminator learns from blends. Where the two differ most, a wide network
            on points in the plane, the formula ran away and this did not (`keras-mixup show gan_toy`).
        pairs: `"real_fake"` as in the formula. `"pools"` is what the paper's published code does: a batch and as many
            generated examples are shuffled into two pools, so that real meets real and generated meets generated, too;
            examples and targets of the pools are mixed with weights from Uniform(0, alpha), alpha <= 1; the generator
            sees its samples.
        baseline: Another way to stabilise a GAN, to compare with; it needs `alpha=0`. `"r1"` adds
            penalty / 2 E |grad d(x)|^2 on real examples to the plain loss. `"wgan_gp"` is min_d E d(g(z)) - E d(x) +
            penalty E (|grad d(u x + (1 - u) g(z))| - 1)^2 with u uniform, and the generator maximises E d(g(z))
            whatever `generator_loss` says. Both need a discriminator that does not look across examples (no batch
            normalisation).
        penalty: Strength of the baseline's gradient penalty, a finite number >= 0.
        seed: An int for the same noise and weights in every run; None for fresh ones.
        **kwargs: `name`, `dtype` and the other arguments of `keras.Model`.

    Raises:
        ValueError: If an argument is out of range, or the networks do not fit together.

    Example:

    >>> import numpy as np
    >>> generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(3)])
    >>> discriminator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(1)])
    >>> gan = MixupGAN(generator, discriminator, alpha=0.2, seed=1)
    >>> gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    >>> history = gan.fit(np.ones((8, 3), "float32"), verbose=0)
    >>> tuple(gan.sample(5).shape)
    (5, 3)

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 3.7. R1: Which Training Methods for GANs
        do actually Converge? (arXiv 1801.04406). WGAN-GP: Improved Training of Wasserstein GANs (arXiv 1704.00028).
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.layers.Layer,
        alpha: Number | Distribution = 0.2,
        *,
        discriminator_steps: int = 1,
        generator_loss: Literal["saturating", "non_saturating"] = "saturating",
        generator_sees: Literal["blends", "samples"] = "blends",
        pairs: Literal["real_fake", "pools"] = "real_fake",
        baseline: Literal["r1", "wgan_gp"] | None = None,
        penalty: float = 10.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        weights.check_alpha(alpha)
        _check_choice("generator_loss", generator_loss, GENERATOR_LOSSES)
        _check_choice("generator_sees", generator_sees, GENERATOR_SEES)
        _check_choice("pairs", pairs, PAIRS)
        _check_choice("baseline", baseline, BASELINES)
        strength: Any = math.inf if weights.is_distribution(alpha) else alpha
        mixes = strength > 0
        if pairs == "pools" and strength > 1:
            raise ValueError(
                "`alpha` should be a number between 0 and 1 with pairs='pools', which draws weights from "
                f"Uniform(0, alpha). Received: alpha={alpha!r}."
            )
        if baseline is not None and mixes:
            raise ValueError(f"`baseline` needs alpha=0. Received: baseline={baseline!r}, alpha={alpha!r}.")
        checks.integer("discriminator_steps", discriminator_steps)
        checks.number("penalty", penalty, least=0)
        self.generator = generator
        self.discriminator = discriminator
        self.alpha = alpha
        self.discriminator_steps = discriminator_steps
        self.generator_loss = generator_loss
        self.generator_sees = generator_sees
        self.pairs = pairs
        self.baseline = baseline
        self.penalty = penalty
        self.seed = seed
        self.mixes = mixes
        self.noise_shape, self.example_shape = _fitting_shapes(generator, discriminator)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.discriminator_loss_tracker = keras.metrics.Mean(name="discriminator_loss")
        self.generator_loss_tracker = keras.metrics.Mean(name="generator_loss")
        self.generator_optimizer: Any = None
        self.discriminator_optimizer: Any = None
        self.built = True

    def compile(
        self,
        generator_optimizer: str | keras.optimizers.Optimizer = "adam",
        discriminator_optimizer: str | keras.optimizers.Optimizer = "adam",
        *,
        steps_per_execution: int = 1,
        jit_compile: bool | Literal["auto"] = "auto",
        run_eagerly: bool = False,
    ) -> None:
        """Say how to train.

        Args:
            generator_optimizer: A Keras optimizer or its name.
            discriminator_optimizer: Another one; two networks cannot share one.
            steps_per_execution: Train steps, each of all discriminator steps and the generator's, per compiled call.
                Many for small networks, where the time goes into the calls.
            jit_compile: Whether to compile with XLA; `"auto"` leaves it to Keras.
            run_eagerly: Whether to run op by op, for debugging.

        Raises:
            RuntimeError: If Keras does not run on TensorFlow.
            ValueError: If both optimizers are the same object.
        """
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                "Training a `MixupGAN` needs the TensorFlow backend: set KERAS_BACKEND=tensorflow. "
                f"Received: KERAS_BACKEND={keras.backend.backend()}."
            )
        super().compile(
            optimizer=None,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
        )
        self.generator_optimizer = _ready(generator_optimizer, self.generator)
        self.discriminator_optimizer = _ready(discriminator_optimizer, self.discriminator)
        if self.generator_optimizer is self.discriminator_optimizer:
            raise ValueError("`generator_optimizer` and `discriminator_optimizer` should be two optimizers, not one.")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self.generator(inputs, training=training)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.discriminator_loss_tracker, self.generator_loss_tracker]

    def sample(self, size: Size, seed: Seed = None) -> Tensor:
        """Draw examples from the generator.

        Args:
            size: How many.
            seed: An int for the same examples each time; None goes on with the model's own noise.

        Returns:
            A tensor of shape `(size, ...)`.
        """
        return self(self._noise(size, self.seed_generator if seed is None else seed))

    def train_step(self, data: Any) -> dict[str, Tensor]:
        parts = self._parts(self._real(data))
        discriminator_loss = 0.0
        for real in parts:
            discriminator_loss = self._discriminator_step(real)
        generator_loss = self._generator_step(parts[-1])
        self.discriminator_loss_tracker.update_state(discriminator_loss)
        self.generator_loss_tracker.update_state(generator_loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data: Any) -> None:
        raise NotImplementedError("A GAN has no loss that says how good it is; look at `sample` instead.")

    def _discriminator_step(self, real: Tensor) -> Tensor:
        fake = self._fake(real)  # outside of the tape: the generator gets no gradient
        return _step(
            self.discriminator_optimizer, self.discriminator, lambda: self._discriminator_loss(real, fake, True)
        )

    def _generator_step(self, real: Tensor) -> Tensor:
        return _step(self.generator_optimizer, self.generator, lambda: self._generator_loss(real, True))

    def _discriminator_loss(self, real: Tensor, fake: Tensor, training: bool) -> Tensor:
        if self.baseline == "wgan_gp":
            ops = tables.of(real)
            u = ops.uniform((tables.size(real),), self.seed_generator)
            slope = self._slope(_blend(real, fake, u))
            loss = _mean(self._logits(fake, training)) - _mean(self._logits(real, training))
            return loss + self.penalty * _mean(keras.ops.square(keras.ops.sqrt(slope + 1e-12) - 1.0))
        loss = self._logistic(self._blends(real, fake, self.pairs == "pools"), training)
        if self.baseline == "r1":
            loss += 0.5 * self.penalty * _mean(self._slope(real))
        return loss

    def _generator_loss(self, real: Tensor, training: bool) -> Tensor:
        fake = self._fake(real)
        if self.baseline == "wgan_gp":
            return -_mean(self._logits(fake, training))
        # Where the generator sees its samples alone, the term of the real examples has no gradient for it.
        mixes = self.mixes and self.pairs == "real_fake" and self.generator_sees == "blends"
        blends = self._blends(real, fake, pools=False) if mixes else [(fake, 0.0)]
        if self.generator_loss == "saturating":
            return -self._logistic(blends, training)
        return self._logistic([(points, 1.0 - target) for points, target in blends], training)

    def _blends(self, real: Tensor, fake: Tensor, pools: bool) -> list[Blend]:
        """What the discriminator is shown, as pairs of points and of how much of each is real."""
        if not self.mixes:
            return [(real, 1.0), (fake, 0.0)]
        ops, size = tables.of(real), tables.size(real)
        if not pools:
            weight = weights.draw(size, self.alpha, self.seed_generator)
            return [(_blend(real, fake, weight), weight)]
        points = keras.ops.concatenate([real, fake])
        target = ops.cast(ops.arange(2 * size) < size, "float32")
        weight = self.alpha * ops.uniform((2 * size,), self.seed_generator)
        first, second = (ops.argsort(ops.uniform((2 * size,), self.seed_generator)) for _ in range(2))
        return [
            (
                _blend(ops.take(points, first), ops.take(points, second), weight),
                _blend(ops.take(target, first), ops.take(target, second), weight),
            )
        ]

    def _logistic(self, blends: list[Blend], training: bool) -> Tensor:
        """The sum over the blends of E l(d(points), target)."""

        def loss(logits: Tensor, target: Tensor) -> Tensor:
            return _mean(keras.ops.softplus(logits) - keras.ops.reshape(target, (-1, 1)) * logits)

        return sum(loss(self._logits(points, training), target) for points, target in blends)

    def _slope(self, points: Tensor) -> Tensor:
        """|grad d|^2 at every point."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(points)
            logits = self._logits(points, training=True)
        gradient = keras.ops.cast(tape.gradient(logits, points), "float32")
        return keras.ops.sum(keras.ops.square(keras.ops.reshape(gradient, (tables.size(points), -1))), axis=1)

    def _logits(self, points: Tensor, training: bool) -> Tensor:
        """The logits in float32, a row for each point."""
        logits = keras.ops.cast(self.discriminator(points, training=training), "float32")
        return keras.ops.reshape(logits, (tables.size(points), -1))

    def _fake(self, real: Tensor) -> Tensor:
        noise = self._noise(tables.size(real), self.seed_generator)
        return keras.ops.cast(self.generator(noise, training=True), "float32")

    def _noise(self, size: Size, seed: Seed) -> Tensor:
        return keras.random.normal((size, *self.noise_shape), dtype="float32", seed=seed)

    def _real(self, data: Any) -> Tensor:
        """The real examples of a batch, once it is sure that they are nothing else."""
        real, targets, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if targets is not None or sample_weight is not None:
            raise ValueError("`MixupGAN` trains on real examples alone: `fit(x)`. Received: targets as well.")
        shape = getattr(real, "shape", None)
        if shape is None or tuple(shape[1:]) != self.example_shape:
            raise ValueError(
                f"The generator makes examples of shape {self.example_shape}, so `x` should have shape "
                f"{('batch', *self.example_shape)}. Received: {type(real).__name__ if shape is None else tuple(shape)}."
            )
        if not keras.backend.is_float_dtype(real.dtype):
            raise ValueError(
                "`x` should be floats in the range of the generator's output. "
                f"Received: dtype {keras.backend.standardize_dtype(real.dtype)}."
            )
        return keras.ops.cast(real, "float32")

    def _parts(self, real: Tensor) -> list[Tensor]:
        """One part of the batch for each step of the discriminator, all of the same size."""
        ops, steps, size = tables.of(real), self.discriminator_steps, tables.size(real)
        if steps == 1:
            return [real]
        rows = ops.arange(steps * (-(-size // steps))) % size
        return keras.ops.split(ops.take(real, rows), steps)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "alpha": keras.saving.serialize_keras_object(self.alpha),
            "discriminator_steps": self.discriminator_steps,
            "generator_loss": self.generator_loss,
            "generator_sees": self.generator_sees,
            "pairs": self.pairs,
            "baseline": self.baseline,
            "penalty": self.penalty,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: Config) -> MixupGAN:
        parts = {
            key: keras.saving.deserialize_keras_object(config.pop(key))
            for key in ("generator", "discriminator", "alpha")
        }
        return cls(**parts, **config)

    def get_compile_config(self) -> Config:
        if not self.compiled:
            return {}
        return {
            "generator_optimizer": keras.saving.serialize_keras_object(self.generator_optimizer),
            "discriminator_optimizer": keras.saving.serialize_keras_object(self.discriminator_optimizer),
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
            "run_eagerly": self.run_eagerly,
        }

    def compile_from_config(self, config: Config) -> None:
        if config:
            self.compile(**keras.saving.deserialize_keras_object(config))


def _step(optimizer: Any, network: Any, loss_function: Callable[[], Tensor]) -> Tensor:
    """One step of gradient descent on the weights of one network."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = loss_function()
        penalised = keras.ops.sum([loss, *network.losses]) if network.losses else loss
        scaled = optimizer.scale_loss(penalised)
    gradients = tape.gradient(scaled, network.trainable_weights)
    optimizer.apply(gradients, network.trainable_weights)
    return loss


def _blend(real: Tensor, fake: Tensor, weight: Tensor) -> Tensor:
    weight = keras.ops.reshape(weight, (-1,) + (1,) * (len(real.shape) - 1))
    return weight * real + (1.0 - weight) * fake


def _mean(values: Tensor) -> Tensor:
    return keras.ops.mean(values)


def _ready(optimizer: Any, network: Any) -> Any:
    """The optimizer, scaling losses where the network computes in float16, with its variables made."""
    optimizer = keras.optimizers.get(optimizer)
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if not scales and any(layer.compute_dtype == "float16" for layer in _layers(network)):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    if not optimizer.built:
        optimizer.build(network.trainable_weights)
    return optimizer


def _layers(network: Any) -> list[Any]:
    return [network, *getattr(network, "layers", [])]


def _fitting_shapes(generator: Any, discriminator: Any) -> tuple[Shape, Shape]:
    """The shapes of one noise and of one example, once it is sure that the networks fit together."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(f"`{name}` should be a Keras model or layer. Received: {name}={network!r}.")
    noise = getattr(generator, "input_shape", None) if generator.built else None
    if not isinstance(noise, tuple) or None in noise[1:]:
        raise ValueError(
            "`generator` should have one input of a known shape, that of the noise; begin it with "
            f"`keras.Input((noise_size,))`. Received: generator={generator!r}."
        )
    example = tuple(generator.output_shape)
    if not discriminator.built:
        discriminator.build(example)
    takes = getattr(discriminator, "input_shape", example)
    fits = len(takes) == len(example) and all(a in (None, b) for a, b in zip(takes, example, strict=True))
    if not fits:
        raise ValueError(
            "`discriminator` should take what `generator` makes. Received: a generator of output shape "
            f"{example} and a discriminator of input shape {tuple(takes)}."
        )
    return tuple(noise[1:]), example[1:]


def _check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` should be one of {', '.join(map(repr, choices))}. Received: {name}={value!r}.")
