"""The decision table, walked: role x dtype x shape x `num_classes` x method x door is right by NumPy, or refused.

What is right is written here once more, from what the documentation says of targets, masks and the rest, and not read
off the table of the library. Every batch has images that show by themselves what was drawn: one channel names the image
and the place of each pixel, so that a cut can be read off it, and the other holds a row of the identity matrix, so that
the shares of an average can.
"""

import itertools
import pathlib
import re

import ml_dtypes
import numpy as np
import pytest
from contract import BACKEND, METHOD_DOORS, FixedWeights, features, one_hot
from reference import HEIGHT, SIZE, WIDTH, averaged, cut, images, read

from keras_mixup import Choice, CutMix, DMixup, FMix, MixLayer, Mixup, ResizeMix, forms, mix_with, roles

CLASSES = 3
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
DTYPES = ("bool", *INTEGERS, *FLOATS, "str")
if BACKEND == "torch":  # it has few unsigned integers
    DTYPES = tuple(dtype for dtype in DTYPES if dtype not in ("uint16", "uint32", "uint64"))
SHAPES = {
    "(batch,)": (),
    "(batch, 1)": (1,),
    "rows": (CLASSES,),
    "table": (7,),
    "map": (HEIGHT, WIDTH),
    "map of one channel": (HEIGHT, WIDTH, 1),
    "map of rows": (HEIGHT, WIDTH, CLASSES),
    "layers": (HEIGHT, WIDTH, 2),
    "block": (7, 2),
    "block of rows": (7, CLASSES),
}
METHODS = {
    "averages": Mixup(FixedWeights(0.3, 0.9, 0.05, 1.0, 0.6), pairing="roll"),
    "several partners": DMixup(3, pairing="derangement"),
    "cuts": CutMix(FixedWeights(0.3, 0.8, 0.1, 1.0, 0.55), pairing="roll"),
    "cuts other shapes": FMix(FixedWeights(0.3, 0.8, 0.6, 1.0, 0.2), pairing="roll"),
    "both": Choice((Mixup(0.9, pairing="roll"), CutMix(pairing="roll")), per="example", probability=0.8),
}
DOORS = {name: door for name, door in METHOD_DOORS.items() if name != "layer under XLA"}
OPTIONS = {"none": {}, "num_classes": {"num_classes": CLASSES}, "pairs": {"pairs": True}}
REFUSED = "refused"
CURES = (
    "roles={",
    "num_classes",
    "cast ",
    "Cast ",
    "use a method",
    "Make them",
    "Leave ",
    "Give ",
    "give ",
    "Use ",
    "name it",
)


def values(dtype, shape, seed=4):
    """Class ids where the shape is one of ids, zeros and ones where it is one of rows; asymmetric, whole numbers."""
    generator = np.random.default_rng(seed)
    if dtype == "str":
        return np.resize(np.array(["a", "bb", "c", "dd", "e"]), (SIZE, *shape))
    if shape[-1:] == (CLASSES,):
        rows = generator.random((SIZE, *shape)) < 0.4
        rows[0, ..., 1] = True
        return rows.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    ids = generator.integers(0, CLASSES, (SIZE, *shape))
    ids.reshape(SIZE, -1)[:, 0] = [2, 0, 1, 0, 2]
    ids = ids > 0 if dtype == "bool" else ids
    return ids.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def rows_of(y):
    """Class ids as rows; a last axis of one is that of the ids."""
    y = y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y
    return np.eye(CLASSES)[y.astype(int)]


# --- What is right ---


