"""`CutMix`, `ResizeMix` and `FMix`: images are cut, and the targets follow the pixels that are counted."""

import re

import keras
import numpy as np
import pytest
from contract import (
    BACKEND,
    METHOD_DOORS,
    SEED,
    FixedWeights,
    assert_same_bits,
    features,
    method_through_function,
    method_through_function_of_tensors,
    one_hot,
    read_draw,
    to_numpy,
)
from scipy import stats

from keras_mixup import (
    Batch,
    Choice,
    CutMix,
    Draw,
    FMix,
    MixLayer,
    Mixup,
    MixupModel,
    ResizeMix,
    mix,
    mix_with,
    regions,
)
from keras_mixup.mixing import shrink

SLOWLY = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND != "torch" else [False]  # XLA takes its seconds
FAILURE = 1e-9  # the probability that a test of randomness fails by chance
SIZE, HEIGHT, WIDTH = 6, 8, 11

QUICK = {name: door for name, door in METHOD_DOORS.items() if name != "layer under XLA"}
at_every_quick_door = pytest.mark.parametrize("door", QUICK.values(), ids=QUICK)
at_every_door = pytest.mark.parametrize("door", METHOD_DOORS.values(), ids=METHOD_DOORS)
CUTTING = {
    "CutMix": CutMix(pairing="derangement"),
    "CutMix per batch": CutMix(per="batch", pairing="roll"),
    "CutMix minmax": CutMix(minmax=(0.2, 0.8), pairing="derangement"),
    "CutMix minmax per batch": CutMix(minmax=(0.3, 0.6), per="batch", pairing="derangement"),
    "FMix": FMix(pairing="derangement"),
    "FMix per batch": FMix(per="batch", pairing="derangement"),
    "Choice": Choice((CutMix(pairing="roll"), FMix(pairing="roll")), per="example"),
}
by_every_cut = pytest.mark.parametrize("method", CUTTING.values(), ids=CUTTING)


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def marked(size, *shape):
    """Images whose every number says which image and which place it is from."""
    places = np.prod(shape, dtype=int)
    return (np.arange(size)[:, None] * places + np.arange(places)).reshape(size, *shape).astype("float32")


def sources(mixed, size):
    """From which image each number of mixed `marked` images comes; every number is unchanged and in its place."""
    shape = mixed.shape[1:]
    places = np.prod(shape, dtype=int)
    found = mixed.reshape(len(mixed), -1) - np.arange(places)
    rows = np.round(found / places)
    np.testing.assert_array_equal(found, rows * places)
    assert rows.min() >= 0 and rows.max() < size
    return rows.astype(int).reshape(mixed.shape)


def box_of(pasted):
    """Top, left, bottom, right of a boolean picture, once it is sure that it is one rectangle or nothing."""
    if not pasted.any():
        return 0, 0, 0, 0
    rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    assert pasted[top:bottom, left:right].all() and pasted.sum() == (bottom - top) * (right - left)
    return top, left, bottom, right


def kept_by(draw, image_size=(HEIGHT, WIDTH)):
    """Where each original stays, as a boolean picture for each row."""
    if draw.region is not None:
        return draw.region
    kept = np.ones((len(draw.weight), *image_size), bool)
    for i, (top, left, bottom, right) in enumerate(np.broadcast_to(draw.box, (len(kept), 4))):
        kept[i, top:bottom, left:right] = False
    return kept


def drawn(method, size, seed=SEED, image_size=(HEIGHT, WIDTH), targets=None):
    return Draw(
        *(
            None if part is None else to_numpy(part)
            for part in method.draw(Batch(size, targets, image_size=image_size), seed)
        )
    )


# --- At every door --------------------------------------------------------------------------------------------------


@at_every_door
@by_every_cut
def test_every_pixel_is_of_one_of_the_two_and_the_target_counts_them(door, method):
    x = marked(SIZE, HEIGHT, WIDTH, 3)
    mixed_x, mixed_y = door((x, np.arange(SIZE)), method, num_classes=SIZE)
    weight, partner = read_draw(mixed_y)
    source = sources(mixed_x, SIZE)
    own = np.arange(SIZE)[:, None, None, None]
    assert np.all((source == own) | (source == partner[:, None, None, None]))
    kept = (source == own).mean((1, 2, 3))
    assert len(np.unique(kept)) > 1 or method.per == "batch"
    assert (kept < 1).any()
    np.testing.assert_allclose(weight, kept, rtol=2e-7)
    # A pixel has one source: all of its channels go together.
    assert np.all(source == source[..., :1])
    if method.per == "batch":
        assert np.all((source == own) == (source == own)[:1])
    if isinstance(method, CutMix):
        for i in range(SIZE):
            box_of(source[i, :, :, 0] != i)


