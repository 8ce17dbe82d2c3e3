"""mixup training for Keras and TensorFlow: start reading at `keras_mixup/mixing.py`."""

import importlib.util
import pathlib
import sys
import typing


def _is_the_command() -> bool:
    """Whether this process was started as `keras-mixup` or `python -m keras_mixup`."""
    started = (getattr(sys, "argv", None) or [""])[0]
    if started == "-m":  # of whatever package; Python has not found its file yet
        after = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
        return after[:1] == [__name__]
    return pathlib.PurePath(started).stem == "keras-mixup"


if typing.TYPE_CHECKING:  # who would take every name for one of the package, had it a `__getattr__`
    __version__: str
else:

    def __getattr__(name):
        """The contents, when the first of them is asked for, and the version."""
        if name == "__version__":
            from importlib.metadata import version

            return version("keras-mixup")
        # A file of the package is not taken for a name in it: `from keras_mixup import ops` goes on to import that.
        if name != "__all__" and (name.startswith("_") or importlib.util.find_spec(f"{__name__}.{name}")):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.contents"), name)


# Keras knows the classes of a saved model once they are imported, so everything is. Only the command has answers that
# need no Keras, such as `--help`, and imports the contents itself where it goes on.
if not _is_the_command():
    from keras_mixup.contents import *  # noqa: F403
    from keras_mixup.contents import __all__ as __all__
