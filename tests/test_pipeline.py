"""`dataset.apply(mixup(...))`: the same in every run, new in every epoch, resumable, at home in every surrounding."""

import types

import numpy as np
import pytest
from contract import SEED, FixedWeights, assert_mixed, features, one_hot, read_draw, to_numpy
from reference import mix_rows

from keras_mixup import Mixup, mix_with, mixup

tf = pytest.importorskip("tensorflow")

SIZE = 24
X, Y = features(SIZE), one_hot(SIZE)


def batched(size=5):
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(size)


def run(dataset):
    """All batches of one epoch, one below another: (x, y)."""
    xs, ys = zip(*map(to_numpy, dataset), strict=True)
    return np.concatenate(xs), np.concatenate(ys)


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_rows_are_right(batches, starts):
    """Every batch is a mix of the rows of the dataset it is made of; nobody met himself."""
    for (x, y), start in zip(map(to_numpy, batches), starts, strict=True):
        weight, partner = read_draw(y[:, start : start + len(y)])
        assert np.all(partner != np.arange(len(y))) or len(y) == 1
        assert_mixed(x, X[start : start + len(y)], weight, partner)


# --- Rows and spec --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 7, 24])
def test_every_batch_is_right_with_a_partial_one_last(size):
    dataset = batched(size).apply(mixup(0.9, pairing="derangement", seed=SEED))
    assert_rows_are_right(dataset, range(0, SIZE, size))


def test_images_of_unknown_size_are_right():
    """Shapes that only show at run time are not compiled one by one, but mixed all the same."""
    shapes = [(6, 5, 3), (3, 8, 3), (40, 40, 3)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(features(4, shape), one_hot(4)) for shape in shapes]),
        output_signature=(tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, 4))),
    ).apply(mixup(0.9, pairing="derangement", seed=SEED))
    for (x, y), shape in zip(map(to_numpy, dataset), shapes, strict=True):
        assert_mixed(x, features(4, shape), *read_draw(y))


@pytest.mark.parametrize("known", [0, 1, 2, 4])
def test_the_element_spec_is_kept(known):
    """Static shapes survive, so that a model can be built on the dataset."""
    shape = [None] * (4 - known) + [4, 8, 8, 3][4 - known :]
    rows = shape[0]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(features(4, (8, 8, 3)), one_hot(4), np.ones(4, "float32"))]),
        output_signature=(tf.TensorSpec(shape), tf.TensorSpec((rows, 4)), tf.TensorSpec((rows,))),
    )
    assert dataset.apply(mixup(0.9, seed=SEED)).element_spec == dataset.element_spec


def test_the_element_spec_of_pixels_and_class_ids_is_the_one_of_floats_and_rows():
    x = {"pixels": np.zeros((4, 8, 8, 3), "uint8"), "name": np.array(list("abcd")), "id": np.arange(4)}
    dataset = tf.data.Dataset.from_tensor_slices((x, np.arange(4, dtype="int32"))).batch(2, drop_remainder=True)
    spec = dataset.apply(mixup(0.9, num_classes=10)).element_spec
    assert spec == (
        {
            "pixels": tf.TensorSpec((2, 8, 8, 3), tf.float32),
            "name": tf.TensorSpec((2,), tf.string),
            "id": tf.TensorSpec((2,), tf.int64),
        },
        tf.TensorSpec((2, 10), tf.float32),
    )


@pytest.mark.parametrize(
    "change",
    [lambda ds: ds, lambda ds: ds.repeat(), lambda ds: ds.filter(lambda x, y: True), lambda ds: ds.take(0)],
    ids=["known", "infinite", "unknown", "empty"],
)
def test_the_cardinality_is_kept(change):
    dataset = change(batched())
    mixed = dataset.apply(mixup(0.9, seed=SEED))
    assert int(mixed.cardinality()) == int(dataset.cardinality())
    assert len(list(mixed.take(7))) == len(list(dataset.take(7)))


# --- The same in every run, new in every epoch ----------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2, 8, None])
def test_the_number_of_parallel_calls_changes_nothing(calls):
    """tensorflow #13932, #23789, #44491; Keras' seeded parallel map differs from run to run (peers §5, §6.6)."""
    reference = run(batched(2).apply(mixup(0.9, seed=SEED, num_parallel_calls=1)))
    assert_same(run(batched(2).apply(mixup(0.9, seed=SEED, num_parallel_calls=calls))), reference)


def test_two_fresh_pipelines_agree_epoch_by_epoch_and_epochs_differ():
    """Not the same augmentation every epoch (tensorflow #35682), not another one every run."""
    one, other = (batched().apply(mixup(0.9, seed=SEED)) for _ in range(2))
    epochs = [run(one) for _ in range(3)]
    for epoch in epochs:
        assert_same(run(other), epoch)
    assert not np.array_equal(epochs[0][1], epochs[1][1])
    assert not np.array_equal(epochs[1][1], epochs[2][1])


