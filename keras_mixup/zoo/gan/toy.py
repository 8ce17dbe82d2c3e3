"""GANs that learn mixtures of Gaussians in the plane: how they are trained, judged, tabulated and drawn."""

import dataclasses
import io

import numpy as np

from keras_mixup.zoo import atomic, report, verdicts
from keras_mixup.zoo.gan import mixtures, pictures, training
from keras_mixup.zoo.recipe import settings
from keras_mixup.zoo.study import Study

KEPT_SAMPLES = 1000
HEADLINE = "covered"  # the score that rows are compared by
COLUMNS = (
    ("covered", "covered (%)", 1),
    ("near", "near (%)", 1),
    ("quality", "good (%)", 1),
    ("kl", "KL (nats)", 3),
    ("seconds", "s/run", 0),
)


def build(recipe):
    """Two networks of three hidden layers of ReLU units, and an Adam for each."""
    import keras

    def network(inputs, outputs):
        hidden = [keras.layers.Dense(recipe.width, "relu") for _ in range(3)]
        return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(outputs)])

    def adam():
        return keras.optimizers.Adam(recipe.learning_rate)

    return network(recipe.noise_size, 2), network(2, 1), adam(), adam()


def collapsed(result):
    """Whether a generator has lost half of the modes or more."""
    return result["covered"] <= 50.0


def reference(name):
    """The scores of as many real points: no generator can do better but by chance."""
    return mixtures.scores(mixtures.mixture(name).sample(mixtures.SAMPLES, seed=(3, 4)).numpy(), name)


