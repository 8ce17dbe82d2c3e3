"""Several devices and workers: correct rows, no draw twice. Devices are split before TensorFlow or JAX starts."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from commands import in_guide, started
from contract import features, one_hot
from reference import mix_rows, read_back

from keras_mixup import check_mixed

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow  # a process of its own

MIRRORED = """
import json, os, sys
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
import keras
from keras_mixup import Mixup, MixupModel, mixup

x, y = np.load(sys.argv[1])["x"], np.load(sys.argv[1])["y"]
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
result = {}

# A dataset made once and handed out: batches are mixed whole and split afterwards.
dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8).apply(mixup(0.9, pairing="derangement", seed=1))
rows = [[], []]
for batch in strategy.experimental_distribute_dataset(dataset):
    for part, values in zip(rows, batch):
        locals_ = strategy.experimental_local_results(values)
        part.append([value.numpy().tolist() for value in locals_])
result["distributed"] = rows

# A pipeline made by each worker: the id of its pipeline goes into the draws.
def make(context):
    size = context.get_per_replica_batch_size(8) if context else 8
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(size)
    return data.apply(mixup(0.9, pairing="derangement", seed=1, input_context=context))

batches = []
for batch in strategy.distribute_datasets_from_function(make):
    for features, targets in zip(*map(strategy.experimental_local_results, batch)):
        batches.append([features.numpy().tolist(), targets.numpy().tolist()])
result["per_worker"] = batches

if keras.backend.backend() == "tensorflow":
    with strategy.scope():
        network = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(y.shape[1])])
        network.compile("sgd", loss="mse")
        network.fit(dataset, epochs=2, verbose=0)
        begun = network.get_weights()
        network.compile("sgd", loss="mse")
        result["mirrored"] = network.fit(make(None), epochs=2, verbose=0).history["loss"]
        model = MixupModel(network, 0.4, seed=1)
        model.compile("sgd", loss="mse")
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
    result["losses"] = history
    for times in (0, 1):  # how often the data were begun before
        alone = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(y.shape[1])])
        alone.set_weights(begun)
        alone.compile("sgd", loss="mse")
        dataset = make(None)
        for _ in range(times):
            next(iter(dataset))
        result[f"alone{times}"] = alone.fit(dataset, epochs=2, verbose=0).history["loss"]

    seen = []

    class Recording(MixupModel):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            replica = tf.distribute.get_replica_context()
            if replica is not None:  # or it is built only
                seen.append([int(replica.replica_id_in_sync_group), x.numpy().tolist(), y.numpy().tolist()])
            return super().compute_loss(x, y, y_pred, sample_weight, training)

    with strategy.scope():
        model = Recording(network, Mixup(0.9, pairing="derangement"), seed=1)
        model.compile("sgd", loss="mse", run_eagerly=True)
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    result["in_step"] = seen
print("RESULT " + json.dumps(result))
"""

# Two workers with one device each; what they get is written to files for the test to read.
WORKERS = """
import sys
import numpy as np, tensorflow as tf
from keras_mixup import MixupLayer, mixup

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else uses TensorFlow
path, out, *files = sys.argv[1:]
x, y = (tf.constant(np.load(path)[name]) for name in "xy")

def batches(names, size):
    lines = tf.data.TextLineDataset(names).map(lambda line: tf.strings.to_number(line, tf.int64))
    return lines.batch(size).map(lambda rows: {"id": rows, "image": tf.gather(x, rows), "label": tf.gather(y, rows)})

def own(context):
    names = files[context.input_pipeline_id :: context.num_input_pipelines]
    made = batches(names, context.get_per_replica_batch_size(8))
    return made.apply(mixup(0.9, pairing="derangement", seed=1, input_context=context))

divided = batches(files, 8).apply(mixup(0.9, pairing="derangement", seed=1))
found = {}
for name, dataset in {
    "divided": strategy.experimental_distribute_dataset(divided),
    "own": strategy.distribute_datasets_from_function(own),
}.items():
    for step, batch in enumerate(dataset):
        for key, value in batch.items():
            (value,) = strategy.experimental_local_results(value)
            found[f"{name} {step} {key}"] = value.numpy()

with strategy.scope():
    layer = MixupLayer(0.9, pairing="derangement", seed=1)

@tf.function
def step():
    return strategy.run(lambda: layer((x, y)))

for name, value in zip(("image", "label"), step()):
    found[f"layer 0 {name}"] = value.numpy()
np.savez(out, **found)
"""

JAX = """
import json, sys
import jax, keras, numpy as np
from keras_mixup import Mixup, MixupModel

x, y = (np.load(sys.argv[1])[name] for name in "xy")
result = []
for distribution in (None, keras.distribution.DataParallel()):
    keras.distribution.set_distribution(distribution)
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(y.shape[1])])
    model = MixupModel(network, Mixup(0.9), seed=1)
    model.compile("sgd", loss="mse")
    losses = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
    devices = len(network.layers[-1].kernel.value.sharding.device_set)
    result.append([devices, losses, np.asarray(network.layers[-1].kernel.value).tolist()])