def test_a_repeated_dataset_is_mixed_anew_on_every_pass():
    _, y = run(batched(SIZE).repeat(3).apply(mixup(0.9, seed=SEED)))
    assert not np.array_equal(y[:SIZE], y[SIZE : 2 * SIZE])
    assert not np.array_equal(y[SIZE : 2 * SIZE], y[2 * SIZE :])


def test_batches_of_one_epoch_are_mixed_differently():
    """FFCV seeds by the last example id: same last example, same weights (peers §5)."""
    dataset = tf.data.Dataset.from_tensors((features(8), one_hot(8))).repeat(4).apply(mixup(0.9, seed=SEED))
    targets = [to_numpy(y) for _, y in dataset]
    assert len({y.tobytes() for y in targets}) == 4


def test_seeds_decide():
    one, other = (run(batched().apply(mixup(0.9, seed=seed))) for seed in (1, 2))
    assert not np.array_equal(one[1], other[1])


def test_no_seed_is_another_draw_each_time():
    one, other = (run(batched().apply(mixup(0.9))) for _ in range(2))
    assert not np.array_equal(one[1], other[1])


def test_a_seeded_pipeline_repeats_itself_under_the_same_global_seed_of_tensorflow():
    """`Dataset.random` combines its seed with the global one, if there is one; the docstring says so."""

    def under(global_seed):
        tf.random.set_seed(global_seed)
        return run(batched().apply(mixup(0.9, seed=SEED)))

    try:
        one = under(1)
        assert_same(under(1), one)
        assert not np.array_equal(under(2)[0][1], one[0][1])
    finally:
        tf.random.set_seed(None)


def test_weight_and_partner_are_uncorrelated():
    """One seed for both would tie them (keras.io's example, `get_random_transformation(seed=<int>)`; peers §6.18)."""
    count, size = 300, 16
    dataset = tf.data.Dataset.from_tensors((one_hot(size),)).repeat(count).apply(mixup(1.0, seed=SEED))
    weight, offset = [], []
    for (x,) in dataset:
        w, partner = read_draw(to_numpy(x))
        moved = partner != np.arange(size)
        weight.extend(w[moved])
        offset.extend(((partner - np.arange(size)) % size)[moved])
    # About 4500 pairs: the correlation of independent numbers has a standard deviation of 0.015; 4.5 of them.
    assert len(weight) > 4000
    assert abs(np.corrcoef(weight, offset)[0, 1]) < 0.067
    # and row by row within the batch, rank of the weight against the partner's row
    assert abs(np.corrcoef(np.argsort(np.argsort(weight)), offset)[0, 1]) < 0.067


# --- Saved and resumed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 4])
def test_an_iterator_saved_in_the_middle_resumes_exactly(tmp_path, calls):
    """Random ops make iterators uncheckpointable (tensorflow #34357, #26493, #27954); seeds as data do not."""

    def pipeline():
        dataset = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(SIZE, seed=1).repeat(3).batch(5)
        return dataset.apply(mixup(0.9, seed=SEED, num_parallel_calls=calls)).prefetch(2)

    iterator = iter(pipeline())
    for _ in range(6):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(tmp_path / "iterator")
    rest = run(iterator)

    resumed = iter(pipeline())
    tf.train.Checkpoint(iterator=resumed).restore(path).assert_consumed()
    again = run(resumed)
    assert len(again[0]) == 3 * SIZE - 30
    assert_same(again, rest)
    assert not np.array_equal(run(pipeline())[1][: len(rest[1])], rest[1])


# --- Workers, services, strategies ----------------------------------------------------------------------------------


def worker(number):
    return types.SimpleNamespace(input_pipeline_id=number, num_input_pipelines=2, num_replicas_in_sync=2)


def test_every_worker_draws_for_itself_under_one_seed():
    """peers §6.13: pipelines built per worker from one seed would all draw the same."""
    first, second, again = (
        run(batched().apply(mixup(0.9, seed=SEED, input_context=worker(number)))) for number in (0, 1, 0)
    )
    assert_same(first, again)
    assert not np.array_equal(first[1], second[1])


def test_a_real_input_context_is_understood():
    context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=1, num_replicas_in_sync=2)
    assert_same(
        run(batched().apply(mixup(0.9, seed=SEED, input_context=context))),
        run(batched().apply(mixup(0.9, seed=SEED, input_context=worker(1)))),
    )


