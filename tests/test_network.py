"""To Keras' tools a `MixupModel` is the network in it; and what it could not train rightly it refuses."""

import re

import keras
import numpy as np
import pytest
from contract import BACKEND, ON_TENSORFLOW, FixedWeights, features, to_numpy
from reference import mix_rows

from keras_mixup import (
    CutMix,
    ManifoldMixup,
    MixLayer,
    Mixup,
    MixupE,
    MixupLayer,
    MixupModel,
    PairLoss,
)

SIZE, INPUTS, CLASSES = 12, 4, 3
X = features(SIZE, (INPUTS,), seed=1)
LABELS = np.array([0, 2, 1, 1, 0, 2, 2, 0, 1, 1, 0, 0])
Y = np.eye(CLASSES, dtype="float32")[LABELS]
BATCHES = [(X[k : k + 4], LABELS[k : k + 4]) for k in (0, 4, 8)] * 2
FOLLOWING = mix_rows(X, np.full(SIZE, 0.3), np.roll(np.arange(SIZE), 1))
METHODS = {"mixup": Mixup(0.4), "manifold": ManifoldMixup(("first",), 0.4), "MixupE": MixupE(0.4, eta=0.1)}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def random_network():
    """With everything that has a state: dropout, noise, batch statistics."""
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [
            keras.Input((INPUTS,)),
            keras.layers.GaussianNoise(0.2),
            keras.layers.Dense(6, name="first"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def new_model(method=0.4, network=None, **kwargs):
    model = MixupModel(network or random_network(), method, num_classes=CLASSES, seed=9)
    kwargs = {"optimizer": keras.optimizers.Adam(0.05), "loss": "categorical_crossentropy", **kwargs}
    model.compile(**kwargs)
    return model


# --- Before fit -----------------------------------------------------------------------------------------------------


def test_it_is_built_when_the_network_is_and_has_its_shapes_and_counts():
    network = random_network()
    model = MixupModel(network, 0.4)
    assert model.built
    assert model.count_params() == network.count_params()
    assert (model.input_shape, model.output_shape) == (network.input_shape, network.output_shape)
    assert model.inputs == network.inputs and model.outputs == network.outputs
    lines = []
    model.summary(print_fn=lines.append)
    assert f"Total params: {network.count_params()}" in "\n".join(map(str, lines))


def test_it_is_built_once_the_network_is():
    network = keras.Sequential([keras.layers.Dense(CLASSES)])
    model = MixupModel(network, 0.4)
    assert not model.built
    with pytest.raises(ValueError, match="isn't built"):
        model.count_params()
    network.build((None, INPUTS))
    assert model.built and model.count_params() == (INPUTS + 1) * CLASSES


def test_what_the_network_has_not_it_has_not():
    model = MixupModel(keras.layers.Dense(CLASSES), 0.4)
    assert not hasattr(model, "input_shape")
    with pytest.raises(AttributeError):
        model.outputs  # noqa: B018


@pytest.mark.parametrize("at", [None, "first"])
@pytest.mark.skipif(BACKEND == "torch", reason="Keras exports from torch in other formats")
def test_what_is_exported_is_the_network(at, tmp_path):
    import tensorflow as tf

    model = MixupModel(random_network(), 5.0, at=at, num_classes=CLASSES, seed=1)
    model.compile("sgd", "categorical_crossentropy")
    model.export(tmp_path / "before", verbose=False)
    model.fit(X, LABELS, verbose=0)
    model.export(tmp_path / "after", verbose=False)
    served = tf.saved_model.load(tmp_path / "after")
    np.testing.assert_allclose(served.serve(X), model.network.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def test_weights_are_loaded_before_fit_as_a_tuner_does(tmp_path):
    model = new_model()
    callback = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", save_weights_only=True, save_best_only=True, monitor="val_loss"
    )
    model.fit(X, LABELS, validation_data=(X, LABELS), callbacks=[callback], verbose=0)
    fresh = new_model()
    fresh.load_weights(tmp_path / "best.weights.h5")
    np.testing.assert_allclose(fresh.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


not_on_torch = pytest.mark.skipif(BACKEND == "torch", reason="Keras' dropout draws from torch's own generator there")


# --- Exact resume ---------------------------------------------------------------------------------------------------


def train(model, batches):
    for x, y in batches:
        model.train_on_batch(x, y)
    return model


def state(model):
    """Everything that training changes, random states and the optimizer's numbers among it."""
    counted = {id(v) for v in model.metrics_variables}
    return [to_numpy(v.value) for v in (*model.variables, *model.optimizer.variables) if id(v) not in counted]


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        if BACKEND == "tensorflow":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@not_on_torch
@every_method
@pytest.mark.parametrize("way", ["keras", "weights.h5", pytest.param("checkpoint", marks=ON_TENSORFLOW)])
def test_resuming_is_exact(way, method, tmp_path):
    whole, half = train(new_model(method), BATCHES), train(new_model(method), BATCHES[:3])
    path = str(tmp_path / f"model.{way}")
    if way == "keras":
        half.save(path)
        resumed = keras.saving.load_model(path)
    elif way == "weights.h5":
        half.save_weights(path)
        resumed = new_model(method)
        resumed.load_weights(path)
    else:
        import tensorflow as tf

        saved = tf.train.Checkpoint(model=half).save(path)
        resumed = new_model(method)
        tf.train.Checkpoint(model=resumed).restore(saved)
    if way != "checkpoint":  # which gives the optimizer its numbers when it asks for them
        assert_same(resumed, half)
    assert_same(train(resumed, BATCHES[3:]), whole)
    assert any(not np.array_equal(a, b) for a, b in zip(state(half), state(whole), strict=True))


@not_on_torch
@every_method
def test_backup_and_restore_goes_on_where_it_was_stopped(method, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)

    options = {"epochs": 4, "batch_size": 4, "shuffle": False, "verbose": 0}
    whole, stopped, resumed = new_model(method), new_model(method), new_model(method)
    history = whole.fit(X, LABELS, **options).history["loss"]
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, LABELS, callbacks=[backup(), Stop()], **options)
    assert resumed.fit(X, LABELS, callbacks=[backup()], **options).history["loss"] == pytest.approx(history[2:], 1e-6)
    assert_same(resumed, whole)


def test_weights_of_a_model_with_other_random_layers_are_refused(tmp_path):
    model = new_model()
    model.save_weights(tmp_path / "model.weights.h5")
    plain = keras.Sequential(random_network().layers[1:4] + random_network().layers[4:])
    plain.build((None, INPUTS))
    other = new_model(network=plain)
    with refuses("should hold the states of the 2 random generators of the model. Received: 3."):
        other.load_weights(tmp_path / "model.weights.h5")


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [CutMix, Mixup, ManifoldMixup])
def test_a_class_is_no_method(method):
    with refuses(f"`method` should be an object, not a class: `{method.__name__}()`."):
        MixupModel(random_network(), method)


@pytest.mark.parametrize("step", ["train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"])
@pytest.mark.parametrize("where", ["class", "object"])
def test_a_network_that_trains_itself_is_refused(step, where):
    def own(self, *args, **kwargs):
        raise NotImplementedError

    if where == "class":
        network = type("Distiller", (keras.Model,), {step: own})()
    else:
        network = keras.Model()
        setattr(network, step, own)
    name = type(network).__name__
    with refuses(f"a `{step}` of its own would not be called. Received: a `{name}`. Give the network that is inside"):
        MixupModel(network, 0.4)


def test_a_model_in_a_model_is_refused():
    with refuses("a `train_step` of its own would not be called. Received: a `MixupModel`."):
        MixupModel(MixupModel(random_network()), 0.4)


class Task(keras.Model):
    """As the tasks of KerasHub: `fit` preprocesses, a call does not."""

    def __init__(self, preprocessor):
        super().__init__()
        self.preprocessor = preprocessor
        self.head = keras.layers.Dense(CLASSES, activation="softmax")

    def call(self, x):
        return self.head(x)


def test_a_task_with_its_preprocessor_is_refused_and_without_it_trains():
    task = Task(keras.layers.Rescaling(0.01))
    with refuses(
        "Received: a `Task` with one attached. Preprocess the data, `dataset.map(network.preprocessor)`, and detach it:"
    ):
        MixupModel(task, 0.4)
    history = new_model(network=Task(None)).fit(X, LABELS, verbose=0).history
    assert np.isfinite(history["loss"]).all()


SPARSE = {
    "name": "sparse_categorical_crossentropy",
    "object": keras.losses.SparseCategoricalCrossentropy(),
    "function": keras.losses.sparse_categorical_crossentropy,
    "nested": {"kind": "sparse_categorical_crossentropy", "size": "mse"},
}


@pytest.mark.parametrize("loss", SPARSE.values(), ids=SPARSE)
def test_a_sparse_loss_is_refused_when_compiling(loss):
    words = "`loss` should take mixed targets, which are no class ids. Received: "
    with refuses(words):
        MixupModel(random_network(), 0.4).compile("sgd", loss)
    with refuses(words):
        MixupModel(random_network(), CutMix(), num_classes=CLASSES).compile("sgd", loss)
    with refuses("Use `PairLoss`, which takes pairs."):
        MixupModel(random_network(), 0.4, pairs=True).compile("sgd", loss)


@pytest.mark.parametrize("where", ["metrics", "weighted_metrics"])
@pytest.mark.parametrize("metric", ["sparse_categorical_accuracy", keras.metrics.SparseTopKCategoricalAccuracy()])
def test_a_sparse_metric_is_refused_when_compiling(metric, where):
    with refuses(f"`{where}` should take mixed targets, which are no class ids. Received: "):
        new_model(**{where: [metric]})


@pytest.mark.skipif(BACKEND == "torch", reason="torch refuses the gradient of the loss: it is not contiguous")
def test_maps_that_are_only_cut_keep_their_ids_and_take_a_sparse_loss():
    network = keras.Sequential([keras.Input((6, 4, 2)), keras.layers.Dense(CLASSES, activation="softmax")])
    images, maps = features(5, (6, 4, 2), seed=3), np.random.default_rng(1).integers(0, CLASSES, (5, 6, 4))
    model = MixupModel(network, CutMix(), seed=1)
    model.compile("sgd", "sparse_categorical_crossentropy")
    loss = model.fit(images, maps, validation_data=(images, maps), verbose=0).history["val_loss"][0]
    p = np.take_along_axis(network.predict(images, verbose=0), maps[..., None], -1)
    assert loss == pytest.approx(-np.log(p).mean(), rel=1e-4)


def test_a_sparse_loss_is_refused_where_rows_come():
    network = keras.Sequential([keras.Input((6, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)])
    model = MixupModel(network, CutMix())
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with refuses("`loss` should take rows, one place for each class. Received: "):
        model.fit(features(SIZE, (6, 4, 2)), Y, verbose=0)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype("uint8")], ids=["(N,)", "(N,1)", "uint8"])
