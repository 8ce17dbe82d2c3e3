"""The image networks: of the published size, equal to a PyTorch pass, trainable, and mixable at every stage."""

import re
import sys
from unittest import mock

import keras
import numpy as np
import pytest

from keras_mixup.zoo import networks
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.networks import parts
from keras_mixup.zoo.networks import preact_resnet as preact_family
from keras_mixup.zoo.networks import resnet as resnet_family
from keras_mixup.zoo.networks.coatnet import coatnet
from keras_mixup.zoo.networks.densenet_bc import densenet_bc
from keras_mixup.zoo.networks.preact_resnet import preact_resnet
from keras_mixup.zoo.networks.resnet import resnet
from keras_mixup.zoo.networks.resnext29 import resnext29
from keras_mixup.zoo.networks.vit import vit
from keras_mixup.zoo.networks.wide_resnet import mixmatch_resnet, wide_resnet

CIFAR, IMAGENET = ((32, 32, 3), 10), ((224, 224, 3), 1000)

# As PyTorch counts them: weights that are trained, at 10 classes of CIFAR or 1000 of ImageNet.
PUBLISHED = {
    "preact_resnet18": (CIFAR, 11_171_146),
    "preact_resnet18_quarter": (CIFAR, 700_762),
    "wide_resnet28_2": (CIFAR, 1_467_610),
}
PUBLISHED_BIG = {
    "wide_resnet28_10": (CIFAR, 36_479_194),
    "densenet_bc100": (CIFAR, 769_162),
    "resnet50": (IMAGENET, 25_557_032),
    "resnext50_32x4d": (IMAGENET, 25_028_904),
    "resnet101": (IMAGENET, 44_549_160),
    "resnext101_32x4d": (IMAGENET, 44_177_704),
    "resnext101_64x4d": (IMAGENET, 83_455_272),
    "vit_b16": (IMAGENET, 86_567_656),
    "coatnet0": (IMAGENET, 25_036_820),
}
# As the papers give them, in millions.
ROUNDED = {"densenet_bc190": 25.6, "resnext29_8x64d": 34.4}

# One small member of each family, and its number of stages; those of ImageNet's depths are cut to so many blocks.
FEW_BLOCKS = {18: (1, 2, 1), 50: (2, 1)}
FAMILIES = {
    "preact_resnet18": (lambda shape, classes: preact_resnet(shape, classes, 18), 3),
    "preact_resnet50": (lambda shape, classes: preact_resnet(shape, classes, 50), 2),
    "wide_resnet10_1": (lambda shape, classes: wide_resnet(shape, classes, 10, 1), 3),
    "mixmatch_resnet": (mixmatch_resnet, 3),
    "densenet_bc10": (lambda shape, classes: densenet_bc(shape, classes, 10, 4), 3),
    "resnext29_2x2d": (lambda shape, classes: resnext29(shape, classes, 2, 2), 3),
    "resnet50": (lambda shape, classes: resnet(shape, classes, 50), 2),
}


@pytest.fixture(scope="module")
def network():
    """A function that builds a small member of a family for 16 x 16 pixels and 5 classes, with weights at random."""
    built = {}

    def build(name):
        if name not in built:
            random = np.random.default_rng(len(built))
            few = FEW_BLOCKS
            with mock.patch.dict(preact_family._REPEATS, few), mock.patch.dict(resnet_family._REPEATS, few):
                model = FAMILIES[name][0]((16, 16, 3), 5)
            for variable in model.variables:
                scale = 1 / np.sqrt(np.prod(variable.shape[:-1])) if variable.name == "kernel" else 0.1
                values = scale * random.standard_normal(variable.shape, dtype="float32")
                positive = variable.name in ("gamma", "moving_variance")
                variable.assign(np.abs(values) + 0.5 if positive else values)
            built[name] = model
        return built[name]

    return build


