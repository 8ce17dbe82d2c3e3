"""Tasks and backbones of KerasHub, small and with random weights: images, and sentences whose masks are inputs."""

import re

import keras
import numpy as np
import pytest
from contract import FixedWeights
from reference import mix_rows

from keras_mixup import CutMix, ManifoldMixup, Mixup, MixupModel

hub = pytest.importorskip("keras_hub")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its tokenizers need TensorFlow")

SIZE, LENGTH, WORDS, CLASSES = 6, 7, 30, 3
WEIGHT = np.array([0.3, 0.9, 1.0, 0.6, 0.0, 0.8], "float32")
ROLL = np.roll(np.arange(SIZE), 1)
FIXED = Mixup(FixedWeights(*WEIGHT), pairing="roll")
LABELS = np.array([0, 2, 1, 1, 0, 2])
Y = np.eye(CLASSES, dtype="float32")[LABELS]
IMAGES = np.random.default_rng(0).uniform(size=(SIZE, 16, 16, 3)).astype("float32")
CROSS_ENTROPY = keras.losses.CategoricalCrossentropy(from_logits=True)
TEXTS = ["the quick fox", "a dog", "the lazy dog sleeps on", "fox", "quick quick dog", "on the fox a dog"]
VOCABULARY = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "the", "quick", "fox", "a", "dog", "lazy", "sleeps", "on"]


def mixed(rows):
    return mix_rows(rows, WEIGHT, ROLL).astype("float32")


def loss_of(logits):
    return float(CROSS_ENTROPY(mixed(Y), logits))


def first_loss(network, x, method=FIXED, **options):
    """The loss of one batch, before the network has learnt from it."""
    model = MixupModel(network, method, num_classes=CLASSES, **options)
    model.compile(keras.optimizers.SGD(0.0), CROSS_ENTROPY)
    return model.fit(x, LABELS, batch_size=SIZE, shuffle=False, verbose=0).history["loss"][0]


def resnet():
    one_block = {"stackwise_num_filters": [64], "stackwise_num_blocks": [1], "stackwise_num_strides": [1]}
    return hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        block_type="basic_block",
        image_shape=(16, 16, 3),
        **one_block,
    )


def image_classifier(preprocessor=None):
    return hub.models.ImageClassifier(backbone=resnet(), num_classes=CLASSES, preprocessor=preprocessor)


def text_classifier(preprocessor=None):
    keras.utils.set_random_seed(1)
    backbone = hub.models.BertBackbone(
        vocabulary_size=WORDS,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=LENGTH,
        dropout=0.0,
    )
    task = hub.models.BertTextClassifier(
        backbone=backbone, num_classes=CLASSES, preprocessor=preprocessor, activation=None, dropout=0.0
    )
    random = np.random.default_rng(2)
    task.set_weights([w + random.normal(scale=0.4, size=w.shape) for w in task.get_weights()])
    task.get_layer("logits").kernel.assign(10.0 * random.normal(size=(8, CLASSES)))  # so that small errors show
    return task


def text_preprocessor():
    tokenizer = hub.models.BertTokenizer(vocabulary=VOCABULARY)
    return hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=LENGTH)


def sentences():
    return {key: np.asarray(value) for key, value in text_preprocessor()(TEXTS).items()}


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


def test_images_of_a_task_are_mixed():
    task = image_classifier()
    expected = loss_of(task(mixed(IMAGES), training=True))
    assert first_loss(task, IMAGES) == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(first_loss(image_classifier(), IMAGES, CutMix(1.0), seed=1))


def test_a_backbone_is_mixed_at_a_layer_inside_of_it():
    backbone = resnet()
    network = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)])
    network.build((None, 16, 16, 3))
    stem = keras.Model(backbone.input, backbone.get_layer("conv1_relu").output)
    rest = keras.Model(backbone.get_layer("conv1_relu").output, backbone.output)
    h = rest(mixed(stem(IMAGES, training=True)), training=True)
    logits = keras.ops.mean(h, (1, 2)) @ network.layers[-1].kernel + network.layers[-1].bias
    assert first_loss(network, IMAGES, at="conv1_relu") == pytest.approx(loss_of(logits), rel=1e-4)
    method = ManifoldMixup(("conv1_relu", "stack0_block0_out"), 1.0)
    assert np.isfinite(first_loss(network, IMAGES, method, seed=1))


def encoded(task, h, counts):
    """What a sentence's classifier makes of embedded words, layer by layer."""
    backbone = task.backbone
    for name in ("transformer_layer_0", "transformer_layer_1"):
        h = backbone.get_layer(name)(h, padding_mask=counts)
    return backbone.get_layer("pooled_dense")(h[:, 0])


def embedded(task, x):
    layer = task.backbone.get_layer
    words = layer("token_embedding")(x["token_ids"])
    sums = words + layer("position_embedding")(words) + layer("segment_embedding")(x["segment_ids"])
    return layer("embeddings_layer_norm")(sums)


@pytest.mark.parametrize("at", ["embeddings_layer_norm", "embeddings_dropout", "pooled_dense", "classifier_dropout"])
def test_sentences_are_mixed_at_a_layer(at):
    task, x = text_classifier(), sentences()
    head, counts = task.get_layer("logits"), x["padding_mask"].astype(bool)
    if at.startswith("embeddings"):
        either = np.where((WEIGHT == 1)[:, None], counts, np.where((WEIGHT == 0)[:, None], counts[ROLL], False))
        either |= ((WEIGHT > 0) & (WEIGHT < 1))[:, None] & (counts | counts[ROLL])
        logits = head(encoded(task, mixed(embedded(task, x)), either))
    else:
        logits = head(mixed(encoded(task, embedded(task, x), counts)))
    assert first_loss(task, x, at=at) == pytest.approx(loss_of(logits), rel=1e-4)
    wrong = head(encoded(task, mixed(embedded(task, x)), np.ones_like(counts)))
    assert abs(first_loss(task, x, at=at) - loss_of(wrong)) > 1e-3


def test_words_behind_the_first_attention_are_refused():
    with refuses("'transformer_layer_0', which returns shape (None, None, 8) behind a layer that looks at 'padding_ma"):
        first_loss(text_classifier(), sentences(), at="transformer_layer_0")


def test_ids_are_refused_with_advice():
    with refuses("Nothing to mix: there should be features"):
        first_loss(text_classifier(), sentences())


def test_a_task_with_its_preprocessor_is_refused_and_trains_when_that_is_detached():
    converter = hub.layers.ImageConverter(image_size=(16, 16), scale=1 / 255)
    images = image_classifier(hub.models.ImageClassifierPreprocessor(converter))
    for task in (images, text_classifier(text_preprocessor())):
        with refuses("Preprocess the data, `dataset.map(network.preprocessor)`, and detach it: `network.preprocessor"):
            MixupModel(task, 0.2)
    x = {key: np.asarray(value) for key, value in task.preprocessor(TEXTS).items()}
    task.preprocessor = None
    model = MixupModel(task, 0.2, at="token_embedding", num_classes=CLASSES, seed=1)
    model.compile("adam", CROSS_ENTROPY)
    logs = model.fit(x, LABELS, validation_data=(x, LABELS), epochs=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all() and np.isfinite(logs["val_loss"]).all()
