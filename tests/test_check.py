"""The checker finds weights and partners again, passes what is right, and names what the bugs of other libraries do.

The mixes here are written in NumPy from the formula; the last tests hand it the doors of this library.
"""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_mixup
from keras_mixup.check import check_mixed

SIZE, CLASSES = 24, 5


def wide(weight, x):
    return weight.reshape((-1,) + (1,) * (x.ndim - 1))


def blend(x, weight, partner):
    weight = wide(weight, x)
    return weight * x + (1 - weight) * x[partner]


def images(rng, size=SIZE, shape=(12, 10, 3)):
    return rng.integers(0, 256, (size, *shape)).astype("uint8")


def draw(rng, size=SIZE, low=0.02, high=0.98):
    return rng.uniform(low, high, size), np.roll(rng.permutation(size), 1)


def one_hot(ids, classes=CLASSES):
    return np.eye(classes)[ids]


def case(seed=0, low=0.02):
    """Images, class ids, and a draw without self-pairs."""
    rng = np.random.default_rng(seed)
    return images(rng), np.arange(SIZE) % CLASSES, rng.uniform(low, 0.98, SIZE), np.roll(np.arange(SIZE), 7)


def boxes(rng, size, height, width):
    """Boxes centred anywhere, some beyond the border: their area as a share of pixels, and masks of what is inside."""
    row, column = rng.uniform(0, height, size), rng.uniform(0, width, size)
    tall, broad = rng.uniform(2, height, size), rng.uniform(2, width, size)
    mask = np.zeros((size, height, width), bool)
    for i in range(size):
        top, left = max(0, int(row[i] - tall[i] / 2)), max(0, int(column[i] - broad[i] / 2))
        mask[i, top : int(row[i] + tall[i] / 2) + 1, left : int(column[i] + broad[i] / 2) + 1] = True
    return tall * broad / (height * width), mask


def cut(x, mask, partner):
    return np.where(mask.reshape(mask.shape + (1,) * (x.ndim - 3)), x[partner], x)


def only(report, *words):
    """The one problem of a report, which should contain these words."""
    assert len(report.problems) == 1, report
    for word in words:
        assert word in report.problems[0], report
    assert not report.ok


# --- Right mixes ---


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(2, 12),
    shape=st.sampled_from([(4,), (40,), (5, 6), (4, 5, 3), (2, 3, 4, 2)]),
    dtype=st.sampled_from(["float32", "float64", "uint8"]),
    weights=st.lists(st.floats(0.001, 0.999), min_size=12, max_size=12),
)
def test_weights_and_partners_are_read_back(seed, size, shape, dtype, weights):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 256, (size, *shape)).astype(dtype)
    weight, partner = np.array(weights[:size]), rng.integers(0, size, size)
    y = rng.normal(size=(size, 2))
    after = blend(x, weight, partner).astype("float32"), blend(y, weight, partner).astype("float32")
    report = check_mixed((x, y), after)
    assert not [problem for problem in report.problems if "1/2" not in problem and "Nothing" not in problem], report
    mixed = partner != np.arange(size)
    np.testing.assert_array_equal(report.partner[mixed], partner[mixed])
    np.testing.assert_allclose(report.weight[mixed], weight[mixed], atol=1e-4)
    np.testing.assert_array_equal(report.weight[~mixed], 1.0)
    np.testing.assert_array_equal(report.partner[~mixed], np.flatnonzero(~mixed))


