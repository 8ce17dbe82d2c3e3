"""Moving averages of what a network has learned, to test it with: of its weights, and of its statistics.

The optimiser of Keras averages the weights. What batch normalisation keeps is no weight to it, and is averaged here.
"""

import contextlib

from keras_mixup.zoo import checkpoints

STATISTICS = ("moving_mean", "moving_variance")


def statistics(network):
    """The means and variances that batch normalisation keeps for testing, as variables."""
    return [variable for variable in network.non_trainable_variables if variable.name in STATISTICS]


class StatisticsAverage:
    """The moving average, over steps, of the statistics of batch normalisation.

        average <- momentum * average + (1 - momentum) * statistics,    at first average = statistics

    after every step of training, as Keras's optimisers average weights; what a second pass in a step does to the
    statistics is included. The averages are variables of the model, and so in its checkpoints, but not of the network.

    Args:
        model: A Keras model, not compiled yet, whose `compute_loss` is called once in each step of training.
        network: The network in it.
        momentum: At least 0, below 1.
    """

    def __init__(self, model, network, momentum):
        self.statistics = statistics(network)
        self.momentum = momentum
        options = {"trainable": False, "initializer": "zeros", "aggregation": "mean"}
        self.averages = [
            model.add_weight(name=f"average{i}", shape=variable.shape, dtype=variable.dtype, **options)
            for i, variable in enumerate(self.statistics)
        ]
        # The optimiser's own count of steps is out of reach where JAX computes the loss.
        self.begun = model.add_weight(name="average_begun", shape=(), dtype="float32", **options)
        compute_loss = model.compute_loss

        def then_follow(x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = compute_loss(x, y, y_pred, sample_weight, training)
            if training:
                self._follow()
            return loss

        model.compute_loss = then_follow

    def _follow(self):
        import keras

        kept = self.momentum * keras.ops.convert_to_tensor(self.begun)
        for average, variable in zip(self.averages, self.statistics, strict=True):
            value = keras.ops.stop_gradient(keras.ops.convert_to_tensor(variable))
            average.assign(kept * average + (1.0 - kept) * value)
        self.begun.assign(keras.ops.ones(()))

    def finalize(self):
        """Put the averages in place of the statistics."""
        _assign(self.statistics, checkpoints.values(self.averages))


@contextlib.contextmanager
def averaged(model, statistics=None):
    """The moving averages in place of the weights and, with a `StatisticsAverage`, of the statistics."""
    changed = [*model.trainable_variables, *(statistics.statistics if statistics else ())]
    kept = checkpoints.values(changed)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    # On JAX weights and averages are the same arrays now, and `predict` gives those of the weights away.
    _assign(model.trainable_variables, checkpoints.values(model.trainable_variables))
    if statistics:
        statistics.finalize()
    yield
    _assign(changed, kept)


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
