"""The contract of every door: a batch goes in, a mixed batch comes out, and NumPy accounts for every number of it.

A door is a callable `door(batch, *, num_classes=None, seed=SEED, **arguments_of_Mixup) -> batch`, in NumPy on both
sides. A check takes a door and asserts. `test_contract.py` applies every check to every door.

Weights are given where a check can do with given ones (`FixedWeights` in place of alpha, asymmetric, never one half)
and otherwise read back from one-hot targets that are unique in the batch.
"""

import functools

import keras
import ml_dtypes
import numpy as np
import pytest
from reference import mix_rows, read_back

from keras_mixup import MixLayer, Mixup, MixupLayer, MixupModel, mix_with, mixup
from keras_mixup.batch import mix_batch

SEED = 11
BACKEND = keras.backend.backend()
ON_TENSORFLOW = pytest.mark.skipif(BACKEND != "tensorflow", reason="needs the TensorFlow backend of Keras")

TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-6, "float64": 1e-12}


class FixedWeights:
    """A distribution, as far as the library can tell, that always answers the same weights."""

    def __init__(self, *weights):
        self.weights = np.array(weights, "float32")

    def __repr__(self):  # without its address, which differs between the processes that share the tests
        return "<FixedWeights>"

    def sample(self, shape, seed=None):
        (size,) = shape
        if isinstance(size, int):
            return np.resize(self.weights, size)
        # An unknown size: a tensor in TensorFlow's graphs, a symbol in JAX's.
        if keras.backend.backend() == "jax" and not hasattr(size, "graph"):
            return keras.ops.take(self.weights, keras.ops.arange(size, dtype="int32") % len(self.weights))
        import tensorflow as tf

        return tf.gather(self.weights, tf.range(size) % len(self.weights))


def to_numpy(tree):
    """Every tensor of a tree as a NumPy array of its own dtype; what NumPy cannot hold (ragged, None) as it is."""

    def convert(leaf):
        if leaf is None or hasattr(leaf, "to_list"):
            return leaf
        if "bfloat16" in str(leaf.dtype):
            return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(leaf, "float32"))).astype(ml_dtypes.bfloat16)
        if hasattr(leaf, "detach"):
            return leaf.detach().cpu().numpy()
        return leaf.numpy() if hasattr(leaf, "numpy") else np.asarray(leaf)

    if hasattr(tree, "to_list"):
        return tree
    return keras.tree.map_structure(convert, tree)


# --- The doors ------------------------------------------------------------------------------------------------------


def through_function(batch, *, num_classes=None, seed=SEED, **method):
    return to_numpy(mix_batch(batch, Mixup(**method), seed, num_classes=num_classes))


def through_layer(batch, *, num_classes=None, seed=SEED, **method):
    return to_numpy(MixupLayer(num_classes=num_classes, seed=seed, **method)(batch))


def through_layer_with_arguments(batch, *, num_classes=None, seed=SEED, **method):
    layer = MixupLayer(num_classes=num_classes, seed=seed, **method)
    return to_numpy(layer(*batch) if isinstance(batch, tuple) and len(batch) > 1 else layer(batch))


def through_compiled_layer(batch, *, num_classes=None, seed=SEED, **method):
    return compiled_call(MixupLayer(num_classes=num_classes, seed=seed, **method), batch)


def compiled_call(layer, batch):
    """Call a layer under XLA."""
    if BACKEND == "jax":
        import jax

        state = [variable.value for variable in layer.non_trainable_variables]
        return to_numpy(jax.jit(lambda data: layer.stateless_call([], state, data)[0])(batch))
    import tensorflow as tf

    tensors = keras.tree.map_structure(tf.convert_to_tensor, batch)
    return to_numpy(tf.function(layer, jit_compile=True)(tensors))


def _only(dataset):
    (element,) = dataset
    return to_numpy(element)


def through_mapped_layer(batch, *, num_classes=None, seed=SEED, **method):
    import tensorflow as tf

    layer = MixupLayer(num_classes=num_classes, seed=seed, **method)
    return _only(tf.data.Dataset.from_tensors(batch).map(layer))


