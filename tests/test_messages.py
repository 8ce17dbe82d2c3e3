"""Every error by its text, said where the user meets it."""

import re

import keras
import numpy as np
import pytest
from contract import BACKEND, features, one_hot

from keras_mixup import Mixup, MixupLayer, MixupModel, mix_with, mixup
from keras_mixup.batch import mix_batch
from keras_mixup.pairing import RULES

tf = pytest.importorskip("tensorflow")

X, LABELS = features(4), np.arange(4)
NETWORK = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])


def refuses(message):
    """The message must contain this text; long ones are cut at their variable part."""
    return pytest.raises(ValueError, match=re.escape(message))


# --- Arguments: the same words at every door ------------------------------------------------------------------------

CONSTRUCTORS = {
    "Mixup": Mixup,
    "MixupLayer": MixupLayer,
    "mixup": mixup,
    "MixupModel": lambda alpha=0.2, **kwargs: MixupModel(NETWORK, Mixup(alpha, **kwargs)),
}
at_every_constructor = pytest.mark.parametrize("construct", CONSTRUCTORS.values(), ids=CONSTRUCTORS)


@at_every_constructor
@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf"), True, "0.2", None, (0.2, 0.4)], ids=repr)
def test_alpha(construct, alpha):
    """Keras' MixUp takes -1, NaN and strings without a word (peers §5)."""
    with refuses(
        "`alpha` should be a finite number >= 0, or an object with `sample(shape, seed=...)` such as a "
        f"`tfp.distributions` distribution. Received: alpha={alpha!r}."
    ):
        construct(alpha)


@at_every_constructor
@pytest.mark.parametrize("per", ["pixel", "Example", None, 1])
def test_per(construct, per):
    """timm takes an unknown mode without a word (peers §5)."""
    with refuses(f"`per` should be 'example' or 'batch'. Received: per={per!r}."):
        construct(per=per)


@at_every_constructor
@pytest.mark.parametrize("pairing", ["random", 3])
def test_pairing(construct, pairing):
    with refuses(
        f"`pairing` should be one of {sorted(RULES)} or a function `(size, seed, targets) -> partner`. "
        f"Received: pairing={pairing!r}."
    ):
        construct(pairing=pairing)


@at_every_constructor
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), True, "1", None])
def test_probability(construct, probability):
    with refuses(f"`probability` should be a number between 0 and 1. Received: probability={probability!r}."):
        construct(probability=probability)


@pytest.mark.parametrize("num_classes", [0, -1, 3.0, "3", True, {}, {"label": 0}, {"label": "3"}, [3]], ids=repr)
@pytest.mark.parametrize(
    "construct",
    [MixupLayer, mixup, lambda **kwargs: mix_with(Mixup(), **kwargs), lambda **kwargs: MixupModel(NETWORK, **kwargs)],
    ids=["MixupLayer", "mixup", "mix_with", "MixupModel"],
)
def test_num_classes(construct, num_classes):
    with refuses(
        "`num_classes` should be a positive integer or None, or a dict of positive integers by target. "
        f"Received: num_classes={num_classes!r}."
    ):
        construct(num_classes=num_classes)


@pytest.mark.parametrize("seed", [1.5, "1", True, (1, 2)])
def test_the_seed_of_a_pipeline(seed):
    with refuses(f"`seed` should be an integer or None. Received: seed={seed!r}."):
        mixup(0.2, seed=seed)


@pytest.mark.parametrize("network", [None, "resnet", np.ones(3), lambda x: x], ids=["None", "str", "array", "function"])
def test_the_network_of_a_model(network):
    with refuses("`network` should be a Keras model or layer. Received: network="):
        MixupModel(network)


def test_alpha_of_a_model_given_as_a_number():
    with refuses("`alpha` should be a finite number >= 0"):
        MixupModel(NETWORK, -1.0)


# --- Batches: eagerly, in ds.map, in ds.apply, in fit ---------------------------------------------------------------


def eagerly(batch, **kwargs):
    MixupLayer(0.9, **kwargs)(batch)


def in_map(batch, **kwargs):
    tf.data.Dataset.from_tensors(batch).map(MixupLayer(0.9, **kwargs))


def in_apply(batch, **kwargs):
    tf.data.Dataset.from_tensors(batch).apply(mixup(0.9, **kwargs))


def in_fit(batch, **kwargs):
    model = MixupModel(NETWORK, 0.9, **kwargs)
    model.compile(loss="mse")
    model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0)