def pack(path, arrays):
    """Write arrays in one step, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{key: np.asarray(value, "float16") for key, value in arrays.items()})
    atomic.write(path, buffer.getvalue())


def unpack(path):
    """The arrays of `pack`."""
    with np.load(path) as file:
        return {key: file[key].astype("float32") for key in file.files}


def rows_of(recipe, found, scores, headline):
    """What the tables of GANs have in common: pairs of a row and its runs, each with its difference to its baseline.

    Args:
        recipe: A recipe for GANs.
        found: The finished runs, from `runs.collect`.
        scores: The names of the scores to give.
        headline: That of the score to compare by.
    """
    baselines = report.baseline_of(recipe)
    for row in recipe.rows:
        pairs = found.get(row.name, [])
        if not pairs:
            continue
        results = [result for result, _ in pairs]
        entry = {
            "name": row.name,
            "title": row.title,
            "parts": row.title.parts,
            "method": row.method.get_config(),
            "headline": headline,
            "n": len(results),
            "seeds": [result["seed"] for result in results],
            **{key: verdicts.statistics([result[key] for result in results]) for key in scores},
            **report.timed(results),
            **report.differences(row, baselines[row.name], found, headline),
        }
        yield entry, pairs


def compared(table, which):
    """How the differences of a table were judged, as its note, if it has some."""
    words = verdicts.in_words(table["rows"])
    said = [f"The difference to the {which} is taken seed by seed, {words}."] if words else []
    return [*said, *report.further(table)]


class Toy(Study):
    """GANs in the plane."""

    pictures = ("samples.png", "curves.png")
    no_preview = "gan_toy has no mixed labelled images to preview"
    one_device_only = True

    def packages(self, smoke=False):
        return (("tensorflow_probability", "tensorflow-probability"), ("tf_keras", "tf-keras"))

    def small(self):
        """The same recipe cut down to a few steps of every row."""
        return dataclasses.replace(self.recipe, iterations=10, batch_size=8, discriminator_steps=1, width=8, seeds=1)

    def load(self, row, seed, data_dir=None, smoke=False):
        """Nothing: the data are drawn as they are needed."""
        return None

    def steps(self, row):
        return len(training.looks(self.recipe.iterations))

    def train(self, row, seed, data, on_record, folder, engine, report):
        """Train the GAN of a row, judging it now and then, and keep samples in `folder`."""
        name, kept = row.method.data, {}

        def look(iteration, gan, losses):
            training.check_finite(losses, row, seed, iteration, self.recipe)
            points = np.asarray(gan.sample(mixtures.SAMPLES, seed=iteration))
            if iteration in training.snapshots(self.recipe.iterations):
                kept[str(iteration)] = points[:KEPT_SAMPLES]
            last.update(mixtures.scores(points, name))
            on_record({"iteration": iteration, **losses, **last})

        last = {}
        dataset = mixtures.batches(name, self.recipe.discriminator_steps * self.recipe.batch_size, seed)
        seconds = training.train(self.recipe, row, seed, dataset, build, look)
        pack(folder / "samples.npz", kept)
        return {**last, "seconds": seconds}

    def progress(self, row, record):
        where = f"iteration {record['iteration']}/{self.recipe.iterations}"
        return where, f"{record['modes']} modes, {record['near']:.0f} % near"

    def summary(self, result):
        return (
            f"{result['modes']} modes, {result['near']:.1f} % near, {result['quality']:.1f} % high quality, "
            f"KL {result['kl']:.3f}, {report.clock(result):.1f} s"
        )

    def table(self, found, smoke=False):
        rows = []
        for row, pairs in rows_of(self.recipe, found, [key for key, _, _ in COLUMNS], HEADLINE):
            rows.append({**row, "stable": sum(not collapsed(result) for result, _ in pairs)})
        verdicts.judge(rows)
        used = sorted({row["method"]["data"] for row in rows})
        return {
            "recipe": self.recipe.name,
            "title": self.recipe.title,
            "smoke": smoke,
            "settings": settings(self.recipe),
            "rows": rows,
            "data_themselves": {name: reference(name) for name in used},
            **report.origin(found),
        }

    def scores(self, table):
        return {key: (heading, digits) for key, heading, digits in COLUMNS if key != "seconds"}

    def cells(self, table):
        (_, first, digits), *others, _ = COLUMNS
        header = ["", "n", "stable", first, report.minus(table), *(heading for _, heading, _ in others), "s/run"]
        return header, [
            [
                row["title"],
                str(row["n"]),
                f"{row['stable']}/{row['n']}",
                report.spread(row[HEADLINE], digits),
                verdicts.known(row["against_baseline"], digits),
                *(report.spread(row[key], digits) for key, _, digits in others),
                f"{report.clock(row)['mean']:.0f}",
            ]
            for row in table["rows"]
        ]

    def notes(self, table):
        given = ", ".join(f"{key}={value}" for key, value in table["settings"].items())
        themselves = "; ".join(
            f"{name} {one['covered']:.1f} %, {one['near']:.1f} %, {one['quality']:.1f} %, {one['kl']:.4f}"
            for name, one in table["data_themselves"].items()
        )
        return [
            f"Three hidden layers in both networks, {given}.",
            f"Mean ± standard deviation over n seeds of the scores of {mixtures.SAMPLES} samples after the last "
            "iteration; rows that share a seed share initial weights and real points.",
            *compared(table, "first row of the same data"),
            "Good: of high quality, that is where the exact density is as high as at 98.9 % of the data (within three "
            "standard deviations of a lone Gaussian). Near: the same of the data blurred by noise of deviation 0.05. "
            "Covered: modes with near samples of no less than a tenth of their weight; the spiral has 200, its arcs. "
            "Stable: seeds with more than half of the modes covered. KL: of the samples' distribution over the "
            "modes from the true one.",
            "Samples: the generator is judged by its samples alone (generator_sees='samples'), in the other mixup "
            "rows by blends of them with real points.",
            f"As many real points have: {themselves} (covered, near, good, KL).",
            *report.machines(table),
        ]

    def draw(self, found, out, smoke=False):
        """Draw samples and curves of all finished runs."""
        first = {}
        for row in self.recipe.rows:
            if row.name in found:
                seed = found[row.name][0][0]["seed"]
                first[row.name] = unpack(out / row.name / f"seed{seed}" / "samples.npz")
        pictures.samples(self.recipe, first, out / "samples.png", smoke)
        pictures.curves(self.recipe, found, "covered", "modes covered (%)", out / "curves.png", smoke)
        return self.pictures
