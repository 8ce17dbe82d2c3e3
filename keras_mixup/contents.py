"""What `import keras_mixup` offers: a table of contents, imported whole. Keras can load a saved model then."""

from keras_mixup import attacks as attacks
from keras_mixup.batch import Batch, mix_batch
from keras_mixup.calibration import (
    AverageCalibrationError,
    BrierScore,
    ExpectedCalibrationError,
    MaximumCalibrationError,
    NegativeLogLikelihood,
    OverconfidenceError,
    fit_temperature,
    reliability,
)
from keras_mixup.callbacks import CleanMetrics
from keras_mixup.check import MixReport, check_mixed
from keras_mixup.gan import MixupGAN
from keras_mixup.layers import MixLayer, MixupLayer
from keras_mixup.loaders import MixBatches, MixCollate, MixGrain, MixPyDataset
from keras_mixup.losses import PairLoss, ThresholdedBinaryCrossentropy, class_sample_weight
from keras_mixup.manifold import ManifoldMixup
from keras_mixup.methods import Choice, CutMix, DMixup, FMix, Method, Mixup, RegMixup, Remix, ResizeMix
from keras_mixup.metrics import MixedAccuracy
from keras_mixup.mixing import Draw, mix
from keras_mixup.mixupe import MixupE
from keras_mixup.model import MixupModel
from keras_mixup.pairing import LabelDistance
from keras_mixup.pipeline import c_mixup, mix_with, mixup
from keras_mixup.saliencymix import SaliencyMix
from keras_mixup.schedules import Adjustable, Schedule, off_epochs, without_hesitation
from keras_mixup.smoothmix import SmoothMix
from keras_mixup.weights import Folded

__all__ = [
    "Adjustable",
    "AverageCalibrationError",
    "Batch",
    "BrierScore",
    "Choice",
    "CleanMetrics",
    "CutMix",
    "DMixup",
    "Draw",
    "ExpectedCalibrationError",
    "FMix",
    "Folded",
    "LabelDistance",
    "ManifoldMixup",
    "MaximumCalibrationError",
    "Method",
    "MixBatches",
    "MixCollate",
    "MixGrain",
    "MixLayer",
    "MixPyDataset",
    "MixReport",
    "MixedAccuracy",
    "Mixup",
    "MixupE",
    "MixupGAN",
    "MixupLayer",
    "MixupModel",
    "NegativeLogLikelihood",
    "OverconfidenceError",
    "PairLoss",
    "RegMixup",
    "Remix",
    "ResizeMix",
    "SaliencyMix",
    "Schedule",
    "SmoothMix",
    "ThresholdedBinaryCrossentropy",
    "c_mixup",
    "check_mixed",
    "class_sample_weight",
    "fit_temperature",
    "mix",
    "mix_batch",
    "mix_with",
    "mixup",
    "off_epochs",
    "reliability",
    "without_hesitation",
]
