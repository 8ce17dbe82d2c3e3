"""Bounding boxes against an oracle in loops: for each row which boxes it carries, and where.

Every image has one number in all its pixels, so what came out says where the partner was pasted. What is left of a box
is counted in pixels.
"""

import dataclasses
import re

import keras
import numpy as np
import pytest
from contract import (
    BACKEND,
    METHOD_DOORS,
    SEED,
    FixedWeights,
    assert_mixed,
    assert_same_bits,
    features,
    method_through_function,
    read_draw,
    to_numpy,
)

from keras_mixup import Adjustable, Choice, CutMix, DMixup, Draw, FMix, MixLayer, Mixup, RegMixup, ResizeMix
from keras_mixup import ops as tables
from keras_mixup.boxes import FORMATS
from keras_mixup.methods import Method

SIZE, HEIGHT, WIDTH, BOXES = 7, 12, 20, 3
PARTNER = np.roll(np.arange(SIZE), 1)
MIN_AREA = 0.37
DEIT = Choice((Mixup(0.8), CutMix(1.0, probability=0.7)), per="example", pairing="roll")
METHODS = {
    "Mixup": Mixup(0.8, pairing="roll"),
    "CutMix": CutMix(pairing="roll"),
    "CutMix per batch": CutMix(pairing="roll", per="batch"),
    "ResizeMix": ResizeMix((0.3, 0.9), pairing="roll"),
    "half of the rows": CutMix(pairing="roll", probability=0.5),
    "averages and cuts": DEIT,
}
at_every_door = pytest.mark.parametrize("door", METHOD_DOORS.values(), ids=METHOD_DOORS)


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


# --- Batches ---------------------------------------------------------------------------------------------------------


def images():
    """One number for each image, so that pixels say where they come from."""
    return np.broadcast_to(2.0 ** np.arange(SIZE)[:, None, None, None], (SIZE, HEIGHT, WIDTH, 3)).astype("float32")


def edges(seed=0):
    """Boxes (top, left, bottom, right) of whole pixels, and their labels; the last box of some rows is padding."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, (HEIGHT - 3, WIDTH - 3), (SIZE, BOXES, 2))
    last = rng.integers(first + 2, (HEIGHT + 1, WIDTH + 1))
    boxes, labels = np.concatenate([first, last], axis=2), np.arange(SIZE * BOXES).reshape(SIZE, BOXES)
    boxes[::3, -1], labels[::3, -1] = 0, -1
    return boxes, labels.astype("int32")


def in_format(boxes, form, dtype="float32"):
    """Boxes (top, left, bottom, right) in one of Keras' formats."""
    top, left, bottom, right = np.moveaxis(np.asarray(boxes, "float64"), -1, 0)
    if form.startswith("rel_"):
        top, left, bottom, right = top / HEIGHT, left / WIDTH, bottom / HEIGHT, right / WIDTH
    numbers = {
        "xyxy": (left, top, right, bottom),
        "yxyx": (top, left, bottom, right),
        "xywh": (left, top, right - left, bottom - top),
        "center_xywh": ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
    }[form.removeprefix("rel_")]
    return np.stack(numbers, axis=-1).astype(dtype)


LAYOUTS = {
    "Keras": (lambda x, b, c: {"images": x, "bounding_boxes": {"boxes": b, "labels": c}}, "bounding_boxes"),
    "KerasCV": (lambda x, b, c: {"images": x, "bounding_boxes": {"boxes": b, "classes": c}}, "bounding_boxes"),
    "TFDS": (lambda x, b, c: {"image": x, "objects": {"bbox": b, "label": c}}, "objects"),
    "tuple": (lambda x, b, c: (x, {"boxes": b, "classes": c}), 1),
}


def layout(name, boxes, labels):
    return LAYOUTS[name][0](images(), boxes, labels)


