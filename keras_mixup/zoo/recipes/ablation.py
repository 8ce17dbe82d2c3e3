"""What part of mixup does it? 22 ways to train PreAct ResNet-18 on CIFAR-10, at two weight decays (mixup, table 5).

Not run yet, so there are no results.

    keras-mixup run ablation --data-dir DIR --row erm-1e-4 mixup-1e-4 inputs-1e-4
    keras-mixup show ablation

Data: CIFAR-10 of TensorFlow Datasets, prepared in DIR; all 50,000 training images. Budget and score are those of
`cifar10`: 200 epochs, and the median test error of the last ten.

    AC, SC      partners of all classes, or of the same class
    RP, KNN     random partners, or one of the 200 nearest neighbours
    layer 1-5   what is mixed is the input of a stage: of the first, ..., of the fourth, of the pooling
    inputs      only images are mixed; the label is that of the image with the larger weight

Of the published figures only those of ERM and mixup (AC + RP) were verified. Not found, and so decided here: the alpha
of each row (1), the distance between neighbours (Euclidean, of pixels before they are cropped), which layer is layer k
(from the stages that the published program can mix at), the label of inputs mixed alone (a choice the paper names), and
in what units the noise has its deviation (those of standardised pixels).
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo import papers
from keras_mixup.zoo.ablation import InputsOnly
from keras_mixup.zoo.recipe import Published, Recipe, Row

_BOTH, _INPUTS = Mixup(alpha=1.0, per="batch"), InputsOnly(alpha=1.0, per="batch")
_LAYERS = ("stem", "stage1", "stage2", "stage3", "stage4")
_NEAR, _OWN, _OWN_NEAR = ({"pairs": name} for name in ("neighbours", "same_class", "same_class_neighbours"))
# Name, title, method, settings, and the published errors in percent at weight decay 1e-4 and 5e-4.
_WAYS = (
    ("erm", "ERM", None, {}, 5.53, 5.18),
    ("mixup", "mixup (AC + RP)", _BOTH, {}, 4.24, 4.68),
    ("mixup-knn", "mixup (AC + KNN)", _BOTH, _NEAR, 4.98, 5.26),
    *(
        (f"layer{k}", f"mix layer {k} and labels", _BOTH, {"at": layer}, *errors)
        for k, layer, errors in zip(
            range(1, 6), _LAYERS, ((4.44, 4.51), (4.56, 4.61), (5.39, 5.55), (5.95, 5.43), (5.39, 5.15)), strict=True
        )
    ),
    ("inputs-sc-knn", "inputs (SC + KNN, SMOTE)", _INPUTS, _OWN_NEAR, 5.45, 5.52),
    ("inputs-knn", "inputs (AC + KNN)", _INPUTS, _NEAR, 5.43, 5.48),
    ("inputs-sc", "inputs (SC + RP)", _INPUTS, _OWN, 5.23, 5.55),
    ("inputs", "inputs (AC + RP)", _INPUTS, {}, 5.17, 5.72),
    ("smooth-0.05", "label smoothing 0.05", None, {"label_smoothing": 0.05}, 5.25, 5.02),
    ("smooth-0.1", "label smoothing 0.1", None, {"label_smoothing": 0.1}, 5.33, 5.17),
    ("smooth-0.2", "label smoothing 0.2", None, {"label_smoothing": 0.2}, 5.34, 5.06),
    ("inputs-smooth-0.05", "inputs, label smoothing 0.05", _INPUTS, {"label_smoothing": 0.05}, 5.02, 5.40),
    ("inputs-smooth-0.1", "inputs, label smoothing 0.1", _INPUTS, {"label_smoothing": 0.1}, 5.08, 5.09),
    ("inputs-smooth-0.2", "inputs, label smoothing 0.2", _INPUTS, {"label_smoothing": 0.2}, 4.98, 5.06),
    ("inputs-smooth-0.4", "inputs, label smoothing 0.4", _INPUTS, {"label_smoothing": 0.4}, 5.25, 5.39),
    ("noise-0.05", "Gaussian noise 0.05", None, {"input_noise": 0.05}, 5.53, 5.04),
    ("noise-0.1", "Gaussian noise 0.1", None, {"input_noise": 0.1}, 6.41, 5.86),
    ("noise-0.2", "Gaussian noise 0.2", None, {"input_noise": 0.2}, 7.16, 7.24),
)


def _rows(decay, column):
    for name, title, method, settings, *errors in _WAYS:
        tag = "verified" if name in ("erm", "mixup") else "from memory"
        published = Published(errors[column], "arXiv 1710.09412, table 5", tag)
        yield Row(
            f"{name}-{decay}",
            f"weight decay {decay}, {title}",
            method,
            published,
            {"weight_decay": float(decay), **settings},
        )


RECIPE = Recipe(
    name="ablation",
    title="CIFAR-10: what part of mixup does it? 22 ways to train, at two weight decays",
    dataset="cifar10",
    network="preact_resnet18",
    rows=(*_rows("1e-4", 0), *_rows("5e-4", 1)),
    score="median",
    seeds=1,
    **papers.MIXUP,
)
