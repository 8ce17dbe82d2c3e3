"""Splits: everything once, in an order and an augmentation that the seed alone decides; decoding as PIL does it."""

import hashlib
import io
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from keras_mixup.zoo import augmentation
from keras_mixup.zoo.datasets import decoding
from keras_mixup.zoo.datasets.splits import Arrays, Records, permutation

RANDOM = np.random.default_rng(0)
# An image that tells its label: each of its pixels is it.
LABELS = np.arange(23) + 100
ARRAYS = Arrays(np.tile(LABELS[:, None, None, None], (1, 6, 6, 1)).astype("uint8"), LABELS)


def collected(dataset):
    batches = list(dataset.as_numpy_iterator())
    return [np.concatenate(part) for part in zip(*batches, strict=True)], [len(labels) for _, labels in batches]


def test_without_a_seed_the_stored_order():
    (images, labels), sizes = collected(ARRAYS.batches(5, augment="pad_crop_flip"))
    assert len(ARRAYS) == 23 and sizes == [5, 5, 5, 5, 3]
    assert images.dtype == "uint8" and np.array_equal(images, ARRAYS.features) and np.array_equal(labels, LABELS)


def test_with_a_seed_everything_once_in_another_order():
    (images, labels), sizes = collected(ARRAYS.batches(5, seed=3))
    assert sizes == [5, 5, 5, 5, 3]
    assert not np.array_equal(labels, LABELS) and np.array_equal(np.sort(labels), LABELS)
    assert np.array_equal(images[:, 0, 0, 0], labels)
    assert not np.array_equal(collected(ARRAYS.batches(5, seed=4))[0][1], labels)


def test_augmented_images_keep_their_labels_and_batches_differ():
    (images, labels), _ = collected(ARRAYS.batches(5, seed=3, augment="pad_crop_flip"))
    assert np.array_equal(images.max(axis=(1, 2, 3)), labels)  # what is not padding
    zeros = (images == 0).reshape(23, -1)
    assert len(np.unique(zeros, axis=0)) > 15  # not the same crops in each batch


def test_dicts_of_arrays():
    split = Arrays({"nodes": LABELS[:, None] * 2.0, "mask": LABELS % 2 == 0}, LABELS)
    features, labels = next(split.batches(23, seed=1).as_numpy_iterator())
    assert np.array_equal(features["nodes"][:, 0], 2.0 * labels)
    assert np.array_equal(features["mask"], labels % 2 == 0)


def test_rows_must_agree():
    with pytest.raises(ValueError) as error:
        Arrays(np.zeros((3, 2)), np.zeros(4))
    assert str(error.value) == (
        "`features` and `labels` should have the same number of rows. Received: {'features': 3, 'labels': 4}."
    )


def test_all_orders_are_equally_likely():
    orders = tf.data.Dataset.range(2400).map(lambda seed: permutation(seed, 4)).as_numpy_iterator()
    counts = {order: 0 for order in itertools.permutations(range(4))}
    for order in orders:
        counts[tuple(order.tolist())] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def jpeg(image, form="JPEG", **options):
    content = io.BytesIO()
    Image.fromarray(image).save(content, form, **options)
    return content.getvalue()


def photograph(height, width, seed=0):
    """Something smooth with edges, so that JPEG keeps it well."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (height // 8, width // 8, 3), dtype="uint8"))
    return np.asarray(small.resize((width, height), Image.BICUBIC))


ENCODED = [jpeg(photograph(40 + 5 * i, 70 - 4 * i, i), quality=95, subsampling=0) for i in range(7)]


def records(encoded=ENCODED):
    """Those images with the labels 0, 1, ..."""

    def read(seed):
        order = tf.range(len(encoded)) if seed is None else permutation(seed, len(encoded))
        return tf.data.Dataset.from_tensor_slices(order).map(
            lambda row: (
                tf.strings.join(["image ", tf.strings.as_string(row)]),
                tf.constant(encoded)[row],
                tf.cast(row, tf.int64),
            )
        )

    return Records(len(encoded), read, size=32, share=224 / 256)


def test_records_in_the_stored_order():
    split = records()
    (images, labels), sizes = collected(split.batches(3))
    assert len(split) == 7 and sizes == [3, 3, 1]
    assert images.shape == (7, 32, 32, 3) and images.dtype == "uint8"
    assert np.array_equal(labels, np.arange(7)) and np.array_equal(split.labels, labels)
    for image, encoded in zip(images, ENCODED, strict=True):
        assert np.array_equal(image, decoding.centre(encoded, 32, 224 / 256))


@pytest.mark.parametrize("augment", ["none", "resized_crop_flip"])
def test_records_in_the_order_of_a_seed(augment):
    (images, labels), _ = collected(records().batches(3, seed=5, augment=augment))
    (again, _), _ = collected(records().batches(3, seed=5, augment=augment))
    (_, other), _ = collected(records().batches(3, seed=6, augment=augment))
    assert np.array_equal(images, again) and not np.array_equal(labels, other)
    assert np.array_equal(np.sort(labels), np.arange(7))
    (stored, _), _ = collected(records().batches(7))
    assert np.array_equal(images, stored[labels]) == (augment == "none")


def test_records_keep_their_labels():
    plain = [jpeg(np.full((30, 40, 3), 30 * i, "uint8")) for i in range(8)]
    for augment in ("reflect_crop_flip", "resized_crop_flip"):
        (images, labels), _ = collected(records(plain).batches(3, seed=5, augment=augment))
        assert np.array_equal(np.round(images.mean(axis=(1, 2, 3)) / 30), labels)


def pil_centre(encoded, share):
    """The side of the central square, and the square as PIL cuts it out."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    side = round(share * min(image.size))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = image.crop((left, top, left + side, top + side))
    return side, np.asarray(cut).astype("float32")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("height, width", [(64, 96), (97, 64)])
