"""XLA mixes in one pass over memory: beside what goes in and what comes out, no buffer of the size of a batch."""

import importlib.util
import math
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_mixup.batch import mix_batch
from keras_mixup.methods import CutMix, Mixup
from keras_mixup.mixing import Draw, blend

SHAPE = (8, 32, 32, 3)
BITS = {"pred": 8, "bf": 16}
KINDS = [
    ("float32", "float32"),
    ("bfloat16", "bfloat16"),
    ("float16", "float16"),
    ("uint8", "float32"),
    ("uint8", "bfloat16"),
]


def buffers(hlo):
    """The bytes of what the entry computation of an optimised HLO module makes on its way: no inputs, no results."""
    entry = hlo[hlo.index("\nENTRY ") :].split("\n}", 1)[0]
    several = re.search(r"^ +ROOT .* tuple\((.*?)\)", entry, flags=re.MULTILINE)
    results = re.findall(r"%([^\s,]+)", several[1]) if several else []
    found = {}
    for root, name, types, operation in re.findall(r"^ +(ROOT )?%(\S+) = (.+?) ([a-z-]+)\(", entry, flags=re.MULTILINE):
        if root or name in results or operation in ("parameter", "constant", "bitcast", "tuple", "get-tuple-element"):
            continue
        # A tuple is as large as its parts.
        parts = re.findall(r"([a-z]+)(\d*)\[([\d,]*)\]", types)
        found[name] = sum(
            (BITS.get(kind) or int(bits)) // 8 * math.prod(map(int, filter(None, size.split(","))))
            for kind, bits, size in parts
        )
    return found


def compiled(function, *arguments):
    import tensorflow as tf

    function = tf.function(function, jit_compile=True, autograph=False)
    return function.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")


def features(kind):
    import tensorflow as tf

    return tf.cast(np.random.default_rng(0).integers(0, 256, SHAPE), kind)


needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="looks at what TensorFlow compiles"
)


@needs_tensorflow
@pytest.mark.parametrize("given, made", KINDS, ids=str)
def test_the_mix_is_one_pass(given, made):
    weight, partner = np.linspace(0, 1, 8, dtype="float32"), np.arange(8, dtype="int32")[::-1].copy()
    hlo = compiled(lambda x, w, p: blend(x, Draw(w, p), made), features(given), weight, partner)
    assert buffers(hlo) == {}


@needs_tensorflow
@pytest.mark.parametrize("method", [Mixup(0.4), Mixup(0.4, per="batch"), CutMix(1.0)], ids=repr)
def test_drawing_and_mixing_a_batch_make_nothing_of_its_size(method):
    """As in a train step: weights and partners are drawn in the same program."""
    labels, seed = np.eye(10, dtype="float32")[np.arange(8)], np.array([1, 2])
    hlo = compiled(lambda x, y, s: mix_batch((x, y), method, s), features("float32"), labels, seed)
    made = buffers(hlo)
    assert made  # the draw, for one
    assert max(made.values()) <= 40 * SHAPE[0]  # a few numbers per example; not even CutMix's region is written down


@needs_tensorflow
def test_a_second_pass_is_noticed():
    import tensorflow as tf

    def in_two_passes(x, w, p):
        mixed = blend(x, Draw(w, p), "float32")
        return mixed - tf.reduce_mean(mixed)

    weight, partner = np.linspace(0, 1, 8, dtype="float32"), np.arange(8, dtype="int32")[::-1].copy()
    made = buffers(compiled(in_two_passes, features("float32"), weight, partner))
    assert max(made.values(), default=0) >= 4 * math.prod(SHAPE)