print("RESULT " + json.dumps(result))
"""

# Class ids of every dtype, by every method, on several devices of each kind.
IDS = """
import json, os, sys
import numpy as np
how = sys.argv[2]
if how == "mirrored":
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope
else:
    import contextlib
    scope = contextlib.nullcontext
import keras
from keras_mixup import (
    Choice, CutMix, DMixup, FMix, ManifoldMixup, Mixup, MixupE, MixupModel, PairLoss, RegMixup, Remix, ResizeMix
)

if how == "data":
    keras.distribution.set_distribution(keras.distribution.DataParallel())
if how == "model":
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout["hidden/kernel"] = (None, "model")
    distribution = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    keras.distribution.set_distribution(distribution)

x = np.load(sys.argv[1])["x"][..., None]  # images, so that they can be cut
labels = np.arange(len(x)) * 7 % 4
methods = {
    "Mixup": Mixup(0.4), "same class": Mixup(0.4, pairing="other_class"), "CutMix": CutMix(), "ResizeMix": ResizeMix(),
    "FMix": FMix(), "Choice": Choice((Mixup(0.8), CutMix())), "DMixup": DMixup(2), "RegMixup": RegMixup(),
    "Remix": Remix((9, 3, 1, 1)), "ManifoldMixup": ManifoldMixup(("hidden",)), "MixupE": MixupE(0.4),
    "one pass": MixupE(0.4, one_pass=True), "no trace": MixupE(0.4, clean_statistics=False), "pairs": Mixup(0.4),
}
dtypes = ["int32", "int64", "uint8", "int16"]
found = {}
for number, (name, method) in enumerate(methods.items()):
    for shape in ((-1,), (-1, 1)) if name in ("Mixup", "pairs") else ((-1,), (-1, 1))[number % 2 :][:1]:
        for dtype in dtypes if name in ("Mixup", "pairs") else [dtypes[number % 4]]:
            y = labels.astype(dtype).reshape(shape)
            with scope():
                keras.utils.set_random_seed(1)
                network = keras.Sequential([
                    keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(6, "tanh", name="hidden"),
                    keras.layers.BatchNormalization(), keras.layers.Dropout(0.2), keras.layers.Dense(4),
                ])
                pairs = name == "pairs"
                loss = keras.losses.CategoricalCrossentropy(from_logits=True)
                if pairs:
                    loss = PairLoss(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
                model = MixupModel(network, method, num_classes=None if pairs else 4, pairs=pairs, seed=1)
                model.compile("sgd", loss)
            logs = model.fit(x, y, batch_size=8, epochs=1, verbose=0).history
            logits = network.predict(x, batch_size=8, verbose=0)
            found[f"{name} {dtype} {shape}"] = [
                logs["loss"][0], model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)["loss"],
                float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(x)), labels])),
            ]
