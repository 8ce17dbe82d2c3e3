"""Train the GAN of one row with one seed, and look at it now and then."""

import dataclasses
import functools
import math
import time

from keras_mixup.zoo.errors import UserError

# Compiled calls make so many iterations each, so every number of iterations is a multiple of it.
STEPS_PER_CALL = 10
LOOKS = 10
# With fewer XLA takes longer to compile than it saves.
COMPILE_FROM_ITERATIONS = 500


def snapshots(iterations):
    """When samples are kept: 10, 100, 1000, ... and the last iteration."""
    return [10**k for k in range(1, 1 + int(math.log10(iterations) + 1e-9)) if 10**k < iterations] + [iterations]


def looks(iterations):
    """When the generator is judged: at the snapshots and at about 10 equal distances."""
    every = STEPS_PER_CALL * max(1, round(iterations / LOOKS / STEPS_PER_CALL))
    return sorted({*snapshots(iterations), *range(every, iterations + 1, every)})


def train(recipe, row, seed, dataset, build, look):
    """Train a GAN.

    Rows of one recipe that share a seed start from the same weights and see the same real examples in the same order.
    The seeds of Python, NumPy and the backend are set.

    Args:
        recipe: A `ToyRecipe` or `ImagesRecipe`.
        row: One of its rows.
        seed: An int >= 0.
        dataset: A `tf.data.Dataset` of batches of `discriminator_steps * batch_size` real examples, without end, other
            ones each time it is iterated over.
        build: Function `(recipe) -> (generator, discriminator, generator's optimizer, discriminator's optimizer)`.
        look: Called as `look(iteration, gan, losses)` at every one of `looks(recipe.iterations)`; `losses` are means
            since the last time. If a loss is not a finite number, training ends there.

    Returns:
        The seconds that the training itself took, without `look`; the first run that needs it also compiles.

    Raises:
        UserError: If Keras does not run on TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "Recipes for GANs need the TensorFlow backend: set KERAS_BACKEND=tensorflow. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}."
        )
    keras.utils.set_random_seed(seed)
    fresh = _new(recipe, row.method, build, seed)
    gan = _compiled(recipe, dataclasses.replace(row.method, data=None), build)
    for old, new in zip(_state(gan), _state(fresh), strict=True):
        old.assign(new)
    done, seconds = 0, 0.0
    for iteration in looks(recipe.iterations):
        start = time.perf_counter()
        history = gan.fit(dataset, steps_per_epoch=iteration - done, shuffle=False, verbose=0)
        seconds += time.perf_counter() - start
        losses = {name: values[0] for name, values in history.history.items()}
        done = iteration
        look(iteration, gan, losses)
    return seconds


@functools.lru_cache(maxsize=8)
def _compiled(recipe, method, build):
    """A compiled GAN to give the state of a run: compiling takes long, so it is done once for all seeds and data."""
    return _new(recipe, method, build, seed=0)


def _new(recipe, method, build, seed):
    from keras_mixup.gan import MixupGAN

    generator, discriminator, *optimizers = build(recipe)
    gan = MixupGAN(
        generator,
        discriminator,
        method.alpha,
        discriminator_steps=recipe.discriminator_steps,
        generator_loss=method.generator_loss or recipe.generator_loss,
        generator_sees=method.generator_sees,
        baseline=method.baseline,
        pairs=method.pairs,
        seed=seed,
    )
    gan.compile(
        *optimizers,
        steps_per_execution=STEPS_PER_CALL,
        jit_compile=_jit_compile(recipe),
    )
    return gan


def _jit_compile(recipe):
    """XLA takes long to compile, and its convolutions are slow on processors."""
    import tensorflow as tf

    dense = not hasattr(recipe, "filters")
    return recipe.iterations >= COMPILE_FROM_ITERATIONS and (dense or bool(tf.config.list_physical_devices("GPU")))


def _state(gan):
    return [*gan.variables, *gan.generator_optimizer.variables, *gan.discriminator_optimizer.variables]


def check_finite(losses, row, seed, iteration, recipe):
    """Refuse to go on with a loss that is not a number."""
    if not all(map(math.isfinite, losses.values())):
        raise UserError(
            f"`learning_rate` should be small enough for training to go on: the losses of {row.name}, seed {seed}, are "
            f"{losses} after iteration {iteration}. Received: learning_rate={recipe.learning_rate}."
        )
