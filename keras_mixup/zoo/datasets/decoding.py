"""From the bytes of an image file to pixels: only the part that is wanted is decoded, and resized once."""

from keras_mixup.zoo import augmentation


def centre(encoded, size, share):
    """The central square, `share` of the shorter side, resized to `size` x `size`.

    With a share of 224/256 that is what resizing the shorter side to 256 and cutting out the central 224 shows.

    Args:
        encoded: Scalar string tensor: a JPEG, PNG, BMP or GIF file.
        size: Height and width of the result.
        share: In (0, 1].

    Returns:
        A uint8 tensor `(size, size, 3)`.
    """
    import tensorflow as tf

    shape = _shape(encoded)
    side = tf.cast(tf.round(share * tf.cast(tf.reduce_min(shape), tf.float32)), tf.int32)
    corner = (shape - side) // 2
    return _cut(encoded, tf.stack([corner[0], corner[1], side, side]), size)


def resized_crop_flip(encoded, size, seed):
    """A random part of the image, resized to `size` x `size`, and mirrored or not: see `augmentation.boxes`."""
    import tensorflow as tf

    seeds = tf.random.experimental.stateless_split(seed, 2)
    shape = _shape(encoded)
    image = _cut(encoded, augmentation.boxes(shape[:1], shape[1:], seeds[0])[0], size)
    return tf.cond(augmentation.flips(1, seeds[1])[0], lambda: tf.reverse(image, [1]), lambda: image)


def _shape(encoded):
    """Height and width."""
    import tensorflow as tf

    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.image.extract_jpeg_shape(encoded)[:2],
        lambda: tf.shape(tf.io.decode_image(encoded, 3, expand_animations=False))[:2],
    )


def _cut(encoded, box, size):
    import tensorflow as tf

    def jpeg():
        return tf.image.decode_and_crop_jpeg(encoded, box, 3, dct_method="INTEGER_FAST")

    def other():
        image = tf.io.decode_image(encoded, 3, expand_animations=False)
        return tf.slice(image, [box[0], box[1], 0], [box[2], box[3], 3])

    pixels = tf.ensure_shape(tf.cond(tf.io.is_jpeg(encoded), jpeg, other), [None, None, 3])
    return augmentation.as_stored(tf.image.resize(pixels, [size, size]), tf.uint8)
