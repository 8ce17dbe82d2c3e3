"""scikit-learn's digits: 1,797 real scans of 8 x 8 pixels with values 0 to 16, shipped with the package itself."""

from keras_mixup.zoo.errors import UserError


def load(train_size, seed, data_dir=None):
    """Draw `train_size` images for training, stratified by class; the others are the test split."""
    import tensorflow as tf
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits().images[..., None].astype("uint8"), load_digits().target
    # Stratifying needs at least one example of each of the ten classes on either side.
    if not 10 <= train_size <= len(labels) - 10:
        raise UserError(
            f"`train_size` should be between 10 and {len(labels) - 10} for digits. Received: train_size={train_size}."
        )
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, train_size=train_size, stratify=labels, random_state=seed
    )
    return (
        tf.data.Dataset.from_tensor_slices((train_x, train_y)),
        tf.data.Dataset.from_tensor_slices((test_x, test_y)),
    )
