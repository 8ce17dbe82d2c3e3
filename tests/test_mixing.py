"""`mix` is the formula: golden rows from NumPy loops, exactness at the ends, identities of a convex combination.

Weights in these tests are never one half and the data never symmetric, so that swapped weights or partners show.
"""

import re
import sys

import keras
import numpy as np
import pytest
from reference import mix_rows, read_back

from keras_mixup import Draw, mix
from keras_mixup.mixing import blend

WEIGHT = np.array([0.3, 0.85, 1.0, 0.1, 0.0, 0.62], "float32")
PARTNER = np.array([4, 0, 5, 3, 1, 2], "int32")
DRAW = Draw(WEIGHT, PARTNER)
INNER = Draw(np.array([0.3, 0.85, 0.77, 0.1, 0.05, 0.62], "float32"), PARTNER)
# Half a unit in the last place of the results, which lie within (-8, 8), and the rounding of float32 arithmetic.
TOLERANCE = {"float16": 2.5e-3, "bfloat16": 2e-2, "float32": 1e-6, "float64": 1e-14}
SMALL, LARGE = (2, 3), (40, 30)  # the second is more than `ops.COMPILE_FROM_BYTES`: blended by XLA under TensorFlow


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def batch(shape=SMALL, size=6, seed=0):
    """Lopsided data: skewed, of both signs, within (-8, 8)."""
    return np.random.default_rng(seed).gamma(0.7, 1.0, (size, *shape)).clip(0, 8).astype("float32") - 0.4


def one_hot(size=6):
    return np.eye(size, dtype="float32")


def has_float64():
    return keras.backend.backend() != "jax"  # JAX has no float64 unless configured


def on_tensorflow():
    return keras.backend.backend() == "tensorflow"


@pytest.mark.parametrize("shape", [(), (1,), (5,), SMALL, LARGE, (4, 5, 3), (2, 3, 4, 3)], ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_rows_agree_with_the_formula(dtype, shape):
    if dtype == "float64" and not has_float64():
        pytest.skip("JAX has no float64 unless configured")
    x = keras.ops.cast(batch(shape), dtype)
    mixed = mix(x, DRAW)
    assert keras.backend.standardize_dtype(mixed.dtype) == dtype
    assert tuple(mixed.shape) == (6, *shape)
    as_float = "float64" if dtype == "float64" else "float32"
    expected = mix_rows(numpy(keras.ops.cast(x, as_float)), WEIGHT, PARTNER)
    np.testing.assert_allclose(numpy(keras.ops.cast(mixed, as_float)), expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_half_precision_is_rounded_once(shape):
    """The arithmetic is done in float32 at least: results are the formula's, rounded to float16 at the end."""
    x = batch(shape).astype("float16")
    weight = np.sqrt(WEIGHT * 0.9 + 0.05)  # round weights such as 0.3 would make many ties
    mixed = numpy(mix(x, Draw(weight, PARTNER)))
    assert mixed.dtype == np.float16
    # A tie between two float16 numbers may fall either way after the rounding of float32.
    assert (mixed != mix_rows(x, weight, PARTNER).astype("float16")).mean() < 0.001


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_float64_keeps_its_digits(shape):
    if not has_float64():
        pytest.skip("JAX has no float64 unless configured")
    x = 1e6 + batch(shape).astype("float64")
    np.testing.assert_allclose(numpy(mix(x, INNER)), mix_rows(x, *INNER[:2]), rtol=1e-15, atol=0)


def test_nests_come_back_as_they_were_all_mixed_by_one_draw():
    tree = {"image": batch(LARGE), "targets": (one_hot(), [batch((), seed=1), batch((4,), seed=2)])}
    mixed = mix(tree, DRAW)
    keras.tree.assert_same_structure(tree, mixed)
    for leaf, result in zip(keras.tree.flatten(tree), keras.tree.flatten(mixed), strict=True):
        np.testing.assert_allclose(numpy(result), mix_rows(leaf, WEIGHT, PARTNER), rtol=0, atol=1e-6)


def test_unique_labels_give_the_draw_back():
    weight, partner = read_back(numpy(mix(one_hot(), DRAW)))
    # Row 3 is its own partner and row 2 has weight 1: both keep everything.
    np.testing.assert_allclose(weight, [0.3, 0.85, 1, 1, 0, 0.62], atol=1e-7)
    np.testing.assert_array_equal(partner, [4, 0, 2, 3, 1, 2])


AWKWARD = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1 / 3, 3.4e38, -3e-38, 65504.0, 1e-5], "float32")


