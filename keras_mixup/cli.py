"""The command line: `keras-mixup list | show | run | sweep | evaluate | preview | bench`.

It parses and prints. What needs Keras is imported where it is used, so that help, lists and mistakes come at once.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import logging
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from keras_mixup.zoo import recipes
from keras_mixup.zoo.errors import UserError, need
from keras_mixup.zoo.names import nearest


def main(argv: Sequence[str] | None = None) -> int:
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

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. Help: {self.prog} --help")


class _Version(argparse.Action):
    """`--version`, looked up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        import keras_mixup

        print(f"keras-mixup {keras_mixup.__version__}")
        parser.exit()


def _parser(argv: list[str]) -> _Parser:
    parser = _Parser(
        prog="keras-mixup",
        description="Rerun the tables of the zoo, or your own; look at what mixing does; time it.",
        epilog="Start with:\n  keras-mixup run digits",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int | None], summary: str, *examples: str) -> Any:
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

    show = add(
        "show",
        _show,
        "show a recipe: result, rows, settings",
        "keras-mixup show digits",
        "keras-mixup show ./mine.py",
    )
    show.add_argument("recipe", metavar="RECIPE", help=_RECIPE)

    run = add(
        "run",
        _run,
        "train the rows of a recipe and print its table",
        "keras-mixup run digits",
        "keras-mixup run digits --row erm mixup-0.2 --seeds 3 --set epochs=20 --out runs/short",
        "keras-mixup run digits --alpha 0.4 --method 'cutmix(alpha=1.0)' --out runs/more",
        "keras-mixup run fashion_mnist --data-dir ~/tensorflow_datasets",
        "keras-mixup run fashion_mnist --smoke",
        "keras-mixup run ./mine.py",
    )
    run.description += (
        " What is finished is kept: the same command\nagain goes on where it was stopped, "
        "and reprints the table if nothing is left to do."
    )
    _add_training(run)
    run.add_argument(
        "--alpha", nargs="+", action="extend", default=[], metavar="VALUE", help="add rows with these alphas"
    )
    run.add_argument(
        "--method",
        nargs="+",
        action="extend",
        default=[],
        metavar="METHOD",
        help="add rows with these methods, such as cutmix, 'mixup(alpha=0.4)' or mine:Method",
    )
    run.add_argument(
        "--strategy",
        default="one",
        metavar="NAME",
        help="train on `one` device, all of this machine (`mirrored`), or the workers in TF_CONFIG (`multiworker`)",
    )
    run.add_argument("--data-service", metavar="ADDRESS", help="have this tf.data service make the training batches")

    sweep = add(
        "sweep",
        _sweep,
        "train a row with other values, and draw the scores against them",
        "keras-mixup sweep digits alpha=0,0.1,0.2,0.4,1 --seeds 5",
        "keras-mixup sweep digits alpha=0.2,1 learning_rate=0.01,0.05",
    )
    sweep.description += " Over two names it\ndraws a heat map. It goes on where it was stopped, as `run` does."
    _add_training(sweep)
    sweep.add_argument(
        "values",
        nargs="+",
        metavar="NAME=VALUES",
        help="an argument of the row's method, such as alpha, or a setting, and its values; one or two of these",
    )

    evaluate = add(
        "evaluate",
        _evaluate,
        "test the network of a finished run",
        "keras-mixup evaluate runs/digits/erm/seed0",
        "keras-mixup evaluate runs/imagenet/resnet50-mixup-90/seed0 --data imagenet_a --data-dir DIR",
    )
    evaluate.add_argument("folder", metavar="RUN", help="the folder of a run")
    evaluate.add_argument(
        "--data", metavar="NAME", help="test on this data set, or module:NAME (default: the one it was trained on)"
    )
    evaluate.add_argument("--data-dir", metavar="DIR", help=_DATA_DIR)

    preview = add(
        "preview",
        _preview,
        "draw what a recipe's mixing does to its images or tables",
        "keras-mixup preview digits --out mixed.png",
        "keras-mixup preview fashion_mnist --data-dir ~/tensorflow_datasets --method cutmix",
        "keras-mixup preview tabular --row iris-erm",
    )
    preview.add_argument("recipe", metavar="RECIPE", help=_RECIPE)
    preview.add_argument(
        "--row",
        metavar="NAME",
        help="show the data of this row, and all methods that mix them (default: the first row)",
    )
    preview.add_argument(
        "--method",
        metavar="METHOD",
        help="show this method instead of the recipe's rows, such as cutmix, 'mixup(alpha=0.4)' or mine:Method",
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
        with _quietly():
            from keras_mixup.bench import command

        command.add_arguments(bench)
    if argv and not argv[0].startswith("-") and argv[0] not in commands.choices:
        raise UserError(
            f"the command should be one of: {', '.join(commands.choices)}. Received: {argv[0]}."
            f"{nearest(argv[0], list(commands.choices))}"
        )
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    """The arguments that `run` and `sweep` share."""
    parser.add_argument("recipe", metavar="RECIPE", help=_RECIPE)
    parser.add_argument(
        "--row",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="only these rows (default: all; `keras-mixup show RECIPE` names them)",
    )
    parser.add_argument("--seeds", metavar="N", help="runs per row (default: the recipe's)")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting (`keras-mixup show RECIPE` lists them)",
    )
    parser.add_argument("--data-dir", metavar="DIR", help=_DATA_DIR)
    parser.add_argument("--out", metavar="DIR", help="where runs, table and plots go (default: a folder in runs)")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="only try it out: two small steps of each kind of row on generated data, written to OUT/smoke",
    )


