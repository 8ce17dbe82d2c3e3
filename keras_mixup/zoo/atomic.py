"""Files that are either whole or not there, even if the process dies while writing."""

import contextlib
import json
import os
import pathlib
import secrets

from keras_mixup.zoo.errors import UserError

_TEMPORARY = ".writing-"


def write(path, content):
    """Write a file in one step: see `replacing`.

    Args:
        path: Where to; its folder is created.
        content: Text, bytes, or anything else that JSON can hold.

    Raises:
        UserError: If it cannot be written.
    """
    if not isinstance(content, str | bytes):
        content = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if isinstance(content, str):
        content = content.encode()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path):
    """Have a file written to a temporary neighbour first, which then takes the name in one step.

    Args:
        path: Where to; its folder is created.

    Yields:
        The temporary path, with the same suffix.

    Raises:
        UserError: If it cannot be written; an older file of that name is still there then.
    """
    path = pathlib.Path(path)
    # A name of its own for each process: not its number, which is no rarity on another machine of the same folder.
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        with writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())  # or the name may reach the disk before the content does
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def writable(path):
    """Tell the user if the system refuses to write there."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"`--out` should be where files can be written. Received: {path} ({error.strerror or error})."
        ) from error


def sweep(folder):
    """Delete what processes that died while writing have left in a folder where nobody writes now."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        path.unlink(missing_ok=True)