def right_target(y, dtype, shape, option, method):
    """What a target of `(x, y)` becomes: a function of what was drawn and the dtype, or REFUSED."""
    cuts, averages = method.cuts, method.averages
    is_map = shape in ("map", "map of one channel", "map of rows", "layers")
    ids = shape in ("(batch,)", "(batch, 1)")
    follow = cut if is_map and cuts else lambda y, shares, kept: averaged(y, shares)
    if dtype == "str" or (cuts and shape in ("block", "block of rows")):
        return REFUSED
    if option == "pairs":
        if isinstance(method, DMixup):
            return REFUSED
        plain = y.reshape(-1) if ids else y
        return (lambda shares, kept: as_pairs(plain, shares, kept if is_map and cuts else None)), "float32"
    if option == "num_classes":
        if ids or shape in ("map", "map of one channel"):
            return (lambda shares, kept: follow(rows_of(y), shares, kept)), "float32"
        if shape in ("rows", "map of rows", "block of rows"):
            return (lambda shares, kept: follow(y, shares, kept)), "float32"
        if shape == "block" and dtype not in FLOATS:
            return (lambda shares, kept: averaged(rows_of(y), shares)), "float32"
        return REFUSED
    if is_map and cuts and not averages and dtype not in FLOATS:
        return (lambda shares, kept: cut(y, shares, kept)), dtype
    if dtype in INTEGERS:
        return REFUSED
    return (lambda shares, kept: follow(y, shares, kept)), "float32"


def right_mask(y, dtype, shape, option, method):
    """What a map under `segmentation_mask` becomes, beside a label that `num_classes` speaks of."""
    cuts, averages = method.cuts, method.averages
    is_map = shape in ("map", "map of one channel", "map of rows", "layers")
    if dtype == "str" or (cuts and not is_map):
        return REFUSED
    follow = cut if cuts else lambda y, shares, kept: averaged(y, shares)
    if not averages and dtype not in FLOATS:
        return (lambda shares, kept: follow(y, shares, kept)), dtype
    if dtype in INTEGERS:
        return REFUSED
    return (lambda shares, kept: follow(y, shares, kept)), dtype if dtype in FLOATS else "float32"


def right_weight(y, dtype, shape, option, method):
    """What sample weights become under their key; per pixel they are cut."""
    is_map = shape in ("map", "map of one channel", "map of rows", "layers")
    if dtype == "str" or (method.cuts and shape in ("block", "block of rows")):
        return REFUSED
    follow = cut if method.cuts and is_map else lambda y, shares, kept: averaged(y, shares)
    return (lambda shares, kept: follow(y, shares, kept)), "float32"


def right_padding(y, dtype, shape, option, method):
    """What a `padding_mask` becomes: a position counts if it does so in either example of a share."""
    is_map = shape in ("map", "map of one channel", "map of rows", "layers")
    if dtype == "str" or (method.cuts and not is_map) or (method.cuts and method.averages and dtype not in FLOATS):
        return REFUSED
    if method.cuts:
        return (lambda shares, kept: cut(y, shares, kept)), dtype
    if dtype in FLOATS:
        return (lambda shares, kept: averaged(y, shares)), dtype

    def united(shares, kept):
        rows = [[j for j in range(SIZE) if shares[i, j] > 0] for i in range(SIZE)]
        return np.array([np.max([y[j].astype(int) for j in some], axis=0) for some in rows])

    return united, dtype


def as_pairs(y, shares, kept=None):
    """Own target, partner's target and weight on a last axis, the weight of each pixel where there is a cut."""
    y, pairs = y.astype("float64"), []
    if kept is not None:
        owners = np.broadcast_to(np.eye(SIZE)[:, None, None], (SIZE, HEIGHT, WIDTH, SIZE))
        places = cut(owners, shares, kept)
    for i, share in enumerate(shares):
        partner = next((j for j in range(SIZE) if j != i and share[j] > 0), i)
        if partner == i:  # whose, and how much of it, cannot be seen
            pairs.append(np.stack([y[i], *[np.full(y[i].shape, np.nan)] * 2], axis=-1))
            continue
        weight = share[i] if kept is None else places[i, :, :, i].reshape(HEIGHT, WIDTH, *(1,) * (y.ndim - 3))
        pairs.append(np.stack(np.broadcast_arrays(y[i], y[partner], weight), axis=-1))
    return np.array(pairs)


def in_tuple(y, option):
    return (images(), y), lambda mixed: (mixed[0], mixed[1]), "`y`"


def under(key):
    def build(y, option):
        label = {"label": np.array([2, 0, 1, 0, 2])} if option != "none" else {"label": one_hot(SIZE)}
        return {"image": images(), **label, key: y}, lambda mixed: (mixed["image"], mixed[key]), f"`{key}`"

    return build


