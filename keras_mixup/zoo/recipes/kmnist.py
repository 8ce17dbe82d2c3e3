"""Kuzushiji-MNIST: ERM against mixup and manifold mixup on PreAct ResNet-18 (the data set's own table).

Not run yet, so there are no results.

    keras-mixup run kmnist --data-dir DIR

Data: `kmnist` of TensorFlow Datasets, prepared in DIR; 60,000 training images. The published figures, accuracies, are
of its files before 5 February 2019; those of today give slightly better ones.

How the published networks were trained was not found. This is the budget of the manifold mixup program, which one of
the data set's authors wrote: batches of 100, SGD with Nesterov momentum, 0.1 divided by 10 at the milestones, weight
decay 1e-4 on all weights, alpha 1 at the input and 2 inside; but for 200 epochs, as on CIFAR, instead of 2,000, and
with cross-entropy. Images are padded by 2 and cropped, not flipped: they are characters.
"""

from keras_mixup.manifold import ManifoldMixup
from keras_mixup.methods import Mixup
from keras_mixup.zoo import papers
from keras_mixup.zoo.recipe import Published, Recipe, Row


def _published(accuracy):
    return Published(round(100 - accuracy, 2), "README of rois-codh/kmnist, earlier files", "verified")


RECIPE = Recipe(
    name="kmnist",
    title="Kuzushiji-MNIST: ERM against mixup and manifold mixup",
    dataset="kmnist",
    network="preact_resnet18",
    rows=(
        Row("erm", "ERM", published=_published(97.82)),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0, per="batch"), _published(98.41)),
        Row(
            "manifold",
            "manifold mixup, alpha 2.0",
            ManifoldMixup(layers=("stage1", "stage2"), alpha=2.0, per="batch"),
            _published(98.83),
        ),
    ),
    seeds=3,
    **{**papers.MIXUP, "batch_size": 100, "optimizer": "nesterov", "augment": "pad2_crop"},
)
