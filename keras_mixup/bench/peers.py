"""Other libraries' mixup and CutMix beside ours, side by side in one run: whichever are installed.

What is compared is the time to mix one batch that lies in memory already, each library being used as it documents: the
layers of Keras and KerasCV, like ours, in a `tf.data` map, one call at a time; timm and torchvision on torch tensors of
shape `(batch, channels, height, width)`, on the processor. All get float32 images and the targets they ask for: one-hot
rows, or class ids, which they one-hot within the time. Each may use all cores. timm overwrites its input, as it does in
training.

What a data loader does is compared apart, `PIXELS`: NumPy pixels of 8 bits and class ids become a mixed batch of
float32 and rows, by our `mix_batch`, by timm's two ways, and by the two lines of NumPy that people write. timm's
`FastCollateMixup` takes single images and rounds what it has mixed to 8 bits; here it is made float32, as training
needs it.

They do not all draw the same: Keras, KerasCV and timm's `elem` give every example a weight of its own, as we do by
default; torchvision and timm's `batch` give one to the batch.
"""

import importlib.metadata
import importlib.util
import itertools
import statistics
import sys
from collections.abc import Callable
from typing import NamedTuple

from keras_mixup.bench import pipeline, turns
from keras_mixup.bench.table import dimensions, headings, legend, table
from keras_mixup.zoo.errors import UserError

SHAPES = ((128, 224, 224, 3), (128, 32, 32, 3))
MIXUP, CUTMIX, PIXELS = "mixup", "CutMix", "pixels"
COLUMNS = {
    "ms": ("ms per batch", "median over turns"),
    "cpu_ms": ("processor ms", "the same in processor time, all cores together"),
    "to_ours": ("/ ours", "how many times as long as keras_mixup's of its kind, median over turns"),
}


class Peer(NamedTuple):
    """One way to mix a batch.

    Args:
        packages: What has to be imported for it.
        does: `MIXUP`, `CUTMIX` or `PIXELS`.
        make: For `tf.data`: a function without arguments that makes a function from dataset to dataset. For torch, and
            for `PIXELS`: one that takes the number of classes and makes a function of images and class ids.
    """

    packages: tuple[str, ...]
    does: str
    make: Callable


def measure(shapes, seconds, say):
    """Time all peers that are installed.

    Args:
        shapes: Shapes of image batches; None for `SHAPES`.
        seconds: For how long to take turns, in all.
        say: Function that tells the user what comes next.

    Returns:
        A dict that JSON can hold: `cases`, one per shape; `versions` of the peers; and why some are `missing`.

    Raises:
        UserError: If a shape is not one of images.
    """
    shapes = shapes or SHAPES
    for shape in shapes:
        if len(shape) != 4:
            like = dimensions(SHAPES[0])
            raise UserError(f"`--suite peers` needs images, like {like}. Received: --shape {dimensions(shape)}.")
    missing = {package: why for package in PACKAGES if (why := unusable(package))}
    for package, why in missing.items():
        say(f"{package} is left out: {why}")
    present = {name: peer for name, peer in PEERS.items() if not missing.keys() & set(peer.packages)}
    cases = []
    for shape in shapes:
        say(f"{dimensions(shape)}: turns of {seconds / len(shapes):.3g} s")
        everybody = {name: contender(peer, shape) for name, peer in present.items()}
        samples = turns.take_turns(everybody, seconds / len(shapes))
        figures = turns.summary(samples)
        for name, peer in present.items():
            figures[name]["to_ours"] = statistics.median(turns.ratios(samples, name, OURS[peer.does]))
        cases.append({"shape": list(shape), "rounds": len(samples[name]["ms"]), "contenders": figures})
    packages = {package for peer in present.values() for package in peer.packages} - {"keras_mixup"}
    return {"cases": cases, "versions": {name: version(name) for name in sorted(packages)}, "missing": missing}


def contender(peer, shape):
    """A contender for `take_turns`: an epoch through the peer."""
    if peer.does == PIXELS:
        made = [(x.transpose(0, 3, 1, 2).copy(), y.argmax(1)) for x, y in pipeline.arrays(shape, "uint8")]
    elif "torch" in peer.packages:
        import torch

        made = pipeline.arrays(shape, "float32")
        made = [(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.from_numpy(y.argmax(1))) for x, y in made]
    else:
        return pipeline.epoch(peer.make()(pipeline.batches(shape, "float32")))
    mix, count = peer.make(pipeline.CLASSES), 0

    def one():
        nonlocal count
        count += 1
        mix(*made[count % len(made)])

    return lambda: turns.timed(one, pipeline.epoch_length(shape) - 1)  # as many as are timed of the others' epoch