_RECIPE = "a name from `keras-mixup list`, or your own: FILE.py, package.module or package.module:NAME"
_DATA_DIR = "where the data is; for TensorFlow Datasets ~/tensorflow_datasets by default"


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what Keras' backend logs while it is imported from the reader, unless it fails."""
    if "keras" in sys.modules:
        yield
        return
    # Nor what it logs later. Its errors come as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as log:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _recipe(name: str) -> Any:
    """A recipe of the zoo or the user's own, and Keras, which all that follows needs."""
    recipes.check(name)
    with _quietly():
        import keras_mixup.contents  # noqa: F401  so that Keras knows the classes of saved models

        recipe = recipes.get(name)
    return recipe


def _list(args: argparse.Namespace) -> None:
    width = max(map(len, recipes.names()))
    for name in recipes.names():
        print(f"{name:{width}}  {recipes.story(name).splitlines()[0].rstrip('.')}")


def _show(args: argparse.Namespace) -> None:
    recipe = _recipe(args.recipe)
    from keras_mixup.zoo.recipe import settable
    from keras_mixup.zoo.report import listing

    story = recipes.story(args.recipe)
    print(story + "\n" * bool(story))
    print("Rows:")
    print("\n".join(listing(recipe)))
    print("\nSettings, to change with --set:")
    for field in settable(recipe):
        value = getattr(recipe, field)
        print(f"  {field}={','.join(map(str, value)) if isinstance(value, tuple) else value}")


def _run(args: argparse.Namespace) -> int | None:
    recipe = _changed(args)
    from keras_mixup.zoo import variants

    recipe, rows = variants.extended(recipe, variants.chosen(recipe, args.row), args.alpha, args.method)
    return _train(args, recipe, rows, pathlib.Path(args.out or f"runs/{recipe.name}").expanduser())


def _sweep(args: argparse.Namespace) -> int | None:
    recipe = _changed(args)
    from keras_mixup.zoo import sweeps, variants

    values = sweeps.parse(args.values)
    recipe, places = variants.grid(recipe, variants.chosen(recipe, args.row), values)
    out = pathlib.Path(args.out or f"runs/{recipe.name}-{'-'.join(values)}").expanduser()

    def draw(study: Any, table: Any, out: pathlib.Path) -> tuple[str, ...]:
        sweeps.draw(table, study.scores(table), values, places, out / sweeps.PICTURE)
        return (sweeps.PICTURE,)

    return _train(args, recipe, recipe.rows, out, draw)


def _changed(args: argparse.Namespace) -> Any:
    """The recipe with the settings of the command line."""
    recipe = _recipe(args.recipe)
    from keras_mixup.zoo.recipe import override

    return override(recipe, [*args.set, *([] if args.seeds is None else [f"seeds={args.seeds}"])])


