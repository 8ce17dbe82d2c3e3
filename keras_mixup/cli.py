"""The command line: `keras-mixup list | show | run | evaluate | preview | bench`."""

import argparse
import dataclasses
import errno
import functools
import logging
import os
import pathlib
import sys

from keras_mixup.methods import Choice, CutMix, DMixup, FMix, Mixup, RegMixup, Remix, ResizeMix
from keras_mixup.zoo import engine, recipes, runs
from keras_mixup.zoo.datasets.splits import told_of_images
from keras_mixup.zoo.errors import UserError, need
from keras_mixup.zoo.recipe import for_row, override, settable

# What `preview --method` shows. ManifoldMixup and MixupE do not change images. A preview gives every one of its 64
# examples a class of its own; for Remix every other one is ten times rarer.
METHODS = {
    "mixup": Mixup(1.0),
    "cutmix": CutMix(),
    "resizemix": ResizeMix(),
    "fmix": FMix(),
    "choice": Choice((Mixup(0.8), CutMix(1.0)), per="example"),
    "dmixup": DMixup(),
    "regmixup": RegMixup(),
    "remix": Remix(class_counts=(1000, 100) * 32),
}


def main(argv=None):
    """Run one command.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code: 0, or 2 after a user's mistake or where nothing more can be written, which is told in one line on
        stderr, or 130 after Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    # A data set that is not there is told in one line, without the warnings of TensorFlow Datasets before it.
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        args = _parser(argv).parse_args(argv)
        with told_of_images():
            code = args.command(args) or 0
            sys.stdout.flush()
            return code
    except UserError as error:
        print("keras-mixup:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        # What is left in the buffer would fail again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"keras-mixup: {error.filename or 'the output'} cannot be written ({error.strerror}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("keras-mixup: interrupted.", file=sys.stderr)
        return 130


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE)  # on the disk, or at the other end of a pipe


class _Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose complaints take one line, without the usage."""

    def error(self, message):
        raise UserError(f"{message}. Help: {self.prog} --help")


