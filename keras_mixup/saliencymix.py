"""SaliencyMix: CutMix whose box lies where the partner's image has something to show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from keras_mixup import ops as tables
from keras_mixup import regions, weights
from keras_mixup.batch import Batch
from keras_mixup.methods import Method
from keras_mixup.mixing import Draw, image_axes
from keras_mixup.types import Alpha, Seed, Tensor

# How far the surround of a pixel reaches, in pixels, at each scale.
REACHES = (12, 24, 28, 48, 56, 112)


@dataclasses.dataclass(frozen=True)
class SaliencyMix(Method):
    """SaliencyMix: paste the box around the most salient pixel of the partner's image, and mix the targets by area.

        keep ~ Beta(alpha, alpha),    box = sqrt(1 - keep) of height and width, around argmax saliency(x[partner]),
        clipped at the border,    y~ = share * y + (1 - share) * y[partner],    share = pixels outside the box

    A box of CutMix may show nothing of the partner's object while the target says that it does; this one shows the
    place that stands out most.

    The authors take one box for the whole batch, by the partner of its first image: `per="batch"`.

    Args:
        alpha: As for `Mixup`; the paper uses 1.
        saliency: A function from images, as they are in the batch, to numbers `(batch, height, width)`, whose highest
            is where the box goes; None for `centre_surround`.
        per: `"example"` for a box each, `"batch"` for one box.
        pairing: As for `Mixup`.
        probability: As for `Mixup`; the authors use 0.5 on CIFAR.

    Raises:
        ValueError: If an argument is out of its range, or (when drawing) there are no images to look at.

    Example:

    >>> import numpy as np
    >>> images = np.random.default_rng(1).uniform(size=(8, 32, 32, 3)).astype("float32")
    >>> draw = SaliencyMix().draw(Batch(8, features=(images,), image_size=(32, 32)), seed=1)
    >>> tuple(draw.box.shape)
    (8, 4)

    Reference:
        SaliencyMix (arXiv 2006.01791), section 3.
    """

    alpha: Alpha = 1.0
    saliency: Callable[[Tensor], Tensor] | None = None

    cuts = True
    averages = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.saliency is not None and not callable(self.saliency):
            raise ValueError(
                "`saliency` should be a function from images to numbers `(batch, height, width)`, or None. "
                f"Received: saliency={self.saliency!r}."
            )

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a box and a partner for each image; arguments and result as for `Mixup.draw`."""
        size, count = self.image_size(batch), self.count(batch)
        ops = tables.of(seed, batch.size)
        for_weight, for_partner, for_coin = ops.split(seed, 3)
        keep = self.only_some(weights.draw(count, self.alpha, for_weight), 1.0, batch, for_coin)
        partner = self.partner(batch, for_partner)
        centre = ops.take(self.peaks(batch.partners), partner if self.per == "example" else partner[:1])
        box = regions.box_around(size, keep, centre)
        share = self.for_all(regions.share_outside(box, size), batch)
        return Draw(ops.ones((batch.size,)), partner, target_weight=share, box=box)

    def peaks(self, batch: Batch) -> Tensor:
        """Row and column of the most salient place of each image, an int32 tensor `(batch, 2)`."""
        places = [k for k in range(len(batch.features)) if not batch.axes or batch.axes[k]]
        if not places:
            raise ValueError(
                "`SaliencyMix` looks at images. Received: a batch without any. Give `Batch(size, features=(images,), "
                "image_size=(height, width))`."
            )
        images = batch.features[places[0]]
        axes = batch.axes[places[0]] if batch.axes else image_axes(images)
        ops = tables.of(images)
        salient = centre_surround(images, axes) if self.saliency is None else ops.convert(self.saliency(images))
        lengths = ops.shape(salient)[1:]
        place = ops.argmax(ops.reshape(salient, (ops.shape(images)[0], -1)))
        peak = [place] if len(lengths) == 1 else [place // lengths[1], place % lengths[1]]
        # In the places that the box counts in, of which one may be several pixels.
        return ops.stack(
            [at // (n // side) for at, n, side in zip(peak, lengths, self.image_size(batch), strict=True)], axis=1
        )


def centre_surround(images: Tensor, axes: tuple[int, ...] | None = None) -> Tensor:
    """How much each pixel differs from what surrounds it, at several scales.

        saliency_p = sum_r |I_p - mean of I_q over the q != p within r of p along each axis|,    r = 12, 24, ..., 112

    I is the mean over all channels; surrounds end at the border of the image. The intensity part of the fine-grained
    saliency that the authors of SaliencyMix use.

    Args:
        images: Tensor of shape `(batch, ...)`, floats or integers.
        axes: The axes of height and width, or of the length of a series; None for those of `image_axes`.

    Returns:
        A float32 tensor of shape `(batch, height, width)`, or `(batch, length)`.

    Reference:
        Montabone and Soto, Human detection using a mobile platform and novel features derived from a visual saliency
        mechanism (Image and Vision Computing 28, 2010), section 3.
    """
    ops = tables.of(images)
    axes = tuple(axes or image_axes(images))
    others = [axis for axis in range(1, len(images.shape)) if axis not in axes]
    shape = ops.shape(images)
    lengths = [shape[axis] for axis in axes]
    channels = ops.reshape(ops.transpose(ops.cast(images, "float32"), (*axes, 0, *others)), (*lengths, shape[0], -1))
    intensity = ops.sum(channels) / ops.cast(ops.shape(channels)[-1], "float32")  # (height, width, batch)
    turns = (1, 0, 2) if len(axes) == 2 else (0, 1)
    running = intensity
    for _ in axes:  # sums of all that is above and to the left
        running = ops.transpose(ops.cumsum(ops.concat([0.0 * running[:1], running])), turns)
    saliency = 0.0 * intensity
    for reach in REACHES:
        total, pixels = running, 1.0
        for k, length in enumerate(lengths):
            place = ops.arange(length)
            first, last = ops.maximum(place - reach, 0), ops.minimum(place + reach + 1, length)
            total = ops.transpose(ops.take(total, last) - ops.take(total, first), turns)
            along = [1] * (len(lengths) + 1)
            along[k] = -1
            pixels = pixels * ops.reshape(ops.cast(last - first, "float32"), along)
        surround = (total - intensity) / ops.maximum(pixels - 1.0, 1.0)
        saliency = saliency + ops.abs(intensity - surround)
    return ops.transpose(saliency, (len(axes), *range(len(axes))))
