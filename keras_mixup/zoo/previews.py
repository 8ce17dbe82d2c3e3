"""A picture of what the rows of a recipe do to a batch: images side by side, tables as points in the plane."""

import numpy as np

from keras_mixup.zoo import figures
from keras_mixup.zoo.ablation import InputsOnly
from keras_mixup.zoo.datasets.splits import Arrays
from keras_mixup.zoo.recipe import for_row

SIZE = 64
COLUMNS = 7
FORMULA = "mixed = weight × original + (1 − weight) × partner"


def preview(recipe, row, data, path, smoke=False):
    """Draw what mixing does to the data of a row: originals, partners, mixed examples and their targets.

    One part for each method of the rows with these data that mixes within the batch; a line of text if there is none.
    Every example of a batch gets a target of its own, from which weight and partner can be read back: so nothing can be
    shown but what the pipeline really did.

    Args:
        recipe: A `Recipe`.
        row: The `Row` whose data they are.
        data: The source and its training and test split: see `runs.load`.
        path: Where to write the PNG.
        smoke: Whether the data is generated; the title then says so.
    """
    rows = methods(recipe, row)
    features, labels = next(_in_random_order(data.training).as_numpy_iterator())
    if data.source.transform is not None:
        features = data.source.features(features)
    draw = None if isinstance(features, dict) else {2: _points, 3: _images, 4: _images}.get(np.ndim(features))
    if not rows or draw is None:
        with figures.figure_file(path, figsize=(7.2, 0.6)) as figure:
            figure.suptitle(f"{recipe.name} mixes nothing here that can be drawn.", fontsize=9)
        return
    draw(rows, np.asarray(features, "float32"), labels, data, path, smoke)


def methods(recipe, row):
    """A row for each method with the data of `row`, if its work shows in the batch, and its weights in the targets."""
    found, dataset = {}, for_row(recipe, row).dataset
    for other in recipe.rows:
        setting = for_row(recipe, other)
        elsewhere = setting.at or setting.pairs != "random" or getattr(other.method, "needs_network", False)
        shown = other.method is not None and not elsewhere and not isinstance(other.method, InputsOnly)
        if shown and setting.dataset == dataset:
            found.setdefault(repr(other.method), other)
    return list(found.values())


def _mixed(method, features):
    """The features mixed by the pipeline, and the share that each example has in each row of them."""
    import keras
    import tensorflow as tf

    from keras_mixup.pipeline import mix_with

    batch = tf.data.Dataset.from_tensors((features, np.eye(len(features), dtype="float32")))
    mixed, shares = next(batch.apply(mix_with(method, seed=0)).as_numpy_iterator())
    # Where the batch comes back longer (RegMixup), the mixed examples are the last.
    return keras.ops.convert_to_numpy(mixed)[-len(features) :], shares[-len(features) :]


def _images(rows, images, labels, data, path, smoke):
    """A block for each row: the examples at evenly spaced quantiles of the weight, to show how strongly it mixes."""
    classes, size = data.source.classes, len(images)
    # Spectrograms have few extreme values, and low frequencies first.
    spectrograms = data.source.transform is not None
    low, high = np.percentile(images, (1, 99)) if spectrograms else (images.min(), images.max())
    images = np.clip((images - low) / max(high - low, 1e-6), 0, 1)
    origin = "lower" if spectrograms else "upper"
    with figures.figure_file(path, figsize=(7.2, 3.75 * len(rows) + 0.3)) as figure:
        blocks = figure.subfigures(len(rows), 1, squeeze=False, hspace=0.06)[:, 0]
        for block, row in zip(blocks, rows, strict=True):
            mixed, shares = _mixed(row.method, images)
            weights = np.diag(shares)
            partners = np.argmax(shares - np.diag(weights), axis=1)
            partners = np.where(weights == shares.sum(axis=1), np.arange(size), partners)
            quantiles = (np.arange(COLUMNS) + 0.5) / COLUMNS
            chosen = np.argsort(-weights)[(quantiles * size).astype(int)]
            grid = block.subplots(3, COLUMNS)
            for axes, i in zip(grid.T, chosen, strict=True):
                trio = (images[i], images[partners[i]], mixed[i])
                for cell, image in zip(axes, trio, strict=True):
                    cell.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=1, origin=origin)
                    cell.set(xticks=[], yticks=[])
                    cell.spines[:].set(visible=True, linewidth=0.4, color="0.6")
                for cell, j in zip(axes, (i, partners[i]), strict=False):
                    cell.set_title(classes[labels[j]], fontsize=8, loc="center", pad=3)
                target = _target([(shares[i, j], classes[labels[j]]) for j in np.argsort(-shares[i])])
                axes[2].set_xlabel(f"weight {weights[i]:.2f}\n{target}", fontsize=7.5)
            for cell, name in zip(grid[:, 0], ("original", "partner", "mixed"), strict=True):
                cell.set_ylabel(name, fontsize=9)
            formula = FORMULA
            if getattr(row.method, "partners", 1) > 1:
                formula += " + ..., the partner of the largest share being shown"
            if row.method.cuts:
                formula = "weight = share of the original's pixels"
            block.suptitle(f"{row.title}:  {formula}", fontsize=9, x=0.01, ha="left")
        if smoke:
            figure.suptitle("SMOKE TEST on generated data", fontsize=9)