def trained(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_weights_as_published(name):
    arguments, count = PUBLISHED[name]
    assert trained(networks.get(name)(*arguments)) == count


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_BIG)
def test_as_many_weights_as_published_of_big_networks(name):
    arguments, count = PUBLISHED_BIG[name]
    assert trained(networks.get(name)(*arguments)) == count


@pytest.mark.slow
@pytest.mark.parametrize("name", ROUNDED)
def test_as_many_million_weights_as_the_papers_say(name):
    assert round(trained(networks.get(name)(*CIFAR)) / 1e6, 1) == ROUNDED[name]


@pytest.fixture
def small_vit():
    """A transformer for 8 x 12 pixels and 5 classes, with weights at random."""
    model, random = vit((8, 12, 3), 5, patch=4, width=8, depth=2, heads=2), np.random.default_rng(1)
    for variable in model.variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    return model


class Torch:
    """The layers of a Keras network as PyTorch computes them, by their names."""

    def __init__(self, model):
        self.torch = pytest.importorskip("torch")
        self.functional = self.torch.nn.functional
        self.model = model

    def weights(self, name):
        return [self.torch.tensor(w.numpy()) for w in self.model.get_layer(name).weights]

    def conv(self, x, name, stride=1, groups=1):
        (kernel,) = self.weights(name)
        kernel = kernel.permute(3, 2, 0, 1)
        return self.functional.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2, 1, groups)

    def norm(self, x, name, eps=1e-5):
        gamma, beta, mean, variance = self.weights(name)
        return self.functional.batch_norm(x, mean, variance, gamma, beta, False, 0.0, eps)

    def act(self, x, name):
        return self.torch.relu(self.norm(x, name))

    def logits(self, x):
        kernel, bias = self.weights("logits")
        return x.mean((2, 3)) @ kernel + bias


def preact_in_torch(torch, x, repeats, bottleneck):
    x = torch.conv(x, "stem")
    for stage, repeat in enumerate(repeats, 1):
        for number in range(1, repeat + 1):
            name, stride = f"stage{stage}_block{number}", 2 if stage > 1 and number == 1 else 1
            h = torch.act(x, f"{name}_norm1")
            if number == 1 and (stage > 1 or bottleneck):
                x = torch.conv(h, f"{name}_shortcut", stride)
            if bottleneck:
                h = torch.act(torch.conv(h, f"{name}_conv1"), f"{name}_norm2")
                h = torch.act(torch.conv(h, f"{name}_conv2", stride), f"{name}_norm3")
                x = x + torch.conv(h, f"{name}_conv3")
            else:
                h = torch.act(torch.conv(h, f"{name}_conv1", stride), f"{name}_norm2")
                x = x + torch.conv(h, f"{name}_conv2")
    return torch.logits(x)


def wide_in_torch(torch, x):
    x = torch.conv(x, "stem")
    for stage in (1, 2, 3):
        name, stride = f"stage{stage}_block1", 1 if stage == 1 else 2
        h = torch.act(x, f"{name}_norm1")
        x = x if stage == 1 else torch.conv(h, f"{name}_shortcut", stride)
        h = torch.act(torch.conv(h, f"{name}_conv1", stride), f"{name}_norm2")
        x = x + torch.conv(h, f"{name}_conv2")
    return torch.logits(torch.act(x, "norm"))


def mixmatch_in_torch(torch, x):
    def act(x, name):
        return torch.functional.leaky_relu(torch.norm(x, name, 1e-3), 0.1)

    x = torch.conv(x, "stem")
    for stage in (1, 2, 3):
        for number in (1, 2, 3, 4):
            name, stride = f"stage{stage}_block{number}", 2 if stage > 1 and number == 1 else 1
            h = act(x, f"{name}_norm1")
            if number == 1:
                x = torch.conv(h if stage == 1 else x, f"{name}_shortcut", stride)
            h = act(torch.conv(h, f"{name}_conv1", stride), f"{name}_norm2")
            x = x + torch.conv(h, f"{name}_conv2")
    return torch.logits(act(x, "norm"))


