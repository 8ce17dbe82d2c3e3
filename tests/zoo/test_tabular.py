"""Tables: what is read of a file, what a network is given of it, and the recipe, each against NumPy or scikit-learn."""

import gzip
import json

import numpy as np
import pytest
from sklearn import metrics

from keras_mixup.cli import main
from keras_mixup.zoo import datasets, inputs, recipes, runs, tabular
from keras_mixup.zoo.datasets import tables
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.evaluate import evaluate
from keras_mixup.zoo.recipe import for_row, override
from keras_mixup.zoo.tasks import Regression

RECIPE = recipes.get("tabular")
MIXED = """\ufeffname,size,colour,price
a,1.5,red,10
b,?,blue,20.5
c,-2e1,,30
d,4,red,40
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def mixed(tmp_path):
    return write(tmp_path / "mixed.csv", MIXED)


def same(one, other):
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_array_equal(one.labels, other.labels)
    return one[1:2] + one[3:] == other[1:2] + other[3:]


def test_a_csv_file_is_read_as_it_was_written(mixed):
    table = tables.read_csv(mixed, "price")
    nan = np.nan
    np.testing.assert_array_equal(table.features, [[1.5, 1], [nan, 0], [-20, nan], [4, 1]])
    assert table.categories == ((), ("blue", "red")) and table.left_out == ("name",)
    assert table.regression and table.classes == ("price",) and table.labels.tolist() == [10, 20.5, 30, 40]
    assert table.width == 3


def test_the_target_may_be_a_number_and_the_delimiter_another(tmp_path, mixed):
    other = write(tmp_path / "other.csv", MIXED.replace(",", ";"))
    table = tables.read_csv(other, "-1")
    assert same(table, tables.read_csv(mixed, "price"))
    assert same(tables.read_csv(other, "3"), table)


def column(*cells):
    """A table of a feature and these labels."""
    rows = [[str(i), cell] for i, cell in enumerate(cells)]
    return tables.tabulate(["x", "y"], rows, "y")


def test_text_and_few_whole_numbers_are_classes():
    text = column("no", "yes", "no", "maybe")
    assert text.classes == ("maybe", "no", "yes") and text.labels.tolist() == [1, 2, 1, 0]
    numbers = column("10", "9", "10.0", "-1")
    assert numbers.classes == ("-1", "9", "10") and numbers.labels.tolist() == [2, 1, 2, 0]
    assert not column(*map(str, range(20))).regression
    assert column(*map(str, range(21))).regression
    assert column("1", "2.5").regression


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (None, "y", "{path} should be a file that can be read. Received: No such file or directory."),
        ("", "y", "{path} should not be empty."),
        ("x,y\n", "y", "A table should have rows. Received: nothing but the names of its columns."),
        ("x,y\n1,2,3\n", "y", "{path} should have 2 cells in each row. Received: 3 in row 1."),
        (
            "x,y\n1,2\n",
            "z",
            "`target` should be a column of {path}, one of: x, y; or its number from 0. Received: target=z.",
        ),
        (
            "x,y\n1,2\n",
            "2",
            "`target` should be a column of {path}, one of: x, y; or its number from 0. Received: target=2.",
        ),
        ("x,x\n1,2\n", "0", "A table should have two columns or more, of different names. Received: x, x."),
        ("y\n1\n2\n", "y", "A table should have two columns or more, of different names. Received: y."),
        ("x,y\n1,1\n2,\n", "y", "`target` should have a value in each row. Received: target=y, with none in row 2."),
        ("x,y\ninf,1\n2,2\n", "y", "Numbers should be finite. Received: an infinite one in column x."),
        ("x,y\n1,a\n2,a\n", "y", "`target` should not be the same in all rows of {path}. Received: target=y."),
        (
            "x,y\n1,a\n2,a\n3,b\n",
            "y",
            "Each class of {path} should have two rows or more. Received: one of y=b.",
        ),
        ("x,y\na,1\nb,2\nc,1\n", "y", "A table should have a column to learn from. Received: only x."),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(text, target, message, tmp_path):
    path = tmp_path / "table.csv"
    if text is not None:
        write(path, text)
    with pytest.raises(UserError) as error:
        tables.read_csv(str(path), target)
    assert str(error.value) == message.format(path=path)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="Received: it is not UTF-8 text."):
        tables.read_csv(str(tmp_path / "x.csv"), "y")


def gaps(rows=60, seed=0):
    """A table of two columns of numbers, one of them constant but for a row, and one of categories, with gaps."""
    random = np.random.default_rng(seed)
    features = np.stack([random.normal(5, 3, rows), np.zeros(rows), random.integers(3, size=rows)], axis=1)
    features[:, 0] *= features[:, 0] ** 2
    features[7, 1] = 9.0
    features[random.random((rows, 3)) < 0.2] = np.nan
    features[7, 1] = 9.0
    labels = random.permutation(rows) + 0.25  # unique, so that a row is known by it
    return tables.Table(features, ((), (), ("a", "b", "c")), labels, ("y",), regression=True)


def by_hand(train, rows):
    """What the network should be given of those rows."""
    columns = []
    for j in range(2):
        mean = np.nanmean(train[:, j])
        filled = np.where(np.isnan(train[:, j]), mean, train[:, j])
        values = np.where(np.isnan(rows[:, j]), mean, rows[:, j])
        columns.append((values - filled.mean()) / filled.std() if filled.std() else np.zeros(len(rows)))
    counts = [np.sum(train[:, 2] == k) for k in range(3)]
    values = np.where(np.isnan(rows[:, 2]), np.argmax(counts), rows[:, 2])
    one_hot = np.eye(3)[values.astype(int)] * (np.array(counts) > 0)
    return np.concatenate([np.stack(columns, axis=1), one_hot], axis=1)


@pytest.mark.parametrize("seed", range(6))
def test_features_are_made_of_what_the_training_part_knows(seed):
    table = gaps()
    row = {label: i for i, label in enumerate(table.labels)}
    train, test = tables.load(table, 0, seed)
    chosen, tested = ([row[label] for label in split.labels] for split in (train, test))
    assert len(tested) == 12 and set(chosen).isdisjoint(tested) and len(set(chosen + tested)) == 60
    for split, rows in ((train, chosen), (test, tested)):
        assert split.features.dtype == "float32"
        expected = by_hand(table.features[chosen], table.features[rows])
        np.testing.assert_allclose(split.features, expected, atol=1e-5)
    if 7 in tested:  # the only row in which the second column is not 0
        assert not np.any(test.features[:, 1])
    # Nothing of the test part has been looked at.
    table.features[tested, :2] = 1e6
    again, _ = tables.load(table, 0, seed)
    assert np.array_equal(again.features, train.features)


def test_both_cases_of_the_test_above_occur():
    table = gaps()
    tested = [table.labels[7] in tables.load(table, 0, seed)[1].labels for seed in range(6)]
    assert any(tested) and not all(tested)


def test_a_category_that_only_the_test_part_has_is_zero():
    table = gaps()
    _, test = tables.load(table, 0, 3)
    only = int(np.flatnonzero(table.labels == test.labels[0])[0])
    table.features[:, 2] = 1.0
    table.features[only, 2] = 2.0
    _, test = tables.load(table, 0, 3)
    assert not np.any(test.features[:, 2:])


def classes(*counts):
    """A table of one random number per row, with that many rows of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.random.default_rng(1).normal(size=(len(labels), 1))
    return tables.Table(features, ((),), labels, tuple(map(str, range(len(counts)))), regression=False)


