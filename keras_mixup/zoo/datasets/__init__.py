"""The data sets, by name: `get(name).load(...)` gives a training and a test split (see `splits.py`).

    get(name, data_dir=None) -> Source
    Source(shape, classes, needs, load, mean=0.0, deviation=1.0, task=Classification(), transform=None,
           generate=None, at=None)
        .load(train_size, seed, data_dir) -> (train, test)
        .features(batch) -> what the network takes

The shape and the classes of most sets are known beforehand. Some lie in the data, such as the class folders of an
ImageNet: with its `data_dir`, `get` looks there; without, it gives the usual ones, which is enough for generated data.
"""

from keras_mixup.zoo import names
from keras_mixup.zoo.datasets import digits, gaussians, graphs, imagenet, prepared, rings, speech, tables
from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.errors import UserError

_SOURCES = {
    **digits.SOURCES,
    **prepared.SOURCES,
    **imagenet.SOURCES,
    **graphs.SOURCES,
    **speech.SOURCES,
    **tables.SOURCES,
    **rings.SOURCES,
    **gaussians.SOURCES,
}

NAMES = tuple(_SOURCES)


def is_file(name):
    """Whether a name is that of files: `csv:FILE:TARGET` or `folder:DIR:SIZE`."""
    return name.startswith(("csv:", "folder:"))


def get(name, data_dir=None):
    """The source of that name.

    Args:
        name: One of `NAMES`; `csv:FILE:TARGET`, a CSV file and its column to predict, by name or number;
            `folder:DIR:SIZE`, a folder of images with `train/CLASS/` and `val/CLASS/`, and the height and width to
            bring them to; or `module:NAME`, a `Source` of your own or a function `data_dir -> Source`.
        data_dir: Where the data lies, to look there for what is known of some sets only then.

    Returns:
        A `Source`.

    Raises:
        UserError: If there is none, or if the data should be looked at and is not as expected.
    """
    if name.startswith("csv:"):
        return tables.csv_source(*name.removeprefix("csv:").rsplit(":", 1))
    if name.startswith("folder:"):
        return imagenet.folder_source(name)
    if name in _SOURCES:
        source = _SOURCES[name]
        return source if source.at is None or data_dir is None else source.at(data_dir)
    if not names.is_own(name):
        raise names.unknown("dataset", name, NAMES)
    found = names.own("dataset", name)
    source = found if isinstance(found, Source) or not callable(found) else found(data_dir)
    if not isinstance(source, Source):
        raise UserError(
            f"`dataset` should be a Source, or a function `data_dir -> Source`. Received: dataset={name}, "
            f"a {type(source).__name__}."
        )
    return source
