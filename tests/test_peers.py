"""Methods against the laws of other libraries, and the libraries themselves where they are installed."""

import pathlib
import re

import keras
import numpy as np
import pytest
from contract import ON_TENSORFLOW
from peers import IMAGE_SIZE, ROWS, SIZE, Row, Seen, evaluate, mirrored, previous, simulate, statistics, table
from scipy import stats

from keras_mixup import Batch, Choice, CutMix, DMixup, FMix, ManifoldMixup, Mixup, MixupE, RegMixup, Remix, ResizeMix

FAILURE = 1e-9  # the probability that a test of randomness fails by chance
BATCHES = 4000
METHODS = [Mixup, CutMix, ResizeMix, FMix, RegMixup, DMixup, Remix, ManifoldMixup, MixupE, Choice]


def made(method):
    return {
        Remix: lambda: Remix((9, 1)),
        Choice: lambda: Choice((Mixup(),)),
        ManifoldMixup: lambda: ManifoldMixup(("a",)),
    }.get(method, method)()


def drawn(method, batches=BATCHES):
    """What comes of a method, in one compiled loop over many seeds."""
    import tensorflow as tf

    def one(seed):
        draw = method.draw(Batch(SIZE, image_size=IMAGE_SIZE), seed)
        label = draw.for_targets.weight
        box = tf.zeros((SIZE, 4), tf.int32) if draw.box is None else draw.box + tf.zeros((SIZE, 1), tf.int32)
        return label, draw.partner, box

    @tf.function(jit_compile=True)
    def several(seeds):
        return tf.map_fn(one, seeds, fn_output_signature=(tf.float32, tf.int32, tf.int32))

    seeds = np.random.default_rng(7).integers(2**31, size=(batches, 2))
    label, partner, box = (part.numpy() for part in several(tf.constant(seeds, tf.int32)))
    return Seen(label, label, partner, box)


def differences(one, other):
    """The statistics by which two samples can be told apart: Kolmogorov-Smirnov, each by chance at 1e-9."""
    one, other = statistics(one), statistics(other)
    return {name for name in one if stats.ks_2samp(one[name], other[name], method="asymp").pvalue < FAILURE}


@pytest.mark.slow
@ON_TENSORFLOW
@pytest.mark.parametrize("row", [row for row in ROWS if row.law is not None], ids=lambda row: row.there)
def test_a_row_of_the_table_follows_the_law_of_the_other_library(row):
    law = simulate(np.random.default_rng(3), 4 * BATCHES, **row.law)
    found = differences(drawn(evaluate(row.here)), law)
    assert set(row.but) <= found, f"{row.but} should differ"
    allowed = {"differences within a batch", "boxes of two rows"} if "share of pixels" in row.but else set()
    edges = {"top", "left", "bottom", "right", "cut rows", "unmixed rows"} if "share of pixels" in row.but else set()
    assert found <= set(row.but) | allowed | edges, found - set(row.but)


@pytest.mark.slow
@ON_TENSORFLOW
@pytest.mark.parametrize(
    "wrong, law, found",
    [
        # The former rows of the table.
        (
            "Choice((CutMix(1.0), Mixup(1.0)))",
            dict(mixup=1.0, cutmix=1.0, weights="batch", pairing=previous),
            {"differences within a batch", "partner of the first", "rows that meet themselves"},
        ),
        ("CutMix(1.0)", dict(cutmix=1.0, inside=True), {"label", "share of pixels", "top", "left"}),
        ("CutMix(minmax=(0.2, 0.8))", dict(cutmix=1.0), {"share of pixels"}),
        ("Mixup(0.4)", dict(mixup=0.4, folded=True), {"label"}),
        ("Mixup(0.8, probability=0.5)", dict(mixup=0.8, coin=0.5), {"unmixed rows"}),
        ('Mixup(0.2, pairing="derangement")', dict(mixup=0.2), {"rows that meet themselves"}),
        ("Mixup(0.3)", dict(mixup=0.2), {"label"}),
        ('Choice((Mixup(0.8), CutMix(1.0)), per="example")', dict(mixup=0.8, cutmix=1.0), {"cut rows"}),
    ],
)
def test_what_is_not_the_law_is_found(wrong, law, found):
    law = simulate(np.random.default_rng(3), 4 * BATCHES, **law)
    assert found <= differences(drawn(evaluate(wrong)), law)


def test_labels_that_are_counted_before_clipping_are_wrong_in_most_cut_rows():
    """As KerasCV and TF Model Garden do."""
    seen = simulate(np.random.default_rng(3), BATCHES, cutmix=1.0, counted="before clipping")
    wrong = (abs(seen.label - seen.pixels) > 0.05).mean()
    assert 0.6 < wrong < 0.75, wrong


