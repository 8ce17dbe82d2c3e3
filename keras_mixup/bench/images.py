"""The pipeline that people have: JPEG files to mixed batches, in images per second, and where the time goes.

Files of about the size and weight of ImageNet's are written once, and stay in the system's cache. The zoo's input is
timed up to each of its stages; beside it what one writes with the layers of Keras, with torchvision and timm, and with
Grain and `MixGrain`, if they are installed. All cut out a random part of each image, make it 224 x 224 and mirror half
of them, but Keras' function, which decodes and shrinks the whole image. Each uses all cores, in the way it documents:
threads of `tf.data` and Grain, a process for each core of torch.

What is timed is a stream that never ends, as that of a long training is: from nothing, but the first batches do not
count, in which several are in the making at once, nor does what is in the making at the end. torch's workers are kept.
"""

import dataclasses
import functools
import importlib.util
import os
import pathlib
import statistics
import tempfile

from keras_mixup.bench import turns
from keras_mixup.bench.peers import unusable, version
from keras_mixup.bench.table import headings, legend, table
from keras_mixup.zoo.errors import UserError

SIZE, BATCH, IMAGES, CLASSES = 224, 64, 512, 8
FIRST, TIMED = 8, 32  # batches of a stream
ENDLESS = 10**6  # epochs of the zoo, batches of torch
STORED, NOISE, QUALITY = (
    (375, 500),
    18.0,
    92,
)  # of the files: height and width, and what makes them as large as photographs
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DECODED, PLAIN, MIXED, CUT = "zoo: decoded, cropped", "zoo: normalised", "zoo: mixup", "zoo: CutMix"
COLUMNS = {
    "per_second": ("images/s", "median over turns, all cores together"),
    "per_core": ("images/s/core", "the same for each core"),
    "ms": ("ms per batch", f"the same of {BATCH} images"),
    "cpu_ms": ("processor ms", "the same in processor time, all cores together; not known of torch's workers"),
    "adds": ("% more", f"how much longer than {PLAIN}, which does not mix, median over turns"),
    "adds_low": ("% from", "the first quartile of that; where it is below 0, the machine was louder than the mix"),
    "adds_high": ("% to", "the third quartile"),
    "share": ("% of mixup", f"its time as a share of that of {MIXED}"),
}


