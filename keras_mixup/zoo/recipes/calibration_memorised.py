"""Fashion-MNIST, 6,000 training images, and a network that learns them by heart: calibration of ERM and mixup.

Announced, and not finished yet: there are no results. What follows was written before the first run.

    keras-mixup run calibration_memorised --data-dir DIR

Hypothesis: where ERM memorises, mixup with alpha 0.2 lowers the expected calibration error and the overconfidence, as
published (arXiv 1905.11001), and the NLL; and it does not raise the error. Where ERM is nearly calibrated it has
nothing to mend: see `calibration_small`. Score: ECE, NLL and error on all 10,000 test images after the last epoch,
differences paired by seed, five seeds, Holm's correction for three; the scores at a temperature and those on strangers
stand beside, and no claim rests on them.

Data: Fashion-MNIST of TensorFlow Datasets, prepared in DIR. Each seed draws its own 7,000 of the 60,000 training
images, and of these keeps 1,000 from training to fit the temperature. WRN-10-2 with a stem that halves the image, and
the budget of `fashion_mnist`. One seed of another draw had suggested the effect; nothing was tuned on these.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="calibration_memorised",
    title="Calibration on a part of Fashion-MNIST, a network that memorises: ERM against mixup",
    dataset="fashion_mnist",
    network="wide_resnet10_2_half",
    rows=(
        Row("erm", "ERM"),
        Row("mixup-0.2", "mixup, alpha 0.2", Mixup(alpha=0.2)),
    ),
    train_size=7000,
    held_out=1000,
    epochs=25,
    batch_size=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    measures=("calibration", "ood"),
    seeds=5,
)
