"""The rest of the family: choices, several partners, label weights of their own, schedules and pairs."""

import re

import keras
import numpy as np
import pytest
from contract import (
    BACKEND,
    METHOD_DOORS,
    ON_TENSORFLOW,
    SEED,
    AnyInput,
    FixedWeights,
    assert_mixed,
    assert_same_bits,
    features,
    method_through_function,
    method_through_function_of_tensors,
    one_hot,
    read_draw,
    to_numpy,
)
from reference import mix_rows
from scipy import stats

from keras_mixup import (
    Adjustable,
    Batch,
    Choice,
    CutMix,
    DMixup,
    FMix,
    LabelDistance,
    MixLayer,
    Mixup,
    MixupE,
    MixupModel,
    PairLoss,
    RegMixup,
    Remix,
    ResizeMix,
    Schedule,
    c_mixup,
    mix_with,
    off_epochs,
    without_hesitation,
)
from keras_mixup.pairing import _sample_rows

FAILURE = 1e-9  # the probability that a test of randomness fails by chance
QUICK = {name: door for name, door in METHOD_DOORS.items() if name != "layer under XLA"}
JIT = [False, True] if BACKEND != "torch" else [False]
at_every_door = pytest.mark.parametrize("door", METHOD_DOORS.values(), ids=METHOD_DOORS)
at_every_quick_door = pytest.mark.parametrize("door", QUICK.values(), ids=QUICK)
DEIT = Choice((Mixup(0.8), CutMix(1.0)))


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def drawn(method, size, seed=SEED, **kwargs):
    draw = method.draw(Batch(size, **kwargs), seed)
    return draw._replace(**{name: to_numpy(part) for name, part in draw._asdict().items() if part is not None})


def cross_entropies(y, logits):
    logits = np.asarray(logits, float)
    shifted = logits - logits.max(-1, keepdims=True)
    return -np.sum(y * (shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))), -1)


# --- Choice ---------------------------------------------------------------------------------------------------------

# Mixup keeps 0.3 of everything, ResizeMix everything but a window, and CutMix with 0 keeps a corner at most three
# quarters: the three can be told apart by the draw.
THREE = (Mixup(FixedWeights(0.3)), CutMix(FixedWeights(0.6)), ResizeMix((0.5, 0.5)))


def kind_of(draw):
    """0 mixup, 1 CutMix, 2 ResizeMix; or FMix, which cuts no box."""
    window = draw.window == np.array([0, 0, 12, 16])
    return np.where(draw.weight < 1, 0, np.where(window.all(1), 1, 2))


@pytest.mark.parametrize("probabilities", [None, (0.2, 0.5, 0.3), (0.0, 1.0, 0.0), (0.1, 0.0, 0.9)])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_methods_are_chosen_as_often_as_asked(per, probabilities):
    """Chi-squared over 3000 examples or 200 batches, fails by chance at 1e-9."""
    method = Choice(THREE, probabilities, per=per)
    if per == "example":
        kinds = kind_of(drawn(method, 3000, image_size=(12, 16)))
    else:
        batches = np.array([kind_of(drawn(method, 3, seed, image_size=(12, 16))) for seed in range(200)])
        assert (batches == batches[:, :1]).all()
        kinds = batches[:, 0]
    counts, expected = np.bincount(kinds, minlength=3), np.array(probabilities or [1 / 3] * 3) * len(kinds)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        assert stats.chisquare(counts[possible], expected[possible]).pvalue > FAILURE


@at_every_door
@pytest.mark.parametrize("per", ["example", "batch"])
def test_each_row_of_a_choice_is_what_one_of_the_methods_gives(door, per):
    """Told from the result: an average of all pixels, or whole pixels of two images, and the target agrees."""
    x = features(8, (10, 12, 3), seed=4)
    method = Choice((Mixup(0.9, pairing="roll"), CutMix(pairing="roll")), per=per)
    seen = set()
    for seed in range(4):
        mixed_x, mixed_y = door((x, np.arange(8)), method, num_classes=8, seed=seed)
        weight, partner = read_draw(mixed_y)
        for i in range(8):
            cut = (mixed_x[i] == x[i]) | (mixed_x[i] == x[i - 1])
            if cut.all():
                np.testing.assert_allclose(weight[i], (mixed_x[i] == x[i]).mean(), rtol=2e-7)
            else:
                average = mix_rows(x, weight, partner)[i]
                np.testing.assert_allclose(mixed_x[i], average, rtol=1e-5, atol=1e-5)
            seen.add(bool(cut.all()))
        if per == "batch":
            whole = [bool(((mixed_x[i] == x[i]) | (mixed_x[i] == x[i - 1])).all()) for i in range(8)]
            assert len({w for w, share in zip(whole, weight, strict=True) if share < 1}) <= 1
    assert seen == {True, False} or per == "batch"  # four coins may agree