def taken_apart(mixed, name):
    """Images, boxes and labels of a batch."""
    x = mixed[0] if name == "tuple" else next(mixed[key] for key in ("image", "images") if key in mixed)
    inner = mixed[LAYOUTS[name][1]]
    boxes = next(inner[key] for key in ("boxes", "bbox") if key in inner)
    return x, boxes, next(inner[key] for key in ("label", "labels", "classes") if key in inner)


# --- The oracle ------------------------------------------------------------------------------------------------------


def rectangle(pixels):
    """The smallest box around some pixels; None around none."""
    rows, columns = np.nonzero(pixels)
    return (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) if len(rows) else None


def pixels_of(box):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def own_box(box, pasted, min_area):
    """What is left of a box, counted in pixels; None if it is dropped."""
    pixels = pixels_of(box)
    left = pixels & ~pasted
    return rectangle(left) if left.any() and left.sum() >= min_area * pixels.sum() else None


def partner_box(box, pasted, min_area, shrinks):
    """What a pasted image shows of a box; None if it is dropped."""
    if box[2] <= box[0] or box[3] <= box[1]:
        return None
    if shrinks:
        top, left, bottom, right = rectangle(pasted)
        scale = np.array([(bottom - top) / HEIGHT, (right - left) / WIDTH] * 2)
        return tuple(np.array([top, left] * 2) + box * scale)
    pixels = pixels_of(box)
    shown = pixels & pasted
    return rectangle(shown) if shown.any() and shown.sum() >= min_area * pixels.sum() else None


def expected(x, boxes, labels, partner, shrinks, min_area=MIN_AREA):
    """For each row its boxes (top, left, bottom, right) and their labels, own ones first, with Keras' padding."""
    all_boxes, all_labels = np.zeros((SIZE, 2 * BOXES, 4)), np.full((SIZE, 2 * BOXES), -1)
    kinds = []
    for i, j in enumerate(partner):
        pasted = x[i, :, :, 0] == 2.0**j
        kept = x[i, :, :, 0] == 2.0**i
        kinds.append(
            "kept" if kept.all() else "replaced" if pasted.all() else "cut" if (kept | pasted).all() else "both"
        )
        for k in range(BOXES):
            own, other = tuple(boxes[i, k]), tuple(boxes[j, k])
            if kinds[-1] in ("cut", "replaced"):
                own = own_box(own, pasted, min_area)
                other = partner_box(np.array(other), pasted, min_area, shrinks)
            if kinds[-1] == "kept":
                other = None
            for place, box, label in ((k, own, labels[i, k]), (BOXES + k, other, labels[j, k])):
                if box is not None:
                    all_boxes[i, place], all_labels[i, place] = box, label
    return all_boxes, all_labels, kinds


def check(mixed, name, form, method, boxes, labels, tolerance=1e-3):
    """A mixed batch is what the oracle says; the kinds of its rows."""
    x, new, new_labels = taken_apart(mixed, name)
    all_boxes, all_labels, kinds = expected(x, boxes, labels, PARTNER, isinstance(method, ResizeMix))
    np.testing.assert_array_equal(new_labels, all_labels)
    wanted = np.where(all_labels[..., None] < 0, 0.0, in_format(all_boxes, form, "float64"))
    tolerance = tolerance / WIDTH if form.startswith("rel_") else tolerance
    np.testing.assert_allclose(new, wanted, atol=tolerance)
    return kinds


# --- Formats, layouts, methods, doors --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", METHODS)
def test_every_format_and_method(name, form):
    """Many draws: every kind of row that the method knows is among them."""
    kinds = []
    for seed in range(5):
        boxes, labels = edges(seed)
        batch = layout("Keras", in_format(boxes, form), labels)
        mixed = method_through_function(batch, METHODS[name], seed=seed, box_format=form, min_area=MIN_AREA)
        kinds += check(mixed, "Keras", form, METHODS[name], boxes, labels)
    assert {"Mixup": "both", "averages and cuts": "both"}.get(name, "cut") in kinds
    assert ("kept" in kinds) or name not in ("half of the rows", "averages and cuts")


