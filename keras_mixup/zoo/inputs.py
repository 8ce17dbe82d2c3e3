"""What a run trains on: all its epochs as one stream of batches, any epoch of which can be made anew."""

import functools
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

    def with_targets(features, labels):
        return features, source.task.targets(labels, len(source.classes), recipe.label_smoothing)

    def prepare(features, labels):
        return with_targets(source.features(features), labels)

    def epochs(first, last, mixed):
        @tf.autograph.experimental.do_not_convert
        def one(epoch):
            own = epoch + seed * 2**20
            from_afar = mixed and recipe.pairs != "random"
            batches = (
                partners.batches(split, recipe, method, own)
                if from_afar
                else split.batches(recipe.batch_size, own, recipe.augment)
            )
            if mixed and not from_afar and source.transform is None and len(source.shape) == 3 and method.keeps_rows:
                batches = batches.map(with_targets, num_parallel_calls=tf.data.AUTOTUNE)
                return batches.apply(_mix_pixels(source, method, own))
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


def _mix_pixels(source, method, seed):
    """What `mix_with` does to standardised images, but of stored pixels, in one pass over memory with standardising.

    Mixing an ImageNet batch so takes next to nothing; after it was made float32 it would be read and written once more.
    """
    import tensorflow as tf

    from keras_mixup.batch import Batch
    from keras_mixup.pipeline import batch_seeds

    mix = _mix_and_standardise(source.mean, source.deviation, repr(method))

    def mix_element(batch_seed, batch):
        images, targets = batch
        size = tf.shape(images)[0] if images.shape[0] is None else images.shape[0]
        # A method that does not look at features leaves them uncomputed.
        seen = Batch(size, targets, (source.features(images),), tuple(source.shape[:2]), ((1, 2),))
        return mix(images, targets, method.draw(seen, tf.stack(batch_seed)))

    def apply(batches):
        zipped = tf.data.Dataset.zip((batch_seeds(seed), batches))
        return zipped.map(mix_element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    return apply


@functools.cache
def _mix_and_standardise(mean, deviation, method):
    """A function of images, targets and a draw, compiled once for all runs of a process.

    One for each method, as TensorFlow would warn of a function that is traced for one method after the other.
    """
    import tensorflow as tf

    from keras_mixup.mixing import blend

    def mix(images, targets, draw):
        images = (blend(images, draw, "float32") - mean) / deviation
        return images, blend(targets, draw.for_targets, "float32")

    return tf.function(mix, jit_compile=True, autograph=False)


def test_batches(split, source, size):
    """The features of a test split in the stored order, as the network takes them."""
    import tensorflow as tf

    batches = split.batches(size)
    features = batches.map(lambda features, _: source.features(features), num_parallel_calls=tf.data.AUTOTUNE)
    # Where images are decoded the number of batches is lost, and Keras warns at their end.
    features = features.apply(tf.data.experimental.assert_cardinality(math.ceil(len(split) / size)))
    return features.prefetch(tf.data.AUTOTUNE)
