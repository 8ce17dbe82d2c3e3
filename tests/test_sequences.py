"""Sequences of different length and ids: padding masks go with the mix, and ids are mixed where they are vectors."""

import re

import keras
import numpy as np
import pytest
from contract import BACKEND, METHOD_DOORS, ON_TENSORFLOW, FixedWeights, features, to_numpy
from reference import mix_rows

from keras_mixup import CutMix, DMixup, Draw, ManifoldMixup, Mixup, MixupE, MixupModel, RegMixup, Remix, check_mixed
from keras_mixup.batch import Batch, mix_batch
from keras_mixup.mixing import unite

SIZE, LENGTH, WORDS, WIDTH, CLASSES = 6, 5, 9, 4, 3
SLOWLY = [False, pytest.param(True, marks=pytest.mark.slow)] if BACKEND != "torch" else [False]  # XLA takes its seconds
WEIGHT = np.array([0.3, 0.9, 1.0, 0.6, 0.0, 0.8], "float32")
ROLL = np.roll(np.arange(SIZE), 1)
FIXED = Mixup(FixedWeights(*WEIGHT), pairing="roll")
LENGTHS = np.array([2, 5, 3, 1, 4, 2])
VALID = np.arange(LENGTH) < LENGTHS[:, None]
TOKENS = np.where(VALID, np.random.default_rng(1).integers(1, WORDS, (SIZE, LENGTH)), 0).astype("int32")
LABELS = np.array([0, 2, 1, 1, 0, 2])
Y = np.eye(CLASSES, dtype="float32")[LABELS]
CROSS_ENTROPY = keras.losses.CategoricalCrossentropy(from_logits=True)
every_door = pytest.mark.parametrize("door", METHOD_DOORS.values(), ids=METHOD_DOORS)


def refuses(message, error=ValueError):
    return pytest.raises(error, match=re.escape(message))


def mixed(rows):
    return mix_rows(rows, WEIGHT, ROLL)


def union(valid, weight=WEIGHT, partner=ROLL):
    """Position by position, in words: valid in the original if that counts, or in the partner if that counts."""
    rows = []
    for i, w in enumerate(weight):
        own, other = valid[i], valid[partner[i]]
        rows.append(own if w == 1 else other if w == 0 else own | other)
    return np.array(rows)


# --- Masks through the doors -----------------------------------------------------------------------------------------


MASKS = {"padding_mask": VALID, "attention_mask": VALID.astype("int32"), "mask": VALID.astype("float32")}


def check_masks(after, sequences):
    np.testing.assert_allclose(after["features"], mixed(sequences), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after["padding_mask"], union(VALID))
    np.testing.assert_array_equal(after["attention_mask"], union(VALID))
    np.testing.assert_allclose(after["mask"], mixed(VALID), rtol=1e-6)
    assert [after[key].dtype for key in MASKS] == ["bool", "int32", "float32"]


@every_door
def test_a_position_counts_if_it_does_in_either_example_and_float_masks_are_mixed(door):
    sequences = features(SIZE, (LENGTH, 2)) * VALID[..., None].astype("float32")
    after, _ = door(({"features": sequences, **MASKS}, Y), FIXED)
    check_masks(after, sequences)
    assert (union(VALID) != VALID).any() and (union(VALID) != VALID | VALID[ROLL]).any()


def test_masks_of_a_dict_batch():
    sequences = features(SIZE, (LENGTH, 2))
    check_masks(METHOD_DOORS["layer"]({"features": sequences, **MASKS, "label": Y}, FIXED), sequences)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
def test_masks_keep_their_dtype(dtype):
    valid = to_numpy(unite(VALID.astype(dtype), Draw(WEIGHT, ROLL)))
    np.testing.assert_array_equal(valid, union(VALID))
    assert valid.dtype == dtype


def test_several_partners_unite_as_many_masks():
    weight = np.array([[0.2, 0.8, 0.0], [0.0, 0.0, 1.0], [0.5, 0.2, 0.3]], "float32")
    partner = np.array([[1, 2], [0, 2], [0, 1]])
    valid = VALID[:3, :4]
    expected = []
    for i in range(3):
        counted = [valid[j] for j, w in zip((i, *partner[i]), weight[i], strict=True) if w > 0]
        expected.append(np.any(counted, axis=0))
    np.testing.assert_array_equal(to_numpy(unite(valid, Draw(weight, partner))), expected)


