"""`MixupModel`: `fit` mixes, nothing else does, and the gradient is the one of the formula."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from contract import BACKEND, SEED, FixedWeights, assert_mixed, features, model_that_records, one_hot, to_numpy
from reference import mix_rows, read_back

from keras_mixup import Draw, Method, Mixup, MixupModel

JIT = [False, True] if BACKEND != "torch" else [False]
SLOWLY = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND != "torch" else [False]  # XLA takes its seconds
SIZE, INPUTS, CLASSES = 10, 6, 3
X = features(SIZE, (INPUTS,), seed=1)
LABELS = np.array([0, 2, 1, 1, 0, 2, 2, 0, 1, 1])
Y = np.eye(CLASSES, dtype="float32")[LABELS]
SAMPLE_WEIGHT = np.array([1.0, 0.5, 2.0, 3.0, 0.25, 1.5, 4.0, 0.0, 1.0, 2.5], "float32")
WEIGHTS = np.array([0.3, 0.9, 0.05, 0.6, 1.0], "float32")  # of the originals, row after row; paired by "roll"
FIXED = Mixup(FixedWeights(*WEIGHTS), pairing="roll")


def linear_softmax():
    """A network whose gradients fit on a line of NumPy; no probability is so small that Keras would clip it."""
    generator = np.random.default_rng(2)
    network = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(CLASSES, activation="softmax")])
    network.set_weights([0.1 * generator.normal(size=(INPUTS, CLASSES)), generator.normal(size=CLASSES)])
    return network


def compiled(model, **kwargs):
    kwargs = {"optimizer": keras.optimizers.SGD(0.1), "loss": "categorical_crossentropy", **kwargs}
    model.compile(**kwargs)
    return model


def mixed(rows):
    """The rows of an array under the weights and the pairing of `FIXED`, in float64."""
    return mix_rows(rows, np.resize(WEIGHTS, len(rows)), np.roll(np.arange(len(rows)), 1))


def softmax_step(x, y, kernel, bias, sample_weight=None, rate=0.1):
    """Loss and updated weights of one step of gradient descent on the mean cross-entropy, in NumPy."""
    logits = x @ kernel + bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    weight = np.ones(len(x)) if sample_weight is None else sample_weight
    loss = np.mean(weight * -np.sum(y * np.log(p), 1))
    slope = weight[:, None] * (p * y.sum(1, keepdims=True) - y) / len(x)
    return loss, kernel - rate * x.T @ slope, bias - rate * slope.sum(0)


# --- The formula ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("jit_compile", JIT)
def test_one_step_takes_the_gradient_of_the_formula(jit_compile, weighted):
    """Sample weights are mixed like everything else and weigh the loss."""
    network = linear_softmax()
    kernel, bias = (w.astype("float64") for w in network.get_weights())
    model = compiled(MixupModel(network, FIXED), jit_compile=jit_compile)
    sample_weight = SAMPLE_WEIGHT if weighted else None
    history = model.fit(X, Y, sample_weight=sample_weight, batch_size=SIZE, shuffle=False, verbose=0)
    loss, new_kernel, new_bias = softmax_step(
        mixed(X), mixed(Y), kernel, bias, mixed(SAMPLE_WEIGHT) if weighted else None
    )
    assert history.history["loss"][0] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(network.get_weights()[0], new_kernel, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.get_weights()[1], new_bias, rtol=1e-4, atol=1e-5)
    # and it is not the step without mixup, nor the one with the weights swapped
    assert abs(loss - softmax_step(X, Y, kernel, bias, sample_weight)[0]) > 1e-2


@pytest.mark.parametrize("wrong", [-1, CLASSES])
@pytest.mark.parametrize("jit_compile", JIT)
def test_an_id_that_is_no_class_does_not_go_unnoticed(jit_compile, wrong):
    """Compiled steps cannot raise; that the row of its target is zero would be seen nowhere."""
    model = compiled(MixupModel(linear_softmax(), FIXED, num_classes=CLASSES), jit_compile=jit_compile)
    labels = np.where(np.arange(SIZE) == 3, wrong, LABELS)
    try:
        loss = model.fit(X, labels, batch_size=SIZE, verbose=0).history["loss"][0]
    except Exception as error:  # torch raises or not, by its version
        assert BACKEND == "torch" and wrong > 0 or BACKEND == "tensorflow" and not jit_compile
        assert re.search("whole numbers in|must be smaller", str(error))
    else:
        assert np.isnan(loss) and (BACKEND != "tensorflow" or jit_compile)


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_class_weights_weigh_the_larger_half_of_a_mixed_target(jit_compile):
    """Keras reads the class of a soft target off its argmax, after the data are batched and before they are mixed."""
    network = linear_softmax()
    kernel, bias = (w.astype("float64") for w in network.get_weights())
    model = compiled(MixupModel(network, FIXED), jit_compile=jit_compile)
    class_weight = {0: 1.0, 1: 5.0, 2: 0.5}
    history = model.fit(X, Y, class_weight=class_weight, batch_size=SIZE, shuffle=False, verbose=0)
    original = np.array([class_weight[label] for label in LABELS])
    loss, *_ = softmax_step(mixed(X), mixed(Y), kernel, bias, mixed(original))
    assert history.history["loss"][0] == pytest.approx(loss, rel=1e-5)


def test_the_network_and_the_loss_see_the_same_draw():
    """A spy in the place of each; independent shuffles of images and labels are a published bug (peers §5, VMT)."""
    seen = {}

    class Spy(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(1,), initializer="ones")

        def call(self, inputs):
            if BACKEND != "jax":
                seen["x"] = to_numpy(inputs)
            return keras.ops.softmax(inputs * self.scale)

    def loss(y_true, y_pred):
        if BACKEND != "jax":
            seen["y"] = to_numpy(y_true)
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    if BACKEND == "jax":
        pytest.skip("JAX traces the network even when it runs eagerly; `test_contract.py` records the train step there")
    model = compiled(MixupModel(Spy(), Mixup(0.9, pairing="derangement"), seed=SEED), loss=loss, run_eagerly=True)
    model.fit(one_hot(8), one_hot(8), batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_array_equal(seen["x"], seen["y"])
    _, partner = read_back(seen["y"])
    assert np.all(partner != np.arange(8))


# --- fit mixes; nothing else does -----------------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", JIT)
def test_calling_predicting_and_evaluating_never_mix(jit_compile):
    network = linear_softmax()
    model = compiled(MixupModel(network, 5.0, seed=1), metrics=["accuracy"], jit_compile=jit_compile)
    plain = to_numpy(network(X))
    for training in (None, False, True):
        np.testing.assert_allclose(to_numpy(model(X, training=training)), plain, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.predict(X, verbose=0), plain, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(to_numpy(model.predict_on_batch(X)), plain, rtol=1e-5, atol=1e-7)
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    assert loss == pytest.approx(-np.mean(np.log(plain[np.arange(SIZE), LABELS])), rel=1e-4)
    assert accuracy == pytest.approx(np.mean(plain.argmax(1) == LABELS))


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_validation_is_not_mixed(jit_compile):
    model = compiled(MixupModel(linear_softmax(), 5.0, seed=1), jit_compile=jit_compile)
    history = model.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0).history
    plain = to_numpy(model.network(X))
    assert history["val_loss"][-1] == pytest.approx(-np.mean(np.log(plain[np.arange(SIZE), LABELS])), rel=1e-4)


def test_every_batch_of_every_epoch_is_drawn_anew():
    model, seen = model_that_records(Mixup(0.9, pairing="derangement"), seed=SEED)
    model.fit(one_hot(8), one_hot(8), batch_size=8, shuffle=False, epochs=3, verbose=0)
    targets = [y for _, y, _ in seen]
    assert len({y.tobytes() for y in targets}) == len(targets) == 3


@pytest.mark.parametrize("jit_compile", JIT)
def test_a_compiled_step_does_not_repeat_its_first_draw(jit_compile):
    """A draw made while tracing would be a constant of the compiled step."""
    model = MixupModel(linear_softmax(), Mixup(0.9), seed=1)
    compiled(model, optimizer=keras.optimizers.SGD(0.0), jit_compile=jit_compile)  # only the draws can change the loss
    losses = model.fit(X, Y, batch_size=SIZE, shuffle=False, epochs=4, verbose=0).history["loss"]
    assert len(set(losses)) == 4


def test_a_partial_last_batch_pairs_among_itself():
    model, seen = model_that_records(Mixup(0.9, pairing="derangement"), seed=SEED)
    model.fit(X, one_hot(SIZE), batch_size=4, shuffle=False, verbose=0)
    assert [len(x) for x, _, _ in seen] == [4, 4, 2]
    for (x, y, _), start in zip(seen, (0, 4, 8), strict=True):
        assert_mixed(x, X[start : start + 4], *read_back(y[:, start : start + 4]))


# --- Seeds ----------------------------------------------------------------------------------------------------------


def losses(seed, jit_compile=False, **kwargs):
    model = compiled(MixupModel(linear_softmax(), 0.9, seed=seed), jit_compile=jit_compile, **kwargs)
    return model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_the_seed_decides_the_loss_history(jit_compile):
    first = losses(1, jit_compile)
    assert losses(1, jit_compile) == first
    assert losses(2, jit_compile) != first


def test_running_eagerly_draws_the_same():
    np.testing.assert_allclose(losses(1, run_eagerly=True), losses(1), rtol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch")
@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_several_steps_per_execution_draw_the_same(jit_compile):
    together = losses(1, jit_compile, steps_per_execution=3)
    np.testing.assert_allclose(together, losses(1, jit_compile), rtol=1e-4)


def test_train_on_batch_mixes():
    network = linear_softmax()
    kernel, bias = (w.astype("float64") for w in network.get_weights())
    loss = compiled(MixupModel(network, FIXED)).train_on_batch(X, Y)
    assert float(loss) == pytest.approx(softmax_step(mixed(X), mixed(Y), kernel, bias)[0], rel=1e-5)


# --- Integer labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype("uint8"), LABELS[:, None]], ids=["int64", "uint8", "(B,1)"])
@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_integer_labels_train_validate_and_evaluate_like_one_hot_rows(labels, jit_compile):
    def history(targets, num_classes):
        model = MixupModel(linear_softmax(), FIXED, num_classes=num_classes)
        compiled(model, metrics=["accuracy"], jit_compile=jit_compile)
        fitted = model.fit(X, targets, validation_data=(X, targets), batch_size=5, shuffle=False, verbose=0).history
        return [fitted[key][0] for key in ("loss", "accuracy", "val_loss", "val_accuracy")] + model.evaluate(
            X, targets, verbose=0
        )

    np.testing.assert_allclose(history(labels, CLASSES), history(Y, None), rtol=1e-5)


def test_integer_labels_with_sample_weights_in_validation():
    model = compiled(MixupModel(linear_softmax(), FIXED, num_classes=CLASSES), weighted_metrics=["accuracy"])
    history = model.fit(
        X, LABELS, sample_weight=SAMPLE_WEIGHT, validation_data=(X, LABELS, SAMPLE_WEIGHT), verbose=0
    ).history
    plain = to_numpy(model.network(X))
    expected = np.sum(SAMPLE_WEIGHT * (plain.argmax(1) == LABELS)) / SAMPLE_WEIGHT.sum()
    assert history["val_accuracy"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [4, 10])
def test_a_dataset_of_tensorflow_feeds_it_on_every_backend(batch_size):
    """§6.12: JAX and torch train from a `tf.data` pipeline too, with class ids in it."""
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensor_slices((X, LABELS, SAMPLE_WEIGHT)).batch(batch_size)
    results = []
    for data in ({"x": dataset}, {"x": X, "y": LABELS, "sample_weight": SAMPLE_WEIGHT, "batch_size": batch_size}):
        model = compiled(MixupModel(linear_softmax(), FIXED, num_classes=CLASSES))
        results.append(model.fit(**data, shuffle=False, verbose=0).history["loss"][0])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_a_python_dataset_feeds_it():
    class Two(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[5 * index : 5 * index + 5], LABELS[5 * index : 5 * index + 5]

    results = []
    for data in ((Two(),), (X, LABELS, 5)):
        model = compiled(MixupModel(linear_softmax(), FIXED, num_classes=CLASSES))
        results.append(model.fit(*data, shuffle=False, verbose=0).history["loss"][0])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


# --- What it wraps --------------------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dropout, self.dense = keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(CLASSES, activation="softmax")

    def call(self, inputs, training=None):
        return self.dense(self.dropout(inputs, training=training))


def with_batch_norm():
    inputs = keras.Input((INPUTS,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(5)(inputs))
    return keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(hidden))


NETWORKS = {
    "functional": with_batch_norm,
    "sequential": linear_softmax,
    "subclassed": Subclassed,
    "layer": lambda: keras.layers.Dense(CLASSES, activation="softmax"),
    "sequential not built": lambda: keras.Sequential([keras.layers.Dense(CLASSES, activation="softmax")]),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_any_network_trains_and_moves(kind, jit_compile):
    model = compiled(MixupModel(NETWORKS[kind](), 0.4, num_classes=CLASSES, seed=1), jit_compile=jit_compile)
    model.fit(X, LABELS, verbose=0)
    before = [w.copy() for w in model.network.get_weights()]
    history = model.fit(X, LABELS, epochs=2, validation_data=(X, LABELS), verbose=0).history
    assert np.all(np.isfinite(history["loss"] + history["val_loss"]))
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.network.get_weights(), strict=True))
    assert model.predict(X, verbose=0).shape == (SIZE, CLASSES)


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_layers_know_that_they_train_and_when_they_do_not(kind):
    """Batch normalisation moves its averages in fit alone, dropout drops in fit alone."""
    model = compiled(MixupModel(NETWORKS[kind](), 0.4, seed=1))
    model.fit(X, Y, verbose=0)
    frozen = [to_numpy(v.value).copy() for v in model.network.non_trainable_variables]
    first, second = model.predict(X, verbose=0), model.predict(X, verbose=0)
    np.testing.assert_array_equal(first, second)
    model.evaluate(X, Y, verbose=0)
    for before, variable in zip(frozen, model.network.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(before, to_numpy(variable.value))
    model.fit(X, Y, verbose=0)
    assert any(
        not np.array_equal(before, to_numpy(variable.value))
        for before, variable in zip(frozen, model.network.non_trainable_variables, strict=True)
    )


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_dict_inputs_and_several_outputs_share_one_draw(jit_compile):
    image, table = keras.Input((2, 2), name="image"), keras.Input((INPUTS,), name="table")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), table])
    outputs = {
        "kind": keras.layers.Dense(CLASSES, name="kind")(joined),
        "size": keras.layers.Dense(1, name="size")(table),
    }
    network = keras.Model({"image": image, "table": table}, outputs)
    model = compiled(MixupModel(network, FIXED), loss={"kind": "mse", "size": "mae"}, jit_compile=jit_compile)
    x = {"image": features(SIZE, (2, 2)), "table": X}
    y = {"kind": Y, "size": features(SIZE, (1,), seed=12)}
    predicted = network.predict({key: mixed(value).astype("float32") for key, value in x.items()}, verbose=0)
    expected = np.mean((predicted["kind"] - mixed(y["kind"])) ** 2) + np.mean(
        np.abs(predicted["size"] - mixed(y["size"]))
    )
    history = model.fit(x, y, batch_size=SIZE, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False])
def test_an_application_of_keras_trains(jit_compile):
    network = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=4, alpha=0.35)
    model = compiled(MixupModel(network, 0.2, num_classes=4, seed=1), jit_compile=jit_compile)
    images = features(8, (32, 32, 3), "uint8")
    history = model.fit(images, np.arange(8) % 4, batch_size=4, validation_data=(images, np.arange(8) % 4), verbose=0)
    assert np.isfinite(history.history["loss"][0]) and np.isfinite(history.history["val_loss"][0])


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_images_are_mixed_before_they_are_normalised(jit_compile):
    """Bytes go in, floats come out; a network that begins with `Rescaling` works as it is."""
    network = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    images = features(SIZE, (4, 4, 3), "uint8")
    targets = np.zeros((SIZE, 48), "float32")
    model = compiled(MixupModel(network, FIXED), loss="mse", jit_compile=jit_compile)
    history = model.fit(images, targets, batch_size=SIZE, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(np.mean((mixed(images) / 255) ** 2), rel=1e-4)


# --- Precision and options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_trains_under_mixed_precision_with_float32_targets(policy, jit_compile):
    """Keras' MixUp crashes there (peers §5)."""
    keras.config.set_dtype_policy(policy)
    network = keras.Sequential(
        [
            keras.Input((INPUTS,)),
            keras.layers.Dense(8),
            keras.layers.Dense(CLASSES, activation="softmax", dtype="float32"),
        ]
    )
    model = compiled(MixupModel(network, 0.4, num_classes=CLASSES, seed=1), jit_compile=jit_compile)
    history = model.fit(X, LABELS, epochs=2, verbose=0, validation_data=(X, LABELS)).history
    assert np.all(np.isfinite(history["loss"] + history["val_loss"]))

    recording, seen = model_that_records(Mixup(0.4), num_classes=CLASSES, seed=1)
    recording.fit(features(SIZE, (4,), "uint8"), LABELS, batch_size=SIZE, verbose=0)
    ((x, y, _),) = seen
    assert (x.dtype.name, y.dtype.name) == (policy.removeprefix("mixed_"), "float32")


