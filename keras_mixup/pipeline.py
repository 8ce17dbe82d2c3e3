"""Mixing as a `tf.data` transformation, for `dataset.apply(...)`: reproducible, resumable, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from keras_mixup.batch import Batch, Layout, mix_batch
from keras_mixup.methods import Method, Mixup, check_method
from keras_mixup.mixing import Draw, mix
from keras_mixup.pairing import LabelDistance
from keras_mixup.types import (
    Alpha,
    Axes,
    DataFormat,
    Dataset,
    NumClasses,
    Pairing,
    Probability,
    Roles,
    Seed,
    Tensor,
    Tree,
)

if TYPE_CHECKING:
    import tensorflow as tf


def mixup(
    alpha: Alpha = 0.2,
    *,
    per: Literal["example", "batch"] = "example",
    pairing: Pairing = "shuffle",
    probability: Probability = 1.0,
    num_classes: NumClasses | None = None,
    roles: Roles | None = None,
    others: Dataset | None = None,
    seed: Seed = None,
    num_parallel_calls: int | None = None,
    input_context: tf.distribute.InputContext | None = None,
    **options: Any,
) -> Callable[[Dataset], Dataset]:
    """Mix the batches of a `tf.data.Dataset`: `dataset.batch(128).apply(mixup(0.2))`.

        x~ = weight * x + (1 - weight) * x[partner]
        y~ = weight * y + (1 - weight) * y[partner],        weight ~ Beta(alpha, alpha)

    It belongs after `cache` (which would freeze the mix) and `batch`, before `prefetch`. The batches are `x`, `(x, y)`,
    `(x, y, sample_weight)` or dicts such as `{"image": ..., "label": ..., "id": ...}`, whose unknown keys pass through.

    Each batch is zipped with a seed of its own. So with a `seed`, every run gives the same mixes whatever the number of
    parallel calls; every epoch gives new ones; and an iterator can be saved in the middle with `tf.train.Checkpoint`
    and resumed exactly.

    The `tf.data` service starts a dataset anew for every epoch: there, repeat it before mixing. Under its sharding
    policies DYNAMIC and DATA no two workers draw the same; under OFF all run the same pipeline, and a seed, or one set
    by `tf.random.set_seed`, would make them mix alike: set none, or mix after `distribute`. Files are not shared out
    across the zip (the policy FILE is refused, others share out batches instead); to do so, give each worker its own
    files, and `input_context`.

    Args:
        alpha: Strength, a finite number >= 0, or a distribution to draw weights from; 0 mixes nothing. See `Mixup`.
        per: `"example"` for a weight each, `"batch"` for one weight per batch as in the paper's listing.
        pairing: Who is mixed with whom; see `Mixup`.
        probability: Chance in [0, 1] that an example (or the batch) is mixed at all.
        num_classes: Number of classes of targets that are class ids, which become float32 one-hot rows: an int, or
            a dict by target, `{"fine": 100, "coarse": 20}`. Leave it out for targets that are floats already.
        roles: What tensors are whose key or position does not say it, as in `{"category": "targets", "depth": "masks",
            "meta": "pass"}`, by key, path or position. Without it a batch of which it is not sure what to mix is
            refused.
        others: A batched `tf.data.Dataset` to take the partners from, in place of the batch itself: backgrounds,
            another domain, examples without labels. Its batches are like those of the dataset, or their `x` alone: what
            they lack is not mixed. It is repeated as often as needed; shuffle it. Pairing does not look at targets
            then.
        seed: An int for the same draws in every run (under the same `tf.random.set_seed`, if one was set); None for
            fresh ones. Or a scalar int64 tensor, so that `Dataset.range(epochs).flat_map(...)` can give each epoch a
            seed of its own.
        num_parallel_calls: Batches to mix at once; None lets `tf.data` choose.
        input_context: The `tf.distribute.InputContext` in a pipeline built per worker: its `input_pipeline_id` gives
            every worker draws of its own under one seed.
        **options: The further arguments of `mix_with`: `pairs`, `data_format`, `axes`, `box_format`, `min_area`.

    Returns:
        A function from dataset to dataset, for `Dataset.apply`. It keeps the cardinality and the element spec, but for
        integer features, which become `keras.config.floatx()`, and targets and sample weights, which become float32.

    Raises:
        ValueError: If an argument is out of range, or (when applied) a tensor cannot be mixed.

    Example:

    >>> import tensorflow as tf
    >>> images, labels = tf.zeros((100, 28, 28, 1)), tf.range(100) % 10
    >>> dataset = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(100).batch(32)
    >>> dataset = dataset.apply(mixup(0.2, num_classes=10, seed=1)).prefetch(1)
    >>> [tuple(spec.shape) for spec in dataset.element_spec]
    [(None, 28, 28, 1), (None, 10)]

    Reference:
        mixup: Beyond Empirical Risk Minimization (arXiv 1710.09412), section 2.
    """
    return mix_with(
        Mixup(alpha, per=per, pairing=pairing, probability=probability),
        num_classes=num_classes,
        roles=roles,
        others=others,
        seed=seed,
        num_parallel_calls=num_parallel_calls,
        input_context=input_context,
        **options,
    )


def mix_with(
    method: Method,
    *,
    num_classes: NumClasses | None = None,
    pairs: bool = False,
    roles: Roles | None = None,
    data_format: DataFormat | None = None,
    axes: Axes | None = None,
    box_format: str | None = None,
    min_area: float = 0.1,
    others: Dataset | None = None,
    seed: Seed = None,
    num_parallel_calls: int | None = None,
    input_context: tf.distribute.InputContext | None = None,
) -> Callable[[Dataset], Dataset]:
    """Mix the batches of a `tf.data.Dataset` by any method: `dataset.apply(mix_with(CutMix(1.0), num_classes=10))`.

    What `mixup` is for mixup, for all methods; everything said there holds here.

    Args:
        method: How to mix: an object that draws, like `Mixup(0.2)`, `CutMix()`, `Choice((Mixup(0.8), CutMix(1.0)))`.
        num_classes: As for `mixup`.
        pairs: If True, class ids become float32 rows (id, partner's id, weight) instead of one-hot rows, for many
            classes; see `PairLoss`.
        roles: As for `mixup`.
        data_format: As for `MixLayer`.
        axes: As for `MixLayer`.
        box_format: As for `MixLayer`.
        min_area: As for `MixLayer`.
        others: As for `mixup`.
        seed: As for `mixup`.
        num_parallel_calls: As for `mixup`.
        input_context: As for `mixup`.

    Returns:
        A function from dataset to dataset, for `Dataset.apply`.

    Raises:
        ValueError: As for `mixup`.
    """
    check_method(method)
    layout = Layout(
        num_classes=num_classes,
        pairs=pairs,
        roles=roles,
        data_format=data_format,
        axes=axes,
        box_format=box_format,
        min_area=min_area,
    )
    if others is not None:
        _check_others(others)
    if seed is not None and not _is_seed(seed):
        raise ValueError(f"`seed` should be an integer or None. Received: seed={seed!r}.")

    def apply(dataset: Dataset) -> Dataset:
        import keras
        import tensorflow as tf

        @tf.autograph.experimental.do_not_convert
        def mix_element(batch_seed: Seed, batch: Tree, *partners: Tree) -> Tree:
            batch_seed = tf.stack(batch_seed)
            if input_context is not None:
                batch_seed = tf.random.fold_in(batch_seed, input_context.input_pipeline_id)
            return mix_batch(
                batch,
                method,
                batch_seed,
                others=partners[0] if partners else None,
                layout=layout,
                dtype=keras.config.floatx(),
            )

        # Seeds first: where `tf.distribute` fails to share out the files of what is zipped, having begun with the data
        # it keeps that share, takes a share of this by batches, and loses the rest.
        sources = (batch_seeds(seed), dataset) + (() if others is None else (others.repeat(),))
        return tf.data.Dataset.zip(sources).map(
            mix_element,
            num_parallel_calls=num_parallel_calls or tf.data.AUTOTUNE,
            deterministic=True,
        )

    return apply


def batch_seeds(seed: Seed) -> Dataset:
    """An endless dataset of seeds, one for each batch: pairs of integers, to be stacked; each pass gives new ones.

    Where the seed is a tensor, each pass gives the same: whoever has a tensor changes it from pass to pass.
    """
    import tensorflow as tf

    # A range, unlike a counter, is shared out among the workers of a `tf.data` service, so that no two draw the same.
    number = tf.data.Dataset.range(2**62).repeat()
    if tf.is_tensor(seed):
        return tf.data.Dataset.zip((tf.data.Dataset.from_tensors(seed).repeat(), number))
    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip((draws, number))  # no map to stack them: every function costs, in every epoch


def _check_others(others: Any) -> None:
    """Raise a `ValueError` unless partners can be taken from this."""
    import tensorflow as tf

    if not isinstance(others, tf.data.Dataset):
        raise ValueError(
            "`others` should be a batched `tf.data.Dataset`. "
            f"Received: a {type(others).__name__}. Make one: `tf.data.Dataset.from_tensor_slices(x).batch(128)`."
        )
    if others.cardinality() == 0:
        raise ValueError("`others` should hold a batch at least. Received: an empty dataset.")


def _is_seed(seed: Seed) -> bool:
    if hasattr(seed, "dtype"):
        return seed.dtype == "int64" and seed.shape.rank == 0
    return isinstance(seed, int) and not isinstance(seed, bool)


def c_mixup(
    x: Tensor, y: Tensor, bandwidth: float, *, alpha: Alpha = 2.0, batch_size: int = 16, seed: int | None = None
) -> Dataset:
    """A dataset for regression whose partners, drawn from all the data, have similar targets (C-Mixup).

        P(j | i) ~ exp(-|y_i - y_j|^2 / (2 bandwidth^2)),    x~ = weight x_i + (1 - weight) x_j,    y~ alike

    Every epoch goes through all examples once in a new order; for each of them a partner is drawn from the whole data
    set. A batch costs `batch_size` times the number of examples in time and memory. For partners from the batch alone,
    cheaper and for data of any size, use `mixup(alpha, pairing=LabelDistance(bandwidth))`.

    Args:
        x: Array of shape `(examples, ...)`, floats or 8 and 16 bit integers.
        y: Float array of shape `(examples,)` or `(examples, targets)`.
        bandwidth: A finite number > 0, in the units of the targets; see `LabelDistance`.
        alpha: As for `Mixup`; the paper uses 2.
        batch_size: Examples per batch, >= 1.
        seed: An int for the same draws in every run; None for fresh ones.

    Returns:
        A `tf.data.Dataset` of batches `(x, y)`, both mixed.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import numpy as np
    >>> x, y = np.random.normal(size=(100, 5)).astype("float32"), np.linspace(0.0, 1.0, 100, dtype="float32")
    >>> dataset = c_mixup(x, y, bandwidth=0.1, batch_size=32, seed=1)
    >>> [tuple(spec.shape) for spec in dataset.element_spec]
    [(None, 5), (None,)]

    Reference:
        C-Mixup (arXiv 2210.05775), section 3.
    """
    import tensorflow as tf

    method, near = Mixup(alpha), LabelDistance(bandwidth)
    x, y = tf.convert_to_tensor(x), tf.cast(tf.convert_to_tensor(y), tf.float32)
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"`x` and `y` should have the same number of rows. Received: shapes {tuple(x.shape)} and {tuple(y.shape)}."
        )

    @tf.autograph.experimental.do_not_convert
    def mix_rows(batch_seed: Seed, rows: Tensor) -> tuple[Tensor, Tensor]:
        for_partner, for_weight = tf.unstack(tf.random.split(tf.stack(batch_seed), 2), 2)
        partner = near.among(tf.gather(y, rows), y, for_partner)
        both = tf.concat([rows, partner], axis=0)
        size = tf.shape(rows)[0]
        weight = method.draw(Batch(size), for_weight).weight
        draw = Draw(weight, size + tf.range(size), original=tf.range(size))
        return mix((_floats(tf.gather(x, both)), tf.gather(y, both)), draw)

    def _floats(features: Tensor) -> Tensor:
        return features if features.dtype.is_floating else tf.cast(features, tf.float32)

    rows = tf.data.Dataset.range(x.shape[0], output_type=tf.int32).shuffle(x.shape[0], seed=seed).batch(batch_size)
    return tf.data.Dataset.zip((batch_seeds(seed), rows)).map(mix_rows, num_parallel_calls=tf.data.AUTOTUNE)