def test_a_choice_among_all_the_methods_gives_each_methods_own_rows():
    """Recomputed from the draw: each row by the rule of the method that it was dealt to."""
    x = features(40, (12, 16, 2))
    method = Choice((*THREE, FMix(FixedWeights(0.7))), per="example")
    draw = drawn(method, 40, image_size=(12, 16))
    mixed, _ = method_through_function_of_tensors((x, one_hot(40)), method)
    for i in range(40):
        if draw.weight[i] < 1:
            expected = 0.3 * x[i].astype(float) + 0.7 * x[draw.partner[i]]
            np.testing.assert_allclose(mixed[i], expected, rtol=1e-4, atol=1e-5)
            assert draw.target_weight[i] == np.float32(0.3)
            continue
        top, left, bottom, right = draw.box[i]
        kept = draw.region[i].copy()
        kept[top:bottom, left:right] = False
        np.testing.assert_array_equal(mixed[i][kept], x[i][kept])
        np.testing.assert_allclose(draw.target_weight[i], kept.mean(), rtol=2e-7)
        if kind_of(draw)[i] == 1:  # CutMix or FMix
            np.testing.assert_array_equal(mixed[i][~kept], x[draw.partner[i]][~kept])
        else:
            assert not np.array_equal(mixed[i][~kept], x[draw.partner[i]][~kept])


def test_the_setting_of_deit_is_one_line():
    assert DEIT == Choice([Mixup(0.8), CutMix(1.0)], None, per="batch")
    assert hash(DEIT) == hash(Choice([Mixup(0.8), CutMix(1.0)]))
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(DEIT)) == DEIT


def test_a_choice_knows_what_its_methods_do():
    assert Choice((CutMix(), FMix())).cuts and not Choice((CutMix(), FMix())).averages
    assert DEIT.cuts and DEIT.averages and not Choice((Mixup(0.3), Remix(COUNTS))).cuts
    assert DEIT.mixes and not Choice((Mixup(0), CutMix(0))).mixes
    assert not Choice((Mixup(0.3), CutMix()), probability=0).mixes


@at_every_quick_door
@pytest.mark.parametrize("per", ["example", "batch"])
def test_a_choice_has_a_coin_of_its_own(door, per):
    """One coin for the batch and weights for each example, which no method alone can do; or one for each example."""
    x, mixed_batches, mixed_rows = features(50), 0, 0
    for seed in range(12):
        method = Choice((Mixup(0.9, pairing="derangement"),), per=per, probability=0.4)
        mixed_x, mixed_y = door((x, one_hot(50)), method, seed=seed)
        weight, partner = read_draw(mixed_y)
        assert_mixed(mixed_x, x, weight, partner)
        mixed = partner != np.arange(50)
        assert len(np.unique(weight[mixed])) == mixed.sum()
        mixed_batches, mixed_rows = mixed_batches + mixed.all(), mixed_rows + mixed.sum()
    if per == "batch":
        assert 0 < mixed_batches < 12 and mixed_rows == 50 * mixed_batches
    else:  # 240 of 600 expected, standard deviation 12
        assert mixed_batches == 0 and 168 < mixed_rows < 312


@at_every_quick_door
def test_a_choice_may_have_one_pairing_for_all(door):
    method = Choice((Mixup(0.9), CutMix(0.9), DMixup(2)), per="example", pairing="roll")
    x = features(9, (6, 5, 2))
    mixed_x, mixed_y = door((x, one_hot(9)), method)
    _, partner = read_draw(mixed_y)
    moved = partner != np.arange(9)
    assert moved.sum() > 3 and np.array_equal(partner[moved], np.roll(np.arange(9), 1)[moved])
    assert all(np.isin(mixed_x[i], [x[i], x[i - 1]]).all() or ((mixed_x[i] != x[i]).all()) for i in range(9))


def test_methods_of_one_and_of_several_partners_can_be_chosen_from():
    """Each row by the rule of the method that it was dealt to, recomputed from the draw."""
    x = features(60, (5, 7, 2))
    method = Choice(
        (DMixup(3), Mixup(FixedWeights(0.3)), CutMix(FixedWeights(0.6)), FMix(FixedWeights(0.7))), per="example"
    )
    draw = drawn(method, 60, image_size=(5, 7))
    mixed, shares = method_through_function_of_tensors((x, one_hot(60)), method)
    assert draw.weight.shape == (60, 4) and draw.partner.shape == (60, 3)
    for i in range(60):
        rows = [i, *draw.partner[i]]
        average = sum(float(w) * x[j].astype(float) for w, j in zip(draw.weight[i], rows, strict=True))
        top, left, bottom, right = draw.box[i]
        kept = np.broadcast_to(draw.region, (60, 5, 7))[i].copy()
        kept[top:bottom, left:right] = False
        expected = np.where(kept[..., None], average, x[rows[1]])
        np.testing.assert_allclose(mixed[i], expected, rtol=1e-4, atol=1e-5)
        target = np.zeros(60)
        np.add.at(target, rows, draw.target_weight[i].astype(float))
        np.testing.assert_allclose(shares[i], target, atol=1e-6)
    kinds = {(bool((draw.weight[i] == 1).any()), bool(draw.box[i].any())) for i in range(60)}
    assert kinds == {(False, False), (True, False), (True, True)}


