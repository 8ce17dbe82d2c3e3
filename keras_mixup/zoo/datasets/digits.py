"""scikit-learn's digits: 1,797 real scans of 8 x 8 pixels with values 0 to 16, shipped with the package itself."""

from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError


def load(train_size, seed, data_dir=None):
    """Draw `train_size` images for training, stratified by class; the others are the test split."""
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
    return Arrays(train_x, train_y), Arrays(test_x, test_y)


SOURCES = {
    "digits": Source(
        shape=(8, 8, 1),
        classes=tuple("0123456789"),
        mean=4.884,
        deviation=6.017,
        needs=("sklearn", "scikit-learn"),
        load=load,
        # Each seed splits anew; yet the corrected test of random splits is for such as train on most examples. Training
        # on 300 of them, two seeds share one in six.
        splitting="apart",
    ),
}
