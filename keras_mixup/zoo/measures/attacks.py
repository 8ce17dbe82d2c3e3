"""Adversarial examples (mixup, table 3): the error on test images that were changed to raise the loss.

White box: the network that is tested makes the examples. Black box: that of the row `source`, of the same seed, does.
"""

import functools
import itertools

import keras
import numpy as np

from keras_mixup import attacks
from keras_mixup.zoo import atomic, locks, recipes, scores
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.train import NETWORK

BATCH = 100
EPSILONS = (0, 0.5, 1, 2, 4)  # of the picture
SOURCE = "source"
BOXES = {"white": "white box", "black": "black box"}
METHODS = {
    "fgsm": ("FGSM", attacks.fgsm),
    "ifgsm": ("I-FGSM", attacks.iterated_fgsm),
    "pgd": ("PGD", functools.partial(attacks.pgd, seed=0)),
}
COLUMNS = {
    f"{box}_{method}{suffix}": (f"{box} {METHODS[method][0]}{words} (%)", 1)
    for suffix, words in (("", ""), ("_top5", ", top-5"))
    for box in BOXES
    for method in METHODS
}
NOTE = (
    "White and black: error on adversarial examples made by the network itself, and by that of the row "
    f"{SOURCE} of the same seed; on 2,000 test images if the settings do not say (`attacked`), or on all if there are "
    "fewer, the same for every row and seed. No pixel moves by more than epsilon, in the units that images are stored "
    "in: photographs go from 0 to 255, `digits` from 0 to 16. Epsilon is 4 if the settings do not say; I-FGSM takes 10 "
    "steps, and so does PGD, which starts at a random point. Where PGD finds fewer errors than FGSM, or the white box "
    "fewer than the black one, gradients are masked, and the network is less robust than it looks."
)
PICTURE = "attacks.png"


def measure(network, recipe, seed, data, folder):
    """The errors under attack, of the recipe's `epsilon`; and those of several for the picture.

    Top-5 errors are given for more than ten classes; those in the black box where there is a row `source`, but not for
    that row.

    Raises:
        UserError: If the data are no images of 8 bits.
    """
    images, labels = _chosen(data, recipe.attacked)
    attackers, preprocess = _attackers(network, folder), _standardise(data.source)
    epsilons = {*EPSILONS, recipe.epsilon}
    asked = {(box, method, epsilon): [] for box in attackers for method in METHODS for epsilon in epsilons}
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        pixels = images[part].astype("float32")
        for (box, method, epsilon), logits in asked.items():
            _, attack = METHODS[method]
            options = {"preprocess": preprocess, "batch_size": BATCH}
            x = attack(attackers[box], pixels, labels[part], epsilon, **options) if epsilon else pixels
            logits.append(keras.ops.convert_to_numpy(network(preprocess(x), training=False)))

    def error(*one, top=1):
        return scores.error(np.concatenate(asked[one]), labels, top)

    tops = {"": 1, "_top5": 5} if len(data.source.classes) > 10 else {"": 1}
    return {
        f"{box}_{method}{suffix}": error(box, method, recipe.epsilon, top=top)
        for suffix, top in tops.items()
        for box in attackers
        for method in METHODS
    } | {
        "attacks": {
            box: {method: [error(box, method, epsilon) for epsilon in EPSILONS] for method in METHODS}
            for box in attackers
        }
    }


def _chosen(data, number):
    """So many test images to attack, as they are stored, and their labels; drawn once for all rows and seeds."""
    size, start, parts = len(data.test), 0, []
    chosen = np.zeros(size, bool)
    chosen[np.random.default_rng(0).permutation(size)[:number]] = True
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
    """Make sure that the network of the row `source` is there, if the recipe has such a row and this is another.

    Raises:
        Busy: If another process is training it.
        UserError: If it is not there.
    """
    has_source = recipe.name in recipes.names() and SOURCE in {row.name for row in recipes.get(recipe.name).rows}
    if has_source and folder.parent.name != SOURCE and not _source(folder).exists():
        if locks.is_taken(_source(folder).parent):
            raise locks.Busy(str(_source(folder)))
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
    """The errors of the picture: of each row its seeds, and of each box and attack a list per seed."""
    rows = {}
    for name, pairs in found.items():
        taken = [result["attacks"] for result, _ in pairs]
        boxes = [box for box in BOXES if all(box in one for one in taken)]
        rows[name] = {"seeds": [result["seed"] for result, _ in pairs]} | {
            box: {method: [one[box][method] for one in taken] for method in METHODS} for box in boxes
        }
    return {"epsilons": list(EPSILONS), "rows": rows}


def draw(recipe, found, path, smoke=False):
    """Draw the error against epsilon, a panel for each box and attack; `attacks.json` beside it has every seed."""
    from keras_mixup.zoo import figures
    from keras_mixup.zoo.report import split_titles

    attacked = {name: pairs for name, pairs in found.items() if "attacks" in pairs[0][0]}
    everything = kept(attacked)
    atomic.write(path.with_suffix(".json"), everything)
    rows = [row for row in recipe.rows if row.name in attacked]
    common, titles = split_titles([row.title for row in rows])
    boxes = [box for box in BOXES if any(box in one for one in everything["rows"].values())]
    with figures.figure_file(path, figsize=(0.4 + 2.7 * len(METHODS), 0.9 + 2.5 * len(boxes))) as figure:
        grid = figure.subplots(len(boxes), len(METHODS), sharex=True, sharey=True, squeeze=False)
        for (box, method), axes in zip(itertools.product(boxes, METHODS), grid.ravel(), strict=True):
            for i, (row, title) in enumerate(zip(rows, titles, strict=True)):
                if box in everything["rows"][row.name]:
                    figures.band(axes, np.array(EPSILONS), everything["rows"][row.name][box][method], i, title)
            axes.set_xscale("symlog", base=2, linthresh=0.5, linscale=0.5)
            axes.set_xticks(EPSILONS, map(str, EPSILONS))
            axes.set_ylim(0, 102)
            axes.set_title(f"{METHODS[method][0]}, {BOXES[box]}")
        for axes in grid[-1]:
            axes.set_xlabel("epsilon, in values of pixels")
        for axes in grid[:, 0]:
            axes.set_ylabel("error (%)")
        figures.legend(figure, grid[0, 0], handlelength=3.2)
        shown = f"{recipe.name}{common and f', {common}'}"
        figures.headline(figure, f"{shown}: adversarial examples, mean and band over seeds", smoke)
