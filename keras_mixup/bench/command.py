"""The command `keras-mixup bench`."""

import argparse
import math
import pathlib
import sys
import tempfile

from keras_mixup.bench import images, model, peers, pipeline
from keras_mixup.bench.table import dimensions
from keras_mixup.zoo import atomic
from keras_mixup.zoo.environment import environment
from keras_mixup.zoo.errors import UserError, need

SUITES = {"pipeline": pipeline, "images": images, "model": model, "peers": peers}


def add_arguments(parser):
    """Add the options of `keras-mixup bench` to an argument parser."""
    parser.add_argument(
        "--suite",
        choices=SUITES,
        default="pipeline",
        help="pipeline: in tf.data, beside Keras' layers, and what the cost grows with; images: from JPEG files to "
        "mixed batches, beside other loaders; model: in the train step, and against a copy of the same size; peers: "
        "beside every library that is installed (default: %(default)s)",
    )
    parser.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        type=_shape,
        metavar="SHAPE",
        help="only these shapes of a batch, such as 128x224x224x3 or 256x16; in the pipeline suite those of rank 4 are "
        "uint8, else float32, and there is no series",
    )
    parser.add_argument(
        "--network",
        metavar="NAME",
        help=f"of the model suite: `{model.SMALL}`, or one of keras.applications, such as ResNet50 "
        f"(default: {model.SMALL})",
    )
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured to this file, too")
    parser.add_argument("--plot", metavar="FILE", help="draw it, as a PNG")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=30.0,
        metavar="N",
        help="how long to take turns, in all (default: %(default)g); compiling, fresh processes and three turns of "
        "everything come on top",
    )


def main(args):
    """Measure, print tables, and write JSON and a picture if asked to.

    Args:
        args: The parsed options of `add_arguments`.

    Raises:
        UserError: If an option does not suit the suite or a file cannot be written; this is found out before anything
            is measured.
    """
    if args.network is not None and args.suite != "model":
        raise UserError(
            f"`--network` is for `--suite model`. Received: --suite {args.suite}, --network {args.network}."
        )
    if args.plot:
        need("keras-mixup bench --plot", ("matplotlib", "matplotlib"))
    files = {name: _writable(name, getattr(args, name)) for name in ("json", "plot") if getattr(args, name)}
    more = {"network": args.network} if args.network else {}
    result = {
        "suite": args.suite,
        "environment": environment(),
        **SUITES[args.suite].measure(args.shape, args.seconds, _say, **more),
    }
    print(f"{SUITES[args.suite].text(result)}\n")
    about = result["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(f"{about['machine']}; {versions}; Keras backend {about['backend']}; {about['date']}")
    if "json" in files:
        atomic.write(files["json"], result)
    if "plot" in files:
        from keras_mixup.bench import figure

        figure.draw(result, files["plot"])
    for path in files.values():
        print(f"Written: {path}")


def _say(line):
    print(f"{line} ...", file=sys.stderr, flush=True)


def _writable(name, path):
    """Raise a `UserError` unless the result can be written there when it is there; an older one stays until then."""
    path = pathlib.Path(path).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
        problem = "it is a directory" if path.is_dir() else None
    except OSError as error:
        problem = error.strerror
    if problem:
        raise UserError(f"`--{name}` should be a file that can be written. Received: --{name}={path} ({problem}).")
    return path


def _shape(text):
    sizes = text.split("x")
    if len(sizes) < 2 or not all(size.isascii() and size.isdigit() and int(size) > 0 for size in sizes):
        examples = " or ".join(dimensions(pipeline.SHAPES[i]) for i in (0, -1))
        raise argparse.ArgumentTypeError(f"should be like {examples}. Received: {text}")
    return tuple(map(int, sizes))


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"should be a number of seconds, at least 0. Received: {text}")
    return seconds
