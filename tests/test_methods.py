"""`Mixup`, the object that draws: a plain frozen value with checked arguments."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from scipy import stats

from keras_mixup import Batch, Draw, Mixup

FAILURE = 1e-9


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def integer(seed):
    return seed


def tensorflow(seed):
    return pytest.importorskip("tensorflow").constant([seed, 5])


seeds = pytest.mark.parametrize("kind", [integer, keras.random.SeedGenerator, tensorflow], ids=lambda k: k.__name__)


def in_xla(method, size, seed, targets=None):
    tf = pytest.importorskip("tensorflow")
    targets = None if targets is None else tf.constant(targets)
    return tf.function(lambda s: method.draw(Batch(size, targets), s), jit_compile=True)(tf.constant([seed, 5]))


@keras.saving.register_keras_serializable(package="keras_mixup_tests")
def to_the_first(size, seed, targets):
    return np.zeros(size, "int32")


def test_defaults_are_the_documented_ones():
    method = Mixup()
    assert dataclasses.asdict(method) == {
        "alpha": 0.2,
        "per": "example",
        "pairing": "shuffle",
        "probability": 1.0,
    }
    assert Mixup(0.3, per="batch", pairing="roll", probability=0.7) == Mixup(
        alpha=0.3, per="batch", pairing="roll", probability=0.7
    )


def test_a_method_is_a_value():
    assert repr(Mixup(0.4)) == "Mixup(alpha=0.4, per='example', pairing='shuffle', probability=1.0)"
    assert Mixup(0.4) == Mixup(0.4)
    assert hash(Mixup(0.4)) == hash(Mixup(0.4))
    others = [Mixup(0.3), Mixup(0.4, per="batch"), Mixup(0.4, pairing="roll"), Mixup(0.4, probability=0.9)]
    assert len({Mixup(0.4), Mixup(0.4), *others}) == 5


@pytest.mark.parametrize("field", ["alpha", "per", "pairing", "probability", "new"])
def test_a_method_is_frozen(field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Mixup(), field, 1)


@pytest.mark.parametrize("per", ["Example", "row", "", None, 1, True])
def test_a_bad_per_is_refused_in_words(per):
    message = f"`per` should be 'example' or 'batch'. Received: per={per!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Mixup(per=per)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), float("inf"), True, False, "0.5", None, [0.5]])
def test_a_bad_probability_is_refused_in_words(probability):
    message = f"`probability` should be a number between 0 and 1. Received: probability={probability!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Mixup(probability=probability)


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf"), True, "0.2", None, [0.2]])
def test_a_bad_alpha_is_refused_when_the_method_is_made(alpha):
    message = (
        "`alpha` should be a finite number >= 0, or an object with `sample(shape, seed=...)` such as a "
        f"`tfp.distributions` distribution. Received: alpha={alpha!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Mixup(alpha)


def test_a_bad_pairing_is_refused_when_the_method_is_made():
    message = "`pairing` should be one of ['derangement', 'other_class', 'reverse', 'roll', 'same_class', 'shuffle'] or"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.*Received: pairing='nearest'\\.$"):
        Mixup(pairing="nearest")


@pytest.mark.parametrize("pairing", ["same_class", "other_class"])
def test_pairing_by_class_needs_targets(pairing):
    message = (
        "Mixing by class needs class labels: integers of shape `(batch,)` or rows of shape `(batch, classes)`. "
        "Received: no targets, or several."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Mixup(pairing=pairing).draw(Batch(4), seed=1)


@seeds
@pytest.mark.parametrize("size", [0, 1, 2, 9])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_a_draw_is_a_weight_and_a_partner_per_example(per, size, kind):
    draw = Mixup(0.4, per=per, probability=0.8).draw(Batch(size), kind(3))
    assert isinstance(draw, Draw)
    weight, partner = numpy(draw.weight), numpy(draw.partner)
    assert (weight.dtype, partner.dtype) == (np.float32, np.int32)
    assert weight.shape == partner.shape == (size,)
    np.testing.assert_array_equal(np.sort(partner), np.arange(size))


@seeds
@pytest.mark.parametrize(
    "method", [Mixup(1.0), Mixup(1.0, per="batch"), Mixup(1.0, per="batch", pairing="derangement", probability=0.9)]
)
def test_a_seed_fixes_the_draw_and_another_changes_it(method, kind):
    first, again, other = (method.draw(Batch(50), kind(seed)) for seed in (3, 3, 4))
    assert first[2:] == (None,) * 6
    for a, b, c in zip(first[:2], again[:2], other[:2], strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))
        assert (numpy(a) != numpy(c)).any()


@seeds
def test_per_batch_repeats_one_number_which_changes_from_batch_to_batch(kind):
    weights = np.array([numpy(Mixup(1.0, per="batch").draw(Batch(7), kind(seed)).weight) for seed in range(5)])
    assert weights.shape == (5, 7)
    assert (weights == weights[:, :1]).all()
    assert len(np.unique(weights)) == 5


def test_per_example_draws_a_number_each():
    assert len(np.unique(numpy(Mixup(1.0).draw(Batch(50), 3).weight))) == 50


def test_per_batch_follows_the_law_of_alpha():
    """Weights of 400 batches; each bin of the Beta(2, 2) law is as likely (chi-squared, fails by chance at 1e-9)."""
    weights = [numpy(Mixup(2.0, per="batch").draw(Batch(2), seed).weight)[0] for seed in range(400)]
    bins = np.floor(stats.beta.cdf(weights, 2, 2) * 8).astype(int)
    assert stats.chisquare(np.bincount(bins, minlength=8)).pvalue > FAILURE


@seeds
@pytest.mark.parametrize("probability", [0.1, 0.7])
def test_probability_per_example_is_the_share_of_mixed_examples(probability, kind):
    """Beta(1, 1) weights are below 1 unless the coin says so. Binomial bounds, fails by chance at 1e-9."""
    weight = numpy(Mixup(1.0, probability=probability).draw(Batch(40_000), kind(5)).weight)
    mixed = weight[weight < 1]
    assert stats.binomtest(len(mixed), len(weight), probability).pvalue > FAILURE
    # The coin is independent of the weight: what is mixed is as uniform as ever, from end to end.
    assert stats.chisquare(np.histogram(mixed, 20, (0, 1))[0]).pvalue > FAILURE


def test_probability_per_batch_tosses_one_coin():
    """Binomial bounds over 400 batches, fails by chance at 1e-9."""
    method = Mixup(1.0, per="batch", probability=0.3)
    weights = np.array([numpy(method.draw(Batch(4), seed).weight) for seed in range(400)])
    assert weights.shape == (400, 4)
    assert (weights == weights[:, :1]).all()
    mixed = int((weights[:, 0] < 1).sum())
    assert stats.binomtest(mixed, len(weights), 0.3).pvalue > FAILURE


@pytest.mark.parametrize("per", ["example", "batch"])
def test_probability_one_always_mixes_and_zero_never(per):
    assert (numpy(Mixup(1.0, per=per, probability=1).draw(Batch(2000), 3).weight) < 1).all()
    assert (numpy(Mixup(1.0, per=per, probability=0).draw(Batch(2000), 3).weight) == 1).all()


@pytest.mark.parametrize("per", ["example", "batch"])
def test_alpha_zero_keeps_everything(per):
    assert (numpy(Mixup(0, per=per, probability=0.7).draw(Batch(100), 3).weight) == 1).all()


@pytest.mark.parametrize(
    "method, mixes",
    [
        (Mixup(0.2), True),
        (Mixup(1e-30), True),
        (Mixup(0), False),
        (Mixup(0.0), False),
        (Mixup(0.2, probability=0), False),
        (Mixup(0.2, probability=0.01), True),
        (Mixup(0, pairing="derangement"), False),
    ],
)
def test_mixes_says_whether_anything_can_happen(method, mixes):
    assert method.mixes is mixes


@pytest.mark.parametrize("pairing", ["shuffle", "derangement", "reverse", "roll", "same_class", "other_class"])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_drawing_compiles_under_xla(per, pairing):
    draw = in_xla(Mixup(0.4, per=per, pairing=pairing, probability=0.8), 6, 3, np.array([0, 1, 0, 2, 1, 1]))
    assert draw.weight.shape == draw.partner.shape == (6,)
    assert ((draw.weight.numpy() >= 0) & (draw.weight.numpy() <= 1)).all()
    assert set(draw.partner.numpy()) <= set(range(6))


def test_a_draw_of_unknown_size():
    tf = pytest.importorskip("tensorflow")
    method = Mixup(0.4, per="batch", pairing="derangement", probability=0.8)
    signature = [tf.TensorSpec([None, 2]), tf.TensorSpec([2], tf.int32)]
    draw = tf.function(lambda x, seed: method.draw(Batch(tf.shape(x)[0]), seed), input_signature=signature)
    for size in (0, 1, 5):
        drawn = draw(tf.zeros((size, 2)), [1, 2])
        assert drawn.weight.shape == drawn.partner.shape == (size,)


@pytest.mark.parametrize(
    "method",
    [
        Mixup(),
        Mixup(0, per="batch", pairing="roll", probability=0.0),
        Mixup(np.float32(0.25), probability=np.float64(0.5)),
        Mixup(1, pairing="other_class", probability=1),
        Mixup(0.3, pairing=to_the_first),
    ],
)
def test_a_method_survives_saving(method):
    config = keras.saving.serialize_keras_object(method)
    assert config["registered_name"] == "keras_mixup>Mixup"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is Mixup
    assert again == method
    assert Mixup.from_config(method.get_config()) == method


def test_a_config_is_plain_data():
    assert Mixup(0.3, per="batch", pairing="roll", probability=0.7).get_config() == {
        "alpha": 0.3,
        "per": "batch",
        "pairing": "roll",
        "probability": 0.7,
    }


def test_a_saved_method_is_checked_again_when_it_is_loaded():
    with pytest.raises(ValueError, match=re.escape("Received: alpha=-1.0.")):
        Mixup.from_config({**Mixup().get_config(), "alpha": -1.0})


class Constant:
    """A law with one outcome, in the place of a distribution object."""

    def sample(self, shape, seed):
        return np.full(shape, 0.3)


@pytest.mark.parametrize("per, probability", [("example", 1.0), ("batch", 1.0), ("example", 0.5), ("batch", 0.5)])
def test_a_distribution_may_stand_in_for_alpha(per, probability):
    method = Mixup(Constant(), per=per, probability=probability)
    assert method.mixes
    weight = numpy(method.draw(Batch(200), 3).weight)
    assert weight.dtype == np.float32
    assert set(weight.tolist()) <= {float(np.float32(0.3)), 1.0}
    assert (weight < 1).all() or probability < 1
    if probability < 1:
        assert len(set(weight.tolist())) == (1 if per == "batch" else 2)
    assert not Mixup(Constant(), probability=0).mixes


@seeds
def test_a_tfp_distribution_may_stand_in_for_alpha(kind):
    tfp = pytest.importorskip("tensorflow_probability")
    law = tfp.distributions.Beta(2.0, 5.0)
    weight = numpy(Mixup(law).draw(Batch(20_000), kind(3)).weight)
    assert weight.dtype == np.float32
    # 6.1 standard deviations of the mean of a lopsided law: fails by chance at 1e-9.
    assert weight.mean() == pytest.approx(2 / 7, abs=6.1 * law.stddev().numpy() / np.sqrt(20_000))
    assert Mixup(law) == Mixup(law)
    assert hash(Mixup(law)) == hash(Mixup(law))