def dense_in_torch(torch, x):
    x = torch.conv(x, "stem")
    for stage in (1, 2, 3):
        name = f"stage{stage}_block1"
        h = torch.conv(torch.act(x, f"{name}_norm1"), f"{name}_conv1")
        x = torch.torch.cat([x, torch.conv(torch.act(h, f"{name}_norm2"), f"{name}_conv2")], 1)
        if stage < 3:
            x = torch.conv(torch.act(x, f"stage{stage}_norm"), f"stage{stage}_conv")
            x = torch.functional.avg_pool2d(x, 2)
    return torch.logits(torch.act(x, "norm"))


def bottlenecks_in_torch(torch, x, repeats, groups):
    for stage, repeat in enumerate(repeats, 1):
        for number in range(1, repeat + 1):
            name, stride = f"stage{stage}_block{number}", 2 if stage > 1 and number == 1 else 1
            h = torch.act(torch.conv(x, f"{name}_conv1"), f"{name}_norm1")
            h = torch.act(torch.conv(h, f"{name}_conv2", stride, groups), f"{name}_norm2")
            h = torch.norm(torch.conv(h, f"{name}_conv3"), f"{name}_norm3")
            if number == 1:
                x = torch.norm(torch.conv(x, f"{name}_shortcut", stride), f"{name}_shortcut_norm")
            x = torch.torch.relu(x + h)
    return torch.logits(x)


def resnext29_in_torch(torch, x):
    return bottlenecks_in_torch(torch, torch.act(torch.conv(x, "stem_conv"), "stem_norm"), (3, 3, 3), 2)


def resnet50_in_torch(torch, x):
    x = torch.functional.max_pool2d(torch.act(torch.conv(x, "stem_conv", 2), "stem_norm"), 3, 2, 1)
    return bottlenecks_in_torch(torch, x, FEW_BLOCKS[50], 1)


