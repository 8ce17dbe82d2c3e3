"""All the runs of a recipe, each in a folder of its own.

    OUT/ROW/seed0/config.json    what was asked for
                  history.json   one record per epoch (of a GAN: per look at it)
                  ...            what else the recipe keeps, such as checkpoints, samples, the trained network
                  result.json    the scores; written last, so a folder without it is an interrupted run

What is finished stays: it is skipped when asked for again, and never overwritten. One OUT holds one configuration.
Several processes may work on one OUT: each run is made by one of them.
"""

import contextlib
import dataclasses
import importlib
import json
import pathlib
import sys
import tempfile
from typing import Any, NamedTuple

import numpy as np

from keras_mixup.zoo import atomic, checkpoints, datasets, label_noise
from keras_mixup.zoo.datasets import generated
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.engine import Engine
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import for_row

DECIDE_DATA = ("dataset", "train_size", "label_noise", "noise", "held_out", "labels", "unlabelled", "broken_images")
SMOKE_STEPS = 2
SMOKE_BATCH = 8


class Busy(Exception):
    """Another process is making this run."""


def study(recipe):
    """The module that knows how to load, train, tabulate and draw a recipe: see `keras_mixup.zoo.classifiers`."""
    return importlib.import_module(recipe.study)


def smoke_recipe(recipe):
    """The same recipe cut down to two small steps of every row, both of them mixed."""
    size = min(recipe.batch_size, SMOKE_BATCH)
    small = {"train_size": SMOKE_STEPS * size, "batch_size": size, "epochs": 1, "unmixed_epochs": 0}
    small |= {"held_out": size} if getattr(recipe, "held_out", 0) else {}
    rows = [
        dataclasses.replace(row, settings={key: value for key, value in row.settings.items() if key not in small})
        for row in recipe.rows
    ]
    return dataclasses.replace(recipe, rows=tuple(rows), seeds=1, **small)


def plan(recipe, rows):
    """The runs to make, as pairs of a row and a seed.

    All rows of a seed come before the next seed, so that even an interrupted table compares like with like.
    """
    return [(row, seed) for seed in range(recipe.seeds) for row in rows]


def folder(out, row, seed):
    """Where a run is kept."""
    return pathlib.Path(out) / row.name / f"seed{seed}"


def config(recipe, row, seed, smoke=False):
    """Everything that decides a run, as JSON gives it back. The number of seeds does not, and titles do not."""
    import keras

    method = row.method and {"name": type(row.method).__name__, **row.method.get_config()}
    settings = dataclasses.asdict(for_row(recipe, row))
    for field in ("name", "title", "rows", "seeds"):
        del settings[field]
    return json.loads(
        json.dumps(
            {
                "recipe": recipe.name,
                "row": row.name,
                "method": method,
                "seed": seed,
                **settings,
                "backend": keras.backend.backend(),
                "smoke": smoke,
            }
        )
    )


def check_out(recipe, out, smoke=False):
    """Make sure that OUT can be written and that nothing in it, finished or interrupted, was run otherwise.

    Raises:
        UserError: If not.
    """
    with atomic.writable(out):
        pathlib.Path(out).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    defaults = {field.name: field.default for field in dataclasses.fields(recipe)}
    defaults = json.loads(json.dumps(defaults, default=lambda missing: None))
    for row in [] if smoke else recipe.rows:  # a smoke test has no result to lose
        for seed, where in _kept(out, row):
            then, now = _read(where / "config.json"), config(recipe, row, seed)
            # A setting that came later than the run was at its default then.
            changed = [key for key in now if then.get(key, defaults.get(key)) != now[key]]
            if changed:
                kind = "finished" if is_finished(out, row, seed) else "interrupted"
                raise UserError(
                    f"`--out` should be another folder: the {kind} run {where} has "
                    f"{', '.join(f'{key}={then.get(key, defaults.get(key))}' for key in changed)}, and you ask for "
                    f"{', '.join(f'{key}={now[key]}' for key in changed)}. Received: --out={out}."
                )


def is_finished(out, row, seed):
    """Whether a run has its result."""
    return (folder(out, row, seed) / "result.json").exists()


def to_stderr(line, passing=False):
    """Print what a run reports, but for what is soon out of date."""
    if not passing:
        print(line, file=sys.stderr, flush=True)


