"""mixup training for Keras and TensorFlow: start reading at `keras_mixup/mixing.py`."""

from importlib.metadata import version as _version

from keras_mixup.layers import MixupLayer
from keras_mixup.methods import Mixup
from keras_mixup.mixing import Draw, mix
from keras_mixup.model import MixupModel
from keras_mixup.pipeline import mix_with, mixup

__version__ = _version("keras-mixup")
__all__ = ["Draw", "Mixup", "MixupLayer", "MixupModel", "mix", "mix_with", "mixup"]
