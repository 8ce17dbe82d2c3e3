"""Image sets of TensorFlow Datasets that have been prepared on disk.

Nothing is downloaded behind the user's back: a set that is not there is refused with the command that prepares it.
"""

import pathlib

import numpy as np

from keras_mixup.zoo.errors import UserError


def loader(name):
    """A function `(train_size, seed, data_dir) -> (train, test)` that reads the set `name`."""

    def load(train_size, seed, data_dir=None):
        """Draw `train_size` of the training images; the test split is used whole."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        # Without `data_dir` tfds looks in ~/tensorflow_datasets (or $TFDS_DATA_DIR).
        where = None if data_dir is None else pathlib.Path(data_dir).expanduser()
        builder = tfds.builder(name, data_dir=where)
        if not builder.is_prepared():
            argument = f"'{name}'" if where is None else f"'{name}', data_dir='{where}'"
            raise UserError(
                f"{name} is not prepared at {where or pathlib.Path(builder.data_dir).parents[1]}. "
                "If it is elsewhere, give `--data-dir`; if not, prepare it with: "
                f'python -c "import tensorflow_datasets as tfds; '
                f'tfds.builder({argument}).download_and_prepare()"'
            )
        total = builder.info.splits["train"].num_examples
        if train_size > total:
            raise UserError(f"`train_size` should be at most {total} for {name}. Received: train_size={train_size}.")
        images, labels = _arrays(builder, "train")
        chosen = np.random.default_rng(seed).permutation(total)[:train_size]
        return (
            tf.data.Dataset.from_tensor_slices((images[chosen], labels[chosen])),
            tf.data.Dataset.from_tensor_slices(_arrays(builder, "test")),
        )

    return load


def _arrays(builder, split):
    """The whole split in memory; these sets are small."""
    import tensorflow_datasets as tfds

    return tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, as_supervised=True))
