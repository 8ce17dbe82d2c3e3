"""Graphs: the reader of TU files against sets written by hand, the network against NumPy, and all of it on a task."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup.zoo import datasets, recipes, runs
from keras_mixup.zoo import recipe as recipe_module
from keras_mixup.zoo.datasets import graphs
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.networks.gin import LAYERS, gin

RECIPE = recipes.get("graphs")

# Graph 1 is the triangle 1, 3, 5 with the leaf 6; graph 2 is the edge 2, 4. One edge is listed once, the others twice.
TINY = {
    "A": "1, 3\n3, 1\n3, 5\n5, 3\n1, 5\n5, 1\n5, 6\n2, 4\n4, 2\n",
    "graph_indicator": "1\n2\n1\n2\n1\n1\n",
    "graph_labels": "1\n-1\n",
    "node_labels": "7\n2\n2\n2\n9\n7\n",
}


def write(folder, files, name="TINY"):
    (folder / name).mkdir()
    for content, text in files.items():
        if text is not None:
            (folder / name / f"{name}_{content}.txt").write_text(text)
    return folder


def neighbours(edges):
    """Of one graph the pairs that are stored, as a sorted list."""
    return sorted(map(tuple, edges[edges[:, 0] > 0].tolist()))


def test_a_set_is_read_as_it_was_written(tmp_path):
    found = graphs.read(write(tmp_path, TINY), "TINY")
    assert found.classes == ("-1", "1") and found.labels.tolist() == [1, 0]
    assert found.width == 3
    assert found.nodes.tolist() == [[2, 1, 3, 2], [1, 1, 0, 0]]
    assert neighbours(found.edges[0]) == [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2), (3, 4), (4, 3)]
    assert neighbours(found.edges[1]) == [(1, 2), (2, 1)]


def test_without_labels_the_number_of_neighbours_is_the_feature(tmp_path):
    found = graphs.read(write(tmp_path, {**TINY, "node_labels": None}), "TINY")
    assert found.width == 3  # nodes with 1, 2 and 3 neighbours
    assert found.nodes.tolist() == [[2, 2, 3, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"A": None},
            "{folder}/TINY_A.txt is not there. Unpack TINY.zip of https://chrsmrrs.github.io/datasets in DIR ",
        ),
        ({"graph_labels": " \n"}, "{folder}/TINY_graph_labels.txt should not be empty."),
        ({"graph_labels": "1\n1\n"}, "TINY should have two classes or more. Received: only class 1."),
        ({"graph_labels": "a\n1\n"}, "{folder}/TINY_graph_labels.txt should hold one integer in each line. Received: "),
        ({"A": "1 3\n"}, "{folder}/TINY_A.txt should hold 2 integers in each line. Received: "),
        ({"A": "1\n3\n"}, "{folder}/TINY_A.txt should hold 2 integers in each line. Received: '1' in the first."),
        (
            {"graph_indicator": "1\n1\n1\n3\n1\n1\n"},
            "TINY_graph_indicator.txt should name each of the 2 graphs of TINY_graph_labels.txt, and no others. "
            "Received: graph 2 in only one of them.",
        ),
        (
            {"A": "1, 3\n0, 3\n"},
            "The edges of TINY_A.txt should join nodes that have a number from 1 to 6. Received: 0, 3.",
        ),
        (
            {"A": "1, 3\n7, 3\n"},
            "The edges of TINY_A.txt should join nodes that have a number from 1 to 6. Received: 7, 3.",
        ),
        ({"A": "1, 3\n1, 4\n"}, "The edges of TINY_A.txt should join nodes of the same graph. Received: 1, 4."),
        (
            {"node_labels": "1\n2\n"},
            "TINY_node_labels.txt should have a line for each of the 6 nodes of TINY_graph_indicator.txt. Received: 2 ",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path, changed, message):
    write(tmp_path, {**TINY, **changed})
    with pytest.raises(UserError) as error:
        graphs.read(tmp_path, "TINY")
    assert str(error.value).startswith(message.format(folder=tmp_path / "TINY"))


def test_without_a_folder_the_user_hears_where_to_get_it():
    with pytest.raises(UserError, match=r"^MUTAG is not there\. Unpack MUTAG\.zip of .* and give `--data-dir DIR`\.$"):
        datasets.get("mutag").load(0, 0, None)


def test_matrices_hold_the_edges_and_nothing_else(tmp_path):
    found = graphs.read(write(tmp_path, TINY), "TINY")
    batch = {"nodes": tf.constant(found.nodes), "edges": tf.constant(found.edges)}
    expected = np.zeros((2, 4, 4), "float32")
    for a, b in ((1, 2), (2, 3), (1, 3), (3, 4)):
        expected[0, a - 1, b - 1] = expected[0, b - 1, a - 1] = 1
    expected[1, 0, 1] = expected[1, 1, 0] = 1
    got = graphs.matrices(batch, found.width)
    np.testing.assert_array_equal(got["adjacency"], expected)
    np.testing.assert_array_equal(got["nodes"][0], np.eye(3)[[1, 0, 2, 1]])
    np.testing.assert_array_equal(got["nodes"][1], [[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_matrices_are_a_multiple_of_16_large_but_no_larger_than_the_largest_graph_of_all():
    nodes = np.arange(35) < np.array([[5], [17], [16], [35]])
    batch = {"nodes": tf.constant(nodes, "int32"), "edges": tf.constant([[[5, 4]], [[3, 17]], [[16, 1]], [[35, 2]]])}
    for graph, rows in enumerate((16, 32, 16, 35)):
        got = graphs.matrices({name: value[graph : graph + 1] for name, value in batch.items()}, 1)
        assert got["adjacency"].shape == (1, rows, rows)
        np.testing.assert_array_equal(got["nodes"][0, :, 0], nodes[graph, :rows])
        assert np.argwhere(got["adjacency"][0]).tolist() == [(batch["edges"][graph, 0].numpy() - 1).tolist()]


def chorded_circles(size, random):
    """TU files of circles with a chord, which makes a triangle (class 1) or a square (class 0); degrees do not tell."""
    edges, owners, labels = [], [], []
    for graph in range(size):
        label, nodes = int(random.integers(2)), int(random.integers(7, 12))
        circle = random.permutation(nodes) + len(owners) + 1
        edges += [(circle[i], circle[i - 1]) for i in range(nodes)] + [(circle[0], circle[2 if label else 3])]
        owners += [graph + 1] * nodes
        labels.append(label)
    return {
        "A": "".join(f"{a}, {b}\n{b}, {a}\n" for a, b in edges),
        "graph_indicator": "".join(f"{owner}\n" for owner in owners),
        "graph_labels": "".join(f"{label}\n" for label in labels),
    }


@pytest.fixture(scope="module")
def circles(tmp_path_factory):
    """A data directory with the set CIRCLES of 200 graphs."""
    return write(tmp_path_factory.mktemp("tu"), chorded_circles(200, np.random.default_rng(0)), "CIRCLES")


def test_ten_folds_test_each_graph_once(circles):
    everything = graphs.read(circles, "CIRCLES")
    seen = []
    for seed in range(10):
        train, test = graphs.load("CIRCLES", 0, seed, circles)
        assert len(train) + len(test) == 200
        # Stratified: the classes are in each fold as they are in all.
        assert abs(test.labels.mean() - everything.labels.mean()) < 0.05
        contents = [{edges.tobytes() for edges in split.features["edges"]} for split in (train, test)]
        assert contents[0].isdisjoint(contents[1])
        seen += [edges.tobytes() for edges in test.features["edges"]]
    assert sorted(seen) == sorted(edges.tobytes() for edges in everything.edges)


def test_part_of_the_training_folds_can_be_drawn(circles):
    train, test = graphs.load("CIRCLES", 50, 3, circles)
    everything, same_test = graphs.load("CIRCLES", 0, 3, circles)
    assert len(train) == 50 and np.array_equal(test.labels, same_test.labels)
    assert {x.tobytes() for x in train.features["edges"]} < {x.tobytes() for x in everything.features["edges"]}


@pytest.mark.parametrize(
    ("train_size", "seed", "message"),
    [
        (181, 0, "`train_size` should be at most 180 for CIRCLES, or 0 for all. Received: train_size=181."),
        (0, 10, "`seeds` should be at most 10, the number of folds of CIRCLES. Received: seed=10."),
    ],
)
def test_impossible_folds_are_refused(circles, train_size, seed, message):
    with pytest.raises(UserError) as error:
        graphs.load("CIRCLES", train_size, seed, circles)
    assert str(error.value) == message


def test_too_few_graphs_for_ten_folds_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"^TINY should have 10 graphs of each class, .* Received: 1 of one\.$"):
        graphs.load("TINY", 0, 0, write(tmp_path, TINY))


def made_up(random, rows=7, width=3):
    """A padded batch of three graphs with 5, 7 and 2 nodes, and where the nodes are."""
    real = np.arange(rows) < np.array([5, 7, 2])[:, None]
    nodes = np.eye(width, dtype="float32")[random.integers(width, size=(3, rows))] * real[..., None]
    upper = np.triu(random.random((3, rows, rows)) < 0.5, 1)
    adjacency = (upper | upper.transpose(0, 2, 1)) & real[:, :, None] & real[:, None, :]
    return {"nodes": nodes, "adjacency": adjacency.astype("float32")}, real


def trained_like(network, random):
    """Give a network weights and statistics that no layer leaves unused."""
    for weights in network.weights:
        draw = random.normal(scale=0.5, size=weights.shape)
        weights.assign(np.abs(draw) + 0.5 if "variance" in weights.name else draw)
    return network


def in_numpy(network, batch, real, training):
    """The logits by the formulas: graphs side by side without padding, sums over neighbours one by one."""

    def weights(name):
        return [np.asarray(w, "float64") for w in network.get_layer(name).get_weights()]

    def dense(h, name):
        kernel, bias = weights(name)
        return h @ kernel + bias

    def normalised(h, name):
        gamma, beta, mean, variance = weights(name)
        if training:
            mean, variance = h.mean(axis=0), h.var(axis=0)
        return np.maximum((h - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)

    owner, place = np.nonzero(real)
    h = batch["nodes"][real].astype("float64")
    layers = [h]
    for k in range(1, LAYERS):
        total = h.copy()
        for v in range(len(h)):
            for u in range(len(h)):
                if owner[u] == owner[v] and batch["adjacency"][owner[v], place[v], place[u]]:
                    total[v] += h[u]
        h = normalised(dense(total, f"layer{k}_dense1"), f"layer{k}_norm1")
        h = normalised(dense(h, f"layer{k}_dense2"), f"layer{k}_norm2")
        layers.append(h)
    readout = [np.concatenate([h[owner == graph].sum(axis=0) for h in layers]) for graph in range(len(real))]
    return dense(np.maximum(dense(np.stack(readout), "head"), 0), "logits")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    shape = {"nodes": (None, 3), "adjacency": (None, None)}
    return trained_like(gin(shape, 4, width=5), np.random.default_rng(1))


def test_what_is_mixed_is_the_sums_over_all_five_layers(network):
    assert network.get_layer(RECIPE.at).output.shape == (None, 3 + 4 * 5)


@pytest.mark.parametrize("training", [False, True])
def test_gin_is_what_the_formulas_say(network, training):
    batch, real = made_up(np.random.default_rng(2))
    before = network.get_weights()
    logits = keras.ops.convert_to_numpy(network(batch, training=training))
    network.set_weights(before)  # training moves the statistics
    np.testing.assert_allclose(logits, in_numpy(network, batch, real, training), rtol=1e-4)


def test_the_moving_statistics_are_those_of_real_nodes(network):
    batch, real = made_up(np.random.default_rng(2))
    before = network.get_weights()
    network(batch, training=True)
    _, _, mean, _ = network.get_layer("layer1_norm1").get_weights()
    network.set_weights(before)
    kernel, bias, *_ = network.get_layer("layer1_dense1").get_weights()
    _, _, old, _ = network.get_layer("layer1_norm1").get_weights()
    h = ((batch["nodes"] + batch["adjacency"] @ batch["nodes"]) @ kernel + bias)[real]
    np.testing.assert_allclose(mean, 0.9 * old + 0.1 * h.mean(axis=0), rtol=1e-4)


def test_gin_sees_neither_padding_nor_the_order_of_nodes(network):
    batch, _ = made_up(np.random.default_rng(3))
    logits = keras.ops.convert_to_numpy(network(batch))
    order = np.random.default_rng(4).permutation(7)
    shuffled = {"nodes": batch["nodes"][:, order], "adjacency": batch["adjacency"][:, order][:, :, order]}
    np.testing.assert_allclose(network(shuffled), logits, rtol=1e-4)
    padded = {
        "nodes": np.pad(batch["nodes"], ((0, 0), (0, 6), (0, 0))),
        "adjacency": np.pad(batch["adjacency"], ((0, 0), (0, 6), (0, 6))),
    }
    np.testing.assert_allclose(network(padded), logits, rtol=1e-4)
    alone = {name: value[2:, :2, ...] for name, value in batch.items()}
    alone["adjacency"] = alone["adjacency"][:, :, :2]
    np.testing.assert_allclose(network(alone), logits[2:], rtol=1e-4)


@pytest.fixture
def circles_known(monkeypatch):
    """CIRCLES as one of the zoo's data sets."""
    monkeypatch.setitem(datasets._SOURCES, "circles", graphs.source("CIRCLES"))
    monkeypatch.setattr(recipe_module, "check", lambda recipe: None)


