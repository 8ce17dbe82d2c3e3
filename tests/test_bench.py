"""The benchmark's arithmetic, tables, adapters and options; what it measures is nobody's to assert."""

import argparse
import contextlib
import itertools
import json
import math
import sys

import numpy as np
import pytest
from reference import mix_rows, read_back

from keras_mixup import check_mixed, cli
from keras_mixup.bench import command, figure, images, model, peers, pipeline, turns
from keras_mixup.bench.table import legend, number, table
from keras_mixup.zoo.errors import UserError

# Per turn: the cast 1, 2, 4 ms; ours 2, 3, 10 ms; the peer 10, 30, 20 ms.
SAMPLES = {
    pipeline.CAST: {"first_batch_ms": [5.0, 7.0, 6.0], "ms": [1.0, 2.0, 4.0], "cpu_ms": [1.0, 1.0, 3.0]},
    "mixup": {"first_batch_ms": [9.0, 8.0, 70.0], "ms": [2.0, 3.0, 10.0], "cpu_ms": [4.0, 6.0, 5.0]},
    pipeline.PEER: {"first_batch_ms": [1.0, 2.0, 3.0], "ms": [10.0, 30.0, 20.0], "cpu_ms": [1.0, 2.0, 3.0]},
}


def silent(line):
    """Where progress goes that nobody reads."""


def parsed(*options):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(options)


# --- Turns ---


def test_summary_gives_medians():
    ours = turns.summary(SAMPLES)["mixup"]
    assert (ours["first_batch_ms"], ours["ms"], ours["cpu_ms"]) == (9.0, 3.0, 5.0)
    assert ours["ms_quartiles"] == [2.5, 6.5]


def test_ratios_compare_what_was_measured_in_the_same_turn():
    assert turns.ratios(SAMPLES, "mixup", pipeline.CAST) == [2.0, 1.5, 2.5]
    assert turns.ratios(SAMPLES, pipeline.PEER, "mixup") == [5.0, 10.0, 2.0]


def test_contenders_take_turns_and_nobody_always_comes_after_the_same_one():
    calls = []

    def contender(name):
        return lambda: calls.append(name) or {"ms": len(calls)}

    samples = turns.take_turns({name: contender(name) for name in "abc"}, seconds=0)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"
    assert samples == {"a": {"ms": [4, 9, 11]}, "b": {"ms": [5, 7, 12]}, "c": {"ms": [6, 8, 10]}}


def test_turns_last_as_long_as_they_should(monkeypatch):
    seconds = itertools.count()
    monkeypatch.setattr(turns.time, "perf_counter", lambda: next(seconds))
    assert len(turns.take_turns({"a": lambda: {"ms": 1.0}}, seconds=10)["a"]["ms"]) == 9


def test_times_are_of_one_piece_of_work(monkeypatch):
    monkeypatch.setattr(turns.time, "perf_counter", iter([1.0, 3.0]).__next__)
    monkeypatch.setattr(turns.time, "process_time", iter([5.0, 5.6]).__next__)
    done = []
    assert turns.timed(lambda: done.append(1), times=4) == pytest.approx({"ms": 500.0, "cpu_ms": 150.0})
    assert len(done) == 4


# --- Tables ---


def test_table_has_a_row_for_each_contender_under_its_headings():
    columns = {"ms": "ms per batch", "ratio": "/ cast only", "never": "never measured", "peak": "peak MB"}
    rows = {"mixup": {"ms": 0.1234, "ratio": 1.257, "peak": None}, "a much longer name": {"ms": 321.4, "ratio": -2.5}}
    title, headings, *lines = table("a title", columns, rows).splitlines()
    assert title == "a title"
    assert [line.split("  ")[0] for line in lines] == ["mixup", "a much longer name"]
    assert len({len(line) for line in [headings, *lines]}) == 1
    assert "never" not in headings
    for line, heading, digits in [(0, "ms per batch", "0.123"), (0, "/ cast only", "1.26"), (0, "peak MB", "-")]:
        assert lines[line][: headings.index(heading) + len(heading)].endswith(f" {digits}")
    assert lines[1].split()[-3:] == ["321", "-2.50", "-"]