def test_splits_are_stratified_and_drawn_by_the_seed():
    table = classes(60, 30, 10)
    train, test = tables.load(table, 0, 5)
    assert np.bincount(train.labels).tolist() == [48, 24, 8] and np.bincount(test.labels).tolist() == [12, 6, 2]
    again, other = tables.load(table, 0, 5)[0], tables.load(table, 0, 6)[0]
    assert np.array_equal(train.features, again.features) and not np.array_equal(train.features, other.features)
    small, _ = tables.load(table, 40, 5)
    assert np.bincount(small.labels).tolist() == [24, 12, 4]


def test_classes_of_one_row_are_split_as_one():
    train, test = tables.load(classes(50, 1, 1, 1, 1, 1), 0, 0)
    assert np.sum(test.labels > 0) == 1 and np.sum(train.labels > 0) == 4


@pytest.mark.parametrize(
    ("table", "train_size", "message"),
    [
        (
            classes(2, 2, 2),
            0,
            "A table of 3 classes should have 15 rows or more, for a test part with each of them. Received: 6 rows.",
        ),
        (
            classes(60, 30, 10),
            81,
            "`train_size` should be between 3 and 80 for this table, or 0 for all. Received: train_size=81.",
        ),
    ],
)
def test_too_few_rows_are_refused(table, train_size, message):
    with pytest.raises(UserError) as error:
        tables.load(table, train_size, 0)
    assert str(error.value) == message


