"""Folders that one process works on at a time."""

import contextlib

from keras_mixup.zoo import atomic


class Busy(Exception):
    """Another process is making this run, or what it needs."""


@contextlib.contextmanager
def alone(where, blocking=False):
    """Keep other processes out of a folder; the system lets them in if this one dies.

    Args:
        where: The folder; it is created.
        blocking: Whether to wait until another process has left.

    Raises:
        Busy: If another process is in it.
    """
    import filelock

    lock = filelock.FileLock(where / ".lock", blocking=blocking)
    with atomic.writable(where):
        where.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise Busy(str(where)) from None
    try:
        yield
    finally:
        lock.release()


def is_taken(where):
    """Whether another process is in a folder."""
    try:
        with alone(where) if where.exists() else contextlib.nullcontext():
            return False
    except Busy:
        return True
