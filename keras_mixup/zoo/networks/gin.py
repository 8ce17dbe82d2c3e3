"""Graph isomorphism networks (GIN): they tell apart graphs as well as sums over neighbours can."""

import keras

LAYERS = 5


def gin(shape, classes, width=64, dropout=0.0):
    """Build GIN-0 with five layers, a sum over the nodes of every layer, and an MLP on what that gives.

        h_0 = nodes,    h_k = ReLU(BN(MLP_k(h_(k-1) + A h_(k-1)))),    k = 1, ..., 4
        readout = [sum_v h_0(v), ..., sum_v h_4(v)]

    As in the authors' program the input counts as a layer, and MLP_k is a dense layer, batch normalisation, ReLU and
    another dense layer. Mixup and MixupE mix the output of the layer `"readout"`.

    A row of features that are all 0 is no node but padding. It takes no part in sums and batch statistics: a graph has
    the same logits however far it is padded, and in whatever order its nodes come.

    Args:
        shape: A dict of the shapes of the inputs: `"nodes"`, features of the nodes, `(nodes, features)`, and
            `"adjacency"`, `(nodes, nodes)`, whose row i holds a 1 for each neighbour of node i. The number of nodes may
            be `None`.
        classes: Number of logits.
        width: Units of every layer.
        dropout: Rate before the last dense layer, in [0, 1).

    Returns:
        A `keras.Model` that takes a dict of these two inputs.

    Reference:
        How Powerful are Graph Neural Networks? (arXiv 1810.00826), equations 4.1 and 4.2 and section 7; an MLP after
        the readout as in MixupE (arXiv 2212.13381), table 6.
    """
    inputs = {name: keras.Input(shape[name], name=name) for name in ("nodes", "adjacency")}
    h, adjacency = inputs["nodes"], inputs["adjacency"]
    real = keras.ops.any(h != 0, axis=-1)
    real_rows = keras.ops.expand_dims(real, -1)

    def normalised(h, name):
        h = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(h, mask=real)
        return keras.layers.ReLU(name=f"{name}_relu")(h)

    def summed(h):
        return keras.ops.sum(keras.ops.where(real_rows, h, 0.0), axis=1)

    sums = [summed(h)]
    for k in range(1, LAYERS):
        h = h + keras.ops.matmul(adjacency, h)
        h = normalised(keras.layers.Dense(width, name=f"layer{k}_dense1")(h), f"layer{k}_norm1")
        h = normalised(keras.layers.Dense(width, name=f"layer{k}_dense2")(h), f"layer{k}_norm2")
        sums.append(summed(h))
    x = keras.layers.Concatenate(name="readout")(sums)
    x = keras.layers.Dense(width, activation="relu", name="head")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, dtype="float32", name="logits")(x), name="gin")
