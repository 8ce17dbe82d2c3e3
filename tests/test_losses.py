"""Losses and class weights for mixed targets, against NumPy."""

import re

import keras
import numpy as np
import pytest

from keras_mixup import Draw, mix
from keras_mixup.losses import PairLoss, ThresholdedBinaryCrossentropy, class_sample_weight

BACKEND = keras.backend.backend()
JIT = [False, True] if BACKEND != "torch" else [False]
INPUTS, CLASSES = 4, 5
A = np.array([0, 4, 2, 1, 3, 2, 0])
B = np.array([3, 0, 2, 4, 1, 0, 2])  # the third example is mixed with one of its own class
WEIGHT = np.array([0.3, 0.9, 0.6, 1.0, 0.0, 0.05, 0.75], "float32")
PAIRS = np.stack([A, B, WEIGHT], axis=1).astype("float32")
ROWS = WEIGHT[:, None] * np.eye(CLASSES)[A] + (1 - WEIGHT)[:, None] * np.eye(CLASSES)[B]
LOGITS = np.random.default_rng(1).normal(size=(7, CLASSES)).astype("float32") * 2
SAMPLE_WEIGHT = np.array([1.0, 0.5, 2.0, 3.0, 0.25, 0.0, 4.0], "float32")
X = np.random.default_rng(2).normal(size=(7, INPUTS)).astype("float32")
SPARSE = keras.losses.SparseCategoricalCrossentropy


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def number(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def softmax(logits):
    p = np.exp(np.asarray(logits, "float64") - np.max(logits, axis=-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def cross_entropies(rows, logits):
    """Of each example, in float64."""
    return -np.sum(rows * np.log(softmax(logits)), axis=-1)


def binary_cross_entropies(rows, logits):
    """Of each class of each example, in float64."""
    rows, p = np.asarray(rows), 1 / (1 + np.exp(-np.asarray(logits, "float64")))
    return -(rows * np.log(p) + (1 - rows) * np.log(1 - p))


def linear(loss, jit_compile=False, rate=0.1):
    model = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(CLASSES)])
    generator = np.random.default_rng(3)
    model.set_weights([generator.normal(size=(INPUTS, CLASSES)), generator.normal(size=CLASSES)])
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=loss, jit_compile=jit_compile)
    return model


# --- PairLoss: the value --------------------------------------------------------------------------------------------


def test_pairs_give_the_cross_entropy_of_the_soft_row():
    loss = number(PairLoss(SPARSE(from_logits=True, reduction=None))(PAIRS, LOGITS))
    np.testing.assert_allclose(loss, cross_entropies(ROWS, LOGITS), rtol=2e-6)


def test_pairs_of_probabilities_give_it_too():
    loss = number(PairLoss(SPARSE(reduction="none"))(PAIRS, softmax(LOGITS).astype("float32")))
    np.testing.assert_allclose(loss, cross_entropies(ROWS, LOGITS), rtol=2e-6)


@pytest.mark.parametrize("classes", [3, 1000])
def test_pairs_agree_with_the_dense_form_of_keras(classes):
    """With three classes a pair is as long as a row, and still a pair."""
    generator = np.random.default_rng(4)
    a, b = generator.integers(classes, size=(2, 64))
    weight = generator.beta(0.4, 0.4, size=64).astype("float32")
    logits = generator.normal(size=(64, classes)).astype("float32") * 3
    rows = weight[:, None] * np.eye(classes, dtype="float32")[a] + (1 - weight)[:, None] * np.eye(classes)[b]
    pairs = np.stack([a, b, weight], axis=1).astype("float32")
    dense = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)(rows, logits)
    loss = PairLoss(SPARSE(from_logits=True, reduction=None))(pairs, logits)
    np.testing.assert_allclose(number(loss), number(dense), rtol=5e-6)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_class_ids_are_taken_as_they_are(dtype, shape):
    loss = PairLoss(SPARSE(from_logits=True, reduction=None))(A.astype(dtype).reshape(shape), LOGITS)
    np.testing.assert_allclose(number(loss), cross_entropies(np.eye(CLASSES)[A], LOGITS), rtol=2e-6)


@pytest.mark.parametrize(
    "reduction, expected",
    [
        ("sum_over_batch_size", lambda losses: np.mean(SAMPLE_WEIGHT * losses)),
        ("sum", lambda losses: np.sum(SAMPLE_WEIGHT * losses)),
        ("mean_with_sample_weight", lambda losses: np.average(losses, weights=SAMPLE_WEIGHT)),
        (None, lambda losses: SAMPLE_WEIGHT * losses),
    ],
)
def test_the_reduction_is_that_of_the_wrapped_loss(reduction, expected):
    loss = PairLoss(SPARSE(from_logits=True, reduction=reduction))(PAIRS, LOGITS, SAMPLE_WEIGHT)
    np.testing.assert_allclose(number(loss), expected(cross_entropies(ROWS, LOGITS)), rtol=2e-6)


