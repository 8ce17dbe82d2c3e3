"""Image sets of TensorFlow Datasets that have been prepared on disk.

Nothing is downloaded behind the user's back: a set that is not there is refused with the command that prepares it.
"""

import functools
import pathlib
import re

import numpy as np

from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays, Records, permutation
from keras_mixup.zoo.errors import UserError

# Images that are shuffled at a time while they stream: about 1 GB of ImageNet's.
BUFFER = 8192
FILES = 16


def loader(name):
    """A function `(train_size, seed, data_dir) -> (train, test)` that reads the set `name` into memory."""

    def load(train_size, seed, data_dir=None):
        """Draw `train_size` of the training images; the test split is used whole."""
        train, test = (_in_memory(name, data_dir, split=split) for split in ("train", "test"))
        total = len(train)
        if train_size > total:
            raise UserError(f"`train_size` should be at most {total} for {name}. Received: train_size={train_size}.")
        if train_size:
            chosen = np.random.default_rng(seed).permutation(total)[:train_size]
            train = Arrays(train.features[chosen], train.labels[chosen])
        return train, test

    return load


def test_loader(name):
    """A function `data_dir -> test` that reads the test split of the set `name` alone."""
    return functools.partial(_in_memory, name, split="test")


def is_prepared(name, data_dir):
    """Whether a set is prepared on disk."""
    return _builder(name, data_dir).is_prepared()


def prepared(name, data_dir):
    """The builder of a set.

    Raises:
        UserError: If it is not prepared on disk.
    """
    builder, where = _builder(name, data_dir), _place(data_dir)
    if not builder.is_prepared():
        argument = f"'{name}'" if where is None else f"'{name}', data_dir='{where}'"
        raise UserError(
            f"{name} is not prepared at {where or pathlib.Path(builder.data_dir).parents[1]}. "
            "If it is elsewhere, give `--data-dir`; if not, prepare it with: "
            f'python -c "import tensorflow_datasets as tfds; '
            f'tfds.builder({argument}).download_and_prepare()"'
        )
    return builder


def _place(data_dir):
    # Without `data_dir` tfds looks in ~/tensorflow_datasets (or $TFDS_DATA_DIR).
    return None if data_dir is None else pathlib.Path(data_dir).expanduser()


def _builder(name, data_dir):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=_place(data_dir))
    except ImportError:
        raise
    except Exception as error:  # it reads what is prepared, by many libraries
        raise _damaged(name, _place(data_dir), error) from error


def _damaged(name, where, error):
    told = re.sub(r"\{\{.*?\}\}\s*", "", str(error)).splitlines()[0]  # without the names of TensorFlow's nodes
    return UserError(f"{name} is damaged at {where}; remove it and prepare it again. Received: {told:.200}")


# Training, test and strangers: reading takes seconds, and each seed asks for them.
@functools.lru_cache(maxsize=3)
def _in_memory(name, data_dir, split):
    """A split, whole.

    Raises:
        UserError: If it is not there or cannot be read.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = _with_split(prepared(name, data_dir), split)
    try:
        examples = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, as_supervised=True))
    except tf.errors.OpError as error:
        raise _damaged(name, builder.data_dir, error) from error
    return Arrays(*examples)


def _with_split(builder, split):
    """The builder, if it has that split."""
    if split not in builder.info.splits:
        raise UserError(
            f"{builder.name} should have the split {split}. Received: {', '.join(builder.info.splits) or 'none'}, "
            f"in {builder.data_dir}."
        )
    return builder


def streamed(name, split, data_dir, size, share):
    """A split that is too large for memory.

    With a seed, the files are read in its order, 16 at a time, and the images shuffled through a buffer. The buffer
    heeds TensorFlow's global seed, too, if one is set.

    Args:
        name: Of a set of images with a label and a file name.
        split: Its name in TensorFlow Datasets.
        data_dir: Where sets are prepared.
        size: Height and width to decode the images to.
        share: See `Records`.

    Returns:
        A split.

    Raises:
        UserError: If the set is not prepared on disk, or not as TFRecord files.
    """
    import tensorflow_datasets as tfds

    builder = _with_split(prepared(name, data_dir), split)
    if builder.info.file_format is not tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"{name} should be prepared as TFRecord files, the default of TensorFlow Datasets. "
            f"Received: file_format={builder.info.file_format.value}, in {builder.data_dir}."
        )
    info = builder.info.splits[split]
    paths = np.array([str(path) for path in info.filepaths])

    def parse(serialized):
        example = builder.info.features.deserialize_example(serialized, decoders={"image": tfds.decode.SkipDecoding()})
        return example["file_name"], example["image"], example["label"]

    def read(seed):
        import tensorflow as tf

        if seed is None:
            return tf.data.TFRecordDataset(paths).map(parse, tf.data.AUTOTUNE, deterministic=True)
        files = tf.data.Dataset.from_tensor_slices(tf.gather(paths, permutation(seed, len(paths))))
        records = files.interleave(
            tf.data.TFRecordDataset, FILES, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        records = records.shuffle(BUFFER, seed=seed, reshuffle_each_iteration=False)
        return records.map(parse, tf.data.AUTOTUNE, deterministic=True)

    return Records(info.num_examples, read, size, share)


NEEDS = ("tensorflow_datasets", "tensorflow-datasets")

_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
    shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


def _source(name, shape, classes, mean, deviation):
    classes = tuple(classes.split())
    return Source(
        shape=shape,
        classes=classes,
        needs=NEEDS,
        load=loader(name),
        load_test=test_loader(name),
        mean=mean,
        deviation=deviation,
    )


SOURCES = {
    "fashion_mnist": Source(
        shape=(28, 28, 1),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        needs=NEEDS,
        load=loader("fashion_mnist"),
        load_test=test_loader("fashion_mnist"),
        mean=72.94,
        deviation=90.02,
    ),
    "cifar10": _source(
        "cifar10",
        (32, 32, 3),
        _CIFAR10,
        # 255 times 0.4914, 0.4822, 0.4465 and 0.2023, 0.1994, 0.2010, as in the mixup paper's program. These deviations
        # are the means of those within images; that of all pixels is 63.0, 62.1 and 66.7.
        (125.307, 122.961, 113.8575),
        (51.5865, 50.847, 51.255),
    ),
    # The same images to [-1, 1], as in MixMatch's program.
    "cifar10_centred": _source("cifar10", (32, 32, 3), _CIFAR10, 127.5, 127.5),
    # As in MixupE's program.
    "cifar100": _source("cifar100", (32, 32, 3), _CIFAR100, (129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
    "svhn_cropped": _source("svhn_cropped", (32, 32, 3), "0 1 2 3 4 5 6 7 8 9", 127.5, 127.5),
    # No program's figures are known; to [-1, 1].
    "kmnist": _source("kmnist", (28, 28, 1), "o ki su tsu na ha ma ya re wo", 127.5, 127.5),
}
