"""CIFAR-10 with 250 labels, the published network, a short budget: supervised, mixup, and mixup of guesses.

Announced, and not run yet: there are no results. What follows was written before the first run.

    keras-mixup run semi_supervised_250 --data-dir DIR
    keras-mixup run semi_supervised_250 --data-dir DIR --set precision=mixed_bfloat16 --out runs/half

Hypotheses: mixes of the labelled images alone lower the test error, and mixes of the other images, too, whose targets
the network guesses, lower it further. Published for the last is 47.43 ± 0.92 % (arXiv 1905.02249, table 5; error
transcribed, deviation from memory) after 1,048,576 steps; here are 5,000, so that figure stands beside as a goal, not
as the same experiment. Score: error on all 10,000 test images after the last test, differences to the supervised row
paired by fold, and of guesses to mixes of labelled images alone, 95 % intervals, Holm's correction for all three; five
folds, which are five draws of the 250 labels.

Network, augmentation, optimiser, decay and average of the weights are those of `semi_supervised`; so are the 50,000
training images, of which 49,750 lose their labels. Tested every 1,250 steps. At the throughput of WRN-28-2 on two
cores, about 120 examples per second, a run takes three quarters of an hour, with guesses about two hours. Nothing was
tuned.
"""

import dataclasses

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Row
from keras_mixup.zoo.recipes import semi_supervised

_ROWS = {row.name: row for row in semi_supervised.RECIPE.rows}

RECIPE = dataclasses.replace(
    semi_supervised.RECIPE,
    name="semi_supervised_250",
    title="CIFAR-10 with 250 labels at a short budget: supervised, mixup, mixup of guesses",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 0.75", Mixup(0.75)),
        Row("mixup-guesses", "mixup, guesses, alpha 0.75", _ROWS["cifar10-mixup"].method, against=("mixup",)),
    ),
    steps=250,
    epochs=20,
    test_every=5,
    score="last",
    seeds=5,
)
