"""`MixupGAN`: both losses against derivatives by hand, who gets which gradient, what the discriminator is shown."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_mixup import gan as library
from keras_mixup.gan import MixupGAN

trains = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="training needs the TensorFlow backend")

RANDOM = np.random.default_rng(7)
REAL = RANDOM.normal((0.5, -1.0, 2.0), 0.7, (6, 3)).astype("float32")
NOISE = RANDOM.normal(size=(6, 2)).astype("float32")
WEIGHT = np.array([0.0, 1.0, 0.9, 0.2, 0.65, 0.05], "float32")
MATRIX, OFFSET = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=3)  # generator: z MATRIX + OFFSET
SLOPE, BIAS = RANDOM.normal(size=3), 0.3  # discriminator: m SLOPE + BIAS
D_RATE, G_RATE = 0.25, 0.125


def linear_networks():
    generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    discriminator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    generator.set_weights([MATRIX, OFFSET])
    discriminator.set_weights([SLOPE[:, None], np.array([BIAS])])
    return generator, discriminator


def networks(width=8, dropout=0.0):
    def dense(inputs, outputs):
        return [
            keras.Input((inputs,)),
            keras.layers.Dense(width, "relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(outputs),
        ]

    return keras.Sequential(dense(2, 3)), keras.Sequential(dense(3, 1))


def pinned(gan, monkeypatch, weight=WEIGHT, noise=NOISE):
    """The same GAN with noise and mixing weights that the test knows."""
    monkeypatch.setattr(gan, "_noise", lambda size, seed: keras.ops.convert_to_tensor(noise))
    monkeypatch.setattr(library.weights, "draw", lambda *_: keras.ops.convert_to_tensor(weight))
    return gan


def sgd(gan, **arguments):
    gan.compile(keras.optimizers.SGD(G_RATE), keras.optimizers.SGD(D_RATE), **arguments)
    return gan


def adam(gan, **arguments):
    gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), **arguments)
    return gan


def values(network):
    return [np.asarray(value) for value in network.get_weights()]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def sigmoid(s):
    return 1.0 / (1.0 + np.exp(-s))


def stepped(kind, alpha, generator_loss, penalty):
    """One step of each network as the derivatives by hand have it: SLOPE, BIAS, MATRIX and OFFSET thereafter."""
    w = WEIGHT[:, None].astype("float64")
    real, z = REAL.astype("float64"), NOISE.astype("float64")
    fake, a, b = z @ MATRIX + OFFSET, SLOPE.copy(), BIAS

    def score(points):
        return (points @ a + b)[:, None]

    # With l(s, t) = -t log sigmoid(s) - (1 - t) log sigmoid(-s): dl/ds = sigmoid(s) - t.
    if kind == "wgan_gp":
        length = np.linalg.norm(a)
        slope = fake.mean(0) - real.mean(0) + penalty * 2 * (length - 1) * a / length
        bias = 0.0
    elif alpha:
        points = w * real + (1 - w) * fake
        slope, bias = ((sigmoid(score(points)) - w) * points).mean(0), (sigmoid(score(points)) - w).mean()
    else:
        at_real, at_fake = sigmoid(score(real)) - 1, sigmoid(score(fake))
        slope, bias = (at_real * real).mean(0) + (at_fake * fake).mean(0), at_real.mean() + at_fake.mean()
    if kind == "r1":
        slope = slope + penalty * a
    a, b = a - D_RATE * slope, b - D_RATE * bias

    share = 1 - w if alpha else np.ones_like(w)  # how far a blend follows the generated example
    s = score((1 - share) * real + share * fake)
    if kind == "wgan_gp":
        by_score = -np.ones_like(s)
    elif generator_loss == "saturating":
        by_score = -(sigmoid(s) - (1 - share))
    else:
        by_score = sigmoid(s) - share
    to_fake = by_score * share * a / len(z)
    return a[:, None], np.array([b]), MATRIX - G_RATE * z.T @ to_fake, OFFSET - G_RATE * to_fake.sum(0)


@trains
@pytest.mark.parametrize("generator_loss", ["saturating", "non_saturating"])
@pytest.mark.parametrize("kind, alpha", [(None, 0.2), (None, 0), ("r1", 0), ("wgan_gp", 0)])
@pytest.mark.parametrize("compiled", [{"run_eagerly": True}, {"jit_compile": True}], ids=["eager", "xla"])
def test_both_steps_are_those_derived_by_hand(kind, alpha, generator_loss, compiled, monkeypatch):
    gan = MixupGAN(*linear_networks(), alpha, generator_loss=generator_loss, baseline=kind, penalty=3.0)
    sgd(pinned(gan, monkeypatch), **compiled).train_on_batch(REAL)
    expected = stepped(kind, alpha, generator_loss, 3.0)
    for found, wanted in zip(values(gan.discriminator) + values(gan.generator), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@trains
def test_the_reported_losses_are_those_of_the_formula(monkeypatch):
    gan = sgd(pinned(MixupGAN(*linear_networks(), 0.2), monkeypatch))
    logs = gan.train_on_batch(REAL, return_dict=True)
    w = WEIGHT.astype("float64")
    a, b, *_ = stepped(None, 0.2, "saturating", 0)
    points = w[:, None] * REAL + (1 - w[:, None]) * (NOISE @ MATRIX + OFFSET)

    def loss(slope, bias):
        p = sigmoid(points @ slope + bias)
        return np.mean(-w * np.log(p) - (1 - w) * np.log(1 - p))

    assert set(logs) == {"discriminator_loss", "generator_loss"}
    np.testing.assert_allclose(logs["discriminator_loss"], loss(SLOPE, BIAS), rtol=1e-5)
    np.testing.assert_allclose(logs["generator_loss"], -loss(a[:, 0], b[0]), rtol=1e-5)


def squaring_discriminator():
    """d(m) = (m SLOPE)^2, so that the gradient, 2 (m SLOPE) SLOPE, depends on where it is taken."""
    inputs = keras.Input((3,))
    score = keras.layers.Dense(1, use_bias=False)(inputs)
    network = keras.Model(inputs, keras.layers.Multiply()([score, score]))
    network.set_weights([SLOPE[:, None]])
    return network


@trains
def test_r1_looks_at_real_examples():
    gan = MixupGAN(linear_networks()[0], squaring_discriminator(), 0, baseline="r1", penalty=3.0)
    plain = MixupGAN(gan.generator, gan.discriminator, 0)
    real, fake = keras.ops.convert_to_tensor(REAL), keras.ops.convert_to_tensor(REAL[::-1] * 2 + 1)
    added = gan._discriminator_loss(real, fake, True) - plain._discriminator_loss(real, fake, True)
    expected = 1.5 * np.mean((2 * REAL @ SLOPE) ** 2) * np.sum(SLOPE**2)
    np.testing.assert_allclose(float(added), expected, rtol=1e-4)


@trains
def test_wgan_gp_looks_everywhere_between_a_real_and_a_generated_example():
    gan = MixupGAN(linear_networks()[0], squaring_discriminator(), 0, baseline="wgan_gp", penalty=3.0, seed=1)
    one, other, size = REAL[0], REAL[1], 40_000
    real, fake = (keras.ops.convert_to_tensor(np.tile(row, (size, 1))) for row in (one, other))
    loss = float(gan._discriminator_loss(real, fake, True))
    between = np.linspace(one @ SLOPE, other @ SLOPE, 10_001)
    lengths = 2 * np.abs(between) * np.linalg.norm(SLOPE)
    expected = (other @ SLOPE) ** 2 - (one @ SLOPE) ** 2 + 3.0 * np.mean((lengths - 1) ** 2)
    np.testing.assert_allclose(loss, expected, rtol=0.02)


@trains
@pytest.mark.parametrize("generator_loss", ["saturating", "non_saturating"])
@pytest.mark.parametrize("judged_alone", [{"pairs": "pools"}, {"generator_sees": "samples"}])
def test_a_generator_that_sees_its_samples_steps_as_in_the_plain_gan(judged_alone, generator_loss, monkeypatch):
    steps = []
    for options in ({"alpha": 0.4, **judged_alone}, {"alpha": 0}):
        gan = sgd(pinned(MixupGAN(*linear_networks(), **options, generator_loss=generator_loss), monkeypatch))
        gan._generator_step(keras.ops.convert_to_tensor(REAL))
        steps.append(values(gan.generator))
    assert same(*steps)


@trains
@pytest.mark.parametrize("baseline, alpha", [(None, 0.2), (None, 0), ("r1", 0), ("wgan_gp", 0)])
@pytest.mark.parametrize("pairs", ["real_fake", "pools"])
def test_neither_step_moves_the_other_network(baseline, alpha, pairs):
    gan = adam(MixupGAN(*networks(), alpha, baseline=baseline, pairs=pairs, seed=3))
    real = keras.ops.convert_to_tensor(REAL)
    g, d = values(gan.generator), values(gan.discriminator)
    gan._discriminator_step(real)
    assert same(values(gan.generator), g) and not same(values(gan.discriminator), d)
    d = values(gan.discriminator)
    gan._generator_step(real)
    assert same(values(gan.discriminator), d) and not same(values(gan.generator), g)


@trains
@pytest.mark.parametrize("weight, seen, unseen", [(1.0, "real", "fake"), (0.0, "fake", "real")])
def test_at_weight_1_only_the_real_counts_and_at_0_only_the_generated(weight, seen, unseen, monkeypatch):
    def update(**examples):
        monkeypatch.setattr(library.weights, "draw", lambda size, *_: keras.ops.full((size,), weight))
        gan = sgd(MixupGAN(*linear_networks(), 0.2))
        both = {"real": REAL, "fake": REAL[::-1] - 4.0, **examples}
        tensors = [keras.ops.convert_to_tensor(np.ascontiguousarray(both[key])) for key in ("real", "fake")]
        ((points, target),) = gan._blends(*tensors, pools=False)
        np.testing.assert_array_equal(points, both[seen])
        np.testing.assert_array_equal(target, np.full(6, weight))
        monkeypatch.setattr(gan, "_fake", lambda real: tensors[1])
        gan._discriminator_step(tensors[0])
        return values(gan.discriminator)

    usual = update()
    assert same(update(**{unseen: REAL * 9.0}), usual)
    assert not same(update(**{seen: REAL * 9.0}), usual)


@trains
@pytest.mark.parametrize("pairs", ["real_fake", "pools"])
def test_alpha_0_is_the_plain_gan(pairs, monkeypatch):
    """Against a loop of TensorFlow and Keras's own cross-entropy, with dense networks, for several Adam steps."""
    import tensorflow as tf

    gan = adam(MixupGAN(*networks(), alpha=0, generator_loss="non_saturating", pairs=pairs, discriminator_steps=2))
    generator, discriminator = (keras.models.clone_model(n) for n in (gan.generator, gan.discriminator))
    generator.set_weights(gan.generator.get_weights())
    discriminator.set_weights(gan.discriminator.get_weights())
    g_optimizer, d_optimizer = keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01)
    monkeypatch.setattr(gan, "_noise", lambda size, seed: tf.constant(NOISE[:size]))
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    ones, zeros, z = tf.ones((3, 1)), tf.zeros((3, 1)), NOISE[:3]
    for _ in range(4):
        gan.train_on_batch(REAL)
        for x in (REAL[:3], REAL[3:]):
            with tf.GradientTape() as tape:
                loss = entropy(ones, discriminator(x)) + entropy(zeros, discriminator(generator(z)))
            d_optimizer.apply(tape.gradient(loss, discriminator.trainable_weights), discriminator.trainable_weights)
        with tf.GradientTape() as tape:
            loss = entropy(ones, discriminator(generator(z)))
        g_optimizer.apply(tape.gradient(loss, generator.trainable_weights), generator.trainable_weights)
    for ours, plain in ((gan.generator, generator), (gan.discriminator, discriminator)):
        for found, wanted in zip(values(ours), values(plain), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


@trains
def test_weights_are_drawn_afresh_for_every_example_step_and_network():
    gan, seen = MixupGAN(*networks(), 0.2, discriminator_steps=2, seed=1), []
    gan.compile(run_eagerly=True)
    blends = gan._blends
    gan._blends = lambda *arguments, **more: seen.append(blends(*arguments, **more)) or seen[-1]
    gan.train_on_batch(REAL)
    gan.train_on_batch(REAL)
    drawn = np.concatenate([target for ((_, target),) in seen])
    assert len(drawn) == 18 and len(np.unique(drawn)) == 18  # three rows, three steps, twice


@trains
def test_weights_follow_beta():
    stats = pytest.importorskip("scipy.stats")
    gan = MixupGAN(*networks(), 0.7, seed=5)
    real = keras.ops.zeros((20_000, 3))
    ((_, target),) = gan._blends(real, real, pools=False)
    assert stats.kstest(np.asarray(target), stats.beta(0.7, 0.7).cdf).pvalue > 1e-3


@trains
def test_any_distribution_may_give_the_weights():
    class Thirds:
        def sample(self, shape, seed):
            return keras.ops.full(shape, 1 / 3)

    gan = MixupGAN(*networks(), Thirds())
    ((points, target),) = gan._blends(keras.ops.ones((4, 3)), keras.ops.zeros((4, 3)), pools=False)
    np.testing.assert_allclose(points, np.full((4, 3), 1 / 3), rtol=1e-6)
    np.testing.assert_allclose(target, np.full(4, 1 / 3), rtol=1e-6)


@trains
def test_pools_mix_real_with_real_and_generated_with_generated_too():
    """Real examples are 1 and generated ones 0, so that a blend shows its own target."""
    gan, size = MixupGAN(*networks(), 0.3, pairs="pools", seed=2), 5000
    ((points, target),) = gan._blends(keras.ops.ones((size, 3)), keras.ops.zeros((size, 3)), pools=True)
    points, target = np.asarray(points), np.asarray(target)
    np.testing.assert_allclose(points, np.repeat(target[:, None], 3, axis=1), atol=1e-6)
    assert target.shape == (2 * size,)
    share = {name: np.mean(chosen) for name, chosen in (("real", target > 1 - 1e-6), ("fake", target < 1e-6))}
    assert share["real"] == pytest.approx(0.25, abs=0.02) and share["fake"] == pytest.approx(0.25, abs=0.02)
    mixed = target[(target > 1e-6) & (target < 1 - 1e-6)]
    weight = np.minimum(mixed, 1 - mixed)  # at most 0.3, so the smaller part
    assert weight.max() <= 0.3 and np.mean(weight) == pytest.approx(0.15, abs=0.01)
    assert np.mean(mixed < 0.5) == pytest.approx(0.5, abs=0.03)


@trains
@pytest.mark.parametrize("size, steps, rows", [(6, 3, [[0, 1], [2, 3], [4, 5]]), (7, 3, None), (1, 3, [[0]] * 3)])
def test_a_batch_is_cut_into_one_part_for_each_step(size, steps, rows):
    rows = rows or [[0, 1, 2], [3, 4, 5], [6, 0, 1]]
    gan = MixupGAN(*networks(), discriminator_steps=steps)
    batch = keras.ops.convert_to_tensor(np.arange(size, dtype="float32")[:, None] * np.ones(3, "float32"))
    assert [np.asarray(part)[:, 0].tolist() for part in gan._parts(batch)] == rows


@trains
@pytest.mark.parametrize("jit_compile", [False, True])
def test_any_batch_size_trains(jit_compile):
    gan = adam(MixupGAN(*networks(), discriminator_steps=3, seed=0), jit_compile=jit_compile)
    data = np.tile(REAL, (5, 1))[:23]
    history = gan.fit(data, batch_size=11, epochs=2, verbose=0).history  # 11, 11 and 1
    assert np.isfinite(history["discriminator_loss"]).all() and np.isfinite(history["generator_loss"]).all()
    assert int(gan.discriminator_optimizer.iterations) == 18 and int(gan.generator_optimizer.iterations) == 6


def assert_equal_training(one, other):
    assert same(values(one.generator), values(other.generator))
    assert same(values(one.discriminator), values(other.discriminator))


BATCHES = [np.random.default_rng(i).normal(size=(8, 3)).astype("float32") for i in range(6)]


def train(gan, batches):
    for batch in batches:
        gan.train_on_batch(batch)
    return gan


@trains
@pytest.mark.parametrize("options", [{}, {"baseline": "r1"}, {"baseline": "wgan_gp"}], ids=str)
def test_both_networks_train_in_every_pass(options):
    """A layer that looks: dropout would not drop, and batch statistics not move, where it is told otherwise."""
    told = []

    class Spy(keras.layers.Layer):
        def call(self, x, training=None):
            told.append((self.name, training))
            return x

    generator, discriminator = networks()
    generator = keras.Sequential([keras.Input(generator.input_shape[1:]), generator, Spy(name="generator")])
    discriminator = keras.Sequential([keras.Input(generator.output_shape[1:]), Spy(name="real"), discriminator])
    gan = adam(MixupGAN(generator, discriminator, 0 if options else 0.2, **options, seed=1), run_eagerly=True)
    told.clear()
    gan.train_on_batch(REAL)
    assert {name for name, _ in told} == {"generator", "real"} and len(told) >= 4
    assert all(training is True for _, training in told)


@trains
@pytest.mark.parametrize("kind", ["keras", "weights", "checkpoint"])
@pytest.mark.parametrize("options", [{"alpha": 0.2}, {"alpha": 0.2, "pairs": "pools"}, {"alpha": 0, "baseline": "r1"}])
def test_resuming_is_exact(kind, options, tmp_path):
    def new():
        keras.utils.set_random_seed(4)
        gan = MixupGAN(*networks(dropout=0.3), **options, discriminator_steps=2, seed=9)
        gan.compile(keras.optimizers.RMSprop(0.01), keras.optimizers.Adam(0.01, beta_1=0.5), jit_compile=False)
        return gan

    whole = train(new(), BATCHES)
    half = train(new(), BATCHES[:3])
    path = tmp_path / {"keras": "gan.keras", "weights": "gan.weights.h5", "checkpoint": "gan"}[kind]
    if kind == "keras":
        half.save(path)
        resumed = keras.saving.load_model(path)
    elif kind == "checkpoint":
        import tensorflow as tf

        saved, resumed = tf.train.Checkpoint(model=half).save(str(path)), new()
        tf.train.Checkpoint(model=resumed).restore(saved).assert_consumed()
    else:
        half.save_weights(path)
        resumed = new()
        resumed.load_weights(path)
    assert not same(values(half.generator), values(whole.generator))
    assert_equal_training(train(resumed, BATCHES[3:]), whole)


@trains
def test_backup_and_restore_goes_on_where_it_was_stopped(tmp_path):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(np.concatenate(BATCHES)).batch(8)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def new():
        keras.utils.set_random_seed(4)
        return adam(MixupGAN(*networks(), discriminator_steps=2, seed=9), jit_compile=False)

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)

    whole, stopped, resumed = new(), new(), new()
    whole.fit(data, epochs=4, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(data, epochs=4, verbose=0, callbacks=[backup(), Stop()])
    resumed.fit(data, epochs=4, verbose=0, callbacks=[backup()])
    assert_equal_training(resumed, whole)


def test_a_saved_gan_loads_in_a_fresh_process(tmp_path):
    gan = MixupGAN(*networks(), 0.4, discriminator_steps=3, generator_loss="non_saturating", seed=1)
    gan.save(tmp_path / "gan.keras")
    code = f"""if True:
        import keras, numpy as np
        import keras_mixup.gan  # which registers the class
        gan = keras.saving.load_model({str(tmp_path / "gan.keras")!r})
        print(type(gan).__name__, gan.alpha, gan.discriminator_steps, gan.generator_loss, gan.compiled)
        np.save({str(tmp_path / "samples.npy")!r}, keras.ops.convert_to_numpy(gan.sample(4, seed=2)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["MixupGAN", "0.4", "3", "non_saturating", "False"]
    expected = keras.ops.convert_to_numpy(gan.sample(4, seed=2))
    np.testing.assert_allclose(np.load(tmp_path / "samples.npy"), expected, rtol=1e-5)


@trains
def test_every_argument_survives_saving():
    options = {
        "discriminator_steps": 3,
        "generator_loss": "non_saturating",
        "generator_sees": "samples",
        "pairs": "pools",
        "penalty": 2.0,
        "seed": 8,
    }
    config = MixupGAN(*networks(), 0.4, **options, name="mine").get_config()
    again = MixupGAN.from_config(config).get_config()
    assert {key: again[key] for key in options} == options
    assert again["alpha"] == 0.4 and again["name"] == "mine"
    assert MixupGAN.from_config(MixupGAN(*networks(), 0, baseline="r1").get_config()).baseline == "r1"


@trains
@pytest.mark.parametrize("arguments", [{"run_eagerly": True}, {"steps_per_execution": 3}])  # XLA draws other numbers
def test_ways_of_compiling_agree(arguments):
    import tensorflow as tf

    def trained(**arguments):
        keras.utils.set_random_seed(4)
        gan = sgd(MixupGAN(*networks(), 0.5, discriminator_steps=2, seed=9), **arguments)
        gan.fit(tf.data.Dataset.from_tensor_slices(np.concatenate(BATCHES)).batch(8), verbose=0)
        return gan

    usual, other = trained(jit_compile=False), trained(**{"jit_compile": False, **arguments})
    for one, two in ((usual.generator, other.generator), (usual.discriminator, other.discriminator)):
        for a, b in zip(values(one), values(two), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@trains
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_in_float32_weights(policy):
    keras.config.set_dtype_policy(policy)
    gan = adam(MixupGAN(*networks(), 0.2, seed=1), jit_compile=True)
    before = values(gan.generator)
    history = gan.fit(np.concatenate(BATCHES), batch_size=8, verbose=0).history
    assert np.isfinite(history["discriminator_loss"]).all() and np.isfinite(history["generator_loss"]).all()
    assert not same(values(gan.generator), before)
    assert {weight.dtype for weight in gan.trainable_weights} == {"float32"}
    scales = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in (gan.generator_optimizer,)]
    assert scales == [policy == "mixed_float16"]
    ((points, target),) = gan._blends(*(keras.ops.ones((4, 3)) for _ in range(2)), pools=False)
    assert keras.backend.standardize_dtype(points.dtype) == keras.backend.standardize_dtype(target.dtype) == "float32"


@trains
def test_images_with_a_logit_for_each_patch():
    generator = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16),
            keras.layers.Reshape((4, 4, 1)),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2DTranspose(1, 4, 2, padding="same", activation="tanh"),
        ]
    )
    discriminator = keras.Sequential([keras.layers.Conv2D(4, 3, 2), keras.layers.Conv2D(1, 1)])  # not built yet
    gan = adam(MixupGAN(generator, discriminator, 0.2, seed=0), jit_compile=True)
    history = gan.fit(np.zeros((6, 8, 8, 1), "float32"), batch_size=3, epochs=2, verbose=0).history
    assert np.isfinite(history["discriminator_loss"]).all()
    assert tuple(gan.sample(2).shape) == (2, 8, 8, 1)


@trains
def test_regularisers_of_the_networks_count(monkeypatch):
    generator, discriminator = linear_networks()
    discriminator.layers[0].kernel_regularizer = keras.regularizers.L2(0.1)
    discriminator.layers[0].kernel.regularizer = keras.regularizers.L2(0.1)
    gan = sgd(pinned(MixupGAN(generator, discriminator, 0.2), monkeypatch))
    gan.train_on_batch(REAL)
    slope, *_ = stepped(None, 0.2, "saturating", 0)
    np.testing.assert_allclose(values(discriminator)[0], slope - D_RATE * 0.2 * SLOPE[:, None], rtol=2e-5, atol=2e-6)


@trains
@pytest.mark.parametrize("generator_loss", ["saturating", "non_saturating"])
def test_the_generator_finds_the_data(generator_loss):
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal((2.0, -1.0, 0.5), 0.3, (4096, 3)).astype("float32")
    gan = MixupGAN(*networks(32), 0.5, generator_loss=generator_loss, seed=1)
    gan.compile(keras.optimizers.Adam(2e-3, beta_1=0.5), keras.optimizers.Adam(2e-3, beta_1=0.5), jit_compile=False)
    start = np.asarray(gan.sample(500, seed=0)).mean(0)
    gan.fit(data, batch_size=64, epochs=6, verbose=0)
    end = np.asarray(gan.sample(500, seed=0)).mean(0)
    far = np.linalg.norm(start - (2.0, -1.0, 0.5))
    assert far > 1.5 and np.linalg.norm(end - (2.0, -1.0, 0.5)) < 0.5


def test_sampling():
    gan = MixupGAN(*networks(), seed=3)
    first, second = (keras.ops.convert_to_numpy(gan.sample(5)) for _ in range(2))
    assert first.shape == (5, 3) and not np.array_equal(first, second)
    one, two = (keras.ops.convert_to_numpy(gan.sample(5, seed=1)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    noise = NOISE[:4]
    np.testing.assert_allclose(gan.predict(noise, verbose=0), gan.generator.predict(noise, verbose=0), rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow trains")
def test_other_backends_are_refused_in_words():
    with pytest.raises(RuntimeError, match="^Training a `MixupGAN` needs the TensorFlow backend: set KERAS_BACKEND"):
        MixupGAN(*networks()).compile()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alpha": -1.0}, "`alpha` should be a finite number >= 0, or an object with"),
        ({"discriminator_steps": 0}, "`discriminator_steps` should be a positive integer. Received: "),
        ({"discriminator_steps": True}, "`discriminator_steps` should be a positive integer. Received: "),
        ({"generator_loss": "minimax"}, "`generator_loss` should be one of 'saturating', 'non_saturating'. Received: "),
        ({"generator_sees": "real"}, "`generator_sees` should be one of 'blends', 'samples'. Received: "),
        ({"pairs": "shuffle"}, "`pairs` should be one of 'real_fake', 'pools'. Received: pairs='shuffle'."),
        ({"pairs": "pools", "alpha": 1.5}, "`alpha` should be a number between 0 and 1 with pairs='pools', which "),
        ({"baseline": "r2"}, "`baseline` should be one of None, 'r1', 'wgan_gp'. Received: baseline='r2'."),
        ({"baseline": "r1"}, "`baseline` needs alpha=0. Received: baseline='r1', alpha=0.2."),
        ({"penalty": -1}, "`penalty` should be a finite number >= 0. Received: penalty=-1."),
        ({"penalty": float("nan")}, "`penalty` should be a finite number >= 0. Received: penalty=nan."),
        ({"generator": "dcgan"}, "`generator` should be a Keras model or layer. Received: generator='dcgan'."),
        (
            {"generator": keras.Sequential([keras.layers.Dense(3)])},
            "`generator` should have one input of a known shape, that of the noise; begin it with `keras.Input(",
        ),
        (
            {"discriminator": keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])},
            "`discriminator` should take what `generator` makes. Received: a generator of output shape (None, 3) and "
            "a discriminator of input shape (None, 5).",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_words(options, message):
    generator, discriminator = networks()
    with pytest.raises(ValueError) as error:
        MixupGAN(**{"generator": generator, "discriminator": discriminator, **options})
    assert str(error.value).startswith(message)


@trains
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((REAL, WEIGHT), "`MixupGAN` trains on real examples alone: `fit(x)`. Received: targets as well."),
        ((REAL[:, :2],), "The generator makes examples of shape (3,), so `x` should have shape ('batch', 3). Received"),
        ((REAL.astype("uint8"),), "`x` should be floats in the range of the generator's output. Received: dtype uint8"),
    ],
)
def test_wrong_data_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError) as error:
        sgd(MixupGAN(*networks())).train_on_batch(*arguments)
    assert message in str(error.value)


@trains
def test_one_optimizer_for_two_networks_is_refused():
    optimizer = keras.optimizers.SGD()
    with pytest.raises(ValueError, match="should be two optimizers, not one"):
        MixupGAN(*networks()).compile(optimizer, optimizer)


@trains
def test_evaluate_is_refused_in_words():
    with pytest.raises(NotImplementedError, match="no loss that says how good it is; look at `sample` instead"):
        sgd(MixupGAN(*networks())).evaluate(REAL, verbose=0)
