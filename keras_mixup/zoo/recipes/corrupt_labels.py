"""CIFAR-10 with wrong training labels: ERM, dropout, mixup and both (mixup, table 2).

Not run, so there are no results of ours; `corrupt_labels_small` is the same at the scale of a laptop, and was.

    keras-mixup run corrupt_labels --data-dir DIR
    keras-mixup run corrupt_labels --data-dir DIR --row 50-erm 50-mixup --set noise=other --out runs/corrupt-other

Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR. 20, 50 or 80 % of the training labels are replaced by random
ones, the true class among them; whether the authors left that one out is not known, and `noise=other` does. Test labels
are true. Network, budget and augmentation are those of `cifar10`, PreAct ResNet-18 for 200 epochs; dropout sits between
the two convolutions of each block, and its rate is the share that is dropped.

The first column is the best epoch's test error, chosen on the test set as in the paper, then that of the last epoch.
The paper's training errors, on real and on corrupted labels, in percent and from memory:

                    20 %             50 %             80 %
    ERM             0.05 / 0.28      0.26 / 0.64      0.62 / 0.83
    dropout         5.26 / 83.55     12.71 / 86.98    29.84 / 86.37
    mixup           2.27 / 86.32     5.84 / 85.71     18.92 / 85.44
    mixup+dropout   1.92 / 85.02     7.56 / 87.90     19.70 / 87.67

The settings of its last row are from memory, too: at 20 %, a rate of 0.1 lies outside of the rates it says were tried.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo import papers
from keras_mixup.zoo.recipe import Published, Recipe, Row


def _rows(percent, dropout, alpha, both, errors):
    def row(name, title, error, method=None, **settings):
        paper = Published(error, "arXiv 1710.09412, table 2, best epoch", "transcribed")
        settings = {"label_noise": percent / 100, **settings}
        return Row(f"{percent}-{name}", f"{percent} % wrong labels, {title}", method, paper, settings)

    both_alpha, both_dropout = both
    return (
        row("erm", "ERM", errors[0]),
        row("dropout", f"dropout {dropout}", errors[1], dropout=dropout),
        row("mixup", f"mixup alpha {alpha:g}", errors[2], Mixup(alpha, per="batch")),
        row(
            "both",
            f"mixup alpha {both_alpha:g} and dropout {both_dropout}",
            errors[3],
            Mixup(both_alpha, per="batch"),
            dropout=both_dropout,
        ),
    )


RECIPE = Recipe(
    name="corrupt_labels",
    title="CIFAR-10 with wrong training labels: ERM, dropout, mixup (mixup, table 2)",
    dataset="cifar10",
    network="preact_resnet18",
    rows=(
        *_rows(20, 0.7, 8.0, (4.0, 0.1), (12.7, 8.8, 5.9, 6.2)),
        *_rows(50, 0.8, 32.0, (8.0, 0.3), (18.8, 14.1, 11.3, 10.9)),
        *_rows(80, 0.8, 32.0, (8.0, 0.3), (36.5, 30.9, 25.3, 24.0)),
    ),
    measures=("memorised",),
    score="best",
    seeds=1,
    **papers.MIXUP,
)
