"""Mixing inside the network: what a layer returns is mixed, with the Keras mask that it carries, and so are targets."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from keras_mixup.batch import Batch
from keras_mixup.methods import Method
from keras_mixup.mixing import Draw, mix, unite
from keras_mixup.types import Seed, Size, Tensor, Tree


class HiddenDraws:
    """A method at work inside the network: draws for a batch and keeps, by place, what the layers on the way will need.

    At the chosen place the weights are those drawn; at all others they are 1, which mixes nothing. So every place does
    the same arithmetic in every step, and the step compiles.

    Args:
        method: A method that mixes by weights, such as `Mixup`, or a `ManifoldMixup`.
        places: Where it may mix, one place chosen for each batch: names of layers, and None for the input.
    """

    def __init__(self, method: Method, places: tuple[str | None, ...]) -> None:
        self.method = method
        self.places = places
        self.forget()

    def forget(self) -> None:
        """Mix nothing until the next draw."""
        self.at: dict[str | None, Draw] = {}
        self.size: Size = None
        self.visited: set[str | None] = set()

    @property
    def mixes(self) -> bool:
        """Whether the method ever changes a batch."""
        return self.method.mixes

    @property
    def cuts(self) -> bool:
        """Whether images are cut."""
        return self.method.cuts

    @property
    def averages(self) -> bool:
        """Whether examples are averaged."""
        return self.method.averages

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """The draw for the batch itself: features as the input's turn is, targets always."""
        draw = self.method.draw(batch, seed)
        self.size = batch.size
        if len(self.places) == 1:
            self.at[self.places[0]] = draw
            return draw
        chosen = keras.ops.floor(keras.random.uniform((), dtype="float32", seed=seed) * len(self.places))
        for k, place in enumerate(self.places):
            self.at[place] = draw._replace(weight=keras.ops.where(chosen == k, draw.weight, 1.0))
        at_input = self.at[None].weight if None in self.places else draw.weight
        return draw._replace(weight=at_input, target_weight=draw.weight)

    def add_clean(self, place: str | None) -> None:
        """Have the clean rows of a place follow its mixed ones."""
        draw = self.at[place]
        rows = keras.ops.arange(self.size, dtype="int32")
        self.at[place] = Draw(
            keras.ops.concatenate([draw.weight, keras.ops.ones_like(draw.weight)]),
            keras.ops.concatenate([keras.ops.cast(draw.partner, "int32"), rows]),
            original=keras.ops.concatenate([rows, rows]),
        )

    def mix_output(self, place: str | None, output: Tree) -> Tree:
        """What the layer of a place returns, mixed if there is a draw for it.

        Raises:
            ValueError: If the layer returns other than a row for each example.
        """
        if place not in self.at or _is_symbolic(output):
            return output
        self.visited.add(place)
        for x in keras.tree.flatten(output):
            if isinstance(self.size, int) and isinstance(x.shape[0], int) and x.shape[0] != self.size:
                raise ValueError(
                    "A layer whose output is mixed should return a row for each example. "
                    f"Received: {place!r}, which returns shape {tuple(x.shape)} for {self.size} examples."
                )
        return mix(output, self.at[place])

    def mix_mask(self, place: str | None, mask: Tree) -> Tree:
        """The mask of what the layer of a place returns: a position counts if it does so in either example."""
        if place not in self.at or _is_symbolic(mask):
            return mask
        return keras.tree.map_structure(lambda m: None if m is None else unite(m, self.at[place]), mask)

    def check_visited(self) -> None:
        """Raise a `ValueError` if a layer was not called: the targets would be mixed and nothing else."""
        missed = [place for place in self.at if place not in (None, *self.visited)]
        if missed:
            raise ValueError(
                f"The network was called, and the layer {missed[0]!r} in it was not, so its output cannot be mixed. "
                "Name another layer; to mix the input, name none."
            )


