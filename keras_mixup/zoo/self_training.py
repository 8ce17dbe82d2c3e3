"""Learning from examples without labels: what the network guesses of them is mixed as if it were their targets."""

import dataclasses
from typing import Any

import keras

from keras_mixup.batch import Batch
from keras_mixup.methods import Method, Mixup
from keras_mixup.mixing import Draw, mix

DISTANCES = {
    "cross_entropy": lambda targets, logits: keras.losses.CategoricalCrossentropy(from_logits=True)(targets, logits),
    "squared": lambda targets, logits: keras.losses.MeanSquaredError()(targets, keras.ops.softmax(logits)),
}


@dataclasses.dataclass(frozen=True)
class SelfTraining(Method):
    """Mix labelled examples with labelled ones, and others among themselves, with targets that a network guesses.

        q = softmax(f'(u)), no gradient;    x~, y~ = mix(x, y);    u~, q~ = mix(u, q)
        loss = cross-entropy(y~, f(x~)) + s(t) distance(q~, f(u~))
        s(t) = strength exp(-5 (1 - min(t / ramp_up, 1))^2)    at step t, from 0

    f' is the network f itself, or its mean teacher, whose weights follow those of f after every step:

        w' <- m w' + (1 - m) w,    m = min(teacher, 1 - 1 / (t + 1))

    MixMatch's baseline "MixUp" is `SelfTraining(Mixup(Folded(0.75), pairing="reverse"))`, and interpolation consistency
    training (ICT) `SelfTraining(Mixup(1.0, per="batch"), teacher=0.999, distance="squared", strength=100.0, ...)`.
    The distance is averaged over the batch, the squared one over classes, too; it compares probabilities. (ICT's
    program mixes the teacher's logits; its paper the predictions, as here.) f and f' see every batch with the batch's
    own statistics, and the averages that testing takes are those of the labelled mixes, as in MixMatch's program.

    Args:
        mixing: How both are mixed, each with a draw of its own: a `Mixup`.
        teacher: The momentum of the mean teacher, in [0, 1); 0: the network guesses itself.
        distance: `"cross_entropy"` or `"squared"`.
        strength: Weight of the distance, >= 0.
        ramp_up: Steps until it has that weight, >= 0.

    Reference:
        MixMatch (arXiv 1905.02249), section 4.1; program: google-research/mixmatch, `mixup.py`. Interpolation
        Consistency Training (arXiv 1903.03825), section 2.
    """

    mixing: Any = Mixup()
    teacher: float = 0.0
    distance: str = "cross_entropy"
    strength: float = 1.0
    ramp_up: int = 0

    mixes = True
    needs_network = True

    def model(self, network, seed=None):
        """The network in a model whose train step does this."""
        return SelfTrainingModel(network, self, seed)


class SelfTrainingModel(keras.Model):
    """Train a network by `SelfTraining`, on batches `({"labelled": x, "unlabelled": u}, y)`; else it is the network.

    Args:
        network: A Keras model that gives logits.
        method: A `SelfTraining`.
        seed: An int >= 0.
    """

    def __init__(self, network, method, seed):
        super().__init__(dtype="float32")  # mixes and averages, whatever the policy of the network
        self.network = network
        self.method = method
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.steps = self._state("steps", (), "int32")
        weights = network.trainable_variables if method.teacher else []
        self.teacher = [self._state(f"teacher{i}", weight.shape, weight.dtype) for i, weight in enumerate(weights)]
        self.built = True

    def _state(self, name, shape, dtype):
        options = {"trainable": False, "aggregation": "only_first_replica"}
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer="zeros", **options)

    def call(self, inputs, training=None):
        if not training:
            return self.network(inputs["labelled"] if isinstance(inputs, dict) else inputs, training=False)
        self._teach()
        x, u = inputs["labelled"], inputs["unlabelled"]
        for_x, for_u = (
            self.method.mixing.draw(Batch(keras.ops.shape(part)[0]), self.seed_generator) for part in (x, u)
        )
        weights = self.network.trainable_variables
        logits = self.network(mix(x, for_x), training=True)
        guesses = keras.ops.softmax(keras.ops.cast(self._forward(self.teacher or weights, u), "float32"))
        u, guesses = mix((u, keras.ops.stop_gradient(guesses)), for_u)
        return {
            "logits": logits,
            "draw": (for_x.weight, for_x.partner),
            "guesses": guesses,
            "unlabelled": self._forward(weights, u),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss = super().compute_loss(x, mix(y, Draw(*y_pred["draw"])), y_pred["logits"], sample_weight, training)
        strength = ramp(self.method, keras.ops.cast(self.steps, "float32"))
        self.steps.assign(self.steps + 1)
        logits = keras.ops.cast(y_pred["unlabelled"], "float32")
        return loss + strength * DISTANCES[self.method.distance](y_pred["guesses"], logits)

    def _teach(self):
        """Have the mean teacher follow the network: at the beginning of a step, for the one before."""
        kept = keras.ops.minimum(self.method.teacher, 1.0 - 1.0 / (keras.ops.cast(self.steps, "float32") + 1.0))
        for average, weight in zip(self.teacher, self.network.trainable_variables, strict=False):  # there may be none
            average.assign(average + (1.0 - kept) * (weight - average))

    def _forward(self, weights, x):
        """The logits with those weights and the statistics of the batch, which leave no trace in the network."""
        others = [variable.value for variable in self.network.non_trainable_variables]
        logits, _ = self.network.stateless_call([weight.value for weight in weights], others, x, training=True)
        return logits


def ramp(method, step):
    """The weight of the distance at a step: `strength exp(-5 (1 - min(step / ramp_up, 1))^2)`."""
    rest = 1.0 - keras.ops.minimum(step / method.ramp_up, 1.0) if method.ramp_up else 0.0 * step
    return method.strength * keras.ops.exp(-5.0 * rest**2)
