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
import functools
import json
import pathlib
import sys
import tempfile
import time
from typing import Any, NamedTuple

from keras_mixup.zoo import atomic, checkpoints, studies
from keras_mixup.zoo.engine import Engine
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.locks import Busy, alone
from keras_mixup.zoo.recipe import for_row


def study(recipe):
    """The `keras_mixup.zoo.study.Study` of a recipe."""
    return studies.of(recipe)


def load(recipe, row, seed, data_dir=None, smoke=False):
    """The data of a seed, the same for every row that names no data of its own."""
    return study(recipe).load(row, seed, data_dir, smoke)


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
        history, resumed, started = [], bool(checkpoints.paths(where)), time.perf_counter()

        def write(name, content):
            if engine.chief:
                atomic.write(where / name, content)

        def keep(*records):
            history.extend(records)
            write("history.json", history)
            on_record(*records)

        write("config.json", config(recipe, row, seed, smoke))
        scores = study(recipe).train(row, seed, data, keep, where, engine, report)
        # By the clock, all that belongs to a run; nobody knows how long the first part of an interrupted one took.
        clock = {} if resumed else {"wall_seconds": time.perf_counter() - started}
        result = {"seed": seed, **scores, **clock, "environment": environment()}
        write("result.json", result)
        if engine.chief:
            checkpoints.remove(where)
        return result


class Outcome(NamedTuple):
    """What `run_all` comes to.

    Args:
        table: The table of all finished runs, as in `table.json`; None if there are none, or if this process is one of
            several workers and not the one that writes files.
        files: The names of the files in OUT that were written.
    """

    table: Any  # a dict or, as said above, None
    files: tuple[str, ...] = ()


def run_all(recipe, out, rows=None, data_dir=None, smoke=False, devices=None, console=None, draw=None):
    """Make all runs of a recipe that are not finished yet, then its table and pictures.

    Called again, it goes on where it was stopped.

    Args:
        recipe: A recipe; for a trial that of `study(recipe).small()`.
        out: The folder to keep everything in.
        rows: Only these of its rows; all of them by default.
        data_dir: Where the data is.
        smoke: Whether this is a trial on generated data. It makes all runs anew.
        devices: An `Engine`: on what devices; by default on one.
        console: A `rich` console to show the progress on; by default nothing is shown.
        draw: Function `table` that draws something else than the study does, and returns the names of its files.

    Returns:
        An `Outcome`.

    Raises:
        UserError: If OUT holds runs with other settings, or the data is not there.
    """
    from rich.console import Console

    out, devices, kind = pathlib.Path(out).expanduser(), devices or Engine(), study(recipe)
    console = console or Console(quiet=True)
    check_out(recipe, out, smoke)
    everything = plan(recipe, recipe.rows if rows is None else rows)
    # A smoke test that skips what worked last time would test nothing.
    skipped = devices.as_chief(*(not smoke and is_finished(out, *one) for one in everything))
    todo = [one for one, skip in zip(everything, skipped, strict=True) if not skip]
    console.print(
        f"{recipe.name}: {len(everything)} run{'s' * (len(everything) != 1)} in {out}, "
        f"{len(everything) - len(todo)} finished already.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    _make(kind, todo, out, data_dir, smoke, devices, console)
    if not devices.chief:
        return Outcome(None)
    with alone(out, blocking=True):  # or a process that ended before us might write after us, and less
        found = collect(recipe, out)
        if not found:
            return Outcome(None)
        table = kind.table(found, smoke)
        kind.write(table, out)
        pictures = draw(table) if draw else kind.draw(found, out, smoke)
    return Outcome(table, ("table.json", "table.md", *pictures))


def _make(kind, todo, out, data_dir, smoke, devices, console):
    """Make the runs that are not finished, and the preview before the first of them."""
    from keras_mixup.zoo.progress import progress

    with progress(console, [kind.steps(row) for row, _ in todo], kind.summary) as (step, report, finished):
        loaded = None
        for row, seed in todo:
            if loaded is None or loaded[1] != seed or not kind.same_data(loaded[0], row):
                data, loaded = kind.load(row, seed, data_dir, smoke), (row, seed)
            if kind.no_preview is None and devices.chief and not (out / "preview.png").exists():
                kind.preview(row, data, out / "preview.png", smoke)
            label = f"{row.name}, seed {seed}"
            told = functools.partial(step, label, functools.partial(kind.progress, row))
            try:
                result = run(kind.recipe, row, seed, data, out, smoke, told, devices, functools.partial(report, label))
            except Busy:
                result = None
            finished(label, result)


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