def measure(shapes, seconds, say):
    """Time the zoo's input and that of others.

    Args:
        shapes: None; images have one size here.
        seconds: For how long to take turns, in all.
        say: Function that tells the user what comes next.

    Returns:
        A dict that JSON can hold.

    Raises:
        UserError: If shapes are given.
    """
    if shapes:
        raise UserError("`--shape` is for the other suites: `--suite images` has files of one size.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    missing = {package: why for package in ("grain", "timm", "torchvision") if (why := unusable(package))}
    for package, why in missing.items():
        say(f"{package} is left out: {why}")
    with tempfile.TemporaryDirectory() as folder:
        say(f"{IMAGES} JPEG files of {STORED[0]} x {STORED[1]} pixels")
        weight = write(folder)
        everybody = {
            name: stream(make(folder))
            for name, (packages, make) in contenders(cores).items()
            if not missing.keys() & set(packages)
        }
        say(f"turns of {seconds:.3g} s")
        samples = turns.take_turns(everybody, seconds)
    figures = turns.summary(samples)
    for name, found in figures.items():
        found["per_second"] = 1e3 * BATCH / found["ms"]
        found["per_core"] = found["per_second"] / cores
        found["share"] = 100 * statistics.median(turns.ratios(samples, name, MIXED))
        if found["cpu_ms"] is None:
            del found["cpu_ms"]
    for name in (MIXED, CUT):
        keys = ("adds", "adds_low", "adds_high")
        figures[name] |= dict(zip(keys, turns.percent_more(samples, name, PLAIN), strict=True))
    packages = {"keras", "tensorflow", "grain", "timm", "torch", "torchvision"} - missing.keys()
    return {
        "stored": list(STORED),
        "size": SIZE,
        "batch": BATCH,
        "images": IMAGES,
        "kilobytes_per_file": weight,
        "cores": cores,
        "batches": TIMED,
        "rounds": len(samples[MIXED]["ms"]),
        "contenders": figures,
        "versions": {name: version(name) for name in sorted(packages) if importlib.util.find_spec(name)},
        "missing": missing,
    }


def text(result):
    """The table."""
    files = f"{result['kilobytes_per_file']:.0f} kB, {result['stored'][0]} x {result['stored'][1]}"
    title = (
        f"JPEG files ({files}) to batches of {result['batch']} x {result['size']} x {result['size']} x 3, "
        f"{result['rounds']} turns of {result['batches']} batches, {result['cores']} cores"
    )
    parts = [table(title, headings(COLUMNS), result["contenders"]), legend(COLUMNS)]
    if result["missing"]:
        parts.append("Left out: " + ", ".join(f"{name} ({why})" for name, why in result["missing"].items()))
    return "\n\n".join(parts)


def write(folder):
    """Write JPEG files as ImageNet's are laid out; returns how many kilobytes one has on average.

    Smooth pictures with some noise: as large on disk as ImageNet's photographs, about 110 kB.
    """
    import numpy as np
    from PIL import Image

    rng, total = np.random.default_rng(0), 0
    for part, count in (("train", IMAGES), ("val", CLASSES)):
        for k in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype="uint8"))
            pixels = np.asarray(coarse.resize(STORED[::-1], Image.Resampling.BICUBIC), "float32")
            noisy = (pixels + rng.normal(0.0, NOISE, pixels.shape)).clip(0, 255).astype("uint8")
            path = pathlib.Path(folder) / part / f"class{k % CLASSES}" / f"{k:04d}.jpeg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy).save(path, quality=QUALITY)
            total += path.stat().st_size if part == "train" else 0
    return total / IMAGES / 1e3


def stream(batches):
    """A contender for `take_turns`: batches of an iterable that never ends, once the first are there."""
    in_process = not getattr(batches, "num_workers", 0)

    def once():
        running = iter(batches)
        for _ in range(FIRST):
            next(running)
        found = turns.timed(lambda: next(running), times=TIMED)
        return found if in_process else {**found, "cpu_ms": None}

    return once


def contenders(cores):
    """What is timed, by name: the packages it needs, and a function of the folder that gives batches without end.

    Args:
        cores: How many there are.
    """
    from keras_mixup.methods import CutMix, Mixup

    return {
        DECODED: ((), _decoded),
        PLAIN: ((), functools.partial(_zoo, method=None)),
        MIXED: ((), functools.partial(_zoo, method=Mixup(0.2))),
        CUT: ((), functools.partial(_zoo, method=CutMix(1.0))),
        "keras.layers.MixUp": ((), _keras),
        "Grain, MixGrain": (("grain",), functools.partial(_grain, threads=cores)),
        "torchvision": (("torchvision",), functools.partial(_torch, workers=cores)),
        "torchvision, timm Mixup": (("torchvision", "timm"), functools.partial(_torch, workers=cores, mix=True)),
    }


def _source(folder):
    from keras_mixup.zoo import datasets
    from keras_mixup.zoo.recipes import imagenet

    source = datasets.get("imagenet")
    source = dataclasses.replace(source, classes=tuple(f"class{k}" for k in range(CLASSES)))
    training, _ = source.splits("imagenet", 0, 0, folder)
    return source, training, dataclasses.replace(imagenet.RECIPE, batch_size=BATCH, epochs=ENDLESS)


def _decoded(folder):
    """Stored pixels of 8 bits."""
    import tensorflow as tf

    _, training, recipe = _source(folder)
    return training.batches(BATCH, 0, recipe.augment).repeat().prefetch(tf.data.AUTOTUNE)


