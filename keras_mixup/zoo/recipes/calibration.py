"""Calibration of mixup: CIFAR-100 and Fashion-MNIST, label smoothing, alpha from 0.1 to 1, MixupE (arXiv 1905.11001).

Not run yet, so there are no results.

    keras-mixup run calibration --data-dir DIR
    keras-mixup run calibration --data-dir DIR --set held_out=5000 --out runs/calibration-temperature

Data: CIFAR-100 and Fashion-MNIST of TensorFlow Datasets, prepared in DIR; all training images. The second command keeps
5,000 of them from training and fits a temperature to them.

The paper trains ResNet-34 on CIFAR-100 and ResNet-18 on Fashion-MNIST. Here both are the pre-activation ones, the only
ones of these depths that the zoo has. 200 epochs of SGD with Nesterov's momentum, 0.1 times 0.2 after 60, 120 and 160
epochs, weight decay 5e-4; the momentum of 0.9, the batches of 128 and the factor of 0.2 are not the paper's but those
of a public repetition of it. Images are padded by 4, cropped and flipped, not rotated as in that repetition. The
paper's figures of ECE and OE could not be read, and those of its bins are 100; here they are 15.

MixupE with eta 0 is a control of our own: see `cifar10`.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row


def _rows(name, title, **settings):
    """A row for each way to train, on one set of data and its network."""
    ways = {
        "erm": ("ERM", None, {}),
        "smoothing": ("label smoothing 0.1", None, {"label_smoothing": 0.1}),
        **{f"mixup-{alpha}": (f"mixup {alpha}", Mixup(alpha, per="batch"), {}) for alpha in (0.1, 0.2, 0.3, 0.4, 1.0)},
        "mixupe": ("MixupE 1.0", MixupE(alpha=1.0, eta=0.001), {}),
        "mixupe-0": ("MixupE 1.0, eta 0", MixupE(alpha=1.0, eta=0.0), {}),
    }
    return tuple(
        Row(f"{name}-{key}", f"{title}, {label}", method, None, {**settings, **own})
        for key, (label, method, own) in ways.items()
    )


RECIPE = Recipe(
    name="calibration",
    title="Calibration on CIFAR-100 and Fashion-MNIST: ERM, label smoothing, mixup, MixupE",
    dataset="cifar100",
    network="preact_resnet34",
    rows=(
        *_rows("cifar100", "CIFAR-100"),
        *_rows("fashion", "Fashion-MNIST", dataset="fashion_mnist", network="preact_resnet18"),
    ),
    epochs=200,
    batch_size=128,
    learning_rate=0.1,
    schedule="step",
    milestones=(60, 120, 160),
    decay_factor=0.2,
    weight_decay=5e-4,
    decay="l2",
    augment="pad_crop_flip",
    measures=("calibration", "ood"),
    seeds=4,
)
