r"""CIFAR-10: ERM against mixup on three networks (mixup, section 3.2) and against MixupE on three (MixupE, table 1).

Not run yet, so there are no results; `cifar10_small` is the small sibling for machines without a GPU.

    keras-mixup run cifar10 --data-dir DIR --row preact18-erm preact18-mixup
    keras-mixup run cifar10 --data-dir DIR --set precision=mixed_float16 --out runs/cifar10-half

The headline, 5.6 against 4.2 %, on one GPU with JAX: PreAct ResNet-18 for 200 epochs in bfloat16. Batches come from
`tf.data` on the host. The second command tries it on two steps of generated data, for which a CPU will do:

    KERAS_BACKEND=jax keras-mixup run cifar10 --row preact18-erm preact18-mixup \
        --set precision=mixed_bfloat16 --data-dir DIR --out runs/cifar10-headline
    KERAS_BACKEND=jax keras-mixup run cifar10 --row preact18-erm preact18-mixup \
        --set precision=mixed_bfloat16 --smoke

Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR; all 50,000 training images.

The first six rows are mixup's: alpha 1, one weight per batch; 200 epochs of SGD with momentum, batches of 128, 0.1
divided by 10 after 100 and 150 epochs, weight decay 1e-4 on all weights; images padded by 4 and cropped, and flipped.
For WRN-28-10 the learning rate is multiplied by 0.2 after 60, 120 and 160 epochs, as in its own paper (arXiv
1605.07146), which also has weight decay 5e-4 and Nesterov momentum; that mixup took its schedule is from memory, that
it took these is not known, and they are as in the other rows.

The others are MixupE's: alpha 1, batches of 100, images padded by 2. The paper is silent on Nesterov momentum and on
the rise of the learning rate from 0.01 over the first ten epochs; both are in its program, where the rise ends at 0.11.
Eta was chosen from 0.0001, 0.001, 0.01 and 0.1 for each network, and 0.001 was best for most: it is eta here. Its
program's WRN differs from that of WRN's own paper, which ours is: the second convolution of a block has the stride,
convolutions have biases, and the last batch normalisation averages with momentum 0.9. The program trains ERM with
binary cross-entropy on softmax outputs; here all rows have cross-entropy.

Both papers look at the test error in every epoch. mixup's programs report the median of the last ten, and so does this
table in all rows; what MixupE reports is not known.

MixupE with eta 0 is a control of our own: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.zoo import papers
from keras_mixup.zoo.papers import mixup_rows, mixupe_rows, mixupe_table1
from keras_mixup.zoo.recipe import Recipe

_LABEL = ", MixupE's budget"

RECIPE = Recipe(
    name="cifar10",
    title="CIFAR-10: ERM against mixup and MixupE on five networks",
    dataset="cifar10",
    network="preact_resnet18",
    rows=(
        *mixup_rows("preact18", "preact_resnet18", (5.6, "from memory"), (4.2, "from memory")),
        *mixup_rows("wrn28", "wide_resnet28_10", (3.8, "from memory"), (2.7, "from memory"), **papers.WRN),
        *mixup_rows("densenet190", "densenet_bc190", (3.7, "from memory"), (2.7, "transcribed")),
        *mixupe_rows(
            "preact50", "preact_resnet50", *mixupe_table1((4.71, 0.062), (4.53, 0.041), (3.53, 0.047)), **papers.MIXUPE
        ),
        *mixupe_rows(
            "preact101",
            "preact_resnet101",
            *mixupe_table1((4.21, 0.069), (4.43, 0.049), (3.35, 0.049)),
            **papers.MIXUPE,
        ),
        *mixupe_rows(
            "wrn28-b100",
            "wide_resnet28_10",
            *mixupe_table1((4.24, 0.101), (3.03, 0.091), (2.94, 0.048)),
            label=_LABEL,
            **papers.MIXUPE,
        ),
    ),
    score="median",
    seeds=5,
    **papers.MIXUP,
)