def through_transformation(batch, *, num_classes=None, seed=SEED, **method):
    import tensorflow as tf

    return _only(tf.data.Dataset.from_tensors(batch).apply(mixup(num_classes=num_classes, seed=seed, **method)))


@keras.saving.register_keras_serializable(package="keras_mixup_tests")
class AnyInput(keras.layers.Layer):
    """A network with one weight that accepts whatever it is given."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(1,), initializer="ones")

    def call(self, inputs):
        return 1.0 * self.scale


def model_that_records(method, **kwargs):
    """A `MixupModel` and the list of what its train steps hand to network and loss: (x, y, sample_weight)."""
    seen = []

    class Recording(MixupModel):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            if training:
                seen.append(to_numpy((x, y, sample_weight)))
            return keras.ops.sum(y_pred)

    model = Recording(AnyInput(), method, **kwargs)
    model.compile(optimizer="sgd", run_eagerly=True)
    return model, seen


def through_model(batch, *, num_classes=None, seed=SEED, **method):
    import tensorflow as tf

    model, seen = model_that_records(Mixup(**method), num_classes=num_classes, seed=seed)
    model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0)
    ((x, y, sample_weight),) = seen
    return (x, y, sample_weight)[: len(batch)] if isinstance(batch, tuple) else x


DOORS = {
    "function": through_function,
    "layer": through_layer,
    "layer called with (x, y)": through_layer_with_arguments,
    "layer under XLA": through_compiled_layer,
    "layer in map": through_mapped_layer,
    "transformation": through_transformation,
    "model": through_model,
}
PIPELINES = ("layer in map", "transformation")


# --- The doors for any method: `door(batch, method, *, num_classes=None, pairs=False, seed=SEED) -> batch` ------------


def method_through_function(batch, method, *, seed=SEED, **kwargs):
    return to_numpy(mix_batch(batch, method, seed, **kwargs))


def method_through_function_of_tensors(batch, method, *, seed=SEED, **kwargs):
    """By the library of Keras' backend, so that the draw is that of `method.draw` with the same seed."""
    return method_through_function(
        keras.tree.map_structure(keras.ops.convert_to_tensor, batch), method, seed=seed, **kwargs
    )


def method_through_layer(batch, method, *, seed=SEED, **kwargs):
    return to_numpy(MixLayer(method, seed=seed, **kwargs)(batch))


def method_through_compiled_layer(batch, method, *, seed=SEED, **kwargs):
    return compiled_call(MixLayer(method, seed=seed, **kwargs), batch)


def method_through_mapped_layer(batch, method, *, seed=SEED, **kwargs):
    import tensorflow as tf

    return _only(tf.data.Dataset.from_tensors(batch).map(MixLayer(method, seed=seed, **kwargs)))


def method_through_transformation(batch, method, *, seed=SEED, **kwargs):
    import tensorflow as tf

    return _only(tf.data.Dataset.from_tensors(batch).apply(mix_with(method, seed=seed, **kwargs)))


def method_through_model(batch, method, *, seed=SEED, **kwargs):
    import tensorflow as tf

    model, seen = model_that_records(method, seed=seed, **kwargs)
    model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0)
    ((x, y, sample_weight),) = seen
    return (x, y, sample_weight)[: len(batch)] if isinstance(batch, tuple) else x


METHOD_DOORS = {
    "function": method_through_function,
    "layer": method_through_layer,
    "layer under XLA": method_through_compiled_layer,
    "layer in map": method_through_mapped_layer,
    "transformation": method_through_transformation,
    "model": method_through_model,
}
if BACKEND == "torch":
    del METHOD_DOORS["layer under XLA"]


def keeps_every_dtype(door):
    """TensorFlow does; JAX has no 64-bit types unless asked, torch no strings and few unsigned integers."""
    return BACKEND == "tensorflow" or door in [DOORS[name] for name in (*PIPELINES, "function")]


# --- Batches --------------------------------------------------------------------------------------------------------


