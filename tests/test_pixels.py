"""`SaliencyMix` looks at pixels and `SmoothMix` has a soft edge: two methods in files of their own."""

import re

import keras
import numpy as np
import pytest
from contract import METHOD_DOORS, SEED, FixedWeights, features, one_hot, to_numpy
from scipy import stats

from keras_mixup import Batch, Choice, CutMix, MixLayer, Mixup, SaliencyMix, SmoothMix, check_mixed, mix_batch
from keras_mixup.methods import REGISTRY
from keras_mixup.saliencymix import REACHES, centre_surround

SIZE, HEIGHT, WIDTH = 6, 18, 15
X, Y = features(SIZE, (HEIGHT, WIDTH, 3)), np.arange(SIZE)
at_every_door = pytest.mark.parametrize("door", METHOD_DOORS.values(), ids=METHOD_DOORS)
both = pytest.mark.parametrize("method", [SaliencyMix(), SmoothMix()], ids=["SaliencyMix", "SmoothMix"])


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def one_bright_pixel(places, size=(HEIGHT, WIDTH)):
    x = np.zeros((len(places), *size, 1), "float32")
    for i, (row, column) in enumerate(places):
        x[i, row, column] = 1.0
    return x


# --- SaliencyMix ---


@pytest.mark.parametrize("shape, axes", [((HEIGHT, WIDTH, 3), (1, 2)), ((2, HEIGHT, WIDTH), (2, 3)), ((40, 2), (1,))])
def test_saliency_is_the_difference_from_the_surround(shape, axes):
    """By loops, window by window; the images have no symmetry and are smaller than some windows."""
    x = features(3, shape)
    others = tuple(axis for axis in range(1, x.ndim) if axis not in axes)
    intensity = x.astype("float64").mean(others)
    expected = np.zeros(intensity.shape)
    for place in np.ndindex(*intensity.shape[1:]):
        for reach in REACHES:
            window = tuple(slice(max(0, p - reach), p + reach + 1) for p in place)
            around = intensity[(slice(None), *window)].reshape(3, -1)
            own = intensity[(slice(None), *place)]
            mean = (around.sum(1) - own) / (around.shape[1] - 1)
            expected[(slice(None), *place)] += np.abs(own - mean)
    found = to_numpy(centre_surround(keras.ops.convert_to_tensor(x), axes))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@at_every_door
@pytest.mark.parametrize("per", ["example", "batch"])
def test_the_box_lies_around_the_partners_brightest_pixel(door, per):
    places = [(2, 3), (9, 12), (16, 1), (5, 7), (11, 4), (0, 14)]
    x, keep = one_bright_pixel(places), 0.8
    method = SaliencyMix(FixedWeights(keep), per=per, pairing="roll")
    mixed, y = door((x, Y), method, num_classes=SIZE, seed=SEED)
    for i in range(SIZE):
        row, column = places[(i if per == "example" else 0) - 1]
        sides = []
        for place, length in ((row, HEIGHT), (column, WIDTH)):
            half = np.sqrt(1 - keep) * length / 2
            first, last = max(place + 0.5 - half, 0), min(place + 0.5 + half, length)
            sides.append(slice(int(np.floor(first + 0.5)), int(np.floor(last + 0.5))))
        expected = x[i].copy()
        expected[tuple(sides)] = x[i - 1][tuple(sides)]
        np.testing.assert_array_equal(mixed[i], expected)
        area = (sides[0].stop - sides[0].start) * (sides[1].stop - sides[1].start)
        np.testing.assert_allclose(y[i, i - 1], area / (HEIGHT * WIDTH), atol=1e-6)


def test_a_saliency_of_ones_own_says_where():
    def top_left(images):
        return one_bright_pixel([(1, 2)] * SIZE)[..., 0]

    draw = SaliencyMix(FixedWeights(0.99), saliency=top_left).draw(
        Batch(SIZE, features=(X,), image_size=(HEIGHT, WIDTH)), SEED
    )
    for top, left, bottom, right in to_numpy(draw.box):
        assert top <= 1 < bottom and left <= 2 < right


def test_where_maps_are_coarser_the_box_counts_in_their_places():
    x, mask = one_bright_pixel([(9, 9)] * 4, (16, 16)), np.arange(4)[:, None, None] + np.zeros((4, 8, 8), int)
    batch = {"image": x, "segmentation_mask": mask.astype("uint8")}
    mixed = to_numpy(mix_batch(batch, SaliencyMix(FixedWeights(0.9), pairing="roll"), SEED))
    assert (mixed["segmentation_mask"][:, 4, 4] == [3, 0, 1, 2]).all()


def test_nothing_to_look_at_is_refused():
    with refuses("`SaliencyMix` looks at images. Received: a batch without any."):
        SaliencyMix().draw(Batch(4, image_size=(8, 8)), SEED)
    with refuses("`saliency` should be a function from images to numbers"):
        SaliencyMix(saliency="spectral")


# --- SmoothMix ---


def hole(draw, i):
    return 1 - to_numpy(draw.region)[i].astype("float64")


