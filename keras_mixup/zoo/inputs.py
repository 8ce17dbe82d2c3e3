"""What a run trains on: all its epochs as one stream of batches, any epoch of which can be made anew."""

import math

from keras_mixup.zoo import partners


def training_batches(split, source, recipe, method, seed, first=0):
    """The batches of all epochs from `first` on, one after the other.

    Every epoch draws its order, its augmentation and its mixes from the seed and its own number, and from nothing else.
    So a run that starts at epoch 7 sees in it what it would have seen had it started at 0.

    Args:
        split: The training split.
        source: The `Source` it comes from.
        recipe: A `Recipe`, as the row has it.
        method: How to mix, or `None`.
        seed: An int >= 0.
        first: The epoch to begin with, counted from 0.

    Returns:
        A `tf.data.Dataset` of `(features, targets)`, both float32.
    """
    import tensorflow as tf

    from keras_mixup.pipeline import mix_with

    def prepare(features, labels):
        return source.features(features), source.task.targets(labels, len(source.classes), recipe.label_smoothing)

    def epochs(first, last, mixed):
        def one(epoch):
            own = epoch + seed * 2**20
            from_afar = mixed and recipe.pairs != "random"
            batches = (
                partners.batches(split, recipe, method, own)
                if from_afar
                else split.batches(recipe.batch_size, own, recipe.augment)
            )
            batches = batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
            if not mixed:
                return batches
            return batches.apply(partners.mix_halves(method, own) if from_afar else mix_with(method, seed=own))

        return tf.data.Dataset.range(first, last).flat_map(one)

    start = recipe.epochs if method is None else min(max(first, recipe.unmixed_epochs), recipe.epochs)
    batches = epochs(first, start, mixed=False)
    if start < recipe.epochs:
        batches = batches.concatenate(epochs(start, recipe.epochs, mixed=True))
    return batches.prefetch(tf.data.AUTOTUNE)


def test_batches(split, source, size):
    """The features of a test split in the stored order, as the network takes them."""
    import tensorflow as tf

    batches = split.batches(size)
    features = batches.map(lambda features, _: source.features(features), num_parallel_calls=tf.data.AUTOTUNE)
    # Where images are decoded the number of batches is lost, and Keras warns at their end.
    features = features.apply(tf.data.experimental.assert_cardinality(math.ceil(len(split) / size)))
    return features.prefetch(tf.data.AUTOTUNE)
