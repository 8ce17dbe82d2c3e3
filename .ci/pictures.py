"""Draw the pictures of README.md and the guides, from two photographs that ship with scikit-learn.

python .ci/pictures.py            # into keras_mixup/guides/pictures
python .ci/pictures.py FOLDER
"""

import io
import pathlib
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from keras_mixup import (
    Batch,
    Choice,
    CutMix,
    DMixup,
    FMix,
    MixLayer,
    Mixup,
    Remix,
    ResizeMix,
    SaliencyMix,
    SmoothMix,
    mix,
)

FOLDER = pathlib.Path(__file__).parent.parent / "keras_mixup" / "guides" / "pictures"
SIZE = 128  # pixels of a side
NAMES = ("temple", "dahlia", "lake", "petals")
COLORS = ("tab:red", "tab:orange", "tab:blue", "tab:pink")  # of the bars that show a target


def photographs():
    """Four pieces of the two photographs, as they would lie in a batch: uint8 `(4, SIZE, SIZE, 3)`."""
    china, flower = load_sample_images().images
    pieces = (china[60:380, 160:480], flower[40:360, 160:480], china[100:420, 320:640], flower[100:420, 300:620])
    resized = [keras.ops.image.resize(piece.astype("float32"), (SIZE, SIZE)) for piece in pieces]
    return np.stack([np.asarray(picture) for picture in resized]).round().astype("uint8")


def show(axis, picture, target=None):
    """A picture, and under it the shares of its target as a bar and in words of one line each."""
    axis.imshow(np.asarray(picture).round().astype("uint8"), extent=(0, 1, 0, 1))
    axis.set(xlim=(0, 1), ylim=(-0.3 if target is not None else 0, 1))
    axis.axis("off")
    if target is None:
        return
    left = 0.0
    for share, color in zip(np.asarray(target), COLORS, strict=True):
        if share > 0.005:
            axis.add_patch(plt.Rectangle((left, -0.09), share, 0.07, color=color, linewidth=0))
            left += share
    words = [f"{share:.2f} {name}" for share, name in zip(target, NAMES, strict=True) if share > 0.005]
    for line, text in enumerate(words[:2]):
        axis.text(0, -0.11 - 0.1 * line, text + (" + ..." if line and len(words) > 2 else ""), fontsize=7, va="top")


def strip(images):
    """Originals, partners and blends with their targets."""
    draw = Mixup(1.0, pairing="derangement").draw(Batch(size=4), seed=5)
    blends, targets = mix((images.astype("float32"), np.eye(4, dtype="float32")), draw)
    figure, axes = plt.subplots(
        3, 4, figsize=(6.4, 5.1), gridspec_kw={"height_ratios": (1, 1, 1.3)}, layout="constrained"
    )
    none = (None,) * 4
    rows = ((images, none), (images[np.asarray(draw.partner)], none), (blends, targets))
    for row, (pictures, under) in zip(axes, rows, strict=True):
        for axis, picture, target in zip(row, pictures, under, strict=True):
            show(axis, picture, target)
    for row, name in zip(axes, ("original", "partner", "blend"), strict=True):
        row[0].text(-0.08, 0.5, name, rotation=90, ha="right", va="center", fontsize=9)
    return figure


def gallery(methods, images, seed):
    """What each method makes of the pictures: a row of a figure for each."""
    figure, axes = plt.subplots(
        len(methods), 4, figsize=(6.4, 2.05 * len(methods)), squeeze=False, layout="constrained"
    )
    for row, (name, method) in zip(axes, methods.items(), strict=True):
        blends, targets = MixLayer(method, num_classes=4, seed=seed)(images, np.arange(4))
        for axis, picture, target in zip(row, np.asarray(blends), np.asarray(targets), strict=True):
            show(axis, picture, target)
        row[0].text(-0.08, 0.5, name, rotation=90, ha="right", va="center", fontsize=9)
    return figure


def strengths():
    """How the weight is distributed."""
    figure, axes = plt.subplots(1, 4, figsize=(8, 2.2), sharey=True, layout="constrained")
    for axis, alpha in zip(axes, (0.1, 0.2, 1.0, 4.0), strict=True):
        weight = np.asarray(Mixup(alpha).draw(Batch(size=50_000), seed=0).weight)
        axis.hist(weight, bins=40, density=True, color="0.4")
        axis.set(title=f"alpha = {alpha}", xlabel="weight of the original", xlim=(0, 1), ylim=(0, 6))
    axes[0].set_ylabel("density")
    return figure


def draw(folder):
    """Draw all of them.

    Args:
        folder: Where to.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images, apart = photographs(), {"pairing": "derangement"}  # with four only, let nobody meet themselves
    figures = {
        "strip": strip(images),
        "alpha": strengths(),
        "averaging": gallery(
            {"Mixup(1.0)": Mixup(1.0, **apart), "DMixup(2)": DMixup(partners=2, **apart)}, images, seed=4
        ),
        "cutting": gallery(
            {"CutMix()": CutMix(**apart), "ResizeMix()": ResizeMix(**apart), "FMix()": FMix(**apart)}, images, seed=5
        ),
        "places": gallery({"SaliencyMix()": SaliencyMix(**apart), "SmoothMix()": SmoothMix(**apart)}, images, seed=5),
        "choosing": gallery(
            {"Choice": Choice((Mixup(0.8, **apart), CutMix(1.0, **apart)), per="example")}, images, seed=7
        ),
        "leaning": gallery({"Remix": Remix(class_counts=(1000, 100, 1000, 100), **apart)}, images, seed=4),
    }
    for name, figure in figures.items():
        figure.savefig(drawn := io.BytesIO(), dpi=120)
        plt.close(figure)
        Image.open(drawn).convert("RGB").quantize(256).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    draw(*(sys.argv[1:] or [FOLDER]))
