"""Image files that are no images: named where they stop a run, named and left out if that is asked for."""

import dataclasses
import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from keras_mixup import cli
from keras_mixup.methods import Mixup
from keras_mixup.zoo import recipes, runs
from keras_mixup.zoo.datasets import folders
from keras_mixup.zoo.datasets.splits import UNDECODABLE, told_of_images
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row

CLASSES = ("n01", "n02")
CURE = ". Or let `keras-mixup run` leave out all such images of a folder with: --set broken_images=skip"
RECIPE = dataclasses.replace(
    recipes.get("tiny_imagenet"), rows=(Row("mixup", "mixup", Mixup(0.2)),), network="small_cnn", augment="none"
)


def encoded(form="JPEG", seed=0):
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (70, 80, 3)).astype("uint8")).save(content, form)
    return content.getvalue()


JPEG = encoded()
BROKEN = {
    "empty": b"",
    "half": JPEG[: len(JPEG) // 2],
    "without its last byte": JPEG[:-1],
    "half zeros": JPEG[: len(JPEG) // 2] + bytes(len(JPEG) - len(JPEG) // 2),
    "an error page": b"<html>not found</html>",
    "half a PNG": encoded("PNG")[:3000],
    "a name with ] and é": JPEG[:200],
}


@pytest.fixture
def files(tmp_path):
    """Some of them are images; a link leads nowhere."""
    for name, content in {**BROKEN, "good": JPEG, "another": encoded("PNG", 1)}.items():
        (tmp_path / f"{name}.JPEG").write_bytes(content)
    os.symlink(tmp_path / "nowhere", tmp_path / "a link.JPEG")
    return np.array(sorted(str(path) for path in tmp_path.iterdir()))


def test_all_that_cannot_be_decoded_are_left_out_by_name(files, capsys):
    good = np.array([path.endswith(("good.JPEG", "another.JPEG")) for path in files])
    paths, labels = folders.without_broken(files, np.arange(len(files)))
    assert paths.tolist() == files[good].tolist() and labels.tolist() == np.flatnonzero(good).tolist()
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert told == [
        *(f"left out, as it cannot be decoded: {path}" for path in files[~good]),
        "8 of 10 images are left out.",
    ]
    with pytest.raises(UserError, match="^`--data-dir` should hold images that can be decoded. Received: none of 8.$"):
        folders.without_broken(files[~good], np.arange(8))


@pytest.mark.parametrize("name", [*BROKEN, "a link"])
def test_each_of_them_is_named_where_it_stops_the_stream(name, files):
    (path,) = (path for path in files if path.endswith(f"/{name}.JPEG"))
    reason = "; No such file or directory" if name == "a link" else ""
    (good,) = (path for path in files if path.endswith("good.JPEG"))
    split = folders.split(np.array([good, path, good]), np.arange(3), 32, 1.0)
    with pytest.raises(UserError) as error, told_of_images():
        list(split.batches(2))
    assert str(error.value) == f"{UNDECODABLE}{path}{reason}{CURE}"


def test_other_errors_stay_what_they_are():
    with pytest.raises(ZeroDivisionError), told_of_images():
        raise ZeroDivisionError("[An image]")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ten images to train on and three to test on of each class, one of each broken."""
    monkeypatch.setattr(recipes, "get", lambda name: RECIPE)
    folders._training.cache_clear()
    folders._validation.cache_clear()
    root = tmp_path / "data"
    for part, size in (("train", 10), ("val", 3)):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for i in range(size):
                (root / part / name / f"{i}.JPEG").write_bytes(encoded(seed=i))
    return root


def run(folder, *more):
    settings = ["train_size=0", "epochs=1", "batch_size=10", *more]
    argv = ["run", "tiny_imagenet", "--data-dir", str(folder), "--seeds", "1", "--out", str(folder.parent / "out")]
    return cli.main([*argv, "--set", *settings])


@pytest.mark.slow
def test_a_run_stops_at_a_broken_image_and_goes_on_when_it_is_replaced(folder, capsys):
    broken = folder / "val" / "n02" / "1.JPEG"  # found when the first epoch is tested
    whole = broken.read_bytes()
    broken.write_bytes(whole[:300])
    where = folder.parent / "out" / "mixup" / "seed0"
    assert run(folder) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"keras-mixup: {UNDECODABLE}{broken}{CURE}"
    assert {path.name for path in where.iterdir()} == {"config.json", ".lock"}
    broken.write_bytes(whole)
    assert run(folder) == 0
    assert (where / "result.json").exists()


@pytest.mark.slow
def test_a_run_without_the_broken_images(folder, capsys):
    broken = [folder / "train" / "n01" / "3.JPEG", folder / "val" / "n02" / "1.JPEG"]
    for path in broken:
        path.write_bytes(b"")
    assert run(folder, "broken_images=skip") == 0
    told = capsys.readouterr()
    assert [line for line in told.err.splitlines() if "left out" in line] == [
        f"left out, as it cannot be decoded: {broken[0]}",
        "1 of 20 images are left out.",
        f"left out, as it cannot be decoded: {broken[1]}",
        "1 of 6 images are left out.",
    ]
    out = folder.parent / "out"
    config = json.loads((out / "mixup" / "seed0" / "config.json").read_text())
    assert config["broken_images"] == "skip" and "broken_images=skip" in (out / "table.md").read_text()
    training, test = runs.load(dataclasses.replace(RECIPE, broken_images="skip"), RECIPE.rows[0], 0, folder)[1:3]
    assert (len(training), len(test)) == (19, 5)
    assert cli.main(["evaluate", str(out / "mixup" / "seed0"), "--data-dir", str(folder)]) == 0
    assert "on 5 test examples of tiny_imagenet" in capsys.readouterr().out
    assert run(folder) == 2  # another set of images is another run
    assert "has broken_images=skip, and you ask for broken_images=refuse" in capsys.readouterr().err


def test_nothing_is_skipped_where_there_are_no_files(tmp_path, capsys):
    argv = ["run", "digits", "--set", "broken_images=skip", "--out", str(tmp_path)]
    assert cli.main(argv) == 2
    assert capsys.readouterr().err == (
        "keras-mixup: `broken_images` should be refuse for digits, which has no image files. "
        "Received: broken_images=skip.\n"
    )
