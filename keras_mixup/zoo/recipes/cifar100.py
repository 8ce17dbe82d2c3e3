"""CIFAR-100: ERM against mixup on three networks (mixup, section 3.2) and against MixupE on three (MixupE, table 1).

Not run yet, so there are no results.

    keras-mixup run cifar100 --data-dir DIR --row preact18-erm preact18-mixup
    keras-mixup run cifar100 --data-dir DIR --set precision=mixed_float16 --out runs/cifar100-half

Data: CIFAR-100 of TensorFlow Datasets, prepared in DIR; all 50,000 training images.

The budgets are those of `cifar10`, and what is said there of both papers holds here too. MixupE's eta is 0.0001 for
PreAct ResNet-50, where it is known that the figure of table 1 belongs to it, and 0.001 for the others, where it is not
known. Images are standardised with the figures of MixupE's program.
"""

from keras_mixup.zoo import papers
from keras_mixup.zoo.papers import mixup_rows, mixupe_rows, mixupe_table1
from keras_mixup.zoo.recipe import Recipe

_LABEL = ", MixupE's budget"

RECIPE = Recipe(
    name="cifar100",
    title="CIFAR-100: ERM against mixup and MixupE on five networks",
    dataset="cifar100",
    network="preact_resnet18",
    rows=(
        *mixup_rows("preact18", "preact_resnet18", (25.6, "from memory"), (21.1, "from memory")),
        *mixup_rows("wrn28", "wide_resnet28_10", (19.4, "from memory"), (17.5, "from memory"), **papers.WRN),
        *mixup_rows("densenet190", "densenet_bc190", (19.0, "from memory"), (16.8, "transcribed")),
        *mixupe_rows(
            "preact50",
            "preact_resnet50",
            *mixupe_table1((24.68, 0.349), (23.03, 0.471), (20.23, 0.507)),
            eta=1e-4,
            **papers.MIXUPE,
        ),
        *mixupe_rows(
            "preact101",
            "preact_resnet101",
            *mixupe_table1((23.20, 0.362), (23.05, 0.383), (18.86, 0.376)),
            **papers.MIXUPE,
        ),
        *mixupe_rows(
            "wrn28-b100",
            "wide_resnet28_10",
            *mixupe_table1((22.20, 0.108), (19.38, 0.113), (17.12, 0.111)),
            label=_LABEL,
            **papers.MIXUPE,
        ),
    ),
    score="median",
    seeds=5,
    **papers.MIXUP,
)
