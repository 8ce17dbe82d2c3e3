"""Files are whole or not there."""

import os

import pytest

from keras_mixup.zoo import atomic
from keras_mixup.zoo.errors import UserError


def test_text_bytes_and_json(tmp_path):
    atomic.write(tmp_path / "deep" / "a.txt", "±\n")
    atomic.write(tmp_path / "b.png", b"\x89PNG")
    atomic.write(tmp_path / "c.json", {"a": [1, None]})
    assert (tmp_path / "deep" / "a.txt").read_bytes() == "±\n".encode()
    assert (tmp_path / "b.png").read_bytes() == b"\x89PNG"
    assert (tmp_path / "c.json").read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'


@pytest.mark.parametrize("content", ["new", {"not": float("nan")}])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, content):
    def fail(*paths):
        raise OSError(28, "disk full")

    atomic.write(tmp_path / "file", "old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ValueError, match="disk full|JSON compliant"):
        atomic.write(tmp_path / "file", content)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_file_may_be_written_by_others_and_keeps_its_suffix(tmp_path):
    with atomic.replacing(tmp_path / "a.npz") as path:
        assert path.suffix == ".npz" and path.parent == tmp_path and path.name != "a.npz"
        path.write_bytes(b"1")
        assert not (tmp_path / "a.npz").exists()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.npz", b"1")]


def test_leftovers_of_the_dead_are_swept(tmp_path):
    atomic.write(tmp_path / "kept", "")
    leftover = atomic.replacing(tmp_path / "new")
    leftover.__enter__().write_text("half")  # and dies
    assert len(list(tmp_path.iterdir())) == 2
    atomic.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_cannot_be_written_is_told_with_its_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^`--out` should be .*/file/b/a\.txt \(Not a directory\)\.$"):
        atomic.write(tmp_path / "file" / "b" / "a.txt", "")
