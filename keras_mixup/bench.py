"""How long mixing takes in a `tf.data` pipeline, beside its peers: `keras-mixup bench`.

Every contender maps the same few batches, which lie in memory already, so that nothing but the map is timed. Contenders
take turns epoch by epoch, in one process, and ratios are taken turn by turn: whatever else the machine does hits all
of them alike. An epoch is timed in two parts, up to its first batch and from there to its end.

Three things would spoil the figures. `tf.data` by default prefetches and parallelises by itself, so that `next()` only
picks up what was made before the clock started: this is off, every map runs one call at a time (`mixup` cannot do with
less), and each epoch starts from nothing and is drained. The work may still spread over several cores, so the
processor time is given too. And the first epoch ever traces and compiles, so it is measured on its own, in a fresh
process for each contender, together with its peak memory.
"""

import argparse
import functools
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from keras_mixup.zoo import atomic
from keras_mixup.zoo.environment import environment
from keras_mixup.zoo.errors import UserError

SHAPES = ((128, 224, 224, 3), (128, 32, 32, 3), (256, 16))
CLASSES = 10
DISTINCT_BATCHES = 4
FEWEST_ROUNDS = 3

CAST, PEER, CUT_PEER = "cast only", "keras.layers.MixUp", "keras.layers.CutMix"
PEER_OF = {"CutMix": CUT_PEER, CUT_PEER: CUT_PEER}  # everybody else is held against MixUp
# For each figure its heading and, for the legend, what it means.
COLUMNS = {
    "batch_ms": ("ms per batch", "median over epochs, without each epoch's first batch"),
    "cpu_ms": ("processor ms", "the same in processor time, all cores together"),
    "to_cast": ("/ cast only", "how many times as long as only casting the features to float32"),
    "peer_to_this": ("Keras / this", f"how many times as fast as {PEER}, or for CutMix as {CUT_PEER}"),
    "first_batch_ms": ("first of epoch", "ms to the first batch of an epoch, median from the second epoch on"),
    "very_first_batch_ms": ("first ever", "ms to the first batch in a fresh process, with tracing and compilation"),
    "peak_mb": ("peak MB", "peak memory of that process over its first epoch, above what was in use before"),
}


def add_arguments(parser):
    """Add the options of `keras-mixup bench` to an argument parser."""
    parser.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        type=_shape,
        metavar="SHAPE",
        help=f"shapes of a batch (default: {' '.join(map(_name, SHAPES))}); of rank 4 they are uint8, else float32",
    )
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured to this file, too")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=10.0,
        metavar="N",
        help="how long to take turns per shape (default: %(default)g); fresh processes come on top",
    )


def main(args):
    """Measure, print a table for each shape, and write JSON if asked to.

    Args:
        args: The parsed options of `add_arguments`.

    Raises:
        UserError: If the JSON file cannot be written; this is found out before anything is measured.
    """
    path = pathlib.Path(args.json).expanduser() if args.json else None
    if path:
        _check_writable(path)
    result = {"environment": environment(), "cases": []}
    for shape in args.shape or SHAPES:
        print(f"{_name(shape)}: turns of {args.seconds:g} s, then fresh processes ...", file=sys.stderr, flush=True)
        case = measure(shape, args.seconds)
        result["cases"].append(case)
        print(f"\n{table(case)}\n", flush=True)
    for heading, meaning in COLUMNS.values():
        print(f"{heading:16}{meaning}")
    about = result["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(f"\n{about['machine']}; {versions}; Keras backend {about['backend']}; {about['date']}")
    if path:
        atomic.write(path, result)
        print(f"Written: {path}")


def measure(shape, seconds):
    """Time every contender on batches of one shape.

    Args:
        shape: Shape of the features, `(batch, ...)`.
        seconds: For how long they take turns in this process.

    Returns:
        A dict that JSON can hold: the shape, how much was measured, and a dict of figures for each contender.
    """
    samples = take_turns(shape, seconds)
    figures = summary(samples)
    for name in figures:
        figures[name].update(_in_fresh_process(name, shape))
    return {
        "shape": list(shape),
        "dtype": _dtype(shape),
        "classes": CLASSES,
        "batches_per_epoch": _epoch_length(shape),
        "epochs": len(samples[CAST]["batch_ms"]),
        "contenders": figures,
    }


def take_turns(shape, seconds):
    """Run epochs of all contenders in turn; the first ones, which trace and compile, do not count.

    Returns:
        For each contender the `first_batch_ms`, `batch_ms` and `cpu_ms` of every epoch, as lists; entries at the same
        place were measured one right after the other.
    """
    source = _source(shape)
    datasets = {name: _one_at_a_time(contend(source)) for name, contend in contenders(len(shape)).items()}
    for dataset in datasets.values():
        _time_epoch(dataset)
    samples = {name: [] for name in datasets}
    order = list(datasets)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples[CAST]) < FEWEST_ROUNDS:
        for name in order:
            samples[name].append(_time_epoch(datasets[name]))
        order.append(order.pop(0))  # nobody always comes after the same one
    return {name: {key: [epoch[key] for epoch in epochs] for key in epochs[0]} for name, epochs in samples.items()}


