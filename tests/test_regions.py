"""Where images are cut, against the formula: lengths, places, borders, in one and in two dimensions."""

import keras
import numpy as np
import pytest
from contract import BACKEND, ON_TENSORFLOW, to_numpy
from scipy import stats

from keras_mixup import ops as tables
from keras_mixup import regions

FAILURE = 1e-9  # the probability that a test of randomness fails by chance
COUNT, SEED = 40_000, 5
MEAN_CUT = 1 / 2 - 1 / 5 + 1 / 48  # E (s - s^2 / 4)^2 with s^2 uniform: a side s around a uniform centre, clipped


def uniform_keep(count=COUNT):
    return np.random.default_rng(3).random(count).astype("float32")


def cut(image_size, keep, inside=False, seed=SEED):
    return to_numpy(regions.cut_box(image_size, keras.ops.convert_to_tensor(keep), seed, inside=inside))


def square(image_size, scale, count=COUNT):
    return to_numpy(regions.square_box(image_size, scale, count, SEED))


def minmax(image_size, shares, count=COUNT):
    return to_numpy(regions.minmax_box(image_size, shares, count, SEED))


def lengths(box):
    """The sides of boxes, once it is sure that none ends before it begins."""
    axes = box.shape[1] // 2
    sides = box[:, axes:] - box[:, :axes]
    assert box.dtype == np.int32 and sides.min() >= 0
    return sides


def area(box):
    return lengths(box).prod(1)


def by_the_formula(generator, share, image_size):
    """The area of boxes whose sides are a share of the image's, around any real centre: rounded, then clipped."""
    product = np.ones(len(share), int)
    for length in image_size:
        centre, half = generator.uniform(0, length, len(share)), share * length / 2
        first, last = (np.clip(np.floor(edge + 0.5), 0, length) for edge in (centre - half, centre + half))
        product *= (last - first).astype(int)
    return product


# --- CutMix ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_size", [(32, 32), (8, 8), (8, 13)], ids=str)
def test_the_mean_cut_is_that_of_the_formula_at_any_size(image_size):
    """Sides of even lengths alone cut .295 at 32 pixels and .233 at 8."""
    assert abs(MEAN_CUT - 0.3208) < 1e-4
    assert abs(area(cut(image_size, uniform_keep())).mean() / np.prod(image_size) - MEAN_CUT) < 0.01


@pytest.mark.parametrize("image_size", [(16, 16), (8, 8), (9, 20), (40,)], ids=str)
def test_the_clipped_area_follows_the_law_of_the_formula(image_size):
    """Kolmogorov-Smirnov of two samples, fails by chance at 1e-9."""
    generator = np.random.default_rng(1)
    share = (1 - generator.random(200_000)) ** (1 / len(image_size))
    expected = by_the_formula(generator, share, image_size)
    assert stats.ks_2samp(area(cut(image_size, uniform_keep())), expected).pvalue > FAILURE


def test_sides_take_every_length():
    for length, sides in zip((9, 12), lengths(cut((9, 12), uniform_keep(), inside=True)).T, strict=True):
        assert set(sides) == set(range(length + 1))


@pytest.mark.parametrize("keep", [0.9, 0.7, 0.36])
def test_a_box_inside_is_nowhere_clipped_and_anywhere(keep):
    """Chi-squared of its place, fails by chance at 1e-9."""
    image_size = (320, 240)
    box = cut(image_size, np.full(COUNT, keep, "float32"), inside=True)
    for axis, length in enumerate(image_size):
        side = length * np.sqrt(1 - keep)
        assert abs(lengths(box)[:, axis] - side).max() <= 1
        assert abs(lengths(box)[:, axis].mean() - side) < 0.02
        place = box[:, axis] / (length - side)
        # Not the same number of whole pixels lies in each eighth.
        even = np.floor((np.arange(10**6) + 0.5) / 10**6 * (length - side) + 0.5) / (length - side)
        found, expected = (np.histogram(which, 8, (0, 1 + 1e-2))[0] for which in (place, even))
        assert stats.chisquare(found, expected * (COUNT / 10**6)).pvalue > FAILURE
        assert place.min() < 0.01 and place.max() > 0.99


def test_boxes_inside_cut_half_of_the_image_on_average():
    assert abs(area(cut((320, 240), uniform_keep(), inside=True)).mean() / (320 * 240) - 0.5) < 0.01


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("image_size", [(1, 1), (7, 5), (224, 224), (3,)], ids=str)
def test_nothing_is_cut_where_everything_is_kept(inside, image_size):
    assert not area(cut(image_size, np.ones(2000, "float32"), inside)).any()
    for nearly in (np.nextafter(np.float32(1), np.float32(0)), np.float32(0.999)):
        assert area(cut(image_size, np.full(2000, nearly), inside)).mean() <= np.prod(image_size) * 0.01


def test_everything_is_cut_inside_where_nothing_is_kept():
    np.testing.assert_array_equal(cut((7, 5), np.zeros(500, "float32"), inside=True), [[0, 0, 7, 5]] * 500)


