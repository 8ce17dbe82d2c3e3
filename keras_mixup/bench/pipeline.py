"""Mixing in a `tf.data` pipeline: the cost of a batch, what it grows with, and the first epoch.

Every contender maps the same few batches, which lie in memory already, so that nothing but the map is timed. An epoch
is timed in two parts, up to its first batch and from there to its end.

Three things would spoil the figures. `tf.data` by default prefetches and parallelises by itself, so that `next()` only
picks up what was made before the clock started: this is off, every map runs as many calls at a time as it is told
(one, but where calls are what is changed), and each epoch starts from nothing and is drained. The work of one call may
still spread over several cores, so the processor time is given too. And the first epoch ever traces and compiles, so it
is measured on its own, in a fresh process for each contender, together with its peak memory.

Features that are float32 already need no cast, and `tf.data` leaves out a map that does nothing: hold mixing against
plain TensorFlow there.
"""

import functools
import json
import math
import operator
import os
import pathlib
import statistics
import subprocess
import sys
import time

from keras_mixup.bench import family, turns
from keras_mixup.bench.table import dimensions, headings, legend, table

SHAPES = ((128, 224, 224, 3), (128, 32, 32, 3), (128, 28, 28, 1), (100, 98, 64), (256, 16))
BASE = (128, 64, 64, 3)  # from here one thing at a time is changed
CLASSES = 10
DISTINCT_BATCHES = 4

CAST, OURS, PEER, CUT_PEER = "cast only", "mixup", "keras.layers.MixUp", "keras.layers.CutMix"
PLAIN = "plain TensorFlow"
THEIRS = {CAST, PEER, CUT_PEER, PLAIN}
PEER_OF = {"CutMix": CUT_PEER, CUT_PEER: CUT_PEER}  # everybody else is held against MixUp
# For each figure its heading and, for the legend, what it means.
COLUMNS = {
    "ms": ("ms per batch", "median over epochs, without each epoch's first batch"),
    "cpu_ms": ("processor ms", "the same in processor time, all cores together"),
    "to_cast": ("/ cast only", "how many times as long as only casting the features to float32"),
    "cpu_to_cast": ("processor /", "the same in processor time"),
    "to_plain": ("/ plain", "how many times as long as mixup in plain TensorFlow ops"),
    "peer_to_this": ("Keras / this", f"how many times as fast as {PEER}, or for CutMix as {CUT_PEER}"),
    "first_batch_ms": ("first of epoch", "ms to the first batch of an epoch, median from the second epoch on"),
    "very_first_batch_ms": ("first ever", "ms to the first batch in a fresh process, with tracing and compilation"),
    "peak_mb": ("peak MB", "peak memory of that process over its first epoch, above what was in use before"),
}
PAIRS, PARTNERS = "mixup, pairs", "DMixup"


def measure(shapes, seconds, say):
    """Time every contender on batches of each shape, the first epoch for the first shape, and the series.

    Args:
        shapes: Shapes of the features, `(batch, ...)`; None for `SHAPES`. With shapes of one's own there is no series.
        seconds: For how long to take turns in this process, in all.
        say: Function that tells the user what comes next.

    Returns:
        A dict that JSON can hold: `cases`, one per shape; `series`; `import_ms`.
    """
    points = [] if shapes else [(name, value) for name, values in series_values().items() for value in values]
    share = seconds / (2 if points else 1)
    result = {"cases": [], "series": {}}
    for shape in shapes or SHAPES:
        say(f"{dimensions(shape)}: turns of {share / len(shapes or SHAPES):.3g} s")
        result["cases"].append(case(shape, share / len(shapes or SHAPES)))
    for name, value in points:
        say(f"{dimensions(BASE)}, but {name} {value}")
        result["series"].setdefault(name, []).append({"value": value, **point(name, value, share / len(points))})
    first = result["cases"][0]
    imports = []
    for name, figures in first["contenders"].items():
        say(f"{dimensions(first['shape'])}: {name} in a fresh process")
        found = in_fresh_process(name, first["shape"])
        imports.append(found.pop("import_ms"))
        figures.update(found)
    return {**result, "import_ms": min(imports)}


