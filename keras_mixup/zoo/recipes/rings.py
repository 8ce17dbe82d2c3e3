"""A disc and a ring in the plane: ERM against mixup, as a picture (mixup, figure 1b).

Mixup makes the transition between the classes wide: of the square it leaves 33 % undecided, ERM 7 %, means of 3 seeds.
The price may be test error on a task that has an exact answer, 0.3 % against none: +0.30 [-0.60, 1.20], open. 28
seconds per run on one core shared with other work; 2026-11-27. Table and picture: `keras_mixup/zoo/results/rings`.

    keras-mixup run rings

The paper's data and network are not known; here 200 points, and two hidden layers of 128 units.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="rings",
    title="Two classes in the plane: ERM against mixup, as a picture (mixup, figure 1)",
    dataset="rings",
    network="mlp",
    rows=(
        Row("erm", "ERM"),
        Row("mixup", "mixup, alpha 1.0", Mixup(alpha=1.0)),
    ),
    train_size=200,
    epochs=300,
    batch_size=50,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    steps_at_once=1000,
    measures=("plane",),
    seeds=3,
)
