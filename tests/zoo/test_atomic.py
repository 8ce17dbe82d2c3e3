"""Files are whole or not there."""

import os

import pytest

from keras_mixup.zoo import atomic


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
        raise OSError("disk full")

    atomic.write(tmp_path / "file", "old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((OSError, ValueError)):
        atomic.write(tmp_path / "file", content)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]