@pytest.mark.parametrize(
    "methods, chances, message",
    [
        ((), None, "`methods` should be a tuple of methods, like `(Mixup(0.8), CutMix(1.0))`. Received: methods=()."),
        ((Mixup(), 0.2), None, "`methods` should be a tuple of methods, like `(Mixup(0.8), CutMix(1.0))`."),
        (Mixup(), None, "`methods` should be a tuple of methods, like `(Mixup(0.8), CutMix(1.0))`."),
        ((Mixup(), CutMix), None, "`methods` should be a tuple of methods, like `(Mixup(0.8), CutMix(1.0))`."),
        ((Mixup(), RegMixup()), None, "`methods` should be methods that need no network and keep the number of rows"),
        ((MixupE(), Mixup()), None, "`methods` should be methods that need no network and keep the number of rows"),
        ((Mixup(), CutMix()), (0.5, 0.6), "`probabilities` should be a number >= 0 for each method, adding up to 1."),
        ((Mixup(), CutMix()), (1.5, -0.5), "Received: probabilities=(1.5, -0.5) for 2 methods."),
        ((Mixup(), CutMix()), (1.0,), "Received: probabilities=(1.0,) for 2 methods."),
        ((Mixup(), CutMix()), (True, False), "Received: probabilities=(True, False) for 2 methods."),
    ],
)
def test_a_choice_is_checked(methods, chances, message):
    with refuses(message):
        Choice(methods, chances)


# --- Remix ----------------------------------------------------------------------------------------------------------

COUNTS = (90, 30, 10, 9)


def remix_share(n_i, n_j, weight, kappa, tau):
    """The published rule, one example at a time."""
    if n_i / n_j >= kappa and weight < tau:
        return 0.0
    if n_i / n_j <= 1 / kappa and 1 - weight < tau:
        return 1.0
    return weight


@at_every_quick_door
@pytest.mark.parametrize("kappa, tau", [(3.0, 0.5), (5.0, 0.9), (1.5, 0.2)])
def test_remix_leans_towards_the_rarer_class(door, kappa, tau):
    labels = np.array([0, 1, 2, 3, 0, 2, 1, 3, 0, 3])
    weights = np.array([0.3, 0.7, 0.1, 0.95, 0.45, 0.6, 0.2, 0.85, 0.05, 1.0], "float32")
    x, partner = features(10), np.roll(np.arange(10), 1)
    method = Remix(COUNTS, FixedWeights(*weights), kappa, tau, pairing="roll")
    mixed_x, mixed_y = door((x, labels), method, num_classes=4)
    assert_mixed(mixed_x, x, weights.astype(float), partner)
    shares = [
        remix_share(COUNTS[labels[i]], COUNTS[labels[partner[i]]], float(weights[i]), kappa, tau) for i in range(10)
    ]
    assert 0.0 in shares and 1.0 in shares[:-1]
    assert_mixed(mixed_y, np.eye(4)[labels], np.array(shares), partner)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "`class_counts` should hold the number of training examples of each class, all positive. Received: "),
        ({"class_counts": (3, 0)}, "Received: class_counts=(3.0, 0.0)."),
        ({"class_counts": (3, 1), "kappa": 1}, "`kappa` should be a finite number > 1. Received: kappa=1."),
        ({"class_counts": (3, 1), "tau": 1.5}, "`tau` should be a number between 0 and 1. Received: tau=1.5."),
    ],
)
def test_remix_is_checked(arguments, message):
    with refuses(message):
        Remix(**arguments)


def test_remix_needs_classes():
    with refuses("Mixing by class needs class labels"):
        method_through_function(features(4), Remix(COUNTS))


# --- d-Mixup --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("partners", [1, 4])
def test_the_weights_of_d_mixup_are_dirichlet(partners, alpha):
    """Marginals Beta(alpha, d alpha) on a grid inside (0.001, 0.999), and covariances; each fails by chance at 1e-9."""
    count = 20_000
    draw = drawn(DMixup(partners, alpha), count)
    assert draw.weight.shape == (count, 1 + partners) and draw.partner.shape == (count, partners)
    weights = draw.weight.astype(float)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-6)
    law = stats.beta(alpha, partners * alpha)
    for k in range(1 + partners):
        for at in (0.001, 0.05, 0.2, 0.4, 0.7, 0.999):
            assert stats.binomtest(int((weights[:, k] <= at).sum()), count, law.cdf(at)).pvalue > FAILURE
    covariance = -1 / ((1 + partners) ** 2 * ((1 + partners) * alpha + 1))
    products = (weights[:, 0] - 1 / (1 + partners)) * (weights[:, 1] - 1 / (1 + partners))
    assert products.mean() == pytest.approx(covariance, abs=6.2 * products.std() / np.sqrt(count))


