"""Fashion-MNIST, 6,000 training images: ERM against mixup, MixupE and CutMix.

Nothing is gained here. Test error is 12.75 % for ERM, 12.59 % for mixup with alpha 0.2, 12.80 % with alpha 1.0, 12.90 %
for MixupE, 12.82 % for MixupE with eta 0 and 13.59 % for CutMix; five seeds, and seed by seed the differences to ERM
and their 95 % intervals are -0.16 [-0.54, 0.23], +0.05 [-0.23, 0.34], +0.15 [-0.09, 0.39], +0.07 [-0.18, 0.32], all
open, and +0.84 [0.43, 1.25], shown: CutMix costs. At alpha 0.2 NLL and calibration are as good as ERM's; at alpha 1.0
both are worse. What MixupE changes of mixup with alpha 1.0, NLL 0.434 against 0.412 and ECE 9.14 against 6.55 %, its
control does as well (0.434 and 9.24 %): it is the second, clean pass, and not the penalty. 140 to 250 s per run on one
core shared with other work; 2026-11-27. Table and plots: `keras_mixup/zoo/results/fashion_mnist`.

    keras-mixup run fashion_mnist --data-dir DIR
    keras-mixup run fashion_mnist --data-dir DIR --set train_size=60000 --out runs/fashion_mnist-all

Data: Fashion-MNIST of TensorFlow Datasets, prepared in DIR. Each seed draws its own 6,000 of the 60,000 training
images; all 10,000 test images are used. No augmentation but the mixing. The budget was chosen on the ERM row alone: its
test error no longer moves in the last epochs. The second command trains on all 60,000.

MixupE with eta 0 is a control of our own: its second, clean pass in training moves the averages of batch normalisation,
but it has no penalty. What MixupE gains over it, the penalty does; what it gains over mixup may be either.
"""

from keras_mixup.methods import CutMix, Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="fashion_mnist",
    title="Fashion-MNIST, part of the training set: ERM, mixup, MixupE, CutMix",
    dataset="fashion_mnist",
    network="small_cnn",
    rows=(
        Row("erm", "ERM"),
        Row("mixup-0.2", "mixup, alpha 0.2", Mixup(alpha=0.2)),
        Row("mixup-1.0", "mixup, alpha 1.0", Mixup(alpha=1.0)),
        Row(
            "mixupe",
            "MixupE, alpha 1.0, eta 0.001",
            MixupE(alpha=1.0, eta=0.001, per="example"),
            against=("mixupe-0",),
        ),
        Row("mixupe-0", "MixupE, alpha 1.0, eta 0", MixupE(alpha=1.0, eta=0.0, per="example")),
        Row("cutmix", "CutMix, alpha 1.0", CutMix(alpha=1.0)),
    ),
    train_size=6000,
    epochs=25,
    batch_size=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    seeds=5,
)
