"""Tiny ImageNet: ERM against mixup and MixupE on three networks (MixupE, table 2b).

Not run yet, so there are no results.

    keras-mixup run tiny_imagenet --data-dir tiny-imagenet-200
    keras-mixup run tiny_imagenet --data-dir tiny-imagenet-200 --row preact18-erm preact18-mixup preact18-mixupe

Data: http://cs231n.stanford.edu/tiny-imagenet-200.zip, unpacked: 100,000 training images of 64 x 64 in 200 classes, and
the 10,000 of its validation set to test on.

Alpha 0.2; batches of 100, 200 epochs of SGD with momentum, 0.1 divided by 10 after 100 and 150 epochs, weight decay
1e-4 on all weights; images padded by 4 and cropped, and flipped; the first convolution has stride 2. What is said in
`cifar10` of MixupE's momentum, warm-up, eta and loss holds here too. The table reports the median test error of the
last ten epochs; what the paper reports, as accuracies, is not known.
"""

from keras_mixup.zoo import papers
from keras_mixup.zoo.papers import mixupe_rows
from keras_mixup.zoo.recipe import Published, Recipe


def _errors(*accuracies):
    """Published errors from accuracies in percent: top-1, its standard deviation, top-5."""
    return [
        Published(round(100 - top1, 2), "arXiv 2212.13381, table 2b", "verified", std, round(100 - top5, 2))
        for top1, std, top5 in accuracies
    ]


RECIPE = Recipe(
    name="tiny_imagenet",
    title="Tiny ImageNet: ERM against mixup and MixupE on three networks",
    dataset="tiny_imagenet",
    network="preact_resnet18",
    rows=(
        *mixupe_rows(
            "preact18",
            "preact_resnet18",
            *_errors((54.97, 0.52, 72.71), (54.64, 0.43, 72.53), (62.21, 0.39, 82.09)),
            alpha=0.2,
        ),
        *mixupe_rows(
            "preact34",
            "preact_resnet34",
            *_errors((57.25, 0.48, 72.58), (57.79, 0.39, 76.15), (65.37, 0.31, 83.77)),
            alpha=0.2,
        ),
        *mixupe_rows(
            "preact50",
            "preact_resnet50",
            *_errors((55.91, 0.61, 73.50), (54.86, 0.46, 73.11), (67.22, 0.38, 85.14)),
            alpha=0.2,
        ),
    ),
    score="median",
    seeds=5,
    **{**papers.MIXUP, **papers.MIXUPE, "augment": "pad_crop_flip"},
)