def case(shape, seconds):
    """All contenders on batches of one shape."""
    source = batches(shape)
    samples = turns.take_turns(
        {name: epoch(contend(source)) for name, contend in contenders(len(shape)).items()}, seconds
    )
    figures = turns.summary(samples)
    for name in figures:
        figures[name]["to_cast"] = statistics.median(turns.ratios(samples, name, CAST))
        figures[name]["cpu_to_cast"] = statistics.median(turns.ratios(samples, name, CAST, "cpu_ms"))
        if PLAIN in samples:
            figures[name]["to_plain"] = statistics.median(turns.ratios(samples, name, PLAIN))
        figures[name]["peer_to_this"] = statistics.median(turns.ratios(samples, PEER_OF.get(name, PEER), name))
    return {
        "shape": list(shape),
        "dtype": dtype(shape),
        "classes": CLASSES,
        "batches_per_epoch": epoch_length(shape),
        "epochs": len(samples[CAST]["ms"]),
        "contenders": figures,
    }


def series_values():
    """What is changed, one at a time, from `BASE`, `CLASSES` and one call at a time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "parallel calls": sorted({2**i for i in range(cores.bit_length()) if 2**i < cores} | {cores}),
        "batch size": [32, 64, 128, 256, 512],
        "image size": [16, 32, 64, 128, 224],
        "classes": [10, 100, 1000, 10_000, 100_000],
        "partners": [1, 2, 4, 8, 16],
    }


def point(name, value, seconds):
    """One point of a series: the cast, ours and the peer; or, of partners, the cast and `DMixup`."""
    import tensorflow as tf

    from keras_mixup.methods import DMixup, Mixup
    from keras_mixup.pipeline import mix_with

    size, height, width, channels = BASE
    shape, classes, calls = BASE, CLASSES, 1
    if name == "parallel calls":
        calls = value
    elif name == "batch size":
        shape = (value, height, width, channels)
    elif name == "image size":
        shape = (size, value, value, channels)
    elif name == "classes":
        classes = value
    # With several calls at a time the next batches are half made when the first is there: so, a longer epoch.
    source = batches(shape, classes=classes, length=calls * epoch_length(shape))
    everybody = contenders(len(shape), calls)
    timed = {who: everybody[who](source) for who in ((CAST,) if name == "partners" else (CAST, OURS, PEER))}
    if name == "partners":
        timed[PARTNERS] = source.apply(mix_with(DMixup(value), num_parallel_calls=calls))
    elif name == "classes":
        ids = source.map(lambda x, y: (x, tf.argmax(y, axis=1, output_type=tf.int32))).take(DISTINCT_BATCHES).cache()
        ids = ids.repeat().take(epoch_length(shape))
        timed[PAIRS] = ids.apply(mix_with(Mixup(0.2), pairs=True, num_parallel_calls=calls))
    samples = turns.take_turns({who: epoch(dataset) for who, dataset in timed.items()}, seconds)
    return {"shape": list(shape), "classes": classes, "calls": calls, "contenders": turns.summary(samples)}


def text(result):
    """All tables."""
    parts = []
    for found in result["cases"]:
        amount = f"{found['epochs']} epochs of {found['batches_per_epoch']} batches"
        title = f"{dimensions(found['shape'])} {found['dtype']}, {amount}"
        parts.append(table(title, headings(COLUMNS), found["contenders"]))
    for name, points in result["series"].items():
        columns = {str(point["value"]): f"{point['value']:>8}" for point in points}
        rows = {
            who: {str(point["value"]): point["contenders"][who]["ms"] for point in points}
            for who in points[0]["contenders"]
        }
        parts.append(table(f"ms per batch by {name} ({dimensions(BASE)} and {CLASSES} classes else)", columns, rows))
        parts.append(f"Steepest step, 1 being proportional: {_in_words(steepest(points))}")
    parts.append(legend(COLUMNS))
    least = f"{result['import_ms']:.0f} ms"
    parts.append(f"After `import keras`, `import keras_mixup` takes {least}, the least of the fresh processes.")
    return "\n\n".join(parts)


def steepest(points):
    """Of each contender of a series the steepest of its steps: log of the ratio of times by that of values."""

    def slope(who, one, other):
        times = (point["contenders"][who]["ms"] for point in (other, one))
        return math.log(operator.truediv(*times)) / math.log(other["value"] / one["value"])

    steps = list(zip(points, points[1:], strict=False))
    return {who: max(slope(who, *step) for step in steps) for who in points[0]["contenders"]} if steps else {}


def _in_words(slopes):
    return ", ".join(f"{who} {slope:.2f}" for who, slope in slopes.items())


@functools.cache
def contenders(rank, calls=1):
    """What is timed, by name: functions from a dataset of `(features, one-hot rows)` to the mapped dataset.

    The methods that cut take part if the features, with the batch axis of that rank, are images.
    """
    import keras
    import tensorflow as tf

    from keras_mixup.layers import MixupLayer
    from keras_mixup.pipeline import mix_with, mixup

    def mapped(make):
        return lambda dataset: dataset.map(make(), num_parallel_calls=calls)

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
        return lambda dataset: dataset.apply(mix_with(method, num_parallel_calls=calls))

    cutting = {name: ours(method) for name, method in family.cutting().items()}
    return {
        CAST: mapped(cast),
        "MixupLayer": mapped(lambda: MixupLayer(0.2)),
        OURS: lambda dataset: dataset.apply(mixup(0.2, num_parallel_calls=calls)),
        PEER: mapped(keras_layer),
        PLAIN: mapped(plain),
        "DMixup": ours(family.averaging()["DMixup"]),
        **({CUT_PEER: mapped(keras_cut), **cutting} if rank == 4 else {}),
    }


def first_epoch(name, shape):
    """Run a contender's first epoch in this process, which should be fresh.

    Returns:
        A dict of the time to its first batch, tracing and compilation included, and of the peak memory above what was
        in use before: `peak_mb`, None where the system does not tell.
    """
    import tensorflow as tf

    list(tf.data.Dataset.range(1).map(lambda i: i + 1))  # TensorFlow's own awakening is nobody's fault
    contend, source = contenders(len(shape))[name], batches(shape)
    before = _memory_mb("VmRSS")
    start = time.perf_counter()
    once = epoch(contend(source))
    made = time.perf_counter()
    first = once()["first_batch_ms"]
    peak = _memory_mb("VmHWM")
    return {
        "very_first_batch_ms": 1e3 * (made - start) + first,
        "peak_mb": None if peak is None else peak - before,
    }


def in_fresh_process(name, shape):
    """What `first_epoch` says in a process of its own, and how long it took there to import the package after Keras."""
    code = (
        "import json, time, keras; start = time.perf_counter(); import keras_mixup; end = time.perf_counter(); "
        "from keras_mixup.bench.pipeline import first_epoch; "
        f"print(json.dumps({{'import_ms': 1e3 * (end - start), **first_epoch({name!r}, {tuple(shape)})}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The benchmark of {name} on {dimensions(shape)} failed in a fresh process:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def epoch(dataset):
    """A contender for `take_turns`: one epoch, from nothing to its end, without prefetching or parallelism unasked."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    dataset = dataset.with_options(options)

    def once():
        start = time.perf_counter()
        rest = iter(dataset)
        next(rest)
        first, first_cpu = time.perf_counter(), time.process_time()
        count = sum(1 for _ in rest)
        end, end_cpu = time.perf_counter(), time.process_time()
        return {
            "first_batch_ms": 1e3 * (first - start),
            "ms": 1e3 * (end - first) / count,
            "cpu_ms": 1e3 * (end_cpu - first_cpu) / count,
        }

    return once


