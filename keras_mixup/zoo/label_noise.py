"""Wrong labels on purpose: a share of them is replaced, the same for every row of a seed."""

import numpy as np

KINDS = ("uniform", "other", "map")


def corrupt(labels, classes, share, kind, seed):
    """Replace a share of the labels.

    Args:
        labels: Integer array of shape `(examples,)`, of class ids.
        classes: Number of classes, >= 2.
        share: In [0, 1]: so many of the labels are replaced, to the nearest example, whatever their class.
        kind: By what. `"uniform"`: any class, the true one too, so that a part of `share / classes` stays right;
            `"other"`: any class but the true one; `"map"`: the one other class that a map, drawn from the seed, gives
            each class, so that classes overlap in pairs.
        seed: An int >= 0, which decides which labels, and the classes.

    Returns:
        A new integer array.
    """
    labels = np.asarray(labels)
    random = np.random.default_rng((seed, 1))  # not the stream that chooses the training examples
    chosen = random.permutation(len(labels))[: round(share * len(labels))]
    if kind == "uniform":
        wrong = random.integers(classes, size=len(chosen))
    elif kind == "other":
        wrong = (labels[chosen] + random.integers(1, classes, size=len(chosen))) % classes
    else:
        wrong = ((np.arange(classes) + random.integers(1, classes, size=classes)) % classes)[labels[chosen]]
    corrupted = labels.copy()
    corrupted[chosen] = wrong
    return corrupted
