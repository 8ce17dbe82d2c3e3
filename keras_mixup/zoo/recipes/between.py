"""Between test examples of CIFAR-10: misses and gradients of ERM and mixup (mixup, figure 2).

Halfway between two test images ERM says a third class in 50.5 % of the cases, mixup in 44.4 %, and the norm of the
gradient is 6.3 against 2.5; means of two seeds. The paper's figure shows the same in sign. Two
minutes per run on one core; 2026-11-21. Table and pictures: `keras_mixup/zoo/results/between`.

    keras-mixup run between --data-dir DIR
    keras-mixup run cifar10 --data-dir DIR --row preact18-erm preact18-mixup --set measures=between --out runs/figure2

The second is the paper's network and budget. Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR; network and budget
of the first are those of `cifar10_small`. The number of pairs, and of which output the paper takes the gradient, are
not known: here 1,000 pairs, and the logit of the predicted class.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="between",
    title="Between test examples of CIFAR-10: misses and gradients (mixup, figure 2)",
    dataset="cifar10",
    network="wide_resnet10_2_half",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0)),
    ),
    train_size=5000,
    epochs=30,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=5e-4,
    measures=("between",),
    seeds=2,
)
