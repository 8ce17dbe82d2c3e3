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
from reference import HEIGHT, SIZE, WIDTH, averaged, cut, images, mix_rows
from reference import read as read_images

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
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"whole numbers in \[0, num_classes\) = \[0, 4\)"):
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
def some_images(draw):
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


@given(some_images())
@steadily(60)
def test_methods_through_the_function(drawn):
    run_method("function", *drawn)


@given(some_images())
@steadily(8)
def test_methods_in_pipelines(drawn):
    run_method("transformation", *drawn)


# --- Scenes: several inputs and heads, maps, boxes, words, in nests of all kinds ---

SCENE_METHODS = (
    Mixup(0.9, pairing="derangement"),
    Mixup(0.9, per="batch", pairing="roll", probability=0.5),
    DMixup(partners=2),
    CutMix(pairing="derangement"),
    CutMix(inside=True, probability=0.5),
    FMix(pairing="roll"),
    Choice((Mixup(0.8), CutMix(1.0)), per="example", probability=0.8),
)
CLASSES = 3


def maps(kind):
    """A target of the images' height and width."""
    random = np.random.default_rng(8)
    ids = random.integers(0, CLASSES, (SIZE, HEIGHT, WIDTH))
    return {
        "ids": ids.astype("int32"),
        "bytes": (ids * 90)[..., None].astype("uint8"),
        "depth": random.normal(size=(SIZE, HEIGHT, WIDTH)).astype("float32"),
        "rows": np.eye(CLASSES, dtype="float64")[ids],
        "inside": ids > 0,
    }[kind]


def boxes():
    """Boxes as Keras pads them: no box but zeros, no label but -1."""
    coordinates = np.tile(np.array([[[1, 0, 4, 3], [0, 1, 6, 2], [0, 0, 0, 0]]], "float32"), (SIZE, 1, 1))
    coordinates[2, 1] = 0
    labels = np.where(coordinates.any(-1), 7 + np.arange(SIZE)[:, None], -1)
    return {"boxes": coordinates, "labels": labels.astype("int32")}


@dataclasses.dataclass(frozen=True)
class Head:
    """A target, what it becomes by what was drawn (None: it is refused), and how many classes it is said to have."""

    array: Any
    becomes: Any = None
    classes: int | None = None
    role: str | None = None


def heads(method):
    """All kinds of targets under a method."""
    cuts, averages = method.cuts, method.averages
    follow = cut if cuts else lambda y, shares, kept: averaged(y, shares)
    by_share = lambda y: lambda shares, kept: averaged(y, shares)  # noqa: E731
    along = lambda y: lambda shares, kept: follow(y, shares, kept)  # noqa: E731
    random = np.random.default_rng(9)
    ids, block = np.array([2, 0, 1, 0, 2]), random.normal(size=(SIZE, 7, 2)).astype("float32")
    several = {kind: maps(kind) for kind in ("ids", "bytes", "depth", "rows", "inside")}
    found = {
        "ids": Head(ids, by_share(np.eye(CLASSES)[ids]), CLASSES),
        "float ids": Head(ids[:, None].astype("float32"), by_share(np.eye(CLASSES)[ids]), CLASSES),
        "age": Head(random.normal(size=SIZE).astype("float32"), by_share(random.normal(size=0))),
        "tags": Head(random.random((SIZE, 4)) < 0.4),
        "map of ids as rows": Head(several["ids"], along(np.eye(CLASSES)[several["ids"]]), CLASSES),
        "told block": Head(block, by_share(block), role="targets"),
        "ids without classes": Head(ids),
        "words": Head(np.array(list("abcde"))),
        "several positions": Head(random.integers(0, CLASSES, (SIZE, 7)), None, CLASSES),
    }
    for name in ("age", "tags"):
        found[name] = dataclasses.replace(found[name], becomes=by_share(found[name].array))
    for kind, array in several.items():
        refused = averages and kind in ("ids", "bytes")
        found[f"map of {kind}"] = Head(array, None if refused else along(array))
    found["block"] = Head(block, None if cuts else by_share(block))
    return found


def inputs(draw, method):
    """One image, or several, with what cannot be mixed beside them; and whether that is refused."""
    one = lambda values: draw(st.sampled_from(values))  # noqa: E731
    words = tf.ragged.constant([[1, 2], [], [3], [4, 5, 6], [7]])
    extras = {"name": np.array(list("vwxyz")), "number": np.arange(SIZE) + 2**40, "words": words}
    kind = one(("image", "named", "nested", "with more", "two sizes"))
    if kind == "image":
        return images(), lambda x: x, False
    if kind == "named":
        return {"photo": images()}, lambda x: x["photo"], False
    if kind == "nested":
        return {"views": {"left": images(), "right": images() * 2}}, lambda x: x["views"]["left"], False
    if kind == "with more":
        return {"photo": images(), **extras}, lambda x: x["photo"], False
    small = {"photo": images(), "small": images()[:, ::2, ::2]}
    return small, lambda x: x["photo"], method.cuts


