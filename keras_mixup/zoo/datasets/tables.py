"""Tables: a row for each example, a column for each feature, and one column to predict. UCI's, or any CSV file.

A column in which every cell is a number holds numbers, any other one categories. Empty cells, `?`, `NA`, `N/A`, `NaN`
and `null` are missing. A column of text that is different in every row, such as a name, tells nothing and is left out.

What is to be predicted is a class if it is text, or whole numbers of at most 20 different values; else it is a number.

Each seed splits the rows anew, four to one, stratified by class. All that features need is learned from the training
part alone: the mean or the most frequent category that fills gaps, then the mean and deviation to standardise numbers.
Categories become one-hot columns. A column that is constant in the training part, such as that of a category which only
the test part has, is 0 everywhere.
"""

import csv
import functools
import gzip
import math
import pathlib
from typing import NamedTuple

import numpy as np

from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.tasks import Classification, Regression

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL")
MOST_CLASSES = 20
TEST_SHARE = 0.2


class Table(NamedTuple):
    """A table that has been read.

    Args:
        features: float64 of shape `(rows, columns)`: a number, or the place of a category in `categories`; NaN is
            missing.
        categories: Of each column its categories; `()` for numbers.
        labels: Of each row the number of its class, from 0, or the number to predict.
        classes: The names of the classes; for regression the name of the target alone.
        regression: Whether numbers are to be predicted.
        left_out: The names of the columns that were left out.
    """

    features: np.ndarray
    categories: tuple[tuple[str, ...], ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    regression: bool
    left_out: tuple[str, ...] = ()

    @property
    def width(self):
        """How many numbers a network is given of each row."""
        return sum(len(names) or 1 for names in self.categories)


def source(read, width, classes, regression=False):
    """The `Source` of a table.

    Args:
        read: Function `data_dir -> Table`.
        width: As the `Table` has it, to know before it is read.
        classes: Likewise.
        regression: Likewise.
    """
    return Source(
        shape=(width,),
        classes=tuple(classes),
        needs=("sklearn", "scikit-learn"),
        load=lambda train_size, seed, data_dir: load(read(data_dir), train_size, seed),
        task=Regression() if regression else Classification(),
        generate=functools.partial(generate, width, 0 if regression else len(classes)),
        splitting="random",
    )


def csv_source(path, target):
    """The `Source` of a CSV file.

    Args:
        path: The file. Its first line names the columns; commas, semicolons or tabs are between them.
        target: The column to predict: its name, or its number from 0, or from -1 backwards.

    Raises:
        UserError: If there is no such file or column, or nothing can be learned from it.
    """
    table = read_csv(path, target)
    return source(lambda data_dir: table, table.width, table.classes, table.regression)


def load(table, train_size, seed):
    """Split a table and learn from the training part how to make features of both.

    Args:
        table: A `Table`.
        train_size: How many rows of the training part to train on; 0 is all.
        seed: Decides what is split off.

    Returns:
        Two splits.

    Raises:
        UserError: If the table has fewer rows than that, or not enough for its classes.
    """
    from sklearn.model_selection import train_test_split

    rows = len(table.labels)
    tested = math.ceil(TEST_SHARE * rows)
    counts = [] if table.regression else np.bincount(table.labels)
    fewest = max(2, len(counts))
    if tested < len(counts) or rows - tested < fewest:
        raise UserError(
            f"A table of {len(counts)} classes should have {math.ceil(len(counts) / TEST_SHARE)} rows or more, for a "
            f"test part with each of them. Received: {rows} rows."
        )
    if train_size and not fewest <= train_size <= rows - tested:
        raise UserError(
            f"`train_size` should be between {fewest} and {rows - tested} for this table, or 0 for all. "
            f"Received: train_size={train_size}."
        )
    # Classes of one row, as abalone has them, cannot be in both parts; together they can.
    strata = None if table.regression else np.where(counts[table.labels] > 1, table.labels, -1)
    train, test = train_test_split(
        np.arange(rows),
        train_size=train_size or rows - tested,
        test_size=tested,
        stratify=strata,
        random_state=seed,
    )
    features = preprocessing(table).fit(table.features[train]).transform(table.features).astype("float32")
    # One-hot columns that vary range over 1, standardised ones over more.
    features[:, np.ptp(features[train], axis=0) < 0.5] = 0.0
    labels = table.labels.astype("float32" if table.regression else "int64")
    return Arrays(features[train], labels[train]), Arrays(features[test], labels[test])


def preprocessing(table):
    """The scikit-learn pipeline from the features of a `Table` to what the network takes; not fitted yet."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [i for i, names in enumerate(table.categories) if not names]
    others = [i for i, names in enumerate(table.categories) if names]
    places = [np.arange(len(table.categories[i])) for i in others]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="mean", keep_empty_features=True), StandardScaler()), numbers),
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent", keep_empty_features=True),
                OneHotEncoder(categories=places, sparse_output=False),
            ),
            others,
        ),
    )


def generate(width, classes, size, random):
    """Random rows: see `Source`. With 0 classes their labels are numbers."""
    labels = random.integers(classes, size=size) if classes else random.normal(size=size).astype("float32")
    return Arrays(random.normal(size=(size, width)).astype("float32"), labels)


@functools.lru_cache(maxsize=1)
def read_csv(path, target):
    """Read a CSV file: see `csv_source`.

    Args:
        path: The file.
        target: Name or number of the column to predict.

    Returns:
        A `Table`.

    Raises:
        UserError: As `csv_source`.
    """
    names, rows = cells(pathlib.Path(path).expanduser())
    if target not in names:
        try:
            target = names[int(target)]
        except (ValueError, IndexError):
            raise UserError(
                f"`target` should be a column of {path}, one of: {', '.join(names)}; or its number from 0. "
                f"Received: target={target}."
            ) from None
    table = tabulate(names, rows, target)
    _check(table, path, target)
    return table


def cells(path, header=True, delimiter=None):
    """The cells of a text file.

    Args:
        path: The file; of one that ends in `.arff` the names are those of its `@attribute`s, and `.gz` is unpacked.
        header: Whether the first line names the columns; else their names are their numbers from 0.
        delimiter: What is between cells; " " stands for any white space. By default it is the one of comma, semicolon
            and tab that is most frequent in the first line.

    Returns:
        The names, and a list of rows, each a list of strings.

    Raises:
        UserError: If it cannot be read, or its rows are not equally long.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        raise UserError(f"{path} should be a file that can be read. Received: {reason}.") from None
    names = None
    if path.suffix == ".arff":
        names = [line.split()[1].strip("'\"") for line in lines if line.lower().startswith("@attribute")]
        lines = [line for line in lines if line[:1] not in ("@", "%")]
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise UserError(f"{path} should not be empty.")
    delimiter = delimiter or max(",;\t", key=lines[0].count)
    rows = [line.split() for line in lines] if delimiter == " " else list(csv.reader(lines, delimiter=delimiter))
    rows = [[cell.strip() for cell in row] for row in rows]
    if names is None:
        names = rows.pop(0) if header else [str(i) for i in range(len(rows[0]))]
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        raise UserError(
            f"{path} should have {len(names)} cells in each row. Received: {len(rows[wrong])} in row {wrong + 1}."
        )
    return names, rows


def tabulate(names, rows, target, regression=None):
    """Make a `Table` of cells.

    Args:
        names: Of the columns.
        rows: Lists of strings.
        target: The name of the column to predict.
        regression: Whether it holds numbers; by default the rule at the top of this file decides.

    Returns:
        A `Table`, whose labels have not been checked.

    Raises:
        UserError: If a row has no label, there are no rows, or a number is infinite.
    """
    if not rows:
        raise UserError("A table should have rows. Received: nothing but the names of its columns.")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    if len(columns) < max(2, len(names)):
        raise UserError(f"A table should have two columns or more, of different names. Received: {', '.join(names)}.")
    labels = columns.pop(target)
    gap = next((i for i, label in enumerate(labels) if label in MISSING), None)
    if gap is not None:
        raise UserError(
            f"`target` should have a value in each row. Received: target={target}, with none in row {gap + 1}."
        )
    values, categories, left_out = [], [], []
    for name, column in columns.items():
        numbers = as_numbers(column, name)
        if numbers is not None:
            values.append(numbers)
            categories.append(())
        elif len(set(column)) == len(column):
            left_out.append(name)
        else:
            found = tuple(sorted(set(column).difference(MISSING)))
            place = {category: float(i) for i, category in enumerate(found)}
            values.append([place.get(cell, math.nan) for cell in column])
            categories.append(found)
    if not values:
        raise UserError(f"A table should have a column to learn from. Received: only {', '.join(left_out)}.")
    labels, classes, regression = _labels(labels, target, regression)
    return Table(np.array(values, "float64").T, tuple(categories), labels, classes, regression, tuple(left_out))


def as_numbers(column, name):
    """The cells of a column as floats, NaN where they are missing; None if any is not a number."""
    try:
        numbers = [math.nan if cell in MISSING else float(cell) for cell in column]
    except ValueError:
        return None
    if any(map(math.isinf, numbers)):
        raise UserError(f"Numbers should be finite. Received: an infinite one in column {name}.")
    return numbers


def _labels(column, target, regression):
    numbers = as_numbers(column, target)
    if regression is None:
        regression = numbers is not None and not (
            len(set(numbers)) <= MOST_CLASSES and all(number.is_integer() for number in numbers)
        )
    if regression:
        return np.array(numbers), (target,), True
    # 2 before 10; and 2 and 2.0 are the same class.
    keys = column if numbers is None else numbers
    classes = sorted(set(keys))
    number = {key: i for i, key in enumerate(classes)}
    return np.array([number[key] for key in keys]), tuple(f"{key:g}" if numbers else key for key in classes), False


def _check(table, path, target):
    """Refuse a target that nothing can be learned of."""
    if len(set(table.labels.tolist())) < 2:
        raise UserError(f"`target` should not be the same in all rows of {path}. Received: target={target}.")
    if not table.regression:
        rarest = np.bincount(table.labels).argmin()
        if np.sum(table.labels == rarest) < 2:
            raise UserError(
                f"Each class of {path} should have two rows or more. Received: one of {target}={table.classes[rarest]}."
            )


class Uci(NamedTuple):
    """A table of the UCI repository, as it is shipped there.

    Args:
        page: The name of its page.
        files: The names its file may have.
        width: Numbers per row.
        classes: The names of its classes; for regression that of the target.
        header: Whether the first line names the columns.
        delimiter: What is between the cells.
        regression: Whether the target is a number. It is the last column.
    """

    page: str
    files: tuple[str, ...]
    width: int
    classes: tuple[str, ...]
    header: bool = False
    delimiter: str = ","
    regression: bool = False


_RINGS = tuple(str(rings) for rings in range(1, 30) if rings != 28)
_HEART = tuple(map(str, (*range(1, 11), 14, 15, 16)))
UCI = {
    "abalone": Uci("Abalone", ("abalone.data",), 10, _RINGS),
    "arrhythmia": Uci("Arrhythmia", ("arrhythmia.data",), 279, _HEART),
    "htru2": Uci("HTRU2", ("HTRU_2.csv",), 8, ("0", "1")),
    "phishing": Uci(
        "Phishing Websites", ("Training Dataset.arff", "phishing_websites.csv"), 30, ("-1", "1"), header=True
    ),
    "airfoil": Uci(
        "Airfoil Self-Noise", ("airfoil_self_noise.dat",), 5, ("sound pressure",), delimiter=" ", regression=True
    ),
    "concrete": Uci("Concrete Compressive Strength", ("concrete.csv",), 8, ("strength",), header=True, regression=True),
}
_ARCENE = [f"arcene_{part}.{kind}" for part in ("train", "valid") for kind in ("data", "labels")]


def find(data_dir, files, page):
    """The first of these files that is in a folder, packed or not.

    Raises:
        UserError: If none is.
    """
    if data_dir is not None:
        folder = pathlib.Path(data_dir).expanduser()
        for name in files:
            for path in (folder / name, folder / f"{name}.gz"):
                if path.exists():
                    return path
    raise UserError(
        f"`--data-dir` should be a folder with the file {' or '.join(files)}, from the page {page} of "
        f"https://archive.ics.uci.edu. Received: {f'--data-dir={data_dir}, which has none' if data_dir else 'none'}."
    )


def read_uci(name, data_dir):
    """Read a table of `UCI`."""
    return _read_uci(name, find(data_dir, UCI[name].files, UCI[name].page))


@functools.lru_cache
def _read_uci(name, path):
    about = UCI[name]
    names, rows = cells(path, about.header, about.delimiter)
    table = tabulate(names, rows, names[-1], about.regression)
    if (table.width, len(table.classes)) != (about.width, len(about.classes)):
        raise UserError(
            f"{path} should have {about.width} features and {len(about.classes)} classes. "
            f"Received: {table.width} and {len(table.classes)}."
        )
    return table


def read_abalone3(data_dir):
    """Abalone in three classes, as its description proposes: up to 8 rings, 9 or 10, and more."""
    table = read_uci("abalone", data_dir)
    rings = np.array(list(map(int, table.classes)))[table.labels]
    return table._replace(labels=np.digitize(rings, [9, 11]), classes=_THREE)


_THREE = ("1-8", "9-10", "11-29")


def read_arcene(data_dir):
    """Arcene: the 100 rows of its training and the 100 of its validation part; the labels of the others are secret."""
    return _read_arcene(*(find(data_dir, (name,), "Arcene") for name in _ARCENE))


@functools.lru_cache
def _read_arcene(*paths):
    parts = [cells(path, header=False, delimiter=" ")[1] for path in paths]
    rows = [
        [*row, *label]
        for data, labels in zip(parts[::2], parts[1::2], strict=True)
        for row, label in zip(data, labels, strict=True)
    ]
    names = [str(i) for i in range(len(rows[0]))]
    return tabulate(names, rows, names[-1], regression=False)


def read_iris(data_dir=None):
    """Iris, which scikit-learn ships."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    return Table(iris.data, ((),) * 4, iris.target, tuple(map(str, iris.target_names)), regression=False)


SOURCES = {
    **{
        name: source(functools.partial(read_uci, name), about.width, about.classes, about.regression)
        for name, about in UCI.items()
    },
    "abalone3": source(read_abalone3, UCI["abalone"].width, _THREE),
    "arcene": source(read_arcene, 10000, ("-1", "1")),
    "iris": source(read_iris, 4, ("setosa", "versicolor", "virginica")),
}