@at_every_door
@pytest.mark.parametrize("per", ["example", "batch"])
def test_resizemix_shows_the_whole_partner_small(door, per):
    """Against a loop in NumPy, from the window that the result itself shows."""
    x = marked(4, HEIGHT, WIDTH, 2)
    mixed_x, mixed_y = door((x, np.arange(4)), ResizeMix(scale=(0.3, 0.9), per=per, pairing="roll"), num_classes=4)
    weight, partner = read_draw(mixed_y)
    np.testing.assert_array_equal(partner, np.roll(np.arange(4), 1))
    boxes = set()
    for i in range(4):
        pasted = (mixed_x[i] != x[i]).all(-1)
        box = box_of(pasted)
        boxes.add(box)
        assert pasted.any()
        np.testing.assert_allclose(weight[i], 1 - pasted.mean(), rtol=2e-7)
        top, left, bottom, right = box
        expected = bilinear(x[partner[i]], bottom - top, right - left)
        np.testing.assert_allclose(mixed_x[i, top:bottom, left:right], expected, rtol=1e-5)
    assert len(boxes) == 1 or per == "example"


def bilinear(image, height, width):
    """Linear interpolation between pixel centres, loop by loop."""
    resized = np.empty((height, width, image.shape[-1]))
    for i in range(height):
        for j in range(width):
            place = []
            for k, length, full in ((i, height, image.shape[0]), (j, width, image.shape[1])):
                at = min(max((k + 0.5) * full / length - 0.5, 0), full - 1)
                low = int(at)
                place.append((low, min(low + 1, full - 1), at - low))
            (top, bottom, down), (left, right, across) = place
            above = (1 - across) * image[top, left].astype(float) + across * image[top, right]
            below = (1 - across) * image[bottom, left].astype(float) + across * image[bottom, right]
            resized[i, j] = (1 - down) * above + down * below
    return resized


@at_every_quick_door
@pytest.mark.parametrize("method", [CUTTING["CutMix"], CUTTING["FMix"], CUTTING["Choice"], ResizeMix(pairing="roll")])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_masks_of_class_ids_are_cut_along_with_the_images_and_stay_class_ids(door, method, dtype):
    """Ids 3 and 200 have no class between them, whatever an average says; Keras' CutMix and MixUp mix them."""
    mask = np.where(np.random.default_rng(1).random((SIZE, HEIGHT, WIDTH)) < 0.5, 3, 200)
    mask += np.arange(SIZE)[:, None, None]  # an image's own ids
    batch = {
        "images": marked(SIZE, HEIGHT, WIDTH, 3),
        "labels": np.arange(SIZE),
        "segmentation_masks": mask.astype(dtype)[..., None],
    }
    mixed = door(batch, method, num_classes=SIZE)
    _, partner = read_draw(mixed["labels"])
    masks = mixed["segmentation_masks"]
    assert masks.dtype == dtype and masks.shape == batch["segmentation_masks"].shape
    if isinstance(method, ResizeMix):
        return  # see below
    kept = sources(mixed["images"], SIZE)[..., :1] == np.arange(SIZE)[:, None, None, None]
    mask = batch["segmentation_masks"]
    np.testing.assert_array_equal(masks, np.where(kept, mask, mask[partner]))


@at_every_door
def test_resizemix_takes_the_nearest_class_id(door):
    """A window of a third of the image: the middle one of three pixels is the nearest."""
    fixed = ResizeMix(scale=(1 / 3 + 1e-3, 1 / 3 + 1e-3), pairing="roll")
    mask = np.random.default_rng(1).integers(0, 250, (4, 12, 18)).astype("uint8")
    image = features(4, (12, 18, 1))
    mixed = door({"image": image, "segmentation_mask": mask, "label": one_hot(4)}, fixed)
    for i in range(4):
        pasted = (mixed["image"][i] != image[i])[..., 0]
        top, left, bottom, right = box_of(pasted)
        partner = mask[i - 1]
        rows = ((np.arange(bottom - top) + 0.5) * 12 / (bottom - top)).astype(int)
        columns = ((np.arange(right - left) + 0.5) * 18 / (right - left)).astype(int)
        expected = mask[i].copy()
        expected[top:bottom, left:right] = partner[np.ix_(rows, columns)]
        np.testing.assert_array_equal(mixed["segmentation_mask"][i], expected)


