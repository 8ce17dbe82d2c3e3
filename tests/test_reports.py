"""What users of this and of other libraries ran into, each as a test under the name of its kind.

The kind is what has to be right; the example only shows it. Models have theirs in `test_model.py`, boxes in
`test_boxes.py`, laws of other libraries in `test_peers.py`, the product of all cases in `test_matrix.py`.
"""

import itertools
import multiprocessing
import os
import pickle
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from contract import (
    BACKEND,
    ON_TENSORFLOW,
    FixedWeights,
    assert_mixed,
    assert_same_bits,
    features,
    method_through_function,
    one_hot,
    read_draw,
    to_numpy,
)
from reference import mix_rows

from keras_mixup import Batch, CutMix, MixLayer, Mixup, MixupLayer, MixupModel, check_mixed, mix_batch, mixup

ROLL = Mixup(FixedWeights(0.3, 0.85, 0.6, 0.9), pairing="roll")
WEIGHTS, PARTNER = np.array([0.3, 0.85, 0.6, 0.9], "float32").astype(float), np.array([3, 0, 1, 2])
IMAGES, IDS = features(4, (6, 5, 3)), np.array([2, 0, 1, 2])


def refuses(message):
    return pytest.raises(ValueError, match=re.escape(message))


# --- A target that is an image, under a method that cuts ---


@pytest.mark.parametrize("form", ["one-hot", "soft", "reconstruction", "depth"])
def test_a_target_that_is_an_image_is_cut_with_the_images(form):
    """keras#20857, keras-cv#1549, pytorch/vision#9215, MONAI#8137."""
    ids = np.random.default_rng(1).integers(0, 4, (4, 6, 5))
    target = {
        "one-hot": np.eye(4, dtype="float32")[ids],
        "soft": np.abs(features(4, (6, 5, 2), seed=8)),
        "reconstruction": IMAGES,
        "depth": features(4, (6, 5), seed=9),
    }[form]
    x, y = (to_numpy(part) for part in MixLayer(CutMix(1.0, pairing="roll"), seed=1)(IMAGES, target))
    kept = (x == IMAGES).all(-1)
    assert 0 < kept.mean() < 1
    kept = kept.reshape(kept.shape + (1,) * (target.ndim - 3))
    np.testing.assert_array_equal(y, np.where(kept, target, target[PARTNER]))
    assert check_mixed((IMAGES, target), (x, y)).ok


def test_integer_masks_in_a_tuple_are_cut_and_keep_their_dtype():
    """And rows of them have as many axes as rows of masks have."""
    masks = np.random.default_rng(1).integers(0, 4, (4, 6, 5, 1)).astype("uint8")
    x, y = (to_numpy(part) for part in MixLayer(CutMix(1.0, pairing="roll"), seed=1)(IMAGES, masks))
    kept = (x == IMAGES).all(-1, keepdims=True)
    np.testing.assert_array_equal(y, np.where(kept, masks, masks[PARTNER]))
    assert y.dtype == np.uint8
    for method in (CutMix(1.0), ROLL):
        rows = to_numpy(MixLayer(method, num_classes=4, seed=1)(IMAGES, masks)[1])
        assert rows.shape == (4, 6, 5, 4) and rows.dtype == np.float32


# --- Whole numbers that are ids but not of an integer dtype ---


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "bool"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_whole_numbers_of_any_dtype_are_class_ids_where_num_classes_is_given(dtype, shape):
    """keras-cv#445; `label_mode="binary"` gives floats (batch, 1), averages over replicas give floats."""
    ids = np.array([1, 0, 1, 1] if dtype == "bool" else [2, 0, 1, 2])
    _, rows = method_through_function((IMAGES, ids.astype(dtype).reshape(shape)), ROLL, num_classes=3)
    assert_mixed(rows, np.eye(3)[ids], WEIGHTS, PARTNER)


# --- A target that is not found ---


@pytest.mark.parametrize("key", ["category", "class", "coarse_label", "fineLabel", "answer", "gt_depth"])
def test_a_key_that_may_be_a_target_is_not_left_behind(key):
    """torchvision cannot "infer where the labels are" either, and says so."""
    batch = {"image": IMAGES, "label": one_hot(4), key: IDS}
    with refuses(f"By its key `{key}` may have to be mixed, or left alone."):
        method_through_function(batch, ROLL)
    mixed = method_through_function(batch, ROLL, roles={key: "pass"})
    assert_same_bits(mixed[key], IDS) if BACKEND == "tensorflow" else np.testing.assert_array_equal(mixed[key], IDS)
    mixed = method_through_function(batch, ROLL, roles={key: "targets"}, num_classes={key: 3})
    assert_mixed(mixed[key], np.eye(3)[IDS], WEIGHTS, PARTNER)