ROLES = {
    "targets": (in_tuple, right_target),
    "masks": (under("segmentation_mask"), right_mask),
    "sample weights": (under("sample_weight"), right_weight),
    "padding": (under("padding_mask"), right_padding),
}


def walk(role, method_name, door_name, cells):
    """Every cell's complaint, if it has one."""
    build, right = ROLES[role]
    method, complaints = METHODS[method_name], []
    for dtype, shape, option in cells:
        y = values(dtype, SHAPES[shape])
        batch, results, name = build(y, option)
        expected = right(y, dtype, shape, option, method)
        if option == "pairs" and isinstance(method, DMixup):
            expected = REFUSED
        cell = f"{role}, {dtype}, {shape}, {option}, {method_name}, {door_name}"
        try:
            mixed = DOORS[door_name](batch, method, **OPTIONS[option])
        except (ValueError, TypeError) as error:
            words = str(error)
            if expected is not REFUSED:
                complaints.append(f"{cell}: refused: {words[:300]}")
            elif not any(cure in words for cure in CURES) or (name not in words and "DMixup" not in words):
                complaints.append(f"{cell}: refused without its name or a cure: {words[:300]}")
            continue
        if expected is REFUSED:
            complaints.append(f"{cell}: not refused")
            continue
        image, y_mixed = results(mixed)
        compute, out = expected
        complaints += judge(cell, y_mixed, compute(*read(image)), out, door_name)
    return complaints


def judge(cell, mixed, expected, dtype, door_name):
    wide = BACKEND == "tensorflow" or door_name in ("layer in map", "transformation")
    if wide and mixed.dtype.name != dtype:
        return [f"{cell}: comes out as {mixed.dtype.name}, not {dtype}"]
    if mixed.shape != expected.shape:
        return [f"{cell}: comes out as {mixed.shape}, not {expected.shape}"]
    close = 4e-3 if dtype == "float16" else 4e-2 if dtype == "bfloat16" else 2e-6
    unknown = np.isnan(expected)  # the weight of a pair of one and the same cannot be read
    wrong = ~unknown & ~(np.abs(mixed.astype("float64") - expected) <= close * 3)
    return [f"{cell}: {np.sum(wrong)} numbers are wrong"] if wrong.any() else []


def all_cells(role):
    options = OPTIONS if role == "targets" else ("none", "num_classes")
    return list(itertools.product(DTYPES, SHAPES, options))


@pytest.mark.slow
@pytest.mark.parametrize("door_name", DOORS)
@pytest.mark.parametrize("method_name", METHODS)
@pytest.mark.parametrize("role", ROLES)
def test_every_cell_of_the_table(role, method_name, door_name):
    complaints = walk(role, method_name, door_name, all_cells(role))
    assert not complaints, "\n".join([f"{len(complaints)} cells", *complaints[:40]])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method_name", METHODS)
def test_a_sample_of_the_table(role, method_name):
    """One cell in a few of those of the function; and a few of each other door."""
    cells = all_cells(role)
    picked = np.random.default_rng([len(role), len(method_name)])
    every = walk(role, method_name, "function", [cells[k] for k in picked.choice(len(cells), 50, replace=False)])
    for door in DOORS:
        every += walk(role, method_name, door, [cells[k] for k in picked.choice(len(cells), 3, replace=False)])
    assert not every, "\n".join(every)


def test_the_table_has_a_rule_for_every_cell():
    """And each rule speaks of some cell: none is dead."""
    used = set()
    everything = [*roles.ROLES, roles.MASK, roles.INPUTS, forms.PAIRS]
    for cell in itertools.product(everything, forms.KINDS, forms.SHAPES, (True, False), forms.METHODS):
        rule = forms.rule_for(*cell)
        assert (rule.form is None) != (rule.refusal is None)
        used.add(forms.TABLE.index(rule))
    assert used == set(range(len(forms.TABLE)))


# --- Values that are no class, no share, no row ---