@st.composite
def scenes(draw):
    """A batch, a method, what every target becomes, and whether all of it is refused."""
    one = lambda values: draw(st.sampled_from(values))  # noqa: E731
    method = one(SCENE_METHODS)
    x, image_of, refused = inputs(draw, method)
    kinds = heads(method)
    good = [name for name, head in kinds.items() if head.becomes is not None]
    names = draw(st.lists(st.sampled_from(good), min_size=1, max_size=3, unique=True))
    if one((False, False, False, True)):
        names.append(one(sorted(set(kinds) - set(good))))
    chosen = {f"head {i}": kinds[name] for i, name in enumerate(names)}
    with_boxes = one((False, False, True))
    refused = refused or any(head.becomes is None for head in chosen.values())
    refused = refused or (with_boxes and isinstance(method, DMixup | FMix))
    y = {name: head.array for name, head in chosen.items()}
    if with_boxes:
        y["found"] = boxes()
    options = {
        "num_classes": {name: head.classes for name, head in chosen.items() if head.classes} or None,
        "roles": {name: head.role for name, head in chosen.items() if head.role} or None,
        "box_format": "xyxy" if with_boxes else None,
        "seed": one((1, 2, 3)),
    }
    batch = [x, y] if one((True, False)) else (x, y, np.array([1, 0, 2, 3, 5], "float32"))
    return method, batch, options, image_of, chosen, refused


def run_scene(door, method, batch, options, image_of, chosen, refused):
    if door not in ("function", "layer"):
        batch = tuple(batch)  # a list is one tensor to `tf.data`
    if refused:
        with pytest.raises((ValueError, TypeError), match="Received"):
            METHOD_DOORS[door](batch, method, **options)
        return
    mixed = METHOD_DOORS[door](batch, method, **options)
    shares, kept = read_images(image_of(mixed[0]))
    for name, head in chosen.items():
        expected = head.becomes(shares, kept)
        assert mixed[1][name].shape == expected.shape
        np.testing.assert_allclose(np.asarray(mixed[1][name], "float64"), expected, atol=2e-5, err_msg=name)
    if len(batch) == 3:
        np.testing.assert_allclose(mixed[2], averaged(batch[2], shares), atol=1e-5)
    if isinstance(batch[0], dict) and "name" in batch[0]:
        assert_same_bits(mixed[0]["name"], batch[0]["name"])
        assert_same_bits(mixed[0]["number"], batch[0]["number"])
        assert mixed[0]["words"].to_list() == batch[0]["words"].to_list()
    if "found" in mixed[1]:
        both, labels = mixed[1]["found"]["boxes"], mixed[1]["found"]["labels"]
        assert both.shape == (SIZE, 6, 4)
        np.testing.assert_array_equal(both.any(-1), labels != -1)
        assert ((both >= 0) & (both <= WIDTH)).all() and (both[..., [1, 3]] <= HEIGHT).all()
        for i in range(SIZE):
            partner = next((j for j in range(SIZE) if j != i and shares[i, j] > 0), None)
            assert set(labels[i, 3:]) <= {-1, *([] if partner is None else [7 + partner])}
            assert set(labels[i, :3]) <= {-1, 7 + i}
            if kept[i] is None or partner is None:
                original = batch[1]["found"]["labels"]
                np.testing.assert_array_equal(labels[i, :3], original[i])
                if partner is not None:
                    np.testing.assert_array_equal(labels[i, 3:], original[partner])


@given(scenes())
@steadily(80)
def test_scenes_through_the_function(scene):
    run_scene("function", *scene)


@pytest.mark.parametrize("door", ["layer", *PIPELINES, "model"])
@given(scenes())
@steadily(12)
def test_scenes_through_the_other_doors(door, scene):
    run_scene(door, *scene)


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
    @given(some_images())
    @settings(steadily(examples), derandomize=False)
    def fuzz(drawn):
        run_method(door, *drawn)

    fuzz()


@pytest.mark.slow
@pytest.mark.parametrize(
    "door, examples", [("function", 2000), ("layer", 1000), *((door, 300) for door in PIPELINES), ("model", 200)]
)
def test_ten_times_as_many_scenes(door, examples):
    @given(scenes())
    @settings(steadily(examples), derandomize=False)
    def fuzz(scene):
        run_scene(door, *scene)

    fuzz()
