"""SVHN: ERM against mixup and MixupE on three networks (MixupE, table 1).

Not run yet, so there are no results.

    keras-mixup run svhn --data-dir DIR
    keras-mixup run svhn --data-dir DIR --row preact50-erm preact50-mixup preact50-mixupe --seeds 1

Data: `svhn_cropped` of TensorFlow Datasets, prepared in DIR; the 73,257 images of its training split, without the
`extra` ones. That the paper left them out, too, is an assumption.

Alpha 1; batches of 100, 200 epochs of SGD with momentum, 0.1 divided by 10 after 100 and 150 epochs, weight decay 1e-4
on all weights; images padded by 2 and cropped, not flipped. What is said in `cifar10` of MixupE's momentum, warm-up,
eta and loss holds here too. The table reports the median test error of the last ten epochs; what the paper reports is
not known.
"""

from keras_mixup.zoo import papers
from keras_mixup.zoo.papers import mixupe_rows, mixupe_table1
from keras_mixup.zoo.recipe import Recipe

RECIPE = Recipe(
    name="svhn",
    title="SVHN: ERM against mixup and MixupE on three networks",
    dataset="svhn_cropped",
    network="preact_resnet50",
    rows=(
        *mixupe_rows("preact50", "preact_resnet50", *mixupe_table1((2.80, 0.201), (2.65, 0.017), (2.42, 0.021))),
        *mixupe_rows("preact101", "preact_resnet101", *mixupe_table1((2.95, 0.019), (2.79, 0.015), (2.35, 0.019))),
        *mixupe_rows("wrn28", "wide_resnet28_10", *mixupe_table1((2.82, 0.049), (2.48, 0.117), (2.29, 0.168))),
    ),
    score="median",
    seeds=5,
    **{**papers.MIXUP, **papers.MIXUPE, "augment": "pad2_crop"},
)