def test_legend_explains_every_heading():
    for suite in (pipeline.COLUMNS, peers.COLUMNS, model.STEP_COLUMNS, model.MEMORY_COLUMNS):
        lines = legend(suite).splitlines()
        assert [line.split("  ")[0] for line in lines] == [heading for heading, _ in suite.values()]
        assert all(meaning for _, meaning in suite.values())


def test_numbers_have_about_three_digits():
    assert [number(value) for value in (0.04567, 4.567, 45.67, 456.7, -0.5, None)] == [
        "0.046",
        "4.57",
        "45.67",
        "457",
        "-0.500",
        "-",
    ]


# --- The pipeline suite ---


def test_a_case_holds_everybody_against_the_cast_and_the_peer(monkeypatch):
    monkeypatch.setattr(pipeline, "contenders", lambda rank: dict.fromkeys(SAMPLES, lambda dataset: dataset))
    monkeypatch.setattr(turns, "take_turns", lambda contenders, seconds: SAMPLES)
    found = pipeline.case((4, 3), seconds=0)
    assert (found["shape"], found["dtype"], found["classes"]) == ([4, 3], "float32", 10)
    assert (found["batches_per_epoch"], found["epochs"]) == (1000, 3)
    figures = found["contenders"]
    assert figures["mixup"]["to_cast"] == 2.0  # of 2/1, 3/2 and 10/4; the ratio of the medians is 3/2
    assert figures["mixup"]["peer_to_this"] == 5.0  # of 10/2, 30/3 and 20/10; the ratio of the medians is 20/3
    assert figures[pipeline.CAST]["to_cast"] == figures[pipeline.PEER]["peer_to_this"] == 1.0


@pytest.mark.parametrize("shape", [(32, 5), (32, 4, 4, 3)], ids=str)
def test_contenders_do_the_same_work(shape):
    """Same shapes and dtypes; all but the cast mix, and where a label is mixed its features are, too."""
    contenders = pipeline.contenders(len(shape))
    batches = {name: next(iter(contend(pipeline.batches(shape)))) for name, contend in contenders.items()}
    before, labels = next(iter(pipeline.batches(shape)))
    for name, (x, y) in batches.items():
        assert tuple(x.shape) == shape and tuple(y.shape) == (shape[0], pipeline.CLASSES)
        assert x.dtype == y.dtype == "float32"
        x, unmixed = x.numpy().reshape(shape[0], -1), before.numpy().reshape(shape[0], -1).astype("float32")
        assert (abs(x - unmixed).max() > 0) == (name != pipeline.CAST)
        assert abs(y.numpy().sum(axis=1) - 1).max() < 1e-5
        if name == pipeline.CUT_PEER:  # its label weight is that of a box before rounding: labels change without pixels
            continue
        relabelled = abs(y.numpy() - labels.numpy()).max(axis=1) > 1e-2
        assert all(abs(x - unmixed).max(axis=1)[relabelled] > 1e-4)


