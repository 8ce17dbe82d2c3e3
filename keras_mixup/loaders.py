"""Mixing what other data loaders make, by NumPy: torch's `DataLoader`, Grain, `keras.utils.PyDataset`, any iterable.

Each batch is mixed by a seed of its own, which follows from the user's seed and from which batch of which epoch it is,
and from nothing else: not from the process that mixes it, nor from what was mixed before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from keras_mixup import checks
from keras_mixup.batch import Layout, mix_batch
from keras_mixup.methods import Method, adjustables, by_strength, check_method
from keras_mixup.others import rows_of
from keras_mixup.types import Alpha, Axes, DataFormat, NumClasses, Roles, Tree


def batch_seed(seed: int, epoch: int, number: int, shard: int = 0) -> int:
    """The seed of one batch: a number of a counter-based generator, whose counter says which batch it is.

    It is the first one of the generator that Grain gives to batch `number` of a `random_map` with this seed.

    Args:
        seed: An integer >= 0 of any size.
        epoch: Which epoch, counted from 0.
        number: Which batch of it, counted from 0.
        shard: Which of several processes that train together.

    Returns:
        An integer in [0, 2**64).
    """
    key = np.random.SeedSequence(seed, spawn_key=(shard,) if shard else ())
    return int(np.random.Philox(key, counter=[0, 0, epoch, number]).random_raw())


class _Mixing:
    """What the doors for loaders share: what they are given, and how they mix one batch."""

    def _take(self, method: Method | Alpha, seed: int | None, shard: int, layout: Layout, others: Tree) -> None:
        drawing: Method = by_strength(method)
        check_method(drawing)
        if seed is not None:
            checks.integer("seed", seed, least=0)
        checks.integer("shard", shard, least=0)
        self.method = drawing
        self.layout = layout
        self.seed = seed
        self.shard = shard
        self.others = None if others is None else keras.tree.map_structure(_as_array, others)
        self._rows_of_others = rows_of(self.others)
        self._entropy: Any = np.random.SeedSequence(seed).entropy  # the seed, or a fresh one that all copies share
        self._changes = any(True for _ in adjustables(drawing))
        self._process = os.getpid()

    def _mix(self, batch: Any, seed: int) -> Any:
        """A batch of NumPy arrays and tensors of torch on the processor, mixed, each as what it was."""
        if self._changes and os.getpid() != self._process:
            raise ValueError(
                "A method with an `Adjustable` should be used in the training process, where it is changed: worker "
                f"processes do not see that. Received: method={self.method!r}. Load without worker processes, or mix "
                "after loading: `MixBatches(loader, method)`."
            )
        leaves = keras.tree.flatten(batch)
        given = [_as_array(leaf) for leaf in leaves]
        arrays, others = keras.tree.pack_sequence_as(batch, given), self._others_for(seed, given)
        mixed = mix_batch(arrays, self.method, seed, others=others, layout=self.layout)
        out = zip(leaves, given, keras.tree.flatten(mixed), strict=True)
        return keras.tree.pack_sequence_as(
            batch, [leaf if new is array else _like(leaf, new) for leaf, array, new in out]
        )

    def _others_for(self, seed: int, given: list[Any]) -> Tree:
        """As many rows of the others as the batch has, drawn uniformly and apart from the mix; None without any."""
        if self.others is None:
            return None
        size = next(len(array) for array in given if getattr(array, "shape", ()))
        rows = np.random.default_rng((seed, 1)).integers(self._rows_of_others, size=size)
        return keras.tree.map_structure(lambda array: array[rows], self.others)


class MixCollate(_Mixing):
    """A `collate_fn` of torch's `DataLoader`: `DataLoader(data, 128, collate_fn=MixCollate(0.2, num_classes=10))`.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    Rows become a batch as torch makes it, and that is mixed by NumPy, in the worker processes where there are any: no
    two of them, and no two epochs, draw the same. The tensors that come back are torch's, for training with Keras or
    without it, and nothing is pinned here: `pin_memory=True` pins them afterwards.

    With a `seed` a run can be repeated. Worker processes know the epoch by torch's own seed, so call
    `torch.manual_seed` as well, as for the shuffling; or say before each epoch which it is, `collate.set_epoch(epoch)`:
    then the mixes are the same whatever the number of workers, and the same as from other loaders.

    Args:
        method: How to mix, like `CutMix(1.0)`; or a number, the strength of `Mixup`.
        num_classes: As for `MixLayer`.
        pairs: As for `MixLayer`.
        roles: As for `MixLayer`.
        data_format: As for `MixLayer`. Images of torch are `"channels_first"`, which what cuts has to be told.
        axes: As for `MixLayer`.
        box_format: As for `MixLayer`.
        min_area: As for `MixLayer`.
        others: Examples to take the partners from, in place of the batch itself: `x` or `(x, y)`, arrays of any number
            of rows in the batches' structure. Each batch draws rows of them by its seed.
        seed: An int for the same draws in every run; None for fresh ones.
        shard: Which of several processes this is that train together under one seed, as `torch.distributed.get_rank()`.
        collate_fn: What makes a batch of rows; None for torch's `default_collate`.

    Raises:
        ImportError: If torch is not installed.
        ValueError: If an argument is out of range, or (when called) a tensor cannot be mixed.

    Example:

    >>> import torch
    >>> from keras_mixup import MixCollate
    >>> data = torch.utils.data.TensorDataset(torch.ones(64, 3, 32, 32), torch.arange(64) % 10)
    >>> loader = torch.utils.data.DataLoader(data, 16, collate_fn=MixCollate(0.2, num_classes=10, seed=1))
    >>> images, labels = next(iter(loader))
    >>> tuple(images.shape), tuple(labels.shape)
    ((16, 3, 32, 32), (16, 10))
    """

    def __init__(
        self,
        method: Method | Alpha,
        *,
        num_classes: NumClasses | None = None,
        pairs: bool = False,
        roles: Roles | None = None,
        data_format: DataFormat | None = None,
        axes: Axes | None = None,
        box_format: str | None = None,
        min_area: float = 0.1,
        others: Tree = None,
        seed: int | None = None,
        shard: int = 0,
        collate_fn: Callable[[list[Any]], Tree] | None = None,
    ) -> None:
        torch = _package("torch", "MixCollate")
        layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        self._take(method, seed, shard, layout, others)
        self.collate_fn = collate_fn
        # In memory that workers share, as they may outlive an epoch: a number below 0 says that nobody told.
        self._epoch = torch.full((1,), -1, dtype=torch.int64).share_memory_()
        self._seen = -1
        self._count = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, counted from 0, before the loader is iterated over."""
        checks.integer("epoch", epoch, least=0)
        self._epoch[0] = epoch
        self._seen, self._count = epoch, 0

    def __call__(self, rows: list[Any]) -> Any:
        from torch.utils.data import default_collate, get_worker_info

        batch = (self.collate_fn or default_collate)(rows)
        told = int(self._epoch[0])
        if told != self._seen:
            self._seen, self._count = told, 0
        worker = get_worker_info()
        epoch, number = max(told, 0), self._count
        if worker is not None:  # batches are dealt out to the workers in turn
            number = number * worker.num_workers + worker.id
            epoch = worker.seed - worker.id if told < 0 else told
        self._count += 1
        return self._mix(batch, batch_seed(self._entropy, epoch, number, self.shard))


