"""CIFAR-10, 5,000 training images, a narrow network under attack: ERM against mixup.

Nothing was shown. In the white box all networks err on 98 to 100 % at epsilon 4, too many to tell them apart. In the
black box, by FGSM, ERM errs on 55.0 and mixup on 54.9 %, by I-FGSM on 54.4 and 53.6 %; without an attack on 45.4 and
44.1 %. Means of two seeds, which differ by more. The paper's networks have seen 250 times as many images. 100 to 180 s
per run on one core; 2026-11-21. Table and picture: `keras_mixup/zoo/results/adversarial_small`; the errors of all
epsilons, which go to `attacks.json` now, were not kept then.

    keras-mixup run adversarial_small --data-dir DIR
    keras-mixup run adversarial_small --data-dir DIR --set epsilon=1 --out runs/epsilon1

Data, network and budget are those of the recipe `cifar10_small`; 2,000 of the 10,000 test images are attacked, by FGSM
and by I-FGSM in 10 equal steps, of at most 4 of 255 per pixel. In the white box each network makes its own examples; in
the black box that of the row `source` does, trained by ERM from other initial weights on the same images, which has to
be run first. The picture shows the error against epsilon. Nothing was tuned.

A small substitute for table 3 of mixup's paper, which is of ImageNet: see the recipe `adversarial`.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="adversarial_small",
    title="CIFAR-10, part of the training set, a narrow network: ERM against mixup, attacked by FGSM and I-FGSM",
    dataset="cifar10",
    network="wide_resnet10_2_half",
    rows=(
        Row("source", "first ERM", settings={"seed_offset": 1000}),
        Row("erm", "second ERM"),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0)),
    ),
    train_size=5000,
    epochs=30,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=5e-4,
    seeds=2,
    measures=("attacks",),
)
