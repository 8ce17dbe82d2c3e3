"""The gradient of a function in its input, on whichever backend Keras was started with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_mixup.types import Tensor


def gradient(function: Callable[[Tensor], Tensor], x: Tensor, variables: list[Any]) -> Tensor:
    """Compute the gradient of a scalar function in `x`; it can itself be differentiated, in `x` and in the variables.

    Args:
        function: From a tensor of the shape of `x` to a scalar.
        x: Tensor of the backend, of floats.
        variables: The Keras variables that the function uses; what it assigns to them is dropped on JAX.

    Returns:
        A tensor of the shape and the dtype of `x`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)
    if backend == "jax":
        import jax

        state = [(variable, variable.value) for variable in variables]

        def stateless(
            x: Tensor,
        ) -> Tensor:  # what the network updates in here, such as batch statistics, must not leave the trace
            with keras.StatelessScope(state_mapping=state):
                return function(x)

        return jax.grad(stateless)(x)
    import torch

    x = x.detach().requires_grad_(True)
    with torch.enable_grad():
        return torch.autograd.grad(function(x), x, create_graph=True)[0]