def test_batches_are_distinct_and_an_epoch_has_its_length():
    firsts = [float(x[0, 0]) for x, _ in pipeline.batches((4, 3))]
    assert len(set(firsts)) == pipeline.DISTINCT_BATCHES
    assert len(firsts) == pipeline.epoch_length((4, 3)) == 1000
    assert pipeline.epoch_length((128, 224, 224, 3)) == 9
    (x, y), *others = pipeline.batches((4, 2, 2, 3), "float32", classes=7, length=3)
    assert (x.dtype, tuple(y.shape), len(others)) == ("float32", (4, 7), 2)
    assert y.numpy().sum(axis=1).tolist() == [1.0] * 4


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("parallel calls", 3, ([4, 8, 8, 3], 10, 3, 6)),
        ("batch size", 5, ([5, 8, 8, 3], 10, 1, 2)),
        ("image size", 6, ([4, 6, 6, 3], 10, 1, 2)),
        ("classes", 20, ([4, 8, 8, 3], 20, 1, 2)),
        ("partners", 3, ([4, 8, 8, 3], 10, 1, 2)),
    ],
)
def test_a_series_changes_one_thing(name, value, expected, monkeypatch):
    seen = set()
    everybody = pipeline.contenders

    def contenders(rank, calls):
        def contend(dataset):
            elements = list(dataset)
            seen.add((list(elements[0][0].shape).__repr__(), elements[0][1].shape[1], calls, len(elements)))
            return dataset

        return dict.fromkeys(everybody(rank), contend)

    monkeypatch.setattr(pipeline, "BASE", (4, 8, 8, 3))
    monkeypatch.setattr(pipeline, "epoch_length", lambda shape: 2)
    monkeypatch.setattr(pipeline, "contenders", contenders)
    found = pipeline.point(name, value, seconds=0)
    shape, *others = expected
    assert seen == {(repr(shape), *others)}
    assert (found["shape"], found["classes"], found["calls"]) == tuple(expected[:3])
    others = {"partners": [pipeline.PARTNERS], "classes": [pipeline.OURS, pipeline.PEER, pipeline.PAIRS]}
    assert list(found["contenders"]) == [pipeline.CAST, *others.get(name, [pipeline.OURS, pipeline.PEER])]


def test_the_steepest_step_is_held_against_proportion():
    points = [
        {"value": v, "contenders": {"a": {"ms": a}, "b": {"ms": b}}} for v, a, b in ((1, 1, 8), (2, 2, 8), (8, 4, 1))
    ]
    assert pipeline.steepest(points) == pytest.approx({"a": 1.0, "b": 0.0})
    assert pipeline.steepest(points[:1]) == {}


