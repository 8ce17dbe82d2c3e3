"""The few array operations of the method, for whichever library holds the arrays.

`keras.ops` follows the backend Keras was started with, but a `tf.data` pipeline holds TensorFlow tensors whatever
that backend is, and the data loaders of others hold NumPy arrays. So TensorFlow's tensors are handled by TensorFlow,
a batch of NumPy arrays by NumPy (`by_library_of_batch`), and everything else by `keras.ops`: `of(array)` picks the
table, and the method is written once against the names below. TensorFlow is imported only when a tensor of its own
turns up, which cannot happen before somebody else imported it.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import numbers
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from keras_mixup import blocks
from keras_mixup.types import Function, Ops, Seed, Shape, Size, Tensor, Tree

# Below this many bytes in one example a compiled blend gains nothing over plain TensorFlow ops (`keras-mixup bench`).
COMPILE_FROM_BYTES = 512


def is_tensorflow(array: Any) -> bool:
    """Whether an array belongs to TensorFlow: eager, symbolic, variable or ragged."""
    tf = sys.modules.get("tensorflow")
    return tf is not None and tf.is_tensor(array)


_by_numpy = contextvars.ContextVar("by_numpy", default=False)  # whether this thread mixes a batch of NumPy arrays


def by_library_of_batch(function: Function) -> Function:
    """A function `function(batch, method, seed, ...)` in which NumPy does everything, if it should mix this batch.

    That is a batch of NumPy arrays and none of another library, with an integer for a seed.
    """

    @functools.wraps(function)
    def wrapped(batch: Tree, method: Any, seed: Seed, **options: Any) -> Tree:
        arrays = [leaf for leaf in keras.tree.flatten(batch) if hasattr(leaf, "shape")]
        plain = bool(arrays) and all(isinstance(array, np.ndarray | np.generic) for array in arrays)
        token = _by_numpy.set(plain and is_integer(seed))
        try:
            with np.errstate(all="ignore") if _by_numpy.get() else contextlib.nullcontext():  # log(0), NaN in the data
                return function(batch, method, seed, **options)
        finally:
            _by_numpy.reset(token)

    return wrapped  # type: ignore[return-value]


def of(*arrays: Any) -> Ops:
    """The table of operations for these arrays; plain Python and NumPy values follow the backend of Keras."""
    if _by_numpy.get():
        return _numpy()
    if keras.backend.backend() == "tensorflow" or any(map(is_tensorflow, arrays)):
        return _tensorflow()
    return _keras()


def is_key(seed: Any) -> bool:
    """Whether a seed is a key of JAX, concrete or traced."""
    jax: Any = sys.modules.get("jax")
    return keras.backend.backend() == "jax" and isinstance(seed, jax.Array)


def is_integer(seed: Any) -> bool:
    """Whether a seed is an integer of Python or NumPy."""
    return isinstance(seed, numbers.Integral) and not isinstance(seed, bool)


def _integer(seed: Any) -> int:
    if not is_integer(seed):
        raise ValueError(
            "`seed` should be an integer, a `keras.random.SeedGenerator`, a TensorFlow integer tensor (2,) or, under "
            f"the JAX backend, a key. Received: seed={seed!r}."
        )
    return int(seed)


def size(array: Tensor) -> Size:
    """The length of the first axis: a Python int where it is known, a scalar tensor where it is not."""
    return of(array).shape(array)[0]


def untouched_by_autograph(function: Function) -> Function:
    """Keep AutoGraph from rewriting a function and all it calls, which takes most of a second where it is mapped."""

    @functools.wraps(function)
    def untouched(*args: Any, **kwargs: Any) -> Any:
        tf = sys.modules.get("tensorflow")  # not imported for this alone
        return (tf.autograph.experimental.do_not_convert(function) if tf else function)(*args, **kwargs)

    return untouched  # type: ignore[return-value]


def _split_integer(seed: Any, num: int) -> list[int]:
    return [int(s) for s in np.random.SeedSequence(_integer(seed) % 2**64).generate_state(num)]


@functools.cache
def _keras() -> Ops:
    ops = keras.ops

    def split(seed: Seed, num: int) -> list[Seed]:
        # Every draw advances a SeedGenerator, so handing it out several times yields several streams.
        if isinstance(seed, keras.random.SeedGenerator):
            return [seed] * num
        if is_key(seed):
            import jax

            return list(jax.random.split(seed, num))
        return _split_integer(seed, num)

    def random(name: str) -> Callable[..., Tensor]:
        def draw(shape: Shape, seed: Seed) -> Tensor:
            if is_key(seed):
                import jax

                return getattr(jax.random, name)(seed, shape, "float32")
            return getattr(keras.random, name)(shape, dtype="float32", seed=seed)

        return draw

    def take_along(x: Tensor, indices: Tensor, axis: int) -> Tensor:
        shape = [1] * len(x.shape)
        shape[0], shape[axis] = -1, indices.shape[1]
        return ops.take_along_axis(x, ops.reshape(indices, shape), axis=axis)

    def inverse_real_fourier(real: Tensor, imaginary: Tensor, width: Size) -> Tensor:
        # Keras has no such transform in two dimensions, and in one it goes forwards: the conjugate's, conjugate.
        turned = [ops.swapaxes(part, -1, -2) for part in (real, -imaginary)]
        real, imaginary = (ops.swapaxes(part, -1, -2) / turned[0].shape[-1] for part in ops.fft(turned))
        return ops.irfft((real, -imaginary), fft_length=width)

    def checked(values: Tensor, good: Tensor, message: str) -> Tensor:
        # A step that is compiled cannot raise, so what is not good ruins the loss: a row of zeros would not.
        return ops.where(ops.all(good, axis=-1, keepdims=True), values, float("nan"))

    def one_hot(x: Tensor, n: int) -> Tensor:
        return ops.one_hot(x, n, dtype="float32")

    def raw_seed(seed: Seed) -> Tensor:
        if is_key(seed):
            import jax

            return jax.random.key_data(seed)[:2]
        return seed.next() if isinstance(seed, keras.random.SeedGenerator) else np.array([seed % 2**31, 0], "uint32")

    return SimpleNamespace(
        is_numpy=False,
        is_tensorflow=False,
        abs=ops.abs,
        all=ops.all,
        arange=lambda n: ops.arange(n, dtype="int32"),
        argmax=lambda x: ops.argmax(x, axis=-1),
        argsort=ops.argsort,
        cast=ops.cast,
        checked=checked,
        compiled=lambda function, x: function,
        cond=ops.cond,
        concat=lambda tensors, axis=0: ops.concatenate(tensors, axis=axis),
        convert=ops.convert_to_tensor,
        cos=ops.cos,
        cumsum=lambda x: ops.cumsum(x, axis=0),
        exp=ops.exp,
        expm1=ops.expm1,
        flip=lambda x: ops.flip(x, axis=0),
        floor=ops.floor,
        fused=lambda function, *sizes: function,
        inverse_real_fourier=inverse_real_fourier,
        log=ops.log,
        max=lambda x: ops.max(x, axis=-1),
        maximum=ops.maximum,
        minimum=ops.minimum,
        normal=random("normal"),
        one_hot=one_hot,
        ones=lambda shape: ops.ones(shape, dtype="float32"),
        raw_seed=raw_seed,
        repeat=lambda x, times, axis: ops.repeat(x, times, axis=axis),
        repeated=lambda times, body, state: ops.fori_loop(0, times, lambda _, state: body(*state), state),
        required=lambda values, good, message: values,  # of what is not known before: all shapes are
        reshape=ops.reshape,
        searchsorted=lambda x, values, side: ops.cast(ops.searchsorted(x, values, side=side), "int32"),
        settled=lambda values: values,
        shape=ops.shape,
        softmax=lambda x: ops.softmax(x, axis=-1),
        split=split,
        sqrt=ops.sqrt,
        stack=ops.stack,
        sum=lambda x: ops.sum(x, axis=-1),
        surely_one=lambda x: False,  # whether it is known before anything is computed
        take=lambda x, indices, axis=0: ops.take(x, indices, axis=axis),
        take_along=take_along,
        transpose=ops.transpose,
        uniform=random("uniform"),
        unstack=ops.unstack,
        where=ops.where,
        zeros=lambda shape: ops.zeros(shape, dtype="float32"),
    )


@functools.cache
def _tensorflow() -> Ops:
    import tensorflow as tf

    @functools.cache
    def compile_once(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return tf.function(function, jit_compile=True, autograph=False)

    def compiled(function: Callable[..., Tensor], x: Tensor) -> Callable[..., Tensor]:
        """XLA fuses cast, gather and multiply-add into one pass over memory: several times faster for images."""
        example = x.shape[1:]
        if not example.is_fully_defined():  # every new shape would be compiled anew
            return function
        large = math.prod(example) * x.dtype.size >= COMPILE_FROM_BYTES
        return compile_once(function) if large else function

    def fused(function: Callable[..., Any], *sizes: Size) -> Callable[..., Any]:
        """What makes regions, in one pass, too: they are as large as masks of the images."""
        large = all(isinstance(size, int) for size in sizes) and 4 * math.prod(sizes) >= COMPILE_FROM_BYTES
        return compile_once(function) if large else function

    def repeated(times: int, body: Callable[..., tuple[Tensor, ...]], state: tuple[Tensor, ...]) -> Any:
        """A function applied to what it returns, so many times."""
        return tf.while_loop(lambda i, *_: i < times, lambda i, *state: (i + 1, *body(*state)), (0, *state))[1:]

    def required(values: Tensor, good: Tensor, message: str) -> Tensor:
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(good), [message])]):
            return tf.identity(values)

    def checked(values: Tensor, good: Tensor, message: str) -> Tensor:
        values = required(values, good, message)
        # XLA leaves the check out. There what is not good ruins the loss: a row of zeros would not.
        return tf.where(tf.reduce_all(good, axis=-1, keepdims=True), values, math.nan)

    def one_hot(x: Tensor, n: int) -> Tensor:
        return tf.one_hot(x, n, dtype=tf.float32)

    def raw_seed(seed: Seed) -> Tensor:
        if isinstance(seed, keras.random.SeedGenerator):
            seed = seed.next()
            replica = tf.distribute.get_replica_context()
            # Each replica of a `tf.distribute` strategy has a copy of the generator, in the same state.
            if replica is not None and replica.num_replicas_in_sync > 1:
                seed = tf.random.fold_in(seed, replica.replica_id_in_sync_group)
        elif not tf.is_tensor(seed):
            seed = [_integer(seed), 0]
        return tf.cast(seed, tf.int64)

    def arange(n: Size) -> Tensor:
        # Each operation of a mapped function costs about 0.1 ms whenever an epoch begins: a range is three more.
        return tf.constant(np.arange(n, dtype=np.int32)) if isinstance(n, int) else tf.range(n, dtype=tf.int32)

    def argsort(x: Tensor) -> Tensor:
        length = x.shape[-1]
        if length is None or not x.dtype.is_floating:
            return tf.argsort(x, stable=True)
        return tf.math.top_k(-x, length).indices  # what `tf.argsort` comes to, by half as many operations

    def shape(x: Tensor) -> Shape:
        if None not in tuple(x.shape):
            return tuple(x.shape)
        dynamic = tf.shape(x)
        return tuple(dynamic[i] if n is None else n for i, n in enumerate(x.shape))

    def surely_one(x: Tensor) -> bool:
        value = tf.get_static_value(x)
        return value is not None and bool((value == 1.0).all())

    def random(operation: Callable[..., Tensor]) -> Callable[[Shape, Seed], Tensor]:
        """`tf.random.stateless_uniform` and its like, without the arithmetic by which they reach other ranges."""

        def draw(shape: Shape, seed: Seed) -> Tensor:
            key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=raw_seed(seed))
            return operation(shape=shape, key=key, counter=counter, alg=tf.random.Algorithm.AUTO_SELECT.value)

        return draw

    return SimpleNamespace(
        is_numpy=False,
        is_tensorflow=True,
        abs=tf.abs,
        all=tf.reduce_all,
        arange=arange,
        argmax=lambda x: tf.argmax(x, axis=-1, output_type=tf.int32),
        argsort=argsort,
        cast=tf.cast,
        checked=checked,
        compiled=compiled,
        cond=tf.cond,
        concat=lambda tensors, axis=0: tf.concat(tensors, axis=axis),
        convert=tf.convert_to_tensor,
        cos=tf.cos,
        cumsum=lambda x: tf.cumsum(x, axis=0),
        exp=tf.exp,
        expm1=tf.math.expm1,
        flip=lambda x: tf.reverse(x, axis=[0]),
        floor=tf.floor,
        fused=fused,
        inverse_real_fourier=lambda real, imaginary, width: tf.signal.irfft2d(
            tf.complex(real, imaginary), [tf.shape(real)[-2], width]
        ),
        log=tf.math.log,
        max=lambda x: tf.reduce_max(x, axis=-1),
        maximum=tf.maximum,
        minimum=tf.minimum,
        normal=random(tf.raw_ops.StatelessRandomNormalV2),
        one_hot=one_hot,
        ones=lambda shape: tf.ones(shape, dtype=tf.float32),
        raw_seed=raw_seed,
        repeat=lambda x, times, axis: tf.repeat(x, times, axis=axis),
        repeated=repeated,
        required=required,
        reshape=tf.reshape,
        searchsorted=lambda x, values, side: tf.searchsorted(x, values, side=side),
        settled=lambda values: values,
        shape=shape,
        softmax=lambda x: tf.nn.softmax(x, axis=-1),
        split=lambda seed, num: tf.unstack(tf.random.split(raw_seed(seed), num), num),
        sqrt=tf.sqrt,
        stack=tf.stack,
        sum=lambda x: tf.reduce_sum(x, axis=-1),
        surely_one=surely_one,
        take=lambda x, indices, axis=0: tf.gather(x, indices, axis=axis),
        take_along=lambda x, indices, axis: tf.gather(x, indices, axis=axis, batch_dims=1),
        transpose=tf.transpose,
        uniform=random(tf.raw_ops.StatelessRandomUniformV2),
        unstack=tf.unstack,
        where=tf.where,
        zeros=lambda shape: tf.zeros(shape, dtype=tf.float32),
    )


@functools.cache
def _numpy() -> Ops:
    def convert(x: Tensor) -> Tensor:
        if isinstance(x, np.ndarray):
            return x
        if hasattr(x, "dtype") and not isinstance(x, np.generic):  # what a function of the user's made with `keras.ops`
            return np.asarray(keras.ops.convert_to_numpy(x))
        return settled(np.asarray(x))

    def settled(values: Tensor) -> Tensor:
        """Plain numbers of 64 bits as those of 32 that every library computes in."""
        values = convert(values) if not isinstance(values, np.ndarray) else values
        narrow = {"float64": "float32", "int64": "int32"}.get(values.dtype.name)
        return values.astype(narrow) if narrow else values

    def cast(x: Tensor, dtype: str) -> Tensor:
        return convert(x).astype(blocks.dtype_of(dtype), copy=False)

    def generator(seed: Seed) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(_integer(seed) % 2**64)))

    def inverse_real_fourier(real: Tensor, imaginary: Tensor, width: Size) -> Tensor:
        return np.fft.irfft2(real + 1j * imaginary, (real.shape[-2], width)).astype(np.float32, copy=False)

    def repeated(times: int, body: Callable[..., tuple[Tensor, ...]], state: tuple[Tensor, ...]) -> Any:
        for _ in range(times):
            state = body(*state)
        return state

    def required(values: Tensor, good: Tensor, message: str) -> Tensor:
        if not np.all(good):
            raise ValueError(message)
        return values

    def one_hot(x: Tensor, n: int) -> Tensor:
        encoded = np.zeros((*x.shape, n), np.float32)
        np.put_along_axis(encoded, x[..., None], 1.0, axis=-1)
        return encoded

    def softmax(x: Tensor) -> Tensor:
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    def take_along(x: Tensor, indices: Tensor, axis: int) -> Tensor:
        # Row by row: several times faster than an index for every number.
        taken: Any = np.empty(x.shape[:axis] + indices.shape[1:] + x.shape[axis + 1 :], x.dtype)
        for own, row, index in zip(taken, x, indices, strict=True):
            np.take(row, index, axis - 1, out=own, mode="clip")
        return taken

    return SimpleNamespace(
        is_numpy=True,
        is_tensorflow=False,
        abs=np.abs,
        all=np.all,
        arange=lambda n: np.arange(n, dtype=np.int32),
        argmax=lambda x: np.argmax(x, axis=-1),
        argsort=lambda x: np.argsort(x, axis=-1, kind="stable"),
        cast=cast,
        checked=required,
        compiled=lambda function, x: blocks.by_rows(function),
        cond=lambda condition, one, other: one() if condition else other(),
        concat=lambda tensors, axis=0: np.concatenate(tensors, axis),
        convert=convert,
        cos=np.cos,
        cumsum=lambda x: np.cumsum(x, axis=0),
        exp=np.exp,
        expm1=np.expm1,
        flip=lambda x: np.flip(x, axis=0),
        floor=np.floor,
        fused=lambda function, *sizes: function,
        inverse_real_fourier=inverse_real_fourier,
        log=np.log,
        max=lambda x: np.max(x, axis=-1),
        maximum=np.maximum,
        minimum=np.minimum,
        normal=lambda shape, seed: generator(seed).standard_normal(shape, np.float32),
        one_hot=one_hot,
        ones=lambda shape: np.ones(shape, np.float32),
        raw_seed=lambda seed: np.array([_integer(seed) % 2**31, 0], np.uint32),
        repeat=lambda x, times, axis: np.repeat(x, times, axis),
        repeated=repeated,
        required=required,
        reshape=np.reshape,
        searchsorted=lambda x, values, side: np.searchsorted(x, values, side).astype(np.int32),
        settled=settled,
        shape=np.shape,
        softmax=softmax,
        split=_split_integer,
        sqrt=np.sqrt,
        stack=np.stack,
        sum=lambda x: np.sum(x, axis=-1),
        surely_one=lambda x: False,
        take=lambda x, indices, axis=0: np.take(x, indices, axis=axis),
        take_along=take_along,
        transpose=np.transpose,
        uniform=lambda shape, seed: generator(seed).random(shape, np.float32),
        unstack=list,
        where=np.where,
        zeros=lambda shape: np.zeros(shape, np.float32),
    )