@pytest.mark.parametrize("option", [{"num_classes": 3}, {"pairs": True}])
def test_num_classes_without_a_target_is_refused_with_the_line_to_write(option):
    batch = {"image": IMAGES, "kind": IDS}
    with refuses("is for targets, and there are none among `image`, `kind`."):
        method_through_function(batch, ROLL, **option)
    mixed = method_through_function(batch, ROLL, roles={"kind": "targets"}, **option)
    assert mixed["kind"].shape == (4, 3)
    with refuses("is for targets, and there are none among `x`."):
        method_through_function(IMAGES, ROLL, **option)


def test_keys_are_known_in_upper_and_lower_case():
    mixed = method_through_function({"Image": IMAGES, "Label": IDS}, ROLL, num_classes=3)
    assert_mixed(mixed["Image"], IMAGES, WEIGHTS, PARTNER)
    assert_mixed(mixed["Label"], np.eye(3)[IDS], WEIGHTS, PARTNER)


# --- A role is read off the last key, not off a path in words ---


def test_a_mask_inside_a_net_of_attention_is_not_a_padding_mask():
    ids = np.random.default_rng(1).integers(0, 9, (4, 7)).astype("int32")
    with refuses("This mask may be of two kinds. Received: `x['attention_net']['mask']`"):
        method_through_function(({"attention_net": {"mask": ids}, "image": IMAGES}, one_hot(4)), ROLL)
    x, _ = method_through_function(
        ({"attention_net": {"mask": ids}, "image": IMAGES}, one_hot(4)), ROLL, roles={"mask": "pass"}
    )
    np.testing.assert_array_equal(x["attention_net"]["mask"], ids)


def test_the_closest_of_several_names_of_the_user_counts():
    x = {"left": {"a": features(4), "b": features(4, (2,), seed=5)}, "right": {"a": features(4, seed=6)}}
    roles = {"left": "pass", ("x_is_0", "left"): "pass"}
    with refuses("Received: ('x_is_0', 'left'), which fits none of `x['left']['a']`"):
        method_through_function((x, one_hot(4)), ROLL, roles=roles)
    mixed, _ = method_through_function((x, one_hot(4)), ROLL, roles={"left": "pass", (0, "left", "b"): "features"})
    np.testing.assert_array_equal(mixed["left"]["a"], x["left"]["a"])
    assert_mixed(mixed["left"]["b"], x["left"]["b"], WEIGHTS, PARTNER)
    assert_mixed(mixed["right"]["a"], x["right"]["a"], WEIGHTS, PARTNER)


@pytest.mark.parametrize(
    "roles",
    ["targets", {"label": "target"}, {"label": None}, {1.5: "pass"}, ["label"], {"label": ["targets"]}],
    ids=repr,
)
def test_roles_are_checked(roles):
    for construct in (MixupLayer, mixup, lambda **options: MixupModel(keras.layers.Dense(2), 0.2, **options)):
        with refuses(
            "`roles` should be a dict from keys, paths (tuples) or positions of tensors to one of 'features',"
        ):
            construct(roles=roles)


# --- Structures ---


def test_a_list_is_a_tuple():
    """torch's collate makes lists; the labels among them were taken for features."""
    labels = np.array([1, 0, 2, 1], "uint8")
    mixed = MixLayer(ROLL, num_classes=3)([IMAGES, labels])
    assert isinstance(mixed, list)
    assert_mixed(to_numpy(mixed[0]), IMAGES, WEIGHTS, PARTNER)
    assert_mixed(to_numpy(mixed[1]), np.eye(3)[labels], WEIGHTS, PARTNER)


def test_a_zip_of_two_data_sets_is_refused():
    """keras-io#394: the recipe's `zip((one, two))` was accepted, the second became the targets of the first."""
    with refuses("Features should be floats or 8 and 16 bit integers. Received: `x[1]`"):
        method_through_function(((IMAGES, IDS), (IMAGES, IDS)), ROLL, num_classes=3)
    with refuses("A batch should be `(x, y)`. Received: two elements of one structure"):
        method_through_function(((IMAGES, one_hot(4)), (IMAGES, one_hot(4))), ROLL)
    # Two inputs that are to be reconstructed have the same form; whoever means that says so.
    x = (IMAGES, features(4, (3,)))
    with refuses("as a zip of two data sets gives them"):
        method_through_function((x, x), ROLL)
    _, mixed = method_through_function((x, x), ROLL, roles={0: "features", 1: "targets"})
    assert_mixed(mixed[1], x[1], WEIGHTS, PARTNER)


