"""The networks, by name: functions `(input_shape, classes) -> keras.Model` whose output is logits, one per class."""

from keras_mixup.zoo.networks.small_cnn import small_cnn

_NETWORKS = {"small_cnn": small_cnn}


def get(name):
    """The function that builds that network.

    Raises:
        KeyError: If there is none. Recipes name their networks, users do not; so this is a bug in a recipe.
    """
    return _NETWORKS[name]