def test_a_draw_of_other_rows_unites_those():
    draw = Draw(WEIGHT[:2], np.array([3, 0]), original=np.array([5, 4]))
    expected = [VALID[5] | VALID[3], VALID[4] | VALID[0]]
    np.testing.assert_array_equal(to_numpy(unite(VALID, draw)), expected)


def test_a_mask_among_the_targets_is_a_target():
    door = METHOD_DOORS["layer"]
    _, y = door((features(SIZE), {"mask": VALID.astype("float64"), "kind": Y}), FIXED)
    np.testing.assert_allclose(y["mask"], mixed(VALID), rtol=1e-6)
    assert y["mask"].dtype == "float32"


def test_integers_named_mask_might_be_classes():
    with refuses(
        "This mask may be of two kinds. Received: `mask` of dtype int32 and shape (6, 5). If it says which positions "
        "count, cast it to bool or name it `padding_mask`; if it holds class ids, name it `segmentation_mask`, or "
    ):
        METHOD_DOORS["layer"]({"image": features(SIZE), "mask": VALID.astype("int32"), "label": Y}, FIXED)


def test_padding_masks_are_not_cut():
    batch = {"image": features(SIZE, (4, 4, 1)), "padding_mask": VALID, "label": Y}
    with refuses("What cuts images cannot cut padding masks. Received: `padding_mask` of dtype bool and shape (6, 5)."):
        METHOD_DOORS["layer"](batch, CutMix())


def test_the_checker_checks_padding_masks():
    batch = {"features": features(SIZE, (LENGTH, 2)), "padding_mask": VALID, "label": Y}
    after = METHOD_DOORS["layer"](batch, FIXED)
    report = check_mixed(batch, after)
    assert report.ok and not any("padding_mask" in note for note in report.notes)
    report = check_mixed(batch, {**after, "padding_mask": VALID})
    assert [sentence.split(" in ")[0] for sentence in report.problems] == [
        "`padding_mask` is not the union of both examples'"
    ]


# --- Ids -------------------------------------------------------------------------------------------------------------

ADVICE = "`MixupModel(network, at='embedding')` mixes what the layer of that name returns."


@every_door
def test_ids_are_refused_with_advice(door):
    with refuses(f"their average means nothing: mix their embeddings instead. {ADVICE}"):
        door((TOKENS, Y), FIXED)
    with refuses(f"Received: `x['padding_mask']` of dtype bool and shape {VALID.shape}, `x['tokens']` of dtype int32"):
        door(({"tokens": TOKENS, "padding_mask": VALID}, Y), FIXED)


def test_ids_among_other_inputs_pass_and_without_any_get_the_advice():
    with refuses(ADVICE):
        METHOD_DOORS["layer"]({"token_ids": TOKENS, "label": Y}, FIXED)
    with pytest.raises(ValueError) as caught:
        METHOD_DOORS["layer"]({"picture": features(SIZE), "label": Y}, FIXED)
    assert ADVICE not in str(caught.value)


# --- Mixing at a layer: one step against NumPy -----------------------------------------------------------------------


def embedding():
    return keras.layers.Embedding(WORDS, WIDTH, mask_zero=True, name="embedding")


def functional(*layers):
    x = inputs = keras.Input((LENGTH,), dtype="int32")
    for layer in layers:
        x = layer(x, x) if isinstance(layer, keras.layers.MultiHeadAttention) else layer(x)
    return keras.Model(inputs, x)


def sequential(*layers):
    return keras.Sequential([keras.Input((LENGTH,), dtype="int32"), *layers])


def nested(first, *layers):
    """The embedding inside a model inside the model."""
    return functional(functional(first), *layers)


class Subclassed(keras.Model):
    def __init__(self, *layers):
        super().__init__()
        self.chain = list(layers)

    def call(self, x):
        for layer in self.chain:
            x = layer(x)
        return x


KINDS = {"functional": functional, "sequential": sequential, "nested": nested, "subclassed": Subclassed}


def with_weights(network, x=TOKENS):
    network(x)
    generator = np.random.default_rng(4)
    network.set_weights([generator.normal(size=w.shape) for w in network.get_weights()])
    return network


def pooling_network(kind="functional"):
    layers = embedding(), keras.layers.GlobalAveragePooling1D(name="pool"), keras.layers.Dense(CLASSES, name="head")
    return with_weights(KINDS[kind](*layers))