def test_a_loss_of_rows_gets_one_hot_rows():
    """Label smoothing is linear in the target, so the dense form is known here too."""
    smooth = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction=None)
    expected = cross_entropies(0.9 * ROWS + 0.1 / CLASSES, LOGITS)
    np.testing.assert_allclose(number(PairLoss(smooth, one_hot=True)(PAIRS, LOGITS)), expected, rtol=2e-6)


def test_a_loss_that_is_not_linear_in_the_target_is_mixed_and_not_its_target():
    """Numbers may take the place of ids: |p - y| is not the distance from the mixed number."""
    distance = keras.losses.MeanAbsoluteError(reduction=None)
    prediction = LOGITS[:, :1].astype("float64")
    expected = WEIGHT * np.abs(prediction[:, 0] - A) + (1 - WEIGHT) * np.abs(prediction[:, 0] - B)
    np.testing.assert_allclose(number(PairLoss(distance)(PAIRS, LOGITS[:, :1])), expected, rtol=2e-6)
    mixed = np.abs(prediction[:, 0] - (WEIGHT * A + (1 - WEIGHT) * B))
    assert np.abs(mixed - expected).max() > 0.1


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", keras.losses.sparse_categorical_crossentropy])
def test_names_and_functions_will_do(loss):
    loss = PairLoss(loss)(PAIRS, softmax(LOGITS).astype("float32"))
    np.testing.assert_allclose(number(loss), cross_entropies(ROWS, LOGITS).mean(), rtol=2e-6)


@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float32", "float64"])
def test_ids_survive_half_precision(floatx):
    """2049 is not a float16, nor 257 a bfloat16."""
    keras.config.set_floatx(floatx)
    try:
        logits = np.zeros((2, 2050), "float32")
        logits[:, 257], logits[:, 2049] = 4.0, 2.0
        pairs = np.array([[257, 2049, 0.25], [2049, 0, 0.75]], "float32")
        loss = PairLoss(SPARSE(from_logits=True, reduction=None))(pairs, keras.ops.cast(logits, floatx))
    finally:
        keras.config.set_floatx("float32")
    double = floatx == "float64" and BACKEND != "jax"  # which has none unless told
    assert keras.backend.standardize_dtype(loss.dtype) == ("float64" if double else "float32")
    log_sum = np.log(2048 + np.exp(4.0) + np.exp(2.0))
    np.testing.assert_allclose(number(loss), [log_sum - 2.5, log_sum - 1.5], rtol=1e-6)


# --- PairLoss: in training ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit_compile", JIT)
def test_one_step_takes_the_gradient_of_the_soft_row(jit_compile):
    model = linear(PairLoss(SPARSE(from_logits=True)), jit_compile)
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    logits = X @ kernel + bias
    history = model.fit(X, PAIRS, sample_weight=SAMPLE_WEIGHT, batch_size=7, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], [np.mean(SAMPLE_WEIGHT * cross_entropies(ROWS, logits))], rtol=1e-5)
    slope = SAMPLE_WEIGHT[:, None] * (softmax(logits) - ROWS) / 7
    for new, expected in zip(model.get_weights(), [kernel - 0.1 * X.T @ slope, bias - 0.1 * slope.sum(0)], strict=True):
        np.testing.assert_allclose(new, expected, rtol=1e-4, atol=1e-5)


