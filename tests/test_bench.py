"""The benchmark's arithmetic, table and options; what it measures is nobody's to assert."""

import argparse
import json

import pytest

from keras_mixup import bench, cli

# Per epoch: cast only 1, 2, 4 ms; ours 2, 3, 10 ms; the peer 10, 30, 20 ms.
SAMPLES = {
    bench.CAST: {"first_batch_ms": [5.0, 7.0, 6.0], "batch_ms": [1.0, 2.0, 4.0], "cpu_ms": [1.0, 1.0, 3.0]},
    "mixup": {"first_batch_ms": [9.0, 8.0, 70.0], "batch_ms": [2.0, 3.0, 10.0], "cpu_ms": [4.0, 6.0, 5.0]},
    bench.PEER: {"first_batch_ms": [1.0, 2.0, 3.0], "batch_ms": [10.0, 30.0, 20.0], "cpu_ms": [1.0, 2.0, 3.0]},
}


def case(**figures):
    everything = dict.fromkeys(bench.COLUMNS, 1.5) | figures
    return {
        "shape": [4, 3],
        "dtype": "float32",
        "epochs": 7,
        "batches_per_epoch": 9,
        "contenders": {"mixup": everything, "a much longer name": everything},
    }


def parsed(*options):
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return parser.parse_args(options)


def test_summary_gives_medians():
    ours = bench.summary(SAMPLES)["mixup"]
    assert (ours["first_batch_ms"], ours["batch_ms"], ours["cpu_ms"]) == (9.0, 3.0, 5.0)
    assert ours["batch_ms_quartiles"] == [2.5, 6.5]


def test_ratios_compare_epochs_of_the_same_turn():
    figures = bench.summary(SAMPLES)
    assert figures["mixup"]["to_cast"] == 2.0  # of 2/1, 3/2 and 10/4; the ratio of the medians is 3/2
    assert figures["mixup"]["peer_to_this"] == 5.0  # of 10/2, 30/3 and 20/10; the ratio of the medians is 20/3
    assert figures[bench.CAST]["to_cast"] == figures[bench.PEER]["peer_to_this"] == 1.0


def test_table_has_a_row_for_each_contender_under_its_headings():
    title, headings, *rows = bench.table(case(batch_ms=0.1234, to_cast=1.257, very_first_batch_ms=321.4)).splitlines()
    assert title == "4x3 float32, 7 epochs of 9 batches"
    assert [row.split("  ")[0] for row in rows] == ["mixup", "a much longer name"]
    assert len({len(line) for line in [headings, *rows]}) == 1
    for heading, number in {"ms per batch": "0.123", "/ cast only": "1.26", "first ever": "321"}.items():
        end = headings.index(heading) + len(heading)
        assert rows[0][:end].endswith(f" {number}")


def test_table_shows_a_dash_for_what_could_not_be_measured():
    assert bench.table(case(peak_mb=None)).endswith(" -")


def test_take_turns_times_every_contender_as_often():
    samples = bench.take_turns((4, 3), seconds=0)
    assert list(samples) == [bench.CAST, "MixupLayer", "mixup", bench.PEER, "plain TensorFlow"]
    for lists in samples.values():
        assert set(lists) == {"first_batch_ms", "batch_ms", "cpu_ms"}
        for values in lists.values():
            assert len(values) == bench.FEWEST_ROUNDS
            assert min(values) >= 0


@pytest.mark.parametrize("shape", [(32, 5), (32, 4, 4, 3)], ids=str)
def test_contenders_do_the_same_work(shape):
    """Same shapes and dtypes; all but the cast mix, and where a label is mixed its features are, too."""
    contenders = bench.contenders(len(shape))
    batches = {name: next(iter(contend(bench._source(shape)))) for name, contend in contenders.items()}
    before, labels = next(iter(bench._source(shape)))
    for name, (x, y) in batches.items():
        assert tuple(x.shape) == shape and tuple(y.shape) == (shape[0], bench.CLASSES)
        assert x.dtype == y.dtype == "float32"
        x, unmixed = x.numpy().reshape(shape[0], -1), before.numpy().reshape(shape[0], -1).astype("float32")
        assert (abs(x - unmixed).max() > 0) == (name != bench.CAST)
        assert abs(y.numpy().sum(axis=1) - 1).max() < 1e-5
        if name == bench.CUT_PEER:  # its label weight is that of a box before rounding, so labels change without pixels
            continue
        relabelled = abs(y.numpy() - labels.numpy()).max(axis=1) > 1e-2
        assert all(abs(x - unmixed).max(axis=1)[relabelled] > 1e-4)


