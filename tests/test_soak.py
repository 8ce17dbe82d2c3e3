"""100,000 batches through the doors: memory stays flat."""

import gc
import pathlib

import keras
import numpy as np
import pytest

from keras_mixup import MixupLayer, MixupModel, mixup

tf = pytest.importorskip("tensorflow")
STATUS = pathlib.Path("/proc/self/statm")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")]

# After a warm-up. A leak of one small batch in ten would be 100,000 / 10 * 2 kB = 20 MB, of 100 bytes a batch 10 MB.
BOUND = 8e6
X, LABELS = np.ones((16, 32), "float32"), np.arange(16)


def resident():
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(STATUS.read_text().split()[1]) * 4096


def growth(batches, warm_up):
    """Bytes that were added between the warm-up and the end."""
    for count, _ in enumerate(batches):
        if count == warm_up:
            start = resident()
    return resident() - start


def endless():
    return tf.data.Dataset.from_tensors((X, LABELS)).repeat()


DOORS = {
    "transformation": lambda: endless().apply(mixup(0.2, num_classes=16, seed=1)),
    "layer in map": lambda: endless().map(MixupLayer(0.2, num_classes=16, seed=1)),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_hundred_thousand_batches(door):
    assert growth(DOORS[door]().take(100_000), warm_up=20_000) < BOUND


def test_two_thousand_eager_calls():
    layer = MixupLayer(0.2, num_classes=16, seed=1)
    assert growth((layer((X, LABELS)) for _ in range(2_000)), warm_up=400) < BOUND


def test_five_hundred_epochs():
    """Each starts the pipeline anew."""
    dataset = endless().take(3).apply(mixup(0.2, num_classes=16, seed=1))
    assert growth((list(dataset) for _ in range(500)), warm_up=100) < BOUND


def test_five_thousand_steps_of_training():
    network = keras.Sequential([keras.Input((32,)), keras.layers.Dense(16, activation="softmax")])
    model = MixupModel(network, 0.2, num_classes=16, seed=1)
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    epochs = (model.fit(endless(), steps_per_epoch=250, verbose=0) for _ in range(20))
    assert growth(epochs, warm_up=4) < BOUND


def test_growth_is_noticed():
    kept = []
    assert growth((kept.append(np.ones(1000)) for _ in range(5_000)), warm_up=1_000) > BOUND