@at_every_door
def test_d_mixup_is_the_sum_over_its_partners(door):
    """The weights are read from the targets; two partners that coincide count together."""
    x = features(9)
    mixed_x, mixed_y = door((x, np.arange(9)), DMixup(partners=3, pairing="derangement"), num_classes=9)
    np.testing.assert_allclose(mixed_y.sum(1), 1.0, atol=1e-6)
    assert ((mixed_y > 0).sum(1) >= 2).all() and ((mixed_y > 0).sum(1) <= 4).all() and (mixed_y > 0).sum() > 27
    expected = np.tensordot(mixed_y.astype(float), x.astype(float), 1)
    np.testing.assert_allclose(mixed_x, expected, rtol=1e-4, atol=1e-5)


def test_cross_entropy_of_the_mixed_target_is_the_weighted_sum_of_cross_entropies():
    draw, logits, rows = drawn(DMixup(4), 9), features(9, (5,), seed=6), np.eye(5)[np.arange(9) % 5]
    _, soft = method_through_function_of_tensors((features(9), rows.astype("float32")), DMixup(4))
    terms = [draw.weight[:, 0] * cross_entropies(rows, logits)]
    terms += [draw.weight[:, k + 1] * cross_entropies(rows[draw.partner[:, k]], logits) for k in range(4)]
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)
    np.testing.assert_allclose(to_numpy(loss(soft, logits)), sum(terms), rtol=1e-4)


def test_what_a_partner_of_weight_zero_holds_does_not_leak():
    x = features(4)
    x[2] = np.nan
    weight = np.array([[0.7, 0.3, 0.0], [1, 0, 0], [0.0, 0.4, 0.6], [0.2, 0.0, 0.8]], "float32")
    from keras_mixup import Draw, mix

    mixed = to_numpy(mix(x, Draw(weight, np.array([[1, 2], [2, 2], [0, 1], [2, 0]]))))
    np.testing.assert_allclose(mixed[0], 0.7 * x[0] + 0.3 * x[1], rtol=1e-5)
    np.testing.assert_array_equal(mixed[1], x[1])
    np.testing.assert_allclose(mixed[2], 0.4 * x[0] + 0.6 * x[1], rtol=1e-5)
    np.testing.assert_allclose(mixed[3], 0.2 * x[3] + 0.8 * x[0], rtol=1e-5)


def test_d_mixup_of_alpha_zero_mixes_nothing():
    assert_same_bits(method_through_function((features(4), one_hot(4)), DMixup(2, 0))[0], features(4))


def test_one_set_of_weights_per_batch():
    weight = drawn(DMixup(3, per="batch"), 5).weight
    np.testing.assert_array_equal(weight, np.repeat(weight[:1], 5, axis=0))


@pytest.mark.parametrize("partners", [0, 1.5, True, None])
def test_the_number_of_partners_is_checked(partners):
    with refuses(f"`partners` should be a positive integer. Received: partners={partners!r}."):
        DMixup(partners)


def test_d_mixup_takes_numbers_for_alpha():
    with refuses("`alpha` should be a finite number >= 0. Received: alpha=Adjustable(1.0)."):
        DMixup(alpha=Adjustable(1.0))


# --- RegMixup -------------------------------------------------------------------------------------------------------