BAD = {
    "a class too many": (np.array([0, 1, 2, 3, 1]), "[0, num_classes) = [0, 3)"),
    "a class below zero": (np.array([0, 1, -1, 2, 1]), "[0, num_classes) = [0, 3)"),
    "a class beyond 32 bits": (np.array([0, 1, 2**32, 2, 1]), "[0, num_classes) = [0, 3)"),
    "a float between two classes": (np.array([0, 1.5, 2, 1, 1], "float32"), "[0, num_classes) = [0, 3)"),
    "a float that is no number": (np.array([0, np.nan, 2, 1, 1], "float32"), "[0, num_classes) = [0, 3)"),
    "an infinite float": (np.array([[0], [np.inf], [2], [1], [1]], "float32"), "[0, num_classes) = [0, 3)"),
    "ids in the form of rows": (np.array([[0, 1, 2], [1, 1, 0], [0, 1, 0], [2, 2, 1], [0, 0, 0]]), "zeros and ones"),
    "a map of a class too many": (np.full((SIZE, HEIGHT, WIDTH), 3, "uint8"), "[0, num_classes) = [0, 3)"),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("name", BAD)
def test_a_value_that_has_no_meaning_is_an_error_or_ruins_the_loss(name, door):
    y, message = BAD[name]
    if (
        name == "a class beyond 32 bits"
        and BACKEND == "jax"
        and door not in (DOORS["layer in map"], DOORS["transformation"])
    ):
        pytest.skip("JAX has 32 bits")
    try:
        _, mixed = door((images(), y), METHODS["averages"], num_classes=CLASSES)
    except Exception as error:  # TensorFlow's own kind
        assert message in str(error), str(error)[:500]
    else:
        assert BACKEND != "tensorflow"
        assert np.isnan(mixed).any(axis=tuple(range(1, mixed.ndim))).sum() >= 1


# --- Features ---

FEATURES = {
    "one number": ((), None),
    "a vector": ((6,), None),
    "a series told by axes": ((9,), 1),
    "a series of channels": ((9, 2), None),
    "a series of channels told by axes": ((9, 2), 1),
    "grey images told by axes": ((4, 6), (1, 2)),
    "images": ((4, 6, 3), None),
    "channels first": ((3, 8, 9), None),
    "channels first told": ((3, 8, 9), "channels_first"),
    "video": ((2, 4, 6, 3), None),
}


def spread(shape, dtype):
    """Features whose rows differ everywhere."""
    x = np.arange(SIZE).reshape(-1, *[1] * len(shape)) * 20 + np.random.default_rng(2).integers(0, 19, (SIZE, *shape))
    return x.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


@pytest.mark.parametrize("door_name", DOORS)
@pytest.mark.parametrize("method_name", ["averages", "cuts", "cuts other shapes", "both"])
def test_features_of_every_dtype_and_shape(method_name, door_name):
    """Averaged by the weights that targets show; or cut along the axes, all others alike, by the share they show."""
    method, few = METHODS[method_name], {"float32", "uint8", "int64", "float16", "bool"}
    for name, dtype in itertools.product(FEATURES, DTYPES):
        if door_name != "function" and dtype not in few:
            continue
        shape, told = FEATURES[name]
        option = {} if told is None else {"data_format": told} if isinstance(told, str) else {"axes": told}
        if dtype == "str":
            x = np.broadcast_to(np.array(["a"]), (SIZE, *shape)).copy()
        else:
            x = spread(shape, dtype) if dtype != "bool" else spread(shape, "int32") > 40
        cell = f"features, {dtype}, {name}, {method_name}, {door_name}"
        image = name in ("images", "video") or told is not None
        fits = dtype in (*FLOATS, "int8", "int16", "uint8", "uint16") and (image or not method.cuts)
        try:
            mixed, y = DOORS[door_name]((x, one_hot(SIZE)), method, **option)
        except (ValueError, TypeError) as error:
            assert not fits, f"{cell}: {error}"
            assert "`x`" in str(error) or "`images`" in str(error), f"{cell}: {error}"
            assert any(cure in str(error) for cure in CURES), f"{cell}: {error}"
            continue
        assert fits, f"{cell}: not refused"
        shares = y.astype("float64")
        expected = averaged(x, shares)
        close = {"float16": 1e-2, "bfloat16": 8e-2}.get(dtype, 1e-5) * 100
        cutting = (
            (told,) if isinstance(told, int) else {"channels first told": (2, 3), "video": (2, 3)}.get(name, (1, 2))
        )
        for i in range(SIZE):
            partner = next((j for j in range(SIZE) if j != i and shares[i, j] > 0), i)
            row, own, other = (part.astype("float64") for part in (mixed[i], x[i], x[partner]))
            if method.cuts and np.all((row == own) | (row == other)):
                kept = row == own
                across = tuple(axis - 1 for axis in range(1, x.ndim) if axis not in cutting)
                assert np.array_equal(kept.all(axis=across), kept.any(axis=across)), cell
                np.testing.assert_allclose(shares[i, i], kept.mean(), atol=1e-6, err_msg=cell)
            else:
                assert method.averages, cell
                np.testing.assert_allclose(row, expected[i], atol=close, err_msg=cell)


def test_the_documentation_shows_the_table_as_it_is():
    table, readme = forms.as_markdown(), pathlib.Path(forms.__file__).with_name("README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- the table: .*? -->\n(.*?)<!-- end of the table -->", readme, re.DOTALL).group(1)
    assert shown.strip() == table.strip(), "run `python -m keras_mixup.forms` and paste what it prints"
    assert table.count("\n| ") == len(forms.TABLE) + 1
    assert all(f"**{form}**" in table for form in forms.MEANING)
    assert "{" not in table.replace("{...}", "")


# --- Maps of another size, several of them, video ---


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("times", [0.5, 2, 3], ids=str)
def test_a_mask_of_a_whole_multiple_or_part_is_cut_exactly(door, times):
    """The cut counts in the places of the coarser of the two, so that both are cut along one line."""
    height, width = int(HEIGHT * times), int(WIDTH * times)
    mask = np.arange(SIZE, dtype="uint8")[:, None, None] * 40 + np.zeros((1, height, width), "uint8")
    mixed = door({"image": images(), "label": one_hot(SIZE), "segmentation_mask": mask}, METHODS["cuts"])
    shares, kept = read(mixed["image"])
    np.testing.assert_allclose(mixed["label"], shares, atol=1e-6)
    cut_rows = 0
    for i, (own, partner) in enumerate(kept):
        fine = own if times >= 1 else own[::2, ::2]
        if times < 1:
            assert np.array_equal(own, np.kron(fine, np.ones((2, 2), bool)))
        expected = np.kron(fine, np.ones((int(max(times, 1)),) * 2, bool))
        np.testing.assert_array_equal(mixed["segmentation_mask"][i], np.where(expected, mask[i], mask[partner]))
        cut_rows += not own.all()
    assert cut_rows >= 2


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_several_maps_are_cut_along_one_region(door):
    """Reconstruction `(x, x)`, depth and ids at once, by key in a tuple's targets."""
    y = {
        "again": images(),
        "depth": features(SIZE, (HEIGHT, WIDTH)),
        "ids": np.random.default_rng(1).integers(0, 200, (SIZE, HEIGHT, WIDTH, 1)).astype("uint8"),
        "class": np.array([2, 0, 1, 0, 2]),
    }
    mixed_x, mixed_y = door((images(), y), METHODS["cuts"], num_classes={"class": CLASSES})
    shares, kept = read(mixed_x)
    np.testing.assert_array_equal(mixed_y["again"], mixed_x)
    np.testing.assert_allclose(mixed_y["depth"], cut(y["depth"], shares, kept), rtol=1e-6)
    np.testing.assert_array_equal(mixed_y["ids"], cut(y["ids"], shares, kept))
    assert mixed_y["ids"].dtype == np.uint8
    np.testing.assert_allclose(mixed_y["class"], averaged(np.eye(CLASSES)[y["class"]], shares), atol=1e-6)


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_resizemix_shrinks_maps_with_the_images(door):
    """A map of ids shows the partner's whole map small, by the nearest pixel, in the same window as the image."""
    x = np.broadcast_to(np.arange(SIZE, dtype="float32")[:, None, None, None] + 1, (SIZE, 12, 18, 1)).copy()
    ids = (np.arange(SIZE)[:, None, None] * 50 + np.arange(12)[:, None] * 3 + np.arange(18) // 6).astype("uint8")
    mixed_x, mixed_y = door((x, ids), ResizeMix((0.3, 0.7), pairing="roll"))
    for i in range(SIZE):
        pasted = mixed_x[i, ..., 0] != i + 1
        rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
        expected = ids[i].copy()
        down = ((np.arange(len(rows)) + 0.5) * 12 / len(rows)).astype(int)
        across = ((np.arange(len(columns)) + 0.5) * 18 / len(columns)).astype(int)
        expected[np.ix_(rows, columns)] = ids[i - 1][np.ix_(down, across)]
        np.testing.assert_array_equal(mixed_y[i], expected)
        assert mixed_y.dtype == np.uint8


@pytest.mark.parametrize("door", [DOORS["function"], DOORS["transformation"]], ids=["function", "transformation"])
def test_the_frames_of_a_video_and_its_maps_are_cut_alike(door):
    x = np.repeat(images()[:, None], 3, axis=1)
    maps = np.random.default_rng(1).integers(0, 99, (SIZE, 3, HEIGHT, WIDTH)).astype("int32")
    mixed_x, mixed_y = door((x, maps), METHODS["cuts"])
    shares, kept = read(mixed_x[:, 1])
    for i, (own, partner) in enumerate(kept):
        np.testing.assert_array_equal(mixed_x[i, 0], mixed_x[i, 2])
        np.testing.assert_array_equal(mixed_y[i], np.where(own, maps[i], maps[partner]))


@pytest.mark.parametrize("door", [DOORS["function"], DOORS["transformation"]], ids=["function", "transformation"])
def test_targets_of_a_series_are_cut_along_its_time(door):
    x = 100.0 * np.arange(SIZE)[:, None, None] + np.arange(9)[:, None] + np.zeros((1, 1, 2))
    y = np.random.default_rng(1).integers(0, 99, (SIZE, 9, 1)).astype("int32")
    for batch in ((x.astype("float32"), y), {"audio": x.astype("float32"), "segmentation_mask": y}):
        option = {"axes": 1} if isinstance(batch, tuple) else {}
        mixed = door(batch, METHODS["cuts"], **option)
        mixed_x, mixed_y = mixed if isinstance(mixed, tuple) else (mixed["audio"], mixed["segmentation_mask"])
        source = np.round((mixed_x - np.arange(9)[:, None]) / 100).astype(int)
        assert (source[..., 0] == source[..., 1]).all() and (source != np.arange(SIZE)[:, None, None]).any()
        np.testing.assert_array_equal(mixed_y[..., 0], np.take_along_axis(y[..., 0], source[..., 0], 0))


@pytest.mark.parametrize("name", ["transformation", "layer in map"])
def test_maps_of_unknown_size_are_cut_if_they_are_as_large_as_the_images(name):
    """Bucketed images: their sizes are known when the batch is there, and not before."""
    tf = pytest.importorskip("tensorflow")
    ids = np.random.default_rng(1).integers(0, 9, (SIZE, HEIGHT, WIDTH)).astype("int32")

    def mixed(masks):
        signature = (tf.TensorSpec((None, None, None, 2)), tf.TensorSpec((None, None, None), tf.int32))
        dataset = tf.data.Dataset.from_generator(lambda: [(images(), masks)], output_signature=signature)
        door = {"transformation": mix_with, "layer in map": lambda method, **_: lambda ds: ds.map(MixLayer(method))}[
            name
        ]
        ((x, y),) = dataset.apply(door(METHODS["cuts"]))
        return x.numpy(), y.numpy()

    x, y = mixed(ids)
    np.testing.assert_array_equal(y, cut(ids, *read(x)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`y` should be as high and wide as the images"):
        mixed(ids[:, ::2, ::2])
