"""CIFAR-10, 5,000 training images, a narrow network: ERM against mixup, MixupE and CutMix.

Not run yet, so there are no results.

    keras-mixup run cifar10_small --data-dir DIR

Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR. Each seed draws its own 5,000 of the 50,000 training images;
all 10,000 test images are used. No augmentation but the mixing.
"""

from keras_mixup.methods import CutMix, Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="cifar10_small",
    title="CIFAR-10, part of the training set, a narrow network: ERM, mixup, MixupE, CutMix",
    dataset="cifar10",
    network="wide_resnet10_2_half",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0)),
        Row("mixupe", "MixupE, alpha 1.0, eta 0.001", MixupE(alpha=1.0, eta=0.001, per="example")),
        Row("cutmix", "CutMix, alpha 1.0", CutMix(alpha=1.0)),
    ),
    train_size=5000,
    epochs=30,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=5e-4,
    seeds=3,
)