def test_ids_in_the_place_of_sample_weights_are_refused():
    with refuses("The third element of a batch should be sample weights, floats. Received: dtype int"):
        method_through_function((IMAGES, one_hot(4), np.array([1001, 7, 12, 5])), ROLL)
    mixed = method_through_function((IMAGES, one_hot(4), np.array([1001, 7, 12, 5])), ROLL, roles={2: "pass"})
    np.testing.assert_array_equal(mixed[2], [1001, 7, 12, 5])


def test_heads_of_different_kinds():
    """keras-cv#1025, keras#4735: ids of 100 and of 20 classes beside a number to predict."""
    y = {"fine": np.array([99, 3, 20, 7]), "coarse": np.array([[1], [0], [19], [4]]), "age": features(4, ())}
    _, mixed = method_through_function((IMAGES, y), ROLL, num_classes={"fine": 100, "coarse": 20})
    assert_mixed(mixed["fine"], np.eye(100)[y["fine"]], WEIGHTS, PARTNER)
    assert_mixed(mixed["coarse"], np.eye(20)[y["coarse"][:, 0]], WEIGHTS, PARTNER)
    assert_mixed(mixed["age"], y["age"], WEIGHTS, PARTNER)
    with refuses("One `num_classes` is for targets that are all class ids or rows of so many classes."):
        method_through_function((IMAGES, y), ROLL, num_classes=100)
    mixed = method_through_function((IMAGES, (y["fine"], y["age"])), ROLL, num_classes={(1, 0): 100})
    assert_mixed(mixed[1][0], np.eye(100)[y["fine"]], WEIGHTS, PARTNER)
    assert_mixed(method_through_function((IMAGES, IDS), ROLL, num_classes={1: 3})[1], np.eye(3)[IDS], WEIGHTS, PARTNER)


# --- Sounds, channels, single images ---


@pytest.mark.parametrize("shape", [(9, 1), (9, 2), (9,)])
def test_sounds_are_cut_along_time_or_refused(shape):
    """tsai#791; `audio_dataset_from_directory` gives (batch, time, 1), which came out unmixed."""
    x = 100.0 * np.arange(4).reshape(4, *(1,) * len(shape)) + features(4, shape)
    x = x.astype("float32")
    with refuses("`CutMix` cuts images. Received: features that are not images"):
        method_through_function((x, one_hot(4)), CutMix(1.0))
    for batch, option in (((x, one_hot(4)), {"axes": 1}), ({"audio": x, "label": one_hot(4)}, {})):
        mixed, y = (
            method_through_function(batch, CutMix(1.0, pairing="roll"), **option)[k]
            for k in ([0, 1] if option else ["audio", "label"])
        )
        kept = mixed == x
        np.testing.assert_array_equal(mixed, np.where(kept, x, x[PARTNER]))
        kept = kept.reshape(4, 9, -1)
        assert (kept == kept[..., :1]).all() and (np.abs(np.diff(kept[..., 0].astype(int), axis=1)).sum(1) <= 2).all()
        np.testing.assert_allclose(np.diag(y), kept.mean((1, 2)), rtol=1e-6)
        assert not kept.all()


def test_channels_first_is_noticed_and_can_be_told():
    x = 100.0 * np.arange(4)[:, None, None, None] + features(4, (3, 8, 9))
    with refuses("Their channels seem to come first: give `data_format='channels_first'`"):
        method_through_function((x, one_hot(4)), CutMix(1.0))
    mixed, y = method_through_function((x, one_hot(4)), CutMix(1.0, pairing="roll"), data_format="channels_first")
    kept = np.isclose(mixed, x)
    assert (kept == kept[:, :1]).all() and not kept.all()
    np.testing.assert_allclose(np.diag(y), kept[:, 0].mean((1, 2)), rtol=1e-6)


@pytest.mark.parametrize("image", [np.ones((32, 30, 3), "uint8"), {"image": np.ones((32, 30, 3), "float32")}])
def test_one_image_is_not_a_batch_of_rows(image):
    with refuses("which looks like one image. Batch the dataset first"):
        method_through_function(image, ROLL)


# --- Worker processes of a data loader ---

