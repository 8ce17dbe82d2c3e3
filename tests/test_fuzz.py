"""Batches of any make, at every door: either NumPy accounts for every number that comes out, or the refusal says why.

Hypothesis puts batches together from parts whose fate is known from the documentation: mixed, passed through, refused.
A batch is refused if and only if one of its parts is. In each batch one leaf is an identity matrix, from which weight
and partner are read back.
"""

import dataclasses
import math
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
from contract import BACKEND, DOORS, METHOD_DOORS, TOLERANCE, assert_same_bits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import mix_rows

from keras_mixup import Choice, CutMix, DMixup, FMix, Mixup, RegMixup, Remix, ResizeMix

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(BACKEND != "tensorflow", reason="the other backends do not have all dtypes")

FLOATS = ("float16", "bfloat16", "float32", "float64")
PIXELS = ("uint8", "int8", "uint16", "int16")
INTEGERS = ("int32", "uint32", "int64", "uint64")
DTYPES = (*FLOATS, *PIXELS, *INTEGERS, "bool", "str")
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16", "float64")
SIZES = (4, 7, 12, 3, 2, 1, 0)
TAILS = ((), (3,), (1,), (2, 3), (3, 1), (2, 2, 3), (1, 2, 3, 2), (0,), (32, 17))
SPARE = 2  # more classes than examples, at least
MIXED, TARGET, WEIGHT, PASSES, REFUSED = "mixed", "target", "sample weight", "passes", "refused"
ALWAYS_MOVES = ("derangement", "roll", "other_class")


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A tensor, what becomes of it, the rows that are mixed if it changes its form, and whether they tell the draw."""

    array: Any
    fate: str
    rows: Any = None
    tells: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """A batch, as a tree of `Leaf`, and how it is to be mixed."""

    tree: Any
    size: int
    arguments: dict
    policy: str = "float32"

    @property
    def leaves(self):
        return keras.tree.flatten(self.tree)

    @property
    def batch(self):
        return keras.tree.map_structure(lambda leaf: leaf.array, self.tree)

    @property
    def mixes(self):
        return self.arguments["alpha"] > 0 and self.arguments.get("probability", 1) > 0

    @property
    def refused(self):
        by_class = self.mixes and self.arguments.get("pairing") in ("same_class", "other_class")
        targets = sum(leaf.fate == TARGET for leaf in self.leaves)
        lost = self.arguments["num_classes"] is not None and targets == 0
        return any(leaf.fate == REFUSED for leaf in self.leaves) or (by_class and targets != 1) or lost


def numbers(dtype, size, tail, seed=1):
    """An array without symmetry, over the whole range of integers."""
    random = np.random.default_rng(seed)
    if dtype == "str":
        return random.integers(0, 99, (size, *tail)).astype("U2")
    if dtype == "bool":
        return random.random((size, *tail)) < 0.4
    if "float" in dtype:
        return random.normal(1.0, 3.0, (size, *tail)).astype(getattr(ml_dtypes, dtype, dtype))
    limits = np.iinfo(dtype)
    array = random.integers(limits.min, limits.max, (size, *tail), dtype=dtype, endpoint=True)
    array.flat[: array.size // 2 : 3] = limits.max  # white pixels are no rarity
    return array


def identity(size, dtype="float32", tail=()):
    """Rows that tell who they are."""
    rows = np.eye(size).astype(getattr(ml_dtypes, dtype, dtype))
    return rows.reshape(rows.shape + (1,) * len(tail))


def feature(dtype, size, tail, among_others=False):
    """A feature: what cannot be mixed passes only among others."""
    fate = MIXED if dtype in FLOATS + PIXELS else PASSES if among_others else REFUSED
    return Leaf(numbers(dtype, size, tail), fate)


def ids(dtype, size, classes, given, column):
    """Class ids, each example of a class of its own."""
    array = np.arange(size).astype(dtype)
    return Leaf(array[:, None] if column else array, TARGET if given else REFUSED, np.eye(classes)[:size])


def rows(dtype, size, classes, given, column):
    """One-hot rows of floats, integers or truth values."""
    array = np.eye(classes)[:size].astype(getattr(ml_dtypes, dtype, dtype))
    return Leaf(array, TARGET if given or dtype in FLOATS + ("bool",) else REFUSED, array)


def regression(dtype, size, classes, given, column):
    """Numbers to predict; they cannot be among targets that one `num_classes` speaks of."""
    array = numbers(dtype, size, (1,) if column else (), seed=2)
    return Leaf(array, REFUSED if given else TARGET, array)


def words(dtype, size, classes, given, column):
    """Targets of strings."""
    return Leaf(numbers("str", size, ()), REFUSED)


def sample_weight(dtype, size, by_key):
    """Weights of the examples; integers in their position may be ids."""
    array = numbers(dtype, size, (), seed=4)
    refused = dtype == "str" or (not by_key and dtype in PIXELS + INTEGERS)
    return Leaf(array, REFUSED if refused else WEIGHT)


@st.composite
def targets(draw, size, classes, given):
    """The leaf that tells weights and partners, and perhaps others beside it."""
    column, is_ids = draw(st.booleans()), draw(st.booleans())
    if is_ids:
        first = ids(draw(st.sampled_from(PIXELS + INTEGERS)), size, classes, given, column)
    else:
        first = rows(draw(st.sampled_from((*FLOATS, "bool", "int32"))), size, classes, given, column)
    first = dataclasses.replace(first, tells=True)
    kinds = draw(st.lists(st.sampled_from((ids, rows, regression, regression, words)), max_size=2))
    if not kinds:
        return first
    others = [kind(draw(st.sampled_from(FLOATS)), size, classes, given, column) for kind in kinds if kind is not ids]
    others += [ids(draw(st.sampled_from(INTEGERS)), size, classes, given, column) for kind in kinds if kind is ids]
    return {"an id": first, **{f"other {i}": leaf for i, leaf in enumerate(others)}}


@st.composite
def cases(draw):
    """Batches of all structures, and arguments of `Mixup`."""
    one = lambda values: draw(st.sampled_from(values))  # noqa: E731
    size = one(SIZES)
    classes = size + SPARE
    given = draw(st.booleans())
    structure = one(("x", "(x,)", "(x, y)", "(x, y, w)", "dict"))
    quantity = one(FLOATS + PIXELS)
    usual = draw(st.booleans()) or draw(st.booleans())  # three times in four: or nearly all were refused
    some = (quantity,) if usual else DTYPES
    if structure in ("x", "(x,)"):
        x = Leaf(identity(size, quantity, one(TAILS[:6])), MIXED, tells=True)
        tree = x if structure == "x" else (x,)
    else:
        y = draw(targets(size, classes, given))
        extras = {f"extra {i}": numbers(one(DTYPES), size, one(TAILS)) for i in range(one((0, 1, 2)))}
        x = feature(one(some), size, one(TAILS))
        weight = sample_weight(one(("float32", "float32", "int32", *some)), size, by_key=structure == "dict")
        if structure == "dict":
            known = {one(("image", "audio", "features", "x")): x, one(("label", "targets", "y")): y}
            known |= {"sample_weight": weight} if draw(st.booleans()) else {}
            tree = {**known, **{key: Leaf(array, PASSES) for key, array in extras.items()}}
        else:
            if extras:
                x = dataclasses.replace(x, fate=PASSES if x.fate == REFUSED else MIXED)
                others = {key: feature(one(DTYPES), size, one(TAILS), among_others=True) for key in extras}
                x, by_key = ({"first": x, **others}, True) if draw(st.booleans()) else ((x, *others.values()), False)
                passing = [leaf.fate == PASSES for leaf in keras.tree.flatten(x)]
                if all(passing) or (any(passing) and not by_key):  # what has no key could be anything
                    x = keras.tree.map_structure(lambda leaf: dataclasses.replace(leaf, fate=REFUSED), x)
            tree = (x, y, weight) if structure == "(x, y, w)" else (x, y)
    arguments = {
        "alpha": one((1.0, 5.0, 1000.0, 0.2, 1e-3, 0)),
        "per": one(("example", "batch")),
        "pairing": one(("shuffle", "derangement", "derangement", "reverse", "roll", "same_class", "other_class")),
        "probability": one((1.0, 1.0, 1.0, 1.0, 0.3, 0)),
        "num_classes": classes if given else None,
        "seed": one((0, 1, 7, 2**31 + 5, 2**40)),
    }
    return Case(tree, size, arguments, one(POLICIES))


def read(leaf):
    """Weight and partner from what became of an identity matrix."""
    mixed = np.asarray(leaf, "float64")
    mixed = mixed.reshape(len(mixed), math.prod(mixed.shape[1:]))[:, : len(mixed)]
    tolerance = TOLERANCE[leaf.dtype.name]
    np.testing.assert_allclose(mixed.sum(1), 1.0, atol=tolerance)
    assert np.all((mixed >= 0) & (mixed <= 1))
    weight, partner = np.diag(mixed).copy(), np.arange(len(mixed))
    for row, others in enumerate(mixed - np.diag(weight)):
        assert np.count_nonzero(others) <= 1
        if others.any():
            partner[row] = np.argmax(others)
        else:
            weight[row] = 1.0
    return weight, partner


def assert_draw(case, weight, partner):
    """The weights and partners are such as were asked for."""
    own = np.arange(case.size)
    moved = partner != own
    if not case.mixes:
        assert not moved.any()
    if case.arguments["per"] == "batch" and moved.any():
        np.testing.assert_allclose(weight[moved], weight[moved][0], atol=TOLERANCE["bfloat16"])
    if case.size < 4 or case.arguments["alpha"] < 1 or case.arguments["probability"] != 1:
        return
    if case.arguments["pairing"] in ALWAYS_MOVES:
        assert moved.all(), "an example was left unmixed"
        assert np.min(weight) < 0.999
    if case.arguments["pairing"] == "reverse":
        np.testing.assert_array_equal(partner, own[::-1])


def dtype_of(leaf, integers):
    """The dtype in which a leaf leaves."""
    if leaf.fate in (TARGET, WEIGHT):
        return "float32"
    name = np.asarray(leaf.array).dtype.name
    if (name, integers) == ("uint16", "float16"):
        return "float32"  # it does not fit in
    return name if name in FLOATS else integers


def assert_numbers(mixed, original, weight, partner, dtype):
    expected = mix_rows(original, weight, partner)
    assert (mixed.dtype.name, mixed.shape) == (dtype, expected.shape)
    # What was read of the weights is as exact as float32.
    tolerance = max(TOLERANCE[dtype], 1e-6) * np.max(np.abs(np.asarray(original, "float64")), initial=1e-30)
    np.testing.assert_allclose(np.asarray(mixed, "float64"), expected, rtol=0, atol=tolerance)


def assert_holds(case, mixed, integers):
    """Everything that came out of a door, against everything that went in."""
    leaves, found = case.leaves, keras.tree.flatten(mixed)
    assert len(leaves) == len(found)
    (tells,) = (i for i, leaf in enumerate(leaves) if leaf.tells)
    weight, partner = read(found[tells])
    assert_draw(case, weight, partner)
    for leaf, mixed in zip(leaves, found, strict=True):
        if leaf.fate == PASSES:
            assert_same_bits(mixed, leaf.array)
            continue
        original, dtype = leaf.array if leaf.rows is None else leaf.rows, dtype_of(leaf, integers)
        assert_numbers(mixed, original, weight, partner, dtype)
        if not case.mixes and leaf.rows is None and np.asarray(leaf.array).dtype.name == dtype:
            assert_same_bits(mixed, leaf.array)


def run(door, case):
    """A batch through a door: what was promised, or a refusal that tells what was received; the caller's data stay."""
    keras.config.set_dtype_policy(case.policy)
    batch = case.batch
    copies = [np.copy(leaf) for leaf in keras.tree.flatten(batch)]
    with_policy = "layer" in door or door == "model"
    integers = keras.config.dtype_policy().compute_dtype if with_policy else "float32"
    try:
        if case.refused:
            with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError), match="Received"):
                DOORS[door](batch, **case.arguments)
        else:
            assert_holds(case, DOORS[door](batch, **case.arguments), integers)
    finally:
        keras.config.set_dtype_policy("float32")
    for leaf, copy in zip(keras.tree.flatten(batch), copies, strict=True):
        assert_same_bits(leaf, copy)