print("RESULT " + json.dumps(found))
"""

SIZE = 16
X, Y = features(SIZE), one_hot(SIZE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=X, y=Y)
    return str(path)


def start(program, *arguments, **env):
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **env},
    )


def ended(process):
    output, error = process.communicate(timeout=900)
    assert process.returncode == 0, error[-3000:]
    return output


def result(process):
    (line,) = (line for line in ended(process).splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


@pytest.fixture(scope="module")
def mirrored(data):
    """What two replicas on two logical CPU devices received."""
    return result(start(MIRRORED, data))


def test_mirrored_replicas_get_correct_rows_with_partners_from_the_whole_batch(mirrored):
    x, y = mirrored["distributed"]
    across = 0
    for step, start in enumerate((0, 8)):
        assert [len(part) for part in x[step]] == [4, 4]  # two replicas, four rows each
        mixed_x, mixed_y = np.concatenate(x[step]), np.concatenate(y[step])
        weight, partner = read_back(mixed_y[:, start : start + 8])
        assert np.all(partner != np.arange(8))
        np.testing.assert_allclose(mixed_x, mix_rows(X[start : start + 8], weight, partner), rtol=1e-4, atol=1e-5)
        across += np.sum((partner < 4) != (np.arange(8) < 4))
    assert across > 0  # somebody's partner lives on the other replica


def test_pipelines_made_per_worker_give_correct_rows(mirrored):
    starts = []
    for x, y in mirrored["per_worker"]:
        y = np.array(y)
        start = 4 * (int(np.flatnonzero(y.sum(0))[0]) // 4)
        starts.append(start)
        weight, partner = read_back(y[:, start : start + 4])
        np.testing.assert_allclose(x, mix_rows(X[start : start + 4], weight, partner), rtol=1e-4, atol=1e-5)
    assert starts == [0, 4, 8, 12]


def test_a_mixup_model_mixes_each_replicas_rows_by_draws_of_its_own(mirrored):
    if "in_step" not in mirrored:
        pytest.skip("tf.distribute trains Keras models on the TensorFlow backend only")
    draws, steps = [], [0, 0]
    for replica, x, y in mirrored["in_step"]:
        start = 8 * steps[replica] + 4 * replica
        steps[replica] += 1
        own = slice(start, start + 4)
        report = check_mixed((X[own], Y[own]), (np.array(x, "float32"), np.array(y, "float32")))
        assert report.ok, report
        assert np.all(report.partner != np.arange(4))
        draws.append(tuple(report.weight.round(4)))
    assert steps == [2, 2]
    assert len(set(draws)) == 4


def test_a_pipeline_trains_two_replicas_like_one_device_that_has_begun_the_data_before(mirrored):
    if "mirrored" not in mirrored:
        pytest.skip("tf.distribute trains Keras models on the TensorFlow backend only")
    assert mirrored["mirrored"] == pytest.approx(mirrored["alone1"], rel=1e-5)
    assert mirrored["mirrored"] != pytest.approx(mirrored["alone0"], rel=1e-5)


def test_a_mixup_model_trains_on_two_replicas(mirrored):
    if "losses" not in mirrored:
        pytest.skip("tf.distribute trains Keras models on the TensorFlow backend only")
    assert np.all(np.isfinite(mirrored["losses"]))


@pytest.fixture(scope="module")
def workers(data, tmp_path_factory):
    """What each of two workers received, by door: a list of batches."""
    folder = tmp_path_factory.mktemp("workers")
    files = [folder / f"{number}.txt" for number in range(2)]
    for number, file in enumerate(files):
        file.write_text("".join(f"{row}\n" for row in range(number * SIZE // 2, (number + 1) * SIZE // 2)))
    (addresses,) = {re.search(r"\[.*?\]", line)[0] for line in in_guide("TF_CONFIG")}
    processes = [
        start(
            WORKERS,
            *map(str, (data, folder / f"{index}.npz", *files)),
            KERAS_BACKEND="tensorflow",
            TF_CONFIG=f'{{"cluster": {{"worker": {addresses}}}, "task": {{"type": "worker", "index": {index}}}}}',
        )
        for index in range(2)
    ]
    for process in processes:
        ended(process)
    found = []
    for index in range(2):
        found.append({})
        for name, value in np.load(folder / f"{index}.npz").items():
            door, step, key = name.split()
            found[index].setdefault(door, {}).setdefault(int(step), {})[key] = value
    return [{door: list(steps.values()) for door, steps in worker.items()} for worker in found]


def draws(batches):
    """The weights of each batch, once every row is checked."""
    drawn = []
    for batch in batches:
        own = batch.get("id", np.arange(SIZE))
        report = check_mixed((X[own], Y[own]), (batch["image"], batch["label"]))
        assert report.ok, report
        assert np.all(report.partner != np.arange(len(own)))
        drawn.append(tuple(report.weight.round(4)))
    return drawn


def test_a_dataset_divided_among_workers_is_mixed_whole_and_nothing_is_lost(workers):
    parts = [worker["divided"] for worker in workers]
    assert all(len(batch["id"]) == 4 for part in parts for batch in part)
    whole = [{key: np.concatenate([one[key], other[key]]) for key in one} for one, other in zip(*parts, strict=True)]
    assert sorted(np.concatenate([batch["id"] for batch in whole])) == list(range(SIZE))
    assert len(set(draws(whole))) == 2


def test_a_pipeline_or_a_layer_of_each_worker_has_draws_of_its_own(workers):
    own = [batch for worker in workers for batch in worker["own"]]
    assert sorted(np.concatenate([batch["id"] for batch in own])) == list(range(SIZE))
    assert len(set(draws(own))) == 4
    assert len(set(draws([batch for worker in workers for batch in worker["layer"]]))) == 2


def test_a_mixup_model_trains_on_two_devices_of_jax_as_on_one(data):
    pytest.importorskip("jax")
    flags = "--xla_force_host_platform_device_count=2"
    (one, *alone), (two, *shared) = result(start(JAX, data, KERAS_BACKEND="jax", XLA_FLAGS=flags))
    assert (one, two) == (1, 2)
    for ours, theirs in zip(shared, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def check_ids(found):
    """Losses are finite, and the one on clean data is the cross-entropy of its ids."""
    assert len(found) > 20
    for name, (mixed, evaluated, expected) in found.items():
        assert np.isfinite(mixed), name
        assert evaluated == pytest.approx(expected, rel=1e-4), name


def test_class_ids_train_on_two_replicas_by_every_method(data):
    check_ids(result(start(IDS, data, "mirrored", KERAS_BACKEND="tensorflow")))


@pytest.mark.parametrize("how", ["data", "model"])
def test_class_ids_train_on_two_devices_of_jax_by_every_method(data, how):
    pytest.importorskip("jax")
    flags = "--xla_force_host_platform_device_count=2"
    check_ids(result(start(IDS, data, how, KERAS_BACKEND="jax", XLA_FLAGS=flags)))


@pytest.mark.parametrize("words", ["KERAS_BACKEND=jax", "TF_CONFIG"])
def test_the_commands_of_the_guide_train(words, tmp_path):
    if "jax" in words:
        pytest.importorskip("jax")
    with started([f"{line} --smoke --out {tmp_path}" for line in in_guide(words)]) as processes:
        for process in processes:
            output, _ = process.communicate(timeout=900)
            assert process.returncode == 0, output[-3000:]
    assert len(list(tmp_path.rglob("result.json"))) == 1