def test_the_centre_is_the_one_that_pil_cuts_out(form, height, width):
    encoded = jpeg(photograph(height, width), form)
    side, expected = pil_centre(encoded, 224 / 256)
    assert side == 56
    centre = decoding.centre(encoded, 56, 224 / 256).numpy().astype("float32")
    # Decoders differ by a little in the fast transform, and in colours at edges.
    assert np.abs(centre - expected).mean() < (2.0 if form == "JPEG" else 1e-6)
    half = decoding.centre(encoded, 28, 224 / 256).numpy().astype("float32")
    assert np.abs(half - expected.reshape(28, 2, 28, 2, 3).mean(axis=(1, 3))).mean() < 2.0
    shifted = np.roll(expected, 1, axis=1)
    assert np.abs(centre - shifted).mean() > 2 * np.abs(centre - expected).mean()  # one pixel off would be noticed


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA"])
def test_images_of_other_colours(mode):
    image = Image.fromarray(photograph(40, 40)).convert(mode)
    content = io.BytesIO()
    image.save(content, "JPEG" if mode in ("L", "CMYK") else "PNG")
    decoded = decoding.centre(content.getvalue(), 40, 1.0).numpy().astype("float32")
    assert np.abs(decoded - np.asarray(image.convert("RGB"))).mean() < 6.0


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_resized_crops_are_the_boxes_that_were_drawn(form, monkeypatch):
    monkeypatch.setattr(augmentation, "boxes", lambda height, width, seed: tf.constant([[8, 20, 24, 32]]))
    encoded = jpeg(photograph(64, 96), form)
    cut = np.asarray(Image.open(io.BytesIO(encoded)))[8:32, 20:52].astype("float32")
    cut = cut.reshape(12, 2, 16, 2, 3).mean(axis=(1, 3))  # half the size, in which the box is 12 x 16
    cut = np.repeat(np.repeat(cut, 4, axis=0), 3, axis=1)  # as a picture of 48 x 48
    for flip in (False, True):
        monkeypatch.setattr(augmentation, "flips", lambda batch, seed, flip=flip: tf.constant([flip]))
        image = decoding.resized_crop_flip(encoded, 48, np.array([1, 2])).numpy().astype("float32")
        assert np.abs(image - (cut[:, ::-1] if flip else cut)).mean() < 8.0
        assert np.abs(image[:, ::-1] - (cut[:, ::-1] if flip else cut)).mean() > 20.0


def test_resized_crops_and_flips_vary():
    split = records([ENCODED[0]] * 40)
    (images, _), _ = collected(split.batches(8, seed=2, augment="resized_crop_flip"))
    assert len({image.tobytes() for image in images}) == 40


@pytest.mark.parametrize(
    "seed, bad, content", [(None, 0, b""), (4, 3, ENCODED[0][:200]), (4, 6, b"<html>not found</html>")]
)
def test_an_image_that_cannot_be_decoded_is_named(seed, bad, content):
    order = list(range(7)) if seed is None else permutation(seed, 7).numpy().tolist()
    bad = order[bad]  # the first, one in the middle, the last
    encoded = [content if i == bad else image for i, image in enumerate(ENCODED)]
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"replace or remove it: image {bad}"):
        collected(records(encoded).batches(3, seed, "resized_crop_flip"))


def epochs(split, augment, threads=None):
    """Two epochs in one data set, with the epoch as the seed."""
    dataset = tf.data.Dataset.range(2).flat_map(lambda epoch: split.batches(3, epoch, augment))
    if threads:
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        options.autotune.enabled = False
        dataset = dataset.with_options(options)
    return dataset


@pytest.mark.parametrize("split, augment", [(ARRAYS, "pad_crop_flip"), (records(), "resized_crop_flip")])
def test_a_seed_that_is_a_tensor_and_any_number_of_threads(split, augment):
    one, _ = collected(epochs(split, augment))
    assert all(np.array_equal(a, b) for a, b in zip(one, collected(epochs(split, augment, 1))[0], strict=True))
    alone = [collected(split.batches(3, seed, augment))[0] for seed in (0, 1)]
    both = [np.concatenate(parts) for parts in zip(*alone, strict=True)]
    assert all(np.array_equal(a, b) for a, b in zip(one, both, strict=True))
    assert not np.array_equal(alone[0][1], alone[1][1])


def digest():
    """One number for what seeds give."""
    found = hashlib.sha256()
    for split, augment in ((ARRAYS, "pad_crop_flip"), (records(), "resized_crop_flip")):
        for part in collected(epochs(split, augment))[0]:
            found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def test_orders_are_those_of_every_process_and_version():
    assert permutation(3, 6).numpy().tolist() == [2, 0, 3, 5, 4, 1]


@pytest.mark.slow
def test_another_process_gives_the_same():
    program = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import test_splits as t; print(t.digest())"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout.split()[-1:] == [digest()], done.stderr[-2000:]
