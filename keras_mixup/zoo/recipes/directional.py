"""Directional derivatives over training on CIFAR-10: ERM, mixup and MixupE (MixupE, figure 2).

As in the paper's figure, both are negative when training begins, and MixupE is nearest to zero: after the first epoch
q is -1.4 (ERM), -1.6 (mixup) and -0.6 (MixupE), q^ -0.7, -0.7 and -0.2. From the tenth epoch on all are positive, ERM's
the smallest: as ERM learns the training set by heart, softmax minus target vanishes, and with it both. In absolute
value MixupE ends no lower than mixup. Seeds differ much in the first epochs. Two seeds, 70 seconds per run on one core
(MixupE 140); 2026-11-21. Table and pictures: `keras_mixup/zoo/results/directional`.

    keras-mixup run directional --data-dir DIR
    keras-mixup run cifar10 --data-dir DIR --row preact50-erm preact50-mixup preact50-mixupe --set measures=directional

The second is a network and budget of the paper. Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR; the network of
the first is that of `cifar10_small`, trained for 15 epochs only, as the question is how training begins.

MixupE with eta 0 is a control of our own, announced and not run yet: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="directional",
    title="Directional derivatives over training on CIFAR-10 (MixupE, figure 2)",
    dataset="cifar10",
    network="wide_resnet10_2_half",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0)),
        Row(
            "mixupe",
            "MixupE, alpha 1.0, eta 0.001",
            MixupE(alpha=1.0, eta=0.001, per="example"),
            against=("mixupe-0",),
        ),
        Row("mixupe-0", "MixupE, alpha 1.0, eta 0", MixupE(alpha=1.0, eta=0.0, per="example")),
    ),
    train_size=5000,
    epochs=15,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=5e-4,
    measures=("directional",),
    seeds=2,
)