PIPELINES = ("layer in map", "transformation")


def steadily(examples):
    """The same examples in every run, at whatever speed."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


@given(cases())
@steadily(150)
def test_the_function(case):
    run("function", case)


@given(cases())
@steadily(80)
def test_the_layer(case):
    run("layer", case)


@pytest.mark.parametrize("door", PIPELINES)
@given(cases())
@steadily(20)
def test_pipelines(door, case):
    run(door, case)


@given(cases())
@steadily(15)
def test_the_model(case):
    run("model", case)


# --- What was found -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_sample_weights_that_are_words_are_refused_in_words(door):
    batch = (numbers("float32", 4, (3,)), identity(4), numbers("str", 4, ()))
    if door == "layer under XLA":
        pytest.skip("there are no strings")
    with pytest.raises(ValueError, match="These sample weights cannot be mixed. Received: `sample_weight` of"):
        DOORS[door](batch, alpha=1.0)


@pytest.mark.parametrize("wrong", [-1, 4, 2**32, 2**63])
@pytest.mark.parametrize("door", DOORS)
def test_class_ids_out_of_range_are_refused(door, wrong):
    """2**32 and its like became class 0."""
    if door == "layer under XLA":
        pytest.skip("XLA has no assertions")
    labels = np.array([0, 1, 2, wrong], "int64" if wrong < 2**63 else "uint64")
    with pytest.raises(
        (ValueError, tf.errors.InvalidArgumentError), match=r"whole numbers in \[0, num_classes\) = \[0, 4\)"
    ):
        DOORS[door]((numbers("float32", 4, (3,)), labels), alpha=1.0, num_classes=4)


def test_the_largest_uint16_is_not_infinite_in_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    x, _ = DOORS["layer"]((np.full((4, 2), 65535, "uint16"), identity(4)), alpha=1.0)
    assert x.dtype == "float32" and np.allclose(x, 65535.0)


# --- Methods that cut, and that mix several -------------------------------------------------------------------------

METHODS = (
    CutMix(1.0, pairing="derangement"),
    CutMix(minmax=(0.2, 0.9), per="batch"),
    FMix(1.0, pairing="roll", probability=0.6),
    ResizeMix(pairing="derangement"),
    DMixup(partners=3),
    DMixup(partners=1, alpha=0.2, per="batch"),
    RegMixup(alpha=5.0, pairing="derangement"),
    Remix(class_counts=(100.0, 1.0) * 20, tau=0.9),
    Choice((Mixup(0.8), CutMix(1.0)), per="example"),
    Choice((Mixup(0.8), CutMix(1.0), FMix(1.0)), probabilities=(0.2, 0.3, 0.5)),
)
IMAGES = ((2, 5, 3), (6, 4, 1), (1, 1, 2), (1, 7, 3), (5, 6), (3, 4, 5, 2), (9, 8, 3), (28, 28, 1))


@st.composite
def images(draw):
    """A method, images or something else, and how many."""
    one = lambda values: draw(st.sampled_from(values))  # noqa: E731
    method, size, shape = one(METHODS), one(SIZES), one(IMAGES + TAILS[:4])
    return method, numbers(one(FLOATS + PIXELS), size, shape), one((3, 2**31 + 5)), one(POLICIES)


def explains(row, own, others, weights, pastes):
    """Whether a mixed image is the sum of the images with those weights, or own and other pixels in that proportion."""
    everything = np.concatenate([own[None], others])
    scale = np.max(np.abs(everything), initial=1e-30)
    if np.allclose(row, np.tensordot(weights, everything, 1), rtol=0, atol=TOLERANCE["float32"] * scale):
        return True
    if len(others) != 1 or row.ndim < 2:
        return False
    # Pixels are numbered by height and width; all else that is there at one pixel goes with it.
    axes = tuple(
        axis for axis in range(row.ndim) if axis not in ((0, 1) if row.ndim == 2 else (row.ndim - 3, row.ndim - 2))
    )
    ours, theirs = ((row == image).all(axis=axes) for image in everything)
    kept = weights[0] * ours.size
    if pastes:  # a smaller copy of the whole other image: its pixels are new
        low, high = others.min(), others.max()
        return np.sum(ours) >= kept - 1e-3 and ((low <= row) & (row <= high) | (row == own)).all()
    return bool((ours | theirs).all()) and np.sum(ours & ~theirs) - 1e-3 <= kept <= np.sum(ours) + 1e-3


def run_method(door, method, x, seed, policy):
    """Images with an identity matrix as targets, through a door by any method."""
    keras.config.set_dtype_policy(policy if x.dtype.itemsize == 1 or x.dtype.name in FLOATS else "float32")
    size, given = len(x), x.copy()
    needs_images = method.cuts and x.ndim < 4  # of three axes the last may be that of channels
    try:
        if needs_images:
            with pytest.raises(ValueError, match="Received"):
                METHOD_DOORS[door]((x, np.eye(size, dtype="float32")), method, seed=seed)
            return
        mixed, rows = METHOD_DOORS[door]((x, np.eye(size, size + 1, dtype="float32")), method, seed=seed)
    finally:
        keras.config.set_dtype_policy("float32")
        assert_same_bits(x, given)
    assert mixed.shape[1:] == x.shape[1:] and len(mixed) == len(rows) and rows.dtype == "float32"
    assert mixed.dtype == x.dtype if x.dtype.name in FLOATS else mixed.dtype.name in FLOATS
    np.testing.assert_allclose(rows.sum(1), 1.0, atol=1e-5)
    if isinstance(method, Remix) or mixed.dtype.name in ("float16", "bfloat16"):
        return  # its targets do not tell the weights; too coarse to tell
    x, mixed = np.asarray(x, "float64"), np.asarray(mixed, "float64")
    for i, (row, target) in enumerate(zip(mixed, rows.astype("float64"), strict=True)):
        own = i % size
        partners = [j for j in np.flatnonzero(target) if j != own]
        if isinstance(method, ResizeMix) and not partners:
            continue  # its own image made small may have been pasted into it
        weights = np.array([target[own], *target[partners]])
        assert explains(row, x[own], x[partners], weights, isinstance(method, ResizeMix)), (i, target)
    if getattr(method, "pairing", "") == "derangement" and size >= 7 and x[0].size >= 40:
        assert np.any(rows[-size:, :size] != np.eye(size)), "the batch was left unmixed"


@given(images())
@steadily(60)
def test_methods_through_the_function(drawn):
    run_method("function", *drawn)


@given(images())
@steadily(8)
def test_methods_in_pipelines(drawn):
    run_method("transformation", *drawn)


# --- Ten times as many, new ones in every run -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "door, examples", [("function", 2000), ("layer", 1000), *((door, 300) for door in PIPELINES), ("model", 200)]
)
def test_ten_times_as_many_batches(door, examples):
    @given(cases())
    @settings(steadily(examples), derandomize=False)
    def fuzz(case):
        run(door, case)

    fuzz()


@pytest.mark.slow
@pytest.mark.parametrize("door, examples", [("function", 1000), ("layer", 500), *((door, 250) for door in PIPELINES)])
def test_ten_times_as_many_images(door, examples):
    @given(images())
    @settings(steadily(examples), derandomize=False)
    def fuzz(drawn):
        run_method(door, *drawn)

    fuzz()
