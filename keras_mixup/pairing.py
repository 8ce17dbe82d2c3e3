"""Who is mixed with whom: the partner, one row number per example.

Every rule has the signature `rule(size, seed, targets)` and returns an int32 tensor of shape `(size,)` with
`x[partner]` the examples to mix in; a rule of your own is any function of that signature. The rules sort instead of
shuffling, because sorting compiles under XLA on every backend.
"""

from keras_mixup import ops as tables


def shuffle(size, seed, targets=None):
    """Pair by a uniformly random permutation, as in the paper; on average one example per batch meets itself."""
    ops = tables.of(size, seed)
    return ops.cast(ops.argsort(ops.uniform((size,), seed)), "int32")


def derangement(size, seed, targets=None):
    """Pair by a random permutation in which, for two examples or more, nobody meets themselves.

    The permutation is uniform over those that form a single cycle, not over all derangements: each of the other
    examples is equally likely to be the partner.
    """
    ops = tables.of(seed)
    order = shuffle(size, seed)
    place = ops.argsort(order)  # place[order[k]] == k
    return ops.take(order, (place + 1) % size)


def reverse(size, seed=None, targets=None):
    """Pair the first example with the last, the second with the last but one, and so on."""
    ops = tables.of(size, seed)
    return ops.flip(ops.arange(size))


def roll(size, seed=None, targets=None):
    """Pair each example with the one before it, the first with the last."""
    ops = tables.of(size, seed)
    return (ops.arange(size) - 1) % size


def same_class(size, seed, targets):
    """Pair with a random other example of the same class; an example alone in its class keeps itself.

    The class is the largest entry of a target row, or the target itself where it is one number. Partners are drawn
    independently, so an example may be the partner of several others.
    """
    order, place, start, end = _class_blocks(targets, seed)
    ops = tables.of(order)
    others = end - start - 1
    step = 1 + _random_below(others, seed)
    return ops.take(order, start + (place - start + step) % (others + 1))


def other_class(size, seed, targets):
    """Pair with a random example of another class; in a batch of one single class everybody keeps themselves.

    The class is the largest entry of a target row, or the target itself where it is one number. Partners are drawn
    independently, so an example may be the partner of several others.
    """
    order, place, start, end = _class_blocks(targets, seed)
    ops = tables.of(order)
    step = _random_below(size - (end - start), seed)
    alone = end - start == size
    return ops.take(order, ops.where(alone, place, (end + step) % size))


def _class_blocks(targets, seed):
    """Sort a batch by class, so that each class is one block of places.

    Returns:
        `order`, the example at each place, and for each example its own `place` and its block's `start` and `end`.
    """
    rank = None if targets is None else len(targets.shape)
    if rank not in (1, 2):
        received = "no targets, or several" if targets is None else f"targets of shape {tuple(targets.shape)}"
        raise ValueError(
            "`pairing` by class needs class labels: integers of shape `(batch,)` or rows of shape `(batch, classes)`. "
            f"Received: {received}."
        )
    ops = tables.of(targets, seed)
    one_number = rank == 1 or targets.shape[1] == 1
    classes = ops.reshape(ops.convert(targets), (-1,)) if one_number else ops.argmax(targets)
    order = ops.cast(ops.argsort(classes), "int32")
    place = ops.cast(ops.argsort(order), "int32")
    in_order = ops.take(classes, order)
    start = ops.searchsorted(in_order, classes, "left")
    end = ops.searchsorted(in_order, classes, "right")
    return order, place, start, end


def _random_below(bound, seed):
    """Uniform integers in [0, bound), and 0 where the bound is 0."""
    ops = tables.of(bound)
    uniform = ops.uniform(ops.shape(bound), seed)
    below = ops.cast(ops.floor(uniform * ops.cast(bound, "float32")), "int32")
    return ops.maximum(ops.minimum(below, bound - 1), 0)


RULES = {rule.__name__: rule for rule in (shuffle, derangement, reverse, roll, same_class, other_class)}


def rule(pairing):
    """Look a pairing rule up by name; a function is taken as it is.

    Raises:
        ValueError: If there is no such rule.
    """
    if callable(pairing):
        return pairing
    if not isinstance(pairing, str) or pairing not in RULES:
        raise ValueError(
            f"`pairing` should be one of {sorted(RULES)} or a function `(size, seed, targets) -> partner`. "
            f"Received: pairing={pairing!r}."
        )
    return RULES[pairing]