@at_every_quick_door
def test_soft_masks_and_sample_weights_follow_the_cut(door):
    batch = {
        "image": marked(SIZE, HEIGHT, WIDTH, 1),
        "label": one_hot(SIZE),
        "segmentation_mask": features(SIZE, (HEIGHT, WIDTH, 2)),
        "sample_weight": features(SIZE, ()),
        "id": np.arange(SIZE, dtype="int32"),
    }
    mixed = door(batch, CUTTING["CutMix"])
    weight, partner = read_draw(mixed["label"])
    kept = sources(mixed["image"], SIZE) == np.arange(SIZE)[:, None, None, None]
    mask, sample_weight = batch["segmentation_mask"], batch["sample_weight"]
    np.testing.assert_array_equal(mixed["segmentation_mask"], np.where(kept, mask, mask[partner]))
    expected = weight * sample_weight + (1 - weight) * sample_weight[partner]
    np.testing.assert_allclose(mixed["sample_weight"], expected, rtol=1e-5)
    np.testing.assert_array_equal(mixed["id"], batch["id"])


@at_every_quick_door
@pytest.mark.parametrize("method", [CutMix(0), CutMix(probability=0), FMix(0), FMix(probability=0)], ids=repr)
def test_alpha_or_probability_zero_returns_the_bits(door, method):
    x = features(4, (5, 7, 3))
    x[:, 0, 0, 0] = [np.nan, np.inf, -0.0, 1e-42]
    mixed_x, mixed_y = door((x, one_hot(4)), method)
    assert_same_bits(mixed_x, x)
    assert_same_bits(mixed_y, one_hot(4))


@at_every_quick_door
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 1), (9, 1, 2), (2, 3, 5), (30, 40, 4), (7, 5)], ids=str)
@pytest.mark.parametrize("method", [CutMix(pairing="roll"), FMix(pairing="roll")], ids=["CutMix", "FMix"])
def test_images_of_any_shape(door, method, shape):
    x = marked(5, *shape)
    options = {"axes": (1, 2)} if len(shape) == 2 else {}  # or they might be series of a time and channels
    mixed_x, mixed_y = door((x, one_hot(5)), method, **options)
    weight, _ = read_draw(mixed_y)
    kept = sources(mixed_x, 5) == np.arange(5).reshape(-1, *[1] * len(shape))
    np.testing.assert_allclose(weight, kept.reshape(5, -1).mean(1), rtol=2e-7)


# --- Forms of images ------------------------------------------------------------------------------------------------


@pytest.fixture
def channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


@by_every_cut
def test_channels_first(channels_first, method):
    mixed, y = method_through_function((marked(SIZE, 3, HEIGHT, WIDTH), one_hot(SIZE)), method)
    source = sources(mixed, SIZE)
    assert np.all(source == source[:, :1])
    weight, _ = read_draw(y)
    kept = source == np.arange(SIZE)[:, None, None, None]
    np.testing.assert_allclose(weight, kept.mean((1, 2, 3)), rtol=2e-7)
    assert not np.all(source == source[:, :, :1])  # height and width are cut


@pytest.mark.parametrize("method", [CutMix(pairing="roll"), FMix(pairing="roll")], ids=["CutMix", "FMix"])
@pytest.mark.parametrize("first", [False, True])
def test_every_frame_of_a_video_is_cut_alike(method, first, request):
    if first:
        request.getfixturevalue("channels_first")
    x = marked(SIZE, 2, 3, HEIGHT, WIDTH) if first else marked(SIZE, 2, HEIGHT, WIDTH, 3)
    mixed, y = method_through_function((x, one_hot(SIZE)), method)
    source = sources(mixed, SIZE)
    assert np.all(source == source[:, :1])
    assert np.all(source == (source[:, :, :1] if first else source[..., :1]))
    weight, _ = read_draw(y)
    kept = source == np.arange(SIZE)[:, None, None, None, None]
    np.testing.assert_allclose(weight, kept.reshape(SIZE, -1).mean(1), rtol=2e-7)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("method", [CutMix(pairing="roll"), FMix(pairing="roll")], ids=["CutMix", "FMix"])
