"""The front end against SciPy's STFT, as a function, as a layer and in a pipeline; on each backend of Keras."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_mixup.zoo.spectrogram import Spectrogram, spectrogram

TENSORFLOW = keras.backend.backend() == "tensorflow"


def waveforms(samples=16000, batch=3):
    """Noise of different loudness, with a drift, so that neither time nor frequency is symmetric."""
    random = np.random.default_rng(7)
    noise = random.standard_normal((batch, samples)) * np.geomspace(0.001, 0.1, batch)[:, None]
    return (noise * np.linspace(0.1, 1.0, samples)).astype("float32")


def reference(waveform, window=320, hop=160, frames=101):
    """One recording, by SciPy."""
    signal = pytest.importorskip("scipy.signal")
    hamming = signal.get_window("hamming", window)
    mirrored = np.pad(waveform.astype("float64"), window // 2, mode="reflect")
    _, _, stft = signal.stft(
        mirrored, window=hamming, nperseg=window, noverlap=window - hop, boundary=None, padded=False
    )
    logarithm = np.log1p(np.abs(stft) * hamming.sum())[:, :frames]  # SciPy divides by the sum of the window
    padded = np.zeros((window // 2 + 1, frames))
    padded[:, : logarithm.shape[1]] = logarithm
    return ((padded - padded.mean()) / padded.std())[..., None]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize(
    "samples, options",
    [(16000, {}), (9000, {}), (20000, {}), (4001, {"window": 400, "hop": 90, "frames": 40})],
    ids=["a second", "padded", "cut", "other sizes"],
)
def test_it_equals_scipy(samples, options):
    x = waveforms(samples)
    result = numpy(spectrogram(keras.ops.convert_to_tensor(x), **options))
    expected = np.stack([reference(row, **options) for row in x])
    assert result.shape == expected.shape and result.dtype == "float32"
    np.testing.assert_allclose(result, expected, atol=2e-4)


def test_a_second_has_161_frequencies_low_ones_first_and_101_frames():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    result = numpy(Spectrogram()(tone[None].astype("float32")))
    assert result.shape == (1, 161, 101, 1)
    assert set(result[0, :, 1:-1, 0].argmax(axis=0)) == {20}  # of 50 Hz each


def test_it_has_mean_0_and_variance_1_and_padding_is_negative():
    result = numpy(spectrogram(keras.ops.convert_to_tensor(waveforms(8000))))
    np.testing.assert_allclose(result.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=(1, 2, 3)), 1, atol=1e-3)
    padding = result[:, :, 51:]
    assert np.all(padding.std(axis=(1, 2, 3)) < 1e-6) and padding.max() < -0.3


def test_int16_is_the_waveform_times_32768():
    x = np.round(waveforms() * 32768).astype("int16")
    floats = (x / 32768).astype("float32")
    assert np.array_equal(numpy(Spectrogram()(x)), numpy(Spectrogram()(floats)))


def test_silence_is_0():
    assert np.abs(numpy(Spectrogram()(np.zeros((2, 16000), "int16")))).max() < 1e-9


@pytest.mark.skipif(not TENSORFLOW, reason="takes a gradient with TensorFlow")
def test_the_gradient_is_finite_even_of_silence():
    import tensorflow as tf

    x = tf.concat([tf.zeros((1, 4000)), waveforms(4000, 1)], 0)
    slopes = np.random.default_rng(1).standard_normal((2, 161, 101, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(spectrogram(x) * slopes)
    gradient = tape.gradient(y, x).numpy()
    assert np.isfinite(gradient).all() and gradient[1].any()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_compiles_inside_a_model(jit_compile):
    model = keras.Sequential([keras.Input((16000,), dtype="int16"), Spectrogram()])
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("compiling with torch needs a C++ compiler")
    model.compile(jit_compile=jit_compile)
    x = np.round(waveforms() * 32768).astype("int16")
    np.testing.assert_allclose(model.predict(x, verbose=0), np.stack([reference(row / 32768) for row in x]), atol=2e-4)


def test_it_maps_over_a_pipeline():
    """Under any backend: `tf.data` holds TensorFlow's tensors."""
    tf = pytest.importorskip("tensorflow")
    x = waveforms()
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(2).map(Spectrogram())
    assert dataset.element_spec.shape.as_list() == [None, 161, 101, 1]
    result = np.concatenate(list(dataset.as_numpy_iterator()))
    np.testing.assert_allclose(result, np.stack([reference(row) for row in x]), atol=2e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_changes_nothing(policy):
    x = waveforms()
    expected = numpy(Spectrogram()(x))
    keras.config.set_dtype_policy(policy)
    layer = Spectrogram()
    inputs = keras.Input((16000,), dtype="float32")
    outputs = layer(inputs)
    assert outputs.shape == (None, 161, 101, 1) and outputs.dtype == "float32"
    for result in (layer(x), keras.Model(inputs, outputs)(x)):
        assert keras.backend.standardize_dtype(result.dtype) == "float32"
        np.testing.assert_allclose(numpy(result), expected, atol=1e-5)


def test_it_comes_back_from_a_file_in_a_fresh_process(tmp_path):
    model = keras.Sequential([keras.Input((1000,)), Spectrogram(window=64, hop=30, frames=9)])
    model.save(tmp_path / "model.keras")
    x = waveforms(1000)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, keras, numpy as np, keras_mixup.zoo.spectrogram\n"
        "y = keras.saving.load_model(sys.argv[1] + '/model.keras')(np.load(sys.argv[1] + '/x.npy'))\n"
        "np.save(sys.argv[1] + '/y.npy', keras.ops.convert_to_numpy(y))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=300)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), numpy(model(x)), atol=1e-5)


@pytest.mark.parametrize(
    "waveform, received",
    [
        (np.zeros((16000,), "float32"), "with shape (16000,)."),
        (np.zeros((2, 16000, 1), "float32"), "with shape (2, 16000, 1)."),
        (np.zeros((2, 160), "float32"), "with shape (2, 160)."),
        (np.zeros((2, 16000), "int32"), "with dtype int32."),
    ],
)
def test_it_refuses_other_waveforms(waveform, received):
    with pytest.raises(ValueError, match="`waveform` should ") as error:
        Spectrogram()(waveform)
    assert f"Received: waveform {received}" in str(error.value)


@pytest.mark.parametrize("argument", [{"window": 1}, {"hop": 0}, {"frames": 10.0}])
def test_it_refuses_other_sizes(argument):
    (name, value), *_ = argument.items()
    with pytest.raises(ValueError, match=f"`{name}` should be an integer >= .. Received: {name}={value}."):
        Spectrogram(**argument)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_all_this_holds_under_another_backend(backend):
    if not TENSORFLOW or importlib.util.find_spec(backend) is None:
        pytest.skip("the other backends are started from TensorFlow's run, where they are installed")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-5000:]
