"""Where a figure comes from: versions, backend, machine, date and commit."""

import datetime
import os
import pathlib
import platform
import subprocess


def environment():
    """What to keep beside a result, as a dict that JSON can hold."""
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_mixup

    return {
        "versions": {
            "keras_mixup": keras_mixup.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "backend": keras.backend.backend(),
        "machine": f"{_processor()}, {_cores()} core{'s' * (_cores() > 1)}",
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a processor that does not say
        return platform.processor() or platform.machine()


def _cores():
    # A container often may use fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _commit():
    """The commit this code stands at, or None if it is not a checkout of its own repository."""
    here = pathlib.Path(__file__)

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", here.parent, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # fails inside somebody else's repository
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None