PLACES = [eagerly, in_map, in_apply] + ([in_fit] if BACKEND == "tensorflow" else [])

INTEGERS = str(LABELS.dtype)
ADVICE_ON_IDS = (
    "If they are quantities, cast them: `keras.ops.cast(x, 'float32')`. If they are ids (words, tokens, categories), "
    "their average means nothing: mix their embeddings instead."
)
MESSAGES = {
    "class ids without num_classes": (
        (X, LABELS),
        {},
        f"Class ids cannot be averaged. Received: `y` of dtype {INTEGERS} and shape (4,). Give `num_classes=...` (or, "
        "for several targets, `num_classes={1: ...}`) to mix them as one-hot rows; or, if they are quantities or "
        "one-hot rows already, cast them to float32.",
    ),
    "class ids without num_classes in a dict": (
        {"image": X, "label": LABELS},
        {},
        f"Class ids cannot be averaged. Received: `label` of dtype {INTEGERS} and shape (4,). Give `num_classes=...`",
    ),
    "one target of several": (
        (X, {"kind": LABELS, "size": features(4, ())}),
        {},
        f"Class ids cannot be averaged. Received: `y['kind']` of dtype {INTEGERS} and shape (4,).",
    ),
    "floats among several targets with one num_classes": (
        (X, {"kind": LABELS, "size": features(4, ())}),
        {"num_classes": 4},
        "One `num_classes` is for targets that are all class ids or rows of so many classes. Received: `y['size']` of "
        "dtype float32 and shape (4,) among 2 targets. Name those that are class ids, as in `num_classes={'label': ",
    ),
    "floats of another width than num_classes": (
        (X, features(4, (3,))),
        {"num_classes": 4},
        "With `num_classes` targets should be class ids of shape `(batch,)` or `(batch, 1)`, or rows of shape `(batch, "
        "num_classes)`, here (batch, 4). Received: `y` of dtype float32 and shape (4, 3).",
    ),
    "ids of several positions": (
        (X, np.ones((4, 2), "int32")),
        {"num_classes": 4},
        "With `num_classes` targets should be class ids of shape `(batch,)` or `(batch, 1)`, or rows of shape `(batch, "
        "num_classes)`, here (batch, 4). Received: `y` of dtype int32 and shape (4, 2). If they are quantities, name "
        "the other targets in `num_classes={...}` and leave this one out; if they are ids of several positions, write "
        "`roles={1: 'masks'}`.",
    ),
    "num_classes of a target that is not there": (
        {"image": X, "kind": LABELS},
        {"num_classes": 4},
        "`num_classes` is for targets, and there are none among `image`, `kind`. Received: num_classes=4. Say which "
        "they are: `roles={'kind': 'targets'}`; or leave it out.",
    ),
    "num_classes of a name that is not there": (
        (X, {"fine": LABELS, "coarse": LABELS}),
        {"num_classes": {"fine": 4, "course": 2}},
        "`num_classes` should name targets of the batch by key, by path or by position. Received: 'course', which fits "
        "none of `y['coarse']`, `y['fine']`.",
    ),
    "a role of a name that is not there": (
        {"image": X, "label": one_hot(4)},
        {"roles": {"labels": "targets"}},
        "`roles` should name tensors of the batch by key, by path or by position. Received: 'labels', which fits none "
        "of `image`, `label`.",
    ),
    "a key that may be a target": (
        {"image": X, "label": one_hot(4), "coarseLabel": LABELS},
        {},
        "By its key `coarseLabel` may have to be mixed, or left alone. Received: dtype "
        f"{INTEGERS} and shape (4,). Say which: `roles={{'coarseLabel': 'targets'}}` (or 'masks', 'boxes'), or 'pass'.",
    ),
    "ids in the place of sample weights": (
        (X, one_hot(4), LABELS),
        {},
        "The third element of a batch should be sample weights, floats. Received: dtype "
        f"{INTEGERS} and shape (4,). Cast them: `keras.ops.cast(sample_weight, 'float32')`; or, if they are ids, "
        "write `roles={2: 'pass'}`.",
    ),
    "a zip of two data sets": (
        ((X, LABELS), (X, LABELS)),
        {},
        "Features should be floats or 8 and 16 bit integers. Received: `x[1]` of dtype "
        f"{INTEGERS} and shape (4,) among others. If it is to reach the network unmixed, write "
        "`roles={(0, 1): 'pass'}`; if this is a label, batches should be `(x, y)`, not tuples of them.",
    ),
    "a zip of two data sets of rows": (
        ((X, one_hot(4)), (X, one_hot(4))),
        {},
        "A batch should be `(x, y)`. Received: two elements of one structure, `x[0]`, `x[1]`, `y[0]`, `y[1]`, as a zip "
        "of two data sets gives them. Each is mixed within itself: take one of them; or, if they are features and "
        "targets, write `roles={0: 'features', 1: 'targets'}`.",
    ),
    "one image": (
        np.ones((28, 30, 3), "uint8"),
        {},
        "Mixing needs batches. Received: `x` of shape (28, 30, 3), which looks like one image. Batch the dataset "
        "first: `dataset.batch(128)`; or, if these are rows, write `roles={0: 'features'}`.",
    ),
    "both pairs and num_classes": (
        (X, LABELS),
        {"num_classes": 4, "pairs": True},
        "`pairs=True` keeps class ids, `num_classes` makes rows of them: give one of the two. Received: pairs=True, "
        "num_classes=4.",
    ),
    "class ids that are said to be multi-hot": (
        (X, LABELS),
        {"roles": {1: "multi_hot"}},
        "Multi-hot targets should be rows with a place for each label. Received: `y` of dtype "
        f"{INTEGERS} and shape (4,). If these are class ids, leave the role out and give `num_classes=...`.",
    ),
    "a mask of two meanings": (
        {"image": features(4, (4, 5, 3)), "label": one_hot(4), "mask": np.ones((4, 4, 5), bool)},
        {},
        "This mask may be of two kinds. Received: `mask` of dtype bool and shape (4, 4, 5). If it says which positions "
        "count, cast it to bool or name it `padding_mask`; if it holds class ids, name it `segmentation_mask`, or "
        "write `roles={'mask': 'masks'}`.",
    ),
    "integer features": (
        (np.ones((4, 2), "int32"), one_hot(4)),
        {},
        "These features cannot be mixed. Received: `x` of dtype int32 and shape (4, 2). " + ADVICE_ON_IDS,
    ),
    "integer features in a dict": (
        {"image": X, "features": np.ones((4, 2), "int32")},
        {},
        "These features cannot be mixed. Received: `features` of dtype int32 and shape (4, 2). " + ADVICE_ON_IDS,
    ),
    "boolean features": (
        (np.ones((4, 2), bool), one_hot(4)),
        {},
        "These features cannot be mixed. Received: `x` of dtype bool and shape (4, 2). " + ADVICE_ON_IDS,
    ),
    "class ids as a mask": (
        {"image": X, "segmentation_masks": np.ones((4, 2, 2), "uint8")},
        {},
        "Class ids cannot be averaged. Received: `segmentation_masks` of dtype uint8 and shape (4, 2, 2). Give "
        "`num_classes={'segmentation_masks': ...}` to mix them as one-hot maps; or use a method that only cuts, like "
        "`CutMix`, which leaves them class ids; or, if they are quantities, cast them to float32.",
    ),
    "a scalar label": (
        ({"x": X}, np.float32(1)),
        {},
        "Mixing needs batches. Received: `y`, a scalar. Batch the dataset first: `dataset.batch(128)`.",
    ),
    "rows that do not match": (
        (X, features(3, (2,))),
        {},
        "All tensors of a batch should have the same number of rows. Received: {'x': 4, 'y': 3}. If the dataset is not "
        "batched yet, batch it first: `dataset.batch(128)`.",
    ),
    "nothing to mix in a dict": (
        {"scan": X, "label": one_hot(4)},
        {},
        "Nothing to mix: there should be features, given as `x`, `(x, y)`, `(x, y, sample_weight)` or under one of the "
        "keys ['audio', 'feature', 'features', 'image', 'images', 'input', 'inputs', 'series', 'signal', 'signals', "
        "'sound', 'sounds', 'spectrogram', 'spectrograms', 'video', 'videos', 'waveform', 'waveforms', 'x']. Received: "
        "`label` of dtype float32 and shape (4, 4), `scan` of dtype float32 and shape (4, 4, 3). Or say which "
        "they are, as in `roles={'scan': 'features'}`.",
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reason", MESSAGES)
def test_a_batch_that_cannot_be_mixed(place, reason):
    batch, arguments, message = MESSAGES[reason]
    with pytest.raises(ValueError, match=flexible(message)):
        place(batch, **arguments)


def flexible(message):
    """A pattern for a message: JAX shortens int64, and Keras prints quotation marks its own way."""
    return re.escape(message).replace("'", "['\"]").replace("int64", "int(32|64)")


STRINGS = np.array(["a", "b", "c", "d"])


@pytest.mark.parametrize("place", [in_map, in_apply])
def test_strings_as_features(place):
    message = "These features cannot be mixed. Received: `x` of dtype string and shape (4,). Make them dense numeric"
    with refuses(message):
        place((STRINGS, one_hot(4)))


@pytest.mark.parametrize("place", [in_map, in_apply])
def test_strings_as_targets(place):
    message = "These targets cannot be mixed. Received: `y` of dtype string and shape (4,). Make them dense numeric"
    with refuses(message):
        place((X, STRINGS))


@pytest.mark.parametrize("place", [in_map, in_apply])
@pytest.mark.parametrize("position", ["features", "targets"])
def test_ragged_tensors(place, position):
    ragged = tf.ragged.constant([[1.0], [], [2.0, 3.0], [4.0]])
    name, batch = ("x", (ragged, one_hot(4))) if position == "features" else ("y", (X, ragged))
    with refuses(f"These {position} cannot be mixed. Received: `{name}` of dtype float32. Make them dense numeric"):
        place(batch)


@pytest.mark.parametrize("place", [in_map, in_apply])
@pytest.mark.parametrize("pairing", ["same_class", "other_class"])
@pytest.mark.parametrize("targets", ["none", "several", "maps"])
def test_pairing_by_class(place, pairing, targets):
    batch, received = {
        "none": (X, "no targets, or several."),
        "several": ((X, (one_hot(4), one_hot(4))), "no targets, or several."),
        "maps": ((X, X), "targets of shape (4, 4, 3)."),
    }[targets]
    message = "Mixing by class needs class labels: integers of shape `(batch,)` or rows of shape `(batch, classes)`. "
    with refuses(f"{message}Received: {received}"):
        place(batch, pairing=pairing)


@pytest.mark.parametrize("place", [in_map, in_apply])
def test_a_tuple_of_four(place):
    """`Dataset.map` spreads a tuple over the layer's arguments, so there Python itself says that it is one too many."""
    expected = TypeError if place is in_map else ValueError
    message = {TypeError: "positional argument", ValueError: "Received: a tuple of 4 elements."}[expected]
    with pytest.raises(expected, match=message):
        place((X, one_hot(4), features(4, ()), X))


def test_a_tuple_of_four_given_to_the_layer():
    message = "A batch should be `x`, `(x, y)`, `(x, y, sample_weight)` or a dict. Received: a tuple of 4 elements."
    with refuses(message):
        MixupLayer(0.9)((X, one_hot(4), features(4, ()), X))


@pytest.mark.parametrize("batch", [(), {}, (None, one_hot(4)), None], ids=["()", "{}", "(None, y)", "None"])
def test_an_empty_batch_of_nothing(batch):
    with refuses("Nothing to mix: there should be features"):
        mix_batch(batch, Mixup(0.9), 1)


def test_a_tensor_of_unknown_rank():
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(X, one_hot(4))]), output_signature=(tf.TensorSpec(None), tf.TensorSpec((None, 4)))
    )
    for transform in (lambda: dataset.map(MixupLayer(0.9)), lambda: dataset.apply(mixup(0.9))):
        with refuses("The rank of `x` should be known. Set its shape: `x.set_shape(...)`."):
            transform()


def test_a_label_out_of_range():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"whole numbers in \[0, num_classes\) = \[0, 3\)"):
        mix_batch((tf.constant(X), tf.constant(LABELS)), Mixup(0.9), tf.constant([1, 2]), num_classes=3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"whole numbers in \[0, num_classes\) = \[0, 9\)"):
        mix_batch((tf.constant(X), tf.constant(LABELS - 1)), Mixup(0.9), tf.constant([1, 2]), num_classes=9)


def test_cures_in_the_messages_work():
    """What a message tells the user to write is right."""
    MixupLayer(0.9, num_classes=4)(X, LABELS)
    MixupLayer(0.9)(X, keras.ops.cast(LABELS, "float32"))
    MixupLayer(0.9)(keras.ops.cast(np.ones((4, 2), "int32"), "float32"), one_hot(4))
    mask = keras.ops.one_hot(np.ones((4, 2, 2), "uint8"), 3)
    MixupLayer(0.9)({"image": X, "segmentation_mask": mask})
    tf.data.Dataset.from_tensor_slices((X, LABELS)).batch(128).apply(mixup(0.9, num_classes=4))
