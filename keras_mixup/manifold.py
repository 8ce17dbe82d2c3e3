"""Manifold mixup: mix at a hidden layer chosen at random instead of at the input."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_mixup.methods import Mixup, method
from keras_mixup.mixing import Draw, mix, unite


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
    """A method at work inside the network: draws for a batch and keeps, by place, what the layers on the way will need.

    At the chosen place the weights are those drawn; at all others they are 1, which mixes nothing. So every place does
    the same arithmetic in every step, and the step compiles.

    Args:
        method: A method that mixes by weights, such as `Mixup`, or a `ManifoldMixup`.
        places: Where it may mix, one place chosen for each batch: names of layers, and None for the input.
    """

    def __init__(self, method, places):
        self.method = method
        self.places = places
        self.at = {}

    @property
    def mixes(self):
        """Whether the method ever changes a batch."""
        return self.method.mixes

    @property
    def cuts(self):
        """Whether images are only ever cut, never averaged."""
        return self.method.cuts

    def draw(self, size, seed, targets=None, image_size=None):
        """The draw for the batch itself: features as the input's turn is, targets always."""
        draw = self.method.draw(size, seed, targets, image_size)
        if len(self.places) == 1:
            self.at[self.places[0]] = draw
            return draw
        chosen = keras.ops.floor(keras.random.uniform((), dtype="float32", seed=seed) * len(self.places))
        for k, place in enumerate(self.places):
            self.at[place] = draw._replace(weight=keras.ops.where(chosen == k, draw.weight, 1.0))
        at_input = self.at[None].weight if None in self.places else draw.weight
        return draw._replace(weight=at_input, target_weight=draw.weight)

    def add_clean(self, place):
        """Have the clean rows of a place follow its mixed ones."""
        draw = self.at[place]
        rows = keras.ops.arange(keras.ops.shape(draw.weight)[0], dtype="int32")
        self.at[place] = Draw(
            keras.ops.concatenate([draw.weight, keras.ops.ones_like(draw.weight)]),
            keras.ops.concatenate([keras.ops.cast(draw.partner, "int32"), rows]),
            original=keras.ops.concatenate([rows, rows]),
        )


class MixedOutput(keras.layers.Layer):
    """Mixes what the layer of one place returns, and its Keras mask, whenever there is a draw for that place.

    Args:
        hidden: The `HiddenDraws` of the model.
        place: The name of the layer.
    """

    def __init__(self, hidden, place):
        super().__init__(autocast=False)
        self.hidden = hidden
        self.place = place

    def call(self, output):
        draw = self.hidden.at.get(self.place)
        return output if draw is None else mix(output, draw)

    def compute_mask(self, output, mask):
        draw = self.hidden.at.get(self.place)
        return mask if draw is None else keras.tree.map_structure(lambda m: None if m is None else unite(m, draw), mask)


class CarriedMask(keras.layers.Layer):
    """Returns the Keras mask that a tensor carries, or None: the public way to read it."""

    def __init__(self):
        super().__init__(autocast=False)

    def call(self, x, mask=None):
        return mask

    def compute_mask(self, x, mask):
        return None


def mix_output(network, name, hidden, argument):
    """Have the output of the layer of this name mixed, with its mask, whenever `hidden` holds a draw for it.

    Args:
        network: A Keras model or layer.
        name: The name of the layer, as in `layer.name`.
        hidden: A `HiddenDraws`.
        argument: What the user calls the name, for the error message.

    Raises:
        ValueError: If the name fits no layer, or several.
    """
    layer = find_layer(network, name, argument)
    mixed = MixedOutput(hidden, name)
    call, compute_mask = layer.call, layer.compute_mask

    @functools.wraps(call)
    def mixed_call(*args, **kwargs):
        return mixed(call(*args, **kwargs))

    def mixed_mask(*args, **kwargs):
        return mixed.compute_mask(None, compute_mask(*args, **kwargs))

    # A layer's own mask is attached by `compute_mask` after `call`; a nested model's comes with what `call` returns.
    layer.call, layer.compute_mask = mixed_call, mixed_mask


def carry_masks(network, hidden):
    """Have every layer go by the mask that its input carries, whenever `hidden` holds draws.

    A functional model remembers masks as they were computed when it was built, from the inputs alone, and hands them to
    its layers; behind a layer whose output is mixed they would be those of the originals.
    """
    for layer in _all_layers(network, seen=set()):
        if any(name.endswith("mask") for name in inspect.signature(layer.call).parameters):
            _carry_mask(layer, hidden)


def _carry_mask(layer, hidden):
    call, compute_mask, carried = layer.call, layer.compute_mask, CarriedMask()
    parameters = inspect.signature(call)

    def newer(given, x):
        """The masks that `x` carries; where it carries none, the given ones."""
        if not hidden.at:
            return given
        pairs = zip(keras.tree.flatten(carried(x)), keras.tree.flatten(given), strict=True)
        return keras.tree.pack_sequence_as(given, [b if a is None else a for a, b in pairs])

    @functools.wraps(call)
    def carrying_call(*args, **kwargs):
        for k, (name, x) in enumerate(parameters.bind_partial(*args, **kwargs).arguments.items()):
            for mask in [f"{name}_mask"] + ["mask"] * (k == 0):
                if kwargs.get(mask) is not None:
                    kwargs[mask] = newer(kwargs[mask], x)
        return call(*args, **kwargs)

    def carried_mask(x, given):
        return compute_mask(x, newer(given, x))

    layer.call, layer.compute_mask = carrying_call, carried_mask


def find_layer(network, name, argument="layers"):
    """The layer of a network with this name, wherever it is nested.

    Raises:
        ValueError: If the name fits no layer, or several.
    """
    layers = list(_all_layers(network, seen=set()))
    found = [layer for layer in layers if layer.name == name]
    if len(found) != 1:
        raise ValueError(
            f"`{argument}` should name one layer each. Received: {name!r}, which fits {len(found)} layers of "
            f"{sorted({layer.name for layer in layers})}."
        )
    return found[0]


def _all_layers(layer, seen):
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    inside = layer.layers if isinstance(layer, keras.Model) else keras.tree.flatten(list(vars(layer).values()))
    for inner in inside:
        if isinstance(inner, keras.layers.Layer):
            yield from _all_layers(inner, seen)