@at_every_quick_door
def test_regmixup_gives_the_clean_batch_and_then_the_mixed_one(door):
    x = features(5)
    x[0, 0] = np.nan, -0.0, np.inf
    method = RegMixup(FixedWeights(0.3, 0.9, 0.6, 0.8, 0.1), pairing="roll")
    batch = door((x, np.arange(5), np.arange(5.0)), method, num_classes=5)
    assert [len(part) for part in batch] == [10, 10, 10]
    assert_same_bits(batch[0][:5], x)
    assert_same_bits(batch[1][:5], one_hot(5))
    weight, partner = read_draw(batch[1][5:])
    np.testing.assert_allclose(weight, [0.3, 0.9, 0.6, 0.8, 0.1], rtol=1e-6)
    np.testing.assert_allclose(batch[0][7:], mix_rows(x, weight, partner)[2:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(batch[2], [*range(5), *mix_rows(np.arange(5.0), weight, partner)], rtol=1e-5)


@pytest.mark.parametrize("eta", [1.0, 0.25])
def test_the_loss_of_regmixup_is_the_papers(eta):
    """L = CE(clean) + eta CE(mixed), by hand; with eta 1 it is half of that, as in the authors' program."""
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    x, y = features(6, (4,)), np.eye(3, dtype="float32")[[0, 2, 1, 1, 0, 2]]
    weights, roll = np.full(6, np.float32(0.3)), np.roll(np.arange(6), 1)
    kernel = network.get_weights()[0].astype(float)
    clean = cross_entropies(y, x @ kernel).mean()
    mixed = cross_entropies(mix_rows(y, weights, roll), mix_rows(x, weights, roll) @ kernel).mean()
    model = MixupModel(network, RegMixup(FixedWeights(0.3), eta, pairing="roll"))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.CategoricalCrossentropy(from_logits=True))
    kwargs = {} if eta == 1 else {"sample_weight": np.ones(6)}
    loss = model.fit(x, y, batch_size=6, shuffle=False, verbose=0, **kwargs).history["loss"][0]
    assert loss == pytest.approx((clean + mixed) / 2 if eta == 1 else clean + eta * mixed, rel=1e-5)


def test_what_cannot_be_doubled_is_refused():
    batch = {"image": features(4), "label": one_hot(4), "id": np.arange(4)}
    with refuses("`RegMixup` doubles the batch, so nothing can pass through it unmixed. Received also: id. Remove it"):
        method_through_function(batch, RegMixup())
    with refuses("`RegMixup` with `eta` other than 1 weights its examples, so it needs sample weights to write to."):
        method_through_function((features(4), one_hot(4)), RegMixup(eta=0.5))
    with refuses("`eta` should be a finite number > 0. Received: eta=0."):
        RegMixup(eta=0)


# --- C-Mixup --------------------------------------------------------------------------------------------------------

NEAR = np.array([0.0, 0.1, 0.5, 2.0, 0.45], "float32")


def near_probabilities(y, bandwidth):
    p = np.exp(-((y[:, None] - y[None, :]).astype(float) ** 2) / (2 * bandwidth**2))
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("bandwidth", [0.3, 1.0, 100.0])
@pytest.mark.parametrize("column", [False, True])
def test_partners_are_as_likely_as_their_targets_are_near(bandwidth, column):
    """Chi-squared for each of five examples over 400 draws of a batch that repeats them; 1e-9 each."""
    y = np.tile(NEAR, 100)
    partner = np.stack(
        [to_numpy(LabelDistance(bandwidth)(500, seed, y[:, None] if column else y)) for seed in range(4)]
    )
    expected = near_probabilities(NEAR, bandwidth)
    for i in range(5):
        counts = np.bincount(partner[:, i::5].ravel() % 5, minlength=5)
        likely = expected[i] * counts.sum() > 5
        assert counts[~likely].sum() < 40
        total = counts[likely].sum()
        if likely.sum() > 1:
            law = expected[i][likely] / expected[i][likely].sum()
            assert stats.chisquare(counts[likely], law * total).pvalue > FAILURE


def test_a_uniform_number_of_zero_does_not_beat_any_distance(monkeypatch):
    """It stands for 1e-7 at the least; log(1e-20) made of it a partner 30 below all others."""
    from keras_mixup import ops as tables

    logits = np.array([[0.0, -1.0, -25.0]], "float32")
    uniform = np.array([[0.5, 0.5, 0.0]], "float32")
    monkeypatch.setattr(tables.of(logits), "uniform", lambda shape, seed: keras.ops.convert_to_tensor(uniform))
    assert to_numpy(_sample_rows(keras.ops.convert_to_tensor(logits), 1)).tolist() == [0]


@at_every_quick_door
def test_partners_of_similar_targets_at_every_door(door):
    """Two clusters far apart: nobody meets the other one."""
    y = np.array([0.0, 5.0, 0.01, 5.01, 0.02, 5.02, 0.03, 5.03], "float32")
    x = one_hot(8)
    mixed_x, mixed_y = door((x, y), Mixup(1.0, pairing=LabelDistance(0.2)))
    weight, partner = read_draw(mixed_x)
    np.testing.assert_array_equal(partner % 2, np.arange(8) % 2)
    assert (partner != np.arange(8)).any()
    assert_mixed(mixed_y, y, weight, partner)


def test_label_distance_needs_targets_and_a_bandwidth():
    with refuses("`LabelDistance` needs one tensor of targets. Received: no targets, or several."):
        method_through_function(features(4), Mixup(pairing=LabelDistance(1.0)))
    for bandwidth in (0, -1.0, float("inf"), float("nan"), True, None, "1"):
        with refuses(f"`bandwidth` should be a finite number > 0. Received: bandwidth={bandwidth!r}."):
            LabelDistance(bandwidth)
    method = Mixup(pairing=LabelDistance(0.5))
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(method)) == method


