"""Files that are either whole or not there, even if the process dies while writing."""

import json
import os
import pathlib


def write(path, content):
    """Write a file in one step: to a temporary neighbour first, then renamed over `path`.

    Args:
        path: Where to; its folder is created.
        content: Text, bytes, or anything else that JSON can hold.
    """
    path = pathlib.Path(path)
    if not isinstance(content, str | bytes):
        content = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if isinstance(content, str):
        content = content.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process number keeps two processes that write the same file from sharing one temporary file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or the name may reach the disk before the content does
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