def mix_inside(network: Any, hidden: HiddenDraws, argument: str = "layers") -> None:
    """Have the outputs of the layers of all places mixed, with their masks, whenever `hidden` holds draws.

    Args:
        network: A Keras model or layer.
        hidden: A `HiddenDraws`.
        argument: What the user calls the names, for the error message.

    Raises:
        ValueError: If a name fits no layer, or several.
    """
    names = [place for place in hidden.places if place is not None]
    for name, layer in zip(names, [find_layer(network, name, argument) for name in names], strict=True):
        _mix_after(layer, MixedOutput(hidden, name))
    if not names:
        return
    layers = list(_all_layers(network, seen=set()))
    in_graphs = {id(layer) for model in layers for layer in getattr(model, "operations", ())}
    for layer in layers:
        if any(name.endswith("mask") for name in inspect.signature(layer.call).parameters):
            _renew_masks(layer, hidden, in_graph=id(layer) in in_graphs)


def masks_are_united(network: Any, places: tuple[str | None, ...], names: list[str], argument: str = "layers") -> bool:
    """Whether masks of positions that the network takes as inputs have to be united, where these layers are mixed.

    They have to if positions are mixed: behind such a layer those of either example count. Where a layer returns a
    vector for each example, all that looks at positions comes before it, and each example keeps its own mask.

    Args:
        network: A Keras model or layer.
        places: Names of layers, and None for the input.
        names: The names of the inputs that are such masks.
        argument: What the user calls the names of layers.

    Raises:
        ValueError: If a layer has positions and comes behind one that looks at a mask: an example would see positions
            of its partner before they are mixed. Only functional models tell.
    """
    vectors = []
    for name in places:
        layer = None if name is None else find_layer(network, name, argument)
        output = layer and _output(layer)
        vectors.append(output is not None and len(output.shape) == 2)
        if output is not None and not vectors[-1] and _looks_at(network, layer, output, names):
            raise ValueError(
                f"`{argument}` should name a layer that comes before all that look at the mask of positions, or one "
                f"that returns a vector for each example. Received: {name!r}, which returns shape "
                f"{tuple(output.shape)} behind a layer that looks at {names[0]!r}."
            )
    if len(set(vectors)) == 2:
        raise ValueError(
            f"`{argument}` should name layers that all come before those that look at the mask of positions, or that "
            f"all return a vector for each example: there is one mask {names[0]!r} for all. Received: {places}."
        )
    return not all(vectors)


def _output(layer: Any) -> Any:
    """What a layer of functional models returns, as a symbolic tensor; None if that is not known, or is a structure."""
    try:
        output = layer.output
    except (AttributeError, ValueError):  # not called, or called several times
        return None
    return output if isinstance(output, keras.KerasTensor) else None


def _looks_at(network: Any, layer: Any, output: Any, names: list[str]) -> bool:
    """Whether what a layer returns depends on inputs of these names, in a functional model that it is a layer of."""
    for model in _all_layers(network, seen=set()):
        inputs = model.inputs if layer in getattr(model, "operations", ()) else []
        others = [x for x in inputs if x.name not in names]
        if others and len(others) < len(inputs):
            try:
                keras.Model(others, output, name=f"{layer.name}_without_masks")
            except ValueError:  # it takes more than the others
                return True
    return False


def _mix_after(layer: Any, mixed: MixedOutput) -> None:
    call, compute_mask = layer.call, layer.compute_mask

    @functools.wraps(call)
    def mixed_call(*args: Any, **kwargs: Any) -> Tree:
        return mixed(call(*args, **kwargs))

    def mixed_mask(*args: Any, **kwargs: Any) -> Tree:
        return mixed.compute_mask(None, compute_mask(*args, **kwargs))

    # A layer's own mask is attached by `compute_mask` after `call`; a nested model's comes with what `call` returns.
    layer.call, layer.compute_mask = mixed_call, mixed_mask


