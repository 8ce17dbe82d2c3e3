"""Several devices, several workers, and the tf.data service: what they compute is what one device computes."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_mixup.methods import Mixup
from keras_mixup.zoo import engine, inputs, locks, recipes, runs
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row

on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute trains TensorFlow")

# A network without batch normalisation, so that dividing a batch changes nothing but the order of sums. 90 examples in
# batches of 32 leave a last one of 26; 91 one of 27, which two devices cannot share evenly.
TRAIN = """
import dataclasses, os, signal, sys
out, strategy, stop, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    if strategy == "mirrored":
        one = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], one)
        tf.distribute.MirroredStrategy = lambda real=tf.distribute.MirroredStrategy: real(["CPU:0", "CPU:1"])
from keras_mixup import Mixup
from keras_mixup.zoo import engine, networks, recipes, runs, train
from keras_mixup.zoo.recipe import Row

def network(shape, classes):
    inputs = keras.Input(shape)
    x = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(classes, dtype="float32")(x))

networks.get = lambda name: network
devices = engine.start(strategy)
recipe = dataclasses.replace(
    recipes.get("digits"), rows=(), train_size=size, epochs=3, learning_rate=0.02, ema=0.5, decay="l2"
)
row = Row("mixup", "mixup", Mixup(alpha=1.0))

class Stopped(BaseException):
    pass

def on_record(*records):
    if records[-1]["epoch"] == stop:
        raise Stopped

if "KILLED_AFTER" in os.environ:  # so many epochs and a step
    watch = train._watch

    def watched(*args):
        callback, epochs = watch(*args), []
        begin, step = callback.on_epoch_begin, callback.on_train_batch_begin

        def on_epoch_begin(epoch, logs=None):
            epochs.append(epoch)
            begin(epoch)

        def on_train_batch_begin(index, logs=None):
            if (epochs[-1], index) == (int(os.environ["KILLED_AFTER"]), 1):
                os.kill(os.getpid(), signal.SIGKILL)
            step(index)

        callback.on_epoch_begin, callback.on_train_batch_begin = on_epoch_begin, on_train_batch_begin
        return callback

    train._watch = watched

try:
    runs.run(recipe, row, 0, runs.load(recipe, row, 0), out, on_record=on_record, engine=devices)
except Stopped:
    pass
"""


def start(folder, strategy, stop=0, size=90, **env):
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(folder), strategy, str(stop), str(size)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(*processes):
    for process in processes:
        _, error = process.communicate(timeout=900)
        assert process.returncode == 0, error[-3000:]


def losses(folder):
    where = folder / "mixup" / "seed0"
    assert (where / "result.json").exists()
    return [(one["loss"], one["test_nll"]) for one in json.loads((where / "history.json").read_text())]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    ended(start(folder, "one"))
    return losses(folder)


@on_tensorflow
@pytest.mark.slow
def test_two_devices_train_like_one_and_are_resumed(alone, tmp_path):
    for stop in (1, 0):
        ended(start(tmp_path, "mirrored", stop))
    np.testing.assert_allclose(losses(tmp_path), alone, rtol=1e-4)
    ended(start(tmp_path / "odd", "mirrored", size=91))
    assert np.all(np.isfinite(losses(tmp_path / "odd")))


def cluster(folder, stop=0, killed=None, **env):
    """Two workers, to the one of which that is killed the environment is given."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("localhost", 0))
        two.bind(("localhost", 0))
        addresses = [f"localhost:{sock.getsockname()[1]}" for sock in (one, two)]
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in (0, 1)]
    return [
        start(folder, "multiworker", stop, TF_CONFIG=json.dumps(task), **(env if index == killed else {}))
        for index, task in enumerate(tasks)
    ]


@on_tensorflow
@pytest.mark.slow
def test_two_workers_train_like_one_and_are_resumed(alone, tmp_path):
    for stop in (1, 0):
        ended(*cluster(tmp_path, stop))
    np.testing.assert_allclose(losses(tmp_path), alone, rtol=1e-4)