def test_validation_ids_without_num_classes_are_refused(labels):
    model = MixupModel(random_network(), 0.4)
    model.compile("sgd", "categorical_crossentropy")
    with refuses(f"`MixupModel(..., num_classes={CLASSES})` to train, validate and evaluate with class ids."):
        model.fit(X, Y, validation_data=(X, labels), verbose=0)
    with refuses(f"`MixupModel(..., num_classes={CLASSES})` to train, validate and evaluate with class ids."):
        model.evaluate(X, labels, verbose=0)


def test_integers_that_are_quantities_are_evaluated():
    """One output, and truth values of it."""
    network = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(1, activation="sigmoid")])
    model = MixupModel(network, 0.4)
    model.compile("sgd", "binary_crossentropy")
    truth = LABELS[:, None] > 0
    rows = model.fit(X, truth.astype("float32"), validation_data=(X, truth.astype("int64")), verbose=0).history
    assert rows["val_loss"][0] == pytest.approx(model.evaluate(X, truth.astype("float32"), verbose=0), rel=1e-5)


# --- Class ids of any dtype -----------------------------------------------------------------------------------------

IDS = [np.dtype(kind).type for kind in ("int8", "uint8", "int16", "int32", "int64", "float32")]


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)], ids=str)
@pytest.mark.parametrize("dtype", IDS)
def test_ids_of_any_dtype_are_one_hot_rows_and_pairs(dtype, shape):
    labels = LABELS.astype(dtype).reshape(shape)

    def loss(targets, loss="categorical_crossentropy", **options):
        network = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(CLASSES, activation="softmax")])
        network.set_weights([0.3 * features(INPUTS, (CLASSES,), seed=2), np.zeros(CLASSES)])
        model = MixupModel(network, Mixup(FixedWeights(0.3, 0.9), pairing="roll"), **options)
        model.compile(keras.optimizers.SGD(0.0), loss)
        history = model.fit(X, targets, batch_size=SIZE, shuffle=False, validation_data=(X, targets), verbose=0).history
        return history["loss"] + history["val_loss"]

    expected = loss(Y)
    np.testing.assert_allclose(loss(labels, num_classes=CLASSES), expected, rtol=1e-5)
    np.testing.assert_allclose(
        loss(labels, PairLoss("sparse_categorical_crossentropy"), pairs=True), expected, rtol=1e-5
    )


