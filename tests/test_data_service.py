"""`mixup(...)` and the `tf.data` service: correct rows, and no draw twice, whoever makes the batches."""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from commands import in_guide, started
from contract import SEED

from keras_mixup import check_mixed, mixup

tf = pytest.importorskip("tensorflow")
service = tf.data.experimental.service

SIZE, BATCH = 2000, 4  # many batches, so that both workers make some
POLICIES = ["OFF", "DYNAMIC", "DATA"]
generator = np.random.default_rng(3)
X, Y = (generator.normal(1.0, 3.0, (SIZE, width)).astype("float32") for width in (6, 2))


SERVICE = """
import sys
from tensorflow.data.experimental import service
port, *ports = map(int, sys.argv[1:])
names = [f"localhost:{port}" for port in ports]
dispatcher = service.DispatchServer(service.DispatcherConfig(port=port, worker_addresses=names))
workers = [
    service.WorkerServer(service.WorkerConfig(f"localhost:{port}", worker_address=name, port=own))
    for name, own in zip(names, ports)
]
print("ready", flush=True)
dispatcher.join()
"""


@pytest.fixture(autouse=True)
def no_global_seed():
    """One that another test has set would be a seed of every dataset that has none."""
    tf.random.set_seed(None)


@pytest.fixture(scope="module")
def address():
    """Where the dispatcher of two workers is, which are known to it from the start, as static sharding wants it.

    In a process of its own that can be killed: workers take their time to stop.
    """
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in free:
            one.bind(("localhost", 0))
        ports = [str(one.getsockname()[1]) for one in free]
    with subprocess.Popen([sys.executable, "-c", SERVICE, *ports], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield f"grpc://localhost:{ports[0]}"
        finally:
            process.kill()


def clean():
    return tf.data.Dataset.from_tensor_slices({"image": X, "label": Y, "id": np.arange(SIZE)}).batch(BATCH)


def mixed(seed=SEED):
    return mixup(0.9, pairing="derangement", seed=seed)


def shared(policy, address):
    return service.distribute(service.ShardingPolicy[policy], address)


def rows(batches):
    """The ids of all batches, and their draws; each row was checked against the example that it was before."""
    ids, draws = [], []
    for batch in batches:
        own, after = batch["id"], (batch["image"], batch["label"])
        ids.append(own)
        if len(own) == 1:  # with DYNAMIC each worker has a last batch; it mixes one example with itself
            np.testing.assert_allclose(np.concatenate(after, axis=1), np.concatenate([X[own], Y[own]], axis=1), 1e-5)
            continue
        report = check_mixed((X[own], Y[own]), after)
        assert report.ok, report
        assert np.all(report.partner != np.arange(len(own)))
        draws.append(tuple(report.weight.round(4)))
    return np.concatenate(ids), draws


def sorted_rows(batches):
    order = np.argsort(np.concatenate([batch["id"] for batch in batches]), kind="stable")
    return [np.concatenate([batch[key] for batch in batches])[order] for key in ("image", "label")]


@pytest.mark.parametrize("seed", [None, SEED])
@pytest.mark.parametrize("policy", POLICIES)
def test_what_the_workers_mix(address, policy, seed):
    tf.random.set_seed(None)  # one that another test has set would be a seed for all workers, too
    batches = list(clean().apply(mixed(seed)).apply(shared(policy, address)).as_numpy_iterator())
    ids, draws = rows(batches)
    times = 2 if policy == "OFF" else 1
    np.testing.assert_array_equal(np.bincount(ids), np.full(SIZE, times))  # with OFF each worker makes all of it
    # The workers of OFF cannot be told apart: a seed makes them mix alike.
    assert len(set(draws)) == len(draws) // (times if seed else 1)
    if policy == "DATA" and seed:
        for one, other in zip(
            sorted_rows(batches), sorted_rows(list(clean().apply(mixed()).as_numpy_iterator())), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_the_trainer_mixes(address, policy):
    ids, draws = rows(clean().apply(shared(policy, address)).apply(mixed()).as_numpy_iterator())
    np.testing.assert_array_equal(np.bincount(ids), np.full(SIZE, 2 if policy == "OFF" else 1))
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize("policy", ["FILE_OR_DATA", "DATA"])
def test_no_example_of_a_file_is_lost(address, policy, tmp_path):
    """Sharing out files fails across a zip; TensorFlow must not have begun with it when it falls back to batches."""
    files = [str(tmp_path / f"{first}.txt") for first in range(4)]
    for first, name in enumerate(files):
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in range(first, SIZE, 4))

    def read(line):
        row = tf.strings.to_number(line, tf.int64)
        return {"image": tf.gather(X, row), "label": tf.gather(Y, row), "id": row}

    batches = tf.data.TextLineDataset(files).map(read).batch(BATCH).apply(mixed()).apply(shared(policy, address))
    ids, draws = rows(batches.as_numpy_iterator())
    np.testing.assert_array_equal(np.sort(ids), np.arange(SIZE))
    assert len(set(draws)) == len(draws)


@pytest.mark.slow
def test_when_a_worker_is_killed_the_trainer_goes_on():
    """The other serves on; it ends once the lost one is back. DYNAMIC repeats nothing; the others lose nothing."""
    *servers, recipe = in_guide("service", "--data-service")
    passes, read = 2, 50
    with started(servers) as (_, _, second):
        address = recipe.split()[-1]
        stream = clean().repeat(passes).apply(mixed(None))
        streams = [iter(stream.apply(shared(policy, address)).as_numpy_iterator()) for policy in POLICIES]
        batches = [[next(stream) for _ in range(read)] for stream in streams]
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
        for seen, stream in zip(batches, streams, strict=True):
            seen += [next(stream) for _ in range(read)]
        with started(servers[2:]):
            for seen, stream in zip(batches, streams, strict=True):
                seen += stream
    for policy, seen in zip(POLICIES, batches, strict=True):
        ids, draws = rows(seen)
        counts = np.bincount(ids, minlength=SIZE)
        assert len(set(draws)) == len(draws)
        assert counts.max() <= passes if policy == "DYNAMIC" else counts.min() >= passes


@pytest.mark.slow
def test_a_recipe_is_fed_by_the_service_of_the_readme(tmp_path):
    *servers, recipe = in_guide("service", "--data-service")
    with started(servers), started([f"{recipe} --smoke --out {tmp_path}"]) as (run,):
        output, _ = run.communicate(timeout=900)
    assert run.returncode == 0, output[-3000:]
    assert list(tmp_path.rglob("result.json"))
