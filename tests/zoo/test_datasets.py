"""The data sets: drawn by the seed alone, disjoint, of the size asked for; and what is refused, in words."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from keras_mixup.zoo import datasets
from keras_mixup.zoo.datasets import folders, generated
from keras_mixup.zoo.errors import UserError

IMAGES = ("digits", "fashion_mnist", "cifar10", "cifar100", "svhn_cropped", "kmnist", "imagenet", "tiny_imagenet")


def arrays(split):
    """All that is in a split: images and labels."""
    (batch,) = split.batches(len(split)).as_numpy_iterator()
    return batch


def test_digits_are_split_by_the_seed():
    source = datasets.get("digits")
    (x, y), (test_x, _) = map(arrays, source.load(300, 0, None))
    (again, _), _ = map(arrays, source.load(300, 0, None))
    (other, _), _ = map(arrays, source.load(300, 1, None))
    assert np.array_equal(x, again) and not np.array_equal(x, other)
    assert x.shape == (300, *source.shape) and len(test_x) == 1497
    assert {image.tobytes() for image in x}.isdisjoint({image.tobytes() for image in test_x})
    counts = np.bincount(y)
    assert counts.min() >= 28 and counts.max() <= 32  # stratified
    everything = np.concatenate([x, test_x])
    assert everything.mean() == pytest.approx(source.mean, rel=1e-3)
    assert everything.std() == pytest.approx(source.deviation, rel=1e-3)


@pytest.mark.parametrize("size", [0, 9, 1788])
def test_digits_refuse_an_impossible_size(size):
    with pytest.raises(UserError) as error:
        datasets.get("digits").load(size, 0, None)
    assert str(error.value) == f"`train_size` should be between 10 and 1787 for digits. Received: train_size={size}."


def test_prepared_sets_are_read_from_disk(tiny_fashion_mnist):
    source = datasets.get("fashion_mnist")
    (x, y), (test_x, _) = map(arrays, source.load(20, 0, tiny_fashion_mnist))
    (again, _), _ = map(arrays, source.load(20, 0, tiny_fashion_mnist))
    (other, _), _ = map(arrays, source.load(20, 1, tiny_fashion_mnist))
    assert x.shape == (20, 28, 28, 1) and len(test_x) == 12
    assert np.array_equal(x, again) and not np.array_equal(x, other)
    assert np.array_equal(x[:, 0, 0, 0] % 10, y)  # images keep their labels
    assert len(source.load(40, 0, tiny_fashion_mnist)[0]) == 40
    (everything, _), (shuffled, _) = (arrays(source.load(size, 0, tiny_fashion_mnist)[0]) for size in (0, 40))
    assert {image.tobytes() for image in everything} == {image.tobytes() for image in shuffled}


def test_all_of_a_prepared_set_is_in_the_stored_order(tiny_fashion_mnist):
    one, two = (arrays(datasets.get("fashion_mnist").load(0, seed, tiny_fashion_mnist)[0]) for seed in (0, 1))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], np.arange(40) % 10)


def test_prepared_sets_refuse_more_than_there_is(tiny_fashion_mnist):
    with pytest.raises(UserError) as error:
        datasets.get("fashion_mnist").load(41, 0, tiny_fashion_mnist)
    assert str(error.value) == "`train_size` should be at most 40 for fashion_mnist. Received: train_size=41."


def test_a_missing_imagenet_is_asked_for_as_a_folder_first(tmp_path):
    """The builder of TensorFlow Datasets cannot download it."""
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(UserError) as error:
        datasets.get("imagenet", tmp_path).load(0, 0, tmp_path)
    assert str(error.value).startswith("`--data-dir` should be a folder with ImageNet's JPEG files, as train/CLASS/")
    assert str(error.value).endswith(f"Received: --data-dir={tmp_path}.")


@pytest.fixture
def tiny_svhn(tmp_path):
    """A `--data-dir` with a test split of 12 images of SVHN, and no other."""
    tfds = pytest.importorskip("tensorflow_datasets")
    random = np.random.default_rng(1)
    images = random.integers(256, size=(12, 32, 32, 3), dtype="uint8")
    tfds.dataset_builders.store_as_tfds_dataset(
        name="svhn_cropped",
        version="3.1.0",
        features=tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={
            "test": [(i, {"id": str(i), "image": image, "label": i % 10}) for i, image in enumerate(images)]
        },
        data_dir=tmp_path,
        disable_shuffling=True,
    )
    return tmp_path, images


def test_a_missing_split_is_named_and_the_test_split_can_be_read_alone(tiny_svhn):
    folder, images = tiny_svhn
    source = datasets.get("svhn_cropped", folder)
    with pytest.raises(UserError) as error:
        source.load(0, 0, folder)
    assert str(error.value).startswith("svhn_cropped should have the split train. Received: test, in ")
    test = source.test("svhn_cropped", 0, folder)
    np.testing.assert_array_equal(test.features, images)
    assert test.labels.tolist() == [*range(10), 0, 1]


@pytest.mark.parametrize("ending", [".tfrecord*", "dataset_info.json"])
def test_a_damaged_set_is_told_in_our_words(ending, tiny_svhn):
    folder, _ = tiny_svhn
    (path,) = folder.rglob(f"*{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="^svhn_cropped is damaged at .*; remove it and prepare it again. Received: "):
        datasets.get("svhn_cropped", folder).test("svhn_cropped", 0, folder)


def test_a_folder_of_images_is_a_data_set(tmp_path, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    for split, size in (("train", 3), ("val", 2)):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for i in range(size):
                image = np.full((20, 16, 3), 100 * label + i, "uint8")
                (tmp_path / "photos" / split / name / f"{i}.png").write_bytes(tf.io.encode_png(image).numpy())
    monkeypatch.chdir(tmp_path)
    source = datasets.get("folder:photos:8")
    train, test = source.load(0, 0)
    assert source.shape == (8, 8, 3) and source.classes == ("cat", "dog") and (len(train), len(test)) == (6, 4)
    images, labels = next(train.batches(6).as_numpy_iterator())
    assert images.shape == (6, 8, 8, 3) and images[:, 4, 4, 0].tolist() == [0, 1, 2, 100, 101, 102]
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("name", ["folder:photos", "folder:photos:0", "folder:photos:many", "folder::64"])
def test_a_folder_without_a_size_is_refused(name):
    with pytest.raises(UserError, match="^`dataset` should be folder:DIR:SIZE, such as folder:photos:64. Received: "):
        datasets.get(name)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="^`dataset` should be a folder with the folders train and val, "):
        datasets.get(f"folder:{tmp_path}:64")


def test_a_set_that_is_not_prepared_is_refused_with_the_command_that_prepares_it(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    prepared = "cifar100"
    with pytest.raises(UserError) as error:
        datasets.get(prepared, tmp_path).load(0, 0, tmp_path)
    assert str(error.value) == (
        f"{prepared} is not prepared at {tmp_path}. If it is elsewhere, give `--data-dir`; if not, prepare it with: "
        f'python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{prepared}', data_dir='{tmp_path}').download_and_prepare()\""
    )


def test_features_are_standardised_by_channel():
    source = dataclasses.replace(datasets.get("cifar10"), mean=(1.0, 2.0, 3.0), deviation=(1.0, 2.0, 4.0))
    features = source.features(np.full((2, 4, 4, 3), 5, "uint8")).numpy()
    assert features.dtype == "float32"
    assert np.array_equal(features, np.broadcast_to([4.0, 1.5, 0.5], (2, 4, 4, 3)))
    plain = dataclasses.replace(source, transform=lambda batch: batch["sound"] * 2)
    assert plain.features({"sound": 3}) == 6


@pytest.mark.parametrize("name", IMAGES)
def test_generated_data_has_the_shape_of_the_real_and_its_seed(name):
    source = datasets.get(name)
    (x, y), (test_x, _) = map(arrays, generated.load(source, 8, 4, seed=0))
    assert x.shape == (8, *source.shape) and x.dtype == "uint8"
    assert len(test_x) == 4 and 0 <= y.min() and y.max() < len(source.classes)
    assert np.array_equal(x, arrays(generated.load(source, 8, 4, seed=0)[0])[0])
    assert not np.array_equal(x, arrays(generated.load(source, 8, 4, seed=1)[0])[0])
    assert abs(source.features(x).numpy().mean()) < 0.5


def test_generated_data_can_be_augmented_as_encoded_images_are():
    split, _ = generated.load(datasets.get("tiny_imagenet"), 4, 4, seed=0)
    for name in ("pad_crop_flip", "resized_crop_flip"):
        images, _ = next(split.batches(4, seed=1, augment=name).as_numpy_iterator())
        assert images.shape == (4, 64, 64, 3) and images.dtype == "uint8"


def test_classes_are_named_once():
    for name in datasets.NAMES:
        classes = datasets.get(name).classes
        assert len(set(classes)) == len(classes)


def encoded(value, form="JPEG"):
    """A picture of one colour."""
    content = io.BytesIO()
    Image.fromarray(np.full((70, 80, 3), value, "uint8")).save(content, form)
    return content.getvalue()


def write(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def imagenet(tmp_path):
    """Three classes of 4 and 2 images, whose brightness tells the class."""
    for label, name in enumerate(("n01", "n02", "n03")):
        for i in range(4):
            write(tmp_path / "train" / name / f"{name}_{i}.JPEG", encoded(40 + 80 * label + i))
        write(tmp_path / "val" / name / "ILSVRC_1.JPEG", encoded(40 + 80 * label))
        write(tmp_path / "val" / name / "ILSVRC_2.png", encoded(41 + 80 * label, "PNG"))
    write(tmp_path / "train" / "n01" / ".DS_Store")
    write(tmp_path / "train" / "n01" / "index.html")
    write(tmp_path / "train" / ".cache" / "x")
    return tmp_path


def brightness(split):
    images, labels = arrays(split)
    assert images.shape[1:] == (224, 224, 3) and images.dtype == "uint8"
    return images.mean(axis=(1, 2, 3)), labels


def test_a_folder_of_images(imagenet):
    source = datasets.get("imagenet", imagenet)
    assert source.classes == ("n01", "n02", "n03") and len(datasets.get("imagenet").classes) == 1000
    train, test = source.load(0, 0, imagenet)
    values, labels = brightness(train)
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    np.testing.assert_allclose(values, [40 + 80 * (i // 4) + i % 4 for i in range(12)], atol=1.0)
    values, labels = brightness(test)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2] and np.array_equal(test.labels, labels)
    np.testing.assert_allclose(values, [40, 41, 120, 121, 200, 201], atol=1.0)


def test_examples_are_drawn_from_a_folder_by_the_seed(imagenet):
    source = datasets.get("imagenet", str(imagenet))
    (one, labels), (again, _), (other, _) = (brightness(source.load(7, seed, imagenet)[0]) for seed in (0, 0, 1))
    assert len(one) == 7 == len(set(one)) and np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal((one - 40) // 80 == labels, [True] * 7)
    with pytest.raises(UserError) as error:
        source.load(13, 0, imagenet)
    assert str(error.value) == f"`train_size` should be at most 12 for {imagenet}. Received: train_size=13."


def test_a_training_folder_gives_each_image_once_an_epoch(imagenet):
    split, _ = datasets.get("imagenet", imagenet).load(0, 0, imagenet)
    seen = []
    for images, labels in split.batches(5, seed=2).as_numpy_iterator():
        assert np.array_equal((images.mean(axis=(1, 2, 3)) - 40) // 80, labels)
        seen += np.round(images.mean(axis=(1, 2, 3))).tolist()
    assert len(seen) == 12 and seen != sorted(seen)
    np.testing.assert_allclose(sorted(seen), [40 + 80 * (i // 4) + i % 4 for i in range(12)], atol=1.0)


def refusal(folder, name="imagenet"):
    """What is said of a folder."""
    folders._training.cache_clear()
    folders._validation.cache_clear()
    with pytest.raises(UserError) as error:
        datasets.get(name, folder).load(0, 0, folder)
    return str(error.value)


def test_a_class_without_images_is_refused(imagenet):
    write(imagenet / "train" / "n04" / "readme.txt")
    assert refusal(imagenet) == (
        "`--data-dir` should hold images (.jpeg, .jpg, .png) of each class. "
        f"Received: none of n04, in {imagenet}/train."
    )


def test_classes_that_are_in_val_only_are_refused(imagenet):
    for name in "xyzabc":
        write(imagenet / "val" / name / "1.jpg", encoded(7))
    assert refusal(imagenet) == (
        f"`--data-dir` should have no classes but those of `train`. Received: a, b, c and 3 more, in {imagenet}/val."
    )


def test_folders_without_classes_are_refused(tmp_path):
    write(tmp_path / "train" / "1.jpg")
    write(tmp_path / "val" / "1.jpg")
    assert refusal(tmp_path) == (
        f"`--data-dir` should hold a folder for each class in {tmp_path}/train. Received: --data-dir={tmp_path}."
    )
    write(tmp_path / "train" / "n01" / "1.jpg", encoded(7))
    assert refusal(tmp_path) == (
        f"`--data-dir` should hold images (.jpeg, .jpg, .png) of each class. "
        f"Received: none of any class, in {tmp_path}/val."
    )


@pytest.fixture
def tiny_imagenet(tmp_path):
    for label, name in enumerate(("n01", "n02")):
        for i in range(3):
            write(tmp_path / "train" / name / "images" / f"{name}_{i}.JPEG", encoded(50 + 100 * label + i))
        write(tmp_path / "train" / name / f"{name}_boxes.txt", b"x")
    for i, value in enumerate((150, 50, 51)):
        write(tmp_path / "val" / "images" / f"val_{i}.JPEG", encoded(value))
    write(
        tmp_path / "val" / "val_annotations.txt", b"val_0.JPEG\tn02\t0\t0\nval_1.JPEG\tn01\t0\t0\nval_2.JPEG\tn01\t0\n"
    )
    return tmp_path


def test_the_layout_of_tiny_imagenet(tiny_imagenet):
    source = datasets.get("tiny_imagenet", tiny_imagenet)
    assert source.classes == ("n01", "n02") and source.shape == (64, 64, 3)
    train, test = source.load(0, 0, tiny_imagenet)
    images, labels = arrays(train)
    assert images.shape == (6, 64, 64, 3) and labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), [50, 51, 52, 150, 151, 152], atol=1.0)
    images, labels = arrays(test)
    assert labels.tolist() == [1, 0, 0]
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), [150, 50, 51], atol=1.0)


def test_annotations_must_fit_the_images_and_the_classes(tiny_imagenet):
    annotations = tiny_imagenet / "val" / "val_annotations.txt"
    write(annotations, b"val_9.JPEG\tn02\n")
    missing = tiny_imagenet / "val" / "images" / "val_9.JPEG"
    assert refusal(tiny_imagenet, "tiny_imagenet") == (
        f"`--data-dir` should hold the images that {annotations} names. Received: no {missing}."
    )
    write(annotations, b"val_1.JPEG\tn09\n")
    assert refusal(tiny_imagenet, "tiny_imagenet") == (
        f"`--data-dir` should have no classes but those of `train`. Received: n09, in {annotations}."
    )


def test_tiny_imagenet_says_where_it_is_from(tmp_path):
    assert refusal(tmp_path, "tiny_imagenet") == (
        "`--data-dir` should be the folder tiny-imagenet-200, with the folders train and val, of "
        f"http://cs231n.stanford.edu/tiny-imagenet-200.zip. Received: --data-dir={tmp_path}."
    )


def test_imagenet_a_is_tested_on_a_folder_of_its_own(imagenet):
    assert refusal(imagenet, "imagenet_a") == (
        f"`--data-dir` should hold a folder imagenet-a. Received: --data-dir={imagenet}."
    )
    write(imagenet / "imagenet-a" / "n02" / "0.1_fox.jpg", encoded(99))
    train, test = datasets.get("imagenet_a", imagenet).load(0, 0, imagenet)
    assert len(train) == 12 and test.labels.tolist() == [1]


@pytest.fixture(scope="module")
def tiny_imagenet2012(tmp_path_factory):
    """ImageNet and ImageNet-A as TensorFlow Datasets prepares them, with 3 classes; brightness tells the class."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")

    def examples(size):
        for i in range(size):
            name = f"{i}.JPEG"
            yield (
                i,
                {"image": np.full((60, 50, 3), 40 + 80 * (i % 3) + i // 3, "uint8"), "label": i % 3, "file_name": name},
            )

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=3),
            "file_name": tfds.features.Text(),
        }
    )
    for name, version, splits in (
        ("imagenet2012", "5.1.0", {"train": 30, "validation": 6}),
        ("imagenet_a", "0.1.0", {"test": 3}),
    ):
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=version,
            features=features,
            split_datasets={split: list(examples(size)) for split, size in splits.items()},
            data_dir=folder,
            disable_shuffling=True,
        )
    return folder


