"""Augmentations against NumPy: each image is one of the crops and flips there are, and all are equally likely."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_mixup.zoo import augmentation

SEED = np.array([7, 3])
RANDOM = np.random.default_rng(0)
PADDED = {
    "pad_crop_flip": (4, "constant", True),
    "pad2_crop_flip": (2, "constant", True),
    "pad2_crop": (2, "constant", False),
    "reflect_crop_flip": (4, "reflect", True),
    "reflect_crop": (4, "reflect", False),
}


def every_crop(image, padding, mode, flip):
    """All that can become of an image, as bytes, with the place of each in the list of all."""
    height, width, _ = image.shape
    padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)], mode)
    crops = [
        padded[top : top + height, left : left + width]
        for top in range(2 * padding + 1)
        for left in range(2 * padding + 1)
    ]
    crops += [crop[:, ::-1] for crop in crops] if flip else []
    return {crop.tobytes(): place for place, crop in enumerate(crops)}


@pytest.mark.parametrize("name", PADDED)
def test_every_crop_and_flip_is_equally_likely(name):
    image = RANDOM.integers(1, 256, (11, 12, 3), dtype="uint8")  # no 0, and no two crops alike
    places = every_crop(image, *PADDED[name])
    assert len(places) == (2 * PADDED[name][0] + 1) ** 2 * (1 + PADDED[name][2])
    images = np.repeat(image[None], 40 * len(places), axis=0)
    augmented = augmentation.augment(name, tf.constant(images), SEED).numpy()
    counts = np.bincount([places[one.tobytes()] for one in augmented], minlength=len(places))
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("name", augmentation.NAMES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_shape_and_dtype_stay_and_the_seed_decides(name, dtype):
    images = tf.constant(RANDOM.integers(0, 256, (5, 8, 9, 2)).astype(dtype))
    one, again, other = (augmentation.augment(name, images, seed).numpy() for seed in (SEED, SEED, SEED + [0, 1]))
    assert one.shape == images.shape and one.dtype == dtype
    assert np.array_equal(one, again)
    assert np.array_equal(one, other) == (name == "none")


def test_each_image_keeps_its_place():
    images = RANDOM.integers(1, 256, (50, 8, 8, 1), dtype="uint8")
    augmented = augmentation.augment("reflect_crop_flip", tf.constant(images), SEED).numpy()
    for image, result in zip(images, augmented, strict=True):
        assert result.tobytes() in every_crop(image, *PADDED["reflect_crop_flip"])


def test_a_batch_of_unknown_size_of_one_and_of_none():
    augment = tf.function(
        lambda images: augmentation.augment("pad_crop_flip", images, SEED),
        input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8)],
    )
    assert [augment(np.ones((size, 8, 8, 3), "uint8")).shape for size in (3, 1, 0)] == [
        (3, 8, 8, 3),
        (1, 8, 8, 3),
        (0, 8, 8, 3),
    ]


def test_an_unknown_name_is_a_bug():
    with pytest.raises(KeyError):
        augmentation.augment("crop", tf.zeros([1, 8, 8, 3]), SEED)


def boxes(height, width, number, seed=SEED):
    size = tf.fill([number], height), tf.fill([number], width)
    return augmentation.boxes(*size, seed).numpy().T


@pytest.mark.parametrize("height, width", [(300, 400), (500, 350)])
def test_boxes_are_uniform_in_area_and_in_the_logarithm_of_the_aspect_ratio(height, width):
    number = 20_000
    top, left, box_height, box_width = boxes(height, width, number)
    # The definition, word by word: draw until it fits.
    area = RANDOM.uniform(0.08, 1.0, 4 * number) * height * width
    aspect = np.exp(RANDOM.uniform(np.log(3 / 4), np.log(4 / 3), 4 * number))
    fits = (np.sqrt(area / aspect) <= height) & (np.sqrt(area * aspect) <= width)
    area, aspect = area[fits][:number], aspect[fits][:number]
    # Sides are whole pixels, so ties are broken by less than a pixel.
    found_height, found_width = (side + RANDOM.uniform(-0.5, 0.5, number) for side in (box_height, box_width))
    assert stats.ks_2samp(found_height * found_width, area).pvalue > 1e-3
    assert stats.ks_2samp(found_width / found_height, aspect).pvalue > 1e-3
    # Every place is as likely as another.
    places = []
    for corner, room in ((top, height - box_height), (left, width - box_width)):
        assert corner.min() >= 0 and (corner <= room).all()
        places.append((corner + RANDOM.uniform(size=number)) / (room + 1))
        assert stats.kstest(places[-1], "uniform").pvalue > 1e-3
    assert stats.pearsonr(*places).pvalue > 1e-3


@pytest.mark.parametrize("height, width, box", [(30, 600, (0, 280, 30, 40)), (600, 30, (280, 0, 40, 30))])
def test_where_no_box_fits_the_central_one_is_taken(height, width, box):
    """At least 8 % of the area and at most 4:3 is more than a side of such an image."""
    assert (boxes(height, width, 20).T == box).all()


def test_a_box_fits_into_the_smallest_image():
    top, left, height, width = boxes(1, 1, 100)
    assert (top == 0).all() and (left == 0).all() and (height == 1).all() and (width == 1).all()


def bilinear(image, top, left, height, width):
    """A box as large as the image, by the formula: each new pixel's centre, from the four old pixels around it."""

    def matrix(size, first, length):
        centre = first + (np.arange(size) + 0.5) * length / size - 0.5
        below = np.floor(centre)
        weights = np.zeros((size, size))
        for place, share in ((below, 1 - (centre - below)), (below + 1, centre - below)):
            weights[np.arange(size), np.clip(place, 0, size - 1).astype(int)] += share
        return weights

    rows, columns = matrix(image.shape[0], top, height), matrix(image.shape[1], left, width)
    return np.einsum("ih,hwc,jw->ijc", rows, image, columns)


def test_resized_crops_are_cut_out_resized_and_mirrored(monkeypatch):
    images = RANDOM.integers(0, 256, (4, 9, 12, 3)).astype("float32")
    cut = np.array([(0, 0, 9, 12), (2, 1, 3, 4), (5, 8, 4, 4), (0, 3, 9, 7)])
    mirrored = np.array([False, True, False, True])
    monkeypatch.setattr(augmentation, "boxes", lambda heights, widths, seed: tf.constant(cut))
    monkeypatch.setattr(augmentation, "flips", lambda batch, seed: tf.constant(mirrored))
    augmented = augmentation.augment("resized_crop_flip", tf.constant(images), SEED).numpy()
    for image, box, flip, result in zip(images, cut, mirrored, augmented, strict=True):
        expected = bilinear(image, *box)
        np.testing.assert_allclose(result, expected[:, ::-1] if flip else expected, atol=1e-3)
    rounded = augmentation.augment("resized_crop_flip", tf.cast(images, tf.uint8), SEED).numpy()
    assert np.abs(rounded - augmented).max() <= 0.5 + 1e-3


def test_resized_crops_of_arrays_differ_from_image_to_image():
    images = np.repeat(RANDOM.integers(0, 256, (1, 16, 16, 1), dtype="uint8"), 64, axis=0)
    augmented = keras.ops.convert_to_numpy(augmentation.augment("resized_crop_flip", tf.constant(images), SEED))
    assert len({image.tobytes() for image in augmented}) > 60