def test_bytes_are_counted_as_hlo_writes_them():
    hlo = """
HloModule m

%inner (p: f32[4]) -> f32[4] {
  %big = f32[1000]{0} iota()
}

ENTRY %main (x: f32[8,2]) -> f32[8,2] {
  %x = f32[8,2]{1,0} parameter(0), metadata={op_name="x"}
  %a = bf16[8,2]{1,0} convert(%x), metadata={}
  %b = (s32[8]{0}, u8[8]{0}) sort(%x, %x), dimensions={0}
  %c = pred[] compare(%x, %x), direction=EQ
  %d = f32[16]{0} bitcast(%x)
  ROOT %out = f32[8,2]{1,0} fusion(%a), kind=kLoop, calls=%inner
}
"""
    assert buffers(hlo) == {"a": 32, "b": 40, "c": 1}
    several = hlo.replace(
        "f32[8,2]{1,0} fusion(%a), kind=kLoop, calls=%inner", "(bf16[8,2]{1,0}, pred[]) tuple(%a, %c)"
    )
    assert buffers(several) == {"b": 40}


JAX = """
import jax, numpy as np
from keras_mixup.mixing import Draw, blend
x = jax.numpy.asarray(np.random.default_rng(0).integers(0, 256, {shape}))
weight, partner = np.linspace(0, 1, 8, dtype="float32"), np.arange(8, dtype="int32")[::-1].copy()
def memory(function, x):
    found = jax.jit(function).lower(x, weight, partner).compile().memory_analysis()
    return found.temp_size_in_bytes
for given, made in {kinds}:
    print(memory(lambda x, w, p: blend(x, Draw(w, p), made), x.astype(given)))
def in_two_passes(x, w, p):
    return jax.numpy.sort(blend(x, Draw(w, p), "float32"), axis=1)[:, ::-1]
print(memory(in_two_passes, x.astype("float32")))
"""


def test_the_mix_is_one_pass_on_jax():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    done = subprocess.run(
        [sys.executable, "-c", JAX.format(shape=SHAPE, kinds=KINDS)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *temporary, in_two_passes = map(int, done.stdout.split())
    assert temporary == [0] * len(KINDS)
    assert in_two_passes >= 4 * math.prod(SHAPE)  # or nothing would be noticed


RECOMPILED = """
import glob, os, sys
import numpy as np
import tensorflow as tf
from keras_mixup import CutMix, FMix, MixLayer, Mixup, ResizeMix, mix_with

def programs():
    return len({os.path.basename(path).split(".")[0] for path in glob.glob(sys.argv[1] + "/module_*")})

def epochs(dataset, count=3):
    counted = []
    for _ in range(count):
        for _ in dataset:
            pass
        counted.append(programs())
    return counted

x, y = np.zeros((21, 32, 32, 3), "uint8"), np.eye(3, dtype="float32")[np.arange(21) % 3]
batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)  # the last one of 5
for method in (Mixup(0.2), CutMix(), ResizeMix(), FMix()):
    for door in (lambda dataset: dataset.apply(mix_with(method)), lambda dataset: dataset.map(MixLayer(method))):
        before = programs()
        counted = epochs(door(batches))
        print(counted[0] - before, counted[1] - counted[0], counted[2] - counted[1])
sizes = [30, 40, 50, 60] * 2
several = tf.data.Dataset.from_generator(
    lambda: ((np.zeros((4, side, side, 3), "uint8"), y[:4]) for side in sizes),
    output_signature=(tf.TensorSpec((4, None, None, 3), tf.uint8), tf.TensorSpec((4, 3), tf.float32)),
)
before = programs()
counted = epochs(several.apply(mix_with(Mixup(0.2))))
print(counted[0] - before, counted[1] - counted[0], counted[2] - counted[1])
"""


@needs_tensorflow
def test_nothing_is_compiled_twice(tmp_path):
    """Neither in a later epoch nor at another door nor, once it was there, for a last batch that is shorter.

    Of images of many sizes nothing is compiled at all.
    """
    environment = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={tmp_path}"}
    command = [sys.executable, "-c", RECOMPILED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    *methods, several = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(methods) == 8 and all(first >= 2 and later == [0, 0] for first, *later in methods[::2]), methods
    assert methods[1::2] == [(0, 0, 0)] * 4  # the other door has the same programs
    assert several == (0, 0, 0)
