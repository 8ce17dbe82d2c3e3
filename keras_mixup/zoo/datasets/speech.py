"""Speech Commands: clips of one second with one word each, of which the network takes the spectrogram.

`--data-dir` is one of two things:

- where TensorFlow Datasets prepared `speech_commands`: version 0.02 of the set with 12 classes (ten words, silence,
  everything else) and the official training and test splits;
- a folder of wav files, laid out as in the archive. Each folder is a class; the papers have the 30 of version 0.01.

      DIR/WORD/SPEAKER_nohash_0.wav      16 kHz, mono, 16 bit
          testing_list.txt               one line WORD/SPEAKER_nohash_0.wav for each clip to test on
          validation_list.txt            the same for clips that are neither trained nor tested on

  Without a testing_list.txt a fifth of the speakers is tested on: those whose name, hashed with the seed, comes out so.
  So no speaker is ever on both sides, and each seed has its own. A clip without a speaker in its name counts as one.

`speech_commands_test` is for a set of which only a test split is prepared, with names of files: it is split in the same
way. Clips are stored as 16,000 samples, cut or filled up with zeros; the `_background_noise_` of the archive is not
used.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import re
import wave

import numpy as np

from keras_mixup.zoo.datasets import prepared
from keras_mixup.zoo.datasets.source import Source
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.spectrogram import spectrogram

RATE = 16000
SAMPLES = 16000
TESTED = 0.2  # share of the speakers
NOISE = "_background_noise_"
WORDS = tuple("down go left no off on right stop up yes _silence_ _unknown_".split())


def load(name, train_size, seed, data_dir=None):
    """Draw `train_size` of the training clips; 0 is all, in the stored order.

    Args:
        name: Of the set in TensorFlow Datasets, if `data_dir` is not a folder of wav files.
        train_size: How many clips.
        seed: It alone decides which, and which speakers are tested on where the set does not say.
        data_dir: See above.

    Returns:
        Two splits of int16 waveforms of shape `(clips, 16000)`.

    Raises:
        UserError: If there is no such set, a file is not as expected, or there are fewer clips than asked for.
    """
    if is_there(data_dir):
        return _load_folder(data_dir, train_size, seed)
    builder = _builder(name, data_dir)
    if "train" in builder.info.splits:
        waveforms, labels, _ = _read_prepared(builder, "train")
        rows = _draw(np.arange(len(labels)), train_size, seed, name)
        training = Arrays(waveforms, labels) if train_size == 0 else Arrays(waveforms[rows], labels[rows])
        return training, Arrays(*_read_prepared(builder, "test")[:2])
    waveforms, labels, files = _read_prepared(builder, "test")
    tested = by_speaker(files, seed)
    rows = _draw(np.flatnonzero(~tested), train_size, seed, name)
    return Arrays(waveforms[rows], labels[rows]), Arrays(waveforms[tested], labels[tested])


def is_there(data_dir):
    """Whether it is a folder of wav files in folders."""
    return data_dir is not None and bool(words(data_dir))


def words(data_dir):
    """The names of the folders with wav files, in the order of the alphabet."""
    root = pathlib.Path(data_dir).expanduser()
    folders = (entry for entry in _entries(root) if entry.is_dir() and entry.name != NOISE)
    return tuple(sorted(entry.name for entry in folders if any(map(_is_wav, _entries(entry.path)))))


def by_speaker(files, seed):
    """Which clips are tested on: those of a fifth of the speakers, chosen by the seed.

    Args:
        files: Names such as `"yes/0a7c2a8d_nohash_1.wav"`.
        seed: An int.

    Returns:
        A bool array.
    """

    def is_tested(name):
        speaker = re.search(r"([^_/]+)_nohash_", name)
        key = f"{seed} {speaker.group(1) if speaker else name}"
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") < TESTED * 2**64

    return np.array([is_tested(name) for name in files], bool)


def read_wav(path):
    """The samples of a wav file, cut or filled up with zeros to 16,000.

    Args:
        path: Of a file of 16 kHz, mono, 16 bit.

    Returns:
        int16 array of shape `(16000,)`.

    Raises:
        UserError: If the file cannot be read or is in another format.
    """
    try:
        with wave.open(os.fspath(path), "rb") as file:
            form = file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()
            count = file.getnframes()
            data = file.readframes(count)
    except (OSError, EOFError, wave.Error) as error:
        raise UserError(f"{path} should be a wav file. Received: {error or 'a file that ends too early'}.") from None
    if form != (RATE, 1, 16):
        raise UserError(
            f"{path} should have 16000 Hz, 1 channel, 16 bit. Received: {form[0]} Hz, {form[1]} channel(s), {form[2]} "
            "bit. Convert it with: sox IN -r 16000 -c 1 -b 16 OUT"
        )
    if len(data) != 2 * count:
        raise UserError(f"{path} should hold {count} samples, as it says. Received: {len(data) // 2}.")
    samples = np.frombuffer(data, "<i2")[:SAMPLES].astype("int16")
    return np.pad(samples, (0, SAMPLES - len(samples)))


def _load_folder(data_dir, train_size, seed):
    root, names = pathlib.Path(data_dir).expanduser(), words(data_dir)
    clips = [(f"{name}/{file}", label) for label, name in enumerate(names) for file in _wavs(root / name)]
    files, labels = np.array([file for file, _ in clips]), np.array([label for _, label in clips])
    tested = _listed(root / "testing_list.txt", files)
    if tested is None:
        tested = by_speaker(files, seed)
    unused = _listed(root / "validation_list.txt", files)
    if unused is None:
        unused = np.zeros(len(files), bool)
    training, test = np.flatnonzero(~tested & ~unused), np.flatnonzero(tested & ~unused)
    if not len(training) or not len(test):
        raise UserError(
            f"`--data-dir` should hold clips to train on and clips to test on. Received: {len(training)} and "
            f"{len(test)}, in {root}."
        )
    training = _draw(training, train_size, seed, root)
    return tuple(Arrays(_read_wavs(root, files[rows]), labels[rows]) for rows in (training, test))


def _listed(path, files):
    """Which of the files are in the list; None if there is no such list."""
    if not path.exists():
        return None
    return np.isin(files, path.read_text(encoding="utf-8").split())


def _draw(rows, train_size, seed, name):
    if train_size > len(rows):
        raise UserError(f"`train_size` should be at most {len(rows)} for {name}. Received: train_size={train_size}.")
    return rows if train_size == 0 else np.random.default_rng(seed).permutation(rows)[:train_size]


def _read_wavs(root, files):
    waveforms = np.empty((len(files), SAMPLES), "int16")
    for row, file in enumerate(files):
        waveforms[row] = read_wav(root / file)
    return waveforms


def _builder(name, data_dir):
    import tensorflow_datasets as tfds

    try:
        return prepared.prepared(name, data_dir)
    except UserError as error:
        raise UserError(f"{error} Or let `--data-dir` be a folder of wav files: DIR/WORD/*.wav.") from None
    except tfds.core.registered.DatasetNotFoundError:
        raise UserError(
            f"`--data-dir` should hold {name} as TensorFlow Datasets prepares it, or be a folder of wav files: "
            f"DIR/WORD/*.wav. Received: --data-dir={data_dir}."
        ) from None


def _read_prepared(builder, split):
    """The waveforms of a split, the labels in the order of `WORDS`, and the names of the files where it has them."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def one_size(example):
        samples = tf.cast(example["audio"][:SAMPLES], tf.int16)
        samples = tf.ensure_shape(tf.pad(samples, [[0, SAMPLES - tf.shape(samples)[0]]]), [SAMPLES])
        return samples, example["label"], example.get("file", "")

    size = builder.info.splits[split].num_examples
    waveforms, labels, files = np.empty((size, SAMPLES), "int16"), np.empty(size, "int64"), []
    batches = builder.as_dataset(split=split).map(one_size, tf.data.AUTOTUNE, deterministic=True).batch(500)
    for batch in tfds.as_numpy(batches.prefetch(1)):
        rows = slice(len(files), len(files) + len(batch[1]))
        waveforms[rows], labels[rows] = batch[0], batch[1]
        files.extend(name.decode() for name in batch[2])
    ours = np.array([WORDS.index(name) for name in builder.info.features["label"].names])
    return waveforms, ours[labels], files


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []


def _is_wav(entry):
    return entry.name.lower().endswith(".wav")


def _wavs(folder):
    return sorted(entry.name for entry in _entries(folder) if _is_wav(entry))


def _generate(size, random):
    noise = random.normal(0.0, 1000.0, (size, SAMPLES))
    return Arrays(noise.astype("int16"), random.integers(len(WORDS), size=size))


def _source(name):
    usual = Source(
        shape=(161, 101, 1),
        classes=WORDS,
        needs=prepared.NEEDS,
        load=functools.partial(load, name),
        transform=spectrogram,
        generate=_generate,
    )
    return dataclasses.replace(usual, at=functools.partial(_look, usual))


def _look(usual, data_dir):
    """The source with the words that are at `data_dir`."""
    return dataclasses.replace(usual, classes=words(data_dir)) if is_there(data_dir) else usual


SOURCES = {name: _source(name) for name in ("speech_commands", "speech_commands_test")}
