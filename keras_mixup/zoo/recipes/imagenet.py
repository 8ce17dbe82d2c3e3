"""ImageNet: ERM against mixup on four networks (mixup, table 1), and against MixupE on three (MixupE, ImageNet table).

Not run yet, so there are no results.

    keras-mixup run imagenet --data-dir DIR --row resnet50-erm-90 resnet50-mixup-90 --strategy mirrored
    keras-mixup run imagenet --data-dir DIR --row resnet50-mixup-90 --set precision=mixed_bfloat16 --out runs/half
    keras-mixup evaluate runs/imagenet/resnet50-mixup-90/seed0 --data imagenet_a --data-dir DIR

Data: DIR holds folders `train` and `val` with a folder of images for each class, or `imagenet2012` of TensorFlow
Datasets. The 50,000 images of the validation set are tested on.

mixup's rows, as in its section 3.1 and Goyal et al.: batches of 1,024, one weight per batch, the learning rate rising
from 0.1 to 0.4 over 5 epochs and divided by 10 after 30, 60 and 80 epochs of 90, or after 60, 120 and 180 of 200 (of
these only the 60 was read). From memory: alpha, the augmentation, Nesterov momentum and weight decay 1e-4, which spares
biases and batch normalisation. Two figures of 100 epochs are those of the ResNeXt paper, trained with batches of 256
and 0.1; their rows here only have 10 epochs more than ours of 90. The figures of the table itself are remembered, and
they agree with what the text says of it.

MixupE's rows: batches of 4,096 for 100,000 steps, which are 320 epochs; learning rate 1.6 with SGD (ResNet-50) or 1e-3
with AdamW of betas 0.9 and 0.99 (ViT-B/16, weight decay 0.3; CoAtNet-0, 0.05), falling to a thousandth along a cosine;
tested with a moving average of the weights and of the statistics of batch normalisation (`ema_statistics`), as in the
paper. MixupE with eta 0 is a control: see `cifar10`. Not found: the length of the warm-up (5 epochs are assumed;
CoAtNet's own paper has 10,000 steps, which are 32), which weights AdamW's decay spares (here none), whether images are
augmented by more than crop and flip, and whether ViT has dropout and CoAtNet stochastic depth, of which there is none
here. Batch normalisation sees the share of its device, where the paper's sees the whole batch.

The third command tests on ImageNet-A, with the logits of its 200 classes alone. Of ResNet-50, accuracies of 6.6 %
(transcribed) with mixup and 2.17 % (from memory) without are published (arXiv 1907.07174); with which mixup weights was
not found.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Published, Recipe, Row

_MEMORY = "from memory, fits the text"
_STEPS = {90: (30, 60, 80), 100: (30, 60, 90), 200: (60, 120, 180)}
_TITLES = {
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "resnext101_32x4d": "ResNeXt-101 32x4d",
    "resnext101_64x4d": "ResNeXt-101 64x4d",
    "vit_b16": "ViT-B/16",
    "coatnet0": "CoAtNet-0",
}
# Network, epochs, alpha (0 for ERM), top-1 and top-5 error in percent, and whose figure it is if not the paper's own.
_TABLE_1 = (
    ("resnet50", 90, 0, 23.5, None, "of Goyal et al."),
    ("resnet50", 90, 0.2, 23.3, 6.6, ""),
    ("resnet101", 90, 0, 22.1, None, "of Goyal et al."),
    ("resnet101", 90, 0.2, 21.5, 5.6, ""),
    ("resnext101_32x4d", 100, 0, 21.2, None, "of Xie et al."),
    ("resnext101_32x4d", 90, 0, 21.2, 5.6, ""),
    ("resnext101_32x4d", 90, 0.4, 20.7, 5.3, ""),
    ("resnext101_64x4d", 100, 0, 20.4, 5.3, "of Xie et al."),
    ("resnext101_64x4d", 90, 0.4, 19.8, 4.9, ""),
    ("resnet50", 200, 0, 23.6, 7.0, ""),
    ("resnet50", 200, 0.2, 22.1, 6.1, ""),
    ("resnet101", 200, 0, 22.0, 6.1, ""),
    ("resnet101", 200, 0.2, 20.8, 5.4, ""),
    ("resnext101_32x4d", 200, 0, 21.3, 5.9, ""),
    ("resnext101_32x4d", 200, 0.4, 20.1, 5.0, ""),
)


def _row(network, epochs, alpha, top1, top5, whose):
    name = f"{network.replace('_', '-')}-{'mixup' if alpha else 'erm'}-{epochs}"
    title = f"{_TITLES[network]}, {epochs} epochs, {f'mixup alpha {alpha}' if alpha else 'ERM'}"
    source = f"arXiv 1710.09412, table 1{', ' * bool(whose)}{whose}"
    settings = {"network": network, "epochs": epochs, "milestones": _STEPS[epochs]}
    method = Mixup(alpha=alpha, per="batch") if alpha else None
    return Row(name, title, method, Published(top1, source, _MEMORY, top5=top5), settings)


_MIXUPE = {
    "epochs": 320,
    "batch_size": 4096,
    "optimizer": "sgd",
    "learning_rate": 1.6,
    "warmup_from": 0.0,
    "schedule": "cosine",
    "decay_factor": 0.001,
    "decay": "l2",
    "ema": 0.999,
    "ema_statistics": "on",
}
_ADAMW = {**_MIXUPE, "optimizer": "adamw", "learning_rate": 1e-3, "beta_2": 0.99, "decay": "decoupled"}
_VIT = {**_ADAMW, "network": "vit_b16", "weight_decay": 0.3}
_COATNET = {**_ADAMW, "network": "coatnet0", "weight_decay": 0.05}


def _published(top1, std, top5):
    """From accuracies."""
    return Published(
        round(100 - top1, 1), "arXiv 2212.13381, ImageNet table", "verified", std, top5=round(100 - top5, 1)
    )


def _mixupe_rows(network, alpha, eta, settings, erm, mixup, mixupe):
    """ERM, mixup, MixupE, and its control; of the first three top-1 accuracy in percent, its deviation, top-5."""
    name, title = network.replace("_", "-"), f"{_TITLES[network]}, 320 epochs"
    method = Mixup(alpha=alpha, per="batch")
    return (
        Row(f"{name}-erm-320", f"{title}, ERM", None, _published(*erm), settings),
        Row(f"{name}-mixup-320", f"{title}, mixup alpha {alpha}", method, _published(*mixup), settings),
        Row(
            f"{name}-mixupe-320",
            f"{title}, MixupE alpha {alpha}, eta {eta}",
            MixupE(alpha=alpha, eta=eta),
            _published(*mixupe),
            settings,
        ),
        Row(
            f"{name}-mixupe-0-320",
            f"{title}, MixupE alpha {alpha}, eta 0",
            MixupE(alpha=alpha, eta=0.0),
            settings=settings,
        ),
    )


RECIPE = Recipe(
    name="imagenet",
    title="ImageNet: ERM against mixup on four networks, and against MixupE on three",
    dataset="imagenet",
    network="resnet50",
    rows=(
        *(_row(*entry) for entry in _TABLE_1),
        *_mixupe_rows("resnet50", 0.2, 1e-3, _MIXUPE, (76.2, 0.5, 93.6), (77.2, 0.2, 94.0), (77.7, 0.2, 94.4)),
        *_mixupe_rows("vit_b16", 0.4, 5e-4, _VIT, (79.1, 0.2, 95.1), (79.7, 0.2, 95.4), (80.4, 0.1, 95.8)),
        *_mixupe_rows("coatnet0", 0.4, 5e-4, _COATNET, (79.8, 0.2, 95.1), (80.8, 0.3, 95.5), (81.6, 0.2, 95.7)),
    ),
    epochs=90,
    batch_size=1024,
    optimizer="nesterov",
    learning_rate=0.4,
    warmup_epochs=5,
    warmup_from=0.1,
    schedule="step",
    milestones=_STEPS[90],
    decay_factor=0.1,
    weight_decay=1e-4,
    decay="l2_kernels",
    augment="resized_crop_flip",
    seeds=3,
)