def features(size, shape=(4, 3), dtype="float32", seed=3):
    """Numbers without any symmetry: floats of both signs, integers over their whole range."""
    generator = np.random.default_rng(seed)
    if np.issubdtype(np.dtype(dtype) if dtype != "bfloat16" else float, np.integer):
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, (size, *shape), endpoint=True).astype(dtype)
    return generator.normal(1.0, 3.0, (size, *shape)).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def one_hot(size, dtype="float32"):
    """Targets that are unique in the batch."""
    return np.eye(size, dtype=dtype)


TARGETS = {
    "integers": lambda n: np.arange(n),
    "integers (batch, 1)": lambda n: np.arange(n)[:, None],
    "one-hot int": lambda n: one_hot(n, "int64"),
    "one-hot float": one_hot,
    "regression": lambda n: features(n, (), seed=5),
    "multi-label bool": lambda n: np.random.default_rng(6).random((n, 5)) < 0.4,
}
MORE_TARGETS = {
    "int32 integers": lambda n: np.arange(n, dtype="int32"),
    "uint8 integers": lambda n: np.arange(n, dtype="uint8"),
    "one-hot float64": lambda n: one_hot(n, "float64"),
    "one-hot float16": lambda n: one_hot(n, "float16"),
    "regression (batch, 1)": lambda n: features(n, (1,), seed=5),
    "soft maps": lambda n: features(n, (3, 2, 4), seed=7),
}
FORMS_OF_CLASS_IDS = ("integers", "int32 integers", "uint8 integers", "integers (batch, 1)", "one-hot int")


# --- Assertions -----------------------------------------------------------------------------------------------------


def assert_mixed(mixed, original, weight, partner, dtype="float32"):
    """Every number of a mixed tensor, against NumPy in float64."""
    expected = mix_rows(np.asarray(original, "float64"), weight, partner)
    assert mixed.dtype.name == dtype
    assert mixed.shape == expected.shape
    scale = np.max(np.abs(expected), initial=1e-30)
    np.testing.assert_allclose(np.asarray(mixed, "float64"), expected, rtol=0, atol=TOLERANCE[dtype] * scale)


def assert_same_bits(returned, given):
    returned, given = np.asarray(returned), np.asarray(given)
    if given.dtype.kind in "US":
        given = np.array([str(s).encode() for s in given.ravel()], object).reshape(given.shape)
        returned = np.array([s if isinstance(s, bytes) else str(s).encode() for s in returned.ravel()], object)
        assert returned.tolist() == given.ravel().tolist()
        return
    assert returned.dtype == given.dtype
    assert returned.shape == given.shape
    assert returned.tobytes() == given.tobytes()


def read_draw(targets):
    """Weight and partner from mixed unique targets, once it is sure that there was something to mix."""
    weight, partner = read_back(targets)
    assert np.all((weight >= 0) & (weight <= 1))
    return weight, partner


def keeps_none(door):
    """Before 3.13 Keras could not build a model for inputs among which there is None."""
    return door is not through_model or tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 13)


def skip_strings(door):
    if door is through_compiled_layer or not keeps_every_dtype(door):
        pytest.skip("strings and long integers do not exist here")


# --- The checks -----------------------------------------------------------------------------------------------------


def check_every_row_is_the_mix_of_two_examples_by_the_weight_its_target_shows(door):
    x = features(9)
    mixed_x, mixed_y = door((x, one_hot(9)), alpha=0.9, pairing="derangement")
    weight, partner = read_draw(mixed_y)
    assert np.all(partner != np.arange(9))
    assert len(np.unique(weight)) == 9
    assert_mixed(mixed_x, x, weight, partner)


def check_target_rows_keep_their_mass(door):
    soft = np.abs(features(9, (6,), seed=8))
    soft = (soft / soft.sum(1, keepdims=True)).astype("float32")
    _, mixed = door((features(9), soft), alpha=0.9)
    assert not np.allclose(mixed, soft)
    np.testing.assert_allclose(mixed.sum(1), 1.0, atol=1e-6)


