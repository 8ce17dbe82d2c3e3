"""Kuzushiji-MNIST, all training images: ERM against mixup on PreAct ResNet-18 at a quarter of its width.

Announced, and not run yet: there are no results. What follows was written before the first run.

    keras-mixup run kmnist_quarter --data-dir DIR

Hypothesis: mixup lowers the test error, as in the data set's own table, where it goes from 2.18 to 1.59 % (verified;
files before 5 February 2019, full width, budget not stated: beside ours, not the same experiment). Score: error on all
10,000 test images after the last epoch, differences paired by seed, 95 % interval, five seeds; NLL and ECE stand
beside, and no claim rests on them.

Data: `kmnist` of TensorFlow Datasets, prepared in DIR; all 60,000 training images, whose test writers differ. The
budget is that of `kmnist` but for 25 epochs of a cosine instead of 200 of steps, and it is tested every five; nothing
was tuned.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="kmnist_quarter",
    title="Kuzushiji-MNIST, PreAct ResNet-18 at a quarter of the width: ERM against mixup",
    dataset="kmnist",
    network="preact_resnet18_quarter",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0, per="batch")),
    ),
    epochs=25,
    batch_size=100,
    learning_rate=0.1,
    weight_decay=1e-4,
    decay="l2",
    augment="pad2_crop",
    test_every=5,
    seeds=5,
)