def test_a_table_of_uci_that_is_not_there_is_named(tmp_path):
    files = "Training Dataset.arff or phishing_websites.csv"
    for folder, received in ((None, "none"), (tmp_path, f"--data-dir={tmp_path}, which has none")):
        with pytest.raises(UserError) as error:
            datasets.get("phishing").load(0, 0, folder)
        assert str(error.value) == (
            f"`--data-dir` should be a folder with the file {files}, from the page Phishing Websites of "
            f"https://archive.ics.uci.edu. Received: {received}."
        )


def test_the_files_of_uci_are_read(tmp_path):
    """In the forms in which they are shipped: ARFF, no header, white space, packed, labels apart."""
    random = np.random.default_rng(0)
    cells = random.choice([-1, 0, 1], size=(40, 30))
    arff = "% comment\n@relation x\n" + "".join(f"@attribute a{i} {{ -1,0,1 }}\n" for i in range(31)) + "@data\n"
    rows = [",".join(map(str, [*row, 1 if row[0] > 0 else -1])) for row in cells]
    write(tmp_path / "Training Dataset.arff", arff + "\n".join(rows) + "\n\n")
    table = tables.read_uci("phishing", tmp_path)
    assert np.array_equal(table.features, cells) and np.array_equal(table.labels, cells[:, 0] > 0)

    numbers = random.normal(size=(30, 6)).round(3)
    lines = ["\t".join(map(str, row)) for row in numbers]
    (tmp_path / "airfoil_self_noise.dat.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    table = tables.read_uci("airfoil", tmp_path)
    assert np.array_equal(table.features, numbers[:, :5]) and np.array_equal(table.labels, numbers[:, 5])

    for part, signs in (("train", "1 -1 -1"), ("valid", "-1 1 1")):
        line = " ".join(["3"] * 10000)
        write(tmp_path / f"arcene_{part}.data", f"{line} \n{line.replace('3', '4')}\n{line}\n")
        write(tmp_path / f"arcene_{part}.labels", signs.replace(" ", "\n"))
    table = tables.read_arcene(tmp_path)
    assert table.features.shape == (6, 10000) and table.features[:, 5].tolist() == [3, 4, 3] * 2
    assert table.labels.tolist() == [1, 0, 0, 0, 1, 1]

    # Each age as often as its number says, so that the three classes are known.
    rings = [ring for ring in range(1, 30) if ring != 28]
    write(tmp_path / "abalone.data", "\n".join(f"{'MFI'[r % 3]},{'1,' * 7}{r}" for r in rings for _ in range(r)))
    table = tables.read_abalone3(tmp_path)
    assert table.categories[0] == ("F", "I", "M") and table.width == 10
    assert np.bincount(table.labels).tolist() == [36, 19, sum(rings) - 55]

    write(tmp_path / "HTRU_2.csv", "1,2,0\n1,3,1\n")
    with pytest.raises(UserError, match=r"HTRU_2.csv should have 8 features and 2 classes. Received: 2 and 2."):
        tables.read_uci("htru2", tmp_path)


def test_iris_needs_no_file():
    train, test = datasets.get("iris").load(0, 0, None)
    assert (len(train), len(test)) == (120, 30) and np.bincount(train.labels).tolist() == [40, 40, 40]
    assert datasets.get("iris").classes == tables.read_iris().classes


def test_numbers_are_predicted_in_standard_deviations_and_scored_in_their_units():
    random = np.random.default_rng(0)
    labels, outputs = random.normal(50, 8, 20), random.normal(size=20)

    class Training:
        labels = random.normal(40, 4, 30)

    task = Regression().fitted(Training)
    predicted = Training.labels.mean() + Training.labels.std() * outputs
    scores = task.scores(outputs[:, None], labels)
    assert scores["rmse"] == pytest.approx(metrics.mean_squared_error(labels, predicted) ** 0.5)
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(labels, predicted))
    assert scores["mape"] == pytest.approx(100 * metrics.mean_absolute_percentage_error(labels, predicted))
    assert "mape" not in task.scores(outputs, labels * (np.arange(20) > 0))
    loss = np.asarray(task.loss()(labels[:, None].astype("float32"), outputs[:, None].astype("float32")))
    assert loss.mean() == pytest.approx(scores["rmse"] ** 2 / Training.labels.var(), rel=1e-5)


