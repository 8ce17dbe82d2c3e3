"""On what devices a recipe trains, and where its input is made: the existing engines of TensorFlow and Keras."""

import contextlib
import dataclasses
import functools
import os

from keras_mixup.zoo.errors import UserError

STRATEGIES = ("one", "mirrored", "multiworker")


@dataclasses.dataclass(frozen=True)
class Engine:
    """Where to run.

    On several devices each batch is divided among them. Batch normalisation takes its statistics, and a method that
    mixes in the train step its pairs, from each device's part. The last batch of an epoch is filled up with examples of
    its own if it cannot be divided.

    Args:
        strategy: The `tf.distribute.Strategy`, the `keras.distribution.DataParallel`, or `None` for one device.
        workers: How many processes train together.
        chief: Whether this process writes the files; of several workers one does.
        data_service: Address of a dispatcher of the `tf.data` service, such as `"grpc://localhost:5000"`, or `None`.
    """

    strategy: object = None
    workers: int = 1
    chief: bool = True
    data_service: str | None = None

    @contextlib.contextmanager
    def scope(self):
        """The scope in which models are made and trained."""
        import keras

        if self.strategy is None:
            yield
        elif keras.backend.backend() == "tensorflow":
            with self.strategy.scope():
                yield
        else:
            keras.distribution.set_distribution(self.strategy)
            try:
                yield
            finally:
                keras.distribution.set_distribution(None)

    def as_chief(self, *flags):
        """What the chief holds true, told to all workers, who meet here; so none of them waits for what others skip."""
        if self.workers == 1:
            return flags
        import tensorflow as tf

        def tell():
            own = tf.cast(flags, tf.int32) * int(self.chief)
            return tf.distribute.get_replica_context().all_reduce("SUM", own)

        with _none_lost():
            told = self.strategy.run(tf.function(tell))
        return tuple((self.strategy.experimental_local_results(told)[0].numpy() > 0).tolist())

    def jit_compile(self, jit):
        """What to compile a model with, for a recipe's setting `jit`.

        Raises:
            UserError: If XLA is asked for and does not work here.
        """
        import keras

        if keras.backend.backend() != "tensorflow":
            return {"on": True, "off": False, "auto": "auto"}[jit]
        if self.strategy is not None:
            if jit == "on":
                raise UserError("`jit` should be off or auto on several devices under TensorFlow. Received: jit=on.")
            return False
        import tensorflow as tf

        # XLA is Keras's default, but for small networks on a CPU TensorFlow's own kernels were four times as fast.
        return {"on": True, "off": False, "auto": "auto" if tf.config.list_physical_devices("GPU") else False}[jit]

    def fit(self, model, batches, steps, first, epochs, callback):
        """Train a model.

        Args:
            model: It was compiled in the scope.
            batches: A `tf.data.Dataset` of the batches of all epochs that are left.
            steps: Steps per epoch.
            first: The first epoch, counted from 0.
            epochs: The number of epochs, those before `first` included.
            callback: A `keras.callbacks.Callback` with `on_epoch_begin`, `on_train_batch_begin` and `on_epoch_end`.

        Raises:
            UserError: If another worker was lost. TensorFlow notices within about half a minute.
        """
        batches = self.serve(batches)
        if self.workers > 1:
            with _none_lost():
                self._fit(model, self._divide(batches), steps, first, epochs, callback)
        else:
            model.fit(
                self._divide(batches),
                steps_per_epoch=steps,
                initial_epoch=first,
                epochs=epochs,
                callbacks=[callback],
                shuffle=False,  # the data set shuffles itself; Keras would warn that it does not
                verbose=0,
            )

    def serve(self, batches):
        """Have the `tf.data` service make a data set, if there is one.

        Each of its workers makes whole epochs; so the batches of several come interleaved, in an order that differs
        from run to run. With one worker the order is as without the service.
        """
        if self.data_service is None:
            return batches
        import tensorflow as tf

        service = tf.data.experimental.service
        # Dynamic: the elements of the first data set in the stream, which are epochs, are handed out one by one.
        return batches.apply(service.distribute(service.ShardingPolicy.DYNAMIC, self.data_service))

    def predict(self, model, features):
        """The outputs of a model for a `tf.data.Dataset` of batches; some at the end may be of examples seen before."""
        import keras
        import numpy as np

        if self.workers == 1:
            # Told of the steps, Keras makes another iterator for a call that does not come. Only a strategy needs it.
            steps = None if self._devices == 1 else int(features.cardinality())
            return model.predict(self._divide(features), steps=steps, verbose=0)
        # Each worker predicts everything by itself.
        outputs = _forward(model)
        return np.concatenate([keras.ops.convert_to_numpy(outputs(batch)) for batch in features])

    def _fit(self, model, batches, steps, first, epochs, callback):
        """What `model.fit` does; that of Keras 3 does not work with several workers (keras-team/keras, issue 20585)."""
        import tensorflow as tf

        @tf.function
        def train_step(iterator):
            self.strategy.run(model.train_step, args=(next(iterator),))

        iterator = iter(batches)
        for epoch in range(first, epochs):
            model.reset_metrics()
            callback.on_epoch_begin(epoch)
            for step in range(steps):
                callback.on_train_batch_begin(step)
                train_step(iterator)
            callback.on_epoch_end(epoch, {name: float(value) for name, value in model.get_metrics_result().items()})
        model.optimizer.finalize_variable_values(model.trainable_variables)

    def _divide(self, dataset):
        """The data set as the devices take it, with as many examples of a batch for each."""
        devices = self._devices
        if devices == 1:
            return dataset
        import tensorflow as tf

        def fill(*batch):
            leaves = tf.nest.flatten(batch)
            size = tf.shape(leaves[0])[0]
            rows = tf.range(-(-size // devices) * devices) % size
            filled = tf.nest.map_structure(lambda leaf: tf.gather(leaf, rows), batch)
            return filled if len(filled) > 1 else filled[0]

        dataset = dataset.map(fill, tf.data.AUTOTUNE)
        if not hasattr(self.strategy, "distribute_datasets_from_function"):
            return dataset

        def parts(context):
            own = devices // context.num_input_pipelines
            start = context.input_pipeline_id * own

            def divide(*batch):
                size = tf.shape(tf.nest.flatten(batch)[0])[0] // devices

                def part(index):
                    one = tf.nest.map_structure(lambda leaf: leaf[index * size : (index + 1) * size], batch)
                    return one if len(one) > 1 else one[0]

                return tf.data.Dataset.range(start, start + own, output_type=tf.int32).map(part)

            return dataset.flat_map(divide).prefetch(tf.data.AUTOTUNE)

        return self.strategy.distribute_datasets_from_function(parts)

    @property
    def _devices(self):
        """Among how many devices each batch is divided."""
        if self.strategy is None:
            return 1
        if hasattr(self.strategy, "num_replicas_in_sync"):
            return self.strategy.num_replicas_in_sync
        return self.strategy.device_mesh.devices.size


@contextlib.contextmanager
def _none_lost():
    """Say in words that a worker was lost."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.UnavailableError as error:
        raise UserError(
            "All workers should stay up. Start all of them again with the same commands; they go on from the last "
            "complete epoch. Received: no answer from one of them."
        ) from error


@functools.lru_cache(maxsize=1)
def _forward(model):
    """A function from a batch to the outputs, traced once for all epochs."""
    import tensorflow as tf

    return tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)


def start(strategy="one", data_service=None):
    """Set up an `Engine`. Call it before anything else uses TensorFlow: several workers meet here.

    Args:
        strategy: `"one"` device; `"mirrored"`, all devices of this machine; `"multiworker"`, all workers that the
            environment variable `TF_CONFIG` names.
        data_service: As for `Engine`.

    Raises:
        UserError: If the backend does not have that strategy, or `TF_CONFIG` does not fit.
    """
    if strategy not in STRATEGIES:
        raise UserError(f"`--strategy` should be one of: {', '.join(STRATEGIES)}. Received: --strategy {strategy}.")
    if strategy == "one":
        return Engine(data_service=data_service)
    import keras

    backend = keras.backend.backend()
    if backend == "jax" and strategy == "mirrored":
        return Engine(keras.distribution.DataParallel(), data_service=data_service)
    if backend != "tensorflow":
        raise UserError(
            f"`--strategy` should be {'one or mirrored' if backend == 'jax' else 'one'} on the {backend} backend. "
            f"Received: --strategy {strategy}."
        )
    import tensorflow as tf

    if strategy == "mirrored":
        return Engine(tf.distribute.MirroredStrategy(), data_service=data_service)
    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    workers = cluster.cluster_spec().as_dict()
    if not workers or not set(workers) <= {"chief", "worker"}:
        raise UserError(
            "`TF_CONFIG` should name a cluster of workers, and which of them this is, such as "
            '{"cluster": {"worker": ["one:5000", "two:5000"]}, "task": {"type": "worker", "index": 0}}. '
            f"Received: TF_CONFIG={os.environ.get('TF_CONFIG')}."
        )
    return Engine(
        tf.distribute.MultiWorkerMirroredStrategy(),
        workers=sum(map(len, workers.values())),
        chief=cluster.task_id == 0 and cluster.task_type == min(workers),  # that is the first worker, or "chief"
        data_service=data_service,
    )