def _zoo(folder, method):
    """What a run of the recipe `imagenet` trains on."""
    from keras_mixup.zoo.inputs import training_batches

    source, training, recipe = _source(folder)
    return training_batches(training, source, recipe, method, seed=0)


def _keras(folder):
    """What Keras documents: its function for folders of images, and its layers in maps."""
    import keras
    import tensorflow as tf

    flip, mix = keras.layers.RandomFlip("horizontal"), keras.layers.MixUp(0.2)
    scale = keras.layers.Rescaling(1 / 127.5, -1.0)

    def augmented(images, labels):
        mixed = mix({"images": flip(images), "labels": labels})
        return scale(mixed["images"]), mixed["labels"]

    dataset = keras.utils.image_dataset_from_directory(
        pathlib.Path(folder) / "train",
        label_mode="categorical",
        batch_size=BATCH,
        image_size=(SIZE, SIZE),
        verbose=False,
    )
    return dataset.repeat().map(augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _grain(folder, threads):
    """Pillow decodes in threads, and `MixGrain` mixes pixels of 8 bits."""
    import grain
    import numpy as np
    from PIL import Image

    from keras_mixup import MixGrain

    class Cropped(grain.transforms.RandomMap):
        def random_map(self, element, rng):
            path, label = element
            with Image.open(path) as image:
                left, top, width, height = _box(rng, *image.size)
                box = (left, top, left + width, top + height)
                image = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, box)
            pixels = np.asarray(image)
            return (pixels[:, ::-1] if rng.random() < 0.5 else pixels), label

    def normalised(batch):
        images, labels = batch
        return (images * np.float32(1 / 255) - np.float32(MEAN)) / np.float32(DEVIATION), labels

    paths = sorted((pathlib.Path(folder) / "train").glob("*/*.jpeg"))
    source = [(path, int(path.parent.name.removeprefix("class"))) for path in paths]
    dataset = grain.MapDataset.source(source).shuffle(seed=0).random_map(Cropped(), seed=0).batch(BATCH)
    dataset = dataset.random_map(MixGrain(0.2, num_classes=CLASSES), seed=1).map(normalised).repeat()
    return dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads))


def _box(rng, width, height):
    """A random part of an image as it is customary: 8 to 100 % of the area, 3:4 to 4:3."""
    for _ in range(10):
        area, ratio = rng.uniform(0.08, 1.0) * width * height, 2 ** rng.uniform(-0.415, 0.415)
        wide, high = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if wide <= width and high <= height:
            return (
                rng.integers(0, width - wide, endpoint=True),
                rng.integers(0, height - high, endpoint=True),
                wide,
                high,
            )
    return 0, 0, width, height


def _torch(folder, workers, mix=False):
    """The customary training input of torchvision, a `DataLoader`; and timm's `Mixup`, a weight for each example."""
    import torch
    from torchvision import datasets, transforms

    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )
    images = datasets.ImageFolder(pathlib.Path(folder) / "train", transform)
    loader = torch.utils.data.DataLoader(
        images,
        batch_size=BATCH,
        sampler=torch.utils.data.RandomSampler(images, replacement=True, num_samples=ENDLESS * BATCH),
        num_workers=workers,
        persistent_workers=True,
        multiprocessing_context="spawn",  # what was forked would share TensorFlow's threads, and hang
    )
    return _Mixed(loader, workers) if mix else loader


class _Mixed:
    """The batches of a loader, mixed by timm in the main process, as its training script does on the device."""

    def __init__(self, loader, workers):
        from timm.data import Mixup

        self.loader, self.num_workers = loader, workers
        self.mix = Mixup(mixup_alpha=0.2, mode="elem", label_smoothing=0.0, num_classes=CLASSES)

    def __iter__(self):
        return (self.mix(*batch) for batch in self.loader)