def test_the_network_against_numpy():
    from keras_mixup.zoo import networks

    network = networks.get("mlp")((5,), 3)
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    weights = network.get_weights()
    weights = [np.random.default_rng(i).normal(size=w.shape).astype("float32") for i, w in enumerate(weights)]
    network.set_weights(weights)
    assert [w.shape for w in weights] == [(5, 128), (128,), (128, 128), (128,), (128, 3), (3,)]
    h = x
    for kernel, bias in zip(weights[:4:2], weights[1:4:2], strict=True):
        h = np.maximum(h @ kernel + bias, 0)
    np.testing.assert_allclose(network.predict(x, verbose=0), h @ weights[4] + weights[5], rtol=1e-4, atol=1e-3)


def test_c_mixup_pairs_by_the_target_in_its_own_units(tmp_path):
    # The only feature rises with the target.
    path = write(tmp_path / "linear.csv", "x,y\n" + "".join(f"{i}.5,{300 + 10 * i}\n" for i in range(200)))
    recipe = override(RECIPE, [f"csv={path}", "target=y", "epochs=3"])
    row = recipe.rows[-1]
    bandwidth = row.method.pairing.bandwidth
    assert bandwidth == pytest.approx(0.25 * np.std(300 + 10 * np.arange(200)), rel=0.05)
    source, training, *_ = runs.load(recipe, row, 0)
    gaps = {}
    for row in recipe.rows[1:]:
        batches = inputs.training_batches(training, source, for_row(recipe, row), row.method, 0)
        features, targets = (np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True))
        assert targets.shape == (3 * 160, 1) and targets.min() >= 300 and targets.max() <= 2290
        # What is mixed of x is mixed of y.
        slope, intercept = np.polyfit(features[:, 0], targets[:, 0], 1)
        np.testing.assert_allclose(targets, slope * features + intercept, atol=0.1)
        plain = inputs.training_batches(training, source, for_row(recipe, row), None, 0)
        before = np.concatenate([targets for _, targets in plain.as_numpy_iterator()])
        gaps[row.name] = np.abs(targets - before).mean()
    assert gaps["c-mixup"] < bandwidth and gaps["mixup"] > 1.5 * gaps["c-mixup"]


def test_the_rows_of_the_recipe():
    kinds = {}
    for row in RECIPE.rows:
        kinds.setdefault(for_row(RECIPE, row).dataset, []).append(row.name.split("-", 1)[1])
    both = ["erm", "mixup-0.2", "mixup-1.0", "erm-25", "mixup-25", "mixupe-25"]
    assert kinds == {
        **{name: both for name in ("abalone", "arcene", "arrhythmia", "htru2", "iris", "phishing")},
        "abalone3": both[3:],
        **{name: ["erm", "mixup", "c-mixup"] for name in ("airfoil", "concrete")},
    }


def test_a_csv_file_takes_the_place_of_the_rows(tmp_path, mixed):
    recipe = override(RECIPE, [f"csv={mixed}", "target=price", "epochs=3"])
    assert [row.name for row in recipe.rows] == ["erm", "mixup", "c-mixup"]
    assert recipe.dataset == f"csv:{mixed}:price" and recipe.epochs == 3
    text = write(tmp_path / "classes.csv", "x,y\n" + "1,a\n2,b\n" * 5)
    assert [row.name for row in override(RECIPE, [f"csv={text}"]).rows] == ["erm", "mixup", "mixupe"]
    with pytest.raises(UserError, match="`target` should come with a CSV file"):
        override(RECIPE, ["target=y"])
    with pytest.raises(UserError, match="`--set` should not change `epochs`, in which the rows of tabular differ"):
        override(RECIPE, ["epochs=3"])


