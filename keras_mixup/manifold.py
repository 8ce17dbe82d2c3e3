"""Manifold mixup: mix at a hidden layer chosen at random instead of at the input."""

from __future__ import annotations

import dataclasses

from keras_mixup.batch import Batch
from keras_mixup.methods import Method, draw_mixup
from keras_mixup.mixing import Draw
from keras_mixup.types import Alpha, Seed


@dataclasses.dataclass(frozen=True)
class ManifoldMixup(Method):
    """Manifold mixup for `MixupModel`: mix the outputs of one layer, chosen anew in every step, and the targets alike.

        k ~ Uniform(layers),    h_k~ = weight * h_k + (1 - weight) * h_k[partner],    weight ~ Beta(alpha, alpha)

    Args:
        layers: Names of the layers whose outputs may be mixed, as in `layer.name`; layers inside nested models and
            subclassed models are found as well.
        alpha: As for `Mixup`; the paper uses 2.
        include_input: Whether the input is one of the places to mix.
        per: As for `Mixup`; the authors draw one weight per batch.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range, or (from `MixupModel`) a layer is not found.

    Example:

    >>> method = ManifoldMixup(layers=("block1", "block2"))
    >>> method.places
    ('block1', 'block2', None)

    Reference:
        Manifold Mixup (arXiv 1806.05236), section 2.
    """

    layers: tuple[str, ...] = ()
    alpha: Alpha = 2.0
    include_input: bool = True

    needs_network = True

    def __post_init__(self) -> None:
        super().__post_init__()
        names = isinstance(self.layers, tuple) and all(isinstance(name, str) for name in self.layers)
        if not names or not self.layers or len(set(self.layers)) < len(self.layers):
            raise ValueError(
                f"`layers` should be the names of one layer or more, each once. Received: layers={self.layers!r}."
            )

    @property
    def places(self) -> tuple[str | None, ...]:  # type: ignore[override]
        """Where to mix: names of layers, and None for the input."""
        return self.layers + ((None,) if self.include_input else ())

    def check_model(self, at: str | None, pairs: bool) -> None:
        """It names its layers itself."""
        if at is not None:
            raise ValueError(f"`ManifoldMixup` names its layers itself. Received also: at={at!r}.")

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw as mixup does."""
        return draw_mixup(self, batch, seed)
