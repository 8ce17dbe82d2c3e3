"""GANs that learn small images: how they are trained, judged, tabulated and drawn."""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from keras_mixup.zoo import datasets, examples, networks, report, verdicts
from keras_mixup.zoo.gan import frechet, pictures, training
from keras_mixup.zoo.gan.toy import compared, pack, rows_of, unpack
from keras_mixup.zoo.recipe import settings
from keras_mixup.zoo.study import Study

JUDGED_SAMPLES = 2000
KEPT_SAMPLES = 32
HEADLINE = "distance"  # the score that rows are compared by
COLUMNS = (("distance", "Frechet distance", 2), ("seconds", "s/run", 0))


class Data(NamedTuple):
    """The real images of a seed, in [-1, 1], and the judge, which is the same for all seeds."""

    images: np.ndarray
    judge: Any


class Judge(NamedTuple):
    """The classifier's features, their statistics on the test images, and how good both are."""

    extract: Any
    real: tuple
    test_error: float
    real_distance: float


@functools.lru_cache(maxsize=1)
def _judge(dataset, train_size, data_dir, smoke):
    source, test_size = datasets.get(dataset), 200
    if smoke:
        train, test = datasets.generated.load(source, train_size, test_size, 0)
    else:
        train, test = source.load(train_size, 0, data_dir)
    extract, model = frechet.features(networks.get("small_cnn"), _scaled(train.features), train.labels, source)
    images = _scaled(test.features)
    values = extract(images)
    error = 100.0 * float(np.mean(model.predict(images, batch_size=500, verbose=0).argmax(axis=1) != test.labels))
    half = min(JUDGED_SAMPLES, len(values) // 2)
    itself = frechet.distance(frechet.statistics(values[:half]), frechet.statistics(values[half:]))
    return Judge(extract, frechet.statistics(values), error, itself)


def _scaled(pixels):
    return np.asarray(pixels, "float32") / 127.5 - 1.0


def build(recipe):
    """A small DCGAN: transposed convolutions from a quarter of the size, strided convolutions, and two Adams."""
    import keras
    from keras import layers

    height, width, channels = datasets.get(recipe.dataset).shape
    small, filters = (height // 4, width // 4), recipe.filters

    def block():
        normalise = [layers.BatchNormalization(momentum=0.9)] if recipe.batch_norm else []
        return [*normalise, layers.ReLU()]

    generator = keras.Sequential(
        [
            keras.Input((recipe.noise_size,)),
            layers.Dense(small[0] * small[1] * 4 * filters),
            layers.Reshape((*small, 4 * filters)),
            *block(),
            layers.Conv2DTranspose(2 * filters, 4, 2, padding="same"),
            *block(),
            layers.Conv2DTranspose(channels, 4, 2, padding="same", activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            layers.Conv2D(filters, 4, 2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(2 * filters, 4, 2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(4 * filters, 4, 2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )

    def adam():
        return keras.optimizers.Adam(recipe.learning_rate, beta_1=recipe.momentum)

    return generator, discriminator, adam(), adam()


class Images(Study):
    """GANs of small images."""

    pictures = ("samples.png", "curves.png")
    no_preview = "gan_images mixes real images with generated ones, which a run makes; see samples.png of its results"
    one_device_only = True

    def packages(self, smoke=False):
        needs = (datasets.get(self.recipe.dataset).needs,)
        return () if smoke else needs

    def small(self):
        """The same recipe cut down to a few steps of every row, on generated data."""
        return dataclasses.replace(
            self.recipe, train_size=100, iterations=10, discriminator_steps=1, batch_size=4, filters=2, seeds=1
        )

    def load(self, row, seed, data_dir=None, smoke=False):
        """The real images of a seed, and the classifier that will judge."""
        training = examples.load(self.recipe, row, seed, data_dir, smoke).training
        return Data(_scaled(training.features), _judge(self.recipe.dataset, self.recipe.train_size, data_dir, smoke))

    def steps(self, row):
        return len(training.looks(self.recipe.iterations))

    def train(self, row, seed, data, on_record, folder, engine, report):
        """Train the GAN of a row, judging it now and then, and keep samples in `folder`."""
        import tensorflow as tf

        judge, last, kept = data.judge, {}, {}

        def look(iteration, gan, losses):
            training.check_finite(losses, row, seed, iteration, self.recipe)
            images = np.concatenate([np.asarray(gan.sample(500, seed=i)) for i in range(JUDGED_SAMPLES // 500)])
            last["distance"] = frechet.distance(frechet.statistics(judge.extract(images)), judge.real)
            on_record({"iteration": iteration, **losses, **last})
            kept.update(real=data.images[:KEPT_SAMPLES], last=images[:KEPT_SAMPLES])

        size = self.recipe.discriminator_steps * self.recipe.batch_size
        dataset = tf.data.Dataset.from_tensor_slices(data.images)
        # Batches are drawn across the end of an epoch, so none is smaller; each fit goes on with another order.
        dataset = dataset.shuffle(len(data.images), seed=seed, reshuffle_each_iteration=True).repeat()
        dataset = dataset.batch(size, drop_remainder=True).prefetch(4)
        seconds = training.train(self.recipe, row, seed, dataset, build, look)
        pack(folder / "samples.npz", kept)
        itself = {"judge_error": judge.test_error, "real_distance": judge.real_distance}
        return {**last, **itself, "seconds": seconds}

    def progress(self, row, record):
        return f"iteration {record['iteration']}/{self.recipe.iterations}", f"distance {record['distance']:.2f}"

    def summary(self, result):
        return f"Frechet distance {result['distance']:.2f}, {report.clock(result):.1f} s"

    def table(self, found, smoke=False):
        rows, everything = [], [result for pairs in found.values() for result, _ in pairs]
        for row, pairs in rows_of(self.recipe, found, [key for key, _, _ in COLUMNS], HEADLINE):
            best = [min(record["distance"] for record in history) for _, history in pairs]
            rows.append({**row, "best": verdicts.statistics(best)})
        verdicts.judge(rows)
        return {
            "recipe": self.recipe.name,
            "title": self.recipe.title,
            "smoke": smoke,
            "dataset": self.recipe.dataset,
            "settings": settings(self.recipe),
            "rows": rows,
            "judge_error": sorted({result["judge_error"] for result in everything}),
            "real_distance": sorted({result["real_distance"] for result in everything}),
            **report.origin(found),
        }

    def scores(self, table):
        return {key: (heading, digits) for key, heading, digits in COLUMNS if key != "seconds"}

    def cells(self, table):
        header = ["", "n", "Frechet distance", report.minus(table), "its lowest", "s/run"]
        return header, [
            [
                row["title"],
                str(row["n"]),
                report.spread(row["distance"], 2),
                verdicts.known(row["against_baseline"], 2),
                report.spread(row["best"], 2),
                f"{report.clock(row)['mean']:.0f}",
            ]
            for row in table["rows"]
        ]

    def notes(self, table):
        given = ", ".join(f"{key}={value}" for key, value in table["settings"].items())

        def values(key, digits):
            return " or ".join(f"{value:.{digits}f}" for value in table[key])

        return [
            f"Data set {table['dataset']}, {given}.",
            f"Mean ± standard deviation over n seeds of the Frechet distance between {JUDGED_SAMPLES} samples and "
            "all test images, after the last iteration and at its lowest; lower is better. It is taken in the "
            f"features of a small classifier trained on the same data (test error {values('judge_error', 1)} %), so "
            "it is not FID and compares within this table only. As many real images have "
            f"{values('real_distance', 2)} to the rest.",
            *compared(table, "first row"),
            "Samples: the generator is judged by its samples alone (generator_sees='samples'), in the other mixup "
            "rows by blends of them with real images.",
            *report.machines(table),
        ]

    def draw(self, found, out, smoke=False):
        """Draw samples of the first seed of each row, below real images, and the curves of all."""
        kept = {}
        for row in self.recipe.rows:
            for result, _ in found.get(row.name, [])[:1]:
                title = f"{row.title}, seed {result['seed']}: distance {result['distance']:.2f}"
                arrays = unpack(out / row.name / f"seed{result['seed']}" / "samples.npz")
                kept.setdefault("real images", arrays["real"])
                kept[title] = arrays["last"]
        pictures.grids(self.recipe, kept, out / "samples.png", smoke)
        pictures.curves(self.recipe, found, "distance", "Frechet distance", out / "curves.png", smoke, scale="log")
        return self.pictures
