"""Manifold mixup: mix at a hidden layer chosen at random instead of at the input."""

import functools
from collections.abc import Callable
from typing import Any

import keras

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
        if not names or not self.layers:
            raise ValueError(f"`layers` should be the names of one layer or more. Received: layers={self.layers!r}.")
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


class HiddenDraws:
    """A `ManifoldMixup` at work: draws for a batch and keeps, by place, what the layers on the way will need.

    At the chosen place the weights are those drawn; at all others they are 1, which mixes nothing. So every place does
    the same arithmetic in every step, and the step compiles.

    Args:
        method: A `ManifoldMixup`.
    """

    cuts = False
    mixes = True

    def __init__(self, method):
        self.method = method
        self.at = {}

    def draw(self, size, seed, targets=None, image_size=None):
        """The draw for the batch itself: features as the input's turn is, targets always."""
        draw = self.method.draw(size, seed, targets)
        places = self.method.places
        chosen = keras.ops.floor(keras.random.uniform((), dtype="float32", seed=seed) * len(places))
        for k, place in enumerate(places):
            self.at[place] = draw._replace(weight=keras.ops.where(chosen == k, draw.weight, 1.0))
        at_input = self.at[None].weight if None in places else keras.ops.ones_like(draw.weight)
        return draw._replace(weight=at_input, target_weight=draw.weight)


def find_layers(network, names):
    """The layers of a network with these names, wherever they are nested.

    Raises:
        ValueError: If a name fits no layer, or several.
    """
    found = {name: [] for name in names}
    for layer in _all_layers(network, seen=set()):
        if layer.name in found:
            found[layer.name].append(layer)
    for name, layers in found.items():
        if len(layers) != 1:
            known = sorted({layer.name for layer in _all_layers(network, seen=set())})
            raise ValueError(
                f"`layers` should name one layer each. Received: {name!r}, which fits {len(layers)} layers of {known}."
            )
    return {name: layers[0] for name, layers in found.items()}


def _all_layers(layer, seen):
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    inside = layer.layers if isinstance(layer, keras.Model) else keras.tree.flatten(list(vars(layer).values()))
    for inner in inside:
        if isinstance(inner, keras.layers.Layer):
            yield from _all_layers(inner, seen)


def after_call(layer, function):
    """Have `function` applied to whatever a layer returns from now on."""
    original = layer.call

    @functools.wraps(original)
    def call(*args, **kwargs):
        return function(original(*args, **kwargs))

    layer.call = call