def _renew_masks(layer: Any, hidden: HiddenDraws, in_graph: bool) -> None:
    """Have a layer go by the masks that its inputs carry, whenever there are draws, and not by those it is given.

    A functional model knows masks as they were computed when it was built, from the inputs alone, and gives them to its
    layers; behind a layer whose output is mixed they would be those of the originals. It gives them also where an
    attention layer has taken them off its inputs, so inside its graph they are put on again.
    """
    call, compute_mask, carried, carrying = layer.call, layer.compute_mask, CarriedMask(), Carrying()
    parameters = inspect.signature(call)

    def renewed(given: Tree, x: Tensor) -> Tree:
        if not hidden.at or _is_symbolic(x):
            return given
        new, old = keras.tree.flatten(carried(x)), keras.tree.flatten(given)
        if len(new) != len(old):
            return given
        return keras.tree.pack_sequence_as(given, [b if a is None else a for a, b in zip(new, old, strict=True)])

    @functools.wraps(call)
    def renewed_call(*args: Any, **kwargs: Any) -> Tree:
        inputs = []
        # Keras pairs `mask` with the first argument, and `query_mask` with `query`.
        for k, (name, x) in enumerate(parameters.bind_partial(*args, **kwargs).arguments.items()):
            for mask in (f"{name}_mask", "mask")[: 1 + (k == 0)]:
                if kwargs.get(mask) is not None:
                    kwargs[mask] = renewed(kwargs[mask], x)
                    inputs.append((x, kwargs[mask]))
        outputs = call(*args, **kwargs)
        for x, mask in inputs if in_graph and hidden.at and not _is_symbolic(outputs) else ():
            carrying((x, mask))
        return outputs

    def renewed_mask(x: Tensor, given: Tree) -> Tree:
        return compute_mask(x, renewed(given, x))

    layer.call, layer.compute_mask = renewed_call, renewed_mask


class MixedOutput(keras.layers.Layer):
    """What comes after the layer of one place: a layer, because only a layer is handed the masks of nested models.

    Args:
        hidden: The `HiddenDraws` of the model.
        place: The name of the layer.
    """

    def __init__(self, hidden: HiddenDraws, place: str | None) -> None:
        super().__init__(autocast=False)
        self.hidden = hidden
        self.place = place

    def call(self, output: Tree) -> Tree:
        return self.hidden.mix_output(self.place, output)

    def compute_mask(self, output: Tree, mask: Tree) -> Tree:
        return self.hidden.mix_mask(self.place, mask)


class CarriedMask(keras.layers.Layer):
    """Returns the Keras mask that a tensor carries, or None: the public way to read it."""

    def __init__(self) -> None:
        super().__init__(autocast=False)

    def call(self, x: Tensor, mask: Tree = None) -> Tree:
        return mask

    def compute_mask(self, x: Tensor, mask: Tree) -> None:
        return None


class Carrying(keras.layers.Layer):
    """Returns the first of a pair, which then carries the second as its Keras mask: the public way to put one on.

    A mask that is given as `mask` would be put on by recent versions of Keras alone.
    """

    def __init__(self) -> None:
        super().__init__(autocast=False)
        self.supports_masking = True

    def call(self, pair: tuple[Tree, Tree]) -> Tree:
        return pair[0]

    def compute_mask(self, pair: tuple[Tree, Tree], previous_mask: Tree) -> Tree:
        return pair[1]


def _is_symbolic(tree: Tree) -> bool:
    """Whether this is a network that builds itself, at its first call perhaps: there is nothing to mix yet."""
    return any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(tree))


def find_layer(network: Any, name: str, argument: str = "layers") -> Any:
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


def _all_layers(layer: Any, seen: set[int]) -> Iterator[Any]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    inside = layer.layers if isinstance(layer, keras.Model) else keras.tree.flatten(list(vars(layer).values()))
    for inner in inside:
        if isinstance(inner, keras.layers.Layer):
            yield from _all_layers(inner, seen)
