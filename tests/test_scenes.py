"""Scenes, at every door: several inputs and heads, maps, boxes and words, in nests of all kinds.

Hypothesis puts batches together from parts whose fate is known from the documentation. Every batch has images that show
what was drawn; by that NumPy accounts for all that comes out, or the refusal says what was received.
"""

import dataclasses
from typing import Any

import numpy as np
import pytest
from contract import BACKEND, METHOD_DOORS, assert_same_bits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import HEIGHT, SIZE, WIDTH, averaged, cut, images, read

from keras_mixup import Choice, CutMix, DMixup, FMix, Mixup

tf = pytest.importorskip("tensorflow")

PIPELINES = ("layer in map", "transformation")


def steadily(examples):
    """The same examples in every run, at whatever speed."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


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
    words = any(head.array.dtype.kind == "U" for head in chosen.values()) or "name" in batch[0]
    if BACKEND != "tensorflow" and door == "model" and words:
        return  # Keras' own loop fails there before the model is asked
    if door not in ("function", "layer"):
        batch = tuple(batch)  # a list is one tensor to `tf.data`
    if refused:
        with pytest.raises((ValueError, TypeError), match="Received"):
            METHOD_DOORS[door](batch, method, **options)
        return
    mixed = METHOD_DOORS[door](batch, method, **options)
    shares, kept = read(image_of(mixed[0]))
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
