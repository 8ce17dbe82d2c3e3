"""Things by name: those of the zoo, and your own as `module:NAME` or `FILE.py:NAME`."""

import difflib
import importlib
import importlib.util
import pathlib
import sys

from keras_mixup.zoo.errors import UserError


def nearest(name, known):
    """What the reader may have meant, as a sentence to append to a message, or nothing."""
    found = difflib.get_close_matches(name, known, n=1) or [one for one in known if name and one.startswith(name)][:1]
    return f" Did you mean {found[0]}?" if found else ""


def unknown(setting, name, known):
    """The error to raise at a name that is not known.

    Args:
        setting: What should have been a name, such as `"network"`.
        name: What was given.
        known: The names of the zoo.

    Returns:
        A `UserError`.
    """
    return UserError(
        f"`{setting}` should be one of: {', '.join(known)}; or your own as module:NAME. "
        f"Received: {setting}={name}.{nearest(name, known)}"
    )


def is_own(name):
    """Whether a name is that of something outside the zoo: `module:NAME` or `FILE.py:NAME`."""
    where, colon, what = name.rpartition(":")
    return bool(colon and where and what.isidentifier())


def own(setting, name):
    """Something outside the zoo.

    Args:
        setting: What it is for, such as `"network"`.
        name: `package.module:NAME`, which may lie in the working directory; or `path/to/FILE.py:NAME`.

    Raises:
        UserError: If there is no such module, file or name. What goes wrong inside the module keeps its traceback.
    """
    where, _, what = name.rpartition(":")
    found = module(setting, where)
    if not hasattr(found, what):
        known = [one for one in vars(found) if not one.startswith("_")]
        raise UserError(
            f"`{setting}` should be a name in {where}, which has no {what}. "
            f"Received: {setting}={name}.{nearest(what, known)}"
        )
    return getattr(found, what)


def module(setting, name):
    """A module outside the zoo: `package.module`, or the path of a file that ends in `.py`.

    As with `python FILE.py` the folder of a file is searched for what it imports, and as with `python -m` the working
    directory for a module.
    """
    if name.endswith(".py"):
        return _file(setting, pathlib.Path(name).expanduser())
    _search(pathlib.Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        raise UserError(
            f"`{setting}` should be in a module that can be imported from {pathlib.Path.cwd()}, or in a file, "
            f"FILE.py. Received: {setting}={name}, but there is no module {error.name}."
        ) from None
    except (TypeError, ValueError):  # such as `.name` or an empty name
        raise UserError(f"`{setting}` should be in a module, package.module. Received: {setting}={name}.") from None


def _file(setting, path):
    if not path.is_file():
        near = [one.name for one in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UserError(f"`{setting}` should be in a file that is there. Received: {path}.{nearest(path.name, near)}")
    _search(path.parent)
    if _would_be_found(path):
        return importlib.import_module(path.stem)
    # Something else has its name.
    name = f"{path.stem} at {path.resolve()}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path.resolve())
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _would_be_found(path):
    """Whether `import` finds that very file under its name."""
    try:
        spec = importlib.util.find_spec(path.stem)
    except (ModuleNotFoundError, ValueError):  # a name with dots, or that of the program itself
        return False
    return spec is not None and spec.origin == str(path.resolve())


def _search(folder):
    folder = str(folder.resolve())
    if folder not in sys.path:
        sys.path.append(folder)