# --- Series ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.9, 0.4])
def test_a_segment_of_a_series_is_as_long_as_is_not_kept(keep):
    box = cut((250,), np.full(COUNT, keep, "float32"), inside=True)
    assert box.shape == (COUNT, 2)
    assert abs(lengths(box) - 250 * (1 - keep)).max() <= 1
    clipped = lengths(cut((250,), np.full(COUNT, keep, "float32"))).mean() / 250
    assert abs(clipped - ((1 - keep) - (1 - keep) ** 2 / 4)) < 0.005


# --- ResizeMix and minmax -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_size", [(8, 8), (2, 3), (1, 1), (8,)], ids=str)
def test_a_small_image_is_pasted_however_small(image_size):
    """A side of .1 of 8 pixels is no pixel, rounded down."""
    for scale in ((0.1, 0.8), (0.0, 0.0)):
        box = square(image_size, scale)
        assert area(box).min() >= 1
        assert scale != (0.0, 0.0) or lengths(box).max() == 1


def test_minmax_sides_are_uniform_and_touch_every_border():
    """Chi-squared of the sides, fails by chance at 1e-9."""
    box = minmax((20, 40), (0.25, 0.75))
    for axis, length in enumerate((20, 40)):
        sides = lengths(box)[:, axis]
        assert set(sides) == set(range(length // 4, 3 * length // 4))
        assert stats.chisquare(np.bincount(sides)[length // 4 :]).pvalue > FAILURE
        assert box[:, axis].min() == 0 and box[:, 2 + axis].max() == length
        one = box[sides == length // 2, axis]
        assert stats.chisquare(np.bincount(one, minlength=length // 2 + 1)).pvalue > FAILURE
    assert abs(np.corrcoef(lengths(box).T)[0, 1]) < 6 / np.sqrt(COUNT)


def test_minmax_of_a_series():
    assert set(lengths(minmax((10,), (0.2, 0.5))).ravel()) == {2, 3, 4}


# --- Borders, counting, compiling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("uniform", [0.0, float(np.nextafter(np.float32(1), np.float32(0)))])
@pytest.mark.parametrize("length", [1, 2, 7, 224, 4096])
def test_nothing_leaves_the_image_at_the_ends_of_the_uniform_numbers(monkeypatch, uniform, length):
    ops = tables.of(SEED)
    monkeypatch.setattr(ops, "uniform", lambda shape, seed: uniform * ops.ones(shape))
    keep = np.linspace(0, 1, 50).astype("float32")
    size = (length, 5)
    boxes = [cut(size, keep), cut(size, keep, True), minmax(size, (0.0, 1.0), 3), minmax(size, (1.0, 1.0), 3)]
    small = [square(size, scale, 3) for scale in ((0.0, 0.0), (0.1, 0.8), (1.0, 1.0))]
    assert all(area(box).min() >= 1 for box in small)
    for box in boxes + small:
        lengths(box)
        assert box.min() >= 0 and (box[:, 2:] <= size).all()


@pytest.mark.parametrize("image_size", [(6, 7), (9,)], ids=str)
def test_the_share_outside_counts_the_places_that_are_not_inside(image_size):
    box = cut(image_size, uniform_keep(200))
    axes = tuple((1 + axis, 1) for axis in range(len(image_size)))
    rank = 1 + len(image_size)
    tensor = keras.ops.convert_to_tensor(box)
    within = np.broadcast_to(to_numpy(regions.inside(tensor, image_size, axes, rank)), (200, *image_size))
    for row, expected in zip(within, box, strict=True):
        picture = np.zeros(image_size, bool)
        sides = len(image_size)
        picture[tuple(slice(expected[k], expected[sides + k]) for k in range(sides))] = True
        np.testing.assert_array_equal(row, picture)
    share = to_numpy(regions.share_outside(tensor, image_size))
    assert share.dtype == np.float32
    np.testing.assert_allclose(share, 1 - within.reshape(200, -1).mean(1), rtol=1e-6)


@ON_TENSORFLOW
def test_boxes_compile_under_xla_with_the_same_law():
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def compiled(keep, seed):
        return (
            regions.cut_box((8, 8), keep, seed),
            regions.cut_box((8, 8), keep, seed, inside=True),
            regions.square_box((8, 8), (0.1, 0.8), len(keep), seed),
            regions.minmax_box((8, 8), (0.25, 0.75), len(keep), seed),
        )

    keep = uniform_keep()
    keep[:50], keep[50:99] = 1.0, 0.0
    compiled = [box.numpy() for box in compiled(tf.constant(keep), tf.constant([1, 2]))]
    eager = (cut((8, 8), keep), cut((8, 8), keep, True), square((8, 8), (0.1, 0.8)), minmax((8, 8), (0.25, 0.75)))
    for one, other in zip(compiled, eager, strict=True):
        assert stats.ks_2samp(area(one), area(other)).pvalue > FAILURE
        assert one.min() == 0 and one.max() == 8
    for box in compiled[:2]:
        assert not area(box)[keep == 1].any() and area(box)[keep == 0].all()


@pytest.mark.skipif(BACKEND != "jax", reason="needs the JAX backend of Keras")
def test_boxes_compile_under_jax():
    import jax

    keep = uniform_keep(500)
    box = jax.jit(lambda keep: regions.cut_box((8, 8), keep, SEED))(keep)
    np.testing.assert_array_equal(to_numpy(box), cut((8, 8), keep))