def check_weight_is_the_share_of_the_original(door):
    x, y = door((np.array([[0.0], [100.0], [200.0]], "float32"), one_hot(3)), alpha=FixedWeights(0.9), pairing="roll")
    np.testing.assert_allclose(x.ravel(), [0.9 * 0 + 0.1 * 200, 0.9 * 100 + 0.1 * 0, 0.9 * 200 + 0.1 * 100], rtol=1e-6)
    np.testing.assert_allclose(y[0], [0.9, 0.0, 0.1], rtol=1e-6)


def check_alpha_zero_returns_the_bits(door, shape):
    x = features(6, shape)
    x.reshape(6, -1)[:5, 0] = [np.nan, -0.0, np.inf, 1e-42, -1e-45]
    weight = np.array([np.nan, -0.0, np.inf, 1e-42, 1, 2], "float32")
    for mixed, given in zip(door((x, x[:, :2], weight), alpha=0), (x, x[:, :2], weight), strict=True):
        assert_same_bits(mixed, given)


def check_probability_zero_returns_the_bits(door):
    x, y = features(6), features(6, (2,))
    x[2, 1] = np.nan
    for mixed, given in zip(door((x, y), alpha=5.0, probability=0), (x, y), strict=True):
        assert_same_bits(mixed, given)


def check_nothing_leaks_from_the_side_of_weight_zero(door, shape):
    x = features(6, shape)
    x[0], x[3] = np.nan, np.inf
    # reverse pairs 0 with 5, 1 with 4, 2 with 3; row 0 is all replaced, row 2 ignores row 3, row 3 keeps its infinity.
    mixed, _ = door((x, one_hot(6)), alpha=FixedWeights(0.0, 1.0, 1.0, 1.0, 0.0, 1.0), pairing="reverse")
    for row, source in enumerate([5, 1, 2, 3, 1, 5]):
        assert_same_bits(mixed[row], x[source])


def check_batch_size(door, size):
    x = features(size)
    mixed_x, mixed_y = door((x, np.arange(size)), alpha=0.9, pairing="derangement", num_classes=max(size, 1))
    assert mixed_y.shape == (size, max(size, 1))
    assert mixed_y.dtype == np.float32
    weight, partner = read_draw(mixed_y[:, :size])
    assert np.all(partner != np.arange(size)) or size < 2
    assert_mixed(mixed_x, x, weight, partner)


def check_rank(door, shape):
    x = features(5, shape)
    mixed_x, mixed_y = door((x, one_hot(5)), alpha=0.9, pairing="derangement")
    assert_mixed(mixed_x, x, *read_draw(mixed_y))


def check_dtypes(door, feature_dtype, target_form, shape):
    if feature_dtype == "uint16" and BACKEND == "torch" and not keeps_every_dtype(door):
        pytest.skip("Keras gives torch int32 in place of uint16")
    weights, partner = np.array([0.3, 0.9, 0.05, 0.6, 1.0], "float32"), np.array([4, 0, 1, 2, 3])  # roll
    x, y = features(5, shape, feature_dtype), {**TARGETS, **MORE_TARGETS}[target_form](5)
    mixed_x, mixed_y = door(
        (x, y),
        alpha=FixedWeights(*weights),
        pairing="roll",
        num_classes=5 if target_form in FORMS_OF_CLASS_IDS else None,
    )
    # Floats keep their dtype and pixels become floats. Targets are always float32.
    dtype = feature_dtype if "float" in feature_dtype else "float32"
    if feature_dtype == "float64" and BACKEND == "jax" and not keeps_every_dtype(door):
        dtype = "float32"
    assert_mixed(mixed_x, x, weights.astype("float64"), partner, dtype)
    rows = np.eye(5)[y.ravel()] if target_form in FORMS_OF_CLASS_IDS and target_form != "one-hot int" else y
    assert_mixed(mixed_y, rows, weights.astype("float64"), partner)