LOADER = """
import sys
import numpy as np, torch
from keras_mixup import MixupLayer

def main(start, seed):
    layer = MixupLayer(0.9, pairing="roll", seed=seed)
    rows = torch.utils.data.TensorDataset(torch.eye(4).repeat(3, 1), torch.eye(4).repeat(3, 1))
    torch.manual_seed(5)
    loader = torch.utils.data.DataLoader(
        rows, 4, num_workers=2, collate_fn=Collate(layer), multiprocessing_context=start
    )
    for epoch in range(2):
        for x, y in loader:
            assert np.allclose(x, y)
            print(*np.diag(x.numpy()).round(6))

class Collate:
    def __init__(self, layer):
        self.layer = layer
    def __call__(self, rows):
        return self.layer(*(torch.stack(part) for part in zip(*rows)))

if __name__ == "__main__":
    main(sys.argv[1], eval(sys.argv[2]))
"""


@pytest.mark.skipif(BACKEND != "torch", reason="a loader of torch, under the torch backend")
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [None, 3])
def test_no_two_workers_and_no_two_epochs_draw_the_same(start, seed, tmp_path):
    """Three batches by two workers in two epochs; with a seed, again the same ones in another run."""
    (tmp_path / "loader.py").write_text(LOADER)

    def run():
        command = [sys.executable, str(tmp_path / "loader.py"), start, repr(seed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.splitlines()

    first = run()
    assert len(first) == 6 and len(set(first)) == 6
    assert (run() == first) == (seed is not None)


def test_a_seed_in_other_worker_processes_is_refused(monkeypatch):
    """Which worker this is, nobody says there; two of them would draw the same."""
    layer = MixupLayer(0.9, seed=3)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the training process")
    layer(IMAGES)  # made and used in one process, whoever started it
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with refuses("`seed` should be None in the worker processes of a data loader"):
        layer(IMAGES)
    fresh = MixupLayer(0.9, pairing="roll")
    fresh._stream.process = -2
    draws = []
    for _ in range(2):  # two workers, both copies of one layer
        fresh._stream.in_worker = None
        draws += [to_numpy(fresh(one_hot(4))) for _ in range(2)]
    assert all(not np.allclose(a, b) for a, b in itertools.combinations(draws, 2))


def test_a_copy_of_a_layer_knows_where_it_was_made():
    again = pickle.loads(pickle.dumps(MixupLayer(0.3, seed=5)))
    assert (
        again._stream.process == os.getpid()
        and again.get_config() == MixupLayer(0.3, seed=5, name=again.name).get_config()
    )


# --- Keras' own pipelines, and JAX' keys ---


@ON_TENSORFLOW
def test_a_layer_behind_a_pipeline_of_keras():
    """Keras casts the labels to floats on their way; they are class ids all the same."""
    layer = MixLayer(ROLL, num_classes=3)
    pipeline = keras.layers.Pipeline([keras.layers.RandomBrightness(0.0), layer])
    mixed = to_numpy(pipeline({"images": IMAGES, "labels": IDS}))
    assert_mixed(mixed["labels"], np.eye(3)[IDS], WEIGHTS, PARTNER)


@pytest.mark.skipif(BACKEND != "jax", reason="a key of JAX needs the JAX backend")
@pytest.mark.parametrize("typed", [True, False])
def test_a_key_of_jax_is_a_seed_under_jit(typed):
    """A pure function of a key: the same for the same key, compiled or not; another for another."""
    import jax

    key = jax.random.key if typed else jax.random.PRNGKey
    for method in (Mixup(0.9, pairing="derangement"), CutMix(0.9, pairing="derangement"), Mixup(0.9, probability=0.5)):
        mix = jax.jit(lambda batch, key, method=method: mix_batch(batch, method, key, num_classes=4))
        batch = (IMAGES, np.arange(4))
        (x, y), again, other = mix(batch, key(3)), mix_batch(batch, method, key(3), num_classes=4), mix(batch, key(4))
        np.testing.assert_allclose(x, again[0], rtol=1e-4, atol=1e-5)
        assert not np.allclose(y, other[1])
        if not method.cuts:
            weight, partner = read_draw(np.asarray(y))
            np.testing.assert_allclose(x, mix_rows(IMAGES, weight, partner), rtol=1e-5, atol=1e-5)
    draw = Mixup(0.4).draw(Batch(5), key(7))
    assert draw.weight.shape == (5,)


def test_a_seed_that_is_none_of_these_is_refused():
    for seed in ("1", 1.5, None, [1, 2]):
        with refuses("`seed` should be an integer, a `keras.random.SeedGenerator`"):
            Mixup(0.4).draw(Batch(5), seed)
