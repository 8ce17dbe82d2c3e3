"""Classes that overlap: ERM with a temperature against mixup and d-Mixup without (arXiv 2306.00740).

Not run yet, so there are no results.

    keras-mixup run overlap --data-dir DIR

The paper's claim: the more classes overlap, the less a temperature can mend a network that fits its training labels
exactly, while one trained on mixes of two or more examples stays near the best that is possible. Its tables compare ERM
with a temperature to mixup without. Of what is compared here one thing differs: temperatures are fitted to the end. No
such one leaves an NLL above log(classes) on the examples it is fitted to, since an infinite one reaches that; the
paper's figure for two classes at mu 0.01 is 4.30. The authors' program makes one step of L-BFGS at a rate of 0.01.

Two kinds of overlap. Fashion-MNIST, of which a share of the labels became that of one other class, which a map gives
each class: 6,000 images, 600 of them kept for the temperature with such labels, too; the test labels are true. And two
Gaussians in 300 dimensions whose means are mu apart in each: 4,000 points, 400 of them kept for the temperature, and
1,000 to test with; the best possible NLL is known.

The paper's networks are ResNeXt-50; here they are a perceptron of two layers of 128 units for the Gaussians and a
narrow convolutional network for the images, so that two cores will do. Its optimiser is kept: Adam at 0.001, constant,
without weight decay, in batches of 500 for 200 epochs; the images have smaller batches and fewer epochs. One weight per
batch, alpha 1. The authors' program takes confidence and NLL with batch statistics of the test batches; here networks
are tested as they are used.
"""

from keras_mixup.methods import DMixup, Mixup
from keras_mixup.zoo.datasets.gaussians import MEANS
from keras_mixup.zoo.recipe import Recipe, Row

METHODS = {
    "erm": ("ERM", None),
    "mixup": ("mixup", Mixup(alpha=1.0, per="batch")),
    "dmixup-3": ("d-Mixup of 3", DMixup(partners=2, alpha=1.0, per="batch")),
    "dmixup-5": ("d-Mixup of 5", DMixup(partners=4, alpha=1.0, per="batch")),
}
GAUSSIANS = {"network": "mlp", "train_size": 4000, "held_out": 400, "batch_size": 500, "epochs": 200}


def _rows(name, title, **settings):
    return tuple(
        Row(f"{name}-{key}", f"{title}, {label}", method, None, settings) for key, (label, method) in METHODS.items()
    )


RECIPE = Recipe(
    name="overlap",
    title="Overlapping classes: ERM with a temperature against mixup and d-Mixup",
    dataset="fashion_mnist",
    network="small_cnn",
    rows=(
        *(row for p in range(0, 60, 10) for row in _rows(f"noise-{p}", f"{p} % of labels", label_noise=p / 100)),
        *(
            row
            for mu in MEANS
            for row in _rows(f"gaussians-{mu}", f"Gaussians at {mu}", dataset=f"gaussians-{mu}", **GAUSSIANS)
        ),
    ),
    train_size=6000,
    held_out=600,
    noise="map",
    epochs=25,
    batch_size=128,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    steps_at_once=8,
    measures=("calibration", "overlap"),
    seeds=3,
)