def test_an_epoch_of_c_mixup_goes_through_all_examples_once():
    """Each example is its own basis vector, so the result names both; weights of originals from a fixed law."""
    y = np.repeat([0.0, 10.0], 10).astype("float32") + np.arange(20, dtype="float32") / 100
    dataset = c_mixup(np.eye(20, dtype="float32"), y, 0.1, alpha=FixedWeights(0.7), batch_size=6, seed=1)
    epochs = []
    for _ in range(2):
        batches = [to_numpy(batch) for batch in dataset]
        assert [len(x) for x, _ in batches] == [6, 6, 6, 2]
        x, mixed = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        original = x.argmax(1)
        np.testing.assert_array_equal(np.sort(original), np.arange(20))
        partner = np.where(x.max(1) > 0.99, original, np.argsort(x, 1)[:, -2])
        np.testing.assert_array_equal(partner // 10, original // 10)
        assert (partner != original).sum() > 10
        np.testing.assert_allclose(mixed, 0.7 * y[original] + 0.3 * y[partner], rtol=1e-5)
        epochs.append(original)
    assert not np.array_equal(*epochs)


def test_c_mixup_draws_partners_from_the_whole_data_by_distance():
    """Chi-squared of who meets the first of five, over 30 epochs of 100 rows; fails by chance at 1e-9."""
    y = np.tile(NEAR, 20)
    dataset = c_mixup(np.eye(100, dtype="float32"), y, 0.4, alpha=FixedWeights(0.7), batch_size=10, seed=2)
    counts = np.zeros(5)
    for x in (to_numpy(x) for x, _ in dataset.repeat(30)):
        for row in x[x.argmax(1) % 5 == 0]:
            counts[(row.argmax() if row.max() > 0.99 else np.argsort(row)[-2]) % 5] += 1
    assert counts.sum() == 600
    p = near_probabilities(NEAR, 0.4)[0]
    assert counts[3] < 5
    keep = [0, 1, 2, 4]
    assert stats.chisquare(counts[keep], p[keep] / p[keep].sum() * counts[keep].sum()).pvalue > FAILURE


def test_c_mixup_is_checked():
    with refuses("`x` and `y` should have the same number of rows. Received: shapes (4, 2) and (3,)."):
        c_mixup(np.ones((4, 2)), np.ones(3), 1.0)
    with refuses("`bandwidth` should be a finite number > 0. Received: bandwidth=0."):
        c_mixup(np.ones((4, 2)), np.ones(4), 0)


# --- Schedules ------------------------------------------------------------------------------------------------------


def test_off_epochs_and_without_hesitation():
    assert [off_epochs(6, 2, 0.4)(e) for e in range(7)] == [0.4] * 4 + [0.0] * 3
    paper = [without_hesitation(100)(e) for e in range(100)]
    assert paper[:60] == [1.0] * 60
    assert paper[60:90] == [1.0, 0.0] * 15
    np.testing.assert_allclose(paper[90:], np.arange(10, 0, -1) / 10)
    assert without_hesitation(4)(5) == 0.0  # training that goes on longer
    with refuses("`off` should be between 0 and `total`. Received: total=3, off=4."):
        off_epochs(3, 4)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "1", None], ids=repr)
def test_an_adjustable_number_is_checked_whenever_it_is_set(value):
    message = f"`value` should be a finite number >= 0. Received: value={value!r}."
    with refuses(message):
        Adjustable(value)
    with refuses(message):
        Adjustable(1.0).assign(value)
    with refuses("`adjustable` should be a `keras_mixup.Adjustable`. Received: adjustable=0.3."):
        Schedule(0.3, off_epochs(3, 1))


def counting_model(method, jit_compile, seen):
    """A linear model that adds to `seen` whenever it is traced; its loss shows the weight of the originals."""

    class Counting(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, x):
            seen.append(1)
            return x * self.scale

    model = MixupModel(Counting(), method, seed=1)
    # Mixed rows (w, 1 - w) of two examples paired by roll: the loss is the mean weight of the originals.
    loss = lambda y_true, y_pred: keras.ops.sum(keras.ops.stop_gradient(y_pred) * one_hot(2), -1) + 0.0 * y_pred[:, 0]  # noqa: E731
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=jit_compile)
    return model