@pytest.mark.parametrize("name", ["Mixup", "CutMix", "ResizeMix", "averages and cuts"])
@pytest.mark.parametrize("kind", LAYOUTS)
@at_every_door
def test_every_layout_and_door(door, kind, name):
    form = "rel_yxyx" if kind == "TFDS" else "xywh"
    if door is METHOD_DOORS["model"] and kind != "tuple":
        return  # a network takes what it is given; what came out is compared in the other doors
    boxes, labels = edges()
    batch = layout(kind, in_format(boxes, form), labels)
    options = {"min_area": MIN_AREA} | ({} if kind == "TFDS" else {"box_format": form})
    mixed = door(batch, METHODS[name], **options)
    check(mixed, kind, form, METHODS[name], boxes, labels)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_height_and_width_are_where_the_data_format_says(data_format):
    boxes, labels = edges()
    x = np.moveaxis(images(), -1, 1) if data_format == "channels_first" else images()
    batch = {"images": x, "bounding_boxes": {"boxes": in_format(boxes, "rel_xywh"), "labels": labels}}
    mixed = method_through_function(
        batch, METHODS["CutMix"], box_format="rel_xywh", min_area=MIN_AREA, data_format=data_format
    )
    mixed["images"] = np.moveaxis(mixed["images"], 1, -1) if data_format == "channels_first" else mixed["images"]
    check(mixed, "Keras", "rel_xywh", METHODS["CutMix"], boxes, labels)