def check_every_input_and_target_gets_the_same_draw(door):
    batch = (
        {"photo": features(7, (4, 4, 3), "uint8"), "table": (features(7, (5,)), features(7, (), "float64"))},
        {"id": one_hot(7), "size": features(7, (), seed=4), "corners": (features(7, (2, 2)),)},
    )
    mixed = door(batch, alpha=0.9, pairing="derangement")
    # torch's data loaders make lists of inner tuples before anybody mixes them.
    keras.tree.assert_same_structure(keras.tree.lists_to_tuples(mixed), batch)
    weight, partner = read_draw(mixed[1]["id"])
    assert_mixed(mixed[0]["photo"], batch[0]["photo"], weight, partner)
    assert_mixed(mixed[0]["table"][0], batch[0]["table"][0], weight, partner)
    np.testing.assert_allclose(mixed[0]["table"][1], mix_rows(batch[0]["table"][1], weight, partner), rtol=1e-5)
    assert_mixed(mixed[1]["size"], batch[1]["size"], weight, partner)
    assert_mixed(mixed[1]["corners"][0], batch[1]["corners"][0], weight, partner)


def check_several_integer_targets_share_num_classes(door):
    y = {"a": np.arange(5), "b": np.array([4, 2, 0, 0, 1], "int32")}
    _, mixed = door((features(5), y), alpha=0.9, pairing="derangement", num_classes=5)
    assert_mixed(mixed["b"], np.eye(5)[y["b"]], *read_draw(mixed["a"]))


def check_sample_weights_travel_with_the_mix(door, dtype):
    sample_weight = np.array([1, 0, 1, 0, 0, 1] if dtype == "bool" else [1, 2, 5, 0, 9, 4], dtype)
    mixed = door((features(6), one_hot(6), sample_weight), alpha=0.9, pairing="derangement")
    assert len(mixed) == 3
    assert_mixed(mixed[2], sample_weight, *read_draw(mixed[1]))


def check_known_keys_of_a_dict_are_mixed(door, image, label):
    batch = {image: features(6), label: np.arange(6), "sample_weight": features(6, ()), "other": features(6)}
    given = {key: value.copy() for key, value in batch.items()}
    mixed = door(batch, alpha=0.9, pairing="derangement", num_classes=6)
    assert list(mixed) == list(batch) or sorted(mixed) == sorted(batch)
    draw = read_draw(mixed[label])
    assert_mixed(mixed[image], given[image], *draw)
    assert_mixed(mixed["sample_weight"], given["sample_weight"], *draw)
    assert_same_bits(mixed["other"], given["other"])


def check_soft_masks_are_mixed(door):
    batch = {"images": features(5), "labels": one_hot(5), "segmentation_masks": features(5, (4, 4, 2), seed=9)}
    mixed = door(batch, alpha=0.9, pairing="derangement")
    assert_mixed(mixed["segmentation_masks"], batch["segmentation_masks"], *read_draw(mixed["labels"]))


def check_what_is_not_mixed_passes_bit_for_bit(door):
    skip_strings(door)
    extras = {
        "name": np.array(["a", "bb", "", "d"]),
        "id": np.array([2**24 + 1, 2**31 + 1, 2**53 + 1, -(2**62) - 1]),
        "flag": np.array([True, False, False, True]),
        "weird": np.array([np.nan, -0.0, 1e-42, np.inf], "float32"),
        "double": np.array([1 / 3, 2 / 3, np.pi, 1e300]),
        "nothing": None,
        "nested": {"tokens": np.arange(8, dtype="int32").reshape(4, 2), "scalar": np.float32(0.1)},
    }
    if not keeps_none(door):
        del extras["nothing"]
    mixed = door({"image": features(4), "label": one_hot(4), **extras}, alpha=0.9, pairing="derangement")
    assert_mixed(mixed["image"], features(4), *read_draw(mixed["label"]))
    keras.tree.map_structure(
        lambda returned, given: assert_same_bits(returned, given) if given is not None else None,
        {key: mixed[key] for key in extras},
        extras,
    )
    assert mixed.get("nothing") is None


