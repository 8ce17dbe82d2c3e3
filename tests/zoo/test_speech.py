"""Speech Commands: reading, the split by speaker, and the papers' networks against PyTorch."""

import hashlib

import keras
import numpy as np
import pytest

from keras_mixup.zoo import datasets, networks, recipes
from keras_mixup.zoo.datasets import speech
from keras_mixup.zoo.errors import UserError

SPEAKERS = [f"{n:08x}" for n in range(30)]


def clip(name, samples=16000):
    """Noise that depends on the name, so that a clip can be recognised."""
    random = np.random.default_rng(list(hashlib.md5(name.encode()).digest()))
    return random.integers(-9000, 9000, samples).astype("int16")


def write_wav(path, samples, rate=16000):
    wavfile = pytest.importorskip("scipy.io.wavfile")
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, samples)


@pytest.fixture(scope="module")
def names():
    return [f"{word}/{speaker}_nohash_0.wav" for word in ("bird", "six") for speaker in SPEAKERS]


@pytest.fixture
def archive(tmp_path, names):
    for name in names:
        write_wav(tmp_path / name, clip(name))
    write_wav(tmp_path / "_background_noise_/hum.wav", clip("hum", 50000))
    write_wav(tmp_path / ".trash/bird.wav", clip("bird"))
    (tmp_path / "bird/notes.txt").write_text("not a clip")
    (tmp_path / "documents").mkdir()
    return tmp_path


def load(folder, train_size=0, seed=0, name="speech_commands"):
    return datasets.get(name, folder).load(train_size, seed, folder)


def found(split, names):
    """The names of the clips in a split, each with the label of its folder; every clip is as it was written."""
    by_samples = {clip(name).tobytes(): name for name in names}
    result = [by_samples[waveform.tobytes()] for waveform in split.features]
    assert [("bird", "six")[label] for label in split.labels] == [name.partition("/")[0] for name in result]
    return result


def speakers(names):
    return {name.partition("/")[2][:8] for name in names}


def test_a_folder_is_split_by_speaker_and_each_seed_has_its_own(archive, names):
    assert datasets.get("speech_commands", archive).classes == ("bird", "six")
    training, test = (found(split, names) for split in load(archive))
    assert sorted(training + test) == sorted(names)
    assert speakers(training).isdisjoint(speakers(test))
    assert training == sorted(training)
    assert found(load(archive)[1], names) == test
    assert found(load(archive, seed=1)[1], names) != test


def test_the_lists_of_the_archive_are_heeded(archive, names):
    tested, validated = names[3:50:4], names[::4]
    (archive / "testing_list.txt").write_text("\n".join(tested) + "\n")
    (archive / "validation_list.txt").write_text("\n".join(validated) + "\n")
    training, test = (found(split, names) for split in load(archive))
    assert sorted(test) == sorted(tested)
    assert sorted(training) == sorted(set(names) - set(tested) - set(validated))


def test_a_part_is_drawn_by_the_seed(archive, names):
    (archive / "testing_list.txt").write_text(names[0])
    chosen = found(load(archive, train_size=20)[0], names)
    assert len(set(chosen)) == 20 and names[0] not in chosen
    assert found(load(archive, train_size=20)[0], names) == chosen
    assert found(load(archive, train_size=20, seed=1)[0], names) != chosen
    with pytest.raises(UserError, match=r"`train_size` should be at most 59 for .*. Received: train_size=60."):
        load(archive, train_size=60)


def test_a_fifth_of_the_speakers_is_tested_on():
    files = [f"yes/{n:08x}_nohash_{take}.wav" for n in range(3000) for take in (0, 1)]
    tested = speech.by_speaker(files, 0)
    assert abs(tested.mean() - 0.2) < 0.03  # four standard deviations
    assert np.array_equal(tested[::2], tested[1::2])
    other = speech.by_speaker(files, 1)
    assert abs((tested & other).mean() - 0.04) < 0.015