@pytest.mark.parametrize("jit_compile", JIT)
@pytest.mark.parametrize("what", ["alpha", "probability", "in a choice"])
def test_a_schedule_changes_fit_without_retracing(what, jit_compile):
    number = Adjustable(1.0)
    method = {
        "alpha": Mixup(number, pairing="roll"),
        "probability": Mixup(FixedWeights(0.3), pairing="roll", probability=number),
        "in a choice": Choice([Mixup(number, pairing="roll"), Mixup(number, per="batch", pairing="roll")]),
    }[what]
    seen, traced = [], []
    model = counting_model(method, jit_compile, seen)
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: traced.append(len(seen)))
    schedule = Schedule(number, lambda epoch: [1.0, 0.0, 1.0, 0.0][epoch])
    x = one_hot(2)
    losses = model.fit(x, x, epochs=4, batch_size=2, shuffle=False, verbose=0, callbacks=[schedule, count])
    losses = losses.history["loss"]
    assert losses[1] == losses[3] == 1.0
    assert losses[0] < 1 and losses[2] < 1
    if what == "probability":
        np.testing.assert_allclose(losses, [0.3, 1, 0.3, 1], rtol=1e-6)
    if BACKEND == "tensorflow" or jit_compile:  # the others trace nothing, or every step
        assert len(set(traced)) == 1


@pytest.mark.parametrize("door", [mix_with, lambda method: lambda ds: ds.map(MixLayer(method))], ids=["pipe", "layer"])
def test_a_schedule_reaches_into_a_pipeline(door):
    """Under every backend of Keras, and without a new trace of the mapped function."""
    tf = pytest.importorskip("tensorflow")
    number = Adjustable(1.0)
    dataset = tf.data.Dataset.from_tensors((features(4), one_hot(4))).apply(door(Mixup(number, pairing="roll")))
    for value in (1.0, 0.0, 0.5, 0.0):
        number.assign(value)
        ((x, y),) = [to_numpy(batch) for batch in dataset]
        weight, partner = read_draw(y)
        if value == 0:
            assert_same_bits(x, features(4))
        else:
            assert (weight < 1).all()
            assert_mixed(x, features(4), weight, partner)


@pytest.mark.parametrize(
    "method",
    [
        CutMix(Adjustable(0.0)),
        CutMix(Adjustable(0.0), minmax=(0.3, 0.9)),
        CutMix(Adjustable(0.0), inside=True),
        CutMix(0, minmax=(0.3, 0.9)),
        ResizeMix(probability=Adjustable(0.0)),
        FMix(Adjustable(0)),
        DEIT,
        Mixup(probability=Adjustable(0)),
        DMixup(3, probability=Adjustable(0)),
        Choice((Mixup(0.4), CutMix()), probability=Adjustable(0)),
    ],
    ids=repr,
)
def test_an_adjustable_zero_returns_the_bits(method):
    if method is DEIT:
        method = Choice((Mixup(Adjustable(0.0)), CutMix(Adjustable(0.0))), per="example")
    x = features(4, (6, 7, 2))
    x[0, 0, 0, 0] = np.nan
    mixed_x, mixed_y = method_through_function((x, one_hot(4)), method)
    assert_same_bits(mixed_x, x)
    assert_same_bits(mixed_y, one_hot(4))


def test_an_adjustable_alpha_draws_the_law_of_its_number():
    """The same numbers as with the number itself."""
    for alpha in (0.05, 0.4, 3.0):
        one, other = drawn(Mixup(Adjustable(alpha)), 500), drawn(Mixup(alpha), 500)
        np.testing.assert_allclose(one.weight, other.weight, rtol=1e-4, atol=1e-6)


def test_an_adjustable_number_is_saved_with_its_present_value(tmp_path):
    number = Adjustable(0.5)
    model = MixupModel(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]), Mixup(number))
    model.compile("sgd", "mse")
    model.fit(features(4, (3,)), one_hot(4)[:, :3], verbose=0)
    number.assign(0.25)
    model.save(tmp_path / "model.keras")
    assert float(keras.saving.load_model(tmp_path / "model.keras").method.alpha) == 0.25
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(MixLayer(Mixup(number))))
    assert float(again.method.alpha) == 0.25


# --- Pairs ----------------------------------------------------------------------------------------------------------

IMAGES, CLASSES = features(6, (5, 6, 1)), np.array([3, 0, 3, 1, 2, 0])


@at_every_quick_door
@pytest.mark.parametrize(
    "method", [Mixup(0.9), CutMix(per="batch"), Remix(COUNTS), RegMixup(pairing="roll"), DEIT], ids=repr
)
def test_pairs_have_the_loss_of_the_rows(door, method):
    """Through each door the same draw in both forms; cross-entropy does not know which it got."""
    _, rows = door((IMAGES, CLASSES), method, num_classes=4)
    _, pairs = door((IMAGES, CLASSES), method, pairs=True)
    assert pairs.shape == (len(rows), 3) and pairs.dtype == np.float32
    dense = pairs[:, 2:] * np.eye(4)[pairs[:, 0].astype(int)] + (1 - pairs[:, 2:]) * np.eye(4)[pairs[:, 1].astype(int)]
    np.testing.assert_allclose(rows, dense, atol=1e-6)
    np.testing.assert_array_equal(pairs[:6, 0], CLASSES)
    logits = features(len(rows), (4,), seed=3)
    loss = PairLoss(keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None))
    np.testing.assert_allclose(to_numpy(loss(pairs, logits)), cross_entropies(rows, logits), rtol=1e-4, atol=1e-5)


