"""CIFAR-100, PreAct ResNet-50: MixupE with and without mixing, at four weights of its penalty (MixupE, table 7).

Not run yet, so there are no results.

    keras-mixup run mixupe_ablation --data-dir DIR --row erm mixup erm-r mixupe-1e-4
    keras-mixup run mixupe_ablation --data-dir DIR --set dataset=cifar10 network=wide_resnet10_2_half train_size=5000

Data: CIFAR-100 of TensorFlow Datasets, prepared in DIR; all 50,000 training images. The budget is that of the rows
`preact50` of the recipe `cifar100`.

    ERM + R     L + eta R on images that are not mixed, with the coefficient alpha / (2 alpha + 1) of alpha 1
    MixupE      mixup + R, for four eta

The published figures are all verified; table 7's of mixup + R is that of eta 1e-4, so its ERM + R is run with that eta,
which the table does not say. Nor does it say how R is scaled without mixing.

MixupE with eta 0 is a control of our own: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo import papers
from keras_mixup.zoo.ablation import oneself
from keras_mixup.zoo.recipe import Published, Recipe, Row


def _published(error, where):
    return Published(error, f"arXiv 2212.13381, {where}", "verified")


RECIPE = Recipe(
    name="mixupe_ablation",
    title="CIFAR-100, PreAct ResNet-50: MixupE's penalty with and without mixing, at four weights",
    dataset="cifar100",
    network="preact_resnet50",
    rows=(
        Row("erm", "ERM", None, _published(24.68, "table 7")),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0, per="batch"), _published(23.03, "table 7")),
        Row("erm-r", "ERM + R, eta 1e-4", MixupE(eta=1e-4, pairing=oneself), _published(22.42, "table 7")),
        Row("erm-r-0", "ERM + R, eta 0", MixupE(eta=0.0, pairing=oneself)),
        Row("mixupe-0", "MixupE, eta 0", MixupE(eta=0.0)),
        *(
            Row(f"mixupe-{eta}", f"MixupE, eta {eta}", MixupE(eta=float(eta)), _published(error, "sensitivity to eta"))
            for eta, error in (("1e-4", 20.23), ("1e-3", 20.84), ("1e-2", 21.01), ("1e-1", 20.87))
        ),
    ),
    score="median",
    seeds=5,
    **{**papers.MIXUP, **papers.MIXUPE},
)
