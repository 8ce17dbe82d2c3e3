"""The oracle of the tests: mixup in NumPy loops, written from the formula and not from the library.

x~ = weight * x + (1 - weight) * x[partner]

And images that show by themselves what was drawn, whether they were averaged or cut.
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


SIZE, HEIGHT, WIDTH = 5, 4, 6


def images():
    """Float images of which channel 0 names image and place, and channel 1 the image."""
    x = np.zeros((SIZE, HEIGHT, WIDTH, 2), "float32")
    x[..., 0] = 100 * np.arange(SIZE)[:, None, None] + np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    for i in range(SIZE):
        x[i, ..., 1].flat[i] = 1.0
    return x


def read(mixed):
    """The share of each image in each row, and where the cut rows kept their own pixels (None for the others)."""
    shares, kept = np.zeros((SIZE, SIZE)), [None] * SIZE
    for i, image in enumerate(mixed.astype("float64")):
        source = (image[..., 0] - np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)) / 100
        if np.array_equal(source, np.round(source)) and np.isin(source, np.arange(SIZE)).all():
            found = np.unique(source).astype(int)
            partner = next((j for j in found if j != i), i)
            kept[i] = (source == i, partner)
            shares[i, i] = np.mean(source == i)
            shares[i, partner] += np.mean(source != i)
        else:
            shares[i] = image[..., 1].flat[:SIZE]
    np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-6)
    return shares, kept


def averaged(y, shares):
    return np.tensordot(shares, y.astype("float64"), 1)


def cut(y, shares, kept):
    """A map: pixels where the image was cut, shares where it was averaged."""
    mixed = averaged(y, shares)
    for i, place in enumerate(kept):
        if place is not None:
            own, partner = place
            own = own.reshape(own.shape + (1,) * (y.ndim - 3))
            mixed[i] = np.where(own, y[i].astype("float64"), y[partner].astype("float64"))
    return mixed