def test_a_speaker_is_known_in_all_forms_of_names():
    forms = ["yes/{}_nohash_0.wav", "no/{}_nohash_12.wav", "_unknown_/happy_{}_nohash_1.wav.wav"]
    tested = [speech.by_speaker([form.format(f"{n:x}") for form in forms], 0) for n in range(100)]
    assert all(len(set(row)) == 1 for row in tested)
    assert 5 < sum(row[0] for row in tested) < 40
    silence = speech.by_speaker([f"_silence_/{n}.wav" for n in range(100)], 0)
    assert 5 < silence.sum() < 40  # each by itself


def test_clips_are_cut_and_filled_up(tmp_path):
    for samples in (9000, 16000, 16500):
        write_wav(tmp_path / "a.wav", clip("a", samples))
        read = speech.read_wav(tmp_path / "a.wav")
        kept = min(samples, 16000)
        assert read.shape == (16000,) and read.dtype == "int16"
        assert np.array_equal(read[:kept], clip("a", samples)[:kept]) and not read[kept:].any()


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda path: write_wav(path, clip("a"), rate=8000), "should have 16000 Hz, .* Received: 8000 Hz, 1 channel"),
        (lambda path: write_wav(path, np.stack([clip("a")] * 2, 1)), "Received: 16000 Hz, 2 channel"),
        (lambda path: write_wav(path, clip("a").astype("int32")), "Received: 16000 Hz, 1 channel.s., 32 bit"),
        (lambda path: path.write_bytes(path.read_bytes()[:-500]), "should hold 16000 samples, .* Received: 15750"),
        (lambda path: path.write_bytes(path.read_bytes()[:7]), "should be a wav file. Received: "),
        (lambda path: path.write_bytes(b"ID3" + bytes(100)), "should be a wav file. Received: "),
        (lambda path: path.write_bytes(b""), "should be a wav file. Received: "),
    ],
)
def test_a_bad_file_is_named(archive, names, damage, message):
    path = archive / names[7]
    damage(path)
    with pytest.raises(UserError, match=message) as error:
        load(archive)
    assert str(path) in str(error.value)


def test_a_folder_needs_clips_on_both_sides(archive, names):
    (archive / "testing_list.txt").write_text("\n")
    with pytest.raises(UserError, match="clips to test on. Received: 60 and 0"):
        load(archive)
    (archive / "testing_list.txt").write_text("\n".join(names))
    with pytest.raises(UserError, match="clips to test on. Received: 0 and 60"):
        load(archive)


@pytest.mark.parametrize("name", ["speech_commands", "speech_commands_test"])
def test_a_folder_without_clips_is_refused(tmp_path, name):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(UserError, match=r"a folder of wav files: DIR/WORD/\*.wav") as error:
        load(tmp_path, name=name)
    assert str(tmp_path) in str(error.value)


