"""Doors for data loaders: the law of the mixes, the same draws whoever carries them, worker processes, refusals."""

import itertools
import json
import os
import pathlib
import pickle
import re
import subprocess
import sys

import keras
import ml_dtypes
import numpy as np
import pytest
from contract import BACKEND, assert_mixed, assert_same_bits, features, one_hot, read_draw

from keras_mixup import (
    Adjustable,
    Choice,
    CutMix,
    DMixup,
    FMix,
    ManifoldMixup,
    MixBatches,
    MixCollate,
    MixGrain,
    MixPyDataset,
    Mixup,
    MixupLayer,
    RegMixup,
    Remix,
    ResizeMix,
    blocks,
    mix_batch,
    ops,
)
from keras_mixup.loaders import batch_seed

grain = pytest.importorskip("grain")
torch = pytest.importorskip("torch")

SIZE, BATCHES, SEED = 6, 7, 3


def refuses(message, error=ValueError):
    return pytest.raises(error, match=re.escape(message))


def batches(count=BATCHES):
    """Batches whose targets tell weight and partner."""
    return [(features(SIZE, (4, 3), seed=k), one_hot(SIZE)) for k in range(count)]


def rows():
    """The same, row by row."""
    return [(torch.from_numpy(x[k]), torch.from_numpy(y[k])) for x, y in batches() for k in range(SIZE)]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        return batches()[index]


def targets(mixed):
    """What was drawn, as bytes."""
    return [np.asarray(y).tobytes() for _, y in mixed]


def expected(epoch=0, method=None, seed=SEED):
    """Each batch mixed by itself, by the seed of its number."""
    method = method or Mixup(0.9)
    return targets(mix_batch(b, method, batch_seed(seed, epoch, k)) for k, b in enumerate(batches()))


# --- NumPy's table ---

METHODS = {
    "Mixup": Mixup(0.9),
    "Mixup per batch": Mixup(0.9, per="batch", pairing="derangement"),
    "CutMix": CutMix(1.0),
    "CutMix minmax": CutMix(minmax=(0.2, 0.8)),
    "ResizeMix": ResizeMix(),
    "FMix": FMix(1.0),
    "Remix": Remix((1, 2, 3, 4, 5, 6)),
    "DMixup": DMixup(3),
    "RegMixup": RegMixup(2.0),
    "Choice": Choice((Mixup(0.8), CutMix(1.0), FMix(1.0), DMixup(2)), per="example", probability=0.9),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_numpy_arrays_come_back_as_numpy_arrays_and_the_input_is_left_alone(method):
    x, y = np.random.default_rng(0).integers(0, 256, (SIZE, 8, 9, 3)).astype("uint8"), np.arange(SIZE)
    given = x.copy()
    mixed_x, mixed_y = mix_batch((x, y), method, 1, num_classes=SIZE)
    assert type(mixed_x) is np.ndarray and type(mixed_y) is np.ndarray
    assert mixed_x.dtype == mixed_y.dtype == np.float32
    assert_same_bits(x, given)
    again = mix_batch((x, y), method, 1, num_classes=SIZE)
    assert_same_bits(again[0], mixed_x)
    assert not np.array_equal(mix_batch((x, y), method, 2, num_classes=SIZE)[0], mixed_x)
    np.testing.assert_allclose(mixed_y.sum(1), 1.0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "float64", "bfloat16"])
