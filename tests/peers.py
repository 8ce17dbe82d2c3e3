"""How other libraries mix, as laws in NumPy, beside what does the same here: the rows of the guide's table.

A law is written from what a library documents and was seen to do. It says of every row of many batches who the partner
is, what share of the pixels is the original's and what share of the label.
"""

from typing import NamedTuple

import numpy as np

import keras_mixup

SIZE = 6  # rows of a batch
IMAGE_SIZE = (320, 240)  # so large that it does not matter how a side is rounded


class Seen(NamedTuple):
    """What came of many batches: arrays `(batches, SIZE)`, and boxes `(batches, SIZE, 4)`."""

    label: np.ndarray  # the share of the original in the target
    pixels: np.ndarray  # the share of the original in the image
    partner: np.ndarray
    box: np.ndarray


class Row(NamedTuple):
    """A row of the table."""

    there: str
    here: str  # an expression that can be executed
    law: dict | None  # arguments of `simulate`; None where nothing is drawn
    differs: str = ""
    but: tuple = ()  # names of the statistics that therefore differ


def shuffled(generator, batches):
    return generator.permuted(np.tile(np.arange(SIZE), (batches, 1)), axis=1)


def previous(generator, batches):
    return np.tile(np.roll(np.arange(SIZE), 1), (batches, 1))


def mirrored(generator, batches):
    return np.tile(np.arange(SIZE)[::-1], (batches, 1))


