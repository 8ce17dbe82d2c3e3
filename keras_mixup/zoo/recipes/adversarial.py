"""ImageNet, ResNet-101 under attack: ERM against mixup (mixup, table 3).

Not run yet, so there are no results.

    keras-mixup run adversarial --data-dir DIR --strategy mirrored
    keras-mixup run adversarial --data-dir DIR --set precision=mixed_bfloat16 --out runs/half

Data: as for the recipe `imagenet`. The row `source` is the first ERM network: in the black box it makes the examples on
which the second, `erm`, and mixup's are tested, so it has to be run first. In the white box each network is tested on
examples of its own. FGSM, and I-FGSM in 10 equal steps, of at most 4 of 255 per pixel.

What is published, errors in percent:

                          ERM    mixup
    white, FGSM     top-1 90.7   75.2   from memory, fits the text
                    top-5 63.1   49.1   from memory
    white, I-FGSM   top-1 99.9   99.6   from memory
                    top-5 93.4   95.8   from memory
    black, FGSM     top-1 57.0   46.0   from memory
                    top-5 24.8   17.4   from memory
    black, I-FGSM   top-1 57.3   40.9   from memory, fits the text
                    top-5 18.1   11.8   from memory

The text, which was read, says that mixup is 2.7 times as robust in the white box against FGSM and 40 % more in the
black box against I-FGSM: (100 - 75.2) / (100 - 90.7) and (100 - 40.9) / (100 - 57.3), ratios of accuracies. The column
of published figures shows the first two lines.

Assumed: networks of 90 epochs with the alpha of table 1; see `imagenet` for their budget. 2,000 images of the
validation set are attacked, so that an error has a standard error of up to 1.1 %.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Published, Recipe, Row

_SOURCE, _TAG = "arXiv 1710.09412, table 3: white box, FGSM", "from memory, top-1 fits the text"

RECIPE = Recipe(
    name="adversarial",
    title="ImageNet, ResNet-101: ERM against mixup, attacked by FGSM and I-FGSM",
    dataset="imagenet",
    network="resnet101",
    rows=(
        Row("source", "first ERM", settings={"seed_offset": 1000}),
        Row("erm", "second ERM", None, Published(90.7, _SOURCE, _TAG, top5=63.1)),
        Row("mixup", "mixup, alpha 0.2", Mixup(alpha=0.2, per="batch"), Published(75.2, _SOURCE, _TAG, top5=49.1)),
    ),
    epochs=90,
    batch_size=1024,
    optimizer="nesterov",
    learning_rate=0.4,
    warmup_epochs=5,
    warmup_from=0.1,
    schedule="step",
    milestones=(30, 60, 80),
    decay_factor=0.1,
    weight_decay=1e-4,
    decay="l2_kernels",
    augment="resized_crop_flip",
    seeds=1,
    measures=("attacks",),
)