@pytest.mark.parametrize("shape", [(16, 224, 224, 3), (3000, 700), (50000, 1), (3, 70000), (2, 0)])
def test_blocks_and_threads_change_no_number(shape, dtype):
    """Of batches that are cut into blocks of rows, by several threads, and of rows that are cut themselves."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, shape).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    weight, partner = generator.random(len(x)).astype("float32"), generator.permutation(len(x))
    precision, out = "float64" if dtype == "float64" else "float32", "float32" if dtype == "uint8" else dtype
    mixed = blocks.mix(x, weight, np.arange(len(x)), partner, precision, out)
    assert_mixed(mixed, x, weight.astype("float64"), partner, out)


@pytest.mark.parametrize("method", [CutMix(1.0), ResizeMix(), FMix(1.0), DMixup(3)], ids=repr)
def test_threads_change_no_number_of_what_is_cut(method, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (16, 128, 128, 3)).astype("uint8")
    for table in ("_keras", "_tensorflow"):  # no other library has a part in it, in whatever thread
        monkeypatch.setattr(ops, table, None)
    first, y = mix_batch((x, one_hot(16)), method, 5)
    monkeypatch.setattr(blocks, "THREADS_FROM_BYTES", 1 << 60)
    monkeypatch.setattr(blocks, "NUMBERS", 1 << 40)  # all at once
    whole, again = mix_batch((x, one_hot(16)), method, 5)
    np.testing.assert_array_equal(first, whole)
    np.testing.assert_array_equal(y, again)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 8.0])
def test_weights_follow_the_beta_law(alpha):
    stats = pytest.importorskip("scipy.stats")
    rows = np.tile(np.array([[0.0, 1.0], [1.0, 0.0]], "float32"), (2000, 1))
    _, y = mix_batch((rows, rows), Mixup(alpha, pairing="roll"), 7)
    weight = np.where(np.arange(4000) % 2, y[:, 0], y[:, 1]).astype("float64")
    # Float32 has no numbers between 1 - 6e-8 and 1: small alpha is compared away from the ends.
    grid = np.linspace(0.001, 0.999, 21)
    found = np.array([(weight <= g).mean() for g in grid])
    np.testing.assert_allclose(found, stats.beta(alpha, alpha).cdf(grid), atol=1.95 / np.sqrt(4000))


def test_partners_are_uniform():
    counts = np.zeros((5, 5))
    for seed in range(2000):
        _, y = mix_batch((features(5), one_hot(5)), Mixup(8.0), seed)
        _, partner = read_draw(y)
        counts[np.arange(5), partner] += 1
    assert np.abs(counts / 2000 - 0.2).max() < 4.5 * np.sqrt(0.16 / 2000)


def test_the_share_of_cutmix_is_that_of_the_pixels_and_its_mean_that_of_the_law():
    stats = []
    for seed in range(60):
        x = np.repeat(np.arange(8.0, dtype="float32")[:, None], 256, 1).reshape(8, 16, 16, 1)
        mixed, y = mix_batch((x, one_hot(8)), CutMix(1.0, inside=True, pairing="roll"), seed)
        kept = (mixed == x).mean((1, 2, 3))
        np.testing.assert_allclose(np.diag(y), kept, atol=1e-6)
        stats += kept.tolist()
    assert abs(np.mean(stats) - 0.5) < 4 * np.sqrt(1 / 12 / len(stats))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="what NumPy does not need Keras' backend for is said once")
def test_other_seeds_and_other_arrays_are_mixed_by_keras():
    tf = pytest.importorskip("tensorflow")
    x, y = batches()[0]
    assert isinstance(mix_batch((x, y), Mixup(0.9), keras.random.SeedGenerator(1))[0], tf.Tensor)
    assert isinstance(mix_batch((tf.constant(x), y), Mixup(0.9), 1)[0], tf.Tensor)
    assert isinstance(mix_batch((x, y), Mixup(0.9), np.int64(1))[0], np.ndarray)
    assert isinstance(MixupLayer(0.9)(x, y)[0], tf.Tensor)


def test_a_method_of_ones_own_and_a_pairing_of_keras_operations():
    def pairing(size, seed, targets):
        return keras.random.shuffle(keras.ops.arange(size), seed=seed)

    for method in (Mixup(0.9, pairing=pairing), CutMix(1.0, pairing=pairing)):
        x = features(SIZE, (8, 8, 1))
        mixed, y = mix_batch((x, one_hot(SIZE)), method, 4)
        assert type(mixed) is np.ndarray
        weight, partner = read_draw(y)
        if isinstance(method, Mixup):
            assert_mixed(mixed, x, weight, partner)


def test_an_adjustable_is_read_anew():
    alpha = Adjustable(0.0)
    x, y = batches()[0]
    assert_same_bits(mix_batch((x, y), Mixup(alpha), 1)[0], x)
    alpha.assign(0.9)
    assert not np.array_equal(mix_batch((x, y), Mixup(alpha), 1)[0], x)


# --- The same draws ---


def test_every_loader_gives_the_same_mixes_for_a_seed():
    """And every epoch new ones; Grain has one epoch, in which it counts on."""
    over = MixBatches(batches(), 0.9, seed=SEED)
    dataset = MixPyDataset(Batches(), 0.9, seed=SEED)
    collate = MixCollate(0.9, seed=SEED)
    loader = torch.utils.data.DataLoader(rows(), SIZE, collate_fn=collate)
    base = grain.MapDataset.source(batches())
    of_grain = base.random_map(MixGrain(0.9), seed=SEED)
    assert targets(of_grain) == expected(0)
    assert targets(base.to_iter_dataset().random_map(MixGrain(0.9), seed=SEED)) == expected(0)
    assert len({*expected(0), *expected(1), *expected(2)}) == 3 * BATCHES
    for epoch in range(3):
        collate.set_epoch(epoch)
        assert targets(over) == targets(dataset[k] for k in range(BATCHES)) == targets(loader) == expected(epoch)
        dataset.on_epoch_end()
    assert len({*expected(0), *expected(0, seed=SEED + 1)}) == 2 * BATCHES


OTHERS = (features(9, (4, 3), seed=50), one_hot(9)[:, :SIZE])


@pytest.mark.parametrize("others", [OTHERS[0], OTHERS], ids=["x", "(x, y)"])
def test_partners_from_other_arrays_are_the_same_at_every_loader(others):
    """Each batch draws rows of them by its seed, and is mixed with these alone."""
    given = {"others": others, "seed": SEED}
    collate = MixCollate(0.9, **given)
    collate.set_epoch(0)
    made = {
        "batches": list(MixBatches(batches(), 0.9, **given)),
        "dataset": [MixPyDataset(Batches(), 0.9, **given)[k] for k in range(BATCHES)],
        "torch": list(torch.utils.data.DataLoader(rows(), SIZE, collate_fn=collate, num_workers=2)),
        "grain": list(grain.MapDataset.source(batches()).random_map(MixGrain(0.9, others=others), seed=SEED)),
    }
    seen = set()
    for k, (x, y) in enumerate(batches()):
        seed = batch_seed(SEED, 0, k)
        chosen = np.random.default_rng((seed, 1)).integers(9, size=SIZE)
        seen |= set(chosen)
        picked = [part[chosen] for part in (others if isinstance(others, tuple) else (others,))]
        by_hand = mix_batch(
            (x, y), Mixup(0.9), seed, others=tuple(picked)
        )  # tests/test_others.py knows this to be right
        assert not np.allclose(by_hand[0], mix_batch((x, y), Mixup(0.9), seed)[0])
        for name, mixed in made.items():
            for one, other in zip(mixed[k], by_hand, strict=True):
                np.testing.assert_array_equal(np.asarray(one), other, err_msg=name)
    assert seen == set(range(9))


@pytest.mark.parametrize("others", [(OTHERS[0], OTHERS[1][:4]), OTHERS[0][:0], 0.5], ids=["lengths", "empty", "number"])
def test_others_have_rows(others):
    with refuses("`others` should be arrays with as many rows each, one at least. Received: arrays of "):
        MixBatches(batches(), 0.9, others=others)


def test_without_a_seed_every_door_has_draws_of_its_own():
    made = [targets(MixBatches(batches(), 0.9)) for _ in range(2)]
    assert len({*made[0], *made[1]}) == 2 * BATCHES


def test_shards_draw_differently_under_one_seed():
    made = [targets(MixBatches(batches(), 0.9, seed=SEED, shard=k)) for k in (0, 1, 1)]
    assert made[1] == made[2] and not set(made[0]) & set(made[1])


def test_batch_seeds_do_not_meet():
    seeds = [batch_seed(*key) for key in itertools.product(range(3), range(5), range(200), range(2))]
    assert len(set(seeds)) == len(seeds)


# --- torch ---


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_worker_processes_of_torch_give_the_same_mixes_as_none(workers):
    collate = MixCollate(0.9, seed=SEED)
    loader = torch.utils.data.DataLoader(
        rows(), SIZE, collate_fn=collate, num_workers=workers, multiprocessing_context="fork"
    )
    for epoch in (0, 1):
        collate.set_epoch(epoch)
        assert targets(loader) == expected(epoch)


def test_workers_that_outlive_an_epoch_hear_of_the_next():
    collate = MixCollate(0.9, seed=SEED)
    options = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "fork"}
    loader = torch.utils.data.DataLoader(rows(), SIZE, collate_fn=collate, **options)
    for epoch in (0, 1, 5):
        collate.set_epoch(epoch)
        assert targets(loader) == expected(epoch)


@pytest.mark.parametrize("seed", [None, SEED])
@pytest.mark.parametrize("persistent", [False, True])
def test_no_two_workers_and_no_two_epochs_draw_the_same(seed, persistent):
    """Without being told of epochs; with a seed, and torch's, again the same in another run."""

    def run():
        torch.manual_seed(1)
        options = {"num_workers": 2, "persistent_workers": persistent, "multiprocessing_context": "fork"}
        loader = torch.utils.data.DataLoader(rows(), SIZE, collate_fn=MixCollate(0.9, seed=seed), **options)
        return [*targets(loader), *targets(loader)]

    one, two = run(), run()
    assert len(set(one)) == 2 * BATCHES
    assert (one == two) == (seed is not None)


