"""The training loop: one row of a recipe, one seed. The only one in the zoo."""

import contextlib
import inspect
import math
import time
from statistics import median

from keras_mixup.zoo import atomic, averages, checkpoints, measures, networks, optimizers
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.inputs import test_batches, training_batches
from keras_mixup.zoo.recipe import for_row, in_model

TEST_BATCH = 500
NETWORK = "network.keras"


def train(recipe, row, seed, data, on_epoch, folder, engine, report):
    """Train a network and test it, from the last complete epoch on if there is one.

    Rows of one recipe that share a seed start from the same weights and see the same examples in the same order, so
    their difference is due to the row. The seeds of Python, NumPy and the backend are set: this is a program, and
    repeats itself exactly on the same machine, whether or not it was interrupted between.

    Args:
        recipe: A `Recipe`.
        row: One of its rows.
        seed: An int >= 0.
        data: The source and its training and test split: see `runs.load`.
        on_epoch: Called with the record of each epoch, and first with those before an interruption all at once:
            `epoch` from 1, `loss` (on mixed examples, where the row mixes; so not comparable between rows), `seconds`
            and `examples_per_second` of training; and if the network was tested then, `test_error`, `test_nll` and the
            other scores of the task, and what the recipe's measures follow.
        folder: The run's folder; checkpoints and the trained network, `network.keras`, go there.
        engine: An `Engine`: on what devices to train.
        report: Called with lines of text for the user; as `report(line, passing=True)` with where training stands,
            about every second.

    Returns:
        The scores of the trained network on the test split, those of the task. Its headline score is also there as
        `last_...`, `best_...` and `median_...`, of the last epochs, and `recipe.score` says which of them it is.
        `seconds` is the time of training, and `examples_per_second` the median over all epochs but the first, which
        compiles. What `recipe.measures` names is there, too.

    Raises:
        UserError: If the loss is no longer finite.
    """
    import keras

    recipe = for_row(recipe, row)
    source, training, test = data.source, data.training, data.test
    examples = getattr(training, "epoch", len(training))
    steps = math.ceil(examples / recipe.batch_size)
    measures.check(recipe, data, folder)
    own_seed = seed + recipe.seed_offset
    keras.utils.set_random_seed(own_seed)
    with _policy(recipe.precision), engine.scope():
        network, model, statistics = build(recipe, row.method, own_seed, source)
        model.compile(
            optimizers.build(recipe, steps),
            source.task.loss(),
            jit_compile=engine.jit_compile(recipe.jit),
            steps_per_execution=_at_once(recipe, steps, engine),
        )
        model.optimizer.build(model.trainable_variables)
        history = checkpoints.restore(folder, model, report)
        if history:
            report(f"resumed at epoch {len(history) + 1}" if len(history) < recipe.epochs else "resumed at the end")
            on_epoch(*history)

        features = test_batches(test, source, TEST_BATCH)
        if source.transform is not None and isinstance(test, Arrays):  # spectrograms, matrices of graphs: made once
            features = features.cache()

        def scores():
            with averages.averaged(model, statistics) if recipe.ema else contextlib.nullcontext():
                return source.task.scores(engine.predict(model, features)[: len(test)], test.labels)

        def end_of_epoch(epoch, loss, seconds):
            if not math.isfinite(loss):
                raise UserError(
                    f"`learning_rate` should be small enough for training to converge: the loss of {row.name}, "
                    f"seed {seed}, is {loss} after epoch {epoch + 1}. Received: learning_rate={recipe.learning_rate}."
                )
            record = {"epoch": epoch + 1, "loss": loss, "seconds": seconds}
            record["examples_per_second"] = examples / seconds
            if (epoch + 1) % recipe.test_every == 0 or epoch + 1 == recipe.epochs:
                record.update({f"test_{name}": value for name, value in scores().items()})
                record.update(measures.watch(network, recipe, data))
            history.append(record)
            if engine.chief:
                checkpoints.save(folder, model, history)
            on_epoch(record)

        if len(history) < recipe.epochs:
            method = None if in_model(recipe, row.method) else row.method
            batches = training_batches(training, source, recipe, method, own_seed, len(history))
            engine.fit(model, batches, steps, len(history), recipe.epochs, _watch(end_of_epoch, recipe, steps, report))
        elif recipe.ema:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        if statistics:
            statistics.finalize()
        if engine.chief:
            with atomic.replacing(folder / NETWORK) as path:
                network.save(path)
        measured = measures.take(network, recipe, seed, data, folder) if engine.chief else {}
    return {**summary(history, recipe, source.task), **measured}