def test_pixels_keep_their_values_in_every_dtype(method, dtype):
    x = features(4, (HEIGHT, WIDTH, 3), dtype)
    mixed, _ = method_through_function((x, one_hot(4)), method)
    other = np.roll(x, 1, axis=0)
    expected = "float32" if dtype == "uint8" else dtype
    assert mixed.dtype == expected
    x, other = x.astype(expected), other.astype(expected)
    assert np.all((mixed == x) | (mixed == other))
    assert not np.array_equal(mixed, x)


def test_resizemix_averages_bytes_as_floats():
    x = features(4, (HEIGHT, WIDTH, 3), "uint8")
    as_bytes, _ = method_through_function((x, one_hot(4)), ResizeMix())
    as_floats, _ = method_through_function((x.astype("float32"), one_hot(4)), ResizeMix())
    np.testing.assert_array_equal(as_bytes, as_floats)
    assert np.any(as_bytes != np.round(as_bytes))


@pytest.mark.parametrize("method", [*CUTTING.values(), ResizeMix(pairing="roll")], ids=[*CUTTING, "ResizeMix"])
def test_images_of_unknown_size_in_a_pipeline(method):
    tf = pytest.importorskip("tensorflow")
    sizes = [(6, 9), (13, 4)]
    dataset = tf.data.Dataset.from_generator(
        lambda: ((marked(5, *size, 2), one_hot(5)) for size in sizes),
        output_signature=(tf.TensorSpec((None, None, None, 2)), tf.TensorSpec((None, 5))),
    )
    for door in (mix_with(method, seed=SEED), lambda ds: ds.map(MixLayer(method, seed=SEED))):
        for (x, y), size in zip(dataset.apply(door), sizes, strict=True):
            weight, partner = read_draw(y.numpy())
            kept = x.numpy() == marked(5, *size, 2)
            np.testing.assert_allclose(weight, kept.mean((1, 2, 3)), rtol=2e-7)
            if not isinstance(method, ResizeMix):
                source = sources(x.numpy(), 5)
                assert np.all((source == np.arange(5)[:, None, None, None]) | (source == partner[:, None, None, None]))


@pytest.mark.parametrize("method", [CutMix(FixedWeights(0.4), pairing="roll"), FMix(FixedWeights(0.4), pairing="roll")])
def test_what_the_other_image_holds_elsewhere_does_not_leak(method):
    x = features(4, (HEIGHT, WIDTH, 2))
    x[1] = np.nan
    mixed, _ = method_through_function_of_tensors((x, one_hot(4)), method)
    kept = kept_by(drawn(method, 4))
    np.testing.assert_array_equal(np.isnan(mixed[1]), np.broadcast_to(kept[1][..., None], mixed[1].shape))
    np.testing.assert_array_equal(np.isnan(mixed[2]), np.broadcast_to(~kept[2][..., None], mixed[2].shape))
    assert not np.isnan(mixed[[0, 3]]).any()
    assert kept[1].any() and not kept[1].all() and not kept[2].all()


# --- The law of the boxes -------------------------------------------------------------------------------------------


def boxes_of(method, count, image_size, seed=SEED):
    """(count, 4) boxes of a draw; and its shares, which say how many pixels are outside."""
    draw = drawn(method, count, seed, image_size)
    boxes = np.broadcast_to(draw.box, (count, 4))
    outside = kept_by(draw, image_size).reshape(count, -1).mean(1)
    np.testing.assert_allclose(draw.target_weight, outside, rtol=2e-7)
    assert draw.target_weight.dtype == np.float32
    return boxes, draw.target_weight


def cut_by_the_formula(generator, side, height, width, least=0.0):
    """Pixels inside a box of these shares of the sides, around a centre anywhere, clipped, its edges rounded."""
    area = np.ones(len(side), int)
    for length in (height, width):
        centre, half = generator.uniform(0, length, len(side)), np.maximum(length * side, least) / 2
        first, last = np.maximum(centre - half, 0), np.minimum(centre + half, length)
        area *= np.floor(last + 0.5).astype(int) - np.floor(first + 0.5).astype(int)
    return area