def test_a_coarser_mask_beside_the_images_changes_no_box():
    """The cut counts in the places of the mask, the boxes in pixels of the images."""
    boxes, labels = edges()
    batch = layout("Keras", in_format(boxes, "yxyx"), labels)
    batch["segmentation_masks"] = np.zeros((SIZE, HEIGHT // 4, WIDTH // 2), "int32")
    mixed = method_through_function(batch, METHODS["CutMix"], box_format="yxyx", min_area=MIN_AREA)
    assert "cut" in check(mixed, "Keras", "yxyx", METHODS["CutMix"], boxes, labels)


# --- Who carries whose boxes -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Given(Method):
    """A method whose draws are given."""

    weight: tuple = ()
    partners: tuple = ()
    share: tuple | None = None
    box: tuple | None = None
    window: tuple | None = None

    @property
    def cuts(self):
        return self.box is not None

    def draw(self, batch, seed):
        ops = tables.of(seed, batch.size)

        def tensor(value, dtype):
            return None if value is None else ops.cast(ops.convert(np.array(value)), dtype)

        numbers = tensor(self.weight, "float32"), tensor(self.partners, "int32"), tensor(self.share, "float32")
        return Draw(*numbers, box=tensor(self.box, "int32"), window=tensor(self.window, "int32"))


def given_boxes(rows, form="xyxy"):
    """A batch of some images with one box each, given as (top, left, bottom, right), and its labels."""
    boxes = np.array(rows, "float32")[:, None]
    labels = np.arange(len(rows), dtype="int32")[:, None]
    return {"images": images()[: len(rows)], "bounding_boxes": {"boxes": in_format(boxes, form), "labels": labels}}


def mixed_boxes(rows, method, form="xyxy", **options):
    """The boxes (top, left, bottom, right) and labels of a mixed batch of such images."""
    mixed = method_through_function(given_boxes(rows, form), method, box_format=form, **options)["bounding_boxes"]
    assert form == "xyxy"
    return mixed["boxes"][..., [1, 0, 3, 2]], mixed["labels"]


A, B, C = (1, 2, 5, 9), (3, 4, 11, 17), (0, 6, 7, 8)
NOTHING = (0, 0, 0, 0)


def test_an_image_without_a_share_has_no_boxes_and_a_self_pair_has_them_once():
    method = Given(weight=(1.0, 0.0, 0.3), partners=(1, 2, 2))
    boxes, labels = mixed_boxes([A, B, C], method)
    np.testing.assert_array_equal(labels, [[0, -1], [-1, 2], [2, -1]])
    np.testing.assert_array_equal(mixed_boxes([A], Given(weight=(0.0,), partners=(0,)))[1], [[0, -1]])
    np.testing.assert_array_equal(boxes, [[A, NOTHING], [NOTHING, C], [C, NOTHING]])


def test_it_is_the_share_of_the_targets_that_counts():
    """Where the features' weight is another, boxes follow the targets, as they are targets."""
    method = Given(weight=(0.4, 0.4, 0.4), partners=(1, 2, 0), share=(0.0, 1.0, 0.4))
    _, labels = mixed_boxes([A, B, C], method)
    np.testing.assert_array_equal(labels, [[-1, 1], [1, -1], [2, 0]])


@pytest.mark.parametrize(
    "window, wanted",
    [
        (None, [[0, -1], A, NOTHING]),  # cut and pasted in the same place
        ((0, 0, HEIGHT, WIDTH), [[0, -1], A, NOTHING]),
        ((6, 10, 12, 20), [[0, 0], A, (6.5, 11, 8.5, 14.5)]),  # its small copy is seen, too
    ],
    ids=["no window", "whole", "shrunk"],
)
def test_an_image_pasted_into_itself(window, wanted):
    method = Given(
        weight=(1.0, 1.0),
        partners=(0, 1),
        share=(0.75, 0.75),
        box=((6, 10, 12, 20),) * 2,
        window=None if window is None else (window,) * 2,
    )
    boxes, labels = mixed_boxes([A, C], method)
    np.testing.assert_array_equal(labels[0], wanted[0])
    np.testing.assert_allclose(boxes[0], wanted[1:], atol=1e-5)


def test_an_averaged_self_pair_beside_shrunk_rows_has_its_boxes_once():
    """As `Choice` makes them: the row that is not shrunk has the whole image as its window and an empty box."""
    method = Given(
        weight=(0.3, 1.0),
        partners=(0, 0),
        share=(0.3, 0.75),
        box=(NOTHING, (6, 10, 12, 20)),
        window=((0, 0, HEIGHT, WIDTH), (6, 10, 12, 20)),
    )
    boxes, labels = mixed_boxes([A, C], method)
    np.testing.assert_array_equal(labels, [[0, -1], [1, 0]])
    np.testing.assert_allclose(boxes, [[A, NOTHING], [C, (6.5, 11, 8.5, 14.5)]], atol=1e-5)


def test_a_partner_that_is_blended_everywhere_and_pasted_somewhere_keeps_its_boxes_whole():
    method = Given(weight=(0.3, 1.0), partners=(1, 0), share=(0.2, 0.8), box=((0, 0, 12, 5),) * 2)
    boxes, labels = mixed_boxes([A, B], method)
    np.testing.assert_array_equal(labels, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(boxes, [[(1, 5, 5, 9), B], [(3, 5, 11, 17), (1, 2, 5, 5)]])


@pytest.mark.parametrize("name", ["probability", "alpha 0", "Adjustable at 0", "weights of 1", "Adjustable minmax"])
@pytest.mark.parametrize("form", ["rel_xyxy", "center_xywh"])
def test_rows_that_are_left_alone_keep_their_boxes_bit_for_bit(name, form):
    off = Adjustable(0.0)
    method = {
        "probability": CutMix(probability=0.5, pairing="roll"),
        "alpha 0": CutMix(0.0),
        "Adjustable at 0": CutMix(off),
        "weights of 1": Mixup(FixedWeights(1.0)),
        "Adjustable minmax": CutMix(off, minmax=(0.3, 0.8)),
    }[name]
    boxes = features(SIZE, (BOXES, 4))  # whatever they are
    batch = layout("Keras", boxes, edges()[1])
    mixed = method_through_function(batch, method, box_format=form)
    same = (mixed["images"] == batch["images"]).all((1, 2, 3))
    assert same.sum() == SIZE if name != "probability" else 0 < same.sum() < SIZE
    for key in ("boxes", "labels"):
        new, old = mixed["bounding_boxes"][key][same], batch["bounding_boxes"][key][same]
        assert_same_bits(new[:, :BOXES], old)
        assert (new[:, BOXES:] == (0 if key == "boxes" else -1)).all()


def test_boxes_that_no_cut_touches_keep_their_numbers():
    """Of a cut row, too: pixels and back would round them."""
    rows = np.array([[0.1, 0.1, 0.3, 0.37], [0.61, 0.57, 0.83, 0.91]], "float32")[:, None]
    batch = {"image": images()[:2], "objects": {"bbox": rows, "label": np.array([[4], [7]])}}
    method = Given(weight=(1.0, 1.0), partners=(1, 0), share=(0.75, 0.75), box=((6, 10, 12, 20),) * 2)
    mixed = method_through_function(batch, method)["objects"]
    assert_same_bits(mixed["bbox"][0], rows[:, 0])
    np.testing.assert_array_equal(mixed["label"], [[4, 7], [-1, -1]])


@pytest.mark.parametrize("door", ["function", "layer"])
def test_nothing_is_appended_where_nothing_is_trained(door):
    boxes, labels = edges()
    batch = layout("Keras", in_format(boxes, "xyxy"), labels)
    if door == "function":
        mixed = method_through_function(batch, METHODS["CutMix"], training=False)
    else:
        mixed = to_numpy(MixLayer(METHODS["CutMix"])(batch, training=False))
    np.testing.assert_array_equal(mixed["bounding_boxes"]["boxes"], in_format(boxes, "xyxy"))
    np.testing.assert_array_equal(mixed["bounding_boxes"]["labels"], labels)


def test_regmixup_keeps_the_clean_rows_with_their_boxes():
    boxes, labels = edges()
    batch = layout("Keras", in_format(boxes, "xyxy"), labels)
    mixed = method_through_function(batch, RegMixup(5.0, pairing="roll"))["bounding_boxes"]
    own, partner = labels, labels[PARTNER]
    clean = np.concatenate([own, np.full_like(own, -1)], axis=1)
    np.testing.assert_array_equal(mixed["labels"], np.concatenate([clean, np.concatenate([own, partner], axis=1)]))


# --- How much has to be left -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("min_area, kept", [(0.0, True), (0.24, True), (0.25, True), (0.26, False), (1.0, False)])
def test_a_box_of_which_too_little_is_left_is_dropped(min_area, kept):
    """A quarter of A is left of the original, a quarter of C is pasted of the partner."""
    method = Given(weight=(1.0, 1.0), partners=(1, 0), share=(0.5, 0.5), box=((2, 2, 12, 20), (0, 0, 12, 20)))
    rows = [(1, 2, 5, 9), (0, 6, 8, 8)]
    boxes, labels = mixed_boxes(rows, method, min_area=min_area)
    np.testing.assert_array_equal(labels[0], [0 if kept else -1, 1 if min_area < 0.76 else -1])
    np.testing.assert_array_equal(boxes[0, 0], (1, 2, 2, 9) if kept else NOTHING)
    np.testing.assert_array_equal(boxes[0, 1], (2, 6, 8, 8) if min_area < 0.76 else NOTHING)
    np.testing.assert_array_equal(labels[1], [-1, 0])  # all of B is hidden, all of A is seen


def test_what_of_a_box_lies_beyond_the_image_was_never_seen():
    """Of (-6, 2, 2, 6) two rows are in the image: the half of them that a paste leaves is a half."""
    method = Given(weight=(1.0, 1.0), partners=(1, 0), share=(0.5, 0.5), box=((1, 0, 12, 20), (0, 0, 1, 20)))
    boxes, labels = mixed_boxes([(-6, 2, 2, 6), A], method, min_area=0.45)
    np.testing.assert_array_equal(labels, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(boxes, [[(0, 2, 1, 6), A], [A, (0, 2, 1, 6)]])


@pytest.mark.parametrize(
    "hole, left",
    [
        ((0, 0, 5, 20), (5, 4, 9, 16)),  # from above
        ((5, 0, 12, 20), (3, 4, 5, 16)),
        ((0, 0, 12, 6), (3, 6, 9, 16)),
        ((0, 6, 12, 20), (3, 4, 9, 6)),
        ((4, 0, 8, 20), (3, 4, 9, 16)),  # in the middle: both ends are seen
        ((0, 0, 8, 15), (3, 4, 9, 16)),  # a corner: the box around the rest is the same
        ((3, 4, 9, 16), NOTHING),  # all of it
    ],
)
def test_the_box_around_what_is_left(hole, left):
    method = Given(weight=(1.0, 1.0), partners=(1, 0), share=(0.5, 0.5), box=(hole, NOTHING))
    boxes, labels = mixed_boxes([(3, 4, 9, 16), A], method, min_area=0.0)
    np.testing.assert_array_equal(boxes[0, 0], left)
    assert (labels[0, 0] == 0) == (left != NOTHING)


def test_edges_that_are_no_exact_numbers_still_meet():
    """A box that a rounding error makes larger than the one that is pasted over it is hidden all the same."""
    boxes = np.array([[7.0, 5.5, 2.00001, 7.00001], [17.0, 3.0, 2.0, 2.0]], "float32")[:, None]
    batch = {"images": images()[:2], "bounding_boxes": {"boxes": boxes, "labels": np.array([[4], [7]])}}
    method = Given(weight=(1.0, 1.0), partners=(1, 0), share=(0.5, 0.5), box=((2, 6, 9, 8), NOTHING))
    hidden = method_through_function(batch, method, box_format="center_xywh", min_area=0.0)["bounding_boxes"]
    np.testing.assert_array_equal(hidden["labels"][0], [-1, -1])


@pytest.mark.parametrize("dtype", ["int32", "float16", "float64", "int64"])
def test_boxes_keep_their_dtype(dtype):
    if dtype.endswith("64") and BACKEND == "jax":
        return
    boxes, labels = edges()
    for name in ("CutMix", "ResizeMix"):
        batch = layout("Keras", in_format(boxes, "xyxy", dtype), labels)
        mixed = method_through_function(batch, METHODS[name], box_format="xyxy", min_area=MIN_AREA)
        assert mixed["bounding_boxes"]["boxes"].dtype == dtype
        check(mixed, "Keras", "xyxy", METHODS[name], boxes, labels, 0.501 if dtype.startswith("int") else 1e-2)


# --- What belongs to the boxes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["function", "layer under XLA", "transformation"])
def test_whatever_has_an_entry_for_each_box_goes_along(door):
    if door not in METHOD_DOORS:
        return
    boxes, labels = edges()
    rng = np.random.default_rng(2)
    objects = {
        "bbox": in_format(boxes, "rel_yxyx"),
        "label": labels,
        "id": rng.integers(0, 2**30, labels.shape).astype("int32"),
        "is_crowd": rng.integers(0, 2, labels.shape) > 0,
        "area": rng.uniform(1, 9, labels.shape).astype("float32"),
        "keypoints": rng.uniform(1, 9, (*labels.shape, 5, 2)).astype("float32"),
    }
    mixed = METHOD_DOORS[door]({"image": images(), "objects": objects}, METHODS["CutMix"], min_area=MIN_AREA)
    _, wanted, _ = expected(mixed["image"], boxes, labels, PARTNER, False)
    for key in ("id", "is_crowd", "area", "keypoints"):
        both = np.concatenate([objects[key], objects[key][PARTNER]], axis=1)
        gone = (wanted < 0).reshape(*wanted.shape, *(1,) * (both.ndim - 2))
        np.testing.assert_array_equal(mixed["objects"][key], np.where(gone, False if key == "is_crowd" else -1, both))
        assert mixed["objects"][key].dtype == objects[key].dtype


def test_weights_say_how_strongly_the_image_of_a_box_is_seen():
    """The share where images are averaged; all of it where a part is cut out, and in an image mixed with itself."""
    boxes = {"boxes": in_format(np.array([[A], [B], [C]], "float32"), "xyxy"), "weights": np.full((3, 1), 0.5, "f4")}
    batch = {"images": images()[:3], "bounding_boxes": {**boxes, "labels": np.array([[0], [1], [2]])}}
    method = Given(
        weight=(1.0, 0.3, 0.3), partners=(1, 0, 2), share=(0.7, 0.3, 0.3), box=((0, 9, 12, 20), NOTHING, NOTHING)
    )
    weights = method_through_function(batch, method, box_format="xyxy")["bounding_boxes"]["weights"]
    np.testing.assert_allclose(weights, [[0.5, 0.5], [0.15, 0.35], [0.5, 0.0]], rtol=1e-6)


@at_every_door
def test_the_boxes_of_both_images_are_kept_with_their_shares(door):
    """The labels among the boxes are ids of boxes and not targets to mix; the weights are shares of their images."""
    boxes = {
        "boxes": features(4, (3, 4)),
        "labels": np.arange(12, dtype="int32").reshape(4, 3),
        "weights": np.array([[1, 1, 0]] * 4, "float32"),
    }
    batch = {"images": features(4, (5, 5, 3)), "labels": np.arange(4), "bounding_boxes": boxes}
    mixed = door(batch, Mixup(FixedWeights(0.3, 0.8, 0.6, 0.9), pairing="roll"), num_classes=4)
    weight, partner = read_draw(mixed["labels"])
    np.testing.assert_allclose(weight, [0.3, 0.8, 0.6, 0.9], rtol=1e-6)
    assert_mixed(mixed["images"], batch["images"], weight, partner)
    union = mixed["bounding_boxes"]
    for key in ("boxes", "labels"):
        np.testing.assert_array_equal(union[key], np.concatenate([boxes[key], boxes[key][partner]], axis=1))
        assert union[key].dtype == boxes[key].dtype
    shares = np.concatenate([weight[:, None] * boxes["weights"], (1 - weight)[:, None] * boxes["weights"]], axis=1)
    np.testing.assert_allclose(union["weights"], shares, rtol=1e-6)


def test_boxes_that_roles_name():
    """One tensor under any key, and a flat dict whose keys say nothing sure."""
    boxes, labels = edges()
    one = {"image": images(), "bounding_boxes": in_format(boxes, "xyxy")}
    flat = {"image": images(), "corners": in_format(boxes, "xyxy"), "kinds": labels}
    for batch, key in ((one, "bounding_boxes"), (flat, "corners")):
        roles = {"corners": "boxes", "kinds": "boxes"} if key == "corners" else None
        mixed = method_through_function(batch, METHODS["CutMix"], box_format="xyxy", min_area=MIN_AREA, roles=roles)
        wanted, _, _ = expected(mixed["image"], boxes, labels, PARTNER, False)
        np.testing.assert_allclose(mixed[key], in_format(wanted, "xyxy"), atol=1e-3)


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [FMix(), Choice((CutMix(), FMix())), DMixup()], ids=repr)
def test_boxes_follow_boxes_alone(method):
    batch = layout("Keras", *edges())
    with refuses("Bounding boxes can be mixed by methods of one partner that average or cut boxes, like `Mixup`"):
        method_through_function(batch, method, box_format="yxyx")


def test_an_unknown_format_is_asked_for():
    with refuses(
        "To cut images, the format of their bounding boxes should be known. Received: `bounding_boxes['boxes']` of "
        "dtype float32 and shape (7, 3, 4). Give `box_format=...`, one of 'xyxy', 'yxyx', 'xywh', 'center_xywh'"
    ):
        method_through_function(layout("Keras", in_format(edges()[0], "xyxy"), edges()[1]), CutMix())
    with refuses("`box_format` should be"):
        MixLayer(CutMix(), box_format="coco")


@pytest.mark.parametrize("min_area", [-0.1, 1.1, float("nan"), "a"])
def test_min_area_is_a_share(min_area):
    with refuses("`min_area` should be"):
        MixLayer(CutMix(), min_area=min_area)


def test_a_label_of_the_image_among_the_boxes_is_refused_with_the_cure():
    boxes, labels = edges()
    batch = (images(), {"boxes": in_format(boxes, "xyxy"), "classes": labels, "scene": np.arange(SIZE)})
    with refuses(
        "What stands beside bounding boxes should have an entry for each of them, shape `(batch, boxes, ...)`. "
        "Received: `y['scene']` of dtype int"
    ):
        method_through_function(batch, Mixup(0.4))
    mixed = method_through_function(batch, Mixup(0.4), roles={"scene": "targets"}, num_classes=SIZE)
    assert mixed[1]["scene"].shape == (SIZE, SIZE)
    assert mixed[1]["classes"].shape == (SIZE, 2 * BOXES)
    batch[1]["scene"] = np.ones((SIZE, BOXES + 1), "float32")
    with refuses("or 'pass'."):
        method_through_function(batch, Mixup(0.4))


def test_labels_that_cannot_hold_the_padding_are_refused():
    boxes, labels = edges()
    with refuses("Received: `bounding_boxes['labels']` of dtype uint8 and shape (7, 3). Cast it to int32."):
        method_through_function(layout("Keras", in_format(boxes, "xyxy"), labels.astype("uint8")), Mixup(0.4))


def test_boxes_of_a_series_are_refused():
    batch = layout("Keras", in_format(edges()[0], "xyxy"), edges()[1])
    with refuses("Bounding boxes can be cut along height and width only. Received: `axes` of one axis."):
        method_through_function(batch, CutMix(), box_format="xyxy", axes=1)


def test_coordinates_that_cannot_be_found_are_refused():
    batch = layout("Keras", in_format(edges()[0], "xyxy"), edges()[1])
    del batch["bounding_boxes"]["boxes"]
    with refuses("should be given as one tensor `boxes` or `bbox` of shape `(batch, boxes, 4)`. Received: `bounding"):
        method_through_function(batch, CutMix(), box_format="xyxy")
    assert method_through_function(batch, Mixup())["bounding_boxes"]["labels"].shape == (SIZE, 2 * BOXES)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ragged tensors are TensorFlow's")
@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("door", ["layer", "layer in map", "transformation"])
def test_ragged_boxes_get_advice_that_works(door, kind):
    import tensorflow as tf

    boxes, labels = edges()
    form = "rel_yxyx" if kind == "TFDS" else "xywh"
    lengths = [1, 3, 2, 0, 3, 1, 2]
    ragged = tf.RaggedTensor.from_tensor(in_format(boxes, form), lengths=lengths)
    ragged_labels = tf.RaggedTensor.from_tensor(labels, lengths=lengths)
    options = {"box_format": form, "min_area": MIN_AREA}
    with refuses("Fill ragged ones up, boxes with zeros and labels with -1: `boxes.to_tensor(0)`, `labels.to_tensor("):
        METHOD_DOORS[door](layout(kind, ragged, ragged_labels), METHODS["CutMix"], **options)
    filled = ragged.to_tensor(0), ragged_labels.to_tensor(-1)
    mixed = METHOD_DOORS[door](layout(kind, *filled), METHODS["CutMix"], **options)
    padded = np.arange(BOXES) >= np.array(lengths)[:, None]
    check(mixed, kind, form, METHODS["CutMix"], np.where(padded[..., None], 0, boxes), filled[1].numpy())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="XLA of TensorFlow's graphs")
def test_sizes_that_are_known_only_when_it_runs():
    import tensorflow as tf

    boxes, labels = edges()
    batch = layout("Keras", in_format(boxes, "rel_xyxy"), labels)
    layer = MixLayer(METHODS["ResizeMix"], seed=SEED, box_format="rel_xyxy", min_area=MIN_AREA)
    spec = {
        "images": tf.TensorSpec((None, None, None, 3)),
        "bounding_boxes": {"boxes": tf.TensorSpec((None, None, 4)), "labels": tf.TensorSpec((None, None), tf.int32)},
    }
    mixed = to_numpy(tf.function(layer, input_signature=[spec])(batch))
    check(mixed, "Keras", "rel_xyxy", METHODS["ResizeMix"], boxes, labels)