def build(recipe, method, seed, source):
    """The network, the model around it to train, and the `StatisticsAverage` of the network, if it is asked for.

    The network has no optimiser and no loss, and is what to keep.
    """
    import keras

    from keras_mixup.model import MixupModel

    make, options = networks.get(recipe.network), {"dropout": recipe.dropout} if recipe.dropout else {}
    if options and "dropout" not in inspect.signature(make).parameters:
        raise UserError(f"`dropout` should be 0 for {recipe.network}. Received: dropout={recipe.dropout}.")
    network = make(source.shape, len(source.classes), **options)
    if isinstance(network, keras.Sequential):  # which has no `input`
        network = keras.Model(network.inputs[0], network.outputs[0])
    if recipe.input_noise:
        inputs = keras.Input(source.shape)
        network = keras.Model(inputs, network(keras.layers.GaussianNoise(recipe.input_noise)(inputs)))
    if method is None or not in_model(recipe, method):
        model = keras.Model(network.input, network.output)
    else:
        model = method.model(network, seed)
        if model is None:
            model = MixupModel(network, method, seed=seed, at=recipe.at or None)
    follows = recipe.ema_statistics == "on"
    statistics = averages.StatisticsAverage(model, network, recipe.ema) if follows else None
    if isinstance(model, MixupModel):
        model.build(network.input_shape)  # and from here on it takes no more variables
    return network, model, statistics


def summary(history, recipe, task):
    """The scores of a run from the records of all its epochs: see `train`."""
    headline, last = task.headline, history[-1]
    values = [record[f"test_{headline}"] for record in history if f"test_{headline}" in record]
    stages = {"last": values[-1], "best": min(values), "median": median(values[-recipe.median_of :])}
    return {
        **{name.removeprefix("test_"): value for name, value in last.items() if name.startswith("test_")},
        headline: stages[recipe.score],
        **{f"{stage}_{headline}": value for stage, value in stages.items()},
        "epochs": len(history),
        "seconds": sum(record["seconds"] for record in history),
        "examples_per_second": median(record["examples_per_second"] for record in history[1:] or history),
    }


def _at_once(recipe, steps, engine):
    """How many steps to make in one call: a divisor of those of an epoch, as Keras would go beyond it otherwise."""
    import keras

    if keras.backend.backend() != "tensorflow" or engine.strategy is not None:
        return 1
    return max(n for n in range(1, recipe.steps_at_once + 1) if steps % n == 0)


def _watch(end_of_epoch, recipe, steps, report):
    """A callback that calls `end_of_epoch(epoch, loss, seconds)`, and reports within an epoch where it stands."""
    import keras

    started = told = where = None

    def begin(epoch, logs=None):
        nonlocal started, told, where
        started = told = time.perf_counter()
        where = f"epoch {epoch + 1}/{recipe.epochs}"

    def begin_step(step, logs=None):  # at its beginning, as Keras waits for the device before it calls at its end
        nonlocal told
        now = time.perf_counter()
        if now - told > 1.0:
            told = now
            report(f"{where}, step {step + 1}/{steps}", passing=True)

    def end(epoch, logs):
        end_of_epoch(epoch, float(logs["loss"]), time.perf_counter() - started)

    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_train_batch_begin=begin_step, on_epoch_end=end)


@contextlib.contextmanager
def _policy(name):
    """A global policy of Keras, for as long as the context is open."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
