"""Adversarial examples against NumPy, with derivatives written out by hand, and against another implementation."""

import re

import keras
import numpy as np
import pytest

from keras_mixup.attacks import fgsm, iterated_fgsm, pgd

BACKEND = keras.backend.backend()
SIZE, SHAPE, CLASSES, EPSILON = 7, (4, 5, 3), 4, 6.0
RANDOM = np.random.default_rng(0)
MEAN, DEVIATION = np.array([130.0, 90.0, 40.0]), np.array([60.0, 20.0, 110.0])
X = RANDOM.uniform(0, 255, (SIZE, *SHAPE)).astype("float32")
X[:, 0], X[:, 1] = 0.0, 254.0  # at a border of the range, and near the other
LABELS = np.array([0, 3, 1, 1, 2, 0, 2])
Y = np.eye(CLASSES, dtype="float32")[LABELS]
SOFT = RANDOM.dirichlet((0.3,) * CLASSES, SIZE)
WEIGHTS = [
    RANDOM.normal(size=(60, 6)) / 8,
    RANDOM.normal(size=6) / 3,
    RANDOM.normal(size=(6, CLASSES)),
    RANDOM.normal(size=CLASSES) / 3,
]
ATTACKS = {"fgsm": fgsm, "iterated_fgsm": iterated_fgsm, "pgd": lambda *args, **kwargs: pgd(*args, seed=3, **kwargs)}


def standardise(x):
    return (x - keras.ops.cast(MEAN, "float32")) / keras.ops.cast(DEVIATION, "float32")


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def small_network(weights=WEIGHTS, dtype=None, output=None):
    network = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(6, "tanh", dtype=dtype),
            keras.layers.Dense(CLASSES, output, dtype=dtype),
        ]
    )
    network.set_weights(weights)
    return network


NETWORK = small_network()


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def forward(x, weights=WEIGHTS, mean=MEAN, deviation=DEVIATION):
    w1, b1, w2, b2 = weights
    return np.tanh(((x - mean) / deviation).reshape(len(x), -1) @ w1 + b1) @ w2 + b2


def loss(x, y):
    return -np.sum(y * np.log(softmax(forward(x))), -1)


def gradient(x, y, weights=WEIGHTS, mean=MEAN, deviation=DEVIATION):
    """Of the cross-entropy, by the pixels, in double precision."""
    w1, b1, w2, b2 = weights
    hidden = np.tanh(((x - mean) / deviation).reshape(len(x), -1) @ w1 + b1)
    slope = (softmax(hidden @ w2 + b2) * y.sum(-1, keepdims=True) - y) @ w2.T * (1 - hidden**2)
    return (slope @ w1.T).reshape(x.shape) / deviation


def attacked(x, y, epsilon, steps, step, start=None, low=0.0, high=255.0, **network):
    """The attacks as the papers have them, in double precision."""
    moved = np.clip(x.astype(float) if start is None else start, low, high)
    for _ in range(steps):
        moved = moved + step * np.sign(gradient(moved, y, **network))
        moved = np.clip(np.clip(moved, x - epsilon, x + epsilon), low, high)
    return moved


# --- Against NumPy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [LABELS, LABELS.astype("uint8"), Y, SOFT], ids=["ids", "uint8", "rows", "soft rows"])
@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm_is_the_formula(y, targeted):
    rows = Y if y.ndim == 1 else y
    expected = attacked(X, rows, EPSILON, 1, -EPSILON if targeted else EPSILON)
    got = fgsm(NETWORK, X, y, EPSILON, preprocess=standardise, targeted=targeted)
    assert type(got) is np.ndarray and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("targeted", [False, True])
def test_iterated_fgsm_is_the_formula(targeted):
    step = EPSILON / 8 * (-1 if targeted else 1)
    expected = attacked(X, Y, EPSILON, 8, step)
    got = iterated_fgsm(NETWORK, X, LABELS, EPSILON, steps=8, preprocess=standardise, targeted=targeted)
    np.testing.assert_allclose(got, expected, atol=1e-3)
    assert np.any(np.abs(np.abs(got - X)[:, 2:] - EPSILON) > 0.1), "a path that turned, or the steps go unseen"


