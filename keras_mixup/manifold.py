"""Manifold mixup: mix at a hidden layer chosen at random instead of at the input."""

from collections.abc import Callable
from typing import Any

from keras_mixup.methods import Mixup, method


@method
class ManifoldMixup:
    """Manifold mixup for `MixupModel`: mix the outputs of one layer, chosen anew in every step, and the targets alike.

        k ~ Uniform(layers),    h_k~ = weight * h_k + (1 - weight) * h_k[partner],    weight ~ Beta(alpha, alpha)

    Args:
        layers: Names of the layers whose outputs may be mixed, as in `layer.name`; layers inside nested models and
            subclassed models are found as well.
        alpha: As for `Mixup`; the paper uses 2.
        include_input: Whether the input is one of the places to mix.
        per: As for `Mixup`; the authors draw one weight per batch.
        pairing: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range, or (from `MixupModel`) a layer is not found.

    Example:

    >>> method = ManifoldMixup(layers=("block1", "block2"))
    >>> method.places
    ('block1', 'block2', None)

    Reference:
        Manifold Mixup (arXiv 1806.05236), section 2.
    """

    layers: tuple = ()
    alpha: Any = 2.0
    include_input: bool = True
    per: str = "example"
    pairing: str | Callable = "shuffle"

    cuts = False
    needs_network = True

    def __post_init__(self):
        Mixup(self.alpha, self.per, self.pairing)
        names = isinstance(self.layers, tuple | list) and all(isinstance(name, str) for name in self.layers)
        if not names or not self.layers or len(set(self.layers)) < len(self.layers):
            raise ValueError(
                f"`layers` should be the names of one layer or more, each once. Received: layers={self.layers!r}."
            )
        object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def mixes(self):
        """Whether this method ever changes a batch."""
        return Mixup(self.alpha, self.per, self.pairing).mixes

    @property
    def places(self):
        """Where to mix: names of layers, and None for the input."""
        return self.layers + ((None,) if self.include_input else ())

    def draw(self, size, seed, targets=None, image_size=None):
        """Draw as mixup does."""
        return Mixup(self.alpha, self.per, self.pairing).draw(size, seed, targets)