def simulate(
    generator,
    batches,
    mixup=None,
    cutmix=None,
    pairing=shuffled,
    weights="example",
    switch="batch",
    switch_chance=0.5,
    coin=1.0,
    folded=False,
    minmax=None,
    inside=False,
    any_alpha=False,
    counted="after clipping",
):
    """Batches by the law of a library.

    Args:
        mixup, cutmix: alpha of the two methods; None where a library does not have it switched on.
        pairing: Who is mixed with whom.
        weights: `"example"` or `"batch"`: for what a weight and a box are drawn.
        switch: For what it is drawn which of the two methods it is; `switch_chance` is that of CutMix.
        coin: The chance that anything is mixed, drawn for what `switch` says.
        folded: If the original gets the larger share.
        minmax: Shares of the sides between which a box's sides are drawn.
        inside: If the box is placed within the image, not its centre.
        any_alpha: If alpha of CutMix is drawn for each batch, uniformly up to the one given.
        counted: If the label is the share drawn, `"before clipping"`.
    """

    def shape(of):
        return (batches, SIZE if of == "example" else 1)

    def for_all(values):
        return np.broadcast_to(values, (batches, SIZE) + values.shape[2:]).copy()

    height, width = IMAGE_SIZE
    alpha = generator.uniform(0, cutmix, (batches, 1)) + 1e-6 if any_alpha else (cutmix or 1.0)
    keep = generator.beta(alpha, alpha, shape(weights))
    edges = []
    for length in IMAGE_SIZE:
        if minmax is not None:
            side = generator.integers(int(length * minmax[0]), int(length * minmax[1]), keep.shape)
            first = generator.integers(0, length - side + 1)
        elif inside:
            side = length * np.sqrt(1 - keep)
            first = generator.uniform(0, 1, keep.shape) * (length - side)
        else:
            side = 2 * ((length * np.sqrt(1 - keep)).astype(int) // 2)
            first = generator.integers(0, length, keep.shape) - side // 2
        edges.append((np.clip(first, 0, length), np.clip(first + side, 0, length)))
    (top, bottom), (left, right) = edges
    box = for_all(np.stack([top, left, bottom, right], -1).astype(int))
    pixels = 1 - (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) / (height * width)
    label = for_all(keep) if counted == "before clipping" else pixels.copy()

    weight = generator.beta(mixup or 1.0, mixup or 1.0, shape(weights))
    weight = for_all(np.maximum(weight, 1 - weight) if folded else weight)
    cut = for_all(generator.random(shape(switch)) < (cutmix is not None) * (switch_chance if mixup else 1.0))
    mixed = for_all(generator.random(shape(switch)) < coin)
    label, pixels = (np.where(mixed, np.where(cut, share, weight), 1.0) for share in (label, pixels))
    box[~(cut & mixed)] = 0
    return Seen(label, pixels, pairing(generator, batches), box)


def statistics(seen):
    """One number per batch of each kind, so that all numbers of a kind are independent."""
    area = (seen.box[..., 2] - seen.box[..., 0]) * (seen.box[..., 3] - seen.box[..., 1])
    of_partner = np.take_along_axis(seen.partner, seen.partner, axis=1)
    return {
        "label": seen.label[:, 0],
        "share of pixels": seen.pixels[:, 0],
        "differences within a batch": np.ptp(seen.pixels, axis=1),
        "unmixed rows": (seen.pixels > 1 - 1e-6).sum(1),
        "cut rows": (area > 0).sum(1),
        "boxes of two rows": area[:, 0] - area[:, 1],
        "top": seen.box[:, 0, 0],
        "left": seen.box[:, 0, 1],
        "bottom": seen.box[:, 0, 2],
        "right": seen.box[:, 0, 3],
        "partner of the first": seen.partner[:, 0],
        "partner of the second": seen.partner[:, 1],
        "rows that meet themselves": (seen.partner == np.arange(SIZE)).sum(1),
        "rows that are their partner's partner": (of_partner == np.arange(SIZE)).sum(1),
    }


def evaluate(code):
    """What an expression of the table makes: a method, or the method of a layer."""
    made = eval(code, dict(vars(keras_mixup)))
    return getattr(made, "method", made)


COUNTED = "counts the label before the box is clipped"
EVEN = "sides of even lengths alone"
ROWS = [
    Row("`keras.layers.MixUp(alpha=0.2)`", "MixupLayer(0.2)", dict(mixup=0.2)),
    Row(
        "`keras.layers.CutMix(factor=(1.0, 1.0))`",
        "MixLayer(CutMix(1.0, inside=True))",
        dict(cutmix=1.0, inside=True),
        "the label is that of the box before rounding",
    ),
    Row(
        "`keras.layers.CutMix(factor=1.0)`",
        "MixLayer(CutMix(1.0, inside=True))",
        dict(cutmix=1.0, inside=True, any_alpha=True),
        "draws alpha itself, uniformly from 0 to 1 for each batch: more boxes of nothing and of everything",
        ("label", "share of pixels"),
    ),
    Row("KerasCV `MixUp(alpha=0.2)`", "MixupLayer(0.2)", dict(mixup=0.2)),
    Row(
        "KerasCV `CutMix(alpha=1.0)`",
        "MixLayer(CutMix(1.0))",
        dict(cutmix=1.0, counted="before clipping"),
        COUNTED,
        ("label",),
    ),
    Row(
        "KerasCV `RandomChoice([MixUp(0.2), CutMix(1.0)], batchwise=True)`",
        "MixLayer(Choice((Mixup(0.2), CutMix(1.0))))",
        dict(mixup=0.2, cutmix=1.0, counted="before clipping"),
        COUNTED,
        ("label",),
    ),
    Row("keras-aug `MixUp(alpha=1.0)`", 'MixupLayer(1.0, pairing="roll")', dict(mixup=1.0, pairing=previous)),
    Row(
        "TF Model Garden `MixupAndCutmix(mixup_alpha=0.8, cutmix_alpha=1.0)`",
        'Choice((Mixup(0.8), CutMix(1.0)), pairing="reverse")',
        dict(mixup=0.8, cutmix=1.0, pairing=mirrored, counted="before clipping"),
        f"{COUNTED}; takes its width from the images' height; its `label_smoothing=0.1` belongs to the loss here",
        ("label",),
    ),
    Row(
        "TF Model Garden `MixupAndCutmix(mixup_alpha=0.8, cutmix_alpha=0, prob=0.5)`",
        'Choice((Mixup(0.8),), pairing="reverse", probability=0.5)',
        dict(mixup=0.8, pairing=mirrored, coin=0.5),
        "one coin for the batch, weights for each example",
    ),
    Row(
        '`timm` `Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, switch_prob=0.5, mode="batch")`',
        'Choice((Mixup(0.8, per="batch"), CutMix(1.0, per="batch")), pairing="reverse")',
        dict(mixup=0.8, cutmix=1.0, weights="batch", pairing=mirrored),
        f"its default `label_smoothing=0.1` belongs to the loss here; before 1.0.31 {EVEN}",
    ),
    Row(
        '`timm` the same, `mode="elem"`',
        'Choice((Mixup(0.8), CutMix(1.0)), pairing="reverse", per="example")',
        dict(mixup=0.8, cutmix=1.0, switch="example", pairing=mirrored),
        'as above; `mode="pair"` has no counterpart',
    ),
    Row(
        "`timm` the same, `cutmix_alpha=0.0` (its default)",
        'Mixup(0.8, per="batch", pairing="reverse")',
        dict(mixup=0.8, weights="batch", pairing=mirrored),
        "0 there means that it is always mixup; in a `Choice` here a method of alpha 0 is chosen and mixes nothing",
    ),
    Row(
        "`timm` the same, `prob=0.5`",
        'Choice((Mixup(0.8, per="batch"), CutMix(1.0, per="batch")), pairing="reverse", probability=0.5)',
        dict(mixup=0.8, cutmix=1.0, weights="batch", pairing=mirrored, coin=0.5),
    ),
    Row(
        "`timm` `Mixup(mixup_alpha=0.0, cutmix_minmax=(0.2, 0.8))`",
        'CutMix(minmax=(0.2, 0.8), per="batch", pairing="reverse")',
        dict(cutmix=1.0, minmax=(0.2, 0.8), weights="batch", pairing=mirrored),
        "the largest side, in whole pixels, is exclusive there",
    ),
    Row(
        "`timm` `--mixup-off-epoch 290` of 300 epochs",
        "Mixup(alpha := Adjustable(0.8)), Schedule(alpha, off_epochs(300, 10, on=0.8))",
        None,
    ),
    Row("`timm` `--bce-target-thresh 0.2`", "ThresholdedBinaryCrossentropy(threshold=0.2)", None),
    Row(
        "torchvision `v2.MixUp(alpha=1.0)`",
        'Mixup(1.0, per="batch", pairing="roll")',
        dict(mixup=1.0, weights="batch", pairing=previous),
    ),
    Row(
        "torchvision `v2.CutMix(alpha=1.0)`",
        'CutMix(1.0, per="batch", pairing="roll")',
        dict(cutmix=1.0, weights="batch", pairing=previous),
        EVEN,
    ),
    Row(
        "torchvision `v2.RandomChoice([cutmix, mixup])`",
        'Choice((CutMix(1.0, per="batch"), Mixup(1.0, per="batch")), pairing="roll")',
        dict(mixup=1.0, cutmix=1.0, weights="batch", pairing=previous),
        EVEN,
    ),
    Row(
        "torchvision `v2.RandomApply([mixup], p=0.5)`",
        'Mixup(1.0, per="batch", pairing="roll", probability=0.5)',
        dict(mixup=1.0, weights="batch", pairing=previous, coin=0.5),
    ),
    Row(
        "Composer `MixUp(alpha=0.2)`",
        'Mixup(Folded(0.2), per="batch")',
        dict(mixup=0.2, weights="batch", folded=True),
        "its `mixing` is the partner's share",
    ),
    Row(
        "Composer `CutMix(alpha=1.0)`",
        'CutMix(1.0, per="batch")',
        dict(cutmix=1.0, weights="batch"),
        "its share is the original's, as here",
    ),
    Row("fastai `MixUp(.4)`", "Mixup(Folded(0.4))", dict(mixup=0.4, folded=True)),
    Row("fastai `CutMix(1.)`", 'CutMix(1.0, per="batch")', dict(cutmix=1.0, weights="batch"), EVEN),
    Row(
        "kornia `RandomMixUpV2()`",
        "Mixup(1.0)",
        dict(mixup=1.0),
        "has no alpha: its weight is uniform, and it returns the partner's (`pairs=True` here: the original's)",
    ),
    Row(
        "mmpretrain `[Mixup(alpha=0.8), CutMix(alpha=1.0)]`, `probs=[0.3, 0.2]`",
        'Choice((Mixup(0.8, per="batch"), CutMix(1.0, per="batch")), probabilities=(0.6, 0.4), probability=0.5)',
        dict(mixup=0.8, cutmix=1.0, weights="batch", switch_chance=0.4, coin=0.5),
        "the chances there add up to that of mixing at all",
    ),
    Row(
        "big_vision `get_mixup(rng, 0.2)`",
        'Mixup(Folded(0.2), per="batch", pairing="roll")',
        dict(mixup=0.2, weights="batch", folded=True, pairing=previous),
    ),
    Row("mixup's authors, `--alpha 1`", 'Mixup(1.0, per="batch")', dict(mixup=1.0, weights="batch")),
    Row(
        "CutMix' authors, `--beta 1 --cutmix_prob 0.5`",
        'CutMix(1.0, per="batch", probability=0.5)',
        dict(cutmix=1.0, weights="batch", coin=0.5),
        EVEN,
    ),
]


def table():
    """The rows as Markdown."""
    rows = [f"| {row.there} | `{row.here}` | {row.differs or 'nothing'} |" for row in ROWS]
    return "\n".join(["| there | here | what differs there |", "| --- | --- | --- |", *rows])