def _parser(argv):
    parser = _Parser(
        prog="keras-mixup",
        description="Rerun the tables of the zoo, look at what mixing does, time it.",
        epilog="Start with:\n  keras-mixup run digits",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name, command, summary, *examples):
        sub = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="\n  ".join(["Examples:" if len(examples) > 1 else "Example:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    add("list", _list, "list the recipes", "keras-mixup list")

    show = add("show", _show, "show a recipe: result, rows, settings", "keras-mixup show digits")
    show.add_argument("recipe", metavar="RECIPE", help="a name from `keras-mixup list`")

    run = add(
        "run",
        _run,
        "train the rows of a recipe and print its table",
        "keras-mixup run digits",
        "keras-mixup run digits --row erm mixup-0.2 --seeds 3 --set epochs=20 --out runs/short",
        "keras-mixup run fashion_mnist --data-dir ~/tensorflow_datasets",
        "keras-mixup run fashion_mnist --smoke",
    )
    run.description += (
        " What is finished is kept: the same command\nagain goes on where it was stopped, "
        "and reprints the table if nothing is left to do."
    )
    run.add_argument("recipe", metavar="RECIPE", help="a name from `keras-mixup list`")
    run.add_argument(
        "--row",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="only these rows (default: all; `keras-mixup show RECIPE` names them)",
    )
    run.add_argument("--seeds", metavar="N", help="runs per row (default: the recipe's)")
    run.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting (`keras-mixup show RECIPE` lists them)",
    )
    run.add_argument("--data-dir", metavar="DIR", help=_DATA_DIR)
    run.add_argument("--out", metavar="DIR", help="where runs, table and plots go (default: runs/RECIPE)")
    run.add_argument(
        "--smoke",
        action="store_true",
        help="only try it out: two steps of every row on generated data, written to OUT/smoke",
    )

    run.add_argument(
        "--strategy",
        default="one",
        metavar="NAME",
        help="train on `one` device, all of this machine (`mirrored`), or the workers in TF_CONFIG (`multiworker`)",
    )
    run.add_argument("--data-service", metavar="ADDRESS", help="have this tf.data service make the training batches")

    evaluate = add(
        "evaluate",
        _evaluate,
        "test the network of a finished run",
        "keras-mixup evaluate runs/digits/erm/seed0",
        "keras-mixup evaluate runs/imagenet/resnet50-mixup-90/seed0 --data imagenet_a --data-dir DIR",
    )
    evaluate.add_argument("folder", metavar="RUN", help="the folder of a run")
    evaluate.add_argument("--data", metavar="NAME", help="test on this data set (default: the one it was trained on)")
    evaluate.add_argument("--data-dir", metavar="DIR", help=_DATA_DIR)

    preview = add(
        "preview",
        _preview,
        "draw what a recipe's mixing does to its images or tables",
        "keras-mixup preview digits --out mixed.png",
        "keras-mixup preview fashion_mnist --data-dir ~/tensorflow_datasets --method cutmix",
        "keras-mixup preview tabular --row iris-erm",
    )
    preview.add_argument("recipe", metavar="RECIPE", help="a name from `keras-mixup list`")
    preview.add_argument(
        "--row",
        metavar="NAME",
        help="show the data of this row, and all methods that mix them (default: the first row)",
    )
    preview.add_argument(
        "--method",
        metavar="NAME",
        help=f"show this method instead of the recipe's rows: {', '.join(METHODS)}",
    )
    preview.add_argument("--data-dir", metavar="DIR", help=_DATA_DIR)
    preview.add_argument("--out", metavar="FILE", help="the PNG to write (default: runs/RECIPE/preview.png)")

    bench = add(
        "bench",
        _bench,
        "time mixing against its peers",
        "keras-mixup bench",
        "keras-mixup bench --suite peers --plot peers.png",
        "keras-mixup bench --suite model --network ResNet50 --shape 8x224x224x3 --json resnet50.json",
    )
    if argv[:1] == ["bench"]:  # the options are the benchmark's own; no other command needs it
        from keras_mixup.bench import command

        command.add_arguments(bench)
    return parser


_DATA_DIR = "where the data is; for TensorFlow Datasets ~/tensorflow_datasets by default"


def _list(args):
    width = max(map(len, recipes.names()))
    for name in recipes.names():
        print(f"{name:{width}}  {recipes.story(name).splitlines()[0].rstrip('.')}")


def _show(args):
    from keras_mixup.zoo.report import listing

    recipe = recipes.get(args.recipe)
    print(recipes.story(args.recipe))
    print("\nRows:")
    print("\n".join(listing(recipe)))
    print("\nSettings, to change with --set:")
    for field in settable(recipe):
        print(f"  {field}={getattr(recipe, field)}")


def _run(args):
    recipe = recipes.get(args.recipe)
    seeds = [] if args.seeds is None else [f"seeds={args.seeds}"]
    recipe = override(recipe, [*args.set, *seeds])
    out = pathlib.Path(args.out or f"runs/{recipe.name}").expanduser()
    study = runs.study(recipe)
    if args.smoke:
        recipe, out = study.smoke(recipe), out / "smoke"
    rows = _rows(recipe, args.row)
    need("keras-mixup run", *_PACKAGES, *study.packages(recipe, args.smoke))
    runs.check_out(recipe, out, args.smoke)
    if study.ONE_DEVICE_ONLY and (args.strategy != "one" or args.data_service):
        raise UserError(
            f"{recipe.name} runs on one device, and makes its own input. Received: --strategy, --data-service."
        )
    devices = engine.start(args.strategy, args.data_service)

    from rich.console import Console

    # A file or a pipe has no width; what is written there should not be cut to that of a terminal.
    console = Console(width=None if sys.stdout.isatty() else 120)
    everything = runs.plan(recipe, rows)
    # A smoke test that skips what worked last time would test nothing.
    skipped = devices.as_chief(*(not args.smoke and runs.is_finished(out, *run) for run in everything))
    todo = [run for run, skip in zip(everything, skipped, strict=True) if not skip]
    print(
        f"{recipe.name}: {len(everything)} run{'s' * (len(everything) != 1)} in {out}, "
        f"{len(everything) - len(todo)} finished already.",
        flush=True,
    )
    try:
        _make(recipe, todo, out, args, console, devices)
    except KeyboardInterrupt:
        finished = sum(runs.is_finished(out, *run) for run in everything)
        print(
            f"keras-mixup: interrupted. {finished} of {len(everything)} runs are finished and kept in {out}; "
            "the same command goes on from there.",
            file=sys.stderr,
        )
        return 130

    if not devices.chief:
        return
    with runs.alone(out, blocking=True):  # or a process that ended before us might write after us, and less
        found = runs.collect(recipe, out)
        if not found:
            print("No run is finished yet.")
            return
        table = study.table(recipe, found, args.smoke)
        study.write(table, out)
        pictures = study.draw(recipe, found, out, args.smoke)
    study.show(table, console)
    print(f"Written: {out}/{', '.join(('table.json', 'table.md', *pictures))}")


def _make(recipe, todo, out, args, console, devices):
    """Make the runs that are not finished, and the preview before the first of them."""
    from keras_mixup.zoo.progress import progress

    study = runs.study(recipe)
    records = [study.steps(recipe, row) for row, _ in todo]
    with progress(console, records, study.summary) as (step, report, finished):
        loaded = None
        for row, seed in todo:
            if loaded is None or loaded[1] != seed or not runs.same_data(loaded[0], row):
                data, loaded = study.load(recipe, row, seed, args.data_dir, args.smoke), (row, seed)
            if study.NO_PREVIEW is None and devices.chief and not (out / "preview.png").exists():
                study.preview(recipe, row, data, out / "preview.png", args.smoke)
            label = f"{row.name}, seed {seed}"
            describe = functools.partial(study.progress, for_row(recipe, row))
            told = functools.partial(step, label, describe), devices, functools.partial(report, label)
            try:
                result = runs.run(recipe, row, seed, data, out, args.smoke, *told)
            except runs.Busy:
                result = None
            finished(label, result)


def _evaluate(args):
    need("keras-mixup evaluate", *_PACKAGES)
    from keras_mixup.zoo.evaluate import evaluate

    name, size, scores = evaluate(args.folder, args.data, args.data_dir)
    print(f"{args.folder} on {size:,} test examples of {name}:")
    for score, value in scores.items():
        print(f"  {score:10} {value:.4g}")


def _preview(args):
    recipe = recipes.get(args.recipe)
    study = runs.study(recipe)
    if study.NO_PREVIEW:
        raise UserError(
            f"`keras-mixup preview` has nothing to show: {study.NO_PREVIEW}. Received: recipe={recipe.name}."
        )
    need("keras-mixup preview", ("matplotlib", "matplotlib"), *study.packages(recipe, smoke=False))

    row = _rows(recipe, args.row and [args.row])[0]
    if args.method is not None:
        row = _of_method(row, args.method)
        recipe = dataclasses.replace(recipe, rows=(row,))
    name = "preview.png" if args.method is None else f"preview_{args.method}.png"
    path = pathlib.Path(args.out or f"runs/{recipe.name}/{name}").expanduser()
    data = study.load(recipe, row, seed=0, data_dir=args.data_dir, smoke=False)
    study.preview(recipe, row, data, path)
    print(f"Written: {path}")


def _of_method(row, name):
    """A row with the same data, and one of the methods to show."""
    if name not in METHODS:
        raise UserError(f"`--method` should be one of: {', '.join(METHODS)}. Received: --method {name}.")
    return dataclasses.replace(row, name=name, title=type(METHODS[name]).__name__, method=METHODS[name])


def _bench(args):
    from keras_mixup.bench import command

    return command.main(args)


_PACKAGES = (
    ("filelock", "filelock"),
    ("matplotlib", "matplotlib"),
    ("rich", "rich"),
    ("tensorflow_probability", "tensorflow-probability"),
    ("tf_keras", "tf-keras"),
)


def _rows(recipe, names):
    """The rows of those names, in the recipe's order; all of them for None."""
    valid = [row.name for row in recipe.rows]
    for name in names or []:
        if name not in valid:
            raise UserError(f"`--row` should be one of: {', '.join(valid)}. Received: --row {name}.")
    return [row for row in recipe.rows if names is None or row.name in names]
