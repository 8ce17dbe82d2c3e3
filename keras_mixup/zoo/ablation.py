"""What the papers' ablations take away: mixup without mixed targets, and MixupE without mixing."""

import dataclasses
from typing import Any

import keras

from keras_mixup import ops
from keras_mixup.batch import Batch
from keras_mixup.methods import Method, draw_mixup
from keras_mixup.mixing import Draw


@dataclasses.dataclass(frozen=True)
class InputsOnly(Method):
    """Mix inputs as mixup does; the target is that of the example with the larger weight.

        x~ = weight * x + (1 - weight) * x[partner],    y~ = y if weight >= 1/2, else y[partner]

    Args:
        alpha: As for `keras_mixup.Mixup`.
        per: As for `keras_mixup.Mixup`.
        pairing: As for `keras_mixup.Mixup`.
        probability: As for `keras_mixup.Mixup`.

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 3.8.
    """

    alpha: Any = 1.0

    def draw(self, batch: Batch, seed: Any) -> Draw:
        """Draw as mixup does, but for the targets."""
        draw = draw_mixup(self, batch, seed)
        return draw._replace(target_weight=ops.of(draw.weight).cast(draw.weight >= 0.5, "float32"))


@keras.saving.register_keras_serializable(package="keras_mixup")
def oneself(size, seed=None, targets=None):
    """A pairing that mixes nothing, as it pairs everyone with themselves: it leaves of `MixupE` plain training with R.

    Reference:
        MixupE (arXiv 2212.13381), table 7.
    """
    return ops.of(size, seed).arange(size)