def text(result):
    """All tables."""
    parts = [
        table(f"{dimensions(case['shape'])} float32, {case['rounds']} rounds", headings(COLUMNS), case["contenders"])
        for case in result["cases"]
    ]
    parts.append(legend(COLUMNS))
    parts.append("Peers: " + ", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    if result["missing"]:
        parts.append("Left out: " + ", ".join(f"{name} ({why})" for name, why in result["missing"].items()))
    return "\n\n".join(parts)


def unusable(package):
    """Why a package cannot be imported; None if it can. One may be there and not go with another, as torchvision."""
    if importlib.util.find_spec(package) is None:
        return "not installed"
    # timm and torchvision import Triton where it is, and the LLVM in it aborts a process that TensorFlow's is in. What
    # is timed here does not use it.
    sys.modules.setdefault("triton", None)
    try:
        importlib.import_module(package)
    except Exception as error:  # whatever is wrong with it, the others can be timed
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def version(package):
    """Its version, by the name it is imported by."""
    return importlib.metadata.version({"keras_cv": "keras-cv"}.get(package, package))


def _ours(method):
    def make():
        from keras_mixup import methods
        from keras_mixup.pipeline import mix_with

        draw = methods.Mixup(0.2) if method == MIXUP else methods.CutMix(1.0)
        return lambda dataset: dataset.apply(mix_with(draw, num_parallel_calls=1))

    return make


def _layer(package, name):
    """A layer of Keras or KerasCV, in a map."""

    def make():
        import tensorflow as tf

        layer = getattr(importlib.import_module(f"{package}.layers"), name)()

        @tf.autograph.experimental.do_not_convert
        def mix(x, y):
            mixed = layer({"images": x, "labels": y}, training=True)
            return mixed["images"], mixed["labels"]

        return lambda dataset: dataset.map(mix, num_parallel_calls=1)

    return make


def _timm(mode, **alphas):
    def make(classes):
        from timm.data import Mixup

        return Mixup(mode=mode, label_smoothing=0.0, num_classes=classes, **alphas)

    return make


def _torchvision(name, alpha):
    def make(classes):
        from torchvision.transforms import v2

        return getattr(v2, name)(alpha=alpha, num_classes=classes)

    return make


def _ours_of_pixels(classes):
    from keras_mixup.batch import mix_batch
    from keras_mixup.methods import Mixup

    seeds = itertools.count()
    return lambda x, ids: mix_batch((x, ids), Mixup(0.2), next(seeds), num_classes=classes)


def _numpy_of_pixels(classes):
    import numpy as np

    generator = np.random.default_rng(0)

    def mix(x, ids):
        partner, weight = generator.permutation(len(x)), generator.beta(0.2, 0.2, len(x)).astype("float32")
        x, y, weight_of_x = x.astype("float32"), np.eye(classes, dtype="float32")[ids], weight[:, None, None, None]
        mixed_x = weight_of_x * x + (1 - weight_of_x) * x[partner]
        mixed_y = weight[:, None] * y + (1 - weight[:, None]) * y[partner]
        return mixed_x, mixed_y

    return mix


def _timm_of_pixels(classes):
    import torch

    mix = _timm("elem", mixup_alpha=0.2)(classes)
    return lambda x, ids: mix(torch.from_numpy(x).float(), torch.from_numpy(ids))


def _timm_collate(classes):
    from timm.data import FastCollateMixup

    collate = FastCollateMixup(mode="elem", label_smoothing=0.0, num_classes=classes, mixup_alpha=0.2)

    def mix(x, ids):
        mixed_x, mixed_y = collate(list(zip(x, ids.tolist(), strict=True)))
        return mixed_x.float(), mixed_y

    return mix


# Alpha is 0.2 for mixup and 1.0 for CutMix, which are the defaults of Keras and KerasCV.
PEERS = {
    "keras_mixup mixup": Peer(("keras_mixup",), MIXUP, _ours(MIXUP)),
    "keras.layers.MixUp": Peer(("keras",), MIXUP, _layer("keras", "MixUp")),
    "keras_cv MixUp": Peer(("keras_cv",), MIXUP, _layer("keras_cv", "MixUp")),
    "timm Mixup, batch": Peer(("timm", "torch"), MIXUP, _timm("batch", mixup_alpha=0.2)),
    "timm Mixup, elem": Peer(("timm", "torch"), MIXUP, _timm("elem", mixup_alpha=0.2)),
    "torchvision MixUp": Peer(("torchvision", "torch"), MIXUP, _torchvision("MixUp", 0.2)),
    "keras_mixup CutMix": Peer(("keras_mixup",), CUTMIX, _ours(CUTMIX)),
    "keras.layers.CutMix": Peer(("keras",), CUTMIX, _layer("keras", "CutMix")),
    "keras_cv CutMix": Peer(("keras_cv",), CUTMIX, _layer("keras_cv", "CutMix")),
    "timm CutMix, batch": Peer(("timm", "torch"), CUTMIX, _timm("batch", mixup_alpha=0.0, cutmix_alpha=1.0)),
    "timm CutMix, elem": Peer(("timm", "torch"), CUTMIX, _timm("elem", mixup_alpha=0.0, cutmix_alpha=1.0)),
    "torchvision CutMix": Peer(("torchvision", "torch"), CUTMIX, _torchvision("CutMix", 1.0)),
    "keras_mixup, pixels": Peer(("keras_mixup",), PIXELS, _ours_of_pixels),
    "two lines of NumPy, pixels": Peer(("numpy",), PIXELS, _numpy_of_pixels),
    "timm Mixup, elem, pixels": Peer(("timm", "torch"), PIXELS, _timm_of_pixels),
    "timm FastCollateMixup, elem": Peer(("timm", "torch"), PIXELS, _timm_collate),
}
PACKAGES = sorted({package for peer in PEERS.values() for package in peer.packages})
OURS = {MIXUP: "keras_mixup mixup", CUTMIX: "keras_mixup CutMix", PIXELS: "keras_mixup, pixels"}