def test_a_csv_file_on_the_command_line(tmp_path, capsys):
    path = write(tmp_path / "named.csv", "id,x,y\n" + "".join(f"k{i},{i}.5,{300 + 10 * i}\n" for i in range(50)))
    command = ["run", "tabular", "--set", f"csv={path}", "target=y", "epochs=2", "--seeds", "1"]
    command += ["--row", "erm", "c-mixup", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert (
        "50 rows; of 1 columns 1 hold numbers and 0 categories, 0 cells are missing; to predict: a number." in printed
    )
    assert "Left out, being text that is different in every row: id." in printed
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [(row["name"], row["n"]) for row in table["rows"]] == [("erm", 1), ("c-mixup", 1)]
    assert (tmp_path / "out" / "differences.png").stat().st_size > 10_000
    # What the run says is what its network does on the test part of its own split.
    _, size, scores = evaluate(tmp_path / "out" / "erm" / "seed0")
    assert size == 10 and scores["rmse"] == pytest.approx(table["rows"][0]["rmse"]["mean"], rel=1e-5)


ENVIRONMENT = {"machine": "M", "backend": "tensorflow", "versions": {}, "commit": None, "date": "2026-01-01"}


def finished(*scores):
    """Finished runs as `runs.collect` gives them, one for each seed."""
    shared = {"nll": 0.5, "ece": 1.0, "seconds": 2.0, "examples_per_second": 9.0, "environment": ENVIRONMENT}
    shared["sizes"] = {"training": 120, "test": 30}
    return [({"seed": seed, **shared, **score}, []) for seed, score in enumerate(scores)]


def errors(*values):
    return finished(*({"error": value, "top5_error": 0.0} for value in values))


def test_the_table_has_a_line_for_each_data_set(tmp_path):
    found = {
        "arcene-erm": errors(10.0, 14.0),
        "iris-erm": errors(10.0, 12.0),
        "iris-mixup-0.2": errors(11.0, 10.0),
        "iris-mixup-1.0": errors(8.0, 14.0),
        "iris-erm-25": errors(5.0),
        "iris-mixupe-25": errors(4.0),
        "concrete-erm": finished({"rmse": 6.0, "mae": 5.0, "mape": 12.0}),
        "concrete-c-mixup": finished({"rmse": 5.5, "mae": 4.0, "mape": 11.5}),
    }
    table = tabular.Tabular(RECIPE).table(found)
    tabular.Tabular(RECIPE).write(table, tmp_path)
    lines = [line for line in (tmp_path / "table.md").read_text().splitlines() if line and " --- " not in line]
    assert lines[:12] == [
        f"# {RECIPE.title}",
        "## 10 epochs",
        "|  | n | ERM | mixup, alpha 0.2 | mixup, alpha 1.0 | published |",
        "| Arcene, error (%) | 2 | 12.00 ± 2.83 |  |  | 57.6? [1] |",
        # The intervals reach 12.706 * sqrt(1/2 + 30/120) deviations of 2.1213 and 2.8284.
        "| Iris, error (%) | 2 | 11.00 ± 1.41 | 10.50 ± 0.71 (-0.50 [-23.84, +22.84] open) "
        "| 11.00 ± 4.24 (+0.00 [-31.12, +31.12] open) | 21.3? / 17.3? [1] |",
        "## 25 epochs",
        "|  | n | ERM | MixupE, alpha 0.2, eta 0.01 | published |",
        "| Iris, error (%) | 1 | 5.00 | 4.00 (-1.00 open) | 9.06 ± 7.01 / 7.29 ± 6.95 [2] |",
        "## 100 epochs",
        "|  | n | ERM | C-Mixup, alpha 2 | published |",
        "| Concrete, RMSE | 1 | 6.000 | 5.500 (-0.500 open) |  |",
        "| Concrete, MAPE (%) | 1 | 12.00 | 11.50 |  |",
    ]
    assert "in a paired t-test for random splits (with 1/n + n_test/n_train for 1/n" in "\n".join(lines)
    assert json.loads((tmp_path / "table.json").read_text())["rows"][2]["nll"]["values"] == [0.5, 0.5]


def test_the_picture_shows_changes_in_percent_of_plain_training(monkeypatch, tmp_path):
    drawn, panel = [], tabular._panel
    monkeypatch.setattr(tabular, "_panel", lambda axes, *rest: (panel(axes, *rest), drawn.append(axes)))
    found = {"iris-erm": errors(10.0, 12.0), "iris-mixup-1.0": errors(8.0, 14.3)}
    tabular.Tabular(RECIPE).draw(found, tmp_path)
    (axes,) = drawn
    dots = next(line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "None")
    np.testing.assert_allclose(dots.get_xdata(), [-200 / 11, 230 / 11])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Iris"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mixup, alpha 1.0"]
    assert (tmp_path / "differences.png").stat().st_size > 10_000


@pytest.mark.slow
def test_every_row_runs_on_generated_data(tmp_path):
    names = [row.name for row in RECIPE.rows]
    assert main(["run", "tabular", "--smoke", "--row", *names, "--out", str(tmp_path)]) == 0
    table = json.loads((tmp_path / "smoke" / "table.json").read_text())
    assert [row["name"] for row in table["rows"]] == names


@pytest.mark.slow
def test_iris_is_learned(tmp_path):
    command = ["run", "tabular", "--row", "iris-erm", "iris-mixup-0.2", "iris-mixupe-25", "--seeds", "2"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    for row in json.loads((tmp_path / "table.json").read_text())["rows"]:
        assert row["error"]["mean"] < 25.0