def test_batches_are_distinct_and_an_epoch_has_its_length():
    firsts = [float(x[0, 0]) for x, _ in bench._source((4, 3))]
    assert len(set(firsts)) == bench.DISTINCT_BATCHES
    assert len(firsts) == bench._epoch_length((4, 3)) == 200
    assert bench._epoch_length((128, 224, 224, 3)) == 9


def test_command_writes_everything_it_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "_in_fresh_process", bench.first_epoch)  # five of them take their time
    path = tmp_path / "new" / "bench.json"
    assert cli.main(["bench", "--shape", "4x3", "--seconds", "0", "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    assert {"versions", "backend", "machine", "date"} <= set(result["environment"])
    (only,) = result["cases"]
    assert (only["shape"], only["dtype"], only["classes"]) == ([4, 3], "float32", 10)
    assert (only["batches_per_epoch"], only["epochs"]) == (200, bench.FEWEST_ROUNDS)
    assert list(only["contenders"]) == list(bench.contenders(2))
    for figures in only["contenders"].values():
        assert set(figures) == {*bench.COLUMNS, "batch_ms_quartiles"}
    printed = capsys.readouterr().out
    assert bench.table(only) in printed
    assert result["environment"]["machine"] in printed


def test_fresh_process_measures_its_first_epoch():
    ballast = bytes([1]) * 400_000_000  # the peak of `getrusage` would include that of the parent
    figures = bench._in_fresh_process("mixup", (4, 3))
    assert len(ballast) == 400_000_000
    assert set(figures) == {"very_first_batch_ms", "peak_mb"}
    assert figures["very_first_batch_ms"] > 0
    assert figures["peak_mb"] is None or 0 < figures["peak_mb"] < 100


def test_failure_of_a_fresh_process_is_told_with_its_words(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho out of luck >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    with pytest.raises(RuntimeError, match="mixup on 4x3 failed in a fresh process:\nout of luck"):
        bench._in_fresh_process("mixup", (4, 3))


def test_defaults_are_the_three_shapes_of_the_targets():
    args = parsed()
    assert (args.shape, args.json, args.seconds) == (None, None, 10.0)
    assert [bench._dtype(shape) for shape in bench.SHAPES] == ["uint8", "uint8", "float32"]
    assert parsed("--shape", "8x2x2x3", "16x4").shape == [(8, 2, 2, 3), (16, 4)]


@pytest.mark.parametrize(
    "options, words",
    [
        (["--shape", "128"], "--shape: should be like 128x224x224x3 or 256x16. Received: 128."),
        (["--shape", "0x16"], "--shape: should be like 128x224x224x3 or 256x16. Received: 0x16."),
        (["--shape", "8x-1"], "--shape: should be like 128x224x224x3 or 256x16. Received: 8x-1."),
        (["--shape", "8,16"], "--shape: should be like 128x224x224x3 or 256x16. Received: 8,16."),
        (["--seconds", "-1"], "--seconds: should be a number of seconds, at least 0. Received: -1."),
        (["--seconds", "soon"], "--seconds: should be a number of seconds, at least 0. Received: soon."),
        (["--seconds", "inf"], "--seconds: should be a number of seconds, at least 0. Received: inf."),
        (
            ["--json", "FOLDER"],
            "`--json` should be a file that can be written. Received: --json=FOLDER (it is a directory).",
        ),
        (["--json", "FILE/x"], "`--json` should be a file that can be written. Received: --json=FILE/x (File exists)."),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_measured(options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "FILE").touch()
    monkeypatch.setattr(bench, "measure", None)
    assert cli.main(["bench", *options]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""