IN_TORCH = {
    "preact_resnet18": lambda torch, x: preact_in_torch(torch, x, FEW_BLOCKS[18], False),
    "preact_resnet50": lambda torch, x: preact_in_torch(torch, x, FEW_BLOCKS[50], True),
    "wide_resnet10_1": wide_in_torch,
    "mixmatch_resnet": mixmatch_in_torch,
    "densenet_bc10": dense_in_torch,
    "resnext29_2x2d": resnext29_in_torch,
    "resnet50": resnet50_in_torch,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_those_of_pytorch_with_the_same_weights(name, network):
    images = np.random.default_rng(3).normal(size=(2, 16, 16, 3)).astype("float32")
    model = network(name)
    torch = Torch(model)
    theirs = IN_TORCH[name](torch, torch.torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    between_images = np.ptp(theirs, axis=0).min()
    assert np.abs(model(images).numpy() - theirs).max() < 0.01 * between_images


def test_logits_of_vit_are_those_of_pytorch_with_the_same_weights(small_vit):
    torch = Torch(small_vit)
    images = np.random.default_rng(3).normal(size=(2, 8, 12, 3)).astype("float32")

    def norm(z, name):
        return torch.functional.layer_norm(z, (8,), *torch.weights(name), 1e-6)

    def dense(z, name):
        kernel, bias = torch.weights(name)
        return z @ kernel + bias

    kernel, bias = torch.weights("patches")
    patches = torch.torch.tensor(images).permute(0, 3, 1, 2)
    patches = torch.functional.conv2d(patches, kernel.permute(3, 2, 0, 1), bias, 4).flatten(2).mT
    first = torch.weights("class_token")[0][0].expand(2, 1, 8)
    z = torch.torch.cat([first, patches], 1) + torch.weights("positions")[0][0]
    for name in ("block1", "block2"):
        attention = torch.weights(f"{name}_attention")
        h = norm(z, f"{name}_norm1")
        query, key, value = (
            torch.torch.einsum("btd,dhk->bhtk", h, attention[k]) + attention[k + 1][None, :, None] for k in (0, 2, 4)
        )
        h = torch.functional.scaled_dot_product_attention(query, key, value)
        z = z + torch.torch.einsum("bhtk,hkd->btd", h, attention[6]) + attention[7]
        h = torch.functional.gelu(dense(norm(z, f"{name}_norm2"), f"{name}_dense1"))
        z = z + dense(h, f"{name}_dense2")
    theirs = dense(norm(z, "norm")[:, 0], "logits").numpy()
    np.testing.assert_allclose(small_vit(images).numpy(), theirs, rtol=1e-4, atol=1e-4)


def test_vit_is_saved_and_loaded_without_a_class_of_our_own(small_vit, tmp_path):
    images = np.random.default_rng(3).normal(size=(2, 8, 12, 3))
    small_vit.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(images), small_vit(images))
    assert all(type(layer).__module__.startswith("keras.") for layer in loaded.layers)


def test_vit_starts_as_drawn_by_its_authors():
    model = vit((16, 16, 3), 5, patch=4, width=48, depth=1, heads=3)
    for variable in model.get_layer("block1_attention").weights:
        if variable.name == "kernel":
            assert variable.numpy().std() == pytest.approx(np.sqrt(1 / 48), rel=0.05)
    assert model.get_layer("positions").kernel.numpy().std() == pytest.approx(0.02, rel=0.1)
    assert not model.get_layer("logits").kernel.numpy().any()
    assert model.get_layer("block1").output.shape == (None, 17, 48)


def test_vit_refuses_parts_of_patches():
    with pytest.raises(ValueError, match=r"of whole patches of 16 x 16 pixels\. Received: shape=\(224, 230, 3\)"):
        vit((224, 230, 3), 10)


@pytest.fixture(scope="module")
def small_coatnet():
    """Convolution and attention for 64 x 96 pixels and 5 classes, with weights at random."""
    model, random = coatnet((64, 96, 3), 5, (4, 8, 8, 16, 24), (2, 1, 1, 2), head=8), np.random.default_rng(1)
    for variable in model.variables:
        table = variable.path.endswith("_bias/kernel")
        scale = 1 / np.sqrt(np.prod(variable.shape[:-1])) if variable.name == "kernel" and not table else 0.5
        values = scale * random.standard_normal(variable.shape, dtype="float32")
        positive = variable.name in ("gamma", "moving_variance")
        variable.assign(np.abs(values) + 0.5 if positive else values)
    return model


def coatnet_in_torch(torch, x, depths):
    """Of images `(batch, channels, height, width)`, so that a dense layer is a 1 x 1 convolution."""
    gelu, pool = torch.functional.gelu, torch.functional.max_pool2d

    def dense(x, name):
        kernel, bias = torch.weights(name)
        return torch.torch.einsum("bchw,cd->bdhw", x, kernel) + bias[:, None, None]

    def act(x, name):
        return gelu(torch.norm(x, name, 1e-3))

    def layer_norm(x, name):
        return torch.functional.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], *torch.weights(name), 1e-5)

    def bottleneck(x, stride, name):
        h = torch.conv(torch.norm(x, f"{name}_norm1", 1e-3), f"{name}_conv1", stride)
        (kernel,) = torch.weights(f"{name}_conv2")
        h = act(h, f"{name}_norm2")
        h = torch.functional.conv2d(h, kernel.permute(2, 3, 0, 1), None, 1, 1, 1, h.shape[1])
        h = act(h, f"{name}_norm3")
        scales = torch.functional.silu(dense(h.mean((2, 3), keepdim=True), f"{name}_squeezed"))
        return dense(h * torch.torch.sigmoid(dense(scales, f"{name}_excite")), f"{name}_conv3")

    def attention(x, name):
        rows, columns = x.shape[2:]
        places = [(i, j) for i in range(rows) for j in range(columns)]
        (table,) = torch.weights(f"{name}_bias")
        between = [[table[0, :, i - k + rows - 1, j - m + columns - 1] for k, m in places] for i, j in places]
        biases = torch.torch.stack([torch.torch.stack(row, 1) for row in between], 1)
        tokens, heads = x.flatten(2).mT, []
        for of in ("queries", "keys", "values"):
            kernel, bias = torch.weights(f"{name}_{of}")
            heads.append(torch.torch.einsum("btc,cnd->bntd", tokens, kernel) + bias[:, None])
        h = torch.functional.scaled_dot_product_attention(*heads, attn_mask=biases)
        return dense(h.transpose(1, 2).flatten(2).mT.unflatten(2, (rows, columns)), f"{name}_output")

    x = torch.conv(act(torch.conv(x, "stem_conv", 2), "stem_norm"), "stem")
    for stage, depth in enumerate(depths, 1):
        for number in range(1, depth + 1):
            name, stride = f"stage{stage}_block{number}", 2 if number == 1 else 1
            shortcut = pool(x, stride)
            if f"{name}_shortcut" in [layer.name for layer in torch.model.layers]:
                shortcut = dense(shortcut, f"{name}_shortcut")
            if stage < 3:
                x = shortcut + bottleneck(x, stride, name)
            else:
                h = pool(layer_norm(x, f"{name}_norm1").permute(0, 3, 1, 2), stride)
                x = shortcut + attention(h, f"{name}_attention")
                h = dense(layer_norm(x, f"{name}_norm2").permute(0, 3, 1, 2), f"{name}_dense1")
                x = x + dense(gelu(h), f"{name}_dense2")
    x = layer_norm(x.mean((2, 3), keepdim=True), "norm").permute(0, 3, 1, 2)
    return dense(torch.torch.tanh(dense(x, "hidden")), "logits")[:, :, 0, 0]


