"""Draws of their own for layers in the worker processes of a data loader, which all begin as copies of one layer."""

from __future__ import annotations

import multiprocessing
import os
import sys
from types import FrameType

import keras
import numpy as np


class Stream:
    """The random numbers of a layer: its generator or, in a worker process, one that no other worker and epoch has.

    Args:
        generator: The layer's `keras.random.SeedGenerator`.
        seed: The layer's seed; None for fresh draws.
    """

    def __init__(self, generator: keras.random.SeedGenerator, seed: int | None) -> None:
        self.generator = generator
        self.seed = seed
        self.process = os.getpid()  # in which the layer was made
        self.in_worker = None

    def here(self) -> keras.random.SeedGenerator:
        """The generator to draw from in this process.

        Raises:
            ValueError: If the draws should be those of a seed, and which worker this is cannot be known.
        """
        if os.getpid() == self.process or multiprocessing.parent_process() is None:
            return self.generator
        if self.in_worker is None:
            self.in_worker = keras.random.SeedGenerator(_seed_of_worker(self.seed))
        return self.in_worker


def check_not_mapped_by_grain() -> None:
    """Raise a `ValueError` if Grain is calling: a layer draws anew in every call, whichever batch it is called with.

    Grain means to get the same for the same batch, from whatever process, and after an iterator was restored.
    """
    if "grain" not in sys.modules:
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("grain._src.python"):
        frame = frame.f_back
    if frame is not None and "source" not in frame.f_globals["__name__"]:
        raise ValueError(
            "A layer should not be mapped over a dataset of Grain: it draws anew in every call, and Grain expects the "
            "same mix wherever and whenever it asks for a batch. Received: a call by Grain. Write "
            "`dataset.random_map(MixGrain(method), seed=1)`."
        )


def _seed_of_worker(seed: int | None) -> int:
    """A seed that differs between workers and epochs, and is the same in another run where the layer has a seed."""
    if seed is None:
        return int.from_bytes(os.urandom(4), "little") % 2**31
    torch = sys.modules.get("torch")
    worker = torch.utils.data.get_worker_info() if torch is not None else None
    if worker is not None:  # torch's own differs between workers and epochs, and follows `torch.manual_seed`
        return int(np.random.SeedSequence([seed, worker.seed]).generate_state(1)[0] % 2**31)
    raise ValueError(
        "`seed` should be None in the worker processes of a data loader: each of them, and each epoch anew, would draw "
        f"the same. Received: seed={seed!r}. Leave it out; or mix after the loader, in the training process."
    )
