"""Spectrograms of short recordings, as the speech experiments of the papers take them: a function and a Keras layer."""

import types

import keras
import numpy as np

from keras_mixup import ops as tables


def spectrogram(waveform, window=320, hop=160, frames=101):
    """Compute normalised logarithmic magnitude spectrograms.

        S[f, t] = log(1 + |sum_n h[n] x[t hop + n - window / 2] exp(-2 pi i f n / window)|)
        result  = (S - mean(S)) / deviation(S),        mean and deviation over all f and t of the recording

    h is a Hamming window (periodic). As in the published programs of the papers, the waveform is mirrored at both ends,
    so that frame t is centred on sample t * hop; missing frames are filled with 0 before normalisation, so in the
    result they hold a negative constant. The magnitude is that of a waveform between -1 and 1.

    With the defaults, 20 ms and 10 ms at 16 kHz, a second becomes 161 x 101. The papers write 160 x 101; their programs
    keep all 161 frequencies from 0 to 8 kHz, as here. Which one was left out, if any, is not known: LeNet and VGG have
    equally many features after their last pooling for 160.

    Args:
        waveform: Tensor of shape `(batch, samples)`: int16, which is divided by 32768, or floats between -1 and 1. The
            number of samples should be known and larger than half a window.
        window: Samples per frame.
        hop: Samples from one frame to the next.
        frames: How many frames to give; recordings that have fewer are padded, those with more are cut.

    Returns:
        float32 tensor of shape `(batch, window // 2 + 1, frames, 1)`: low frequencies first. It has mean 0 and variance
        1, but for silence, where all is 0 (below 1e-9).

    Raises:
        ValueError: If the waveform has another shape or dtype.

    Example:

    >>> import numpy as np
    >>> second = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> spectrogram(second[None]).shape
    TensorShape([1, 161, 101, 1])

    Reference:
        mixup (arXiv 1710.09412), section 3.3; MixupE (arXiv 2212.13381), section 5. The published program is
        adiyoss/GCommandsPytorch.
    """
    _check(waveform.shape, window)
    ops = _operations(waveform)
    x = _scaled(waveform, ops)
    x = ops.take(x, _frames(x.shape[1], window, hop, frames), axis=1)
    real, imaginary = ops.rfft(x * np.hamming(window + 1)[:-1].astype("float32"))
    # The square root has no derivative at 0; 1e-30 gives it one and is lost in any other sum.
    x = ops.log1p(ops.sqrt(real * real + imaginary * imaginary + 1e-30))
    x = ops.pad(ops.transpose(x, (0, 2, 1)), [[0, 0], [0, 0], [0, frames - x.shape[1]]])
    x = x - ops.mean(x, axis=(1, 2), keepdims=True)
    # Speech has a variance of 1e-3 and more; 1e-12 keeps silence at 0.
    return ops.expand_dims(x / ops.sqrt(ops.mean(x * x, axis=(1, 2), keepdims=True) + 1e-12), -1)


@keras.saving.register_keras_serializable(package="keras_mixup")
class Spectrogram(keras.layers.Layer):
    """The front end of the speech experiments as a layer: waveforms in, normalised log spectrograms out.

    See `spectrogram`. The layer has no weights and computes in float32, whatever the dtype policy. It works on the
    TensorFlow, JAX and torch backends, under `jit_compile=True`, and mapped over a `tf.data.Dataset` of batches.

    Mixup acts on spectrograms, so put it in front of the mixing: `dataset.map(lambda x, y: (Spectrogram()(x), y))`.
    Inside a network it is for inference, when the network should take waveforms.

    Args:
        window: Samples per frame, >= 2; 320 is 20 ms at 16 kHz.
        hop: Samples from one frame to the next, >= 1; 160 is 10 ms at 16 kHz.
        frames: Frames of the result, >= 1.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Call arguments:
        - waveform: Tensor of shape `(batch, samples)`, int16, or floats between -1 and 1.

    Returns:
        float32 tensor of shape `(batch, window // 2 + 1, frames, 1)`.

    Raises:
        ValueError: If an argument is out of its range, or the waveform has another shape or dtype.

    Example:

    >>> import numpy as np
    >>> Spectrogram()(np.zeros((4, 16000), "int16")).shape
    TensorShape([4, 161, 101, 1])
    """

    def __init__(self, window=320, hop=160, frames=101, **kwargs):
        super().__init__(autocast=False, **kwargs)  # float16 cannot hold the waveform
        for name, value, least in (("window", window, 2), ("hop", hop, 1), ("frames", frames, 1)):
            if type(value) is not int or value < least:
                raise ValueError(f"`{name}` should be an integer >= {least}. Received: {name}={value!r}.")
        self.window = window
        self.hop = hop
        self.frames = frames
        self.built = True

    def __call__(self, waveform, **kwargs):
        if _is_foreign(waveform):  # Keras' own machinery cannot hold the tensors of another library
            return self.call(waveform)
        return super().__call__(waveform, **kwargs)

    def call(self, waveform):
        return spectrogram(waveform, self.window, self.hop, self.frames)

    def compute_output_spec(self, waveform):
        _check(waveform.shape, self.window)
        return keras.KerasTensor((waveform.shape[0], self.window // 2 + 1, self.frames, 1), "float32")

    def get_config(self):
        return {**super().get_config(), "window": self.window, "hop": self.hop, "frames": self.frames}


def _check(shape, window):
    if len(shape) != 2 or shape[1] is None or shape[1] <= window // 2:
        raise ValueError(
            f"`waveform` should have the shape (batch, samples) with more than {window // 2} samples, their number "
            f"known beforehand. Received: waveform with shape {tuple(shape)}."
        )


def _scaled(waveform, ops):
    dtype = keras.backend.standardize_dtype(waveform.dtype)
    if dtype != "int16" and not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"`waveform` should be int16, or floats between -1 and 1. Received: waveform with dtype {dtype}."
        )
    x = ops.cast(waveform, "float32")
    return x / 32768.0 if dtype == "int16" else x


def _frames(samples, window, hop, frames):
    """Which sample of the waveform stands where in which frame: centring, mirroring and framing in one table."""
    mirrored = np.pad(np.arange(samples, dtype="int32"), window // 2, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(mirrored, window)[::hop][:frames]


def _is_foreign(array):
    """Whether it is a tensor of TensorFlow while Keras runs on another backend: a `tf.data` pipeline."""
    return keras.backend.backend() != "tensorflow" and tables.is_tensorflow(array)


def _operations(array):
    """`keras.ops`; for a foreign tensor the same from TensorFlow."""
    if not _is_foreign(array):
        return keras.ops
    import tensorflow as tf

    def rfft(x):
        x = tf.signal.rfft(x)
        return tf.math.real(x), tf.math.imag(x)

    return types.SimpleNamespace(
        cast=tf.cast,
        expand_dims=tf.expand_dims,
        log1p=tf.math.log1p,
        mean=tf.reduce_mean,
        pad=tf.pad,
        rfft=rfft,
        sqrt=tf.sqrt,
        take=tf.gather,
        transpose=tf.transpose,
    )