def test_logits_of_coatnet_are_those_of_pytorch_with_the_same_weights(small_coatnet):
    torch = Torch(small_coatnet)
    images = np.random.default_rng(3).normal(size=(2, 64, 96, 3)).astype("float32")
    theirs = coatnet_in_torch(torch, torch.torch.tensor(images).permute(0, 3, 1, 2), (2, 1, 1, 2)).numpy()
    assert np.abs(small_coatnet(images).numpy() - theirs).max() < 1e-4 * np.ptp(theirs, axis=0).min()


def test_every_weight_of_coatnet_is_trained_but_shifts_that_cancel(small_coatnet):
    import tensorflow as tf

    images = np.random.default_rng(4).normal(size=(3, 64, 96, 3)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(small_coatnet(images, training=True)[:, 1] ** 2)
    variables = small_coatnet.trainable_variables
    largest = {
        variable.path: np.abs(gradient.numpy()).max()
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True)
    }
    # A bias of the keys adds the same to all logits of a place, which softmax takes away; and between the first two
    # normalisations of a bottleneck all is linear, so that the second takes away what the first adds.
    shifts = [path for path in largest if re.search(r"_keys/bias|stage[12]_block\d_norm1/beta", path)]
    assert len(shifts) == 6 and max(largest[path] for path in shifts) < 1e-6
    assert min(size for path, size in largest.items() if path not in shifts) > 1e-5


def test_coatnet_is_saved_and_loaded_without_a_class_of_our_own(small_coatnet, tmp_path):
    images = np.random.default_rng(3).normal(size=(2, 64, 96, 3))
    small_coatnet.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(images), small_coatnet(images))
    assert all(type(layer).__module__.startswith("keras.") for layer in loaded.layers)