def test_a_model_trains_on_pairs_as_on_rows():
    results = []
    for pairs in (False, True):
        network = keras.Sequential([keras.Input((5, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
        network.set_weights([0.01 * np.arange(120.0).reshape(30, 4) % 0.7, np.arange(4.0)])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        if pairs:
            loss = PairLoss(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model = MixupModel(network, Mixup(0.9), seed=1, **({"pairs": True} if pairs else {"num_classes": 4}))
        model.compile(keras.optimizers.SGD(0.1), loss)
        history = model.fit(
            IMAGES, CLASSES, validation_data=(IMAGES, CLASSES), batch_size=4, epochs=2, shuffle=False, verbose=0
        ).history
        results.append((history, network.get_weights()))
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(results[0][0][name], results[1][0][name], rtol=1e-4)
    for one, two in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_what_has_no_pair_form_is_refused():
    with refuses("`y` may belong to the images' pixels, and these are cut. Received: dtype float32 and shape"):
        method_through_function((IMAGES, np.ones((6, 3, 2), "float32")), CutMix(), pairs=True)
    with refuses("Pairs name one partner: `DMixup` has several. Leave `pairs` out and give `num_classes=...`."):
        method_through_function((IMAGES, CLASSES), DMixup(), pairs=True)


# --- Every method, everywhere ---------------------------------------------------------------------------------------

METHODS = {
    "Remix": Remix(COUNTS, 0.8, per="batch"),
    "DMixup": DMixup(3, 0.5),
    "RegMixup": RegMixup(10.0, per="batch"),
    "LabelDistance": Mixup(2.0, pairing=LabelDistance(0.5)),
    "Choice": Choice((Mixup(0.8), CutMix(), ResizeMix(), FMix(), Remix(COUNTS)), per="example"),
}
COMPILED = [
    pytest.param(name, jit, marks=pytest.mark.slow if jit and name in ("DMixup", "Choice") else ())
    for name in METHODS
    for jit in JIT
]


@pytest.mark.parametrize("name, jit_compile", COMPILED)
def test_a_model_trains_with_it_saves_it_and_comes_back(name, jit_compile, tmp_path):
    network = keras.Sequential([keras.Input((5, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model = MixupModel(network, METHODS[name], num_classes=4, seed=1)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=jit_compile)
    assert np.isfinite(model.fit(IMAGES, CLASSES, batch_size=4, verbose=0).history["loss"]).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.method == METHODS[name]
    np.testing.assert_allclose(again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_layer_comes_back_from_its_config(method):
    layer = MixLayer(method, num_classes=4, pairs=False, seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.method, again.layout, again.seed) == (method, layer.layout, 3)


@ON_TENSORFLOW
@pytest.mark.parametrize("method", [*METHODS.values(), CutMix()], ids=[*METHODS, "CutMix"])
def test_a_pipeline_is_reproducible_whatever_the_number_of_parallel_calls(method):
    import tensorflow as tf

    def run(calls, seed=7):
        dataset = tf.data.Dataset.from_tensor_slices((IMAGES, CLASSES)).repeat(4).batch(6)
        batches = dataset.apply(mix_with(method, num_classes=4, seed=seed, num_parallel_calls=calls))
        return np.concatenate([x.numpy() for x, _ in batches])

    np.testing.assert_array_equal(run(1), run(3))
    assert not np.array_equal(run(1), run(1, seed=8))


@pytest.mark.parametrize("construct", [MixLayer, mix_with, lambda method: MixupModel(AnyInput(), method)])
@pytest.mark.parametrize("method", ["mixup", None, FixedWeights, object(), Batch(3)], ids=lambda m: type(m).__name__)
def test_what_is_not_a_method_is_refused(construct, method):
    with refuses("`method` should be a `keras_mixup.Method`, like `Mixup(0.2)` or `CutMix()`"):
        construct(method)


@pytest.mark.parametrize("construct", [MixLayer, mix_with, lambda method: MixupModel(AnyInput(), method)])
def test_a_class_in_place_of_an_object_is_refused_at_once(construct):
    with refuses("`method` should be an object, not a class: `CutMix()`. Received: <class"):
        construct(CutMix)


def test_a_layer_needs_a_method_where_a_model_takes_a_number():
    for construct in (MixLayer, mix_with):
        with refuses("`method` should be a `keras_mixup.Method`, like `Mixup(0.2)` or `CutMix()`"):
            construct(0.2)
    assert MixupModel(AnyInput(), 0.2).method == Mixup(0.2)