def summary(samples):
    """Medians, quartiles and ratios of what `take_turns` returns. Ratios are medians of the ratios of each turn."""

    def ratio(above, below):
        pairs = zip(samples[above]["batch_ms"], samples[below]["batch_ms"], strict=True)
        return statistics.median(a / b for a, b in pairs)

    return {
        name: {
            **{key: statistics.median(values) for key, values in lists.items()},
            "batch_ms_quartiles": statistics.quantiles(lists["batch_ms"], n=4, method="inclusive")[::2],
            "to_cast": ratio(name, CAST),
            "peer_to_this": ratio(PEER_OF.get(name, PEER), name),
        }
        for name, lists in samples.items()
    }


def table(case):
    """The figures of one shape as text: a row for each contender."""
    title = f"{_name(case['shape'])} {case['dtype']}, {case['epochs']} epochs of {case['batches_per_epoch']} batches"
    width = max(map(len, case["contenders"]))
    rows = ["  ".join([" " * width, *(heading for heading, _ in COLUMNS.values())])]
    for name, figures in case["contenders"].items():
        cells = [f"{_number(figures[key]):>{len(heading)}}" for key, (heading, _) in COLUMNS.items()]
        rows.append("  ".join([f"{name:{width}}", *cells]))
    return "\n".join([title, *rows])


@functools.cache
def contenders(rank):
    """What is timed, by name: functions from a dataset of `(features, one-hot rows)` to the mapped dataset.

    The methods that cut take part if the features, with the batch axis of that rank, are images.
    """
    import keras
    import tensorflow as tf

    from keras_mixup.layers import MixupLayer
    from keras_mixup.methods import Choice, CutMix, Mixup
    from keras_mixup.pipeline import mix_with, mixup

    def mapped(make):
        return lambda dataset: dataset.map(make(), num_parallel_calls=1)

    def cast():
        return lambda x, y: (tf.cast(x, tf.float32), y)

    def keras_layer():
        layer = keras.layers.MixUp(alpha=0.2)

        def mix(x, y):
            images = x if len(x.shape) == 4 else tf.reshape(x, (tf.shape(x)[0], 1, 1, -1))  # it mixes images only
            mixed = layer({"images": images, "labels": y})
            return tf.reshape(mixed["images"], tf.shape(x)), mixed["labels"]

        return mix

    def keras_cut():
        layer = keras.layers.CutMix()

        def mix(x, y):
            mixed = layer({"images": x, "labels": y})
            return mixed["images"], mixed["labels"]

        return mix

    def plain():
        """What one writes without a library, with the cheapest of all draws: weights from Beta(1, 1)."""

        def mix(x, y):
            size = tf.shape(x)[0]
            weight = tf.random.uniform((size,))
            partner = tf.argsort(tf.random.uniform((size,)))

            def blend(x):
                x = tf.cast(x, tf.float32)
                w = tf.reshape(weight, [-1] + [1] * (len(x.shape) - 1))
                return w * x + (1.0 - w) * tf.gather(x, partner)

            return blend(x), blend(y)

        return mix

    def ours(method):
        return lambda dataset: dataset.apply(mix_with(method, num_parallel_calls=1))

    cutting = {
        "CutMix": ours(CutMix(1.0)),
        CUT_PEER: mapped(keras_cut),
        "Choice of Mixup, CutMix": ours(Choice((Mixup(0.8), CutMix(1.0)))),
    }
    return {
        CAST: mapped(cast),
        "MixupLayer": mapped(lambda: MixupLayer(0.2)),
        "mixup": lambda dataset: dataset.apply(mixup(0.2, num_parallel_calls=1)),
        PEER: mapped(keras_layer),
        "plain TensorFlow": mapped(plain),
        **(cutting if rank == 4 else {}),
    }