def test_imagenet_streams_from_tensorflow_datasets(tiny_imagenet2012):
    source = datasets.get("imagenet", tiny_imagenet2012)
    train, test = source.load(0, 0, tiny_imagenet2012)
    assert len(train) == 30 and len(source.classes) == 1000
    values, labels = brightness(test)
    assert np.array_equal(labels, np.arange(6) % 3) and np.array_equal(test.labels, labels)
    np.testing.assert_allclose(values, 40 + 80 * labels + np.arange(6) // 3, atol=1.0)

    def epoch(batches):
        images, labels = zip(*batches.as_numpy_iterator(), strict=True)
        return np.concatenate(images), np.concatenate(labels)

    one, same, two = (train.batches(8, seed, "resized_crop_flip") for seed in (1, 1, 2))
    (images, labels), (again, _), (twice, _), (_, other) = epoch(one), epoch(same), epoch(one), epoch(two)
    values = images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(np.sort(values), [40 + 80 * (i // 10) + i % 10 for i in range(30)], atol=1.0)
    assert np.array_equal((values - 39.5) // 80, labels)
    assert np.array_equal(images, again) and np.array_equal(images, twice) and not np.array_equal(labels, other)


def test_imagenet_a_has_its_own_test_split(tiny_imagenet2012):
    train, test = datasets.get("imagenet_a").load(0, 0, tiny_imagenet2012)
    assert len(train) == 30 and len(test) == 3


def test_a_stream_is_not_drawn_from(tiny_imagenet2012):
    assert refusal_of_size(tiny_imagenet2012) == (
        "`train_size` should be 0 (all) for imagenet2012, which is read as a stream; a folder of image files can be "
        "drawn from. Received: train_size=10."
    )


def refusal_of_size(folder):
    with pytest.raises(UserError) as error:
        datasets.get("imagenet").load(10, 0, folder)
    return str(error.value)