@pytest.mark.parametrize("columns", [1, 200], ids=["plain", "compiled"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_rows_at_the_ends_are_exact_bit_for_bit(end, dtype, columns):
    if dtype == "float64" and not has_float64():
        pytest.skip("JAX has no float64 unless configured")
    with np.errstate(over="ignore"):
        x = numpy(keras.ops.cast(np.tile(np.stack([AWKWARD, AWKWARD[::-1], batch((10,), 1)[0]]), columns), dtype))
    partner = np.array([1, 2, 0], "int32")
    mixed = numpy(mix(x, Draw(np.full(3, end, "float32"), partner)))
    expected = x if end == 1 else x[partner]
    assert mixed.dtype == expected.dtype
    nan = np.isnan(expected.astype("float32"))
    np.testing.assert_array_equal(np.isnan(mixed.astype("float32")), nan)
    # Bytes, so that -0.0 and 0.0 differ.
    assert mixed[~nan].tobytes() == expected[~nan].tobytes()


@pytest.mark.parametrize("columns", [2, 2000], ids=["plain", "compiled"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_left_out_does_not_leak(bad, columns):
    x = np.tile(np.array([[0.7], [bad], [2.0]], "float32"), columns)
    weight, partner = np.array([1.0, 0.0, 0.3], "float32"), np.array([1, 0, 0], "int32")
    mixed = numpy(mix(x, Draw(weight, partner)))
    # Row 0 has a bad partner of weight 0; row 1 is bad itself, at weight 0; row 2 is an ordinary mix.
    expected = np.repeat(np.array([[0.7], [0.7], [0.3 * 2.0 + 0.7 * 0.7]], "float32"), columns, axis=1)
    np.testing.assert_array_equal(mixed[:2], expected[:2])
    np.testing.assert_allclose(mixed[2], expected[2], atol=1e-6)


@pytest.mark.parametrize("columns", [2, 2000], ids=["plain", "compiled"])
def test_what_is_mixed_in_does_show(columns):
    x = np.tile(np.array([[0.7], [np.nan], [np.inf]], "float32"), columns)
    mixed = numpy(mix(x, Draw(np.full(3, 0.3, "float32"), np.array([1, 0, 0], "int32"))))
    assert np.isnan(mixed[:2]).all()
    assert (mixed[2] == np.inf).all()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "bool"])
def test_tensors_that_are_not_floats_are_refused_in_words(dtype):
    if dtype == "int64" and not has_float64():
        pytest.skip("JAX has no int64 unless configured")
    message = (
        f"`mix` needs floating-point tensors. Received: a tensor of dtype {dtype} and shape (6, 4). Cast pixels with "
        "`keras.ops.cast(x, 'float32')`; one-hot class ids with `keras.ops.one_hot(y, num_classes)`."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        mix((batch(), np.ones((6, 4), dtype)), DRAW)


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_weight_one_returns_the_batch_and_weight_zero_the_partners(shape):
    x = batch(shape)
    np.testing.assert_array_equal(numpy(mix(x, Draw(np.ones(6, "float32"), PARTNER))), x)
    np.testing.assert_array_equal(numpy(mix(x, Draw(np.zeros(6, "float32"), PARTNER))), x[PARTNER])


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_every_number_lies_between_the_two_it_was_mixed_from(shape):
    x = batch(shape)
    mixed = numpy(mix(x, DRAW))
    low, high = np.minimum(x, x[PARTNER]), np.maximum(x, x[PARTNER])
    assert (mixed >= low - 1e-6).all()
    assert (mixed <= high + 1e-6).all()


def test_an_example_paired_with_itself_stays_itself():
    x = batch()
    np.testing.assert_allclose(numpy(mix(x, Draw(INNER.weight, np.arange(6)))), x, rtol=2e-7)


@pytest.mark.parametrize("mass", [1.0, 3.0])
def test_the_label_mass_of_every_row_is_kept(mass):
    y = np.random.default_rng(4).dirichlet(np.full(7, 0.3), 6).astype("float32") * mass
    np.testing.assert_allclose(numpy(mix(y, DRAW)).sum(axis=1), mass, rtol=1e-6)


def test_one_weight_and_a_permutation_keep_the_sum_of_the_batch():
    x = batch()
    mixed = numpy(mix(x, Draw(np.full(6, 0.3, "float32"), np.array([2, 0, 1, 5, 3, 4]))))
    np.testing.assert_allclose(mixed.sum(axis=0), x.sum(axis=0), atol=5e-6)
    assert np.abs(mixed - x).max() > 0.1


def test_swapping_each_example_with_its_partner_turns_the_weight_around():
    x = batch()
    there = mix(x, INNER)
    back = mix(x[PARTNER], Draw(1 - INNER.weight, np.argsort(PARTNER)))
    np.testing.assert_allclose(numpy(back), numpy(there), atol=1e-6)


def test_mixing_commutes_with_affine_maps():
    x, matrix, offset = batch((4,)), batch((3,), size=4, seed=7), batch((), size=3, seed=8)
    after = numpy(mix(x, DRAW)) @ matrix + offset
    before = numpy(mix((x @ matrix + offset).astype("float32"), DRAW))
    np.testing.assert_allclose(after, before, atol=5e-6)


def test_cross_entropy_of_mixed_targets_is_the_mix_of_cross_entropies():
    y, log_p = one_hot(), np.log(np.random.default_rng(5).dirichlet(np.ones(6), 6).astype("float32"))
    mixed = -(numpy(mix(y, DRAW)) * log_p).sum(axis=1)
    own, other = -(y * log_p).sum(axis=1), -(y[PARTNER] * log_p).sum(axis=1)
    np.testing.assert_allclose(mixed, WEIGHT * own + (1 - WEIGHT) * other, rtol=1e-5)


def test_inputs_are_not_modified():
    tree = {"x": batch(LARGE), "y": [one_hot()]}
    kept = keras.tree.map_structure(np.copy, tree)
    weight, partner = WEIGHT.copy(), PARTNER.copy()
    inner = tree["y"]
    mix(tree, Draw(weight, partner))
    assert list(tree) == ["x", "y"]
    assert tree["y"] is inner
    for leaf, copy in zip(keras.tree.flatten(tree), keras.tree.flatten(kept), strict=True):
        assert isinstance(leaf, np.ndarray)
        np.testing.assert_array_equal(leaf, copy)
    np.testing.assert_array_equal(weight, WEIGHT)
    np.testing.assert_array_equal(partner, PARTNER)


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_empty_and_single_batches(size, shape):
    x, partner = batch(shape, size), np.arange(size, dtype="int32")[::-1].copy()
    weight = np.linspace(0.2, 0.3, size, dtype="float32")
    mixed = numpy(mix(x, Draw(weight, partner)))
    assert mixed.shape == x.shape
    np.testing.assert_allclose(mixed, mix_rows(x, weight, partner), atol=1e-6)


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_and_partners_may_have_any_dtype(dtype, index):
    x = batch()
    mixed = numpy(mix(x, Draw(INNER.weight.astype(dtype), PARTNER.astype(index))))
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, mix_rows(x, INNER.weight.astype(dtype), PARTNER), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_the_dtype_policy_has_no_say(policy):
    keras.config.set_dtype_policy(policy)
    x = batch()
    mixed = numpy(mix(x, DRAW))
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, mix_rows(x, WEIGHT, PARTNER), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_pixels_are_blended_as_floats(shape, dtype):
    """Averaged as floats and neither truncated nor wrapped around."""
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(1).integers(0, top, (6, *shape), endpoint=True).astype(dtype)
    mixed = numpy(blend(keras.ops.convert_to_tensor(pixels), DRAW, "float32"))
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, mix_rows(pixels, WEIGHT, PARTNER), rtol=1e-6, atol=1e-6 * top)


@pytest.mark.skipif(not on_tensorflow(), reason="only TensorFlow's blend has a compiled form")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_compiled_and_plain_blends_agree(dtype, monkeypatch):
    from keras_mixup import ops

    x = keras.ops.cast(batch(LARGE), dtype)
    function = object()
    assert ops.of(x).compiled(function, keras.ops.cast(batch(SMALL), dtype)) is function
    results = []
    for threshold in (0, sys.maxsize):
        monkeypatch.setattr(ops, "COMPILE_FROM_BYTES", threshold)
        compiled = ops.of(x).compiled(_probe, x) is not _probe
        assert compiled == (threshold == 0)
        results.append(numpy(keras.ops.cast(mix(x, DRAW), "float64")))
    np.testing.assert_allclose(*results, rtol=1e-2 if "16" in dtype else 3e-7, atol=1e-7)
    expected = mix_rows(numpy(keras.ops.cast(x, "float64")), WEIGHT, PARTNER)
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=TOLERANCE[dtype])


def _probe(x):
    return x


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "shape", [(None, *LARGE), (None, None, 30), (None, None, None), (6, None, 30), (6, *LARGE)], ids=str
)
def test_unknown_shapes_inside_tf_function(shape, jit_compile):
    tf = pytest.importorskip("tensorflow")
    signature = [tf.TensorSpec(shape), tf.TensorSpec(shape[:1]), tf.TensorSpec(shape[:1], tf.int32)]
    traced = tf.function(lambda x, *draw: mix(x, Draw(*draw)), input_signature=signature, jit_compile=jit_compile)
    x = batch(LARGE)
    np.testing.assert_allclose(traced(x, *DRAW[:2]).numpy(), mix_rows(x, *DRAW[:2]), atol=1e-6)
    if shape[0] is None:
        np.testing.assert_allclose(traced(x[:1], [0.3], [0]).numpy(), x[:1], rtol=3e-7)
        assert traced(x[:0], [], np.zeros(0, "int32")).shape == (0, *LARGE)


