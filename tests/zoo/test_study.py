"""What a trial run is cut down to: small images, networks of few blocks, and every kind of row once."""

import dataclasses

import pytest

from keras_mixup.methods import Mixup
from keras_mixup.zoo import datasets, networks, recipes, runs
from keras_mixup.zoo.classifiers import SMOKE_BATCH, SMOKE_STEPS
from keras_mixup.zoo.datasets.source import SMALL
from keras_mixup.zoo.recipe import Recipe, Row, for_row


@pytest.mark.parametrize("name", ["imagenet", "imagenet_a"])
def test_small_images_have_no_side_longer_than_64_and_the_same_channels(name):
    source = datasets.get(name)
    small = source.small()
    assert source.shape == (224, 224, 3) and small.shape == (SMALL, SMALL, 3) == (64, 64, 3)
    assert dataclasses.replace(small, shape=source.shape) == source


@pytest.mark.parametrize("name", ["cifar10", "digits", "iris", "mutag", "speech_commands"])
def test_what_is_small_already_or_no_image_stays(name):
    source = datasets.get(name)
    assert source.small() == source


def test_only_the_long_side_is_cut():
    source = dataclasses.replace(datasets.get("cifar10"), shape=(40, 100, 1))
    assert source.small().shape == (40, 64, 1)


def test_a_small_network_is_of_the_same_family_and_has_a_block_in_each_stage():
    assert networks.small("small_cnn") == "small_cnn" and networks.small("mine:network") == "mine:network"
    for name in networks.NAMES:
        small = networks.small(name)
        assert small in networks.NAMES and networks.small(small) == small
        if small != name:
            build, few = networks.get(name), networks.get(small)
            assert getattr(build, "func", build) is few.func


def stages(model):
    """The names of the layers that other code asks for, and how many blocks there are between them."""
    names = [layer.name for layer in model.layers]
    return [name for name in names if name.startswith(("stem", "stage")) and "_" not in name], len(names)


@pytest.mark.parametrize("name, shape", [("preact_resnet50", (32, 32, 3)), ("resnext50_32x4d", (64, 64, 3))])
def test_a_small_network_has_the_stages_of_the_large_one(name, shape):
    (large, many), (small, few) = (stages(networks.get(one)(shape, 10)) for one in (name, networks.small(name)))
    assert small == large and len(small) == 5 and few < many / 2.5


def test_grouped_convolutions_stay_grouped():
    groups = {
        layer.groups for layer in networks.get("resnext14_4x4d")((64, 64, 3), 10).layers if hasattr(layer, "groups")
    }
    assert groups == {1, 4}


def test_imagenet_is_cut_down_to_two_steps_of_each_kind_of_network():
    recipe = recipes.get("imagenet")
    small = runs.study(recipe).small()
    assert (small.epochs, small.seeds, small.batch_size) == (1, 1, SMOKE_BATCH)
    assert small.train_size == SMOKE_STEPS * SMOKE_BATCH == 16
    assert [row.name for row in small.rows] == [row.name for row in recipe.rows]
    # No row has its own number of epochs or batch size any more; what else is its own stays.
    assert all(for_row(small, row).epochs == 1 and for_row(small, row).batch_size == 8 for row in small.rows)
    assert for_row(small, small.rows[-1]).optimizer == "adamw" and for_row(small, small.rows[-1]).ema == 0.999
    chosen = runs.study(small).enough()
    used = [for_row(small, row).network for row in chosen]
    assert set(used) == {networks.small(for_row(recipe, row).network) for row in recipe.rows}
    assert set(used) == {"resnet14", "resnext14_4x4d", "vit1_b16", "coatnet4"}
    assert len(chosen) == 6  # and ResNet with each of the three methods
    assert {type(row.method) for row in chosen} == {type(row.method) for row in recipe.rows}


def test_mixing_begins_at_once_and_something_is_held_out():
    recipe = dataclasses.replace(recipes.get("calibration_small"), unmixed_epochs=0)
    assert recipe.held_out and runs.study(recipe).small().held_out == SMOKE_BATCH
    speech = recipes.get("speech_commands")
    assert speech.unmixed_epochs == 5 and runs.study(speech).small().unmixed_epochs == 0
    few = dataclasses.replace(recipes.get("digits"), batch_size=4)
    assert runs.study(few).small().batch_size == 4 and runs.study(few).small().train_size == 8


def test_enough_is_each_network_data_set_method_and_treatment_once():
    def row(name, method=None, **settings):
        return Row(name, name, method, settings=settings)

    recipe = Recipe(
        name="r",
        title="r",
        dataset="digits",
        network="mlp",
        epochs=1,
        batch_size=8,
        learning_rate=0.1,
        weight_decay=0.0,
        seeds=1,
        rows=(
            row("erm"),
            row("again"),
            row("longer", epochs=3),  # is cut down to the same
            row("mixup", Mixup(0.2)),
            row("other-alpha", Mixup(1.0)),
            row("other-network", network="small_cnn"),
            row("both", Mixup(0.4), network="small_cnn"),
            row("other-data", dataset="rings"),
            row("smoothed", label_smoothing=0.1),
            row("smoothed-more", Mixup(0.2), label_smoothing=0.2),
        ),
    )
    names = [row.name for row in runs.study(recipe).enough()]
    assert names == ["erm", "mixup", "other-network", "other-data", "smoothed"]


@pytest.mark.parametrize("name", ["gan_toy", "gan_images"])
def test_gans_are_cut_down_too(name):
    recipe = recipes.get(name)
    study = runs.study(recipe)
    small = study.small()
    assert (small.iterations, small.discriminator_steps, small.seeds) == (10, 1, 1)
    assert small.batch_size <= 8 and small.rows == recipe.rows == study.enough()


def test_a_semi_supervised_recipe_keeps_few_labels():
    small = runs.study(recipes.get("semi_supervised")).small()
    assert (small.labels, small.unlabelled, small.steps, small.train_size) == (8, 0, SMOKE_STEPS, 16)
