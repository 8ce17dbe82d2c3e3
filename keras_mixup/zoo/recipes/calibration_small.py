"""Fashion-MNIST, 5,000 training images: calibration of ERM, label smoothing, mixup and MixupE, and with a temperature.

On this task ERM is nearly calibrated, and there is little to gain: its overconfidence, 1.31 %, goes to 0.00 with every
other row, as in the paper, but the ECE of mixup is larger, 3.23 (alpha 0.2) and 6.73 % (1.0) against 1.74 %, as mixup
is then less sure than it is right. A temperature mends either; T is below 1 for mixup. Label smoothing does the same,
further. Where ERM learns its training set by heart and is overconfident by far, mixup mends that, as published: see
`cifar10_small`, where ECE is 28.9 % for ERM and 2.0 % for mixup. Of the strangers, mixup and label smoothing tell
shuffled blocks better; noise as a winning score varies from seed to seed too much to tell. Three seeds, a minute per
run on one core; 2026-11-21. Table and pictures: `keras_mixup/zoo/results/calibration_small`.

    keras-mixup run calibration_small --data-dir DIR

Data: Fashion-MNIST of TensorFlow Datasets, prepared in DIR. Each seed draws its own 6,000 of the 60,000 training
images, and of these keeps 1,000 from training to fit the temperature; all 10,000 test images are used. Network and
budget are those of `fashion_mnist`.

MixupE with eta 0 is a control of our own, announced and not run yet: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="calibration_small",
    title="Calibration on a part of Fashion-MNIST: ERM, label smoothing, mixup, MixupE",
    dataset="fashion_mnist",
    network="small_cnn",
    rows=(
        Row("erm", "ERM"),
        Row("smoothing", "label smoothing 0.1", settings={"label_smoothing": 0.1}),
        Row("mixup-0.2", "mixup, alpha 0.2", Mixup(alpha=0.2)),
        Row("mixup-1.0", "mixup, alpha 1.0", Mixup(alpha=1.0)),
        Row(
            "mixupe",
            "MixupE, alpha 1.0, eta 0.001",
            MixupE(alpha=1.0, eta=0.001, per="example"),
            against=("mixupe-0",),
        ),
        Row("mixupe-0", "MixupE, alpha 1.0, eta 0", MixupE(alpha=1.0, eta=0.0, per="example")),
    ),
    train_size=6000,
    held_out=1000,
    epochs=25,
    batch_size=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    measures=("calibration", "ood"),
    seeds=3,
)