def one_step(network, method=FIXED, at="embedding", jit_compile=False, x=TOKENS, y=Y, **kwargs):
    """What `fit` logs for one batch, and the weights afterwards."""
    model = MixupModel(network, method, at=at, **kwargs)
    model.compile(keras.optimizers.SGD(0.1), CROSS_ENTROPY, jit_compile=jit_compile)
    logs = model.fit(x, y, batch_size=SIZE, shuffle=False, verbose=0).history
    return {key: values[0] for key, values in logs.items()}


def cross_entropy(y, logits):
    logits = logits - logits.max(-1, keepdims=True)
    return -np.mean(np.sum(y * (logits - np.log(np.exp(logits).sum(-1, keepdims=True))), -1))


def pooled(sequences, valid):
    return (sequences * valid[..., None]).sum(1) / valid.sum(1, keepdims=True)


@pytest.mark.parametrize("jit_compile", SLOWLY)
@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_over_words_is_over_the_words_of_both(kind, jit_compile):
    network = pooling_network(kind)
    table, kernel, bias = (w.astype(float) for w in network.get_weights())
    loss = one_step(network, jit_compile=jit_compile)["loss"]

    def expected(valid):
        return cross_entropy(mixed(Y), pooled(mixed(table[TOKENS]), valid) @ kernel + bias)

    assert loss == pytest.approx(expected(union(VALID)), rel=1e-5)
    for wrong in (VALID, VALID[ROLL], VALID & VALID[ROLL], np.ones_like(VALID)):
        assert abs(loss - expected(wrong)) > 1e-3
    # Outside of the step nothing is mixed.
    clean = network.get_weights()
    np.testing.assert_allclose(
        network.predict(TOKENS, verbose=0), pooled(clean[0][TOKENS], VALID) @ clean[1] + clean[2], rtol=1e-4, atol=1e-5
    )


def test_the_gradient_reaches_the_words_of_both():
    """By central differences in the table, through the mix."""
    network = pooling_network()
    table, kernel, bias = (w.astype(float) for w in network.get_weights())
    one_step(network)

    def loss(table):
        return cross_entropy(mixed(Y), pooled(mixed(table[TOKENS]), union(VALID)) @ kernel + bias)

    slope = np.zeros_like(table)
    for index in np.ndindex(table.shape):
        step = np.zeros_like(table)
        step[index] = 1e-6
        slope[index] = (loss(table + step) - loss(table - step)) / 2e-6
    np.testing.assert_allclose(network.get_weights()[0], table - 0.1 * slope, rtol=1e-3, atol=1e-4)
    assert np.abs(slope).max() > 1e-2