@pytest.mark.parametrize("cores, expected", [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_parallel_calls_go_up_to_the_cores(cores, expected, monkeypatch):
    monkeypatch.setattr(pipeline.os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert pipeline.series_values()["parallel calls"] == expected


def in_this_process(name, shape):
    return {**pipeline.first_epoch(name, tuple(shape)), "import_ms": 40.0 + len(name)}


def test_command_writes_everything_it_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "in_fresh_process", in_this_process)  # five of them take their time
    path, picture = tmp_path / "new" / "bench.json", tmp_path / "bench.png"
    options = ["--shape", "4x3", "--seconds", "0", "--json", str(path), "--plot", str(picture)]
    assert cli.main(["bench", *options]) == 0
    result = json.loads(path.read_text())
    assert result["suite"] == "pipeline"
    assert {"versions", "backend", "machine", "date"} <= set(result["environment"])
    (only,) = result["cases"]
    assert list(only["contenders"]) == list(pipeline.contenders(2))
    for figures in only["contenders"].values():
        assert set(figures) == {*pipeline.COLUMNS, "ms_quartiles"}
    assert result["series"] == {} and result["import_ms"] == 45.0  # of the shortest name
    printed = capsys.readouterr()
    assert pipeline.text(result) in printed.out
    assert result["environment"]["machine"] in printed.out
    assert printed.err.count("...") == 7
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_pipeline_suite_with_its_series(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "in_fresh_process", in_this_process)
    monkeypatch.setattr(pipeline, "SHAPES", ((8, 8, 8, 3), (4, 3)))
    monkeypatch.setattr(pipeline, "BASE", (8, 8, 8, 3))
    values = {
        "parallel calls": [1, 2],
        "batch size": [4, 8],
        "image size": [8, 16],
        "classes": [10, 100],
        "partners": [1, 3],
    }
    monkeypatch.setattr(pipeline, "series_values", lambda: values)
    result = pipeline.measure(None, 0, silent)
    assert [case["shape"] for case in result["cases"]] == [[8, 8, 8, 3], [4, 3]]
    assert {name: [point["value"] for point in points] for name, points in result["series"].items()} == values
    assert "peak_mb" in result["cases"][0]["contenders"]["mixup"]
    assert "peak_mb" not in result["cases"][1]["contenders"]["mixup"]
    printed = pipeline.text(result)
    assert "ms per batch by image size (8x8x8x3 and 10 classes else)" in printed
    figures = result["series"]["classes"][1]["contenders"]["mixup"]
    (line,) = [line for line in printed.split("by classes")[1].splitlines() if line.startswith("mixup ")]
    assert line.split()[-1] == number(figures["ms"])
    titles = drawn({"suite": "pipeline", "environment": ENVIRONMENT, **result}, tmp_path, monkeypatch)
    assert titles == ["8x8x8x3 uint8", "4x3 float32", *map(str, values)]


def test_fresh_process_measures_its_first_epoch():
    ballast = bytes([1]) * 400_000_000  # the peak of `getrusage` would include that of the parent
    figures = pipeline.in_fresh_process("mixup", (4, 3))
    assert len(ballast) == 400_000_000
    assert set(figures) == {"import_ms", "very_first_batch_ms", "peak_mb"}
    assert figures["very_first_batch_ms"] > 0 and figures["import_ms"] > 0
    assert figures["peak_mb"] is None or 0 < figures["peak_mb"] < 100


def test_failure_of_a_fresh_process_is_told_with_its_words(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho out of luck >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    with pytest.raises(RuntimeError, match="mixup on 4x3 failed in a fresh process:\nout of luck"):
        pipeline.in_fresh_process("mixup", (4, 3))


# --- The peers suite ---


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_mixes_what_it_is_given(name):
    """`check_mixed` reads weights and partners back from what came out."""
    peer = peers.PEERS[name]
    for package in peer.packages:
        if why := peers.unusable(package):
            pytest.skip(f"{package}: {why}")
    rng = np.random.default_rng(0)
    images, ids = rng.random((32, 16, 16, 3), dtype="float32"), rng.integers(0, 10, 32)
    rows = np.eye(10, dtype="float32")[ids]
    if peer.does == peers.PIXELS:
        images = (255 * images[:10]).astype("uint8").transpose(0, 3, 1, 2)
        x, y = (np.asarray(part) for part in peer.make(10)(images, np.arange(10)))
        assert x.dtype == y.dtype == np.float32
        weight, partner = read_back(y)
        np.testing.assert_allclose(x, mix_rows(images, weight, partner), atol=0.51)  # timm may round to whole numbers
        return
    if "torch" in peer.packages:
        import torch

        mixed = peer.make(10)(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(ids))
        x, y = mixed[0].numpy().transpose(0, 2, 3, 1), mixed[1].numpy()
    else:
        import tensorflow as tf

        x, y = next(tf.data.Dataset.from_tensors((images, rows)).apply(peer.make()).as_numpy_iterator())
    report = check_mixed((images, rows), (x, y))
    if name in ("keras.layers.CutMix", "keras_cv CutMix"):  # the weight of a box before it is rounded and clipped
        assert all("Count the pixels really pasted" in problem for problem in report.problems)
    else:
        assert report.ok, report
    cut = any("cut and pasted" in note for note in report.notes)
    assert cut == (peer.does == peers.CUTMIX)


def test_triton_which_would_abort_a_process_with_tensorflow_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "triton.py").write_text("raise SystemExit('aborted')\n")
    (tmp_path / "a_peer.py").write_text("try:\n    import triton\nexcept ImportError:\n    triton = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    assert peers.unusable("a_peer") is None
    assert sys.modules.pop("a_peer").triton is None


def test_peers_are_held_against_ours_of_the_same_kind(monkeypatch):
    names = {
        "keras_mixup mixup": 2.0,
        "keras.layers.MixUp": 3.0,
        "keras_mixup CutMix": 10.0,
        "keras_mixup, pixels": 4.0,
        "keras.layers.CutMix": 5.0,
    }
    samples = {name: {"ms": [ms] * 3, "cpu_ms": [1.0] * 3} for name, ms in names.items()}
    monkeypatch.setattr(peers, "unusable", lambda name: None if name in ("keras", "keras_mixup") else "not installed")
    monkeypatch.setattr(turns, "take_turns", lambda contenders, seconds: samples)
    monkeypatch.setattr(peers, "contender", lambda peer, shape: None)
    said = []
    result = peers.measure([(4, 8, 8, 3)], 0, said.append)
    found = {name: figures["to_ours"] for name, figures in result["cases"][0]["contenders"].items()}
    assert found == {**dict.fromkeys(names, 1.0), "keras.layers.MixUp": 1.5, "keras.layers.CutMix": 0.5}
    assert list(result["versions"]) == ["keras"]
    assert result["missing"]["timm"] == "not installed"
    assert "timm is left out: not installed" in said
    assert "timm (not installed)" in peers.text(result)


def test_a_peer_that_is_there_but_broken_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "broken_peer.py").write_text("raise RuntimeError('no operator\\nin sight')")
    monkeypatch.syspath_prepend(tmp_path)
    assert peers.unusable("broken_peer") == "RuntimeError: no operator"
    assert peers.unusable("no_such_peer") == "not installed"
    assert peers.unusable("keras") is None


@pytest.mark.slow
def test_the_peers_suite(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "epoch_length", lambda shape: 3)
    result = peers.measure([(4, 8, 8, 3)], 0, silent)
    assert {"keras_mixup mixup", "keras.layers.MixUp", "keras_mixup CutMix"} <= set(result["cases"][0]["contenders"])
    for figures in result["cases"][0]["contenders"].values():
        assert figures["ms"] > 0
    titles = drawn({"suite": "peers", "environment": ENVIRONMENT, **result}, tmp_path, monkeypatch)
    assert titles == ["4x8x8x3 float32"]


# --- The images suite ---


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "IMAGES", 16)
        yield folder, images.write(folder)


@pytest.mark.parametrize("name", images.contenders(2))
def test_files_become_batches_without_end(name, photographs, monkeypatch):
    packages, make = images.contenders(2)[name]
    for package in packages:
        if why := peers.unusable(package):
            pytest.skip(f"{package}: {why}")
    monkeypatch.setattr(images, "BATCH", 8)
    batches = iter(make(photographs[0]))
    for _ in range(5):  # more than there are images
        x, y = (np.asarray(leaf) for leaf in next(batches))
        if "torch" in name:
            x = x.transpose(0, 2, 3, 1)
        assert x.shape == (8, images.SIZE, images.SIZE, 3) and len(y) == 8
        assert x.dtype == ("uint8" if name == images.DECODED else "float32") and x.std() > 0.1
        rows = y.reshape(8, -1)
        mixed = rows.shape[1] > 1 and bool(((rows > 0.001) & (rows < 0.999)).any())
        assert not (mixed and name in (images.DECODED, images.PLAIN, "torchvision"))
    if name in (images.MIXED, images.CUT, "keras.layers.MixUp", "Grain, MixGrain"):
        assert rows.shape[1] == images.CLASSES and abs(rows.sum(axis=1) - 1).max() < 1e-5


def test_files_are_as_large_as_photographs(photographs):
    assert 80 < photographs[1] < 130
    assert len(list(photographs[0].glob("train/*/*.jpeg"))) == 16


def test_the_images_suite(monkeypatch, tmp_path, capsys):
    for name, value in {"IMAGES": 8, "BATCH": 4, "FIRST": 1, "TIMED": 1, "STORED": (40, 50)}.items():
        monkeypatch.setattr(images, name, value)
    monkeypatch.setattr(images, "unusable", lambda package: "not wanted")
    path = tmp_path / "images.json"
    assert cli.main(["bench", "--suite", "images", "--seconds", "0", "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    assert list(result["contenders"]) == [images.DECODED, images.PLAIN, images.MIXED, images.CUT, "keras.layers.MixUp"]
    figures = result["contenders"][images.MIXED]
    assert figures["share"] == pytest.approx(100.0) and figures["per_second"] == pytest.approx(4000 / figures["ms"])
    assert figures["adds_low"] <= figures["adds"] <= figures["adds_high"]
    assert images.text(result) in capsys.readouterr().out and "grain (not wanted)" in images.text(result)
    titles = drawn(result, tmp_path, monkeypatch)
    assert titles == [f"JPEG files of {result['kilobytes_per_file']:.0f} kB, {result['cores']} cores"]
    with pytest.raises(UserError, match="`--shape` is for the other suites"):
        images.measure([(4, 8, 8, 3)], 0, silent)


# --- The model suite ---


def test_the_mix_and_the_copy_do_what_they_say(monkeypatch):
    """In the dtype asked for: the mix by a draw that keeps neither all nor nothing, and a copy that is none."""
    import keras

    made = []
    monkeypatch.setattr(model, "_compiled", lambda function: lambda *given: made.append(function(*given)) or made[-1])
    x = keras.ops.convert_to_tensor(np.arange(12, dtype="float32").reshape(4, 3))
    mix, copy = model._mix_and_copy(x, "float32")
    assert set(mix()) == {"ms", "cpu_ms"} and len(made) == model.CALLS
    mixed = keras.ops.convert_to_numpy(made[0])
    rows = keras.ops.convert_to_numpy(x)
    assert check_mixed(rows, mixed).ok
    made.clear()
    copy()
    assert keras.ops.convert_to_numpy(made[0]).tolist() == (-rows).tolist()
    made.clear()
    model._mix_and_copy(keras.ops.cast(x, "uint8"), "float32")[1]()
    assert keras.ops.convert_to_numpy(made[0]).tolist() == rows.tolist()


def test_bytes_per_second_count_what_comes_in_and_goes_out(monkeypatch):
    samples = {
        "mix": {"ms": [2.0, 3.0, 4.0], "cpu_ms": [1.0] * 3},
        "copy": {"ms": [1.0, 2.0, 1.0], "cpu_ms": [1.0] * 3},
    }
    monkeypatch.setattr(turns, "take_turns", lambda contenders, seconds: samples)
    found = model.memory((100, 10, 10, 3), ("uint8", "float32"), 0)
    assert found["bytes"] == 150_000
    assert (found["mix_gb_per_s"], found["copy_gb_per_s"]) == (0.05, 0.15)  # 150 kB in 3 ms and in 1 ms
    assert found["to_copy"] == 2.0  # of 2, 3/2 and 4; the ratio of the medians is 3


def test_the_step_says_how_much_longer_it_takes(monkeypatch):
    milliseconds = {
        model.WITHOUT: [10.0, 20.0, 10.0],
        model.WITH: [11.0, 21.0, 14.0],
        model.MIXUPE: [22.0, 63.0, 28.0],
        model.ONE_PASS: [11.0, 21.0, 14.0],
        model.ALONE: [1.0, 1.0, 2.0],
    }
    samples = {name: {"ms": values, "cpu_ms": values} for name, values in milliseconds.items()}
    monkeypatch.setattr(turns, "take_turns", lambda contenders, seconds: samples)
    shape = (4, 8, 8, 3)
    figures = model.step("small", shape, False, 0)["contenders"]
    more = [figures[model.WITH][key] for key in ("more_percent_low", "more_percent", "more_percent_high")]
    assert more == pytest.approx([7.5, 10.0, 25.0])  # of 10, 5 and 40 %
    assert figures[model.MIXUPE]["to_mixup"] == pytest.approx(2.0)  # of 2, 3 and 2
    assert figures[model.ALONE]["of_step_percent"] == pytest.approx(10.0)  # of 10, 5 and 20 %


def test_each_method_is_a_share_of_the_step(monkeypatch):
    monkeypatch.setattr(turns, "summary", lambda samples: {name: {"ms": 2.0} for name in samples})
    figures = model.methods((4, 8, 8, 3), xla=False, step_ms=50.0, seconds=0)
    assert {"Mixup", "CutMix", "ResizeMix", "FMix"} <= set(figures)
    assert all(found["of_step_percent"] == pytest.approx(4.0) for found in figures.values())


@pytest.mark.slow
def test_the_model_suite(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "MEMORY", (4, 8, 8, 3))
    result = model.measure([(4, 8, 8, 3)], 0, silent)
    assert [found["xla"] for found in result["steps"]] == list(model._compilers())
    for found in result["steps"]:
        assert list(found["contenders"]) == [model.WITHOUT, model.WITH, model.MIXUPE, model.ONE_PASS, model.ALONE]
        assert all(figures["ms"] > 0 for figures in found["contenders"].values())
    assert [(found["from"], found["to"]) for found in result["memory"]] == list(model.KINDS)
    assert [found["bytes"] for found in result["memory"]] == [768 * size for size in (8, 4, 5)]
    assert json.loads(json.dumps(result)) == result
    assert "uint8 to float32" in model.text(result)
    titles = drawn({"suite": "model", "environment": ENVIRONMENT, **result}, tmp_path, monkeypatch)
    assert titles[-1] == "4x8x8x3" and len(titles) == len(result["steps"]) + 1


def test_a_network_of_keras_is_built_for_the_shape():
    network = model.build("MobileNetV2", (2, 32, 32, 3))
    assert (network.input_shape, network.output_shape) == ((None, 32, 32, 3), (None, 1000))
    assert math.prod(model.build("small", (2, 16, 16, 1)).output_shape[1:]) == 10


@pytest.mark.parametrize(
    "name, shape, words",
    [
        ("ResNet5", (2, 32, 32, 3), "`--network` should be one of: small, .*ResNet50, .*Received: --network ResNet5."),
        ("small", (2, 32), "`--suite model` needs images, like 16x224x224x3. Received: --shape 2x32."),
        ("ResNet50", (2, 8, 8, 3), "ResNet50 does not take batches of 2x8x8x3: .*at least"),
    ],
)
def test_networks_that_cannot_be_are_refused(name, shape, words):
    with pytest.raises(UserError, match=words):
        model.build(name, shape)


# --- Figures ---

ENVIRONMENT = {"machine": "a machine", "versions": {"keras": "3"}, "backend": "tensorflow", "date": "today"}


def drawn(result, folder, monkeypatch):
    """Draw a result; the titles of its panels, or what they are drawn against."""
    kept = []

    @contextlib.contextmanager
    def keeping(path, **arguments):
        with figure_file(path, **arguments) as made:
            kept.append(made)
            yield made

    figure_file = figure.figure_file
    monkeypatch.setattr(figure, "figure_file", keeping)
    figure.draw(result, folder / "bench.png")
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    return [axes.get_title(loc="left") or axes.get_xlabel() for axes in kept[0].axes]


def test_bars_show_medians_and_quartiles_ours_in_colour():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    rows = {"ours": {"ms": 3.0, "ms_quartiles": [2.0, 5.0]}, "theirs": {"ms": 7.0, "ms_quartiles": [6.0, 9.0]}}
    figure.bars(axes, rows, {"theirs"}, "ms")
    assert [bar.get_width() for bar in axes.patches] == [3.0, 7.0]
    assert [list(line.get_xdata()) for line in axes.lines] == [[2.0, 5.0], [6.0, 9.0]]
    ours, theirs = (bar.get_facecolor() for bar in axes.patches)
    assert theirs[0] == theirs[1] == theirs[2] != ours[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ours", "theirs"]


# --- The command ---


def test_defaults():
    args = parsed()
    assert (args.suite, args.shape, args.network, args.json, args.plot, args.seconds) == (
        "pipeline",
        None,
        None,
        None,
        None,
        30.0,
    )
    assert [pipeline.dtype(shape) for shape in pipeline.SHAPES] == ["uint8", "uint8", "uint8", "float32", "float32"]
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
        (["--suite", "speed"], "invalid choice: 'speed'"),
        (["--network", "ResNet50"], "`--network` is for `--suite model`. Received: --suite pipeline"),
        (
            ["--suite", "peers", "--shape", "8x4"],
            "`--suite peers` needs images, like 128x224x224x3. Received: --shape 8x4.",
        ),
        (["--suite", "model", "--network", "LeNet"], "`--network` should be one of: small, "),
        (
            ["--json", "FOLDER"],
            "`--json` should be a file that can be written. Received: --json=FOLDER (it is a directory).",
        ),
        (["--plot", "FILE/x"], "`--plot` should be a file that can be written. Received: --plot=FILE/x (File exists)."),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_measured(options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "FILE").touch()
    monkeypatch.setattr(turns, "take_turns", None)
    assert cli.main(["bench", *options]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""