@pytest.mark.parametrize("alpha, image_size", [(1.0, (16, 16)), (0.3, (9, 20)), (3.0, (5, 12))])
def test_the_share_kept_by_cutmix_follows_the_law_of_the_paper(alpha, image_size):
    """Kolmogorov-Smirnov, fails by chance at 1e-9. Sides rounded down to whole pixels are noticed."""
    share = drawn(CutMix(alpha), 20_000, image_size=image_size).target_weight
    generator, pixels = np.random.default_rng(1), image_size[0] * image_size[1]
    area = cut_by_the_formula(generator, np.sqrt(1 - generator.beta(alpha, alpha, 200_000)), *image_size)
    # Shares are multiples of a pixel: compare whole numbers of them.
    assert stats.ks_2samp(np.round(share * pixels), pixels - area).pvalue > FAILURE


def test_a_cutmix_box_is_centred_anywhere_and_clipped():
    """A box of sides that are whole pixels begins in any place, beyond the border too: chi-squared, 1e-9."""
    keep = np.float32(1 - 0.25)  # half of the sides: 4 of 8, 6 of 12
    boxes, _ = boxes_of(CutMix(FixedWeights(keep)), 5000, (8, 12))
    for first, last, length in ((0, 2, 8), (1, 3, 12)):
        side = length // 2
        starts = np.where(boxes[:, first] > 0, boxes[:, first], boxes[:, last] - side)
        counts = np.bincount(starts + side // 2, minlength=length + 1)
        # The centre is anywhere in [0, length): its nearest pixel border is the first and the last half as often.
        expected = np.r_[0.5, np.ones(length - 1), 0.5] * 5000 / length
        assert stats.chisquare(counts, expected).pvalue > FAILURE


@pytest.mark.parametrize("keep, kept", [(1.0, 1.0), (0.0, None)])
def test_a_box_of_nothing_and_a_box_of_everything(keep, kept):
    boxes, share = boxes_of(CutMix(FixedWeights(keep)), 300, (HEIGHT, WIDTH))
    if kept == 1.0:
        assert (share == 1.0).all()
    else:  # the whole image's size around any centre: a corner at least
        assert share.min() < 0.1 and share.max() < 0.78
    assert boxes.min() >= 0 and boxes[:, 2].max() <= HEIGHT and boxes[:, 3].max() <= WIDTH


@pytest.mark.parametrize("minmax", [(0.25, 0.75), (0.0, 1.0), (0.5, 0.5), (0.9, 0.98)], ids=str)
def test_minmax_boxes_have_independent_uniform_sides_and_lie_inside(minmax):
    """Against a simulation of the rule: chi-squared of height and width, fails by chance at 1e-9."""
    image_size = (16, 24)
    boxes, _ = boxes_of(CutMix(minmax=minmax), 5000, image_size)
    top, left, bottom, right = boxes.T
    assert boxes.min() >= 0 and bottom.max() <= 16 and right.max() <= 24
    sides = {16: bottom - top, 24: right - left}
    for length, side in sides.items():
        if minmax[0] > 0:  # an empty box has no sides to read
            assert side.min() >= int(minmax[0] * length)
        assert side.max() <= minmax[1] * length
    if minmax == (0.25, 0.75):
        for length, side in sides.items():  # floor of a uniform number in [length / 4, 3 length / 4)
            counts = np.bincount(side, minlength=length)[length // 4 : 3 * length // 4]
            assert counts.sum() == len(side)
            assert stats.chisquare(counts).pvalue > FAILURE
        assert stats.chi2_contingency(np.histogram2d(sides[16], sides[24], 4)[0]).pvalue > FAILURE
        starts = top[sides[16] == 6]  # anywhere from 0 to 10
        assert stats.chisquare(np.bincount(starts, minlength=11)).pvalue > FAILURE
        assert len(np.bincount(starts)) == 11


def test_minmax_takes_the_place_of_alpha_but_for_zero():
    assert not CutMix(alpha=0, minmax=(0.2, 0.5)).mixes
    assert not CutMix(minmax=(0.2, 0.5), probability=0).mixes
    np.testing.assert_array_equal(
        drawn(CutMix(0.1, (0.2, 0.5)), 5).target_weight, drawn(CutMix(9.0, (0.2, 0.5)), 5).target_weight
    )


@pytest.mark.parametrize("scale", [(0.1, 0.8), (0.5, 0.5)])
def test_the_share_kept_by_resizemix_follows_its_law(scale):
    """One ratio for both sides, clipped around a centre; Kolmogorov-Smirnov, fails by chance at 1e-9."""
    height, width = 16, 24
    share = drawn(ResizeMix(scale), 20_000, image_size=(height, width)).target_weight
    generator = np.random.default_rng(1)
    area = cut_by_the_formula(generator, generator.uniform(*scale, 200_000), height, width, least=1.0)
    pixels = height * width
    assert stats.ks_2samp(np.round(share * pixels), pixels - area).pvalue > FAILURE
    assert area.min() > 0 and (share < 1).all()


@pytest.mark.parametrize("method", [CutMix(), FMix(), ResizeMix()], ids=["CutMix", "FMix", "ResizeMix"])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_probability_is_the_chance_of_a_cut(method, per):
    """Binomial bounds, fail by chance at 1e-9. Boxes of no area count as uncut: hence a low alpha's opposite."""
    method = type(method)(per=per, probability=0.3, **({} if isinstance(method, ResizeMix) else {"alpha": 20.0}))
    if per == "batch":
        weights = np.array([drawn(method, 3, seed, (12, 12)).target_weight for seed in range(200)])
        assert np.all(weights == weights[:, :1])
        weight = weights[:, 0]
    else:
        weight = drawn(method, 4000, image_size=(12, 12)).target_weight
    assert stats.binomtest(int((weight < 1).sum()), len(weight), 0.3).pvalue > FAILURE


# --- Shrinking ------------------------------------------------------------------------------------------------------

WINDOWS = np.array([[0, 0, HEIGHT, WIDTH], [2, 3, 5, 9], [0, 4, 1, 5], [3, 0, 8, 2]], "int32")


def test_an_image_is_shrunk_linearly():
    x = features(4, (HEIGHT, WIDTH, 3))
    shrunk = to_numpy(shrink(x, WINDOWS))
    for i, (top, left, bottom, right) in enumerate(WINDOWS):
        expected = bilinear(x[i], bottom - top, right - left)
        np.testing.assert_allclose(shrunk[i, top:bottom, left:right], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(shrunk[0], x[0])  # the whole image is itself


def test_an_infinite_pixel_stays_where_it_is_if_nothing_is_shrunk():
    x = features(2, (HEIGHT, WIDTH, 1))
    x[1, 3, 4] = np.inf
    np.testing.assert_array_equal(to_numpy(shrink(x, WINDOWS[:1])), x)


def test_one_window_serves_a_batch():
    x = features(3, (HEIGHT, WIDTH, 1))
    one, each = shrink(x, WINDOWS[1:2]), shrink(x, np.repeat(WINDOWS[1:2], 3, axis=0))
    np.testing.assert_array_equal(to_numpy(one), to_numpy(each))


def test_a_window_is_pasted_where_the_region_says():
    x = features(4, (HEIGHT, WIDTH, 2))
    region = np.ones((4, HEIGHT, WIDTH), bool)
    for i, (top, left, bottom, right) in enumerate(WINDOWS):
        region[i, top:bottom, left:right] = False
    partner = np.array([1, 2, 3, 0])
    mixed = to_numpy(mix(x, Draw(np.ones(4, "float32"), partner, region=region, window=WINDOWS)))
    for i, (top, left, bottom, right) in enumerate(WINDOWS):
        np.testing.assert_array_equal(mixed[i][region[i]], x[i][region[i]])
        expected = bilinear(x[partner[i]], bottom - top, right - left)
        np.testing.assert_allclose(mixed[i, top:bottom, left:right], expected, rtol=1e-4, atol=1e-5)


# --- FMix -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.3, 0.07, 0.985])
def test_fmix_keeps_the_share_drawn_to_the_pixel_and_on_average_exactly(keep):
    """63 pixels; rounding up or down at random. Binomial bound on how often up, fails by chance at 1e-9."""
    draw = drawn(FMix(FixedWeights(keep)), 3000, image_size=(7, 9))
    count = draw.region.reshape(3000, -1).sum(1)
    np.testing.assert_allclose(draw.target_weight, count / 63, rtol=2e-7)
    low = int(np.float32(keep) * 63)
    assert set(count.tolist()) == {low, low + 1}
    assert stats.binomtest(int((count == low + 1).sum()), 3000, keep * 63 - low).pvalue > FAILURE


def test_fmix_never_keeps_more_than_everything(monkeypatch):
    """In float32 224 x 224 + 0.999 is one pixel more than there are."""
    from keras_mixup import ops as tables

    keep = np.ones(2, "float32")
    monkeypatch.setattr(tables.of(keep), "uniform", lambda shape, seed: keras.ops.full(shape, 0.9999, "float32"))
    from keras_mixup.regions import fourier_region

    region, share = fourier_region((224, 224), keras.ops.convert_to_tensor(keep), 3.0, SEED)
    assert to_numpy(share).tolist() == [1.0, 1.0]
    assert to_numpy(region).all()


def fmix_by_the_paper(generator, count, size, decay, keep):
    """Low-frequency pictures by NumPy's Fourier transform, the brightest `keep` of each."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    noise = generator.normal(size=(count, size, size)) + 1j * generator.normal(size=(count, size, size))
    picture = np.fft.ifft2(noise / np.maximum(frequency, 1 / size) ** decay).real
    return picture >= np.quantile(picture.reshape(count, -1), 1 - keep, axis=1)[:, None, None]


def power(region, rings=(0.5, 1.2, 2.5, 4.5, 8.5)):
    """Mean power in rings of frequency, of the pictures without their mean."""
    size = region.shape[1]
    spectrum = np.abs(np.fft.fft2(region - region.mean((1, 2), keepdims=True))) ** 2
    frequency = size * np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    place = np.digitize(frequency, rings)
    return np.array([spectrum[:, place == ring].mean(1) for ring in range(1, 1 + len(rings))]).T


@pytest.mark.parametrize("decay", [1.0, 3.0])
def test_the_regions_of_fmix_have_the_spectrum_of_the_paper(decay):
    """Mean power in five rings of frequency, ours and NumPy's, each over 1500 pictures; Welch's t, 1e-9 / 5 each."""
    ours = power(drawn(FMix(FixedWeights(0.4), decay), 1500, image_size=(24, 24)).region)
    paper = power(fmix_by_the_paper(np.random.default_rng(1), 1500, 24, decay, 0.4))
    for ring in range(5):
        assert stats.ttest_ind(np.log(ours[:, ring]), np.log(paper[:, ring]), equal_var=False).pvalue > FAILURE / 5
    other = power(drawn(FMix(FixedWeights(0.4), decay + 0.5), 1500, image_size=(24, 24)).region)
    assert stats.ttest_ind(np.log(other[:, 4]), np.log(paper[:, 4]), equal_var=False).pvalue < FAILURE / 5


def test_fmix_draws_large_regions_from_their_low_frequencies_with_the_same_law(monkeypatch):
    """Mean power in rings, up to a wave of three pixels, of 96 x 96 from a coarse grid and from a full one."""
    size, rings = (96, 96), [0.5, 1.2, 2.5, 4.5, 8.5, 16.0, 32.0]
    coarse = drawn(FMix(FixedWeights(0.4)), 600, image_size=size)
    assert regions._grid(size, 3.0)[0] < 96
    region = coarse.region
    np.testing.assert_allclose(coarse.target_weight, region.reshape(600, -1).mean(1), rtol=1e-6)
    assert abs(coarse.target_weight - 0.4).max() < 0.01 and abs(coarse.target_weight.mean() - 0.4) < 1e-3
    assert regions._grid(size, 1.0) == size
    monkeypatch.setattr(regions, "LEFT_OUT", 1e-30)
    assert regions._grid(size, 3.0) == size
    full = drawn(FMix(FixedWeights(0.4)), 600, seed=SEED + 1, image_size=size).region
    ours, theirs = power(region, rings), power(full, rings)
    for ring in range(len(rings)):
        pvalue = stats.ttest_ind(np.log(ours[:, ring]), np.log(theirs[:, ring]), equal_var=False).pvalue
        assert pvalue > FAILURE / len(rings)
    monkeypatch.setattr(regions, "LEFT_OUT", 1e-1)  # too coarse, which would be noticed
    rough = power(drawn(FMix(FixedWeights(0.4)), 600, seed=SEED + 2, image_size=size).region, rings)
    assert stats.ttest_ind(np.log(rough), np.log(theirs), equal_var=False).pvalue.min() < FAILURE


def test_the_regions_of_fmix_are_smooth():
    """Neighbours agree as 0.58 of all pairs do at 40 %, were pixels independent."""
    region = drawn(FMix(FixedWeights(0.4)), 50, image_size=(24, 32)).region
    for axis in (1, 2):
        pairs = np.moveaxis(region, axis, 0)
        assert (pairs[1:] == pairs[:-1]).mean() > 0.88
    rough = drawn(FMix(FixedWeights(0.4), decay=0.0), 50, image_size=(24, 32)).region
    assert (rough[:, 1:] == rough[:, :-1]).mean() == pytest.approx(0.52, abs=0.02)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [CutMix(), ResizeMix(), FMix(), Choice((Mixup(), CutMix()))], ids=repr)
@pytest.mark.parametrize(
    "x",
    [features(4, (3,)), {"a": features(4, (5, 5, 1)), "b": features(4, (6, 5, 1))}],
    ids=["vectors", "two sizes"],
)
def test_what_is_not_an_image_is_not_cut(method, x):
    received = {
        False: "features that are not images of shape `(batch, height, width, channels)`, `x` of dtype float32 and",
        True: "features that are not images of one size, {\"x['a']\": (5, 5), \"x['b']\": (6, 5)}. Leave one of them",
    }
    with refuses(f"`{type(method).__name__}` cuts images. Received: {received[isinstance(x, dict)]}"):
        method_through_function((x, one_hot(4)), method)


@pytest.mark.parametrize("door", [METHOD_DOORS["layer"], METHOD_DOORS["transformation"]], ids=["layer", "map"])
@pytest.mark.parametrize("shape", [(4, 6), (HEIGHT,), (HEIGHT, WIDTH + 1, 1)], ids=str)
def test_masks_of_another_size_are_refused(door, shape):
    mask = np.ones((4, *shape), "int32")
    with refuses(
        "Masks should be as high and wide as the images to be cut with them, or a whole multiple or part of it, here "
        f"(8, 11). Received: `segmentation_mask` of dtype int32 and shape {(4, *shape)}."
    ):
        door({"image": marked(4, HEIGHT, WIDTH, 1), "label": one_hot(4), "segmentation_mask": mask}, CutMix())


@pytest.mark.parametrize(
    "value", [(0.5,), (0.8, 0.2), (-0.1, 0.5), (0.5, 1.1), 0.5, "ab", (0.1, float("nan"))], ids=repr
)
def test_a_range_of_sides_is_checked(value):
    for name, method in (("minmax", CutMix), ("scale", ResizeMix)):
        with refuses(f"`{name}` should be two numbers 0 <= smallest <= largest <= 1. Received: {name}={value!r}."):
            method(**{name: value})


@pytest.mark.parametrize("decay", [-1, float("inf"), float("nan"), True, "3", None], ids=repr)
def test_decay_is_checked(decay):
    with refuses(f"`decay` should be a finite number >= 0. Received: decay={decay!r}."):
        FMix(decay=decay)


@pytest.mark.parametrize("method", [CutMix, ResizeMix, FMix])
def test_shared_arguments_are_checked(method):
    with refuses("`per` should be 'example' or 'batch'. Received: per='pixel'."):
        method(per="pixel")
    with refuses("`probability` should be a number between 0 and 1. Received: probability=2."):
        method(probability=2)
    with refuses("Received: pairing='nearest'."):
        method(pairing="nearest")
    if method is not ResizeMix:
        with refuses("Received: alpha=-1."):
            method(alpha=-1)


# --- Values, files, training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [CutMix(0.3, [0.2, 0.5]), ResizeMix([0.2, 0.4], per="batch"), FMix(0.5, 2.0, probability=0.5)], ids=repr
)
def test_a_method_is_a_value_that_survives_saving(method):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(method))
    assert again == method
    assert hash(again) == hash(method)


@pytest.mark.parametrize("method", [CutMix(per="batch"), ResizeMix(probability=0.5), FMix()], ids=repr)
@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_a_model_trains_saves_and_comes_back(method, jit_compile, tmp_path):
    network = keras.Sequential([keras.Input((5, 7, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model = MixupModel(network, method, num_classes=4, seed=1)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=jit_compile)
    x, y = features(8, (5, 7, 1)), np.arange(8) % 4
    before = model.evaluate(x, y, verbose=0)
    assert before == model.evaluate(x, y, verbose=0)
    assert np.isfinite(model.fit(x, y, batch_size=4, verbose=0).history["loss"]).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.method == method
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