@pytest.mark.parametrize("step_size, step", [(None, 2.5 * EPSILON / 10), (1.7, 1.7)])
def test_pgd_is_the_formula(step_size, step):
    start = X + np.random.default_rng(3).uniform(-EPSILON, EPSILON, X.shape)
    expected = attacked(X, Y, EPSILON, 10, step, start)
    got = pgd(NETWORK, X, LABELS, EPSILON, step_size=step_size, seed=3, preprocess=standardise)
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_the_defaults_are_those_of_the_papers():
    as_default = iterated_fgsm(NETWORK, X, LABELS, EPSILON, preprocess=standardise)
    as_said = iterated_fgsm(NETWORK, X, LABELS, EPSILON, steps=10, preprocess=standardise)
    assert np.array_equal(as_default, as_said)


def test_against_a_linear_model_it_is_the_strongest_attack():
    """No corner of the ball has a larger loss than the one that the sign chooses."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    kernel = np.array([[1.0, -0.5], [-2.0, 0.25], [0.125, 0.75]])
    model.set_weights([kernel])
    x = np.array([[0.5, 0.25, 0.375], [0.75, 0.5, 0.125]])
    got = fgsm(model, x, [0, 1], 0.125, pixels=(0, 1))
    corners = np.stack(np.meshgrid(*[(-0.125, 0.125)] * 3), -1).reshape(-1, 1, 3)
    margins = ((x + corners) @ kernel) @ np.array([1.0, -1.0]) * np.array([1.0, -1.0])  # of the true class
    np.testing.assert_array_equal(got, x + corners[np.argmin(margins, axis=0), 0])
    assert got.dtype == np.float64


@pytest.mark.parametrize("name", ATTACKS)
def test_untargeted_raises_and_targeted_lowers_the_loss(name):
    before, wanted = loss(X, Y), np.roll(Y, 1, axis=1)
    assert np.all(loss(ATTACKS[name](NETWORK, X, Y, EPSILON, preprocess=standardise), Y) > before)
    towards = ATTACKS[name](NETWORK, X, wanted, EPSILON, preprocess=standardise, targeted=True)
    assert np.all(loss(towards, wanted) < loss(X, wanted))


def test_iterating_is_stronger():
    weights = [WEIGHTS[0] * 4, *WEIGHTS[1:]]
    network = small_network(weights)
    one, many = (attack(network, X, LABELS, 40, preprocess=standardise) for attack in (fgsm, iterated_fgsm))

    def mean_loss(x):
        return -np.mean(np.log(softmax(forward(x, weights))[np.arange(SIZE), LABELS]))

    assert mean_loss(many) > mean_loss(one) > mean_loss(X)


# --- Units, range and ball ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int64"])
def test_nothing_leaves_the_ball_or_the_range_of_pixels(name, dtype):
    x = np.rint(X).astype(dtype)
    got = ATTACKS[name](NETWORK, x, LABELS, 2.75, preprocess=standardise)
    assert got.shape == x.shape and got.dtype == x.dtype
    assert got.min() >= 0 and got.max() <= 255
    distance = np.abs(got.astype(float) - x.astype(float)).max()
    whole = np.issubdtype(x.dtype, np.integer)
    assert distance == 2.0 if whole else distance == pytest.approx(2.75, abs=0.07 if dtype == "float16" else 1e-4)
    assert distance <= (2.75 if dtype == "float64" else 2.82)


@pytest.mark.parametrize("name", ATTACKS)
def test_whole_pixels_are_the_nearest_ones(name):
    whole = np.rint(X).astype("uint8")
    exact = ATTACKS[name](NETWORK, whole.astype("float64"), LABELS, 2, preprocess=standardise)
    assert np.any(np.abs(exact - np.rint(exact)) > 0.1) or name == "fgsm"
    assert np.array_equal(ATTACKS[name](NETWORK, whole, LABELS, 2.75, preprocess=standardise), np.rint(exact))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8"])
def test_epsilon_0_changes_no_bit(name, dtype):
    x = (X + RANDOM.uniform(0, 1, X.shape)).astype(dtype)
    got = ATTACKS[name](NETWORK, x, LABELS, 0, preprocess=standardise)
    assert got.tobytes() == x.tobytes()
    assert got is not x


def test_epsilon_is_in_pixels_whatever_the_model_takes():
    """The same function of pixels, however much of it is in the model, has the same examples."""
    inside = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Normalization(mean=MEAN, variance=DEVIATION**2), NETWORK]
    )
    expected = iterated_fgsm(NETWORK, X, LABELS, EPSILON, preprocess=standardise)
    np.testing.assert_allclose(iterated_fgsm(inside, X, LABELS, EPSILON), expected, atol=1e-3)
    layer = keras.layers.Normalization(mean=MEAN, variance=DEVIATION**2)
    np.testing.assert_allclose(iterated_fgsm(NETWORK, X, LABELS, EPSILON, preprocess=layer), expected, atol=1e-3)
    moved = np.abs(expected - X)[:, 2:].max(axis=(0, 1, 2))
    np.testing.assert_allclose(moved, EPSILON, atol=1e-3)  # in every channel, of whatever deviation


def test_another_range_of_pixels():
    x, mean, deviation = X / 127.5 - 1, MEAN / 127.5 - 1, DEVIATION / 127.5

    def as_the_model_takes_it(x):
        return (x - keras.ops.cast(mean, "float32")) / keras.ops.cast(deviation, "float32")

    got = fgsm(NETWORK, x, LABELS, EPSILON / 127.5, pixels=(-1, 1), preprocess=as_the_model_takes_it)
    np.testing.assert_allclose(127.5 * (got + 1), fgsm(NETWORK, X, LABELS, EPSILON, preprocess=standardise), atol=1e-3)


# --- Precision ------------------------------------------------------------------------------------------------------


def test_a_sure_network_is_attacked_in_the_direction_of_the_formula():
    """Of a probability of 1 - 1e-10 float32 leaves 1, and p - y would forget the true class."""
    weights = [WEIGHTS[0], WEIGHTS[1], 20 * WEIGHTS[2], WEIGHTS[3]]
    labels = forward(X, weights).argmax(-1)
    assert 1e-14 < np.min(1 - softmax(forward(X, weights)).max(-1)) < 1e-9
    got = fgsm(small_network(weights), X, labels, EPSILON, preprocess=standardise)
    expected = attacked(X, np.eye(CLASSES)[labels], EPSILON, 1, EPSILON, weights=weights)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_half_precision_does_not_round_the_gradient_away():
    weights = [WEIGHTS[0] / 20, WEIGHTS[1], 50 * WEIGHTS[2], WEIGHTS[3]]
    doubt = 1 - softmax(forward(X, weights)).max(-1)
    x = X[(doubt > 1e-14) & (doubt < 1e-5)]
    labels = forward(x, weights).argmax(-1)
    assert len(x) >= 2 and np.abs(gradient(x, np.eye(CLASSES)[labels], weights)).max() < 2**-25  # half of the least
    got = fgsm(small_network(weights, dtype="mixed_float16"), x, labels, EPSILON, preprocess=standardise)
    expected = attacked(x, np.eye(CLASSES)[labels], EPSILON, 1, EPSILON, weights=weights)
    assert np.mean(np.abs(got - expected) < 0.1) > 0.97


def test_probabilities_do_as_well_as_logits():
    probabilities = small_network(output="softmax")
    got = iterated_fgsm(probabilities, X, LABELS, EPSILON, preprocess=standardise, from_logits=False)
    np.testing.assert_allclose(got, iterated_fgsm(NETWORK, X, LABELS, EPSILON, preprocess=standardise), atol=1e-3)


# --- Batches, seeds, state ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_batch_size_changes_nothing(name, batch_size):
    whole = ATTACKS[name](NETWORK, X, SOFT, EPSILON, preprocess=standardise)
    parts = ATTACKS[name](NETWORK, X, SOFT, EPSILON, preprocess=standardise, batch_size=batch_size)
    np.testing.assert_allclose(parts, whole, atol=1e-4)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_examples_give_none(name):
    assert ATTACKS[name](NETWORK, X[:0], LABELS[:0], EPSILON).shape == (0, *SHAPE)


def test_a_seed_decides_the_start_of_pgd():
    def run(seed):
        return pgd(NETWORK, X, LABELS, EPSILON, steps=2, seed=seed, preprocess=standardise)

    assert np.array_equal(run(1), run(1))
    assert not np.allclose(run(1), run(2), atol=0.1)
    assert not np.allclose(run(None), run(None), atol=0.1)


def test_the_present_weights_are_attacked_and_nothing_of_the_model_changes():
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(3, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.7, seed=1),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
        ]
    )

    def run():
        state = [np.array(w) for w in model.get_weights()]
        one, other = (fgsm(model, X, LABELS, EPSILON, preprocess=standardise) for _ in range(2))
        assert np.array_equal(one, other)
        assert all(np.array_equal(a, b) for a, b in zip(state, model.get_weights(), strict=True))
        return one

    before = run()
    model.set_weights([-w if w.ndim == 2 else w for w in model.get_weights()])  # the logits change their sign
    assert not np.allclose(run(), before, atol=0.1)


# --- Against another implementation ---------------------------------------------------------------------------------


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the toolbox is given a TensorFlow model")
def test_the_adversarial_robustness_toolbox_finds_the_same():
    pytest.importorskip("art")
    import tensorflow as tf
    from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod
    from art.estimators.classification import TensorFlowV2Classifier

    classifier = TensorFlowV2Classifier(
        NETWORK,
        CLASSES,
        SHAPE,
        loss_object=tf.keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 255.0),
        preprocessing=(MEAN.astype("float32"), DEVIATION.astype("float32")),
    )
    for targeted in (False, True):
        theirs = FastGradientMethod(classifier, eps=EPSILON, targeted=targeted).generate(X, Y)
        ours = fgsm(NETWORK, X, LABELS, EPSILON, preprocess=standardise, targeted=targeted)
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
        iterated = BasicIterativeMethod(classifier, EPSILON, EPSILON / 10, 10, targeted=targeted, verbose=False)
        ours = iterated_fgsm(NETWORK, X, LABELS, EPSILON, preprocess=standardise, targeted=targeted)
        np.testing.assert_allclose(ours, iterated.generate(X, Y), atol=1e-3)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("epsilon", [-1.0, float("nan"), float("inf"), True, "4", None], ids=repr)
def test_an_epsilon_out_of_range_is_refused(name, epsilon):
    with refuses(f"`epsilon` should be a finite number >= 0. Received: epsilon={epsilon!r}."):
        ATTACKS[name](NETWORK, X, LABELS, epsilon)


@pytest.mark.parametrize("number", [0, -1, 2.0, True, None], ids=repr)
def test_steps_and_batch_size_are_counted(number):
    for attack in (iterated_fgsm, pgd):
        with refuses(f"`steps` should be a positive integer. Received: steps={number!r}."):
            attack(NETWORK, X, LABELS, EPSILON, steps=number)
    with refuses(f"`batch_size` should be a positive integer. Received: batch_size={number!r}."):
        fgsm(NETWORK, X, LABELS, EPSILON, batch_size=number)


@pytest.mark.parametrize("step_size", [0, -0.5, float("inf"), True, "1"], ids=repr)
def test_a_step_size_out_of_range_is_refused(step_size):
    with refuses(f"`step_size` should be a finite number > 0, or None. Received: step_size={step_size!r}."):
        pgd(NETWORK, X, LABELS, EPSILON, step_size=step_size)


@pytest.mark.parametrize("seed", [-1, 0.5, True], ids=repr)
def test_a_seed_that_is_none_is_refused(seed):
    with refuses(f"`seed` should be an integer >= 0. Received: seed={seed!r}."):
        pgd(NETWORK, X, LABELS, EPSILON, seed=seed)


def test_a_model_or_a_function_that_is_none_is_refused():
    with refuses("`model` should be a Keras model or layer. Received: model="):
        fgsm(lambda x: x, X, LABELS, EPSILON)
    with refuses("`preprocess` should be a function, or None. Received: preprocess=255."):
        fgsm(NETWORK, X, LABELS, EPSILON, preprocess=255)


@pytest.mark.parametrize("pixels", [(255, 0), (0, float("inf")), 255, (0, 1, 2), None, ("0", "1")], ids=repr)
def test_a_range_that_is_none_is_refused(pixels):
    with refuses(
        "`pixels` should be two finite numbers, the least and the greatest value of a pixel. "
        f"Received: pixels={pixels!r}."
    ):
        fgsm(NETWORK, X, LABELS, EPSILON, pixels=pixels)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x: x - 1, "x from -1.0 to"),
        (lambda x: x + 1.5, "x from 1.5 to 255.5"),
        (lambda x: np.where(x == 0, np.nan, x), "x from nan to nan"),
        (lambda x: np.where(x == 0, np.inf, x), "to inf"),
    ],
    ids=["below", "above", "nan", "inf"],
)
def test_what_is_no_pixel_is_refused(change, words):
    message = (
        "`x` should be finite pixels from 0 to 255; what standardises them for the model is `preprocess`. Received: "
    )
    with pytest.raises(ValueError, match=re.escape(message) + ".*" + re.escape(words)):
        fgsm(NETWORK, np.minimum(change(X), np.inf).astype("float32"), LABELS, EPSILON)


@pytest.mark.parametrize("x", [X.astype("complex64"), X > 3, X[0, 0, 0, 0], {"images": X}, None])
def test_what_is_no_array_of_pixels_is_refused(x):
    with refuses("`x` should be an array of pixels of shape (examples, ...). Received: x of shape"):
        fgsm(NETWORK, x, LABELS, EPSILON)


@pytest.mark.parametrize(
    "y", [LABELS[:5], Y[:, :3], LABELS[:, None], LABELS.astype("float32"), SOFT * np.inf, "dog"], ids=str
)
def test_targets_that_do_not_fit_are_refused(y):
    with refuses(
        f"`y` should be class ids of shape ({SIZE},) or finite rows of shape ({SIZE}, {CLASSES}). Received: y"
    ):
        fgsm(NETWORK, X, y, EPSILON)


def test_ids_beyond_the_classes_are_refused():
    with refuses("`y` should be class ids from 0 to 3. Received: ids from 1 to 4."):
        fgsm(NETWORK, X, LABELS + 1, EPSILON)
    with refuses("`y` should be class ids from 0 to 3. Received: ids from -1 to 2."):
        fgsm(NETWORK, X, LABELS - 1, EPSILON)


def test_a_model_without_logits_of_classes_is_refused():
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Dense(2)])
    with refuses(
        "`model` should give logits of shape (batch, classes), of at least 2 classes. Received: shape (1, 4, 5, 2)."
    ):
        fgsm(model, X, LABELS, EPSILON)
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(1)])
    with refuses("of at least 2 classes. Received: shape (1, 1)."):
        fgsm(model, X, LABELS, EPSILON)


def test_a_model_that_gives_nan_is_refused():
    with refuses("`model` should have finite logits and gradients. Received: infinities or NaN."):
        fgsm(small_network([WEIGHTS[0] * np.nan, *WEIGHTS[1:]]), X, LABELS, EPSILON)