def first_epoch(name, shape):
    """Run a contender's first epoch in this process, which should be fresh.

    Returns:
        A dict of the time to its first batch, tracing and compilation included, and of the peak memory above what was
        in use before: `peak_mb`, None where the system does not tell.
    """
    import tensorflow as tf

    list(tf.data.Dataset.range(1).map(lambda i: i + 1))  # TensorFlow's own awakening is nobody's fault
    contend, source = contenders(len(shape))[name], _source(shape)
    before = _memory_mb("VmRSS")
    start = time.perf_counter()
    dataset = _one_at_a_time(contend(source))
    made = time.perf_counter()
    first = _time_epoch(dataset)["first_batch_ms"]
    peak = _memory_mb("VmHWM")
    return {
        "very_first_batch_ms": 1e3 * (made - start) + first,
        "peak_mb": None if peak is None else peak - before,
    }


def _in_fresh_process(name, shape):
    code = f"import json; from keras_mixup import bench; print(json.dumps(bench.first_epoch({name!r}, {tuple(shape)})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The benchmark of {name} on {_name(shape)} failed in a fresh process:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _time_epoch(dataset):
    start = time.perf_counter()
    batches = iter(dataset)
    next(batches)
    first, first_cpu = time.perf_counter(), time.process_time()
    count = sum(1 for _ in batches)
    end, end_cpu = time.perf_counter(), time.process_time()
    return {
        "first_batch_ms": 1e3 * (first - start),
        "batch_ms": 1e3 * (end - first) / count,
        "cpu_ms": 1e3 * (end_cpu - first_cpu) / count,
    }


def _source(shape):
    """A dataset of a few distinct batches in memory, repeated to the length of an epoch."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def batch():
        pixels = _dtype(shape) == "uint8"
        x = rng.integers(0, 256, shape, dtype="uint8") if pixels else rng.random(shape, dtype="float32")
        y = np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, shape[0])]
        return tf.data.Dataset.from_tensors((x, y))

    batches = functools.reduce(tf.data.Dataset.concatenate, [batch() for _ in range(DISTINCT_BATCHES)])
    return batches.repeat().take(_epoch_length(shape))


def _one_at_a_time(dataset):
    """Keep `tf.data` from adding prefetching and parallelism of its own."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    return dataset.with_options(options)


def _epoch_length(shape):
    """Long enough to time, short enough to take turns often: about 256 MB of float32."""
    return min(200, max(9, 256_000_000 // (4 * math.prod(shape))))


def _memory_mb(field):
    """A memory figure of this process, such as the peak `VmHWM`, or None where there is no `/proc`.

    Not `getrusage`: its peak is inherited from the process that started this one.
    """
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
    except (OSError, StopIteration):
        return None


def _dtype(shape):
    return "uint8" if len(shape) == 4 else "float32"


def _name(shape):
    return "x".join(map(str, shape))


def _number(value):
    """About three digits of it; a dash where it could not be measured."""
    return "-" if value is None else f"{value:.{3 if value < 1 else 2 if value < 100 else 0}f}"


def _check_writable(path):
    """Raise a `UserError` unless the result can be written there when it is there; an older one stays until then."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
        problem = "it is a directory" if path.is_dir() else None
    except OSError as error:
        problem = error.strerror
    if problem:
        raise UserError(f"`--json` should be a file that can be written. Received: --json={path} ({problem}).")


def _shape(text):
    sizes = text.split("x")
    if len(sizes) < 2 or not all(size.isascii() and size.isdigit() and int(size) > 0 for size in sizes):
        raise argparse.ArgumentTypeError(f"should be like {_name(SHAPES[0])} or {_name(SHAPES[-1])}. Received: {text}")
    return tuple(map(int, sizes))


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"should be a number of seconds, at least 0. Received: {text}")
    return seconds