# --- A layer inside a model -----------------------------------------------------------------------------------------


def as_functional(layer):
    inputs = keras.Input((INPUTS,))
    return keras.Model(inputs, layer(inputs))


def as_sequential(layer):
    return keras.Sequential([keras.Input((INPUTS,)), layer])


def as_sequential_built_late(layer):
    model = keras.Sequential([layer])
    model.build((None, INPUTS))
    return model


KINDS = {"functional": as_functional, "sequential": as_sequential, "built late": as_sequential_built_late}
of_every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@of_every_kind
def test_a_layer_in_a_model_mixes_where_that_trains_and_nowhere_else(kind, tmp_path):
    layer = MixLayer(Mixup(FixedWeights(0.3), pairing="roll"))
    model = kind(layer)
    again = keras.models.clone_model(kind(MixupLayer(5.0)))
    for one in (model, again):
        for training in (None, False):
            np.testing.assert_array_equal(to_numpy(one(X, training=training)), X)
        np.testing.assert_array_equal(one.predict(X, verbose=0), X)
    with pytest.warns(UserWarning, match="MixupModel"):
        mixed = to_numpy(model(X, training=True))
    np.testing.assert_allclose(mixed, FOLLOWING, rtol=1e-5, atol=1e-6)
    # The same layer in a pipeline, or by itself, mixes as ever.
    for x in (layer(X), layer(X, Y)[0]):
        np.testing.assert_allclose(to_numpy(x), mixed, rtol=1e-6)


