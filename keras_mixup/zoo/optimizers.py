"""The optimiser of a recipe: rule, learning rate over time, and weight decay as the papers mean it."""

import math

import keras


def build(recipe, steps_per_epoch):
    """The optimiser that a recipe asks for.

        sgd, l2:         v <- 0.9 v - rate (g + decay w),    w <- w + v
        sgd, decoupled:  w <- w - rate decay w, then         v <- 0.9 v - rate g,    w <- w + v

    Args:
        recipe: A `Recipe`.
        steps_per_epoch: Steps per epoch, for the learning rate.

    Returns:
        A `keras.optimizers.Optimizer`, not built yet.
    """
    rate = LearningRate(recipe, steps_per_epoch)
    decoupled = recipe.decay.startswith("decoupled")
    shared = {
        "learning_rate": rate,
        "weight_decay": recipe.weight_decay if decoupled else None,
        "global_clipnorm": recipe.clip_norm or None,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema,
    }
    if recipe.optimizer in ("sgd", "nesterov"):
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=recipe.optimizer == "nesterov", **shared)
    elif recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(beta_2=recipe.beta_2, **shared)
    else:
        optimizer = keras.optimizers.AdamW(beta_2=recipe.beta_2, **shared)
    if recipe.decay == "decoupled_kernels":
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    if not decoupled and recipe.weight_decay:
        _add_l2(optimizer, recipe.weight_decay, kernels_only=recipe.decay == "l2_kernels")
    return optimizer


def _add_l2(optimizer, decay, kernels_only):
    """Add `decay * w` to gradients after clipping, before momentum; Keras' own `weight_decay` is decoupled."""
    update_step = optimizer.update_step

    def with_l2(gradient, variable, learning_rate):
        # Biases and the coefficients of normalisation are vectors.
        if not kernels_only or len(variable.shape) > 1:
            gradient = gradient + decay * keras.ops.cast(variable, gradient.dtype)
        return update_step(gradient, variable, learning_rate)

    optimizer.update_step = with_l2


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate at each step: a line up to the recipe's, then its schedule down.

        step < warm-up steps:  from + (highest - from) * step / warm-up steps
        step:                  highest * factor ^ (number of milestones passed)
        cosine:                highest * (factor + (1 - factor) * (1 + cos(pi t)) / 2),  t from 0 after the warm-up to 1

    Args:
        recipe: A `Recipe`.
        steps_per_epoch: Steps per epoch.
    """

    def __init__(self, recipe, steps_per_epoch):
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step):
        recipe, ops = self.recipe, keras.ops
        step = ops.cast(step, "float32")
        warmup = float(recipe.warmup_epochs * self.steps_per_epoch)
        rise = recipe.warmup_from + (recipe.learning_rate - recipe.warmup_from) * step / max(warmup, 1.0)
        return ops.where(step < warmup, rise, recipe.learning_rate * self._share(step, warmup))

    def _share(self, step, warmup):
        recipe, ops = self.recipe, keras.ops
        if recipe.schedule == "cosine":
            total = recipe.epochs * self.steps_per_epoch
            done = ops.clip((step - warmup) / max(total - warmup, 1.0), 0.0, 1.0)
            return recipe.decay_factor + (1.0 - recipe.decay_factor) * (1.0 + ops.cos(math.pi * done)) / 2.0
        if recipe.schedule == "step":
            passed = [ops.cast(step >= epoch * self.steps_per_epoch, "float32") for epoch in recipe.milestones]
            return recipe.decay_factor ** sum(passed)
        return ops.ones_like(step)
