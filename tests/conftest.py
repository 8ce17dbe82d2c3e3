"""What every test shares: a quiet TensorFlow on the CPU, and Keras settings that do not leak from test to test."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras  # noqa: E402  (it imports the backend, which reads the environment)
import pytest  # noqa: E402

# Traced functions pile up, millions of objects: searching them for garbage as often as Python does takes a tenth of the
# time.
gc.set_threshold(100_000, 50, 100)


@pytest.fixture(autouse=True)
def restored_dtypes():
    """Put the dtype policy and floatx back, whatever a test did to them."""
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
