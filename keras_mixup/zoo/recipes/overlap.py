"""Classes that overlap: ERM with a temperature against mixup and d-Mixup without (arXiv 2306.00740).

STALE where images are concerned: these were trained at a constant learning rate and scored once, after the last epoch,
where the error jumps by several points from epoch to epoch; so what they showed was noise, and nothing is said of them
here. The recipe now lets their learning rate fall along a cosine, and has to be run again.

On the Gaussians mixup as trained is far better than ERM as trained where classes overlap much, but near the best that
is possible at one of four overlaps only, and at two worse than a coin, whose NLL is 0.69. At mu 0.25, 0.1, 0.05 and
0.01 the NLL is 0.10, 1.57, 2.41 and 2.90 for ERM, 0.20, 0.52, 0.79 and 0.94 for mixup, 0.20, 0.49, 0.72 and 0.85 for
d-Mixup of 5, and at best 0.04, 0.42, 0.61 and 0.69: at 0.25, where classes hardly overlap, mixup has twice ERM's. One
number mends ERM here: at its temperature it has 0.06, 0.48, 0.65 and 0.69, below mixup at each. That temperature, 2 to
52, grows with the overlap until nothing is left of what the network has learned; at mu 0.01 the NLL is log 2, that of a
coin, as the paper proves, but then the best possible is hardly less. Two seeds; 5 s per run on one core; 2026-11-21.
Table and pictures: `keras_mixup/zoo/results/overlap`.

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
without weight decay, in batches of 500 for 200 epochs; the images have smaller batches, fewer epochs, and a cosine. One
weight per batch, alpha 1. The authors' program takes confidence and NLL with batch statistics of the test batches; here
networks are tested as they are used.
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
IMAGES = {"schedule": "cosine"}
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
        *(
            row
            for p in range(0, 60, 10)
            for row in _rows(f"noise-{p}", f"{p} % of labels", label_noise=p / 100, **IMAGES)
        ),
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
    seeds=2,
)
