"""All the runs of a recipe, each in a folder of its own.

    OUT/ROW/seed0/config.json    what was asked for
                  history.json   one record per epoch (of a GAN: per look at it)
                  ...            what else the recipe keeps, such as samples
                  result.json    the scores; written last, so a folder without it is an interrupted run

What is finished stays: it is skipped when asked for again, and never overwritten. One OUT holds one configuration.
"""

import dataclasses
import importlib
import json
import pathlib
import tempfile

from keras_mixup.zoo import atomic, datasets
from keras_mixup.zoo.datasets import generated
from keras_mixup.zoo.errors import UserError

SMOKE_STEPS = 2


def study(recipe):
    """The module that knows how to load, train, tabulate and draw a recipe: see `keras_mixup.zoo.classifiers`."""
    return importlib.import_module(recipe.study)


def smoke_recipe(recipe):
    """The same recipe cut down to two steps of every row."""
    return dataclasses.replace(recipe, train_size=SMOKE_STEPS * recipe.batch_size, epochs=1, seeds=1)


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
    settings = dataclasses.asdict(recipe)
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
    """Make sure that OUT can be written and that nothing finished in it was run otherwise.

    Raises:
        UserError: If not.
    """
    try:
        pathlib.Path(out).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise UserError(
            f"`--out` should be a folder that can be written. Received: --out={out} ({error.strerror})."
        ) from None
    for row in [] if smoke else recipe.rows:  # a smoke test has no result to lose
        for seed, where in _finished(out, row):
            then, now = _read(where / "config.json"), config(recipe, row, seed)
            changed = [key for key in now if then.get(key) != now[key]]
            if changed:
                raise UserError(
                    f"`--out` should be another folder: the finished run {where} has "
                    f"{', '.join(f'{key}={then.get(key)}' for key in changed)}, and you ask for "
                    f"{', '.join(f'{key}={now[key]}' for key in changed)}. Received: --out={out}."
                )


def is_finished(out, row, seed):
    """Whether a run has its result."""
    return (folder(out, row, seed) / "result.json").exists()


def run(recipe, row, seed, data, out, smoke=False, on_record=lambda record: None):
    """Make one run and write its folder.

    Args:
        recipe: A `Recipe`.
        row: One of its rows.
        seed: An int >= 0.
        data: What the study's `load` gave for that seed; for a classifier the training and the test split.
        out: The folder of the recipe's runs.
        smoke: Whether this is a trial on generated data.
        on_record: Called with the record of each epoch, or of each look at a GAN.

    Returns:
        What `result.json` holds.
    """
    from keras_mixup.zoo.environment import environment

    where = folder(out, row, seed)
    atomic.write(where / "config.json", config(recipe, row, seed, smoke))
    history = []

    def keep(record):
        history.append(record)
        atomic.write(where / "history.json", history)
        on_record(record)

    scores = study(recipe).train(recipe, row, seed, data, keep, where)
    result = {"seed": seed, **scores, "environment": environment()}
    atomic.write(where / "result.json", result)
    return result


def load(recipe, seed, data_dir=None, smoke=False):
    """The training and the test split of a seed, the same for every row."""
    source = datasets.get(recipe.dataset)
    if smoke:
        return generated.load(source, recipe.train_size, recipe.batch_size, seed)
    return source.load(recipe.train_size, seed, data_dir)


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
    found = (pathlib.Path(out) / row.name).glob("seed*/result.json")
    return sorted((int(path.parent.name.removeprefix("seed")), path.parent) for path in found)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))