def test_tensorflow_tensors_are_mixed_by_tensorflow_under_every_backend():
    tf = pytest.importorskip("tensorflow")
    mixed = mix({"x": tf.constant(batch(LARGE)), "y": tf.constant(one_hot())}, DRAW)
    assert all(map(tf.is_tensor, mixed.values()))
    np.testing.assert_allclose(mixed["x"].numpy(), mix_rows(batch(LARGE), *DRAW[:2]), atol=1e-6)


def test_mixing_compiles_in_jax():
    if keras.backend.backend() != "jax":
        pytest.skip("jax.jit needs the JAX backend")
    import jax

    x = batch(LARGE)
    mixed = jax.jit(lambda x, *draw: mix(x, Draw(*draw)))(x, *DRAW[:2])
    np.testing.assert_allclose(np.asarray(mixed), mix_rows(x, *DRAW[:2]), atol=1e-6)


def gradient(function, *arrays):
    """The gradients of a scalar function of tensors, by whichever library Keras runs on."""
    if on_tensorflow():
        import tensorflow as tf

        tensors = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(value, tensors)]
    if keras.backend.backend() == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(function, tuple(range(len(arrays))))(*arrays)]
    import torch

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    function(*tensors).backward()
    return [t.grad.numpy() for t in tensors]


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
def test_the_gradient_is_the_formula_s(shape):
    """For sum(c * mixed): dx[i] = w[i] c[i] + sum over the j paired with i of (1 - w[j]) c[j]."""
    x, c = batch(shape), batch(shape, seed=3)
    partner = np.array([4, 0, 5, 3, 1, 0], "int32")  # 0 is a partner twice, 2 never
    weight = INNER.weight
    dx, dw = gradient(lambda x, w: keras.ops.sum(keras.ops.multiply(mix(x, Draw(w, partner)), c)), x, weight)
    expected = np.zeros(x.shape)
    for i in range(len(x)):
        expected[i] += weight[i] * c[i]
        expected[partner[i]] += (1 - weight[i]) * c[i]
    np.testing.assert_allclose(dx, expected, atol=1e-5)
    axes = tuple(range(1, x.ndim))
    np.testing.assert_allclose(dw, (c * (x - x[partner])).sum(axis=axes), rtol=1e-4, atol=1e-4)


