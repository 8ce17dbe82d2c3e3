"""`MixupLayer` where people use it: mapped over datasets, and inside models."""

import inspect

import keras
import numpy as np
import pytest
from contract import BACKEND, SEED, FixedWeights, assert_mixed, features, one_hot, read_draw, to_numpy
from reference import mix_rows

from keras_mixup import MixupLayer

tf = pytest.importorskip("tensorflow")

SIZE = 12
X, Y, SAMPLE_WEIGHT = features(SIZE), one_hot(SIZE), features(SIZE, (), seed=8)


def batches_of(size, *tensors):
    """A dataset whose batch size is not known statically, with a partial batch last."""
    return tf.data.Dataset.from_tensor_slices(tensors if len(tensors) > 1 else tensors[0]).batch(size)


def rows_of_original(mixed_y, start, size=SIZE):
    """The read-back draw of a batch that began at row `start` of a dataset with targets `one_hot(size)`."""
    return read_draw(mixed_y[:, start : start + len(mixed_y)])


@pytest.mark.parametrize("size", [5, 12, 1])
def test_maps_over_pairs_with_a_partial_last_batch_and_an_unknown_batch_size(size):
    dataset = batches_of(size, X, Y).map(MixupLayer(0.9, pairing="derangement", seed=SEED))
    assert [spec.shape.as_list() for spec in dataset.element_spec] == [[None, 4, 3], [None, SIZE]]
    start = 0
    for x, y in map(to_numpy, dataset):
        assert_mixed(x, X[start : start + size], *rows_of_original(y, start))
        start += len(x)
    assert start == SIZE


def test_maps_over_triples_and_mixes_sample_weights():
    dataset = batches_of(SIZE, X, Y, SAMPLE_WEIGHT).map(MixupLayer(0.9, pairing="derangement", seed=SEED))
    ((x, y, sample_weight),) = map(to_numpy, dataset)
    weight, partner = read_draw(y)
    assert np.all(partner != np.arange(SIZE))
    assert_mixed(x, X, weight, partner)
    assert_mixed(sample_weight, SAMPLE_WEIGHT, weight, partner)


def test_maps_over_dicts_and_leaves_unknown_keys_alone():
    names = np.array([f"image {i}" for i in range(SIZE)])
    ids = 2**40 + np.arange(SIZE)
    dataset = batches_of(5, {"image": X, "label": np.arange(SIZE), "name": names, "id": ids})
    dataset = dataset.map(MixupLayer(0.9, pairing="derangement", num_classes=SIZE, seed=SEED))
    assert dataset.element_spec["label"].shape.as_list() == [None, SIZE]
    start = 0
    for batch in map(to_numpy, dataset):
        rows = slice(start, start + len(batch["id"]))
        assert_mixed(batch["image"], X[rows], *rows_of_original(batch["label"], start))
        np.testing.assert_array_equal(batch["id"], ids[rows])
        assert batch["name"].tolist() == [name.encode() for name in names[rows]]
        start += len(batch["id"])


def test_maps_images_of_unknown_size():
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(features(4, (6, 5, 3)), one_hot(4)), (features(4, (3, 8, 3)), one_hot(4))]),
        output_signature=(tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, 4))),
    )
    sizes = [(6, 5), (3, 8)]
    for (x, y), size in zip(dataset.map(MixupLayer(0.9, pairing="derangement", seed=SEED)), sizes, strict=True):
        assert_mixed(to_numpy(x), features(4, (*size, 3)), *read_draw(to_numpy(y)))


def test_a_sequential_map_with_a_seed_is_reproducible():
    def run(seed):
        dataset = batches_of(4, X, Y).map(MixupLayer(0.9, seed=seed), num_parallel_calls=1)
        return np.concatenate([to_numpy(x) for _ in range(2) for x, _ in dataset])

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_without_a_seed_two_layers_differ():
    first, second = (to_numpy(MixupLayer(0.9)(X, Y))[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_every_epoch_of_a_map_is_mixed_anew():
    dataset = batches_of(4, X, Y).map(MixupLayer(0.9, seed=SEED))
    epochs = [np.concatenate([to_numpy(y) for _, y in dataset]) for _ in range(3)]
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])


