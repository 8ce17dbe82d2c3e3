"""Checkpoints: what is damaged is named and passed over, and never half used."""

import types

import keras
import numpy as np
import pytest

from keras_mixup.zoo import checkpoints


def model(*values):
    """All that a checkpoint needs of a model."""
    network, optimizer = (
        [keras.Variable(np.asarray(value, "float32")) for value in some] for some in (values[:1], values[1:])
    )
    return types.SimpleNamespace(variables=network, optimizer=types.SimpleNamespace(variables=optimizer))


def values(model):
    return [np.array(variable).tolist() for variable in (*model.variables, *model.optimizer.variables)]


def history(epochs):
    return [{"epoch": epoch, "loss": 0.1 + epoch} for epoch in range(1, epochs + 1)]


ZEROS = [[0.0, 0.0, 0.0], 0.0]
SECOND, THIRD = [[1.25, -2.0, 3e-30], 7.0], [[4.0, 5.5, -6.0], 8.0]


@pytest.fixture
def folder(tmp_path):
    for epochs, content in ((1, ZEROS), (2, SECOND), (3, THIRD)):
        checkpoints.save(tmp_path, model(*content), history(epochs))
    return tmp_path


def restored(folder):
    """The history and the variables after `restore`, and what it reported."""
    lines, into = [], model(*ZEROS)
    return checkpoints.restore(folder, into, lines.append), np.float32(values(into)[0]).tolist(), lines


def test_the_last_two_are_kept_and_the_newest_is_used(folder):
    assert [path.name for path in checkpoints.paths(folder)] == ["checkpoint-0003.npz", "checkpoint-0002.npz"]
    into = model(*ZEROS)
    assert checkpoints.restore(folder, into, None) == history(3) and values(into) == THIRD
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-0002.npz", "checkpoint-0003.npz"]
    checkpoints.remove(folder)
    assert restored(folder) == ([], ZEROS[0], [])


def test_epochs_are_ordered_as_numbers(tmp_path):
    for epochs in (9999, 10000):
        checkpoints.save(tmp_path, model(*ZEROS), history(epochs))
    assert len(restored(tmp_path)[0]) == 10000


@pytest.mark.parametrize("length", [0, 1, 30, 100, 0.5, 0.9, -200, -30, -1])
def test_a_truncated_checkpoint_is_named_and_the_one_before_used(folder, length):
    path = folder / "checkpoint-0003.npz"
    whole = path.read_bytes()
    length = int(length * len(whole)) if isinstance(length, float) else length
    path.write_bytes(whole[:length])
    found, variables, (line,) = restored(folder)
    assert found == history(2) and variables == np.float32(SECOND[0]).tolist()
    assert str(path) in line and "trying checkpoint-0002.npz" in line


def test_no_flipped_byte_goes_unseen(folder):
    path = folder / "checkpoint-0003.npz"
    whole = path.read_bytes()
    seen = []
    content = whole.index(np.float32(THIRD[0]).tobytes())
    for position in sorted({*range(0, len(whole), 13), *range(content, content + 12)}):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        path.write_bytes(damaged)
        found, variables, lines = restored(folder)
        seen += [len(lines)] if content <= position < content + 12 else []
        # Bytes such as a date decide nothing; then the content is as it was.
        assert (found, variables) == ((history(2), np.float32(SECOND[0]).tolist()) if lines else (history(3), THIRD[0]))
    assert seen == [1] * 12


@pytest.mark.parametrize("other", [[[1.0, 2.0], 3.0], [[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0], 4.0, 5.0]])
def test_a_checkpoint_of_another_network_is_named(folder, other):
    checkpoints.save(folder, model(*other), history(4))
    found, variables, (line,) = restored(folder)
    assert found == history(3) and variables == THIRD[0]
    assert "checkpoint-0004.npz cannot be used (ValueError: it is of another network or optimiser)" in line


def test_if_all_are_damaged_it_starts_anew_and_says_so(folder):
    for path in checkpoints.paths(folder):
        path.write_bytes(b"not an archive")
    found, variables, lines = restored(folder)
    assert found == [] and variables == ZEROS[0]
    assert "trying checkpoint-0002.npz" in lines[0] and lines[1].endswith("; starting anew") and len(lines) == 2
