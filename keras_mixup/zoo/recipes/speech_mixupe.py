"""Speech Commands, LeNet, VGG-11 and VGG-13: ERM against mixup and MixupE (MixupE, table 5).

Not run yet on the whole set, so there are no results; `speech_test_clips` is the small sibling that was.

    keras-mixup run speech_mixupe --data-dir DIR
    keras-mixup run speech_mixupe --data-dir DIR --row lenet-erm lenet-mixup lenet-mixupe

Data: as for `speech_commands`. As in the paper: 20 epochs of Adam at 0.001, batches of 100, a weight per batch, alpha
0.2 and eta 0.01, which were the best of those it tried for each network. It does not speak of a schedule or of epochs
without mixing; here there are none. The authors' program for speech subtracts the penalty that the paper adds:
`MixupE(variant="raise_absolute")`.

MixupE with eta 0 is a control of our own: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Published, Recipe, Row

# Test error in percent and its standard deviation of ERM, mixup and MixupE.
_TABLE = {
    "lenet": ("LeNet", (10.43, 0.052), (10.12, 0.041), (10.02, 0.042)),
    "vgg11": ("VGG-11", (6.04, 0.059), (4.63, 0.047), (3.93, 0.050)),
    "vgg13": ("VGG-13", (5.77, 0.053), (4.68, 0.039), (3.84, 0.040)),
}
_METHODS = {
    "erm": ("ERM", None),
    "mixup": ("mixup, alpha 0.2", Mixup(alpha=0.2, per="batch")),
    "mixupe": ("MixupE, alpha 0.2, eta 0.01", MixupE(alpha=0.2, eta=0.01)),
    "mixupe-0": ("MixupE, alpha 0.2, eta 0", MixupE(alpha=0.2, eta=0.0)),
}


def _rows(network, title, *errors):
    for (name, (label, method)), figure in zip(_METHODS.items(), (*errors, None), strict=True):
        published = figure and Published(figure[0], "arXiv 2212.13381, table 5, 30 words", "verified", std=figure[1])
        yield Row(f"{network}-{name}", f"{title}, {label}", method, published, settings={"network": network})


RECIPE = Recipe(
    name="speech_mixupe",
    title="Speech Commands, LeNet and VGG: ERM against mixup and MixupE",
    dataset="speech_commands",
    network="lenet",
    rows=tuple(row for network, entry in _TABLE.items() for row in _rows(network, *entry)),
    epochs=20,
    batch_size=100,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    seeds=5,
)
