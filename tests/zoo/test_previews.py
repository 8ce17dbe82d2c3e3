"""Previews: which rows they show, and that what they show of a table is what was mixed."""

import contextlib

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_mixup.cli import main
from keras_mixup.zoo import previews, recipes, runs


@pytest.mark.parametrize(
    "name, row, shown",
    [
        ("cifar10", None, ["preact18-mixup"]),
        ("ablation", None, ["mixup-1e-4"]),
        ("cifar10_small", None, ["mixup", "cutmix"]),
        ("imagenet", None, ["resnet50-mixup-90", "resnext101-32x4d-mixup-90"]),
        ("digits", None, ["mixup-0.2", "mixup-1.0"]),
        ("tabular", "iris-erm", ["iris-mixup-0.2", "iris-mixup-1.0"]),
        ("tabular", "airfoil-c-mixup", ["airfoil-mixup"]),
        (
            "overlap",
            "gaussians-0.05-erm",
            ["gaussians-0.05-mixup", "gaussians-0.05-dmixup-3", "gaussians-0.05-dmixup-5"],
        ),
    ],
)
def test_each_method_that_mixes_the_data_of_a_row_is_shown_once(name, row, shown):
    rows = {one.name: one for one in recipes.get(name).rows}
    found = previews.methods(recipes.get(name), rows[row] if row else next(iter(rows.values())))
    assert [one.name for one in found] == shown


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, instead of files."""
    drawn = []

    @contextlib.contextmanager
    def keep(path, **arguments):
        drawn.append(Figure(**arguments))
        yield drawn[-1]

    monkeypatch.setattr(previews.figures, "figure_file", keep)
    return drawn


@pytest.mark.parametrize("name, row", [("rings", "erm"), ("tabular", "iris-erm")])
def test_mixes_of_tables_lie_between_their_examples(name, row, figures):
    keras.utils.set_random_seed(1)  # TensorFlow has it join in the draws; of one weight for all, not one near 0 or 1
    recipe = recipes.get(name)
    row = next(one for one in recipe.rows if one.name == row)
    data = runs.load(recipe, row, 0)
    previews.preview(recipe, row, data, "unused.png")
    for axes in [axes for axes in figures[0].axes if axes.get_title()]:
        *kinds, mixed = (np.asarray(points.get_offsets()) for points in axes.collections)
        assert len(kinds) == len(data.source.classes) and sum(map(len, kinds)) == len(mixed) == previews.SIZE
        ends = np.array([line.get_xydata() for line in axes.lines])  # (lines, 2, 2)
        assert len(ends) > previews.SIZE / 2
        step, way = ends[:, 1] - ends[:, 0], mixed[:, None] - ends[:, 0]
        share = np.clip(np.sum(way * step, axis=-1) / np.sum(step**2, axis=-1), 0, 1)  # of the way, to the foot
        off = np.linalg.norm(way - share[..., None] * step, axis=-1)
        own = np.linalg.norm(mixed[:, None] - np.concatenate(kinds), axis=-1)  # who is its own partner has no line
        assert np.all(np.minimum(off.min(axis=1), own.min(axis=1)) < 1e-4)
        between = np.sum(np.any((off < 1e-4) & (share > 0.05) & (share < 0.95), axis=1))
    assert between > 10  # of the last panel, the strongest


def test_where_nothing_is_mixed_in_the_batch_it_says_so(figures):
    recipe = recipes.get("digits")
    only = recipes.get("digits").rows[0]
    previews.preview(type(recipe)(**{**vars(recipe), "rows": (only,)}), only, runs.load(recipe, only, 0), "unused.png")
    assert figures[0].get_suptitle() == "digits mixes nothing here that can be drawn."


def test_the_command_shows_the_data_of_a_row(tmp_path, capsys):
    path = tmp_path / "iris.png"
    assert main(["preview", "tabular", "--row", "iris-erm", "--method", "dmixup", "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"Written: {path}\n" and path.read_bytes().startswith(b"\x89PNG")
    assert main(["preview", "digits", "--row", "mixup-0.3", "--out", str(path)]) == 2
    assert "`--row` should be one of: erm, mixup-0.2, mixup-1.0. Received: --row mixup-0.3." in capsys.readouterr().err