def test_rows_of_every_kind_become_tensors_of_torch():
    rows = [
        {
            "image": torch.full((3, 8, 8), k, dtype=torch.uint8),
            "features": torch.full((2,), float(k), dtype=torch.bfloat16),
            "label": k,
            "id": f"no. {k}",
            "number": 2**40 + k,
        }
        for k in range(SIZE)
    ]
    mixed = MixCollate(Mixup(0.9, pairing="roll"), num_classes=SIZE, seed=1)(rows)
    weight, partner = read_draw(mixed["label"].numpy())
    assert mixed["image"].dtype == torch.float32 and mixed["features"].dtype == torch.bfloat16
    assert mixed["label"].dtype == torch.float32
    assert_mixed(mixed["image"].numpy(), np.arange(SIZE)[:, None, None, None] * np.ones((1, 3, 8, 8)), weight, partner)
    assert mixed["id"] == [f"no. {k}" for k in range(SIZE)]
    assert mixed["number"].tolist() == [2**40 + k for k in range(SIZE)]
    assert_mixed(
        mixed["features"].view(torch.int16).numpy().view(ml_dtypes.bfloat16),
        np.arange(SIZE)[:, None] * np.ones((1, 2)),
        weight,
        partner,
        "bfloat16",
    )


def test_images_of_torch_are_cut_once_it_is_said_where_their_channels_are():
    rows = [(torch.full((3, 8, 8), k, dtype=torch.uint8), k) for k in range(SIZE)]
    with refuses("Their channels seem to come first: give `data_format='channels_first'`"):
        MixCollate(CutMix(1.0), num_classes=SIZE)(rows)
    x, y = MixCollate(CutMix(1.0, pairing="roll"), num_classes=SIZE, seed=2, data_format="channels_first")(rows)
    kept = x.numpy() == np.arange(SIZE)[:, None, None, None]
    np.testing.assert_allclose(np.diag(y.numpy()), kept.mean((1, 2, 3)), atol=1e-6)