def _train(
    args: argparse.Namespace, recipe: Any, rows: Any, out: pathlib.Path, draw: Callable[..., Any] | None = None
) -> int | None:
    """Make all runs, and show their table."""
    from keras_mixup.zoo import engine, runs
    from keras_mixup.zoo.datasets.splits import told_of_images

    chosen = {row.name for row in rows}
    if args.smoke:
        recipe, out = runs.study(recipe).small(), out / "smoke"
        if draw is None and not (args.row or args.alpha or args.method):
            chosen = {row.name for row in runs.study(recipe).enough()}
    rows, study = [row for row in recipe.rows if row.name in chosen], runs.study(recipe)
    need(f"keras-mixup {args.command.__name__.strip('_')}", *_PACKAGES, *study.packages(args.smoke))
    runs.check_out(recipe, out, args.smoke)
    strategy, service = getattr(args, "strategy", "one"), getattr(args, "data_service", None)
    if study.one_device_only and (strategy != "one" or service):
        raise UserError(
            f"{recipe.name} runs on one device, and makes its own input. Received: --strategy, --data-service."
        )
    devices = engine.start(strategy, service)

    from rich.console import Console

    # A file or a pipe has no width; what is written there should not be cut to that of a terminal.
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        with told_of_images():
            drawing = draw and (lambda table: draw(study, table, out))
            table, files = runs.run_all(recipe, out, rows, args.data_dir, args.smoke, devices, console, drawing)
    except KeyboardInterrupt:
        everything = runs.plan(recipe, rows)
        finished = sum(runs.is_finished(out, *run) for run in everything)
        print(
            f"keras-mixup: interrupted. {finished} of {len(everything)} runs are finished and kept in {out}; "
            "the same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    if table is not None:
        study.show(table, console)
        print(f"Written: {out}/{', '.join(files)}")
    elif devices.chief:
        print("No run is finished yet.")
    return None


def _evaluate(args: argparse.Namespace) -> None:
    need("keras-mixup evaluate", *_PACKAGES)
    with _quietly():
        import keras_mixup.contents  # noqa: F401
    from keras_mixup.zoo.datasets.splits import told_of_images
    from keras_mixup.zoo.evaluate import evaluate
    from keras_mixup.zoo.report import SCORES

    with told_of_images():
        name, size, scores = evaluate(args.folder, args.data, args.data_dir)
    print(f"{args.folder} on {size:,} test examples of {name}:")
    for score, value in scores.items():
        heading, _ = SCORES[score]
        unit = "nats" if score == "nll" else heading.partition(" (")[2].removesuffix(")")
        print(f"  {score:10} {value:.4g} {unit}".rstrip())


def _preview(args: argparse.Namespace) -> None:
    recipe = _recipe(args.recipe)
    from keras_mixup.zoo import runs, variants
    from keras_mixup.zoo.datasets.splits import told_of_images

    study = runs.study(recipe)
    if study.no_preview:
        raise UserError(
            f"`keras-mixup preview` has nothing to show: {study.no_preview}. Received: recipe={recipe.name}."
        )
    need("keras-mixup preview", ("matplotlib", "matplotlib"), *study.packages())

    row, *_ = variants.chosen(recipe, args.row and [args.row])
    name = "preview.png"
    if args.method is not None:
        row = dataclasses.replace(row, name="method", title=(args.method,), method=_to_show(args.method))
        recipe, name = dataclasses.replace(recipe, rows=(row,)), f"preview_{variants.file_name(args.method)}.png"
        study = runs.study(recipe)
    path = pathlib.Path(args.out or f"runs/{recipe.name}/{name}").expanduser()
    with told_of_images():
        data = study.load(row, seed=0, data_dir=args.data_dir)
        study.preview(row, data, path)
    print(f"Written: {path}")


def _to_show(text: str) -> Any:
    """A method for a preview, which gives every one of its 64 examples a class of its own."""
    from keras_mixup.zoo import expressions

    return expressions.method(_SHOWN.get(text, text))


# Where a preview would show little by the defaults, or there are none. For Remix every other class is ten times rarer.
_SHOWN = {
    "mixup": "mixup(1.0)",
    "choice": "choice((mixup(0.8), cutmix(1.0)), per='example')",
    "remix": f"remix(class_counts=({', '.join(['1000, 100'] * 32)}))",
}


def _bench(args: argparse.Namespace) -> Any:
    from keras_mixup.bench import command

    return command.main(args)


_PACKAGES = (
    ("filelock", "filelock"),
    ("matplotlib", "matplotlib"),
    ("rich", "rich"),
    ("scipy", "scipy"),
)
