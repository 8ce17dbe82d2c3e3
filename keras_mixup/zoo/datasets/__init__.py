"""The data sets, by name: `get(name).load(...)` gives a training and a test split (see `splits.py`).

    get(name, data_dir=None) -> Source
    Source(shape, classes, needs, load, mean=0.0, deviation=1.0, task=Classification(), transform=None,
           generate=None, at=None)
        .load(train_size, seed, data_dir) -> (train, test)
        .features(batch) -> what the network takes

The shape and the classes of most sets are known beforehand. Some lie in the data, such as the class folders of an
ImageNet: with its `data_dir`, `get` looks there; without, it gives the usual ones, which is enough for generated data.
"""

from keras_mixup.zoo.datasets import digits, gaussians, graphs, imagenet, prepared, rings, speech, tables
from keras_mixup.zoo.datasets.source import Source  # noqa: F401

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


def get(name, data_dir=None):
    """The source of that name.

    Args:
        name: One of `NAMES`; or `csv:FILE:TARGET`, a CSV file and its column to predict, by name or number.
        data_dir: Where the data lies, to look there for what is known of some sets only then.

    Returns:
        A `Source`.

    Raises:
        KeyError: If there is none. Recipes name their data sets, users do not; so this is a bug in a recipe.
        UserError: If the data should be looked at and is not as expected.
    """
    if name.startswith("csv:"):
        return tables.csv_source(*name.removeprefix("csv:").rsplit(":", 1))
    source = _SOURCES[name]
    return source if source.at is None or data_dir is None else source.at(data_dir)