def test_smoothing_before_mixing_is_smoothing_in_the_loss():
    """What timm's and TF Model Garden's `label_smoothing` does belongs to Keras' loss."""
    rows, partner, weight = np.eye(5)[[0, 3, 3]], [2, 0, 1], np.array([[0.3], [0.9], [0.6]])
    smooth = 0.9 * rows + 0.1 / 5
    mixed_after = weight * smooth + (1 - weight) * smooth[partner]
    mixed_before = weight * rows + (1 - weight) * rows[partner]
    predicted = np.random.default_rng(1).dirichlet(np.ones(5), 3)
    plain = keras.losses.CategoricalCrossentropy()(mixed_after, predicted)
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)(mixed_before, predicted)
    np.testing.assert_allclose(float(plain), float(smoothed), rtol=1e-6)


def test_the_two_rows_without_a_draw():
    """timm mixes nothing from epoch 290 on, and takes a target of more than the threshold for 1."""
    code = {row.there: row.here for row in ROWS if row.law is None}
    method, schedule = evaluate(code.pop("`timm` `--mixup-off-epoch 290` of 300 epochs"))
    assert method.alpha is schedule.adjustable
    assert [schedule.schedule(epoch) for epoch in (0, 289, 290, 299)] == [0.8, 0.8, 0.0, 0.0]
    loss = evaluate(code.pop("`timm` `--bce-target-thresh 0.2`"))
    target, share = np.array([[0.19, 0.21, 0.0, 0.6]]), np.array([[0.3, 0.6, 0.1, 0.8]])
    expected = -np.log([0.7, 0.6, 0.9, 0.8]).mean()
    np.testing.assert_allclose(float(loss(target, np.log(share / (1 - share)))), expected, rtol=1e-5)
    assert not code


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.there)
def test_the_code_of_a_row_runs(row):
    assert isinstance(row, Row)
    assert evaluate(row.here) is not None


def test_the_guide_shows_the_table():
    guide = pathlib.Path(__file__).parents[1] / "keras_mixup" / "guides" / "migration.md"
    assert table() in guide.read_text(encoding="utf-8"), "paste `peers.table()`"
    lines = table().splitlines()
    assert len(lines) == len(ROWS) + 2
    assert all(re.fullmatch(r"\|[^|]+\|[^|]+\|[^|]+\|", line) for line in lines)


# --- The libraries themselves ---------------------------------------------------------------------------------------


def seen_through(door, batches, image_size):
    """What a door `(images, one_hot) -> (images, rows)` does, read back from its results.

    Each image is 1 in a channel of its own.
    """
    parts = []
    images = np.zeros((SIZE, *image_size, SIZE), "float32")
    images[np.arange(SIZE), ..., np.arange(SIZE)] = 1.0
    for _ in range(batches):
        mixed, rows = door(images, np.eye(SIZE, dtype="float32"))
        own = mixed[np.arange(SIZE), ..., np.arange(SIZE)]
        others = rows * (1 - np.eye(SIZE))
        partner = np.where(others.max(1) > 1e-6, others.argmax(1), np.arange(SIZE))
        box = np.zeros((SIZE, 4), int)
        for i, picture in enumerate(own):
            gone = picture < 0.5
            if set(np.unique(picture)) == {0.0, 1.0} or not picture.any():
                down, across = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
                box[i] = down[0], across[0], down[-1] + 1, across[-1] + 1
        parts.append(Seen(np.diagonal(rows), own.mean((1, 2)), partner, box))
    return Seen(*map(np.stack, zip(*parts, strict=True)))


def as_read_back(seen):
    """Rows that are not mixed, or with themselves, look alike; that a side was rounded down is not to be seen."""
    alone = (seen.partner == np.arange(SIZE)) | (seen.label > 1 - 1e-6)
    label, pixels, partner = (
        np.where(alone, same, part)
        for part, same in (
            (seen.label, 1.0),
            (np.round(seen.pixels.astype(float), 1), 1.0),
            (seen.partner, np.arange(SIZE)),
        )
    )
    return Seen(label, pixels, partner, np.where(alone[..., None], 0, seen.box))


def agree(seen, law, names):
    law = simulate(np.random.default_rng(3), 20 * len(seen.label), **law)
    one, other = statistics(as_read_back(seen)), statistics(as_read_back(law))
    for name in names:
        assert stats.ks_2samp(one[name], other[name], method="asymp").pvalue > FAILURE, name


def through_keras(layer):
    def door(images, rows):
        mixed = layer({"images": images, "labels": rows}, training=True)
        return np.array(mixed["images"]), np.array(mixed["labels"])

    return door


ALWAYS = ("share of pixels", "differences within a batch")