@pytest.fixture
def data_service():
    """The address of a `tf.data` service with one worker, in this process."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=dispatcher.target.split("://")[1]))
    yield dispatcher.target
    del worker


@pytest.mark.parametrize("seed", [None, SEED])
def test_behind_a_local_data_service_the_rows_are_right(data_service, seed):
    """Through the service every epoch starts the pipeline anew, so `repeat` comes before a seeded mix."""
    service = tf.data.experimental.service
    dataset = batched().repeat(2).apply(mixup(0.9, pairing="derangement", seed=seed))
    dataset = dataset.apply(service.distribute(service.ShardingPolicy.OFF, data_service))
    batches = list(dataset)
    assert_rows_are_right(batches, [*range(0, SIZE, 5)] * 2)
    _, y = run(batches)
    assert not np.array_equal(y[:SIZE], y[SIZE:])
    assert np.array_equal(run(dataset)[1], y) == (seed is not None)


def test_cache_before_is_fine():
    plain = run(batched().apply(mixup(0.9, seed=SEED)))
    dataset = batched().cache().apply(mixup(0.9, seed=SEED)).prefetch(1)
    epochs = [run(dataset) for _ in range(3)]
    assert_same(epochs[0], plain)
    assert not np.array_equal(epochs[1][1], epochs[2][1])


def test_one_transformation_can_be_applied_to_several_datasets():
    transform = mixup(0.9, seed=SEED)
    assert_same(run(batched().apply(transform)), run(batched().apply(transform)))


def test_any_object_that_draws_can_be_applied():
    assert_same(run(batched().apply(mix_with(Mixup(0.9), seed=SEED))), run(batched().apply(mixup(0.9, seed=SEED))))


def test_every_argument_reaches_the_draw():
    dataset = batched(SIZE).apply(mixup(FixedWeights(0.3), per="batch", pairing="roll", probability=1, seed=SEED))
    ((x, y),) = map(to_numpy, dataset)
    np.testing.assert_allclose(x, mix_rows(X, np.full(SIZE, 0.3), np.roll(np.arange(SIZE), 1)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.diag(y), 0.3, rtol=1e-6)


# --- No hidden state ------------------------------------------------------------------------------------------------


def operations(dataset):
    """The types of all operations of a dataset's graph, its functions included; refused if it holds state."""
    variant = tf.data.experimental.to_variant(dataset)
    fail = 2  # tf.data.experimental.ExternalStatePolicy.FAIL
    serialized = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=fail)
    graph = tf.compat.v1.GraphDef.FromString(serialized.numpy())
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return {node.op for node in nodes}


def hidden_state(names):
    return {
        name
        for name in names
        if ("Random" in name and not name.startswith("Stateless") and name != "RandomDatasetV2")
        or name.startswith(("Rng", "Var", "Multinomial"))
        or "Variable" in name
        or "PyFunc" in name
    }


@pytest.mark.parametrize("shape", [(4, 3), (32, 32, 3)], ids=["small", "compiled"])
@pytest.mark.parametrize("pairing", ["shuffle", "derangement", "same_class"])
def test_the_graph_draws_from_seeds_alone(shape, pairing):
    dataset = tf.data.Dataset.from_tensor_slices((features(6, shape), np.arange(6))).batch(4)
    transform = mixup(0.9, pairing=pairing, probability=0.5, num_classes=6, seed=SEED)
    names = operations(dataset.apply(transform))
    assert "RandomDatasetV2" in names and any("Stateless" in name for name in names)
    assert not hidden_state(names)


def test_hidden_state_would_be_seen():
    generator = tf.random.Generator.from_seed(1)
    with pytest.raises(tf.errors.FailedPreconditionError):
        operations(batched().map(lambda x, y: (x + generator.uniform(()), y)))
    assert hidden_state({"RandomUniform", "AddV2", "StatelessRandomUniformV2", "RngReadAndSkip"}) == {
        "RandomUniform",
        "RngReadAndSkip",
    }


# --- Refused --------------------------------------------------------------------------------------------------------


def test_an_unbatched_dataset_is_refused_in_words():
    """Keras' MixUp takes an unbatched (T, C) audio clip for a batch and returns it unmixed (peers §1.1)."""
    dataset = tf.data.Dataset.from_tensor_slices((X, np.arange(SIZE)))
    with pytest.raises(ValueError, match=r"Mixing needs batches. .* `dataset.batch\(128\)`"):
        dataset.apply(mixup(0.9, num_classes=SIZE))
    with pytest.raises(ValueError, match=r"If the dataset is not batched yet, batch it first: `dataset.batch\(128\)`"):
        tf.data.Dataset.from_tensor_slices((X, Y)).apply(mixup(0.9))


def test_labels_out_of_range_are_refused_when_they_turn_up():
    """A class id beyond `num_classes` would become a row of zeros, a target without mass."""
    dataset = tf.data.Dataset.from_tensor_slices((X, np.arange(SIZE))).batch(5).apply(mixup(0.9, num_classes=SIZE - 1))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Class ids should be whole numbers in \[0, num_classes\)"
    ):
        list(dataset)
