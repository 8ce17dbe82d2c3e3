"""The training loop: one row of a recipe, one seed. The only one in the zoo."""

import math
import time

from keras_mixup.zoo import networks, scores
from keras_mixup.zoo.errors import UserError

TEST_BATCH = 500


def train(recipe, row, seed, source, splits, on_epoch):
    """Train a network and test it.

    Rows of one recipe that share a seed start from the same weights and see the same examples in the same order, so
    their difference is due to the row. The seeds of Python, NumPy and the backend are set: this is a program, and
    repeats itself exactly on the same machine.

    Args:
        recipe: A `Recipe`.
        row: One of its rows.
        seed: An int >= 0.
        source: The `Source` of the data.
        splits: The training and the test split, as `source.load` gives them.
        on_epoch: Called after each epoch with its record: `epoch` from 1, `loss` (on mixed examples, where the row
            mixes; so not comparable between rows), `test_error` in percent, `test_nll`.

    Returns:
        The scores of the trained network on the test split: a dict of `error`, `nll`, `ece`, and `seconds`, the wall
        time.

    Raises:
        UserError: If the loss is no longer finite.
    """
    import keras
    import numpy as np

    start = time.perf_counter()
    training, test = splits
    keras.utils.set_random_seed(seed)
    model = networks.get(recipe.network)(source.shape, len(source.classes))
    steps = recipe.epochs * math.ceil(int(training.cardinality()) / recipe.batch_size)
    model.compile(
        keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps),
            momentum=0.9,
            nesterov=True,
            weight_decay=recipe.weight_decay,
        ),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=_jit_compile(),
    )

    batches = list(_standardised(test, source).batch(TEST_BATCH).as_numpy_iterator())
    labels = np.concatenate([targets.argmax(axis=1) for _, targets in batches])

    def test_logits():
        return np.concatenate([model.predict_on_batch(images) for images, _ in batches])

    def end_of_epoch(epoch, logs):
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"`learning_rate` should be small enough for training to converge: the loss of {row.name}, "
                f"seed {seed}, is {logs['loss']} after epoch {epoch + 1}. "
                f"Received: learning_rate={recipe.learning_rate}."
            )
        logits = test_logits()
        on_epoch(
            {
                "epoch": epoch + 1,
                "loss": float(logs["loss"]),
                "test_error": scores.error(logits, labels),
                "test_nll": scores.nll(logits, labels),
            }
        )

    model.fit(
        training_batches(training, recipe, row, seed, source),
        epochs=recipe.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end_of_epoch)],
        shuffle=False,  # the data set shuffles itself; Keras would warn that it does not
        verbose=0,
    )
    logits = test_logits()
    return {
        "error": scores.error(logits, labels),
        "nll": scores.nll(logits, labels),
        "ece": scores.ece(logits, labels),
        "seconds": time.perf_counter() - start,
    }


def training_batches(training, recipe, row, seed, source):
    """The batches that a row trains on: standardised images and float32 target rows, shuffled anew in each epoch."""
    import tensorflow as tf

    from keras_mixup.pipeline import mix_with

    dataset = _standardised(training, source).cache()
    dataset = dataset.shuffle(int(training.cardinality()), seed=seed).batch(recipe.batch_size)
    if row.method is not None:
        dataset = dataset.apply(mix_with(row.method, seed=seed))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _standardised(split, source):
    import tensorflow as tf

    def standardise(image, label):
        image = (tf.cast(image, tf.float32) - source.mean) / source.deviation
        return image, tf.one_hot(label, len(source.classes))

    return split.map(standardise)


def _jit_compile():
    """XLA is Keras's default, but for small networks on a CPU TensorFlow's own kernels were four times as fast."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            return False
    return "auto"