@pytest.mark.slow
def test_the_law_of_keras_mixup_is_that_of_keras():
    seen = seen_through(through_keras(keras.layers.MixUp(0.2, seed=1)), 500, (2, 2))
    agree(seen, dict(mixup=0.2), ("label", *ALWAYS, "partner of the first"))


@pytest.mark.slow
@pytest.mark.parametrize("factor, any_alpha", [((1.0, 1.0), False), (1.0, True)])
def test_the_law_of_keras_cutmix_is_that_of_keras(factor, any_alpha):
    seen = seen_through(through_keras(keras.layers.CutMix(factor, seed=1)), 500, (96, 72))
    law = dict(cutmix=1.0, inside=True, any_alpha=any_alpha)
    agree(seen, law, ("label", *ALWAYS))
    assert abs((1 - seen.pixels).mean() - 0.5 * (1 - 1 / SIZE)) < 0.06  # a row in six meets itself


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["MixUp", "CutMix", "RandomChoice"])
def test_the_laws_of_torchvision_are_those_of_torchvision(kind):
    torch, v2 = pytest.importorskip("torch"), pytest.importorskip("torchvision.transforms.v2")
    torch.manual_seed(1)
    mixup, cutmix = v2.MixUp(alpha=1.0, num_classes=SIZE), v2.CutMix(alpha=1.0, num_classes=SIZE)
    layer = {"MixUp": mixup, "CutMix": cutmix, "RandomChoice": v2.RandomChoice([cutmix, mixup])}[kind]

    def door(images, rows):
        mixed, rows = layer(torch.tensor(images.transpose(0, 3, 1, 2)), torch.arange(SIZE))
        return mixed.numpy().transpose(0, 2, 3, 1), rows.numpy()

    law = dict(weights="batch", pairing=previous)
    law |= dict(mixup=1.0) if kind != "CutMix" else {}
    law |= dict(cutmix=1.0) if kind != "MixUp" else {}
    seen = seen_through(door, 500, (96, 72))
    agree(seen, law, ("label", *ALWAYS))
    mixed = seen.label < 1
    assert np.all((seen.partner == np.roll(np.arange(SIZE), 1))[mixed])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batch", "elem"])
def test_the_laws_of_timm_are_those_of_timm(mode):
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm.data")
    np.random.seed(1)
    layer = timm.Mixup(0.8, 1.0, switch_prob=0.5, mode=mode, label_smoothing=0.0, num_classes=SIZE)

    def door(images, rows):
        mixed, rows = layer(torch.tensor(images.transpose(0, 3, 1, 2)), torch.arange(SIZE))
        return mixed.numpy().transpose(0, 2, 3, 1), rows.numpy()

    seen = seen_through(door, 500, (96, 72))
    law = dict(mixup=0.8, cutmix=1.0, pairing=mirrored)
    agree(seen, law | (dict(weights="batch") if mode == "batch" else dict(switch="example")), ("label", *ALWAYS))
    mixed = seen.label < 1 - 1e-6
    assert np.all((seen.partner == np.arange(SIZE)[::-1])[mixed])


# --- Spellings of earlier versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "old, cure",
    [
        (lambda: Mixup(0.2, "batch"), "`Mixup(..., per='batch')`"),
        (lambda: Mixup(0.2, "batch", "roll", 0.5), "`Mixup(..., per='batch', pairing='roll', probability=0.5)`"),
        (lambda: CutMix(1.0, None, False, "batch"), "`CutMix(..., per='batch')`"),
        (lambda: ResizeMix((0.1, 0.8), "batch"), "`ResizeMix(..., per='batch')`"),
        (lambda: Choice((Mixup(),), None, "example"), "`Choice(..., per='example')`"),
    ],
)
def test_more_arguments_by_position_are_refused_in_words(old, cure):
    with pytest.raises(TypeError, match=re.escape(cure)):
        old()


def test_what_stands_where_inside_does_is_refused_in_words():
    """`CutMix(alpha, minmax, per)` was what `CutMix(alpha, minmax, inside)` is."""
    with pytest.raises(ValueError, match="`inside` should be.*inside='batch'"):
        CutMix(1.0, None, "batch")


@pytest.mark.parametrize("method", METHODS)
def test_a_size_in_place_of_a_batch_is_refused_in_words(method):
    words = re.escape("`draw` takes a `Batch`: `draw(Batch(size=8), seed)`, with `targets=` and `image_size=` where")
    for old in (lambda draw: draw(8, seed=1), lambda draw: draw(8, 1), lambda draw: draw(size=8, seed=1)):
        with pytest.raises(TypeError, match=words):
            old(made(method).draw)
    with pytest.raises(TypeError, match="seed"):
        made(method).draw(Batch(8))