@pytest.mark.parametrize("per", ["example", "batch"])
def test_the_hole_is_a_gaussian_around_a_pixel(per):
    """Its centre, where it is 1, and its widths, read off next to it, say all the rest."""
    draw = SmoothMix((0.3, 0.3), per=per).draw(Batch(50, image_size=(HEIGHT, WIDTH)), SEED)
    for i in range(50 if per == "example" else 1):
        found = hole(draw, i)
        row, column = np.unravel_index(found.argmax(), found.shape)
        assert found[row, column] == 1.0
        rows, columns = np.arange(HEIGHT)[:, None] - row, np.arange(WIDTH)[None] - column
        expected = np.exp(-(rows**2) / (2 * (0.3 * HEIGHT) ** 2) - columns**2 / (2 * (0.3 * WIDTH) ** 2))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(to_numpy(draw.target_weight)[i], 1 - expected.mean(), atol=1e-6)


def test_centres_are_uniform_and_so_are_widths():
    """Fails by chance once in a million; 3,000 holes on an image whose centre is never far away."""
    draw = SmoothMix((0.25, 0.5)).draw(Batch(3000, image_size=(8, 6)), SEED)
    holes = 1 - to_numpy(draw.region).astype("float64")
    flat = holes.reshape(3000, -1).argmax(1)
    assert stats.chisquare(np.bincount(flat, minlength=48)).pvalue > 1e-6
    row, column = np.unravel_index(flat, (8, 6))
    beside = holes[np.arange(3000), row, np.where(column > 0, column - 1, column + 1)]
    widths = np.sqrt(-1 / (2 * np.log(beside))) / 6
    assert stats.kstest(widths, stats.uniform(0.25, 0.25).cdf).pvalue > 1e-6


@at_every_door
def test_images_and_maps_are_blended_along_the_hole_and_targets_by_its_mean(door):
    """Images whose pixels say which they are: shares of pixels, and their mean."""
    x = np.broadcast_to(np.eye(SIZE, dtype="float32")[:, None, None], (SIZE, HEIGHT, WIDTH, SIZE)).copy()
    mixed, y = door((x, Y), SmoothMix(pairing="roll"), num_classes=SIZE, seed=SEED)
    np.testing.assert_allclose(mixed.sum(-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(mixed.mean((1, 2)), y, atol=1e-6)
    own = mixed[np.arange(SIZE), ..., np.arange(SIZE)]
    assert ((own.min((1, 2)) < 1e-6) & (own.max((1, 2)) > 0.3)).all()


def test_a_map_is_blended_like_the_image_and_numbers_that_have_no_share_do_not_matter():
    x = features(SIZE, (HEIGHT, WIDTH, 1))
    mixed = to_numpy(mix_batch({"image": x, "segmentation_mask": x}, SmoothMix(), SEED))
    np.testing.assert_array_equal(mixed["image"], mixed["segmentation_mask"])
    x[0] = np.nan
    mixed = to_numpy(mix_batch(x, SmoothMix(probability=0.0001), SEED))
    np.testing.assert_array_equal(mixed[1:], x[1:])


@pytest.mark.parametrize("sigma", [(0.0, 0.5), (0.5, 0.2), (0.2, 1.5), 0.3, "a"])
def test_widths_out_of_range_are_refused(sigma):
    with refuses("`sigma` should be"):
        SmoothMix(sigma)


# --- Both ---


@both
@pytest.mark.parametrize("options", [{"per": "batch"}, {"probability": 0.5}, {"pairing": "derangement"}])
def test_they_are_saved_chosen_and_read_back(method, options):
    method = type(method)(**options)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(method))
    assert again == method
    for one in (method, Choice((Mixup(1.0), CutMix(), method), per="example")):
        mixed = to_numpy(MixLayer(one, num_classes=SIZE, seed=SEED)(X, Y))
        report = check_mixed((X, Y), mixed)
        assert report.ok, report
        spoilt = check_mixed((X, Y), (mixed[0], np.roll(mixed[1], 1, axis=0)))
        assert not spoilt.ok


def test_the_check_sees_a_map_that_does_not_follow_a_soft_edge():
    batch = {"image": X, "label": one_hot(SIZE), "segmentation_mask": features(SIZE, (HEIGHT, WIDTH, 1), seed=8)}
    mixed = to_numpy(mix_batch(batch, SmoothMix(pairing="roll"), SEED))
    assert check_mixed(batch, mixed).ok
    mixed["segmentation_mask"] = mixed["segmentation_mask"][:, ::-1]
    (problem,) = check_mixed(batch, mixed).problems
    assert problem.startswith("`segmentation_mask` is not cut along the region of `image`")


@both
def test_they_are_in_the_registry(method):
    assert REGISTRY[type(method).__name__.lower()] is type(method)


def test_a_strangers_method_takes_no_name_of_ours():
    type("Mixup", (Mixup,), {"__module__": "elsewhere"})
    assert REGISTRY["mixup"] is Mixup
    keras.saving.get_custom_objects().pop("elsewhere>Mixup", None)


# --- Labels that are united ---


@at_every_door
def test_multi_hot_labels_are_united(door):
    tags = (features(SIZE, (9,)) > 2).astype("int32")
    shown = one_hot(SIZE)
    x = np.broadcast_to(shown[:, None, None], (SIZE, 4, 5, SIZE)).copy()
    mixed, y = door((x, tags), Mixup(1.0, pairing="derangement"), roles={1: "multi_hot"}, seed=SEED)
    there = mixed.mean((1, 2)) > 0
    np.testing.assert_array_equal(y, np.array([tags[row].max(0) for row in there]))
    assert y.dtype == np.float32 and (y > tags).any()


def test_class_ids_are_no_multi_hot_rows():
    with refuses("Multi-hot targets should be rows with a place for each label."):
        mix_batch((X, Y), Mixup(1.0), SEED, roles={1: "multi_hot"})
