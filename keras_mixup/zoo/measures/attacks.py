"""Adversarial examples (mixup, table 3): the error on test images that were changed to raise the loss.

White box: the network that is tested makes the examples. Black box: that of the row `source`, of the same seed, does.
"""

import keras
import numpy as np

from keras_mixup import attacks
from keras_mixup.zoo import atomic, recipes, scores
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.train import NETWORK

ATTACKED = 2000  # test images at most, drawn once for all rows and seeds
BATCH = 100
EPSILONS = (0, 1, 2, 4, 8, 16)  # of the picture
SOURCE = "source"
BOXES = {"white": "white box", "black": "black box"}
METHODS = {"fgsm": ("FGSM", attacks.fgsm), "ifgsm": ("I-FGSM", attacks.iterated_fgsm)}
COLUMNS = {
    f"{box}_{method}{suffix}": (f"{box} {METHODS[method][0]}{words} (%)", 1)
    for suffix, words in (("", ""), ("_top5", ", top-5"))
    for box in BOXES
    for method in METHODS
}
NOTE = (
    "White and black: error on adversarial examples made by the network itself, and by that of the row "
    f"{SOURCE} of the same seed; on {ATTACKED:,} test images, or on all if there are fewer, the same for every row. No "
    "pixel moves by more than epsilon, in the units that images are stored in: photographs go from 0 to 255, `digits` "
    "from 0 to 16. Epsilon is 4 if the settings do not say; I-FGSM takes 10 steps."
)
PICTURE = "attacks.png"


def measure(network, recipe, seed, data, folder):
    """The errors under attack, of the recipe's `epsilon`; and those against FGSM of several for the picture.

    Top-5 errors are given for more than ten classes; those in the black box where there is a row `source`, but not for
    that row.

    Raises:
        UserError: If the data are no images of 8 bits.
    """
    images, labels = _chosen(data)
    attackers, preprocess = _attackers(network, folder), _standardise(data.source)
    asked = {(box, method, recipe.epsilon): [] for box in attackers for method in METHODS}
    asked |= {(box, "fgsm", epsilon): [] for box in attackers for epsilon in EPSILONS}
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        pixels = images[part].astype("float32")
        for (box, method, epsilon), logits in asked.items():
            _, attack = METHODS[method]
            x = attack(attackers[box], pixels, labels[part], epsilon, preprocess=preprocess)
            logits.append(keras.ops.convert_to_numpy(network(preprocess(x), training=False)))

    def error(*one, top=1):
        return scores.error(np.concatenate(asked[one]), labels, top)

    tops = {"": 1, "_top5": 5} if len(data.source.classes) > 10 else {"": 1}
    return {
        f"{box}_{method}{suffix}": error(box, method, recipe.epsilon, top=top)
        for suffix, top in tops.items()
        for box in attackers
        for method in METHODS
    } | {"attacks": {box: [error(box, "fgsm", epsilon) for epsilon in EPSILONS] for box in attackers}}


def _chosen(data):
    """The test images to attack, as they are stored, and their labels."""
    size, start, parts = len(data.test), 0, []
    chosen = np.zeros(size, bool)
    chosen[np.random.default_rng(0).permutation(size)[:ATTACKED]] = True
    for images, labels in data.test.batches(BATCH).as_numpy_iterator():
        if data.source.transform is not None or np.ndim(images) != 4 or images.dtype != np.uint8:
            raise UserError(
                "`measures` should hold attacks only for images of 8 bits. "
                f"Received: data of shape {data.source.shape} that are none."
            )
        kept = chosen[start : start + len(labels)]
        start += len(labels)
        parts.append((images[kept], labels[kept]))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def _standardise(source):
    """What makes the network's inputs of pixels, as `Source.features` does, on any backend."""
    mean, deviation = (np.asarray(value, "float32") for value in (source.mean, source.deviation))
    return lambda pixels: keras.ops.divide(keras.ops.subtract(pixels, mean), deviation)


def check(recipe, data, folder):
    """Make sure that the network of the row `source` is there, if the recipe has such a row and this is another."""
    has_source = recipe.name in recipes.names() and SOURCE in {row.name for row in recipes.get(recipe.name).rows}
    if has_source and folder.parent.name != SOURCE and not _source(folder).exists():
        raise UserError(
            f"The row {SOURCE} should be run before the others, with the same seed and --out: its networks make the "
            f"adversarial examples of the black box. Run `keras-mixup run {recipe.name} --row {SOURCE}`, then the same "
            f"command again. Received: no file {_source(folder)}."
        )


def _attackers(network, folder):
    """The network that makes the examples in each box."""
    if folder.parent.name == SOURCE or not _source(folder).exists():
        return {"white": network}
    return {"white": network, "black": keras.models.load_model(_source(folder), compile=False)}


def _source(folder):
    return folder.parent.parent / SOURCE / folder.name / NETWORK


def kept(found):
    """The errors under FGSM of the picture: of each row its seeds, and of each box a list per seed."""
    rows = {
        name: {
            "seeds": [result["seed"] for result, _ in pairs],
            **{box: [r["attacks"][box] for r, _ in pairs] for box in BOXES if box in pairs[0][0]["attacks"]},
        }
        for name, pairs in found.items()
        if "attacks" in pairs[0][0]
    }
    return {"epsilons": list(EPSILONS), "rows": rows}


def draw(recipe, found, path, smoke=False):
    """Draw the error against epsilon, a panel for each box; `attacks.json` beside it has the value of every seed."""
    from keras_mixup.zoo import figures

    atomic.write(path.with_suffix(".json"), kept(found))

    taken = {name: [result["attacks"] for result, _ in pairs] for name, pairs in found.items()}
    rows = [row for row in recipe.rows if row.name in taken]
    boxes = [box for box in BOXES if any(box in one for pairs in taken.values() for one in pairs)]
    with figures.figure_file(path, figsize=(0.4 + 3.4 * len(boxes), 3.6)) as figure:
        for axes, box in zip(figure.subplots(1, len(boxes), sharey=True, squeeze=False)[0], boxes, strict=True):
            for i, row in enumerate(rows):
                curves = [one[box] for one in taken[row.name] if box in one]
                if curves:
                    figures.band(axes, np.array(EPSILONS), curves, i, row.title)
            axes.set_xscale("symlog", base=2, linthresh=1, linscale=0.5)
            axes.set_xticks(EPSILONS, map(str, EPSILONS))
            axes.set_ylim(0, 102)
            axes.set_title(BOXES[box])
            axes.set_xlabel("epsilon, in values of pixels")
        figure.axes[0].set_ylabel("error under FGSM (%)")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=3, handlelength=3.2)
        figures.headline(figure, f"{recipe.name}: adversarial examples, mean and band over seeds", smoke)
