"""The oracle of the tests: mixup in NumPy loops, written from the formula and not from the library.

x~ = weight * x + (1 - weight) * x[partner]
"""

import numpy as np


def mix_rows(x, weight, partner):
    """Mix the rows of one array, one at a time, in float64."""
    x = np.asarray(x).astype("float64")
    weight = np.asarray(weight).astype("float64")
    mixed = np.empty_like(x)
    for i in range(len(x)):
        j = int(partner[i])
        # The other side of a weight of 0 or 1 has no say, not even by 0 * nan.
        if weight[i] == 1:
            mixed[i] = x[i]
        elif weight[i] == 0:
            mixed[i] = x[j]
        else:
            mixed[i] = weight[i] * x[i] + (1 - weight[i]) * x[j]
    return mixed


def read_back(targets):
    """Recover `(weight, partner)` from mixed targets that were the rows of an identity matrix before.

    Each example had a class of its own, so row i holds its weight in column i and the rest in its partner's column. A
    row of weight 1, or one paired with itself, reads as weight 1 and partner i: the two cannot be told apart.
    """
    targets = np.asarray(targets).astype("float64")
    size = len(targets)
    assert targets.shape == (size, size), f"targets should be mixed rows of an identity matrix, got {targets.shape}"
    weight, partner = np.ones(size), np.arange(size)
    for i, row in enumerate(targets):
        np.testing.assert_allclose(row.sum(), 1.0, atol=1e-6, err_msg=f"label mass of row {i}")
        assert (row >= 0).all(), f"negative label in row {i}: {row}"
        others = [j for j in np.flatnonzero(row) if j != i]
        assert len(others) <= 1, f"row {i} is mixed from more than two examples: {row}"
        if others:
            weight[i], partner[i] = row[i], others[0]
    return weight, partner