def test_a_model_trained_on_pairs_is_evaluated_on_class_ids_and_saved_with_its_loss(tmp_path):
    model = linear(PairLoss(SPARSE(from_logits=True, reduction="sum")))
    history = model.fit(X, PAIRS, validation_data=(X, A), batch_size=7, verbose=0).history
    expected = cross_entropies(np.eye(CLASSES)[A], model.predict(X, verbose=0)).sum()
    np.testing.assert_allclose(history["val_loss"], [expected], rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.loss.from_logits
    np.testing.assert_allclose(loaded.evaluate(X, A, batch_size=7, verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        PairLoss(SPARSE(from_logits=True, reduction="sum"), name="mine"),
        PairLoss(keras.losses.CategoricalFocalCrossentropy(gamma=3.0, from_logits=True), one_hot=True),
        PairLoss(keras.losses.sparse_categorical_crossentropy),
        ThresholdedBinaryCrossentropy(0.35, sum_classes=True, reduction="sum", name="mine"),
    ],
    ids=["sparse", "focal", "function", "thresholded"],
)
def test_losses_round_trip(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert (again.name, again.reduction) == (loss.name, loss.reduction)
    targets = PAIRS if isinstance(loss, PairLoss) else ROWS.astype("float32")
    predictions = LOGITS if loss.name != "pair_loss" or loss.one_hot else softmax(LOGITS).astype("float32")
    assert number(again(targets, predictions)) == number(loss(targets, predictions))


# --- PairLoss of targets of any kind ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (4, 3, 2), (3,)])
@pytest.mark.parametrize("loss", ["huber", "mean_squared_error", "cosine_similarity"])
def test_a_loss_of_dense_targets_is_interpolated(shape, loss):
    """Three numbers look like pairs and are none: the predictions' shape says so."""
    generator = np.random.default_rng(2)
    a, b, predictions = generator.normal(size=(3, 6, *shape)).astype("float32")
    weight = np.linspace(0.1, 0.9, 6, dtype="float32").reshape(6, *(1,) * len(shape))
    of = keras.losses.get(loss)
    expected = [np.asarray(of(side, predictions)) for side in (a, b)]
    weights = weight.reshape(6, *(1,) * (len(shape) - 1))
    expected = np.mean(weights * expected[0] + (1 - weights) * expected[1])
    pairs = np.stack(np.broadcast_arrays(a, b, weight), axis=-1)
    np.testing.assert_allclose(number(PairLoss(loss, dense=True)(pairs, predictions)), expected, rtol=1e-5)
    plain = np.mean(np.asarray(of(a, predictions)))
    np.testing.assert_allclose(number(PairLoss(loss, dense=True)(a, predictions)), plain, rtol=1e-5)


def test_pixels_have_pairs_of_their_own():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(2, 4, 5, 6)).astype("float32")
    a, b = generator.integers(0, 6, (2, 2, 4, 5))
    weight = generator.uniform(size=(2, 4, 5)).astype("float32")
    pairs = np.stack([a, b, weight], axis=-1).astype("float32")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    rows = weight[..., None] * np.eye(6)[a] + (1 - weight[..., None]) * np.eye(6)[b]
    loss = PairLoss(SPARSE(from_logits=True))
    np.testing.assert_allclose(number(loss(pairs, logits)), -(rows * logs).sum(-1).mean(), rtol=1e-5)
    np.testing.assert_allclose(number(loss(a, logits)), -(np.eye(6)[a] * logs).sum(-1).mean(), rtol=1e-5)


def test_dense_targets_of_another_shape_are_refused():
    with refuses("Targets should be pairs of shape (..., 3)"):
        PairLoss("mean_squared_error", dense=True)(np.ones((7, 5, 2), "float32"), np.ones((7, 5), "float32"))
    with refuses("`one_hot` is for class ids, which `dense` targets are not"):
        PairLoss("mean_squared_error", one_hot=True, dense=True)


# --- PairLoss: errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 5), (7, 2), (7, 3, 1)])
def test_targets_of_another_shape_are_refused(shape):
    with refuses(
        "Targets should be pairs of shape (batch, 3), [id of the original, id of the partner, weight of the original], "
        f"or class ids of shape (batch,). Received: y_true of shape {shape} for predictions of shape {LOGITS.shape}. "
        "For soft rows use a loss that takes them: `keras.losses.CategoricalCrossentropy`; for pairs of other targets "
        "than class ids, `dense=True`."
    ):
        PairLoss(SPARSE())(np.ones(shape, "float32"), LOGITS)


def test_no_loss_is_refused():
    with refuses(
        "`loss` should be a Keras loss, the name of one, or a function `(y_true, y_pred)`. Received: loss=None."
    ):
        PairLoss(None)


def test_a_loss_that_ignores_a_class_is_refused():
    with refuses(
        "`loss` should not ignore a class: a mixed target may have half of it. Give such examples a `sample_weight` of "
        "0 before mixing. Received: ignore_class=0."
    ):
        PairLoss(SPARSE(ignore_class=0))


# --- ThresholdedBinaryCrossentropy ----------------------------------------------------------------------------------

PRESENT = {
    0.0: np.array([[1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 0, 1, 0, 0]]),
    0.2: np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]]),
    0.5: np.array([[0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]]),
}


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("sum_classes", [False, True])
@pytest.mark.parametrize("threshold", PRESENT)
def test_classes_above_the_threshold_are_present(threshold, sum_classes, from_logits):
    """The first three examples are 0.3 of class 0 and 0.7 of 3; 0.9 of 4 and 0.1 of 0; and all of 2."""
    expected = binary_cross_entropies(PRESENT[threshold], LOGITS[:3]).sum(-1) / (1 if sum_classes else CLASSES)
    predictions = LOGITS[:3] if from_logits else (1 / (1 + np.exp(-LOGITS[:3]))).astype("float32")
    loss = ThresholdedBinaryCrossentropy(threshold, from_logits, sum_classes, reduction=None)
    np.testing.assert_allclose(number(loss(ROWS[:3].astype("float32"), predictions)), expected, rtol=1e-5)