def test_stages_of_coatnet_have_names_and_halve_the_image(small_coatnet):
    shapes = [small_coatnet.get_layer(name).output.shape[1:] for name in ("stem", *(f"stage{k}" for k in range(1, 5)))]
    assert shapes == [(32, 48, 4), (16, 24, 8), (8, 12, 8), (4, 6, 16), (2, 3, 24)]
    assert small_coatnet.get_layer("pool").input is small_coatnet.get_layer("stage4").output


def test_coatnet_starts_as_its_docstring_says():
    model = coatnet((64, 96, 3), 5, (16, 16, 16, 16, 32), (1, 1, 1, 1), head=8)
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            assert variable.numpy().std() == pytest.approx(0.02, rel=0.25), variable.path
        elif variable.name == "bias":
            assert not variable.numpy().any()


def test_coatnet_in_half_precision_gives_logits_and_adds_biases_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = coatnet((32, 64, 3), 5, (4, 8, 8, 8, 8), (1, 1, 1, 1), head=8)
    types = {name: model.get_layer(name).output.dtype for name in ("stage4", "stage4_block1_attention_bias", "logits")}
    assert types == {"stage4": "bfloat16", "stage4_block1_attention_bias": "float32", "logits": "float32"}
    images = np.random.default_rng(3).normal(size=(2, 32, 64, 3))
    assert np.isfinite(model(images)).all()


@pytest.mark.parametrize("shape", [(224, 230, 3), (48, 64, 3)])
def test_coatnet_refuses_images_that_cannot_be_halved_five_times(shape):
    with pytest.raises(ValueError, match="a height and a width of multiples of 32") as error:
        coatnet(shape, 10)
    assert f"Received: shape={shape}." in str(error.value)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_weight_is_trained(name, network):
    import tensorflow as tf

    images = np.random.default_rng(4).normal(size=(3, 16, 16, 3)).astype("float32")
    model = network(name)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images, training=True)[:, 1] ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        if variable.path.startswith("logits"):
            assert np.abs(gradient.numpy()[..., 1]).max() > 0
        else:
            assert np.abs(gradient.numpy()).max() > 0, variable.path


def test_a_convolution_in_groups_trains_in_fit_without_xla():
    random, inputs = np.random.default_rng(5), keras.Input((4, 4, 6))
    model = keras.Model(inputs, parts.convolution(inputs, 4, 3, "grouped", stride=2, groups=2))
    model.compile("sgd", "mse", jit_compile=False)
    before = model.get_layer("grouped").kernel.numpy()
    model.fit(random.normal(size=(4, 4, 4, 6)), random.normal(size=(4, 2, 2, 4)), batch_size=4, verbose=0)
    assert before.shape == (3, 3, 3, 4)
    assert np.abs(model.get_layer("grouped").kernel.numpy() - before).min() > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_have_names_and_halve_the_image(name, network):
    model, stages = network(name), FAMILIES[name][1]
    sides = [model.get_layer(layer).output.shape[1] for layer in ["stem", *(f"stage{k + 1}" for k in range(stages))]]
    first = 4 if name == "resnet50" else 16
    if name == "densenet_bc10":  # a transition ends its stage
        assert sides == [16, 8, 4, 4]
    else:
        assert sides == [first, *(first >> k for k in range(stages))]
    names = [layer.name for layer in model.layers]
    after = "norm" if "norm" in names else "pool"
    assert model.get_layer(after).input is model.get_layer(f"stage{stages}").output


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_are_of_layers_of_keras_alone(name, network):
    for layer in network(name).layers:
        assert getattr(keras.layers, type(layer).__name__) is type(layer)


@pytest.mark.parametrize("shape", [(28, 28, 1), (15, 9, 3), (None, None, 3)])
@pytest.mark.parametrize("name", ["wide_resnet10_1", "densenet_bc10", "resnext29_2x2d"])
def test_any_image_gives_logits_for_all_classes(name, shape):
    assert FAMILIES[name][0](shape, 7).output_shape == (None, 7)