def lstm(sequences, valid, kernel, recurrent, bias):
    """All states of an LSTM that stands still where the mask is False."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    h = c = np.zeros((len(sequences), WIDTH))
    states = []
    for t in range(LENGTH):
        i, f, g, o = np.split(sequences[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c_next = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h_next = sigmoid(o) * np.tanh(c_next)
        h, c = np.where(valid[:, [t]], h_next, h), np.where(valid[:, [t]], c_next, c)
        states.append(h)
    return np.stack(states, 1)


def lstm_network():
    layers = keras.layers.LSTM(WIDTH, return_sequences=True, name="lstm"), keras.layers.GlobalAveragePooling1D()
    return with_weights(functional(embedding(), *layers, keras.layers.Dense(CLASSES)))


@pytest.mark.parametrize("jit_compile", SLOWLY)
@pytest.mark.parametrize("at", ["embedding", "lstm"])
def test_a_recurrent_layer_stands_still_where_neither_has_words(at, jit_compile):
    """Before the mix the masks are those of the originals, behind it they are united."""
    network = lstm_network()
    table, *cell, kernel, bias = (w.astype(float) for w in network.get_weights())
    loss = one_step(network, at=at, jit_compile=jit_compile)["loss"]
    if at == "embedding":
        states = lstm(mixed(table[TOKENS]), union(VALID), *cell)
        wrong = lstm(mixed(table[TOKENS]), VALID, *cell)
    else:
        states = mixed(lstm(table[TOKENS], VALID, *cell))
        wrong = mixed(lstm(table[TOKENS], union(VALID), *cell))
    logits = pooled(states, union(VALID)) @ kernel + bias
    assert loss == pytest.approx(cross_entropy(mixed(Y), logits), rel=1e-4)
    assert abs(loss - cross_entropy(mixed(Y), pooled(wrong, union(VALID)) @ kernel + bias)) > 1e-4


@pytest.mark.parametrize("residual", [False, True])
def test_attention_looks_at_the_words_of_both(residual):
    """Its masks have other names, and a sum behind it computes its own."""
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = embedding()(inputs)
    attention = keras.layers.MultiHeadAttention(1, WIDTH, use_bias=False)(x, x)
    x = keras.layers.Add()([attention, x]) if residual else attention
    network = keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.GlobalAveragePooling1D()(x)))
    table, *projections, kernel, bias = (w.astype(float) for w in with_weights(network).get_weights())
    query, key, value, output = (w.reshape(WIDTH, WIDTH) for w in projections)
    loss = one_step(network)["loss"]

    def expected(valid):
        h = mixed(table[TOKENS])
        scores = (h @ query) @ np.swapaxes(h @ key, 1, 2) / np.sqrt(WIDTH)
        scores = np.exp(np.where(valid[:, None, :], scores, -np.inf))
        attended = scores / scores.sum(-1, keepdims=True) @ (h @ value) @ output
        return cross_entropy(mixed(Y), pooled(attended + residual * h, valid) @ kernel + bias)

    assert loss == pytest.approx(expected(union(VALID)), rel=1e-4)
    assert abs(loss - expected(VALID)) > 1e-3


def test_it_is_manifold_mixup_of_one_place():
    method = ManifoldMixup(("embedding",), FixedWeights(*WEIGHT), include_input=False, pairing="roll")
    assert one_step(pooling_network(), method, at=None) == one_step(pooling_network())


# --- Other methods at a layer ----------------------------------------------------------------------------------------


def logits_of(weights, sequences, valid):
    _, kernel, bias = weights
    return pooled(sequences, valid) @ kernel.astype(float) + bias


@pytest.mark.parametrize("one_pass", [False, True])
def test_mixupe_penalises_the_clean_examples(one_pass):
    network = pooling_network()
    before = network.get_weights()
    table = before[0].astype(float)
    method = MixupE(1.0, eta=0.5, one_pass=one_pass)
    logs = one_step(network, method, seed=3)
    weight, partner = map(to_numpy, method.draw(Batch(SIZE), keras.random.SeedGenerator(3))[:2])
    clean = logits_of(before, table[TOKENS], VALID)
    both = logits_of(before, mix_rows(table[TOKENS], weight, partner), union(VALID, weight, partner))
    p = np.exp(clean) / np.exp(clean).sum(1, keepdims=True)
    assert logs["directional"] == pytest.approx(np.mean(np.abs(np.sum((Y - p) * clean, 1))) / 3, rel=1e-4)
    assert logs["loss"] == pytest.approx(cross_entropy(mix_rows(Y, weight, partner), both), rel=1e-4)
    assert 0.01 < weight[0] < 0.99 and abs(logs["loss"] - cross_entropy(Y, clean)) > 1e-3


@pytest.mark.parametrize("jit_compile", SLOWLY)
def test_mixupe_takes_the_same_step_in_one_pass_and_in_two(jit_compile):
    steps = []
    for one_pass in (False, True):
        network = pooling_network()
        one_step(network, MixupE(1.0, eta=0.5, one_pass=one_pass), seed=3, jit_compile=jit_compile)
        steps.append(network.get_weights())
    for one, two in zip(*steps, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    assert not np.allclose(steps[0][1], pooling_network().get_weights()[1])


def test_regmixup_doubles_what_the_layer_returns():
    network = pooling_network()
    weights = network.get_weights()
    table = weights[0].astype(float)
    clean = logits_of(weights, table[TOKENS], VALID)
    both = logits_of(weights, mixed(table[TOKENS]), union(VALID))
    loss = one_step(network, RegMixup(FixedWeights(*WEIGHT), pairing="roll"))["loss"]
    assert loss == pytest.approx((cross_entropy(Y, clean) + cross_entropy(mixed(Y), both)) / 2, rel=1e-5)


def test_remix_gives_the_targets_their_own_weight():
    network = pooling_network()
    weights = network.get_weights()
    table = weights[0].astype(float)
    counts = np.array([100, 10, 1])
    method = Remix(counts, FixedWeights(*WEIGHT), kappa=3.0, tau=0.7, pairing="roll")
    share = WEIGHT.astype(float)
    ratio = counts[LABELS] / counts[LABELS[ROLL]]
    share = np.where((ratio >= 3) & (WEIGHT < 0.7), 0.0, np.where((ratio <= 1 / 3) & (1 - WEIGHT < 0.7), 1.0, share))
    share = np.where(WEIGHT == 1, 1.0, share)
    logits = logits_of(weights, mixed(table[TOKENS]), union(VALID))
    loss = one_step(network, method, y=LABELS, num_classes=CLASSES)["loss"]
    assert loss == pytest.approx(cross_entropy(mix_rows(Y, share, ROLL), logits), rel=1e-5)
    assert (share != WEIGHT).any()


def test_several_partners_are_mixed_at_a_layer():
    network = pooling_network()
    weights = network.get_weights()
    method = DMixup(partners=2)
    loss = one_step(network, method, seed=3)["loss"]
    weight, partner = map(to_numpy, method.draw(Batch(SIZE), keras.random.SeedGenerator(3))[:2])
    rows = np.stack([np.arange(SIZE), *partner.T], 1)
    sequences = np.einsum("ik,ikld->ild", weight, weights[0][TOKENS][rows].astype(float))
    logits = logits_of(weights, sequences, VALID[rows].any(1))
    assert loss == pytest.approx(cross_entropy(np.einsum("ik,ikc->ic", weight, Y[rows]), logits), rel=1e-4)


# --- Inputs of any form ----------------------------------------------------------------------------------------------


class Graphs(keras.Model):
    """Graphs of different size: rows of nodes, and the number of the graph that each belongs to."""

    def __init__(self):
        super().__init__()
        self.nodes = keras.layers.Dense(WIDTH, "tanh", name="nodes")
        self.readout = keras.layers.Lambda(lambda pair: keras.ops.segment_sum(*pair, SIZE), name="readout")
        self.head = keras.layers.Dense(CLASSES, name="head")

    def call(self, graphs):
        return self.head(self.readout([self.nodes(graphs["nodes"]), graphs["graph"]]))


@pytest.mark.parametrize("method", [Mixup(0.9), MixupE(0.9, one_pass=True)], ids=["mixup", "MixupE"])
def test_graphs_are_mixed_at_their_readout(method):
    graph = np.repeat(np.arange(SIZE), LENGTHS)
    x = {"nodes": features(len(graph), (2,)), "graph": graph.astype("int32")}
    network = Graphs()
    network(x)
    kernel, bias, last_kernel, last_bias = (w.astype(float) for w in network.get_weights())
    model = MixupModel(network, method, at="readout", seed=3)
    model.compile(keras.optimizers.SGD(0.1), CROSS_ENTROPY)
    loss = model.train_on_batch(x, Y)
    weight, partner = map(to_numpy, method.draw(Batch(SIZE), keras.random.SeedGenerator(3))[:2])
    hidden = np.tanh(x["nodes"] @ kernel + bias)
    vectors = np.stack([hidden[graph == i].sum(0) for i in range(SIZE)])
    logits = mix_rows(vectors, weight, partner) @ last_kernel + last_bias
    assert np.ravel(loss)[0] == pytest.approx(cross_entropy(mix_rows(Y, weight, partner), logits), rel=1e-4)


@ON_TENSORFLOW
@pytest.mark.parametrize("form", ["strings", "ragged"])
def test_strings_and_ragged_rows_pass_into_the_network(form):
    import tensorflow as tf

    words = [[f"w{word}" for word in row[:n]] for row, n in zip(TOKENS, LENGTHS, strict=True)]
    table = pooling_network()

    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = table

        def call(self, x):
            if form == "ragged":
                return self.inner(x.to_tensor(shape=(None, LENGTH)))
            numbers = tf.strings.to_number(tf.strings.regex_replace(tf.strings.split(x), "w", ""), tf.int32)
            return self.inner(numbers.to_tensor(shape=(None, LENGTH)))

    x = tf.ragged.constant([list(row[:n]) for row, n in zip(TOKENS, LENGTHS, strict=True)], dtype="int32")
    x = x if form == "ragged" else tf.constant([" ".join(row) for row in words])
    model = MixupModel(Reader(), FIXED, at="embedding")
    model.compile(keras.optimizers.SGD(0.1), CROSS_ENTROPY)
    logs = model.fit(tf.data.Dataset.from_tensor_slices((x, Y)).batch(SIZE), verbose=0).history
    assert logs["loss"][0] == pytest.approx(one_step(pooling_network())["loss"], rel=1e-5)


# --- Masks that go in as inputs --------------------------------------------------------------------------------------


class Reader(keras.Model):
    """Attention of one head, and a mean over the positions that count, as an input says which."""

    def __init__(self, key="padding_mask"):
        super().__init__()
        self.key = key
        self.embedding = keras.layers.Embedding(WORDS, WIDTH, name="embedding")
        self.query, self.key_of, self.value = (keras.layers.Dense(WIDTH, use_bias=False) for _ in range(3))
        self.head = keras.layers.Dense(CLASSES)

    def call(self, x):
        mask, h = keras.ops.cast(x[self.key], "float32"), self.embedding(x["tokens"])
        scores = self.query(h) @ keras.ops.swapaxes(self.key_of(h), 1, 2) - 1e9 * (1.0 - mask[:, None, :])
        h = keras.ops.softmax(scores) @ self.value(h)
        return self.head(keras.ops.sum(h * mask[..., None], 1) / keras.ops.sum(mask, 1, keepdims=True))


def reading(h, valid, query, key, value, kernel, bias):
    scores = np.where(valid[:, None, :], (h @ query) @ np.swapaxes(h @ key, 1, 2), -np.inf)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return pooled(scores / scores.sum(-1, keepdims=True) @ (h @ value), valid) @ kernel + bias


@pytest.mark.parametrize(
    "key, roles", [("padding_mask", None), ("attention_mask", None), ("counts", {"counts": "padding"})]
)
@pytest.mark.parametrize("dtype", ["bool", "int32"])
def test_masks_among_the_inputs_are_united(key, roles, dtype):
    x = {"tokens": TOKENS, key: VALID.astype(dtype)}
    network = Reader(key)
    network(x)
    network.set_weights([np.random.default_rng(4).normal(size=w.shape) for w in network.get_weights()])
    table, *others = (w.astype(float) for w in network.get_weights())
    model = MixupModel(network, FIXED, at="embedding", num_classes=CLASSES, roles=roles)
    model.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    logs = model.fit(x, LABELS, batch_size=SIZE, shuffle=False, validation_data=(x, LABELS), verbose=0).history

    def expected(valid):
        return cross_entropy(mixed(Y), reading(mixed(table[TOKENS]), valid, *others))

    assert logs["loss"][0] == pytest.approx(expected(union(VALID)), rel=1e-4)
    for wrong in (VALID, VALID[ROLL], VALID & VALID[ROLL] | VALID & (LENGTHS[:, None] < 2), np.ones_like(VALID)):
        assert abs(logs["loss"][0] - expected(wrong)) > 1e-3
    assert logs["val_loss"][0] == pytest.approx(cross_entropy(Y, reading(table[TOKENS], VALID, *others)), rel=1e-4)


@pytest.mark.parametrize("one_pass", [False, True])
def test_clean_examples_keep_the_masks_that_went_in(one_pass):
    x = {"tokens": TOKENS, "padding_mask": VALID}
    network = Reader()
    network(x)
    network.set_weights([np.random.default_rng(4).normal(size=w.shape) for w in network.get_weights()])
    table, *others = (w.astype(float) for w in network.get_weights())
    method = MixupE(1.0, eta=0.5, one_pass=one_pass)
    model = MixupModel(network, method, at="embedding", seed=3)
    model.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    logs = model.fit(x, Y, batch_size=SIZE, shuffle=False, verbose=0).history
    weight, partner = map(to_numpy, method.draw(Batch(SIZE), keras.random.SeedGenerator(3))[:2])
    clean = reading(table[TOKENS], VALID, *others)
    both = reading(mix_rows(table[TOKENS], weight, partner), union(VALID, weight, partner), *others)
    p = np.exp(clean) / np.exp(clean).sum(1, keepdims=True)
    assert logs["directional"][0] == pytest.approx(np.mean(np.abs(np.sum((Y - p) * clean, 1))) / 3, rel=1e-4)
    assert logs["loss"][0] == pytest.approx(cross_entropy(mix_rows(Y, weight, partner), both), rel=1e-4)


class Attention(keras.layers.Layer):
    """Attention of one head to the positions that count, without weights."""

    def call(self, h, counts):
        scores = h @ keras.ops.swapaxes(h, 1, 2) - 1e9 * (1.0 - keras.ops.cast(counts, "float32")[:, None, :])
        return keras.ops.softmax(scores) @ h


class Mean(keras.layers.Layer):
    """The mean of the positions that count."""

    def call(self, h, counts):
        counts = keras.ops.cast(counts, "float32")
        return keras.ops.sum(h * counts[..., None], 1) / keras.ops.sum(counts, 1, keepdims=True)


def functional_reader(nested=False):
    """As the networks of KerasHub: a backbone of two inputs, in a task or by itself."""
    tokens, counts = keras.Input((LENGTH,), dtype="int32", name="tokens"), keras.Input((LENGTH,), name="padding_mask")
    inputs = {"tokens": tokens, "padding_mask": counts}
    h = keras.layers.Embedding(WORDS, WIDTH, name="embedding")(tokens)
    h = keras.layers.Identity(name="words")(h)
    h = keras.layers.Identity(name="read")(Attention(name="attention")(h, counts))
    backbone = keras.Model(inputs, {"sequence": h, "vector": Mean(name="mean")(h, counts)})
    if nested:
        inputs = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in inputs.items()}
    vector = (backbone(inputs) if nested else backbone.output)["vector"]
    head = keras.layers.Dense(CLASSES, name="head")(keras.layers.Identity(name="vector")(vector))
    return with_weights(keras.Model(inputs, head), X)


X = {"tokens": TOKENS, "padding_mask": VALID}


def attended(h, valid):
    """Position by position, the oracle of `Attention` and `Mean`."""
    return reading(h, valid, *[np.eye(WIDTH)] * 4, np.zeros(WIDTH))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("at", ["embedding", "words", "mean", "vector", "head"])
def test_each_example_keeps_its_mask_where_vectors_are_mixed(at, nested):
    network = functional_reader(nested)
    table, kernel, bias = (w.astype(float) for w in network.get_weights())
    loss = one_step(network, at=at, x=X)["loss"]
    if at in ("embedding", "words"):
        logits = attended(mixed(table[TOKENS]), union(VALID)) @ kernel + bias
    else:
        logits = mixed(attended(table[TOKENS], VALID) @ kernel + bias)
    assert loss == pytest.approx(cross_entropy(mixed(Y), logits), rel=1e-5)
    other = mixed(attended(table[TOKENS], union(VALID)) @ kernel + bias)
    assert abs(loss - cross_entropy(mixed(Y), other)) > 1e-3


@pytest.mark.parametrize("one_pass", [False, True])
def test_clean_examples_behind_the_masks(one_pass):
    network = functional_reader()
    table, kernel, bias = (w.astype(float) for w in network.get_weights())
    method = MixupE(1.0, eta=0.5, one_pass=one_pass)
    model = MixupModel(network, method, at="vector", seed=3)
    model.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    logs = model.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0).history
    weight, partner = map(to_numpy, method.draw(Batch(SIZE), keras.random.SeedGenerator(3))[:2])
    clean = attended(table[TOKENS], VALID) @ kernel + bias
    p = np.exp(clean) / np.exp(clean).sum(1, keepdims=True)
    assert logs["directional"][0] == pytest.approx(np.mean(np.abs(np.sum((Y - p) * clean, 1))) / 3, rel=1e-4)
    expected = cross_entropy(mix_rows(Y, weight, partner), mix_rows(clean, weight, partner))
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("at", ["attention", "read"])
def test_positions_behind_a_layer_that_looks_at_the_mask_are_refused(at, nested):
    shape = (None, LENGTH, WIDTH)
    with refuses(f"Received: {at!r}, which returns shape {shape} behind a layer that looks at 'padding_mask'."):
        one_step(functional_reader(nested), at=at, x=X)
    with refuses("`layers` should name a layer that comes before all that look at the mask of positions, or one that"):
        one_step(functional_reader(nested), ManifoldMixup((at,), include_input=False), at=None, x=X)


def test_layers_before_and_behind_the_mask_are_not_chosen_among():
    with refuses("there is one mask 'padding_mask' for all. Received: ('words', 'vector')."):
        one_step(functional_reader(), ManifoldMixup(("words", "vector"), include_input=False), at=None, x=X)
    method = ManifoldMixup(("mean", "vector"), FixedWeights(*WEIGHT), pairing="roll", include_input=False)
    network = functional_reader()
    table, kernel, bias = (w.astype(float) for w in network.get_weights())
    logits = mixed(attended(table[TOKENS], VALID) @ kernel + bias)
    assert one_step(network, method, at=None, x=X)["loss"] == pytest.approx(cross_entropy(mixed(Y), logits), rel=1e-5)


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, at, message",
    [
        (0.2, ("embedding",), "`at` should be the name of a layer, as in `layer.name`. Received: at=('embedding',)."),
        (0.2, "nowhere", "`at` should name one layer each. Received: 'nowhere', which fits 0 layers of ['embedding', "),
        (CutMix(), "embedding", "What a layer returns is averaged, not cut: use a method like `Mixup`, or leave out"),
        (ManifoldMixup(("pool",)), "embedding", "`ManifoldMixup` names its layers itself. Received also: at='embeddin"),
        (MixupE(variant="exact"), "embedding", "The exact variants of `MixupE` differentiate at the input."),
    ],
    ids=["not a name", "no layer", "cutting", "manifold", "exact"],
)
def test_what_cannot_be_mixed_at_a_layer(method, at, message):
    with refuses(message):
        MixupModel(pooling_network(), method, at=at)


def test_what_is_not_called_and_what_has_no_targets_is_refused():
    network = Subclassed(embedding(), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(CLASSES))
    network.unused = keras.layers.Dense(2, name="unused")
    with refuses("The network was called, and the layer 'unused' in it was not, so its output cannot be mixed."):
        one_step(network, at="unused")
    network = pooling_network()
    with refuses("in it was not, so its output cannot be mixed."):
        one_step(network, at=network.layers[0].name)  # the input
    for batch in (TOKENS, (TOKENS,), {"tokens": TOKENS, "label": Y}):
        with refuses("Nothing to mix: what a layer returns is mixed together with the targets, so give batches `(x, y"):
            mix_batch(batch, FIXED, seed=1, inputs=False)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow's steps do not know how many rows they get")
def test_a_layer_returns_a_row_for_each_example():
    graphs = {"nodes": features(9, (2,)), "graph": np.arange(9, dtype="int32") % SIZE}
    network = Graphs()
    network(graphs)
    model = MixupModel(network, FIXED, at="nodes")
    model.compile("sgd", CROSS_ENTROPY)
    with refuses("should return a row for each example. Received: 'nodes', which returns shape (9, 4) for 6 examples."):
        model.train_on_batch(graphs, Y)


# --- A life ----------------------------------------------------------------------------------------------------------


def test_a_model_is_saved_and_still_mixes_there(tmp_path):
    model = MixupModel(pooling_network(), 2.0, at="embedding", seed=1)
    model.compile("sgd", CROSS_ENTROPY)
    model.fit(TOKENS, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.at == "embedding"
    kwargs = {"batch_size": 3, "shuffle": False, "verbose": 0, "epochs": 2}
    np.testing.assert_allclose(
        again.fit(TOKENS, Y, **kwargs).history["loss"], model.fit(TOKENS, Y, **kwargs).history["loss"], rtol=1e-5
    )


def test_a_text_classifier_learns():
    """Made-up sentences of 2 to 8 words: the class is the one whose words are the majority."""
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 3, 600)
    sentences = np.zeros((600, 8), "int32")
    for sentence, label, length in zip(sentences, labels, generator.integers(2, 9, 600), strict=True):
        family = np.where(generator.random(length) < 0.8, label, generator.integers(0, 3, length))
        sentence[:length] = 1 + 10 * family + generator.integers(0, 10, length)
    majority = np.stack([np.sum((sentences > 10 * k) & (sentences <= 10 * k + 10), 1) for k in range(3)], 1)
    keep = majority.argmax(1) == labels
    sentences, labels = sentences[keep], labels[keep]
    network = keras.Sequential(
        [
            keras.layers.Embedding(31, 8, mask_zero=True, name="embedding"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(3),
        ]
    )
    model = MixupModel(network, 0.4, at="embedding", num_classes=3, seed=1)
    model.compile(keras.optimizers.Adam(0.05), CROSS_ENTROPY, metrics=["accuracy"])
    model.fit(sentences[100:], labels[100:], batch_size=50, epochs=8, verbose=0)
    assert model.evaluate(sentences[:100], labels[:100], verbose=0)[1] > 0.93
