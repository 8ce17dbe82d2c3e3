"""CIFAR-10, 250 labels, 5,000 other images, a small network: does mixup make use of images without labels?

It does, by little at this budget: test error is 60.5 % for ERM, 56.5 % with mixes of labelled images alone, 55.2 % with
guesses for other images, too, and 57.0 % for ICT, means of two seeds. Against ERM that is -4.1 ± 0.1, -5.4 ± 2.1 and
-3.6 ± 1.9 points; guesses against mixes alone differ by less than the seeds do. Calibration gains more: ECE 41, 15, 2
and 5 %. 70 to 170 s per run on one core; 2026-11-21. Table and curves: `keras_mixup/zoo/results/semi_supervised_small`.

    keras-mixup run semi_supervised_small --data-dir DIR
    keras-mixup run semi_supervised_small --data-dir DIR --set labels=1000 --out DIR

    ERM              the labelled images alone
    mixup            mixes of labelled images alone
    mixup, guesses   mixes of other images, too, whose targets the network guesses: MixMatch's baseline "MixUp"
    ICT              the same, but the mean teacher guesses, and the squared distance of probabilities is taken, with a
                     weight that rises to 100 in the first quarter of training

Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR. Each seed draws 25 labelled images of each class and 5,000
others from the training images; all 10,000 test images are used. Images are padded with 4 mirrored pixels, cropped and
flipped. A step takes 64 labelled and, in the last two rows, 64 other images. The average of the weights is tested. The
budget was chosen for two cores; nothing was tuned.
"""

from keras_mixup.methods import Mixup
from keras_mixup.weights import Folded
from keras_mixup.zoo.recipe import Row
from keras_mixup.zoo.self_training import SelfTraining
from keras_mixup.zoo.semi_supervised import SemiSupervisedRecipe

RECIPE = SemiSupervisedRecipe(
    name="semi_supervised_small",
    title="CIFAR-10, 250 labels, 5,000 other images: ERM, mixup, mixup of guesses, ICT",
    dataset="cifar10",
    network="small_cnn",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 0.75", Mixup(0.75)),
        Row("mixup-guesses", "mixup, guesses, alpha 0.75", SelfTraining(Mixup(Folded(0.75), pairing="reverse"))),
        Row(
            "ict",
            "ICT, alpha 1.0",
            SelfTraining(Mixup(1.0, per="batch"), teacher=0.99, distance="squared", strength=100.0, ramp_up=500),
        ),
    ),
    labels=250,
    unlabelled=5000,
    steps=200,
    epochs=10,
    batch_size=64,
    optimizer="adam",
    learning_rate=0.002,
    schedule="constant",
    weight_decay=0.02,
    decay="decoupled_kernels",
    ema=0.99,
    augment="reflect_crop_flip",
    score="last",
    seeds=2,
)
