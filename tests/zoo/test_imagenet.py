"""ImageNet end to end on a folder of real JPEG files that the test makes: train, stop, resume, evaluate."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from keras_mixup import cli
from keras_mixup.methods import Mixup
from keras_mixup.zoo import recipes, runs
from keras_mixup.zoo.evaluate import evaluate
from keras_mixup.zoo.recipe import Row

CLASSES = ("n01440764", "n01443537", "n01484850")
ROW = Row("mixup", "mixup", Mixup(alpha=0.2, per="batch"))
RECIPE = dataclasses.replace(
    recipes.get("imagenet"),
    rows=(ROW,),
    network="small_cnn",
    epochs=3,
    milestones=(1, 2),
    batch_size=6,
    warmup_epochs=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images to train on and five to test on of each class, which is told by the brightest channel."""
    root, random = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for part, size in (("train", 12), ("val", 5), ("imagenet-a", 4)):
        for label, name in enumerate(CLASSES):
            if part == "imagenet-a" and label == 1:
                continue
            (root / part / name).mkdir(parents=True)
            for i in range(size):
                pixels = random.integers(0, 160, size=(random.integers(230, 300), random.integers(230, 300), 3))
                pixels[:, :, label] += 90
                Image.fromarray(pixels.astype("uint8")).save(root / part / name / f"{name}_{i}.JPEG", quality=90)
    return root


def test_it_trains_stops_resumes_and_is_evaluated(folder, tmp_path):
    data = runs.load(RECIPE, ROW, 0, folder)
    assert len(data.training) == 36 and len(data.test) == 15 and data.source.classes == CLASSES
    whole = runs.run(RECIPE, ROW, 0, data, tmp_path / "whole")

    def stop(*records):
        if records[-1]["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.run(RECIPE, ROW, 0, data, tmp_path / "parts", on_record=stop)
    parts = runs.run(RECIPE, ROW, 0, data, tmp_path / "parts")
    histories = [
        json.loads((tmp_path / out / "mixup/seed0/history.json").read_text(encoding="utf-8"))
        for out in ("whole", "parts")
    ]
    for one, other in zip(*histories, strict=True):
        assert one["loss"] == other["loss"] and one["test_nll"] == other["test_nll"]
    assert whole["error"] == parts["error"]

    name, size, scores = evaluate(tmp_path / "parts/mixup/seed0", data_dir=folder)
    assert (name, size) == ("imagenet", 15)
    assert scores["error"] == pytest.approx(parts["error"]) and scores["nll"] == pytest.approx(parts["nll"], rel=1e-4)

    # Two of the three classes: the logit of the third is left out, which only makes the task easier.
    name, size, scores = evaluate(tmp_path / "parts/mixup/seed0", "imagenet_a", folder)
    assert (name, size) == ("imagenet_a", 8)
    assert scores["nll"] < 100


@pytest.mark.slow
def test_resnet50_trains_from_the_command_line(folder, tmp_path, capsys):
    small = dataclasses.replace(
        recipes.get("imagenet"),
        rows=(Row("resnet50", "ResNet-50", Mixup(0.2)),),
        epochs=1,
        milestones=(1,),
        batch_size=12,
        warmup_epochs=0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "get", lambda name: small)
        assert cli.main(["run", "imagenet", "--data-dir", str(folder), "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert "ResNet-50" in capsys.readouterr().out
    assert (tmp_path / "table.md").exists() and (tmp_path / "preview.png").exists()