class MixGrain(_Mixing):
    """A transformation of Grain's: `dataset.batch(128).random_map(MixGrain(0.2, num_classes=10), seed=1)`.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    For `MapDataset`, `IterDataset` and `DataLoader` alike. Grain gives each batch random numbers of its own, by its
    seed and by which batch it is; so the mixes are the same under random access, in whatever number of worker
    processes, and after an iterator was saved and restored. As with Grain's shuffling, an epoch differs from the last
    if the dataset is repeated (`dataset.batch(128).random_map(...).repeat()`), and does not if it is iterated over once
    more.

    `dataset.map(MixupLayer(0.2))` is refused: a layer draws anew in every call, whichever batch it is called with.

    Args:
        method: How to mix, like `CutMix(1.0)`; or a number, the strength of `Mixup`.
        num_classes: As for `MixLayer`.
        pairs: As for `MixLayer`.
        roles: As for `MixLayer`.
        data_format: As for `MixLayer`.
        axes: As for `MixLayer`.
        box_format: As for `MixLayer`.
        min_area: As for `MixLayer`.
        others: As for `MixCollate`.

    Raises:
        ImportError: If Grain is not installed.
        ValueError: If an argument is out of range, or (when called) a tensor cannot be mixed.

    Example:

    >>> import grain
    >>> from keras_mixup import MixGrain
    >>> rows = [{"image": np.ones((8, 8, 3), "uint8"), "label": k % 10} for k in range(64)]
    >>> dataset = grain.MapDataset.source(rows).batch(16).random_map(MixGrain(0.2, num_classes=10), seed=1)
    >>> batch = dataset[3]
    >>> batch["image"].shape, batch["label"].shape
    ((16, 8, 8, 3), (16, 10))
    """

    def __init__(
        self,
        method: Method | Alpha,
        *,
        num_classes: NumClasses | None = None,
        pairs: bool = False,
        roles: Roles | None = None,
        data_format: DataFormat | None = None,
        axes: Axes | None = None,
        box_format: str | None = None,
        min_area: float = 0.1,
        others: Tree = None,
    ) -> None:
        layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        self._take(method, None, 0, layout, others)
        self._register()

    def _register(self) -> None:
        """Make it one of Grain's random transformations, without importing Grain before it is needed."""
        _package("grain", "MixGrain").transforms.RandomMap.register(MixGrain)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._register()

    def random_map(self, element: Any, rng: np.random.Generator) -> Any:
        """Mix a batch by the random numbers that are Grain's for it."""
        return self._mix(element, int(rng.bit_generator.random_raw()))

    def __call__(self, element: Any, rng: Any = None) -> Any:
        if not isinstance(rng, np.random.Generator):
            raise ValueError(
                "`MixGrain` needs the random numbers that Grain has for each batch. Received: a call without them, as "
                "from `map` or `map_with_index`. Write `dataset.random_map(MixGrain(method), seed=1)`."
            )
        return self.random_map(element, rng)


