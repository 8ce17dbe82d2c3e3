"""CIFAR-10 and SVHN with 250 labels: mixup as a baseline of semi-supervised learning (MixMatch, tables 5 and 6).

Not run yet, so there are no results.

    keras-mixup run semi_supervised --data-dir DIR --row cifar10-erm cifar10-mixup --seeds 1

Data: CIFAR-10 and `svhn_cropped` of TensorFlow Datasets, prepared in DIR; of SVHN the 73,257 images of the training
split, without the `extra` ones. Each seed draws 250 images that keep their labels, of each class its share (25 of
CIFAR-10's), and all others lose them; pixels go to [-1, 1]. Images are padded with 4 mirrored pixels and cropped, those
of CIFAR-10 flipped, too.

A step takes 64 labelled and 64 other images. Both are mixed with the batch in reverse order, the larger share being the
original's; the targets of the others are what the network itself says of them before, of full weight, and not
sharpened. 1,048,576 steps of Adam at 0.002; kernels, but not biases and batch normalisation, lose a share 0.02 * 0.002
in each step; the average of the weights with momentum 0.999 is tested, every 1024 steps. The table reports the median
test error of the last 20 tests, as the paper does.

All this was read in the paper's program. Its convolutions have biases, which ours have not; it takes the decay off
after the step, Keras before; and its class shares may differ by an image. The rows without other images have no
published figure.
"""

from keras_mixup.methods import Mixup
from keras_mixup.weights import Folded
from keras_mixup.zoo.recipe import Published, Row
from keras_mixup.zoo.self_training import SelfTraining
from keras_mixup.zoo.semi_supervised import SemiSupervisedRecipe

_SVHN = {"dataset": "svhn_cropped", "augment": "reflect_crop"}
_TAG = "error transcribed, deviation from memory"


def _mixup(alpha):
    return SelfTraining(Mixup(Folded(alpha), pairing="reverse"))


RECIPE = SemiSupervisedRecipe(
    name="semi_supervised",
    title="CIFAR-10 and SVHN with 250 labels: mixup on labelled and on other images",
    dataset="cifar10_centred",
    network="mixmatch_resnet",
    rows=(
        Row("cifar10-erm", "CIFAR-10, labelled images alone"),
        Row(
            "cifar10-mixup",
            "CIFAR-10, mixup, alpha 0.75",
            _mixup(0.75),
            Published(47.43, "arXiv 1905.02249, table 5", _TAG, 0.92),
        ),
        Row("svhn-erm", "SVHN, labelled images alone", settings=_SVHN),
        Row(
            "svhn-mixup",
            "SVHN, mixup, alpha 0.25",
            _mixup(0.25),
            Published(39.97, "arXiv 1905.02249, table 6", _TAG, 1.89),
            _SVHN,
        ),
    ),
    labels=250,
    steps=1024,
    epochs=1024,
    batch_size=64,
    optimizer="adam",
    learning_rate=0.002,
    schedule="constant",
    weight_decay=0.02,
    decay="decoupled_kernels",
    ema=0.999,
    augment="reflect_crop_flip",
    score="median",
    seeds=5,
)