def batches(shape, kind=None, classes=CLASSES, length=None):
    """A dataset of a few distinct batches in memory, `(features, one-hot rows)`, repeated to the length of an epoch."""
    import tensorflow as tf

    made = [tf.data.Dataset.from_tensors(batch) for batch in arrays(shape, kind, classes)]
    return functools.reduce(tf.data.Dataset.concatenate, made).repeat().take(length or epoch_length(shape))


def arrays(shape, kind=None, classes=CLASSES):
    """Distinct batches of random features and one-hot rows, as NumPy arrays."""
    import numpy as np

    rng, kind = np.random.default_rng(0), kind or dtype(shape)

    def batch():
        x = rng.integers(0, 256, shape, dtype="uint8") if kind == "uint8" else rng.random(shape, dtype="float32")
        y = np.zeros((shape[0], classes), "float32")
        y[np.arange(shape[0]), rng.integers(0, classes, shape[0])] = 1.0
        return x, y

    return [batch() for _ in range(DISTINCT_BATCHES)]


def epoch_length(shape):
    """Long enough to time, short enough to take turns often: about 256 MB of float32, but no more than 1,000 batches.

    Of small batches many: in every epoch it takes TensorFlow about a hundred to learn which operations are so cheap
    that it need not hand them to other threads.
    """
    return min(1000, max(9, 256_000_000 // (4 * math.prod(shape))))


def dtype(shape):
    """Images are pixels, everything else is not."""
    return "uint8" if len(shape) == 4 else "float32"


def _memory_mb(field):
    """A memory figure of this process, such as the peak `VmHWM`, or None where there is no `/proc`.

    Not `getrusage`: its peak is inherited from the process that started this one.
    """
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
    except (OSError, StopIteration):
        return None
