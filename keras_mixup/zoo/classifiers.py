"""The study of classifiers, and of networks that predict numbers: supervised training, a network for each row."""

import dataclasses

from keras_mixup.zoo import examples, figures, measures, networks, previews, report
from keras_mixup.zoo.recipe import for_row, of_kind
from keras_mixup.zoo.study import Study

SMOKE_STEPS = 2
SMOKE_BATCH = 8


class Classifiers(Study):
    """Supervised training of a network for each row."""

    pictures = ("curves.png", "preview.png")

    def packages(self, smoke=False):
        needs = self._needs()
        return () if smoke else needs

    def small(self):
        """The same recipe cut down to two small steps of every row, both of them mixed, on networks of few blocks."""
        size = min(self.recipe.batch_size, SMOKE_BATCH)
        small = {"train_size": SMOKE_STEPS * size, "batch_size": size, "epochs": 1, "unmixed_epochs": 0}
        small |= {"held_out": size} if self.recipe.held_out else {}
        rows = []
        for row in self.recipe.rows:
            settings = {key: value for key, value in row.settings.items() if key not in small}
            if "network" in settings:
                settings["network"] = networks.small(settings["network"])
            rows.append(dataclasses.replace(row, settings=settings))
        small["network"] = networks.small(self.recipe.network)
        return dataclasses.replace(self.recipe, rows=tuple(rows), seeds=1, **small)

    def enough(self):
        """The first rows with a network, a data set, a kind of method, or another way to train of their own."""
        chosen, tried = [], set()
        for row in self.recipe.rows:
            own = for_row(self.recipe, row)
            treatments = {key for key in row.settings if key in of_kind(self.recipe, "treatment")}
            what = {("network", own.network), ("dataset", own.dataset), ("method", type(row.method)), *treatments}
            if not what <= tried:
                chosen.append(row)
                tried |= what
        return chosen

    def load(self, row, seed, data_dir=None, smoke=False):
        return examples.load(self.recipe, row, seed, data_dir, smoke)

    def same_data(self, row, other):
        return examples.same(self.recipe, row, other)

    def steps(self, row):
        return for_row(self.recipe, row).epochs

    def train(self, row, seed, data, on_record, folder, engine, report):
        from keras_mixup.zoo import train

        sizes = {"training": len(data.training), "test": len(data.test)}
        return {**train.train(self.recipe, row, seed, data, on_record, folder, engine, report), "sizes": sizes}

    def progress(self, row, record):
        known = {"test_rmse": "test RMSE {:.3f}, ", "test_error": "test error {:.2f} %, "}
        score = "".join(words.format(record[key]) for key, words in known.items() if key in record)
        return (
            f"epoch {record['epoch']}/{self.steps(row)}",
            f"loss {record['loss']:.3f}, {score}{record['examples_per_second']:,.0f} examples/s",
        )

    def summary(self, result):
        if "rmse" in result:
            scores = f"RMSE {result['rmse']:.3f}, MAE {result['mae']:.3f}"
        else:
            scores = f"error {result['error']:.2f} %, NLL {result['nll']:.3f}, ECE {result['ece']:.2f} %"
        return f"{scores}, {report.clock(result):.1f} s"

    def table(self, found, smoke=False):
        return report.table(self.recipe, found, smoke)

    def scores(self, table):
        known = report.columns(self.recipe.measures)
        headlines = [row["headline"] for row in table["rows"]]
        return {key: known[key] for key in dict.fromkeys((*headlines, "nll", "ece")) if key in table["scores"]}

    def cells(self, table):
        return report.cells(table)

    def notes(self, table):
        return report.notes(table)

    def draw(self, found, out, smoke=False):
        """Draw the learning curves of all finished runs, and what was measured; return the names of the pictures."""
        figures.curves(self.recipe, found, out / "curves.png", smoke)
        return (*self.pictures, *measures.draw(self.recipe, found, out, smoke))

    def preview(self, row, data, path, smoke=False):
        previews.preview(self.recipe, row, data, path, smoke)
