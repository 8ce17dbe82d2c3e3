"""GANs that learn mixtures of Gaussians in the plane: how they are trained, judged, tabulated and drawn."""

import dataclasses
import functools
import io

import numpy as np

from keras_mixup.zoo import atomic, report
from keras_mixup.zoo.gan import mixtures, pictures, training
from keras_mixup.zoo.recipe import settings

PICTURES = ("samples.png", "curves.png")
NO_PREVIEW = "gan_toy has no mixed labelled images to preview"
ONE_DEVICE_ONLY = True
KEPT_SAMPLES = 1000
COLUMNS = (
    ("covered", "covered (%)", 1),
    ("near", "near (%)", 1),
    ("quality", "good (%)", 1),
    ("kl", "KL (nats)", 3),
    ("seconds", "s/run", 0),
)


def packages(recipe, smoke):
    """The packages that a run needs beside those that every recipe does."""
    return ()


def smoke(recipe):
    """The same recipe cut down to a few steps of every row."""
    return dataclasses.replace(recipe, iterations=10, batch_size=8, discriminator_steps=1, width=8, seeds=1)


def load(recipe, row, seed, data_dir, smoke):
    """Nothing: the data are drawn as they are needed."""
    return None


def steps(recipe, row):
    """How many records a run makes."""
    return len(training.looks(recipe.iterations))


def train(recipe, row, seed, data, on_record, folder, engine, report):
    """Train the GAN of a row, judging it now and then, and keep samples in `folder`."""
    name, kept = row.method.data, {}

    def look(iteration, gan, losses):
        training.check_finite(losses, row, seed, iteration, recipe)
        points = np.asarray(gan.sample(mixtures.SAMPLES, seed=iteration))
        if iteration in training.snapshots(recipe.iterations):
            kept[str(iteration)] = points[:KEPT_SAMPLES]
        last.update(mixtures.scores(points, name))
        on_record({"iteration": iteration, **losses, **last})

    last = {}
    dataset = mixtures.batches(name, recipe.discriminator_steps * recipe.batch_size, seed)
    seconds = training.train(recipe, row, seed, dataset, build, look)
    pack(folder / "samples.npz", kept)
    return {**last, "seconds": seconds}


def build(recipe):
    """Two networks of three hidden layers of ReLU units, and an Adam for each."""
    import keras

    def network(inputs, outputs):
        hidden = [keras.layers.Dense(recipe.width, "relu") for _ in range(3)]
        return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(outputs)])

    def adam():
        return keras.optimizers.Adam(recipe.learning_rate)

    return network(recipe.noise_size, 2), network(2, 1), adam(), adam()


def progress(recipe, record):
    """What to show of a record: where it stands, and how good."""
    where = f"iteration {record['iteration']}/{recipe.iterations}"
    return where, f"{record['modes']} modes, {record['near']:.0f} % near"


def summary(result):
    """What to print of a finished run."""
    return (
        f"{result['modes']} modes, {result['near']:.1f} % near, {result['quality']:.1f} % high quality, "
        f"KL {result['kl']:.3f}, {result['seconds']:.1f} s"
    )


def collapsed(result):
    """Whether a generator has lost half of the modes or more."""
    return result["covered"] <= 50.0


def table(recipe, found, smoke=False):
    """The statistics of all finished runs, as a dict that JSON can hold."""
    rows = []
    for row in recipe.rows:
        results = [result for result, _ in found.get(row.name, [])]
        if results:
            rows.append(
                {
                    "name": row.name,
                    "title": row.title,
                    "method": row.method.get_config(),
                    "n": len(results),
                    "seeds": [result["seed"] for result in results],
                    **{key: report.statistics([r[key] for r in results]) for key, _, _ in COLUMNS},
                    "stable": sum(not collapsed(result) for result in results),
                }
            )
    used = sorted({row["method"]["data"] for row in rows})
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "smoke": smoke,
        "settings": settings(recipe),
        "rows": rows,
        "data_themselves": {name: reference(name) for name in used},
        **report.origin(found),
    }


def reference(name):
    """The scores of as many real points: no generator can do better but by chance."""
    return mixtures.scores(mixtures.mixture(name).sample(mixtures.SAMPLES, seed=(3, 4)).numpy(), name)


def cells(table):
    """The table as text: the headings, then a list of strings for each row."""
    header = ["", "n", "stable", *(heading for _, heading, _ in COLUMNS)]
    return header, [
        [
            row["title"],
            str(row["n"]),
            f"{row['stable']}/{row['n']}",
            *(report.spread(row[key], digits) for key, _, digits in COLUMNS[:-1]),
            f"{row['seconds']['mean']:.0f}",
        ]
        for row in table["rows"]
    ]


def notes(table):
    """What a reader needs to know to trust the table."""
    given = ", ".join(f"{key}={value}" for key, value in table["settings"].items())
    themselves = "; ".join(
        f"{name} {one['covered']:.1f} %, {one['near']:.1f} %, {one['quality']:.1f} %, {one['kl']:.4f}"
        for name, one in table["data_themselves"].items()
    )
    return [
        f"Three hidden layers in both networks, {given}.",
        f"Mean ± standard deviation over n seeds of the scores of {mixtures.SAMPLES} samples after the last iteration; "
        "rows that share a seed share initial weights and real points.",
        "Good: of high quality, that is where the exact density is as high as at 98.9 % of the data (within three "
        "standard deviations of a lone Gaussian). Near: the same of the data blurred by noise of deviation 0.05. "
        "Covered: modes with near samples of no less than a tenth of their weight; the spiral has 200, its arcs. "
        "Stable: seeds with more than half of the modes covered. KL: of the samples' distribution over the modes from "
        "the true one.",
        "Samples: the generator is judged by its samples alone (generator_sees='samples'), in the other mixup rows by "
        "blends of them with real points.",
        f"As many real points have: {themselves} (covered, near, good, KL).",
        *report.machines(table),
    ]


def draw(recipe, found, out, smoke=False):
    """Draw samples and curves of all finished runs."""
    first = {}
    for row in recipe.rows:
        if row.name in found:
            seed = found[row.name][0][0]["seed"]
            first[row.name] = unpack(out / row.name / f"seed{seed}" / "samples.npz")
    pictures.samples(recipe, first, out / "samples.png", smoke)
    pictures.curves(recipe, found, "covered", "modes covered (%)", out / "curves.png", smoke)
    return PICTURES


def preview(recipe, row, data, path, smoke=False):
    """There is none: `samples.png` shows the data."""


def pack(path, arrays):
    """Write arrays in one step, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{key: np.asarray(value, "float16") for key, value in arrays.items()})
    atomic.write(path, buffer.getvalue())


def unpack(path):
    """The arrays of `pack`."""
    with np.load(path) as file:
        return {key: file[key].astype("float32") for key in file.files}


write = functools.partial(report.write, cells=cells, notes=notes)
show = functools.partial(report.show, cells=cells)
