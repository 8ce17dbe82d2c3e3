"""Several devices: `tf.distribute` and the pairs across replicas. Devices are split before TensorFlow starts."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from contract import features, one_hot
from reference import mix_rows, read_back

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
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(context.get_per_replica_batch_size(8))
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
        model = MixupModel(network, 0.4, seed=1)
        model.compile("sgd", loss="mse")
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
    result["losses"] = history
print("RESULT " + json.dumps(result))
"""

SIZE = 16
X, Y = features(SIZE), one_hot(SIZE)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """What two replicas on two logical CPU devices received."""
    path = tmp_path_factory.mktemp("mirrored") / "data.npz"
    np.savez(path, x=X, y=Y)
    run = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


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


def test_a_mixup_model_trains_on_two_replicas(mirrored):
    if "losses" not in mirrored:
        pytest.skip("tf.distribute trains Keras models on the TensorFlow backend only")
    assert np.all(np.isfinite(mirrored["losses"]))
