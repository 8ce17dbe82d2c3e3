"""CIFAR-10, 5,000 training images, a narrow network, tested on turned, sheared and scaled images: five ways to train.

STALE: these figures are of another operator than the measure `deformations` has now, which is that of the public
program: pixels were read off linearly, shears went along the other axis, and the center was half a pixel to a pixel
elsewhere. They stand until the table is run again.

Mixing hardly helps where images are deformed: of 32 differences to ERM, means of two seeds, none is beyond 2.5 points,
most are below 1, and seeds differ by as much. On the images as they are all four err on 0.7 to 1.7 points less than
ERM's 45.4 %; zoomed in a little (0.8) they keep that, mixup with alpha 2 most (50.0 against 52.4 %). Turned or sheared
by up to 40 and 57 degrees all err on 56 to 59 %. The paper's margins between its methods, of 1 to 7 points, are of
networks that saw ten times as many images 13 to 40 times as often. Three to five minutes per run on one core;
2026-11-21. Table and plots: `keras_mixup/zoo/results/deformations_small`.

    keras-mixup run deformations_small --data-dir DIR

Data, network and budget are those of the recipe `cifar10_small`. Manifold mixup mixes the image, or what the first or
the second stage puts out. All 10,000 test images are used, as they are and under each deformation. Nothing was tuned.

A small substitute for table 8 of MixupE's paper, which is of CIFAR-100: see the recipe `deformations`.

MixupE with eta 0 is a control of our own, announced and not run yet: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.manifold import ManifoldMixup
from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="deformations_small",
    title="CIFAR-10, part of the training set, a narrow network: five ways to train, tested on deformed images",
    dataset="cifar10",
    network="wide_resnet10_2_half",
    rows=(
        Row("erm", "ERM"),
        Row("mixup-1", "mixup, alpha 1.0", Mixup(alpha=1.0)),
        Row("mixup-2", "mixup, alpha 2.0", Mixup(alpha=2.0)),
        Row("manifold", "manifold mixup, alpha 2.0", ManifoldMixup(layers=("stage1", "stage2"), alpha=2.0)),
        Row(
            "mixupe",
            "MixupE, alpha 1.0, eta 0.001",
            MixupE(alpha=1.0, eta=0.001, per="example"),
            against=("mixupe-0",),
        ),
        Row("mixupe-0", "MixupE, alpha 1.0, eta 0", MixupE(alpha=1.0, eta=0.0, per="example")),
    ),
    train_size=5000,
    epochs=30,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=5e-4,
    seeds=2,
    measures=("deformations",),
)
