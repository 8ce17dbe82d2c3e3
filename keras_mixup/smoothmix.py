"""SmoothMix: two images blended along a soft hole."""

from __future__ import annotations

import dataclasses

from keras_mixup import ops as tables
from keras_mixup import regions
from keras_mixup.batch import Batch
from keras_mixup.methods import Method
from keras_mixup.mixing import Draw
from keras_mixup.types import Seed


@dataclasses.dataclass(frozen=True)
class SmoothMix(Method):
    """SmoothMix: a hole with a soft edge shows the partner, so that there is no border for a network to notice.

        x~ = (1 - G) x + G x[partner],    G_p = prod_k exp(-(p_k - centre_k)^2 / (2 (s L_k)^2)),    s ~ Uniform(sigma)
        y~ = share * y + (1 - share) * y[partner],    share = 1 - mean of G

    The centre is any pixel, with the same chance; L are height and width. Of the paper's two masks this is the round
    one, an ellipse where images are not square.

    Args:
        sigma: The smallest and the largest width of the hole as a share of the image's sides, 0 < smallest <= largest
            <= 1.
        per: `"example"` for a hole each, `"batch"` for one hole.
        pairing: As for `Mixup`.
        probability: As for `Mixup`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> draw = SmoothMix().draw(Batch(size=8, image_size=(32, 32)), seed=1)
    >>> tuple(draw.region.shape)
    (8, 32, 32)

    Reference:
        SmoothMix: a Simple Yet Effective Data Augmentation to Train Robust Classifiers (CVPR Workshops 2020),
        section 3.
    """

    sigma: tuple[float, float] = (0.25, 0.5)

    cuts = True

    def __post_init__(self) -> None:
        super().__post_init__()
        regions.check_minmax("sigma", self.sigma)
        if self.sigma[0] == 0:
            raise ValueError(f"`sigma` should be above 0. Received: sigma={self.sigma!r}.")

    def draw(self, batch: Batch, seed: Seed) -> Draw:
        """Draw a soft region and a partner for each image; arguments and result as for `Mixup.draw`."""
        ops = tables.of(seed, batch.size)
        for_sigma, for_region, for_partner, for_coin = ops.split(seed, 4)
        count, (least, most) = self.count(batch), self.sigma
        sigma = least + (most - least) * ops.uniform((count,), for_sigma)
        depth = self.only_some(ops.ones((count,)), 0.0, batch, for_coin)
        region, share = regions.gaussian_region(self.image_size(batch), sigma, depth, for_region)
        share = self.for_all(share, batch)
        return Draw(ops.ones((batch.size,)), self.partner(batch, for_partner), target_weight=share, region=region)
