"""Sets of graphs in the text format of TU Dortmund's collection, such as MUTAG.

    DIR/MUTAG/MUTAG_A.txt                  of each edge its two nodes
              MUTAG_graph_indicator.txt    of each node its graph
              MUTAG_graph_labels.txt       of each graph its class
              MUTAG_node_labels.txt        of each node its label, if the set has such

There is a line for each, and nodes and graphs are numbered from 1. Edges have no direction, whether a set lists them
once or twice. The features of a node are its label, one-hot, or else the number of its neighbours, one-hot.

Graphs are stored as padded lists of nodes and edges. A batch becomes matrices of the size that its largest graph needs;
kept for good, those of PROTEINS, with 1,113 graphs of up to 620 nodes, would take 428 MB even as bytes. Products of
padded matrices need nothing but Keras. Of the libraries for graphs, TF-GNN and Spektral do not work with Keras 3, and
kgcnn requires toolkits for chemistry and crystals.
"""

import functools
import pathlib
from typing import NamedTuple

import numpy as np

from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError

FOLDS = 10
ROUNDED_TO = 16


class Graphs(NamedTuple):
    """A set of graphs. Nodes are numbered within their graph, from 1; 0 is padding.

    Args:
        nodes: Of each node of each graph the number of its label, from 1: int32 of shape `(graphs, nodes)`.
        edges: Pairs of neighbours, each in both orders: int32 of shape `(graphs, edges, 2)`.
        labels: Of each graph the number of its class, from 0.
        width: How many different labels nodes have.
        classes: The names of the classes.
    """

    nodes: np.ndarray
    edges: np.ndarray
    labels: np.ndarray
    width: int
    classes: tuple[str, ...]


def source(name, width=7, classes=("0", "1")):
    """The `Source` of a set.

    Args:
        name: Its name in the collection, and that of its folder.
        width: How many different labels nodes have; read from the data where there is a `data_dir`.
        classes: The names of the classes, likewise.
    """

    def at(data_dir):
        found = read(data_dir, name)
        return source(name, found.width, found.classes)

    return Source(
        shape={"nodes": (None, width), "adjacency": (None, None)},
        classes=classes,
        needs=("sklearn", "scikit-learn"),
        load=functools.partial(load, name),
        transform=functools.partial(matrices, width=width),
        generate=functools.partial(generate, width, len(classes)),
        splitting="folds",
        at=at,
    )


