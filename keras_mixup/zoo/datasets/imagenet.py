"""ImageNet and its relatives: from a folder of image files if `--data-dir` is one, else from TensorFlow Datasets."""

import dataclasses
import functools
import pathlib

from keras_mixup.zoo.datasets import folders, prepared
from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.errors import UserError

# Torch's programs resize the shorter side to 256 and test on the central 224 x 224.
SIZE, SHARE = 224, 224 / 256
TINY_SIZE, TINY_SHARE = 64, 1.0
A_FOLDER = "imagenet-a"


def load(train_size, seed, data_dir=None, broken_images="refuse"):
    """ImageNet: 1.28 million training images, and the 50,000 of the validation set to test on."""
    if data_dir is not None and folders.is_there(data_dir):
        return folders.load(data_dir, train_size, seed, SIZE, SHARE, broken_images)
    _need("imagenet2012", data_dir, broken_images)
    test = prepared.streamed("imagenet2012", "validation", data_dir, SIZE, SHARE)
    return _training(train_size, data_dir), test


def load_a(train_size, seed, data_dir=None, broken_images="refuse"):
    """ImageNet to train on, and ImageNet-A's 7,500 images of 200 of the classes to test on."""
    if data_dir is not None and folders.is_there(data_dir):
        root = pathlib.Path(data_dir).expanduser() / A_FOLDER
        if not root.is_dir():
            raise UserError(f"`--data-dir` should hold a folder {A_FOLDER}. Received: --data-dir={data_dir}.")
        training, _ = folders.load(data_dir, train_size, seed, SIZE, SHARE, broken_images)
        test = folders.by_class(root, folders.classes(data_dir))
        if broken_images == "skip":
            test = folders.without_broken(*test)
        return training, folders.split(*test, SIZE, SHARE)
    _need("imagenet2012", data_dir, broken_images)
    return _training(train_size, data_dir), prepared.streamed("imagenet_a", "test", data_dir, SIZE, SHARE)


def load_tiny(train_size, seed, data_dir=None, broken_images="refuse"):
    """Tiny ImageNet: 100,000 training images, and the 10,000 of the validation set to test on."""
    if data_dir is None or not folders.is_there(data_dir):
        raise UserError(
            "`--data-dir` should be the folder tiny-imagenet-200, with the folders train and val, of "
            f"http://cs231n.stanford.edu/tiny-imagenet-200.zip. Received: --data-dir={data_dir}."
        )
    return folders.load(data_dir, train_size, seed, TINY_SIZE, TINY_SHARE, broken_images)


def _need(name, data_dir, broken_images):
    """Refuse what is neither a folder of images nor prepared, and to search what is prepared for broken images."""
    if not prepared.is_prepared(name, data_dir):
        raise UserError(
            "`--data-dir` should be a folder with ImageNet's JPEG files, as train/CLASS/NAME.JPEG and "
            f"val/CLASS/NAME.JPEG; or where TensorFlow Datasets has prepared {name}, which downloads nothing and needs "
            f"the archives of image-net.org. Received: --data-dir={data_dir}."
        )
    if broken_images == "skip":
        raise UserError(
            "`broken_images` should be refuse for what TensorFlow Datasets prepared; a folder of image files can be "
            "searched for them. Received: broken_images=skip."
        )


def _training(train_size, data_dir):
    if train_size:
        raise UserError(
            "`train_size` should be 0 (all) for imagenet2012, which is read as a stream; "
            f"a folder of image files can be drawn from. Received: train_size={train_size}."
        )
    return prepared.streamed("imagenet2012", "train", data_dir, SIZE, SHARE)


def _source(load, size, classes, mean, deviation):
    usual = Source(
        shape=(size, size, 3),
        classes=tuple(map(str, range(classes))),
        needs=prepared.NEEDS,
        load=load,
        mean=mean,
        deviation=deviation,
    )
    return dataclasses.replace(usual, at=functools.partial(_look, usual))


def _look(usual, data_dir):
    """The source with the names of the classes that are at `data_dir`."""
    return dataclasses.replace(usual, classes=folders.classes(data_dir)) if folders.is_there(data_dir) else usual


def folder_source(name):
    """A folder of images of your own, `folder:DIR:SIZE`, with `train/CLASS/` and `val/CLASS/`.

    Raises:
        UserError: If it is not there, or the size is not a number.
    """
    root, _, size = name.removeprefix("folder:").rpartition(":")
    if not (root and size.isascii() and size.isdigit() and int(size) > 0):
        raise UserError(f"`dataset` should be folder:DIR:SIZE, such as folder:photos:64. Received: dataset={name}.")
    if not folders.is_there(root):
        raise UserError(
            f"`dataset` should be a folder with the folders train and val, and in each of them a folder of images for "
            f"each class. Received: dataset={name}."
        )

    def load(train_size, seed, data_dir=None, broken_images="refuse"):
        return folders.load(root, train_size, seed, int(size), SHARE, broken_images)

    shape = (int(size), int(size), 3)
    return Source(
        shape=shape, classes=folders.classes(root), needs=("numpy", "numpy"), load=load, mean=127.5, deviation=127.5
    )


# 255 times the mean and deviation of ImageNet's pixels that all programs use.
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

SOURCES = {
    "imagenet": _source(load, SIZE, 1000, _MEAN, _DEVIATION),
    "imagenet_a": _source(load_a, SIZE, 1000, _MEAN, _DEVIATION),
    "tiny_imagenet": _source(load_tiny, TINY_SIZE, 200, 127.5, 127.5),  # as in MixupE's program
}