def check_inputs_that_cannot_be_mixed_pass_among_others(door):
    skip_strings(door)
    x = {"image": features(4), "id": np.array([2**24 + 1, 2**31 + 1, 3, 4]), "name": np.array(["a", "b", "c", "d"])}
    x |= {"flag": np.array([True, False, True, True])} | ({"nothing": None} if keeps_none(door) else {})
    mixed, y = door((x, one_hot(4)), alpha=0.9, pairing="derangement")
    assert_mixed(mixed["image"], x["image"], *read_draw(y))
    for key in ("id", "name", "flag"):
        assert_same_bits(mixed[key], x[key])
    assert mixed.get("nothing") is None


def check_ragged_leaves_pass(door):
    skip_strings(door)
    import tensorflow as tf

    words = tf.ragged.constant([[1, 2], [], [3], [4, 5, 6]])
    mixed = door({"image": features(4), "label": one_hot(4), "words": words}, alpha=0.9, pairing="derangement")
    assert mixed["words"].to_list() == words.to_list()
    (mixed, _) = door(({"image": features(4), "words": words}, one_hot(4)), alpha=0.9, pairing="derangement")
    assert mixed["words"].to_list() == words.to_list()


def check_the_callers_data_are_left_alone(door):
    x, y, ids, inner = features(5), one_hot(5), np.arange(5), {"deep": np.arange(5.0)}
    batch = {"image": x, "label": y, "id": ids, "inner": inner}
    keys, copies = list(batch), (x.copy(), y.copy(), ids.copy(), inner["deep"].copy())
    door(batch, alpha=0.9, pairing="derangement")
    assert list(batch) == keys
    assert batch["image"] is x and batch["label"] is y and batch["id"] is ids and batch["inner"] is inner
    for now, before in zip((x, y, ids, inner["deep"]), copies, strict=True):
        assert_same_bits(now, before)


def check_features_alone_are_mixed(door):
    mixed = door(one_hot(5), alpha=0.9, pairing="derangement")
    weight, partner = read_draw(mixed)
    assert np.all(partner != np.arange(5))
    in_a_tuple = door((one_hot(5),), alpha=0.9, pairing="derangement")
    if isinstance(in_a_tuple, tuple):  # `Dataset.map` unpacks a tuple of one before the layer sees it
        (in_a_tuple,) = in_a_tuple
    else:
        assert door is through_mapped_layer
    np.testing.assert_array_equal(in_a_tuple, mixed)


def check_one_weight_per_batch_is_one_number(door):
    x = features(8)
    mixed_x, mixed_y = door((x, one_hot(8)), alpha=0.9, per="batch", pairing="derangement")
    weight, partner = read_draw(mixed_y)
    assert 0 < weight[0] < 1
    np.testing.assert_allclose(weight, weight[0], atol=1e-6)
    assert_mixed(mixed_x, x, weight, partner)
    np.testing.assert_allclose(mixed_x.sum(0), x.sum(0), atol=1e-4)  # a permutation with one weight keeps the sum


def check_probability_is_the_share_of_mixed_examples(door):
    size = 400
    x = np.stack([np.arange(size), np.arange(size) ** 2], 1).astype("float32")
    mixed = door(x, alpha=FixedWeights(0.3), pairing="roll", probability=0.25)
    unchanged = np.all(mixed == x, axis=1)
    # Binomial(400, 1/4): standard deviation 8.7; a seed within 4.5 of them.
    assert 60 < np.sum(~unchanged) < 140
    expected = mix_rows(x.astype("float64"), np.full(size, np.float64(np.float32(0.3))), (np.arange(size) - 1) % size)
    np.testing.assert_allclose(mixed[~unchanged], expected[~unchanged], rtol=1e-5, atol=1e-2)