def test_a_share_of_exactly_the_threshold_is_not_above_it():
    loss = ThresholdedBinaryCrossentropy(threshold=0.25)
    at, above = np.array([[0.25, 0.75]], "float32"), np.array([[0.26, 0.74]], "float32")
    logits = np.array([[1.0, 3.0]], "float32")
    np.testing.assert_allclose(number(loss(at, logits)), binary_cross_entropies([[0, 1]], logits).mean(), rtol=1e-6)
    np.testing.assert_allclose(number(loss(above, logits)), binary_cross_entropies([[1, 1]], logits).mean(), rtol=1e-6)


@pytest.mark.parametrize("jit_compile", JIT)
def test_one_step_takes_the_gradient_of_the_thresholded_targets(jit_compile):
    model = linear(ThresholdedBinaryCrossentropy(0.2, sum_classes=True), jit_compile)
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    slope = (1 / (1 + np.exp(-(X @ kernel + bias))) - (ROWS > 0.2)) / 7
    model.fit(X, ROWS.astype("float32"), batch_size=7, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.1 * X.T @ slope, rtol=1e-4, atol=1e-5)


def test_it_is_computed_in_float32_from_half_precision():
    """A float16 has three digits."""
    loss = ThresholdedBinaryCrossentropy(0.2)([[1.0, 0.0]], keras.ops.cast([[6.0, -6.0]], "float16"))
    np.testing.assert_allclose(number(loss), np.log1p(np.exp(-6.0)), rtol=5e-5)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan"), True, "0.2", None], ids=repr)
def test_a_threshold_out_of_range_is_refused(threshold):
    with refuses(f"`threshold` should be a number in [0, 1). Received: threshold={threshold!r}."):
        ThresholdedBinaryCrossentropy(threshold)


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 4)])
def test_rows_of_another_shape_are_refused(shape):
    """Keras' own would broadcast `(batch, 1)`."""
    with refuses(
        f"Targets should be rows of the same shape as the predictions. Received: y_true of shape {shape}, y_pred of "
        "shape (7, 5). One-hot class ids first: `keras.ops.one_hot(y, num_classes)`."
    ):
        ThresholdedBinaryCrossentropy()(np.ones(shape, "float32"), LOGITS)


# --- Class weights --------------------------------------------------------------------------------------------------

CLASS_WEIGHT = {0: 5.0, 3: 0.5, 4: 2.0}  # 1 and 2 count as one
VECTOR = np.array([5.0, 1.0, 1.0, 0.5, 2.0])
forms = pytest.mark.parametrize("class_weight", [CLASS_WEIGHT, VECTOR, VECTOR.tolist()], ids=["dict", "vector", "list"])


@forms
@pytest.mark.parametrize("targets, pairs", [(ROWS, False), (PAIRS, True)], ids=["rows", "pairs"])
def test_each_half_brings_the_weight_of_its_class(targets, pairs, class_weight):
    expected = WEIGHT * VECTOR[A] + (1 - WEIGHT) * VECTOR[B]
    weights = class_sample_weight(targets.astype("float32"), class_weight, pairs=pairs)
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    np.testing.assert_allclose(number(weights), expected, rtol=1e-6)


@forms
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("targets", [A, A[:, None], A.astype("float32")], ids=["ids", "column", "floats"])
def test_class_ids_have_the_weight_of_their_class(targets, pairs, class_weight):
    np.testing.assert_allclose(number(class_sample_weight(targets, class_weight, pairs=pairs)), VECTOR[A], rtol=1e-6)


def test_one_hot_integers_are_rows():
    rows = np.eye(CLASSES, dtype="int32")[A]
    np.testing.assert_allclose(number(class_sample_weight(rows, CLASS_WEIGHT)), VECTOR[A], rtol=1e-6)


def test_a_class_beyond_a_dict_counts_as_one():
    np.testing.assert_allclose(number(class_sample_weight(np.array([0, 1, 2, 90]), {0: 3.0, 1: 4.0})), [3, 4, 1, 1])
    np.testing.assert_allclose(number(class_sample_weight(np.array([0, 90]), {})), [1, 1])