def _points(rows, features, labels, data, path, smoke):
    """A panel for each row: the batch in the plane in which it varies most, and where its mixes lie."""
    from sklearn.decomposition import PCA

    if features.shape[1] > 2:
        plane = PCA(2).fit(features)
        names = [
            f"principal component {i + 1} ({share:.0%})" for i, share in enumerate(plane.explained_variance_ratio_)
        ]
        project = plane.transform
    else:
        names, project = ["first column", "second column"][: features.shape[1]], lambda points: points

    def flat(points):
        points = project(points)
        return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))

    originals, columns = flat(features), min(3, len(rows))
    lines = -(-len(rows) // columns)
    with figures.figure_file(path, figsize=(max(3.4 * columns, 6.0), 3.3 * lines + 0.5)) as figure:
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, row in zip(grid, rows, strict=False):
            mixed, shares = _mixed(row.method, features)
            mixed = flat(mixed)
            for i, j in np.argwhere((shares > 0) & ~np.eye(len(shares), dtype=bool)):
                axes.plot(*originals[[i, j]].T, color="0.85", linewidth=0.6, zorder=0)
            for label, style, chosen in _kinds(labels, data.source):
                size = {"s": 18, "linewidths": 0.9, "facecolors": "white", "label": label}
                axes.scatter(*originals[chosen].T, **size, **style)
            axes.scatter(*mixed.T, s=9, color="black", linewidths=0, label="mixed, on the line to its partner")
            one_weight = getattr(row.method, "per", None) == "batch"  # but for who is its own partner
            axes.set_title(f"{row.title}, one weight: {np.diag(shares).min():.2f}" if one_weight else row.title)
            axes.set(xlabel=names[0], ylabel=names[-1] if len(names) > 1 else "", xticks=[], yticks=[])
            if features.shape[1] == 2:
                axes.set_aspect("equal", adjustable="datalim")
        for axes in grid[len(rows) :]:
            axes.axis("off")
        figures.legend(figure, grid[0], fontsize=7.5)
        figures.headline(figure, f"{FORMULA}, {len(features)} training examples", smoke)


def _kinds(labels, source):
    """Groups of examples that are drawn alike: label, style, and which; classes, or all where there are too many."""
    classes = np.unique(labels)
    if np.issubdtype(labels.dtype, np.floating) or len(classes) > len(figures.LINES) - 1:
        yield "examples", {"edgecolors": figures.LINES[1]["color"], "marker": "o"}, slice(None)
        return
    for line, label in zip(figures.LINES[1:], classes, strict=False):
        yield source.classes[label], {"edgecolors": line["color"], "marker": line["marker"]}, labels == label


def _in_random_order(split):
    """Batches of a training split: as stored, it may begin with one class alone."""
    if isinstance(split, Arrays):
        return split.part(np.random.default_rng(0).permutation(len(split))[:SIZE]).batches(SIZE)
    return split.batches(SIZE, seed=0)


def _target(shares):
    """A mixed target in words; `shares` are pairs of a share and a class, the largest first."""
    total = {}
    for share, name in shares:
        total[name] = total.get(name, 0.0) + share
    terms = [f"{share:.2f} × {name}" for name, share in total.items() if share >= 0.005]
    return "target:\n" + ("\n+ ".join(terms) if len(terms) > 1 else next(iter(total)))