def row_on_circles(name):
    """A row of MUTAG on CIRCLES instead."""
    row = next(row for row in RECIPE.rows if row.name == f"mutag-{name}")
    return dataclasses.replace(row, settings={"dataset": "circles"})


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("erm", "mixup")), "mixupe"])
def test_every_method_learns_to_see_triangles(circles, circles_known, tmp_path, name):
    row = row_on_circles(name)
    recipe = dataclasses.replace(
        RECIPE, rows=(row,), epochs=20, milestones=(10, 15), batch_size=30, dropout=0.0, score="last"
    )
    result = runs.run(recipe, row, 0, runs.load(recipe, row, 0, circles), tmp_path)
    assert result["error"] <= 10  # of 20 graphs; chance is 50


def test_generated_graphs_are_stored_as_those_that_are_read():
    source = datasets.get("imdb_multi")
    split = source.generate(9, np.random.default_rng(0))
    assert len(split) == 9 and split.labels.max() < len(source.classes)
    features = source.features({name: tf.constant(value) for name, value in split.features.items()})
    sizes = np.asarray(features["nodes"]).sum(axis=(1, 2))
    assert features["nodes"].shape[2] == source.shape["nodes"][1] and 3 <= sizes.min() < sizes.max() <= 8
    # Circles: every node has two neighbours.
    np.testing.assert_array_equal(np.asarray(features["adjacency"]).sum(axis=(1, 2)), 2 * sizes)


def test_the_table_is_complete():
    assert len(RECIPE.rows) == 24
    assert {row.settings["dataset"] for row in RECIPE.rows} == set(graphs.SOURCES)
    published = {row.name: row.published for row in RECIPE.rows}
    assert {name for name, one in published.items() if one is None} == {
        f"{dataset}-mixupe-0" for dataset in graphs.SOURCES
    }
    assert all(one.tag == "verified" for one in published.values() if one)