@pytest.mark.parametrize("mask_dtype", ["int32", "float32"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pasted_boxes_are_read_back(dtype, mask_dtype):
    x, y, _, partner = case()
    _, mask = boxes(np.random.default_rng(1), SIZE, 12, 10)
    weight = 1 - mask.mean((1, 2))
    ids = np.random.default_rng(2).integers(0, 9, (SIZE, 12, 10)).astype(mask_dtype)
    before = {"image": x, "label": y, "segmentation_mask": ids}
    after = {"image": cut(x, mask, partner).astype(dtype), "label": blend(one_hot(y), weight, partner)}
    report = check_mixed(before, {**after, "segmentation_mask": cut(ids, mask, partner)})
    assert report.ok, report
    np.testing.assert_array_equal(report.partner, partner)
    np.testing.assert_allclose(report.weight, weight, atol=1e-9)
    assert any("24 of 24 rows are cut and pasted" in note for note in report.notes)
    only(check_mixed(before, {**after, "segmentation_mask": ids}), "`segmentation_mask` is not cut along the region")


def test_a_region_of_any_shape_is_read_back_with_channels_first():
    x, y, _, partner = case()
    mask = np.random.default_rng(1).uniform(size=(SIZE, 12, 10)) < 0.3
    weight, x = 1 - mask.mean((1, 2)), x.transpose(0, 3, 1, 2)
    after = np.where(mask[:, None], x[partner], x), blend(one_hot(y), weight, partner)
    report = check_mixed((x, y), after)
    assert report.ok, report
    np.testing.assert_allclose(report.weight, weight, atol=1e-9)


def test_an_invisible_border_leaves_an_interval_in_which_targets_are_believed():
    x, y, _, partner = case()
    x[:, :4] = x[:, -4:] = x[:, :, :3] = x[:, :, -3:] = 0
    _, mask = boxes(np.random.default_rng(1), SIZE, 12, 10)
    weight = 1 - mask.mean((1, 2))
    report = check_mixed((x, y), (cut(x, mask, partner), blend(one_hot(y), weight, partner)))
    assert report.ok, report
    assert any("border of the pasted region is not visible" in note for note in report.notes)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_no_problem(dtype):
    x, y, weight, partner = case()
    after = (
        keras.ops.cast(blend(x / 255.0, weight, partner), dtype),
        keras.ops.cast(blend(one_hot(y), weight, partner), "float32"),
    )
    report = check_mixed((x.astype("float32") / 255, y), after)
    assert report.ok, report
    np.testing.assert_allclose(report.weight, weight, atol=0.02)


def test_arithmetic_in_lower_precision_than_storage_is_no_problem():
    x, y, weight, partner = case()
    after = blend(x / 255.0, weight, partner).astype("float16").astype("float32")
    report = check_mixed((x.astype("float32") / 255, y), (after, blend(one_hot(y), weight, partner)))
    assert report.ok, report


def test_rounded_pixels_are_noted():
    x, y, weight, partner = case()
    rounded = np.rint(blend(x, weight, partner))
    for after in (rounded.astype("uint8"), rounded.astype("float32")):
        report = check_mixed((x, y), (after, blend(one_hot(y), weight, partner)))
        assert report.ok, report
        assert "`x` is rounded to whole numbers" in str(report)
        np.testing.assert_allclose(report.weight, weight, atol=0.005)


def test_targets_decide_where_features_fit_several_partners():
    # On a line every row lies between many pairs; of twins nobody can tell the weight.
    rng = np.random.default_rng(0)
    weight, partner = draw(rng)
    x, y = rng.normal(size=(SIZE, 1)), rng.normal(size=(SIZE, 3))
    report = check_mixed((x, y), (blend(x, weight, partner), blend(y, weight, partner)))
    assert report.ok, report
    np.testing.assert_array_equal(report.partner, partner)
    twins = np.repeat(rng.normal(size=(SIZE // 2, 6)), 2, axis=0)
    report = check_mixed((twins, y), (blend(twins, weight, partner), blend(y, weight, partner)))
    assert report.ok, report


def test_several_inputs_and_sample_weights_follow_too():
    x, y, weight, partner = case()
    rng = np.random.default_rng(3)
    before = ({"image": x, "audio": rng.normal(size=(SIZE, 50)), "id": np.arange(SIZE)}, y, rng.uniform(1, 2, SIZE))
    image, audio, w = (blend(leaf, weight, partner) for leaf in (x, before[0]["audio"], before[2]))
    label = blend(one_hot(y), weight, partner)
    assert check_mixed(before, ({"image": image, "audio": audio, "id": np.arange(SIZE)}, label, w)).ok
    stale = ({"image": image, "audio": before[0]["audio"], "id": np.arange(SIZE)}, label, w)
    only(check_mixed(before, stale), "`x['audio']` was not mixed: it is as before in 24 of 24 rows")
    only(
        check_mixed(before, ({"image": image, "audio": audio, "id": np.arange(SIZE)}, label, before[2])),
        "`sample_weight` was not",
    )


def test_tensors_are_welcome():
    x, y, weight, partner = case()
    before, after = (x, y), (blend(x, weight, partner), blend(one_hot(y), weight, partner))
    before, after = (tuple(keras.ops.convert_to_tensor(a) for a in pair) for pair in (before, after))
    assert check_mixed(before, after).ok


# --- Wrong mixes, each a bug that a library or a published script had ---


def swapped_weights(x, y, w, p):
    return blend(x, w, p), blend(one_hot(y), 1 - w, p)


def larger_weight_for_images_only(x, y, w, p):
    return blend(x, np.maximum(w, 1 - w), p), blend(one_hot(y), w, p)


def shuffled_twice(x, y, w, p):
    return blend(x, w, p), blend(one_hot(y), w, np.random.default_rng(9).permutation(SIZE))


def drawn_twice(x, y, w, p):
    return blend(x, w, p), blend(one_hot(y), np.random.default_rng(9).uniform(0.02, 0.98, SIZE), p)


def broadcast_ids(x, y, w, p):
    return blend(x, w, p), w[:, None] * y + (1 - w[:, None]) * y[p]


def overwritten_one_hot(x, y, w, p):
    p = np.roll(p, 3)  # some pairs share a class, some do not
    rows = np.zeros((SIZE, CLASSES))
    rows[np.arange(SIZE), y] = w
    rows[np.arange(SIZE), y[p]] = 1 - w
    return blend(x, w, p), rows


def cut_off_pixels(x, y, w, p):
    return blend(x, w, p).astype("uint8"), blend(one_hot(y), w, p)


def unmixed_labels(x, y, w, p):
    return blend(x, w, p), one_hot(y)


def averaged_ids(x, y, w, p):
    return blend(x, w, p), blend(y, w, p)


def underflowed_weights(x, y, w, p):
    w = np.full(SIZE, 0.5)
    return blend(x, w, p), blend(one_hot(y), w, p)


def some_underflowed_weights(x, y, w, p):
    w = np.where(np.arange(SIZE) % 4 == 0, 0.5, w)
    return blend(x, w, p).astype("float32"), blend(one_hot(y), w, p)


def labels_permuted_but_not_images(x, y, w, p):
    return blend(x, w, np.arange(SIZE)), blend(one_hot(y), w, p)


def label_of_the_unclipped_box(x, y, w, p):
    area, mask = boxes(np.random.default_rng(1), SIZE, 12, 10)
    return cut(x, mask, p), blend(one_hot(y), 1 - area, p)


def nothing(x, y, w, p):
    return x, one_hot(y)


def scaled_in_between(x, y, w, p):
    return blend(x, w, p) / 255, blend(one_hot(y), w, p)


def three_examples(x, y, w, p):
    third = np.roll(p, 1)
    return (blend(x, w, p) + x[third]) / 2, (blend(one_hot(y), w, p) + one_hot(y)[third]) / 2


def extrapolation(x, y, w, p):
    return blend(x, 1 + w, p), blend(one_hot(y), 1 + w, p)


def not_a_number(x, y, w, p):
    x = blend(x, w, p)
    x[3, 2] = np.nan
    return x, blend(one_hot(y), w, p)


def too_few_classes(x, y, w, p):
    return blend(x, w, p), blend(one_hot(y), w, p)[:, :3]


def noise_in_labels(x, y, w, p):
    return blend(x, w, p), blend(one_hot(y), w, p)[:, ::-1]


BUGS = [
    (swapped_weights, "`y` is weighted by the partner's weight, 1 - w, in 24 of 24 rows"),
    (larger_weight_for_images_only, "`y` keeps the raw weight w but `x` the larger of w and 1 - w"),
    (shuffled_twice, "`y` uses another partner than `x`, by the same weight"),
    (drawn_twice, "`y` uses another weight than `x`"),
    (broadcast_ids, "`y` was broadcast to (batch, batch), (24, 24)"),
    (overwritten_one_hot, "`y` does not keep its mass in", "all of them with a partner of the same class"),
    (cut_off_pixels, "`x` is cut off to whole numbers, not rounded: 0.", "too low on average"),
    (unmixed_labels, "`y` was not mixed: it is as before in 24 of 24 rows in which `x` is mixed"),
    (averaged_ids, "`y` holds whole numbers that were mixed as numbers"),
    (underflowed_weights, "All 24 mixed rows have weight 1/2"),
    (some_underflowed_weights, "6 of 24 mixed rows have weight 1/2 exactly"),
    (label_of_the_unclipped_box, "`y` uses another weight than `x`", "Count the pixels really pasted"),
    (nothing, "Nothing is mixed: `x` comes out as it went in, in all 24 rows"),
    (scaled_in_between, "`x` is not explained by any pair in 24 of 24 rows"),
    (three_examples, "`x` is not explained by any pair in 24 of 24 rows"),
    (extrapolation, "Weights lie outside 0 to 1 in 24 of 24 rows"),
    (not_a_number, "`x` holds NaN or infinity in 1 of 24 rows (0 before the mix)"),
    (too_few_classes, "`y` holds class ids up to 4 but rows of 3 classes afterwards"),
    (noise_in_labels, "`y` does not follow `x`"),
]


@pytest.mark.parametrize("bug, sentences", [(bug, said) for bug, *said in BUGS], ids=[bug[0].__name__ for bug in BUGS])
def test_a_broken_mixer_is_found(bug, sentences):
    x, y, weight, partner = case()
    only(check_mixed((x, y), bug(x, y, weight, partner)), *sentences)


def test_labels_mixed_without_images_are_found_whatever_the_rank():
    x, y, weight, partner = case()
    video = x.reshape(SIZE, 3, 4, 10, 3).astype("float32")
    report = check_mixed((video, y), labels_permuted_but_not_images(video, y, weight, partner))
    assert len(report.problems) == 2, report
    assert report.problems[0].startswith("Nothing is mixed: `x` comes out as it went in")
    assert report.problems[1].startswith("`y` is mixed in")


def test_forgotten_sample_weights_are_found():
    x, y, weight, partner = case()
    w = np.random.default_rng(1).uniform(0.5, 2, SIZE)
    mixed = blend(x, weight, partner), blend(one_hot(y), weight, partner)
    only(check_mixed((x, y, w), (*mixed, w)), "`sample_weight` was not mixed")
    assert check_mixed((x, y, w), (*mixed, blend(w, weight, partner))).ok


def test_regression_targets_of_the_wrong_shape_are_found():
    x, _, weight, partner = case()
    y = np.random.default_rng(1).normal(size=SIZE)
    mixed = blend(x, weight, partner)
    only(check_mixed((x, y), (mixed, weight[:, None] * y + (1 - weight[:, None]) * y[partner])), "was broadcast")
    only(check_mixed((x, y), (mixed, np.stack([y, y, y], 1))), "`y` changed its shape from (24,) to (24, 3)")
    only(check_mixed((x, y), (mixed, blend(y, 1 - weight, partner))), "1 - w")
    assert check_mixed((x, y), (mixed, blend(y, weight, partner)[:, None])).ok


@pytest.mark.parametrize("bug", [shuffled_twice, swapped_weights, drawn_twice, unmixed_labels])
def test_two_classes_hide_nothing(bug):
    x, y, weight, partner = case(seed=4)
    y = np.random.default_rng(5).integers(0, 2, SIZE)
    said = next(said for each, said, *_ in BUGS if each is bug)
    only(check_mixed((x, y), bug(x, y, weight, partner)), said.split(" in 24")[0])


# --- The report ---


def test_one_weight_for_the_batch_is_noted_not_blamed():
    x, y, _, partner = case()
    weight = np.full(SIZE, 0.3)
    report = check_mixed((x, y), (blend(x, weight, partner), blend(one_hot(y), weight, partner)))
    assert report.ok, report
    assert "One weight for the whole batch: 0.3." in report.notes


def test_the_strength_is_estimated():
    rng = np.random.default_rng(0)
    x, partner = rng.normal(size=(400, 20)), np.roll(np.arange(400), 3)
    for alpha in (0.3, 2.0):
        report = check_mixed(x, blend(x, rng.beta(alpha, alpha, 400), partner))
        (note,) = [note for note in report.notes if "alpha" in note]
        guess = float(note.split("about ")[1].split(",")[0])
        assert 0.75 * alpha < guess < 1.33 * alpha


def test_rows_as_before_and_hardly_mixed_rows_are_counted():
    x, y, weight, partner = case(low=0.1)
    weight[:3], weight[3:5], weight[5] = 1.0, 0.995, 0.0
    report = check_mixed((x, y), (blend(x, weight, partner), blend(one_hot(y), weight, partner)))
    assert report.ok, report
    assert any(note.startswith("3 of 24 rows are as before") for note in report.notes)
    np.testing.assert_array_equal(report.partner[:6], [0, 1, 2, *partner[3:6]])


def test_the_report_reads_well():
    x, y, weight, partner = case()
    text = str(check_mixed((x, y), unmixed_labels(x, y, weight, partner)))
    lines = text.splitlines()
    assert lines[0] == "24 rows, 1 problem"
    assert lines[1].startswith("  PROBLEM  `y` was not mixed")
    counts = [int(line.split()[-1]) for line in lines[-10:]]
    assert counts == np.histogram(weight, bins=10, range=(0, 1))[0].tolist()


@pytest.mark.parametrize(
    "before, after, words",
    [
        ((np.ones((4, 2)), np.ones(4)), np.ones((4, 2)), "in one structure"),
        (np.ones((4, 2)), np.ones((3, 2)), "as many rows in each tensor"),
        (np.ones((1, 2)), np.ones((1, 2)), "two examples at least"),
        ({"name": np.ones((4, 2))}, {"name": np.ones((4, 2))}, "Nothing to mix"),
        ((np.ones((4, 2)), np.array(list("abcd"))), (np.ones((4, 2)), np.ones(4)), "dense numbers"),
    ],
    ids=["structure", "rows", "one row", "no features", "strings"],
)
def test_what_cannot_be_compared_is_refused_in_words(before, after, words):
    with pytest.raises(ValueError, match=words):
        check_mixed(before, after)


# --- Our own doors ---


@pytest.mark.parametrize("per", ["example", "batch"])
@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_our_layer_passes(alpha, per):
    x, y, _, _ = case()
    w = np.random.default_rng(1).uniform(0.5, 2, SIZE).astype("float32")
    report = check_mixed((x, y, w), keras_mixup.MixupLayer(alpha, per=per, num_classes=CLASSES, seed=3)(x, y, w))
    assert report.ok, report


def test_our_transformation_passes():
    tf = pytest.importorskip("tensorflow")
    x, y, _, _ = case()
    dataset = tf.data.Dataset.from_tensor_slices({"image": x, "label": y, "id": np.arange(SIZE)}).batch(SIZE)
    mixed = dataset.apply(keras_mixup.mixup(0.4, num_classes=CLASSES, seed=3))
    report = check_mixed(next(iter(dataset)), next(iter(mixed)))
    assert report.ok, report


@pytest.mark.parametrize("name", ["CutMix", "FMix"])
def test_our_pasting_methods_pass(name):
    x, y, _, _ = case()
    layer = keras_mixup.MixLayer(getattr(keras_mixup, name)(alpha=1.0), num_classes=CLASSES, seed=3)
    report = check_mixed((x, y), layer(x, y))
    assert report.ok, report
    assert any("cut and pasted" in note for note in report.notes)


# --- Boxes, maps, masks, and what is left behind ---


def boxes_of(rng, size=SIZE, height=12, width=10):
    """Two boxes an image and one of padding, as (left, top, right, bottom) of whole pixels, and their labels."""
    corners = np.zeros((size, 3, 4), "float32")
    for i in range(size):
        for k in range(2):
            top, left = rng.integers(0, height - 2), rng.integers(0, width - 2)
            corners[i, k] = left, top, rng.integers(left + 1, width + 1), rng.integers(top + 1, height + 1)
    return {"boxes": corners, "labels": np.where(corners.any(-1), 10 + np.arange(size)[:, None], -1)}


def everything(seed=3):
    """Images with all that may come with them, by key."""
    rng = np.random.default_rng(seed)
    return {
        "image": images(rng).astype("float32"),
        "label": np.arange(SIZE) % CLASSES,
        "bounding_boxes": boxes_of(rng),
        "segmentation_mask": rng.integers(0, 200, (SIZE, 12, 10)).astype("uint8"),
        "depth": rng.uniform(size=(SIZE, 6, 5)).astype("float32"),
        "id": np.arange(SIZE) + 1000,
        "name": np.array([f"row {i}" for i in range(SIZE)]),
    }


ROLES = {"depth": "masks"}
EVERY_METHOD = {
    "mixup": keras_mixup.Mixup(0.8, probability=0.7),
    "CutMix": keras_mixup.CutMix(1.0, probability=0.8),
    "FMix": keras_mixup.FMix(1.0),
    "choice": keras_mixup.Choice((keras_mixup.Mixup(0.8), keras_mixup.CutMix(1.0)), per="example"),
}


def mixed(method, batch, seed=3):
    classes = {"label": CLASSES} | (
        {"segmentation_mask": 200} if method.averages and "segmentation_mask" in batch else {}
    )
    layer = keras_mixup.MixLayer(method, num_classes=classes, roles=ROLES, box_format="xyxy", min_area=0.0, seed=seed)
    return keras.tree.map_structure(
        lambda x: x if isinstance(x, np.ndarray) else keras.ops.convert_to_numpy(x), layer(batch)
    )


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_it_passes_all_that_a_layer_mixes(name):
    batch = everything()
    if name == "FMix":
        del batch["bounding_boxes"]
    report = check_mixed(batch, mixed(EVERY_METHOD[name], batch), roles=ROLES, box_format="xyxy")
    assert report.ok, report
    assert "`id`, `name` pass through by their keys." in report.notes


def forget(key):
    return lambda before, after, rng: {**after, key: before[key]}


def own_boxes_alone(before, after, rng):
    boxes = {
        key: np.concatenate([value, np.full_like(value, -1)], 1) for key, value in before["bounding_boxes"].items()
    }
    boxes["boxes"][:, 3:] = 0
    return {**after, "bounding_boxes": boxes}


def boxes_of_others(before, after, rng):
    boxes = {key: np.concatenate([value, value[::-1]], 1) for key, value in before["bounding_boxes"].items()}
    return {**after, "bounding_boxes": boxes}


def changed_ids(before, after, rng):
    return {**after, "id": after["id"].astype("float32").mean() + 0 * after["id"]}


def another_region(before, after, rng):
    mask = rng.permutation(SIZE * 30).reshape(SIZE, 6, 5) % 2 == 0
    depth = before["depth"]
    return {**after, "depth": np.where(mask, depth, np.roll(depth, 1, axis=0))}


@pytest.mark.parametrize("name", ["mixup", "CutMix", "choice"])
@pytest.mark.parametrize(
    "fault, words",
    [
        (own_boxes_alone, "do not hold the boxes of the images that the row shows"),
        (boxes_of_others, "do not hold the boxes of the images that the row shows"),
        (changed_ids, "`id` should pass through as it is, by its key, and was changed."),
        (forget("depth"), "`depth` "),
        (another_region, "`depth` "),
    ],
)
def test_it_names_what_did_not_follow(name, fault, words):
    batch = everything()
    after = mixed(EVERY_METHOD[name], batch)
    report = check_mixed(batch, fault(batch, after, np.random.default_rng(1)), roles=ROLES, box_format="xyxy")
    assert report.problems and all(words in sentence for sentence in report.problems), report


def test_a_label_left_behind_under_another_key_is_a_problem():
    batch = {
        "image": images(np.random.default_rng(1)),
        "label": np.arange(SIZE) % CLASSES,
        "category": np.arange(SIZE) % 3,
    }
    layer = keras_mixup.MixupLayer(1.0, num_classes=CLASSES, roles={"category": "pass"}, seed=1)
    after = keras.tree.map_structure(np.asarray, layer(batch))
    report = check_mixed(batch, after)
    assert [sentence.split(",")[0] for sentence in report.problems] == ["`category` is as it was"]
    assert "`roles={'category': 'pass'}`" in report.problems[0]
    assert check_mixed(batch, after, roles={"category": "pass"}).ok
    mixing = keras_mixup.MixupLayer(
        1.0, num_classes={"label": CLASSES, "category": 3}, roles={"category": "targets"}, seed=1
    )
    assert check_mixed(batch, keras.tree.map_structure(np.asarray, mixing(batch))).ok


def test_boxes_of_cut_images_need_their_format():
    batch = everything()
    report = check_mixed(batch, mixed(EVERY_METHOD["CutMix"], batch), roles=ROLES)
    assert report.ok
    assert any("give `box_format=...`" in note for note in report.notes)
    with pytest.raises(ValueError, match="`box_format` should be 'xyxy'"):
        check_mixed(batch, batch, box_format="corners")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(SIZE,), (SIZE, 1)])
def test_class_ids_of_floats_that_became_rows(dtype, shape):
    x, y, w, p = case()
    rows = blend(one_hot(y), w, p)
    assert check_mixed((x, y.astype(dtype).reshape(shape)), (blend(x, w, p), rows)).ok
    wrong = check_mixed((x, y.astype(dtype).reshape(shape)), (blend(x, w, p), one_hot(y)))
    assert wrong.problems[0].startswith("`y` was not mixed")


@pytest.mark.parametrize("share, error, explained", [(0.5, 0.009, True), (0.5, 0.011, False)])
def test_a_coarse_mix_is_believed_up_to_a_hundredth_of_the_distance(share, error, explained):
    assert_believed(share, error, explained)


@pytest.mark.parametrize("share, error, explained", [(0.1, 0.0045, True), (0.1, 0.0055, False)])
def test_a_coarse_mix_is_believed_up_to_a_twentieth_of_the_change(share, error, explained):
    assert_believed(share, error, explained)


def assert_believed(share, error, explained):
    """One row is off its line by that part of the distance of the two rows, at right angles."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(4, 4000))
    w, p = np.array([1 - share, 0.7, 0.4, 0.8]), np.array([1, 2, 3, 0])
    mixed = blend(x, w, p)
    line = x[0] - x[1]
    off = rng.normal(size=4000)
    off -= line * (off @ line) / (line @ line)
    mixed[0] += off / np.linalg.norm(off) * error * np.linalg.norm(line)
    report = check_mixed(x, mixed)
    assert np.isfinite(report.weight[0]) == explained
    assert report.ok == explained