def check_pairing(door, pairing):
    """Who met whom, read from features that are unique while the classes are not."""
    classes = np.array([2, 0, 1, 0, 2, 2, 1, 0, 3])
    mixed_x, mixed_y = door((one_hot(9), classes), alpha=FixedWeights(0.3), pairing=pairing, num_classes=4)
    weight, partner = read_draw(mixed_x)
    own = np.arange(9)
    moved = partner != own
    np.testing.assert_allclose(weight[moved], 0.3, atol=1e-6)
    if pairing in ("reverse", "roll"):
        np.testing.assert_array_equal(partner, own[::-1] if pairing == "reverse" else np.roll(own, 1))
    if pairing in ("shuffle", "derangement"):
        np.testing.assert_array_equal(np.sort(partner), own)
        assert moved.any() and (pairing == "shuffle" or moved.all())
    if pairing == "same_class":
        np.testing.assert_array_equal(classes[partner], classes)
        np.testing.assert_array_equal(moved, classes != 3)  # 3 is alone
    if pairing == "other_class":
        assert np.all(classes[partner] != classes)
    assert_mixed(mixed_y, np.eye(4)[classes], np.where(moved, np.float64(np.float32(0.3)), 1.0), partner)


def check_a_function_can_pair(door):
    def next_one(size, seed, targets):
        return np.array([1, 2, 3, 4, 0], "int32")

    x = features(5)
    mixed, _ = door((x, one_hot(5)), alpha=FixedWeights(0.3), pairing=next_one)
    assert_mixed(mixed, x, np.full(5, np.float64(np.float32(0.3))), np.array([1, 2, 3, 4, 0]))


def check_the_seed_decides(door):
    x, y = features(9), one_hot(9)
    first, again, other = (door((x, y), alpha=0.9, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def check_it_refuses(door, batch, message, **arguments):
    with pytest.raises(ValueError, match=message):
        door(batch, alpha=0.9, **arguments)


CHECKS = [
    check_every_row_is_the_mix_of_two_examples_by_the_weight_its_target_shows,
    check_target_rows_keep_their_mass,
    check_weight_is_the_share_of_the_original,
    functools.partial(check_alpha_zero_returns_the_bits, shape=(4,)),
    functools.partial(check_alpha_zero_returns_the_bits, shape=(32, 32, 3)),
    check_probability_zero_returns_the_bits,
    functools.partial(check_nothing_leaks_from_the_side_of_weight_zero, shape=(4,)),
    functools.partial(check_nothing_leaks_from_the_side_of_weight_zero, shape=(32, 32, 3)),
    *[functools.partial(check_batch_size, size=size) for size in (0, 1, 2, 3, 8)],
    *[functools.partial(check_rank, shape=shape) for shape in [(), (6,), (50, 2), (32, 32, 3), (2, 8, 8, 3), (1, 0)]],
    check_every_input_and_target_gets_the_same_draw,
    check_several_integer_targets_share_num_classes,
    *[
        functools.partial(check_sample_weights_travel_with_the_mix, dtype=dtype)
        for dtype in ("float32", "float16", "bool")
    ],
    functools.partial(check_known_keys_of_a_dict_are_mixed, image="image", label="label"),
    functools.partial(check_known_keys_of_a_dict_are_mixed, image="images", label="labels"),
    functools.partial(check_known_keys_of_a_dict_are_mixed, image="x", label="y"),
    check_soft_masks_are_mixed,
    check_what_is_not_mixed_passes_bit_for_bit,
    check_inputs_that_cannot_be_mixed_pass_among_others,
    check_ragged_leaves_pass,
    check_the_callers_data_are_left_alone,
    check_features_alone_are_mixed,
    check_one_weight_per_batch_is_one_number,
    check_probability_is_the_share_of_mixed_examples,
    *[
        functools.partial(check_pairing, pairing=pairing)
        for pairing in ("shuffle", "derangement", "reverse", "roll", "same_class", "other_class")
    ],
    check_a_function_can_pair,
    check_the_seed_decides,
]


def name_of(check):
    """A readable test id."""
    if not isinstance(check, functools.partial):
        return check.__name__.removeprefix("check_")
    return check.func.__name__.removeprefix("check_") + "".join(f" {value}" for value in check.keywords.values())