def load(name, train_size, seed, data_dir=None):
    """Ten-fold cross-validation: the seed is the fold that is tested; `train_size` of the others, or all, train."""
    from sklearn.model_selection import StratifiedKFold

    found = read(data_dir, name)
    if seed >= FOLDS:
        raise UserError(f"`seeds` should be at most {FOLDS}, the number of folds of {name}. Received: seed={seed}.")
    rarest = np.bincount(found.labels).min()
    if rarest < FOLDS:
        raise UserError(
            f"{name} should have {FOLDS} graphs of each class, for as many folds. Received: {rarest} of one."
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(found.labels, found.labels)
    train, test = list(folds)[seed]
    if train_size > len(train):
        raise UserError(
            f"`train_size` should be at most {len(train)} for {name}, or 0 for all. Received: train_size={train_size}."
        )
    if train_size:
        train = np.random.default_rng(seed).permutation(train)[:train_size]

    def split(rows):
        return Arrays({"nodes": found.nodes[rows], "edges": found.edges[rows]}, found.labels[rows])

    return split(train), split(test)


def matrices(batch, width):
    """What a network takes of stored graphs.

    Args:
        batch: `"nodes"` and `"edges"`, as in `Graphs`.
        width: Number of features of a node.

    Returns:
        A dict of float32 tensors: `"nodes"` of shape `(batch, rows, width)`, one-hot, all 0 where there is no node;
        `"adjacency"` of shape `(batch, rows, rows)`, with a 1 for each pair of neighbours.
    """
    import tensorflow as tf

    nodes, edges = batch["nodes"], batch["edges"]
    # The largest graph's size is rounded up: fewer sizes occur, and XLA compiles for each. Powers of 2 would be fewer
    # still, but on a CPU each row of padding costs as much as a node.
    largest = tf.reduce_max(tf.math.count_nonzero(nodes, axis=1, dtype=tf.int32))
    rows = tf.minimum(-(-largest // ROUNDED_TO) * ROUNDED_TO, tf.shape(nodes)[1])
    edges = edges[:, : tf.reduce_max(tf.math.count_nonzero(edges[..., 0], axis=1))]
    graphs = tf.shape(edges)[0]
    graph = tf.broadcast_to(tf.range(graphs)[:, None, None], [graphs, tf.shape(edges)[1], 1])
    ones = tf.ones(tf.shape(edges)[:2])
    # Padding falls on row and column 0, which are cut off.
    adjacency = tf.scatter_nd(tf.concat([graph, edges], axis=-1), ones, [graphs, rows + 1, rows + 1])[:, 1:, 1:]
    return {"nodes": tf.one_hot(nodes[:, :rows] - 1, width), "adjacency": adjacency}


def generate(width, classes, size, random):
    """Circles of 3 to 8 nodes with random labels: see `Source`."""
    nodes, edges = np.zeros((size, 8), "int32"), np.zeros((size, 16, 2), "int32")
    for row in range(size):
        circle = np.arange(random.integers(3, 9)) + 1
        nodes[row, : len(circle)] = random.integers(1, width + 1, len(circle))
        edges[row, : 2 * len(circle)] = _both_ways(np.stack([circle, np.roll(circle, 1)], axis=1))
    return Arrays({"nodes": nodes, "edges": edges}, random.integers(classes, size=size))


def read(data_dir, name):
    """Read a set.

    Args:
        data_dir: The folder in which the set has its own.
        name: The name of the set and of its folder.

    Returns:
        The `Graphs`.

    Raises:
        UserError: If a file is missing, or holds something else than it should.
    """
    if data_dir is None:
        raise UserError(f"{name} is not there. {_cure(name)}")
    folder = pathlib.Path(data_dir).expanduser() / name
    classes, labels = np.unique(_numbers(folder / f"{name}_graph_labels.txt"), return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"{name} should have two classes or more. Received: only class {classes[0]}.")
    graph = _numbers(folder / f"{name}_graph_indicator.txt") - 1
    astray = set(graph.tolist()) ^ set(range(len(labels)))
    if astray:
        raise UserError(
            f"{name}_graph_indicator.txt should name each of the {len(labels)} graphs of {name}_graph_labels.txt, and "
            f"no others. Received: graph {min(astray) + 1} in only one of them."
        )
    edges = _edges(_numbers(folder / f"{name}_A.txt", columns=2) - 1, graph, name)
    if (folder / f"{name}_node_labels.txt").exists():
        kinds = _numbers(folder / f"{name}_node_labels.txt")
        if len(kinds) != len(graph):
            raise UserError(
                f"{name}_node_labels.txt should have a line for each of the {len(graph)} nodes of "
                f"{name}_graph_indicator.txt. Received: {len(kinds)} lines."
            )
    else:
        kinds = np.bincount(edges[:, 0], minlength=len(graph))
    different, kinds = np.unique(kinds, return_inverse=True)
    return Graphs(
        nodes=_padded(kinds + 1, graph, len(labels)),
        edges=_padded(_places(graph)[edges] + 1, graph[edges[:, 0]], len(labels)),
        labels=labels,
        width=len(different),
        classes=tuple(map(str, classes)),
    )


def _cure(name):
    return f"Unpack {name}.zip of https://chrsmrrs.github.io/datasets in DIR and give `--data-dir DIR`."


def _numbers(path, columns=1):
    """The integers of a file, of shape `(lines,)` or `(lines, columns)`."""
    if not path.exists():
        raise UserError(f"{path} is not there. {_cure(path.parent.name)}")
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path} should not be empty.")
    should = f"{path} should hold {'one integer' if columns == 1 else f'{columns} integers'} in each line."
    try:
        numbers = np.loadtxt(lines, "int64", delimiter=",", ndmin=2)
    except ValueError as error:
        raise UserError(f"{should} Received: {error}") from None
    if numbers.shape[1] != columns:
        raise UserError(f"{should} Received: {lines[0]!r} in the first.")
    return numbers[:, 0] if columns == 1 else numbers


def _edges(edges, graph, name):
    """The edges of all graphs, each in both orders and once, when they have been checked."""

    def check(wrong, what):
        if wrong.any():
            a, b = edges[wrong][0] + 1
            raise UserError(f"The edges of {name}_A.txt should {what}. Received: {a}, {b}.")

    check(((edges < 0) | (edges >= len(graph))).any(axis=1), f"join nodes that have a number from 1 to {len(graph)}")
    check(graph[edges[:, 0]] != graph[edges[:, 1]], "join nodes of the same graph")
    return _both_ways(edges)


def _both_ways(edges):
    return np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)


def _places(group):
    """Of each row its place among the rows of its group, from 0."""
    order = np.argsort(group, kind="stable")
    ordered, place = group[order], np.empty_like(group)
    place[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return place


def _padded(rows, group, groups):
    """The rows of each group, padded with 0: int32 of shape `(groups, rows of the largest, ...)`."""
    place = _places(group)
    padded = np.zeros((groups, place.max() + 1, *rows.shape[1:]), "int32")
    padded[group, place] = rows
    return padded


SOURCES = {
    "mutag": source("MUTAG"),
    "nci1": source("NCI1"),
    "ptc": source("PTC"),
    "proteins": source("PROTEINS"),
    "imdb_binary": source("IMDB-BINARY"),
    "imdb_multi": source("IMDB-MULTI"),
}
