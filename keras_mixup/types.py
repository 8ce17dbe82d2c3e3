"""The names that annotations use for what has no class of its own: tensors of any library, seeds, strengths, pairings.

They are for readers, editors and type checkers, and cost nothing at run time. A tensor may belong to NumPy, TensorFlow,
JAX or torch, whose classes have nothing in common that a checker could hold on to: `Tensor` and its kin are `Any`, by
names that say what is meant.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Tensor: TypeAlias = Any  # an array or tensor of any library
Array: TypeAlias = np.ndarray[Any, Any]
Tree: TypeAlias = Any  # a tensor, or dicts, tuples and lists of them: a batch as it comes out of a loader
Seed: TypeAlias = Any  # an int, a `keras.random.SeedGenerator`, a TensorFlow integer tensor (2,) or, on JAX, a key
Size: TypeAlias = Any  # a Python int or, where that is not known before the batch is there, a scalar integer tensor
Dataset: TypeAlias = "tf.data.Dataset"

Path: TypeAlias = tuple[Any, ...]  # where in a tree: keys and positions
Shape: TypeAlias = tuple[Any, ...]
Config: TypeAlias = dict[str, Any]  # plain data, for saving with Keras
Ops: TypeAlias = SimpleNamespace  # a table of operations, see `ops.py`

NumClasses: TypeAlias = int | dict[Any, int]  # of all targets, or by key, path or position
Roles: TypeAlias = dict[Any, str]  # by key, path or position
Axes: TypeAlias = int | tuple[int, ...] | list[int]
CutAxes: TypeAlias = tuple[tuple[int, int], ...]  # that a cut follows, each with the length of one place of the cut
DataFormat: TypeAlias = Literal["channels_last", "channels_first"]

PairingRule: TypeAlias = Callable[[Any, Any, Any], Any]  # `(size, seed, targets) -> partner`
Pairing: TypeAlias = (
    Literal["shuffle", "derangement", "reverse", "roll", "same_class", "other_class"] | PairingRule
)  # who is mixed with whom
Function = TypeVar("Function", bound=Callable[..., Any])  # of a decorator that keeps the signature


class Distribution(Protocol):
    """A law to draw weights from: `keras_mixup.Folded`, or anything of `tfp.distributions` over [0, 1]."""

    def sample(self, shape: Any, /, *, seed: Any) -> Tensor:
        """Draw numbers."""


class Changing(Protocol):
    """A number that changes during training: `keras_mixup.Adjustable`."""

    def assign(self, value: float, /) -> None:
        """Set it."""

    def read(self, ops: Ops, /) -> Tensor:
        """The number as a tensor."""


Number: TypeAlias = float | np.floating[Any] | np.integer[Any]
Alpha: TypeAlias = Number | Changing | Distribution  # the strength of a mix
Probability: TypeAlias = Number | Changing