def prepare(folder, name, order, **splits):
    """Store a set with TensorFlow Datasets, its class names in that order, as (label name, clip name, samples)."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.features.FeaturesDict(
        {
            "audio": tfds.features.Audio(shape=(None,), sample_rate=16000, dtype=np.int16),
            "label": tfds.features.ClassLabel(names=order),
            **({"file": tfds.features.Text()} if name.endswith("test") else {}),
        }
    )
    rows = {
        split: [
            (i, {"audio": clip(file, samples), "label": label, **({"file": file} if "file" in features else {})})
            for i, (label, file, samples) in enumerate(examples)
        ]
        for split, examples in splits.items()
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name, version="0.0.3", features=features, split_datasets=rows, data_dir=folder, disable_shuffling=True
    )


def test_a_prepared_set_is_read(tmp_path):
    training = [("yes", "a", 16000), ("down", "b", 8000), ("_silence_", "c", 16000)]
    prepare(
        tmp_path, "speech_commands", list(speech.WORDS), train=training, validation=training, test=[("go", "d", 17000)]
    )
    source = datasets.get("speech_commands", tmp_path)
    train, test = source.load(0, 0, tmp_path)
    assert [source.classes[label] for label in train.labels] == ["yes", "down", "_silence_"]
    assert [source.classes[label] for label in test.labels] == ["go"]
    assert np.array_equal(train.features[0], clip("a")) and np.array_equal(test.features[0], clip("d", 17000)[:16000])
    assert np.array_equal(train.features[1][:8000], clip("b", 8000)) and not train.features[1][8000:].any()
    part = source.load(2, 5, tmp_path)[0]
    assert len(part) == 2 and all(row.tobytes() in {r.tobytes() for r in train.features} for row in part.features)


def test_a_prepared_test_set_is_split_by_speaker_whatever_the_order_of_its_classes(tmp_path):
    files = [f"{word}/{speaker}_nohash_0.wav" for word in ("go", "up") for speaker in SPEAKERS]
    examples = [(file[:2], file, 16000) for file in files]
    prepare(tmp_path, "speech_commands_test", list(reversed(speech.WORDS)), test=examples)
    train, test = load(tmp_path, name="speech_commands_test")
    by_samples = {clip(file).tobytes(): file for file in files}
    sides = [[by_samples[row.tobytes()] for row in split.features] for split in (train, test)]
    assert sorted(sides[0] + sides[1]) == sorted(files)
    assert len(sides[1]) > 0 and speakers(sides[0]).isdisjoint(speakers(sides[1]))
    for split, side in zip((train, test), sides, strict=True):
        assert [speech.WORDS[label] for label in split.labels] == [file[:2] for file in side]


def test_the_network_takes_spectrograms_and_smoke_needs_no_data():
    source = datasets.get("speech_commands")
    split = source.generate(5, np.random.default_rng(0))
    features = source.features(split.features)
    assert features.shape == (5, *source.shape) and features.dtype == "float32"
    assert abs(float(keras.ops.std(features)) - 1) < 0.01
    assert split.labels.max() < len(source.classes) == 12


def torch_lenet(torch, shape, classes):
    nn = torch.nn
    height, width = (((side - 4) // 2 - 4) // 2 for side in shape[:2])
    return nn.Sequential(
        *(nn.Conv2d(shape[2], 20, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(20, 20, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(20 * height * width, 1000), nn.ReLU(), nn.Linear(1000, classes)),
    )


def torch_vgg(plan, width=512):
    def build(torch, shape, classes):
        nn, layers, channels = torch.nn, [], shape[2]
        for filters in plan:
            if filters == "M":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
        features = width * (shape[0] // 32) * (shape[1] // 32)
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, width), nn.Linear(width, classes))

    return build


TORCH = {
    "lenet": torch_lenet,
    "vgg11": torch_vgg([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]),
    "vgg11_quarter": torch_vgg([16, "M", 32, "M", 64, 64, "M", 128, 128, "M", 128, 128, "M"], width=128),
    "vgg13": torch_vgg([64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]),
}


@pytest.mark.parametrize("name", TORCH)
def test_the_network_is_that_of_the_papers(name):
    """Written once more in PyTorch; the weights are copied, so both should give the same logits."""
    torch = pytest.importorskip("torch")
    shape = (67, 40, 1)
    network, other = networks.get(name)(shape, 7), TORCH[name](torch, shape, 7).eval()
    assert network.count_params() == sum(v.numel() for k, v in other.state_dict().items() if "num_batches" not in k)
    ours = [layer for layer in network.layers if layer.weights]
    theirs = [module for module in other if list(module.parameters())]
    flat = network.layers[[type(layer).__name__ for layer in network.layers].index("Flatten")].input.shape[1:]
    random = np.random.default_rng(0)
    with torch.no_grad():
        for layer, module in zip(ours, theirs, strict=True):
            weights = [random.random(w.shape, "float32") + np.float32(0.1) for w in layer.weights]
            if len(weights) == 2:  # so that numbers stay near 1
                weights[0] = (weights[0] - 0.6) / np.sqrt(np.prod(weights[0].shape[:-1]), dtype="float32") * 3
            layer.set_weights(weights)
            kernel = weights[0]
            if kernel.ndim == 4:
                kernel = kernel.transpose(3, 2, 0, 1)
            elif kernel.ndim == 2:  # PyTorch flattens channels first
                if kernel.shape[0] == np.prod(flat):
                    kernel = kernel.reshape(*flat, -1).transpose(2, 0, 1, 3).reshape(len(kernel), -1)
                kernel = kernel.T
            values = [kernel, *weights[1:]]
            targets = [module.weight, module.bias, *(getattr(module, n, None) for n in ("running_mean", "running_var"))]
            for target, value in zip(targets, values, strict=False):
                target.copy_(torch.tensor(value))
        x = random.standard_normal((2, *shape)).astype("float32")
        expected = other(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    result = keras.ops.convert_to_numpy(network(x))
    assert np.ptp(expected, axis=0).max() > 1e-2  # it depends on the input
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name, features", [("lenet", 16280), ("vgg11", 7680), ("vgg13", 7680)])
@pytest.mark.parametrize("height", [160, 161])
def test_160_and_161_frequencies_give_equally_many_features(name, features, height):
    network = networks.get(name)((height, 101, 1), 30)
    (flat,) = [layer for layer in network.layers if type(layer).__name__ == "Flatten"]
    assert flat.output.shape == (None, features)


def test_lenet_drops_half_of_the_channels_and_of_the_units():
    layers = networks.get("lenet")((20, 20, 1), 3).layers
    assert {type(layer).__name__: layer.rate for layer in layers if hasattr(layer, "rate")} == {
        "SpatialDropout2D": 0.5,
        "Dropout": 0.5,
    }


@pytest.mark.parametrize("name", ["lenet", "vgg11"])
def test_logits_are_float32_and_every_weight_learns(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = networks.get(name)((32, 32, 1), 5)
    x = np.random.default_rng(0).standard_normal((8, 32, 32, 1))
    assert keras.backend.standardize_dtype(network(x).dtype) == network.output.dtype == "float32"
    keras.config.set_dtype_policy("float32")
    network = networks.get(name)((32, 32, 1), 5)
    network.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    before = network.get_weights()
    network.train_on_batch(x, np.eye(5)[np.arange(8) % 5])
    changed = [not np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
    # The bias of a convolution before batch normalisation has no effect, and so no gradient worth the name.
    learns = name == "lenet" or np.array(["conv" not in w.path or "bias" not in w.path for w in network.weights])
    assert np.all(np.array(changed) | ~np.array(learns))


def test_the_recipes_are_those_of_the_papers():
    """The figures once more, as they stand in the papers, so that a slip of the pen shows."""
    rows = {row.name: row for row in recipes.get("speech_commands").rows}
    figures = {name: row.published.error for name, row in rows.items()}
    assert list(figures.values()) == [10.3, 10.8, 11.3, 4.6, 3.8, 3.4]
    assert {row.published.tag for row in rows.values()} == {"from memory"}
    assert rows["vgg11-mixup-0.1"].settings == {"network": "vgg11"} and rows["vgg11-mixup-0.1"].method.alpha == 0.1
    rows = {row.name: row for row in recipes.get("speech_mixupe").rows}
    figures = {name: (row.published.error, row.published.std) for name, row in rows.items() if row.published}
    assert figures["lenet-mixupe"] == (10.02, 0.042) and figures["vgg13-erm"] == (5.77, 0.053)
    assert {row.method.alpha for row in rows.values() if row.method} == {0.2}
    assert {row.method.eta for name, row in rows.items() if name.endswith("mixupe")} == {0.01}