def test_every_call_draws_anew():
    layer = MixupLayer(0.9, seed=SEED)
    assert not np.array_equal(to_numpy(layer(X, Y))[0], to_numpy(layer(X, Y))[0])


def test_maps_under_an_epoch_of_parallel_calls_with_correct_rows():
    """tensorflow #44491: parallel calls may take the draws in any order; every row must still be a right one."""
    dataset = batches_of(3, X, Y).map(MixupLayer(0.9, pairing="derangement", seed=SEED), num_parallel_calls=4)
    for start, (x, y) in zip(range(0, SIZE, 3), map(to_numpy, dataset), strict=True):
        assert_mixed(x, X[start : start + 3], *rows_of_original(y, start))


# --- training=False -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["eager", "map"])
def test_training_false_mixes_nothing_but_gives_the_form_of_training(where):
    """keras-cv's MixUp ignored `training=False` (peers §5)."""
    layer = MixupLayer(5.0, num_classes=SIZE, pairing="derangement", seed=SEED)
    x, y = features(SIZE, (4, 3), "uint8"), np.arange(SIZE)
    if where == "eager":
        trained, plain = to_numpy(layer(x, y)), to_numpy(layer(x, y, training=False))
    else:
        dataset = batches_of(SIZE, x, y)
        ((*trained,),) = map(to_numpy, dataset.map(layer))
        ((*plain,),) = map(to_numpy, dataset.map(lambda x, y: layer(x, y, training=False)))
    np.testing.assert_array_equal(plain[0], x.astype("float32"))
    np.testing.assert_array_equal(plain[1], np.eye(SIZE, dtype="float32"))
    for one, other in zip(trained, plain, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert not np.array_equal(one, other)


# --- Dtype policies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
@pytest.mark.parametrize("where", ["eager", "map", "global policy"])
def test_pixels_take_the_compute_dtype_and_targets_stay_float32(policy, where):
    """Keras' MixUp and CutMix crash under mixed precision with labels (peers §5)."""
    if policy == "float64" and BACKEND == "jax" and where != "map":
        pytest.skip("JAX has no float64 unless asked")
    if where == "global policy":
        keras.config.set_dtype_policy(policy)
    layer = MixupLayer(
        FixedWeights(0.3, 0.9),
        pairing="roll",
        num_classes=6,
        seed=SEED,
        **({} if where == "global policy" else {"dtype": policy}),
    )
    pixels, table, sample_weight = features(6, (5, 2), "uint8"), features(6), features(6, ())
    batch = ({"pixels": pixels, "table": table}, np.arange(6), sample_weight)
    if where == "map":
        ((x, y, w),) = map(to_numpy, tf.data.Dataset.from_tensors(batch).map(layer))
    else:
        x, y, w = to_numpy(layer(*batch))
    weight, partner = np.resize(np.array([0.3, 0.9], "float32"), 6).astype("float64"), np.roll(np.arange(6), 1)
    assert_mixed(x["pixels"], pixels, weight, partner, policy.removeprefix("mixed_"))
    assert_mixed(x["table"], table, weight, partner)
    assert_mixed(y, np.eye(6), weight, partner)
    assert_mixed(w, sample_weight, weight, partner)


def test_small_alpha_is_not_rounded_to_one_half_under_float16():
    """keras.random.beta in float16 puts 69 % of the weights of alpha 0.02 on exactly one half (peers §5, §6.4)."""
    layer = MixupLayer(0.02, pairing="roll", dtype="mixed_float16", seed=SEED)
    x = np.stack([np.arange(2000) % 2, np.arange(2000)], 1).astype("float32")
    mixed = to_numpy(layer(x))[:, 0]
    # The share of Beta(.02, .02) between .4 and .6 is .8 %: of 2000 about 16, with a standard deviation of 4.
    assert np.sum((mixed > 0.4) & (mixed < 0.6)) < 40
    assert not np.any(mixed == 0.5)


# --- Inside models --------------------------------------------------------------------------------------------------


def functional_model():
    inputs = keras.Input((4, 3))
    outputs = keras.layers.Flatten()(MixupLayer(FixedWeights(0.3), pairing="roll")(inputs))
    return keras.Model(inputs, outputs)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.mixup = MixupLayer(FixedWeights(0.3), pairing="roll")
        self.flatten = keras.layers.Flatten()

    def call(self, inputs, training=None):
        return self.flatten(self.mixup(inputs, training=bool(training)))


MODELS = {
    "functional": functional_model,
    "sequential": lambda: keras.Sequential(
        [keras.Input((4, 3)), MixupLayer(FixedWeights(0.3), pairing="roll"), keras.layers.Flatten()]
    ),
    "subclassed": Subclassed,
}


@pytest.mark.parametrize("kind", MODELS)
def test_inside_a_model_it_mixes_in_training_only(kind):
    model = MODELS[kind]()
    mixed = mix_rows(X, np.full(SIZE, 0.3), np.roll(np.arange(SIZE), 1)).reshape(SIZE, -1)
    np.testing.assert_allclose(to_numpy(model(X, training=True)), mixed, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(to_numpy(model(X, training=False)), X.reshape(SIZE, -1))


@pytest.mark.parametrize("kind", MODELS)
def test_inside_a_model_fit_mixes_and_evaluate_and_predict_do_not(kind):
    model = MODELS[kind]()
    mixed = mix_rows(X, np.full(SIZE, 0.3), np.roll(np.arange(SIZE), 1)).reshape(SIZE, -1)
    model.compile(optimizer="sgd", loss="mse")
    plain = X.reshape(SIZE, -1)
    history = model.fit(X, plain, batch_size=SIZE, shuffle=False, verbose=0, validation_data=(X, plain)).history
    np.testing.assert_allclose(history["loss"][0], np.mean((mixed - plain) ** 2), rtol=1e-4)
    assert history["val_loss"][0] == 0
    assert model.evaluate(X, plain, verbose=0) == 0
    np.testing.assert_array_equal(model.predict(X, verbose=0), plain)


@pytest.mark.parametrize("jit_compile", [False, True] if BACKEND != "torch" else [False])
def test_inside_a_model_it_trains_compiled_or_not(jit_compile):
    """Keras' MixUp does not compile under XLA (peers §5)."""
    model = keras.Sequential(
        [keras.Input((4, 3)), MixupLayer(0.9, seed=1), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile(optimizer="sgd", loss="mse", jit_compile=jit_compile)
    losses = model.fit(X, X[:, 0, 0], epochs=3, batch_size=5, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))


def test_a_symbolic_call_knows_shapes_and_dtypes():
    x, y = MixupLayer(0.2, num_classes=7)(keras.Input((8, 8, 3), dtype="uint8"), keras.Input((), dtype="int32"))
    assert (tuple(x.shape), x.dtype) == ((None, 8, 8, 3), "float32")
    assert (tuple(y.shape), y.dtype) == ((None, 7), "float32")


def test_it_has_no_weights_to_train():
    layer = MixupLayer(0.2)
    layer(X, Y)
    assert layer.trainable_variables == []


def test_composes_with_other_layers_of_keras_in_one_map():
    flip = keras.layers.RandomFlip(seed=1)
    layer = MixupLayer(0.9, pairing="derangement", seed=SEED)
    images = features(6, (8, 8, 3))
    dataset = batches_of(6, images, one_hot(6)).map(lambda x, y: (flip(x), y)).map(layer)
    ((x, y),) = map(to_numpy, dataset)
    weight, partner = read_draw(y)
    np.testing.assert_allclose(x.sum((1, 2, 3)), mix_rows(images.sum((1, 2, 3)), weight, partner), rtol=1e-3, atol=1e-2)


def test_autograph_does_not_rewrite_what_the_layer_calls():
    """It would take most of a second before the first batch."""

    class Watched(FixedWeights):
        def sample(self, shape, seed=None):
            rewritten.append([frame.function for frame in inspect.stack() if "autograph_generated" in frame.filename])
            return super().sample(shape, seed)

    rewritten = []
    next(iter(batches_of(4, X, Y).map(MixupLayer(Watched(0.7)))))
    assert rewritten and all(names == ["tf__untouched"] for names in rewritten)