@pytest.mark.parametrize("alpha", [0.2, 1, FixedWeights(0.3)])
def test_a_number_is_short_for_mixup(alpha):
    assert MixupModel(linear_softmax(), alpha).method == Mixup(alpha)


@dataclasses.dataclass(frozen=True)
class Constant(Method):
    """A method of one's own."""

    share: float = 0.3

    def draw(self, batch, seed):
        return Draw(keras.ops.full((batch.size,), self.share), (keras.ops.arange(batch.size) - 1) % batch.size)


def test_a_method_of_ones_own_trains():
    network = linear_softmax()
    kernel, bias = (w.astype("float64") for w in network.get_weights())
    model = compiled(MixupModel(network, Constant()))
    history = model.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0).history
    x, y = (mix_rows(rows, np.full(SIZE, 0.3), np.roll(np.arange(SIZE), 1)) for rows in (X, Y))
    assert history["loss"][0] == pytest.approx(softmax_step(x, y, kernel, bias)[0], rel=1e-5)


def test_alpha_zero_trains_like_the_network_itself():
    plain, wrapped = linear_softmax(), linear_softmax()
    one = compiled(plain).fit(X, Y, batch_size=4, shuffle=False, verbose=0, epochs=2).history["loss"]
    two = compiled(MixupModel(wrapped, 0)).fit(X, Y, batch_size=4, shuffle=False, verbose=0, epochs=2).history["loss"]
    np.testing.assert_allclose(one, two, rtol=1e-6)
    np.testing.assert_allclose(plain.get_weights()[0], wrapped.get_weights()[0], rtol=1e-6)


def test_the_network_keeps_the_trained_weights():
    network = linear_softmax()
    before = network.get_weights()[0].copy()
    model = compiled(MixupModel(network, 0.4, seed=1))
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before, network.get_weights()[0])
    np.testing.assert_allclose(network.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_the_callers_arrays_are_left_alone():
    x, y = X.copy(), LABELS.copy()
    compiled(MixupModel(linear_softmax(), 0.9, num_classes=CLASSES, seed=1)).fit(x, y, verbose=0)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, LABELS)
