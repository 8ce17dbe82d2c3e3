"""Every check of the contract, at every door."""

import re

import contract
import numpy as np
import pytest
from contract import BACKEND, CHECKS, DOORS, MORE_TARGETS, TARGETS, features, name_of, one_hot

pytest.importorskip("tensorflow")

if BACKEND == "torch":
    DOORS = {name: door for name, door in DOORS.items() if name != "layer under XLA"}

at_every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


@at_every_door
@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_every_door_keeps_the_contract(door, check):
    check(door)


FEATURES = ["uint8", "int8", "uint16", "int16", "float16", "bfloat16", "float32", "float64"]


@at_every_door
@pytest.mark.parametrize("target_form", TARGETS)
@pytest.mark.parametrize("feature_dtype", FEATURES)
def test_every_dtype_of_features_with_every_form_of_targets(door, feature_dtype, target_form):
    contract.check_dtypes(door, feature_dtype, target_form, shape=(3,))


@at_every_door
@pytest.mark.parametrize("target_form", MORE_TARGETS)
def test_further_forms_of_targets(door, target_form):
    contract.check_dtypes(door, "float32", target_form, shape=(3,))


@at_every_door
@pytest.mark.parametrize("feature_dtype", FEATURES)
def test_every_dtype_of_images_large_enough_to_be_compiled(door, feature_dtype):
    contract.check_dtypes(door, feature_dtype, "integers", shape=(32, 32, 3))


REFUSED = {
    "int32 features": ((np.ones((4, 2), "int32"), one_hot(4)), "cast them: `keras.ops.cast(x, 'float32')`"),
    "int64 features": ((np.ones((4, 2), "int64"), one_hot(4)), "mix their embeddings instead"),
    "boolean features": ((np.ones((4, 2), bool), one_hot(4)), "Received: `x` of dtype bool and shape (4, 2)"),
    "class ids without num_classes": ((features(4), np.arange(4)), "Give `num_classes=...`"),
    "one-hot integers without num_classes": ((features(4), one_hot(4, "int64")), "cast them to float32"),
    "class ids as a mask": (
        {"image": features(4), "segmentation_mask": np.ones((4, 2, 2), "int32")},
        "Give `num_classes={'segmentation_mask': ...}` to mix them as one-hot maps",
    ),
    "scalar labels": (({"x": features(4)}, np.float32(1.0)), "Batch the dataset first: `dataset.batch(128)`"),
    "rows that do not match": (
        (features(4), features(3, (2,))),
        "All tensors of a batch should have the same number of rows. Received: {'x': 4, 'y': 3}",
    ),
    "nothing to mix": ({"scan": features(4), "label": one_hot(4)}, "Nothing to mix: there should be features"),
}


@at_every_door
@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_mixed_is_refused_with_advice(door, reason):
    batch, advice = REFUSED[reason]
    contract.check_it_refuses(door, batch, re.escape(advice))