def test_a_collate_function_of_ones_own_makes_the_batch():
    def numpy_collate(rows):
        return tuple(np.stack([np.asarray(row[k]) for row in rows]) for k in range(2))

    mixed = MixCollate(0.9, seed=SEED, collate_fn=numpy_collate)(rows()[:SIZE])
    assert isinstance(mixed, tuple) and type(mixed[0]) is np.ndarray
    assert targets([mixed]) == expected()[:1]


def test_plain_training_with_torch():
    network = torch.nn.Linear(12, SIZE)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for x, y in torch.utils.data.DataLoader(rows(), SIZE, collate_fn=MixCollate(0.9, seed=1)):
        loss = torch.nn.functional.cross_entropy(network(x.flatten(1)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss)


def test_keras_trains_from_a_loader_of_torch():
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(SIZE)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    history = model.fit(torch.utils.data.DataLoader(rows(), SIZE, collate_fn=MixCollate(0.9, seed=1)), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


# --- Processes that are started anew: torch's and Grain's ---

SPAWNED = """
import json, sys
import numpy as np
from absl import flags
import grain, torch
from keras_mixup import MixCollate, MixGrain
from test_loaders import SIZE, batches, rows, targets

def by_torch():
    collate = MixCollate(0.9, seed=3)
    loader = torch.utils.data.DataLoader(
        rows(), SIZE, collate_fn=collate, num_workers=2, multiprocessing_context="spawn"
    )
    collate.set_epoch(1)
    return targets(loader)

def of_grain(dataset):
    return dataset.mp_prefetch(grain.multiprocessing.MultiprocessingOptions(num_workers=2))

if __name__ == "__main__":
    flags.FLAGS.mark_as_parsed()
    base = grain.MapDataset.source(batches())
    map_dataset = of_grain(base.repeat(2).random_map(MixGrain(0.9), seed=3).to_iter_dataset())
    iter_dataset = of_grain(base.repeat(2).to_iter_dataset().random_map(MixGrain(0.9), seed=3))
    made = [targets(map_dataset), targets(iter_dataset)]
    for dataset in (map_dataset, iter_dataset):
        iterator = iter(dataset)
        begun = targets(next(iterator) for _ in range(5))
        state = iterator.get_state()
        rest = targets(iterator)
        again = iter(dataset)
        again.set_state(state)
        made.append(targets(again))
        assert begun + rest == made[0] and made[-1] == rest
    print(json.dumps({"grain": [[t.hex() for t in one] for one in made], "torch": [t.hex() for t in by_torch()]}))
"""


@pytest.mark.slow
def test_processes_that_are_started_anew_give_the_same_mixes(tmp_path):
    """Grain's, which can be interrupted and resumed in the middle, and torch's by `spawn`."""
    (tmp_path / "spawned.py").write_text(SPAWNED)
    path = os.pathsep.join([str(pathlib.Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "spawned.py")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads(done.stdout.splitlines()[-1])
    assert made["torch"] == [t.hex() for t in expected(1)]
    first, second = made["grain"][:2]
    assert first == second and first[:BATCHES] == [t.hex() for t in expected(0)]
    assert len(set(first)) == 2 * BATCHES


# --- Grain ---


def test_grain_gives_the_same_mix_whenever_it_is_asked():
    dataset = grain.MapDataset.source(batches()).random_map(MixGrain(0.9), seed=SEED)
    order = [5, 0, 3, 3, 6, 1]
    assert targets(dataset[k] for k in order) == [expected(0)[k] for k in order]
    assert targets(pickle.loads(pickle.dumps(MixGrain(0.9))).random_map(b, rng(k)) for k, b in enumerate(batches()))


def rng(number):
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(SEED), counter=[0, 0, 0, number]))


def test_epochs_of_grain_differ_where_the_dataset_is_repeated():
    base = grain.MapDataset.source(batches())
    for dataset in (
        base.repeat(2).random_map(MixGrain(0.9), seed=SEED),
        base.random_map(MixGrain(0.9), seed=SEED).repeat(2),
    ):
        assert len(set(targets(dataset))) == 2 * BATCHES


def test_grain_resumes_an_iterator():
    base = grain.MapDataset.source(batches())
    for dataset in (
        base.random_map(MixGrain(0.9), seed=SEED).to_iter_dataset(),
        base.to_iter_dataset().random_map(MixGrain(0.9), seed=SEED),
    ):
        iterator = iter(dataset)
        for _ in range(3):
            next(iterator)
        state = iterator.get_state()
        rest = targets(iterator)
        again = iter(dataset)
        again.set_state(state)
        assert targets(again) == rest == expected(0)[3:]


def test_grain_knows_it_as_one_of_its_random_transformations():
    transformation = pickle.loads(pickle.dumps(MixGrain(0.9)))
    assert isinstance(transformation, grain.transforms.RandomMap)
    dataset = grain.MapDataset.source(batches()).seed(SEED).apply([transformation])
    assert len(set(targets(dataset))) == BATCHES
    loader = grain.DataLoader(
        data_source=batches(),
        sampler=grain.samplers.IndexSampler(BATCHES, num_epochs=2, seed=SEED, shuffle=False),
        operations=[transformation],
    )
    assert len(set(targets(loader))) == 2 * BATCHES


@pytest.mark.parametrize(
    "wrong",
    [
        lambda dataset: dataset.map(MixupLayer(0.9)),
        lambda dataset: dataset.map(lambda batch: MixupLayer(0.9, seed=1)(*batch)),
        lambda dataset: dataset.to_iter_dataset().map(MixupLayer(0.9)),
        lambda dataset: dataset.map(MixGrain(0.9)),
        lambda dataset: dataset.map_with_index(MixGrain(0.9)),
    ],
)
def test_what_grain_should_not_map_is_refused(wrong):
    with refuses("Write `dataset.random_map(MixGrain(method), seed=1)`"):
        next(iter(wrong(grain.MapDataset.source(batches()))))


def test_a_layer_may_mix_what_grain_has_made():
    dataset = grain.MapDataset.source(batches()).map(lambda batch: batch)
    layer = MixupLayer(0.9)
    assert len([layer(*batch) for batch in dataset]) == BATCHES


# --- Keras' datasets, and any iterable ---


def recorded(dataset, epochs, **options):
    """The targets that `fit` trains on, epoch by epoch, in the order of training."""
    seen = []

    class Recording(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            seen.append(keras.ops.convert_to_numpy(y).tobytes())
            return super().compute_loss(x, y, y_pred, sample_weight)

    model = Recording([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(SIZE)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    model.fit(dataset, epochs=epochs, shuffle=False, verbose=0, **options)
    return seen[-epochs * BATCHES :]


@pytest.mark.skipif(BACKEND == "jax", reason="JAX' train step has no eager mode that shows its targets")
@pytest.mark.parametrize(
    "workers", [{}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}], ids=["none", "threads", "processes"]
)
def test_fit_sees_the_same_mixes_whoever_makes_them_and_new_ones_in_every_epoch(workers):
    dataset = MixPyDataset(Batches(), 0.9, seed=SEED, **workers)
    seen = recorded(dataset, 2)
    # Where Keras begins an epoch to see what batches look like, and ends it again, that one counts.
    first = 1 if seen[0] in expected(1) else 0
    if BACKEND == "torch" and workers:  # there it hands out first what its workers had made of that epoch
        assert set(seen) <= {*expected(0), *expected(1), *expected(2)} and len(set(seen)) == 2 * BATCHES
        return
    assert seen == [*expected(first), *expected(first + 1)] and len(set(seen)) == 2 * BATCHES


def test_a_py_dataset_hands_on_what_the_inner_one_is():
    inner = Batches(workers=3, use_multiprocessing=True, max_queue_size=5)
    told = []
    inner.on_epoch_begin, inner.on_epoch_end = lambda: told.append("begin"), lambda: told.append("end")
    dataset = MixPyDataset(inner, 0.9, max_queue_size=2)
    assert (dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size) == (3, True, 2)
    assert len(dataset) == dataset.num_batches == BATCHES
    dataset.on_epoch_begin()
    dataset.on_epoch_end()
    assert told == ["begin", "end"]


def test_a_dataset_without_an_end_counts_on():
    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return batches()[index % BATCHES]

    dataset = MixPyDataset(Endless(), 0.9, seed=SEED)
    before = targets([dataset[3]])
    dataset.on_epoch_end()
    assert targets([dataset[3]]) == before == [expected(0)[3]]
    assert targets([dataset[3 + BATCHES]]) != before


def test_a_generator_is_mixed_and_keras_trains_from_it():
    mixed = MixBatches((batch for batch in batches()), 0.9, seed=SEED)
    assert targets(mixed) == expected(0) and targets(mixed) == []
    with pytest.raises(TypeError):
        len(mixed)
    assert len(MixBatches(batches(), 0.9)) == BATCHES
    endless = MixBatches(itertools.cycle(batches()), 0.9, seed=SEED)
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(SIZE)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit(iter(endless), steps_per_epoch=4, epochs=2, verbose=0)


def test_two_passes_at_once_are_two_epochs():
    over = MixBatches(batches(), 0.9, seed=SEED)
    one, two = iter(over), iter(over)
    pairs = list(zip(one, two, strict=True))
    assert targets(a for a, _ in pairs) == expected(0) and targets(b for _, b in pairs) == expected(1)


# --- Refusals ---

DOORS = {
    "MixCollate": MixCollate,
    "MixGrain": MixGrain,
    "MixPyDataset": lambda *args, **kwargs: MixPyDataset(Batches(), *args, **kwargs),
    "MixBatches": lambda *args, **kwargs: MixBatches([], *args, **kwargs),
}
at_every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


@at_every_door
def test_arguments_are_checked(door):
    with refuses("`alpha` should be a finite number >= 0"):
        door(-1.0)
    with refuses("`method` should be an object, not a class: `CutMix()`"):
        door(CutMix)
    with refuses("`ManifoldMixup` needs the network"):
        door(ManifoldMixup(("a",)))
    with refuses("`num_classes` should be a positive integer or None"):
        door(0.2, num_classes=0)
    if door is not MixGrain:
        with refuses("`seed` should be an integer >= 0. Received: seed=-1."):
            door(0.2, seed=-1)
        with refuses("`shard` should be an integer >= 0. Received: shard=0.5."):
            door(0.2, shard=0.5)


def test_other_refusals():
    with refuses("`dataset` should be a `keras.utils.PyDataset`. Received: list."):
        MixPyDataset(batches(), 0.2)
    with refuses("`batches` should be an iterable of batches. Received: float."):
        MixBatches(0.2, 0.2)
    with refuses("`epoch` should be an integer >= 0. Received: epoch=-1."):
        MixCollate(0.2).set_epoch(-1)
    with refuses("Batches should be mixed before they are sent to an accelerator. Received: a tensor on meta."):
        list(MixBatches([torch.ones((4, 3), device="meta")], 0.2))


@pytest.mark.parametrize("door, package", [(MixCollate, "torch"), (MixGrain, "grain")])
def test_a_package_that_is_missing_is_named(door, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with refuses(f"`{door.__name__}` needs the package {package}. Install it: `pip install {package}`.", ImportError):
        door(0.2)


def test_an_adjustable_is_refused_in_worker_processes():
    collate = MixCollate(Mixup(Adjustable(0.9)))
    collate(rows()[:SIZE])
    loader = torch.utils.data.DataLoader(
        rows(), SIZE, collate_fn=collate, num_workers=1, multiprocessing_context="fork"
    )
    with refuses("A method with an `Adjustable` should be used in the training process"):
        next(iter(loader))


# --- JAX ---

SHARDED = """
import numpy as np
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from keras_mixup import CutMix, Mixup, mix_batch

assert len(jax.devices()) == 2
mesh = Mesh(np.array(jax.devices()), ("data",))
x = np.arange(8 * 12, dtype="float32").reshape(8, 2, 2, 3)
y = np.eye(8, dtype="float32")
rows = NamedSharding(mesh, P("data"))
for method in (Mixup(0.9), CutMix(1.0)):
    step = lambda key, x, y: mix_batch((x, y), method, key)
    sharded = jax.jit(step, in_shardings=(None, rows, rows), out_shardings=(rows, rows))
    for number in range(3):
        key = jax.random.key(number)
        here = jax.jit(step)(key, x, y)
        there = sharded(key, jax.device_put(x, rows), jax.device_put(y, rows))
        assert len(there[0].sharding.device_set) == 2
        for a, b in zip(here, there):
            np.testing.assert_allclose(a, b, atol=1e-6)
        if method == Mixup(0.9):
            np.testing.assert_allclose(there[0], np.tensordot(np.asarray(there[1]), x, 1), rtol=1e-4, atol=1e-4)
    differ = [np.asarray(sharded(jax.random.key(n), x, y)[1]).tobytes() for n in range(5)]
    assert len(set(differ)) == 5
print("ok")
"""


def test_a_key_of_jax_over_two_devices():
    """Under `jit`, the batch shared out between the devices, the mixes are those of one device."""
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run([sys.executable, "-c", SHARDED], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == "ok\n", done.stderr[-3000:]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_tensorflow_is_not_imported(backend):
    code = """
import sys, numpy as np, torch, grain
from keras_mixup import CutMix, MixBatches, MixCollate, MixGrain, mix_batch
x, y = np.ones((4, 8, 8, 3), "uint8"), np.arange(4)
mix_batch((x, y), CutMix(1.0), 1, num_classes=4)
list(MixBatches([(x, y)], 0.2, num_classes=4))
MixCollate(0.2, num_classes=4)([(torch.ones(3), 1)] * 4)
grain.MapDataset.source([(x, y)]).random_map(MixGrain(0.2, num_classes=4), seed=1)[0]
print("tensorflow" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr[-3000:]