class MixPyDataset(_Mixing, keras.utils.PyDataset):
    """A `keras.utils.PyDataset` whose batches are mixed: `model.fit(MixPyDataset(dataset, 0.2, num_classes=10))`.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    Each batch is mixed where it is made: with `workers` and `use_multiprocessing` in those threads and processes. The
    mixes are new in every epoch of `fit`; with a `seed` they are the same in every run, whatever the workers. With
    `steps_per_epoch`, though, they depend on how far ahead batches are made when an epoch of `fit` ends.

    The attribute `epoch` says which epoch comes next, and can be set, as when a run is resumed. Keras ends one more,
    before the first, where it has to see a batch to build the model.

    Args:
        dataset: A `keras.utils.PyDataset` of batches of NumPy arrays.
        method: How to mix, like `CutMix(1.0)`; or a number, the strength of `Mixup`.
        num_classes: As for `MixLayer`.
        pairs: As for `MixLayer`.
        roles: As for `MixLayer`.
        data_format: As for `MixLayer`.
        axes: As for `MixLayer`.
        box_format: As for `MixLayer`.
        min_area: As for `MixLayer`.
        others: As for `MixCollate`.
        seed: An int for the same draws in every run; None for fresh ones.
        shard: Which of several processes this is that train together under one seed.
        workers: As for `keras.utils.PyDataset`; None for what `dataset` says.
        use_multiprocessing: As for `keras.utils.PyDataset`; None for what `dataset` says.
        max_queue_size: As for `keras.utils.PyDataset`; None for what `dataset` says.

    Raises:
        ValueError: If an argument is out of range, or (when asked for a batch) a tensor cannot be mixed.

    Example:

    >>> from keras_mixup import MixPyDataset
    >>> class Batches(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def __getitem__(self, index):
    ...         return np.ones((16, 8), "float32"), np.arange(16) % 10
    >>> x, y = MixPyDataset(Batches(), 0.2, num_classes=10, seed=1)[0]
    >>> x.shape, y.shape
    ((16, 8), (16, 10))
    """

    def __init__(
        self,
        dataset: keras.utils.PyDataset,
        method: Method | Alpha,
        *,
        num_classes: NumClasses | None = None,
        pairs: bool = False,
        roles: Roles | None = None,
        data_format: DataFormat | None = None,
        axes: Axes | None = None,
        box_format: str | None = None,
        min_area: float = 0.1,
        others: Tree = None,
        seed: int | None = None,
        shard: int = 0,
        workers: int | None = None,
        use_multiprocessing: bool | None = None,
        max_queue_size: int | None = None,
    ) -> None:
        if not isinstance(dataset, keras.utils.PyDataset):
            raise ValueError(
                f"`dataset` should be a `keras.utils.PyDataset`. Received: {type(dataset).__name__}. For any other "
                "iterable of batches there is `MixBatches`."
            )
        keras.utils.PyDataset.__init__(
            self,
            workers=dataset.workers if workers is None else workers,
            use_multiprocessing=dataset.use_multiprocessing if use_multiprocessing is None else use_multiprocessing,
            max_queue_size=dataset.max_queue_size if max_queue_size is None else max_queue_size,
        )
        layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        self._take(method, seed, shard, layout, others)
        self.dataset = dataset
        self.epoch = 0

    @property
    def num_batches(self) -> int | None:
        """How many batches an epoch has; None if it does not end."""
        return self.dataset.num_batches

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        # Without an end the numbers go on from epoch to epoch.
        epoch = 0 if self.num_batches is None else self.epoch
        return self._mix(self.dataset[index], batch_seed(self._entropy, epoch, index, self.shard))

    def on_epoch_begin(self) -> None:
        """Tell the dataset."""
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Tell the dataset; from now on batches are mixed anew."""
        self.dataset.on_epoch_end()
        self.epoch += 1


class MixBatches(_Mixing):
    """Any iterable of batches, mixed: `for x, y in MixBatches(loader, 0.2, num_classes=10, seed=1)`.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    A list, a generator, a loader of torch, of Grain or of one's own, whose batches are NumPy arrays or torch's tensors,
    on the processor. Every time it is iterated over is an epoch, with new mixes; with a `seed`, the same ones in every
    run. `keras.Model.fit` takes generators: `model.fit(iter(MixBatches(...)), steps_per_epoch=...)`.

    Args:
        batches: An iterable of batches.
        method: How to mix, like `CutMix(1.0)`; or a number, the strength of `Mixup`.
        num_classes: As for `MixLayer`.
        pairs: As for `MixLayer`.
        roles: As for `MixLayer`.
        data_format: As for `MixLayer`.
        axes: As for `MixLayer`.
        box_format: As for `MixLayer`.
        min_area: As for `MixLayer`.
        others: As for `MixCollate`.
        seed: An int for the same draws in every run; None for fresh ones.
        shard: Which of several processes this is that train together under one seed.

    Raises:
        ValueError: If an argument is out of range, or (when iterated over) a tensor cannot be mixed.

    Example:

    >>> from keras_mixup import CutMix, MixBatches
    >>> batches = [(np.ones((16, 8, 8, 3), "uint8"), np.arange(16) % 10)] * 4
    >>> for images, labels in MixBatches(batches, CutMix(1.0), num_classes=10, seed=1):
    ...     pass
    >>> images.dtype.name, labels.shape
    ('float32', (16, 10))
    """

    def __init__(
        self,
        batches: Iterable[Tree],
        method: Method | Alpha,
        *,
        num_classes: NumClasses | None = None,
        pairs: bool = False,
        roles: Roles | None = None,
        data_format: DataFormat | None = None,
        axes: Axes | None = None,
        box_format: str | None = None,
        min_area: float = 0.1,
        others: Tree = None,
        seed: int | None = None,
        shard: int = 0,
    ) -> None:
        if not isinstance(batches, Iterable):
            raise ValueError(f"`batches` should be an iterable of batches. Received: {type(batches).__name__}.")
        layout = Layout(
            num_classes=num_classes,
            pairs=pairs,
            roles=roles,
            data_format=data_format,
            axes=axes,
            box_format=box_format,
            min_area=min_area,
        )
        self._take(method, seed, shard, layout, others)
        self.batches = batches
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Tree]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._pass(epoch)

    def _pass(self, epoch: int) -> Iterator[Tree]:
        for number, batch in enumerate(self.batches):
            yield self._mix(batch, batch_seed(self._entropy, epoch, number, self.shard))


def _package(name: str, door: str) -> Any:
    """A package that is needed by one door alone."""
    try:
        return __import__(name)
    except ImportError as error:
        raise ImportError(f"`{door}` needs the package {name}. Install it: `pip install {name}`.") from error


def _is_torch(leaf: Any) -> bool:
    return type(leaf).__module__.partition(".")[0] == "torch" and hasattr(leaf, "detach")


def _as_array(leaf: Any) -> Any:
    """A tensor of torch as a NumPy array in the same memory; all else as it is."""
    if not _is_torch(leaf):
        return leaf
    if leaf.device.type != "cpu":
        raise ValueError(
            "Batches should be mixed before they are sent to an accelerator. Received: a tensor on "
            f"{leaf.device}. Mix first; or on the accelerator, with `MixupModel`."
        )
    leaf = leaf.detach()
    if str(leaf.dtype) == "torch.bfloat16":  # unknown to NumPy
        import ml_dtypes
        import torch

        return leaf.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return leaf.numpy()


def _like(leaf: Any, array: Any) -> Any:
    """What became of a leaf, a tensor of torch if it was one."""
    if not _is_torch(leaf):
        return array
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(array))