@pytest.mark.parametrize(
    ("shape", "stride", "rows"), [((32, 32, 3), None, 32), ((64, 64, 3), None, 32), ((64, 64, 3), 1, 64)]
)
def test_stem_of_preact_resnet_halves_large_images(shape, stride, rows):
    model = preact_resnet(shape, 10, 18, stem_stride=stride)
    assert model.get_layer("stem").output.shape[1] == rows


@pytest.mark.parametrize(
    ("name", "blocks", "last"),
    [("preact_resnet18", 8, 2), ("preact_resnet50", 16, 3), ("wide_resnet16_1", 6, 2), ("mixmatch_resnet", 12, 2)],
)
def test_one_dropout_in_each_block_before_its_last_convolution(name, blocks, last):
    model = networks.get(name)((8, 8, 3), 4, dropout=0.3)
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert len(dropouts) == blocks
    for layer in dropouts:
        block = layer.name.removesuffix("_dropout")
        assert layer.rate == 0.3
        assert layer.input is model.get_layer(f"{block}_norm{last}_relu").output
        assert model.get_layer(f"{block}_conv{last}").input is layer.output


def test_no_dropout_unless_asked_for(network):
    assert not [layer for layer in network("preact_resnet18").layers if isinstance(layer, keras.layers.Dropout)]


@pytest.mark.parametrize("name", ["preact_resnet18", "wide_resnet10_1", "densenet_bc10", "resnext29_2x2d"])
def test_logits_are_float32_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_float16")
    model = FAMILIES[name][0]((32, 32, 3), 5)
    assert model.output.dtype == "float32"
    assert model.get_layer("stage2").output.dtype == "float16"


def test_weights_are_drawn_as_the_programs_draw_them():
    preact = preact_resnet((32, 32, 3), 10, 18).get_layer("stage3_block1_conv1").kernel.numpy()
    limit = np.float32(1 / np.sqrt(9 * 128))  # as the kernel's
    assert 0.99 * limit < np.abs(preact).max() <= limit
    wide = wide_resnet((32, 32, 3), 10, 10, 8)
    kernels = [wide.get_layer(f"stage2_block1_conv{k}").kernel.numpy() for k in (1, 2)]
    for kernel in kernels:
        assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.01)
    assert np.abs(kernels[0].mean()) < 1e-3
    last = resnet((32, 32, 3), 10, 50).get_layer("stage2_block1_norm3")
    assert not last.gamma.numpy().any()


def test_no_two_convolutions_start_alike():
    for model in (wide_resnet((32, 32, 3), 10, 16, 1), preact_resnet((32, 32, 3), 10, 18)):
        convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        kernels = [layer.kernel.numpy().ravel()[:50] for layer in convolutions]
        assert len(np.unique(np.stack(kernels), axis=0)) == len(kernels)


@pytest.mark.parametrize("depth", [9, 15, 4])
@pytest.mark.parametrize("build", [wide_resnet, densenet_bc])
def test_depths_that_make_no_network_are_refused(build, depth):
    with pytest.raises(ValueError, match=rf"`depth` should be 6n \+ 4, such as .* Received: depth={depth}\."):
        build((32, 32, 3), 10, depth, 1)


def test_only_the_family_asked_for_is_imported(monkeypatch):
    for module in [module for module in sys.modules if module.startswith("keras_mixup.zoo.networks.")]:
        monkeypatch.delitem(sys.modules, module)
    networks.get("wide_resnet16_1")
    now = {module for module in sys.modules if module.startswith("keras_mixup.zoo.networks.")}
    assert now - {"keras_mixup.zoo.networks.parts"} == {"keras_mixup.zoo.networks.wide_resnet"}


def test_every_name_leads_to_a_function():
    assert all(callable(networks.get(name)) for name in networks.NAMES)
    with pytest.raises(UserError, match="`network` should be one of: gin, lenet"):
        networks.get("alexnet")