def test_weighing_after_the_mix_is_weighing_before_it():
    """Sample weights travel with the mix, and so would those of the classes."""
    draw = Draw(WEIGHT, np.array([3, 0, 4, 6, 1, 2, 5]))
    rows = np.eye(CLASSES, dtype="float32")[A]
    before = mix((rows, VECTOR[A].astype("float32")), draw)[1]
    after = class_sample_weight(mix(rows, draw), CLASS_WEIGHT)
    np.testing.assert_allclose(number(after), number(before), rtol=1e-6)


@pytest.mark.parametrize("pairs", [False, True])
def test_class_weights_are_computed_in_a_pipeline(pairs):
    tf = pytest.importorskip("tensorflow")
    targets = PAIRS if pairs else ROWS.astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((X, targets)).batch(3)
    dataset = dataset.map(lambda x, y: (x, y, class_sample_weight(y, CLASS_WEIGHT, pairs=pairs)))
    assert dataset.element_spec[2].shape.as_list() == [None]
    weights = np.concatenate([weight.numpy() for _, _, weight in dataset])
    np.testing.assert_allclose(weights, WEIGHT * VECTOR[A] + (1 - WEIGHT) * VECTOR[B], rtol=1e-6)


def test_class_weights_of_keras_take_the_larger_half_alone():
    """What this function is there to mend: if this fails, Keras has learned to do it."""
    model = linear(keras.losses.CategoricalCrossentropy(from_logits=True), rate=0.0)
    losses = cross_entropies(ROWS, model.predict(X, verbose=0))
    rows = ROWS.astype("float32")
    (by_keras,) = model.fit(X, rows, class_weight=CLASS_WEIGHT, batch_size=7, verbose=0).history["loss"]
    weights = class_sample_weight(rows, CLASS_WEIGHT)
    (by_formula,) = model.fit(X, rows, sample_weight=number(weights), batch_size=7, verbose=0).history["loss"]
    larger_half, formula = np.mean(VECTOR[ROWS.argmax(1)] * losses), np.mean(ROWS @ VECTOR * losses)
    np.testing.assert_allclose(by_keras, larger_half, rtol=1e-5)
    np.testing.assert_allclose(by_formula, formula, rtol=1e-5)
    assert abs(larger_half - formula) > 0.1


@pytest.mark.parametrize(
    "class_weight, message",
    [
        ({"cat": 1.0}, "The keys of `class_weight` should be class ids. Received: class_weight={'cat': 1.0}."),
        ({-1: 1.0}, "The keys of `class_weight` should be class ids. Received: class_weight={-1: 1.0}."),
        ({True: 1.0}, "The keys of `class_weight` should be class ids. Received: class_weight={True: 1.0}."),
        (
            {5: 1.0},
            "`class_weight` should be about the 5 classes of the targets. Received: class_weight={5: 1.0}.",
        ),
        (
            [1.0, 2.0],
            "`class_weight` should have a weight for each of the 5 classes of the targets. "
            "Received: class_weight of length 2.",
        ),
        (
            2.0,
            "`class_weight` should be a dict from class id to weight, or a vector with the weight of each class. "
            "Received: class_weight=2.0.",
        ),
        (
            [[1.0] * 5],
            "`class_weight` should be a dict from class id to weight, or a vector with the weight of each class. "
            "Received: class_weight=[[1.0, 1.0, 1.0, 1.0, 1.0]].",
        ),
        ({0: -1.0}, "Class weights should be finite numbers >= 0. Received: class_weight={0: -1.0}."),
        ({0: float("nan")}, "Class weights should be finite numbers >= 0. Received: class_weight={0: nan}."),
        ({0: "1"}, "Class weights should be finite numbers >= 0. Received: class_weight={0: '1'}."),
        ({0: True}, "Class weights should be finite numbers >= 0. Received: class_weight={0: True}."),
    ],
    ids=repr,
)
def test_wrong_class_weights_are_refused(class_weight, message):
    with refuses(message):
        class_sample_weight(ROWS.astype("float32"), class_weight)


@pytest.mark.parametrize("shape, pairs", [((), False), ((7, 4), True), ((7, 2, 5), False), ((7, 2, 3), True)])
def test_targets_without_class_weights_are_refused(shape, pairs):
    with refuses(
        "Targets should be soft rows (batch, classes), class ids (batch,) or, with `pairs=True`, pairs (batch, 3). "
        f"Received: y of shape {shape} with pairs={pairs}."
    ):
        class_sample_weight(np.ones(shape, "float32"), CLASS_WEIGHT, pairs=pairs)