@ON_TENSORFLOW
def test_a_layer_that_is_in_a_model_still_mixes_a_dataset():
    import tensorflow as tf

    layer = MixLayer(Mixup(FixedWeights(0.3), pairing="roll"))
    as_functional(layer)
    ((x, _),) = tf.data.Dataset.from_tensor_slices((X, Y)).batch(SIZE).map(layer)
    np.testing.assert_allclose(x, FOLLOWING, rtol=1e-5, atol=1e-6)


@of_every_kind
def test_a_saved_and_an_exported_model_do_not_mix(kind, tmp_path):
    model = kind(MixupLayer(5.0, seed=1))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(X)), X)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        model.export(tmp_path / "served", verbose=False)
        served = tf.saved_model.load(tmp_path / "served")
        np.testing.assert_array_equal(served.serve(X), X)


@of_every_kind
def test_it_warns_once_that_targets_stay_unmixed(kind, recwarn):
    def said():
        return [str(w.message) for w in recwarn if "MixupModel" in str(w.message)]

    model = keras.Sequential([keras.Input((INPUTS,)), kind(MixupLayer(5.0, name="mixer")), keras.layers.Dense(CLASSES)])
    model.compile("sgd", "mse")
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    assert not said()
    for _ in range(2):
        model.fit(X, Y, epochs=2, verbose=0)
    (words,) = said()
    assert words.startswith("The layer 'mixer' mixes features inside a model that trains, and their targets stay unmix")


def test_it_does_not_warn_where_targets_are_mixed_too(recwarn):
    x, y = keras.Input((INPUTS,)), keras.Input((CLASSES,))
    model = keras.Model([x, y], MixupLayer(5.0)(x, y))
    mixed = model([X, Y], training=True)
    assert not np.allclose(to_numpy(mixed[0]), X) and not np.allclose(to_numpy(mixed[1]), Y)
    as_functional(MixupLayer(0.0))(X, training=True)
    assert not [w for w in recwarn if "MixupModel" in str(w.message)]
