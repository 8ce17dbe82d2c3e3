"""What the training loop needs to know of targets: the loss, the form of a batch's targets, and the scores."""

import numpy as np

from keras_mixup.zoo import scores


class Classification:
    """One class per example. The network gives logits."""

    headline = "error"

    def fitted(self, training):
        """The task as a training split makes it: the same."""
        return self

    def loss(self):
        """Cross-entropy with mixed target rows."""
        import keras

        return keras.losses.CategoricalCrossentropy(from_logits=True)

    def targets(self, labels, classes, smoothing=0.0):
        """One-hot float32 rows, of which a share is spread over all classes."""
        import tensorflow as tf

        return tf.one_hot(labels, classes) * (1.0 - smoothing) + smoothing / classes

    def scores(self, logits, labels):
        """Error and top-5 error in percent, negative log-likelihood in nats, calibration error in percent."""
        return {
            "error": scores.error(logits, labels),
            "top5_error": scores.error(logits, labels, top=5),
            "nll": scores.nll(logits, labels),
            "ece": scores.ece(logits, labels),
        }


class Regression:
    """Numbers to predict. They stay in their own units; the network gives standard deviations from their mean.

    Args:
        mean: Of the numbers in the training part.
        deviation: Their standard deviation.
    """

    headline = "rmse"

    def __init__(self, mean=0.0, deviation=1.0):
        self.mean = mean
        self.deviation = deviation

    def fitted(self, training):
        """The task with the mean and the deviation of the labels of a training split."""
        return Regression(float(np.mean(training.labels)), float(np.std(training.labels)) or 1.0)

    def loss(self):
        """Mean squared error of standardised numbers."""
        import keras

        def standardised_mse(targets, outputs):
            return keras.losses.mean_squared_error((targets - self.mean) / self.deviation, outputs)

        return standardised_mse

    def targets(self, labels, classes, smoothing=0.0):
        """The numbers as float32, of shape `(batch, targets)`."""
        import tensorflow as tf

        return tf.reshape(tf.cast(labels, tf.float32), [-1, classes])

    def scores(self, outputs, labels):
        """Root mean squared error, mean absolute error, and mean absolute percentage error unless a number is 0."""
        outputs = self.mean + self.deviation * np.asarray(outputs, "float64").reshape(np.shape(labels))
        difference = outputs - labels
        scores = {"rmse": float(np.sqrt(np.mean(difference**2))), "mae": float(np.mean(np.abs(difference)))}
        if np.all(labels):
            scores["mape"] = 100.0 * float(np.mean(np.abs(difference / labels)))
        return scores