def run(recipe, row, seed, data, out, smoke=False, on_record=lambda *records: None, engine=None, report=to_stderr):
    """Make one run, or what is left of it, and write its folder.

    Args:
        recipe: A `Recipe`.
        row: One of its rows.
        seed: An int >= 0.
        data: What the study's `load` gave for that seed; for a classifier the training and the test split.
        out: The folder of the recipe's runs.
        smoke: Whether this is a trial on generated data.
        on_record: Called with the record of each epoch, or of each look at a GAN; at first with those before an
            interruption, all at once.
        engine: An `Engine`: on what devices; by default on one.
        report: As for `keras_mixup.zoo.train.train`.

    Returns:
        What `result.json` holds.

    Raises:
        Busy: If another process is making this run.
    """
    from keras_mixup.zoo.environment import environment

    where, engine = folder(out, row, seed), engine or Engine()
    with contextlib.ExitStack() as stack:
        busy = finished = False
        if engine.chief:
            try:
                stack.enter_context(alone(where))
            except Busy:
                busy = True
            finished = is_finished(out, row, seed) and not smoke  # by another process, since the caller looked
        busy, finished = engine.as_chief(busy, finished)
        if busy:
            raise Busy(str(where))
        if finished:
            return _read(where / "result.json")
        if engine.chief:
            atomic.sweep(where)
            if smoke:
                checkpoints.remove(where)
        history = []

        def write(name, content):
            if engine.chief:
                atomic.write(where / name, content)

        def keep(*records):
            history.extend(records)
            write("history.json", history)
            on_record(*records)

        write("config.json", config(recipe, row, seed, smoke))
        scores = study(recipe).train(recipe, row, seed, data, keep, where, engine, report)
        result = {"seed": seed, **scores, "environment": environment()}
        write("result.json", result)
        if engine.chief:
            checkpoints.remove(where)
        return result


@contextlib.contextmanager
def alone(where, blocking=False):
    """Keep other processes out of a folder; the system lets them in if this one dies.

    Args:
        where: The folder; it is created.
        blocking: Whether to wait until another process has left.

    Raises:
        Busy: If another process is in it.
    """
    import filelock

    lock = filelock.FileLock(where / ".lock", blocking=blocking)
    with atomic.writable(where):
        where.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise Busy(str(where)) from None
    try:
        yield
    finally:
        lock.release()


class Data(NamedTuple):
    """What a run learns from.

    Args:
        source: The `Source`.
        training: The training split.
        test: The test split.
        held_out: Examples kept from training, if the recipe asks for some.
        true_labels: Those of a training split in memory, before any were replaced.
    """

    source: datasets.Source
    training: Any
    test: Any
    held_out: Any = None
    true_labels: Any = None


def load(recipe, row, seed, data_dir=None, smoke=False):
    """The data of a seed, the same for every row that names no data of its own."""
    recipe = for_row(recipe, row)
    # A recipe for GANs has neither.
    noise, held_out_size = (getattr(recipe, field, 0) for field in ("label_noise", "held_out"))
    if smoke:
        source = datasets.get(recipe.dataset)
        training, test = generated.load(source, recipe.train_size + held_out_size, recipe.batch_size, seed)
    else:
        source = datasets.get(recipe.dataset, data_dir)
        broken_images = getattr(recipe, "broken_images", "refuse")
        training, test = source.splits(recipe.dataset, recipe.train_size, seed, data_dir, broken_images)
    # Those of images on disk would have to be read one by one.
    held_out, true_labels = None, training.labels if isinstance(training, Arrays) else None
    if noise or held_out_size:
        training, held_out, true_labels = _disturbed(recipe, training, len(source.classes), seed)
    return Data(source.fitted(training), training, test, held_out, true_labels)


def _disturbed(recipe, training, classes, seed):
    """A training split with labels replaced, what is held out of it, and the true labels of the rest."""
    if not isinstance(training, Arrays):
        raise UserError(
            f"`label_noise` and `held_out` should be 0 for {recipe.dataset}, which is not read into memory. "
            f"Received: label_noise={recipe.label_noise}, held_out={recipe.held_out}."
        )
    if recipe.held_out > len(training) - 2:
        raise UserError(
            f"`held_out` should be less than the {len(training)} training examples. "
            f"Received: held_out={recipe.held_out}."
        )
    noisy = label_noise.corrupt(training.labels, classes, recipe.label_noise, recipe.noise, seed)
    order = np.random.default_rng((seed, 2)).permutation(len(noisy))
    kept, held_out = np.sort(order[recipe.held_out :]), np.sort(order[: recipe.held_out])
    disturbed = Arrays(training.features, noisy)
    return disturbed.part(kept), disturbed.part(held_out) if recipe.held_out else None, training.labels[kept]


def same_data(row, other):
    """Whether two rows of a recipe learn from the same examples."""
    return all(row.settings.get(field) == other.settings.get(field) for field in DECIDE_DATA)


def collect(recipe, out):
    """All that is finished in OUT.

    Returns:
        A dict from the names of the rows that have finished runs, in the recipe's order, to a list of
        `(result, history)`, ordered by seed.
    """
    found = {
        row.name: [(_read(where / "result.json"), _read(where / "history.json")) for _, where in _finished(out, row)]
        for row in recipe.rows
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def _finished(out, row):
    """The seeds and folders of finished runs."""
    return [(seed, where) for seed, where in _kept(out, row) if (where / "result.json").exists()]


def _kept(out, row):
    """The seeds and folders of runs that are finished, or can be continued."""
    found = (path.parent for path in (pathlib.Path(out) / row.name).glob("seed*/config.json"))
    kept = [where for where in found if (where / "result.json").exists() or checkpoints.paths(where)]
    return sorted((int(where.name.removeprefix("seed")), where) for where in kept)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))