def test_the_gradient_reaches_only_the_example_that_counts():
    """At weight 1 the example itself, at weight 0 its partner; and a bad number on the other side does no harm."""
    x = np.array([[0.7, 1.0], [np.nan, np.inf], [2.0, 4.0]], "float32")
    draw = Draw(np.array([1.0, 0.0, 0.0], "float32"), np.array([1, 2, 0], "int32"))
    (dx,) = gradient(lambda x: keras.ops.sum(mix(x, draw)), x)
    np.testing.assert_array_equal(dx, [[2, 2], [0, 0], [1, 1]])


def test_the_oracle_itself():
    """Two rows worked out by hand, and labels that cannot be read back are noticed."""
    x = np.array([[1.0, 10.0], [3.0, -2.0]])
    np.testing.assert_allclose(mix_rows(x, [0.25, 1.0], [1, 0]), [[2.5, 1.0], [3.0, -2.0]])
    weight, partner = read_back([[0.25, 0.75], [0.0, 1.0]])
    assert (weight.tolist(), partner.tolist()) == ([0.25, 1.0], [1, 1])
    for bad in ([[0.5, 0.4], [0, 1]], [[1.5, -0.5], [0, 1]], [[0.4, 0.3, 0.3], [0, 1, 0], [0, 0, 1]], [[1.0, 0.0]]):
        with pytest.raises(AssertionError):
            read_back(bad)