@on_tensorflow
@pytest.mark.slow
def test_a_worker_killed_within_an_epoch_ends_the_others_and_costs_no_figure(alone, tmp_path):
    for epoch, killed in ((1, 1), (2, 0)):  # the second epoch, then the chief in the third
        workers = cluster(tmp_path, killed=killed, KILLED_AFTER=str(epoch))
        errors = [worker.communicate(timeout=900)[1] for worker in workers]
        assert workers[killed].returncode == -signal.SIGKILL, errors[killed][-3000:]
        assert workers[1 - killed].returncode > 0
        assert "UserError: All workers should stay up." in errors[1 - killed]
        assert len(json.loads((tmp_path / "mixup" / "seed0" / "history.json").read_text())) == epoch
    ended(*cluster(tmp_path))
    np.testing.assert_allclose(losses(tmp_path), alone, rtol=1e-4)


@on_tensorflow
@pytest.mark.slow
def test_if_the_chief_may_not_run_no_worker_waits(tmp_path):
    with locks.alone(tmp_path / "mixup" / "seed0"):
        workers = cluster(tmp_path)
        errors = [worker.communicate(timeout=900)[1] for worker in workers]
    for worker, error in zip(workers, errors, strict=True):
        assert worker.returncode == 1
        assert "locks.Busy" in error


@pytest.mark.slow
def test_two_devices_of_jax_train_like_one_and_are_resumed(tmp_path):
    pytest.importorskip("jax")
    jax = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    ended(start(tmp_path / "one", "one", **jax))
    for stop in (1, 0):
        ended(start(tmp_path / "two", "mirrored", stop, **jax))
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)
    ended(start(tmp_path / "odd", "mirrored", size=91, **jax))
    assert np.all(np.isfinite(losses(tmp_path / "odd")))


RECIPE = dataclasses.replace(recipes.get("digits"), rows=(), train_size=90, epochs=2)
ROW = Row("mixup", "mixup", Mixup(alpha=1.0))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_data_service_makes_the_same_batches(workers):
    """One worker in the same order; of two each makes whole epochs, so that they come interleaved."""
    service = pytest.importorskip("tensorflow").data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target
    config = service.WorkerConfig(dispatcher_address=address.split("://")[1])
    servers = [service.WorkerServer(config) for _ in range(workers)]
    data = runs.load(RECIPE, ROW, 0)
    stream = inputs.training_batches(data.training, data.source, RECIPE, ROW.method, 0)
    made = list(engine.Engine(data_service=address).serve(stream).as_numpy_iterator())
    expected = list(stream.as_numpy_iterator())
    if workers > 1:
        made, expected = (sorted(batches, key=lambda batch: batch[0].sum()) for batches in (made, expected))
    assert len(made) == len(expected) == 6
    for one, other in zip(made, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    del servers, dispatcher


@pytest.mark.parametrize(
    "backend, strategy, message",
    [
        ("tensorflow", "two", "`--strategy` should be one of: one, mirrored, multiworker. Received: --strategy two."),
        ("torch", "mirrored", "`--strategy` should be one on the torch backend. Received: --strategy mirrored."),
        (
            "jax",
            "multiworker",
            "`--strategy` should be one or mirrored on the jax backend. Received: --strategy multiworker.",
        ),
    ],
)
def test_refusals(backend, strategy, message, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(UserError) as error:
        engine.start(strategy)
    assert str(error.value) == message


WORKERS = {"worker": ["one:5000", "two:5000"]}


@pytest.mark.parametrize(
    "config", [None, {}, {"cluster": {"ps": ["one:5000"], **WORKERS}, "task": {"type": "worker", "index": 0}}]
)
@on_tensorflow
def test_a_cluster_that_is_not_one_is_refused(config, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(UserError, match="^`TF_CONFIG` should name a cluster of workers, and which of them this is"):
        engine.start("multiworker")


@on_tensorflow
@pytest.mark.parametrize(
    "cluster, task, chief, workers",
    [
        (WORKERS, ("worker", 0), True, 2),
        (WORKERS, ("worker", 1), False, 2),
        ({"chief": ["zero:5000"], **WORKERS}, ("chief", 0), True, 3),
        ({"chief": ["zero:5000"], **WORKERS}, ("worker", 0), False, 3),
    ],
)
def test_one_worker_is_the_chief(cluster, task, chief, workers, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: None)  # it would wait for the others
    kind, index = task
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}}))
    found = engine.start("multiworker")
    assert (found.chief, found.workers) == (chief, workers)


@on_tensorflow
def test_compiling_with_xla():
    assert engine.Engine().jit_compile("on") is True and engine.Engine().jit_compile("off") is False
    several = engine.Engine(strategy=object())
    assert several.jit_compile("auto") is False
    with pytest.raises(UserError, match="^`jit` should be off or auto on several devices"):
        several.jit_compile("on")
