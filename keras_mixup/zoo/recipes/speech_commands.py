"""Speech Commands, LeNet and VGG-11: ERM against mixup (mixup paper, section 3.3, figure 4).

Not run yet on the whole set, so there are no results; `speech_test_clips` is the small sibling that was.

    keras-mixup run speech_commands --data-dir DIR
    keras-mixup run speech_commands --data-dir DIR --row lenet-erm lenet-mixup-0.1 --seeds 3

Data: for the paper's 30 words DIR is version 0.01 of the archive, unpacked:
http://download.tensorflow.org/data/speech_commands_v0.01.tar.gz. Its testing_list.txt names the clips to test on, and
those of its validation_list.txt are left aside. DIR may as well be where TensorFlow Datasets prepared
`speech_commands`, which is version 0.02 with 12 classes, and so another task than the one of the published figures.

As in the paper: 30 epochs of Adam, 0.003 divided by 10 every 10, batches of 100, no mixing in the first five; a weight
per batch; spectrograms are mixed, after normalisation. The figures and these settings were not verified.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Published, Recipe, Row

# Test error in percent of ERM, and of mixup with alpha 0.1 and 0.2.
_FIGURE = {"lenet": ("LeNet", 10.3, 10.8, 11.3), "vgg11": ("VGG-11", 4.6, 3.8, 3.4)}
_METHODS = {
    "erm": ("ERM", None),
    "mixup-0.1": ("mixup, alpha 0.1", Mixup(alpha=0.1, per="batch")),
    "mixup-0.2": ("mixup, alpha 0.2", Mixup(alpha=0.2, per="batch")),
}


def _rows(network, title, *errors):
    for (name, (label, method)), error in zip(_METHODS.items(), errors, strict=True):
        published = Published(error, source="arXiv 1710.09412, figure 4, 30 words", tag="from memory")
        yield Row(f"{network}-{name}", f"{title}, {label}", method, published, settings={"network": network})


RECIPE = Recipe(
    name="speech_commands",
    title="Speech Commands, LeNet and VGG-11: ERM against mixup",
    dataset="speech_commands",
    network="lenet",
    rows=tuple(row for network, entry in _FIGURE.items() for row in _rows(network, *entry)),
    epochs=30,
    batch_size=100,
    optimizer="adam",
    learning_rate=3e-3,
    schedule="step",
    milestones=(10, 20),
    decay_factor=0.1,
    weight_decay=0.0,
    unmixed_epochs=5,
    seeds=1,
)
