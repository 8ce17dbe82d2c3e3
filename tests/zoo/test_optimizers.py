"""The optimisers against PyTorch's, step by step, and the learning rate against its formula in NumPy."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_mixup.zoo import optimizers, recipes
from keras_mixup.zoo.errors import UserError

RECIPE = recipes.get("digits")
KERNEL = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], "float32")
BIAS = np.array([1.0, -2.0, 0.5], "float32")
CONSTANT = {"schedule": "constant", "learning_rate": 0.1}


def recipe(**settings):
    return dataclasses.replace(RECIPE, rows=(), **settings)


def gradients(step):
    random = np.random.default_rng(step)
    return [random.normal(size=KERNEL.shape).astype("float32"), random.normal(size=BIAS.shape).astype("float32")]


def ours(steps=5, **settings):
    variables = [keras.Variable(KERNEL), keras.Variable(BIAS)]
    optimizer = optimizers.build(recipe(**settings), steps_per_epoch=3)
    for step in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients(step)], variables)
    return [keras.ops.convert_to_numpy(v) for v in variables]


def theirs(make, steps=5, clip=None):
    torch = pytest.importorskip("torch")
    variables = [torch.tensor(value, requires_grad=True) for value in (KERNEL, BIAS)]
    optimizer = make(torch.optim, variables)
    for step in range(steps):
        for variable, gradient in zip(variables, gradients(step), strict=True):
            variable.grad = torch.tensor(gradient)
        if clip:
            torch.nn.utils.clip_grad_norm_(variables, clip)
        optimizer.step()
    return [variable.detach().numpy() for variable in variables]


def same(one, other, rtol=1e-5):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_l2_is_pytorchs(nesterov):
    got = ours(optimizer="nesterov" if nesterov else "sgd", decay="l2", weight_decay=0.1, **CONSTANT)
    same(got, theirs(lambda o, v: o.SGD(v, 0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.1)))


def test_l2_comes_after_clipping_as_in_pytorch():
    got = ours(optimizer="sgd", decay="l2", weight_decay=0.1, clip_norm=0.7, **CONSTANT)
    same(got, theirs(lambda o, v: o.SGD(v, 0.1, momentum=0.9, weight_decay=0.1), clip=0.7), rtol=1e-4)


def test_l2_of_kernels_spares_vectors():
    got = ours(optimizer="sgd", decay="l2_kernels", weight_decay=0.1, **CONSTANT)
    groups = [{"weight_decay": 0.1}, {"weight_decay": 0.0}]
    same(
        got,
        theirs(
            lambda o, v: o.SGD([{"params": [p], **g} for p, g in zip(v, groups, strict=True)], 0.1, momentum=0.9),
        ),
    )


def test_decoupled_decay_stays_out_of_the_momentum():
    got = ours(optimizer="sgd", decay="decoupled", weight_decay=0.1, **CONSTANT)
    for value, start, i in ((got[0], KERNEL, 0), (got[1], BIAS, 1)):
        w, velocity = start.astype("float64"), 0.0
        for step in range(5):
            w = w - 0.1 * 0.1 * w
            velocity = 0.9 * velocity - 0.1 * gradients(step)[i]
            w = w + velocity
        np.testing.assert_allclose(value, w, rtol=1e-5)


def test_decoupled_decay_of_kernels_spares_biases_and_normalisation():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    variables = {variable.name: variable for variable in network.trainable_variables}
    assert set(variables) == {"kernel", "bias", "gamma", "beta"}
    for i, variable in enumerate(variables.values()):
        variable.assign(keras.ops.full(variable.shape, 1.5 + i))
    before = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables.items()}
    optimizer = optimizers.build(
        recipe(optimizer="adam", decay="decoupled_kernels", weight_decay=0.2, **CONSTANT), steps_per_epoch=3
    )
    for _ in range(2):
        optimizer.apply([keras.ops.zeros(v.shape) for v in variables.values()], list(variables.values()))
    for name, variable in variables.items():
        share = (1 - 0.1 * 0.2) ** 2 if name == "kernel" else 1.0
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), share * before[name], rtol=1e-6)


@pytest.mark.parametrize("beta_2", [0.999, 0.99])
def test_adam_and_adamw_are_pytorchs(beta_2):
    betas = (0.9, beta_2)
    # Keras adds its epsilon elsewhere, which shows where a second moment is tiny.
    adam = ours(optimizer="adam", decay="l2", weight_decay=0.1, beta_2=beta_2, **CONSTANT)
    same(adam, theirs(lambda o, v: o.Adam(v, 0.1, betas, 1e-7, weight_decay=0.1)), rtol=1e-3)
    adamw = ours(optimizer="adamw", decay="decoupled", weight_decay=0.1, beta_2=beta_2, **CONSTANT)
    same(adamw, theirs(lambda o, v: o.AdamW(v, 0.1, betas, 1e-7, weight_decay=0.1)), rtol=1e-3)


def test_the_moving_average_follows_the_weights():
    variables = [keras.Variable(KERNEL)]
    optimizer = optimizers.build(recipe(optimizer="sgd", weight_decay=0.0, ema=0.8, **CONSTANT), 3)
    average = KERNEL.astype("float64")
    for step in range(4):
        optimizer.apply([keras.ops.convert_to_tensor(gradients(step)[0])], variables)
        value = keras.ops.convert_to_numpy(variables[0])
        # Keras starts the average with the weights after the first step.
        average = value if step == 0 else 0.8 * average + 0.2 * value
    optimizer.finalize_variable_values(variables)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variables[0]), average, rtol=1e-5)


def rates(steps, **settings):
    rate = optimizers.LearningRate(recipe(**settings), steps_per_epoch=10)
    return [float(rate(step)) for step in steps]


def test_the_imagenet_schedule_of_goyal_et_al():
    got = rates(
        (0, 25, 50, 299, 300, 600, 800, 899),
        schedule="step",
        epochs=90,
        milestones=(30, 60, 80),
        decay_factor=0.1,
        learning_rate=0.4,
        warmup_epochs=5,
        warmup_from=0.1,
    )
    np.testing.assert_allclose(got, [0.1, 0.25, 0.4, 0.4, 0.04, 0.004, 0.0004, 0.0004], rtol=1e-5)


def test_cosine_falls_from_the_end_of_the_warm_up_to_its_share():
    got = rates(
        (0, 10, 20, 100, 150, 220), schedule="cosine", epochs=22, decay_factor=0.001, learning_rate=1.6, warmup_epochs=2
    )
    done = (np.array([20, 100, 150, 220]) - 20) / 200
    cosine = 1.6 * (0.001 + 0.999 * (1 + np.cos(np.pi * done)) / 2)
    np.testing.assert_allclose(got, [0.0, 0.8, *cosine], rtol=1e-4)


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(UserError, match="`schedule` should come with `milestones` and `decay_factor`"):
        recipe(schedule="step")
    with pytest.raises(UserError, match="`decay` should be decoupled with adamw. Received: decay=l2."):
        recipe(optimizer="adamw", decay="l2")
    with pytest.raises(UserError, match="rising numbers of epochs"):
        recipe(schedule="step", decay_factor=0.1, milestones=(150, 100))
