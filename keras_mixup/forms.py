"""In what form each tensor is mixed: one table over role, dtype, shape, number of classes and kind of method.

`TABLE` is read from top to bottom and the first rule that fits decides. What no rule lets through is refused, in words
that name the tensor and the cure; there is no cell in which anything else happens. `as_markdown()` prints it for the
documentation.

Kinds of dtype: `float` (of any width), `small` (8 and 16 bit integers: pixels, audio samples), `large` (32 and 64 bit
integers), `bool`, and `other` (strings, ragged and sparse tensors, complex numbers).

Shapes: `(batch,)`; `(batch, 1)`; `rows`, whose last axis has `num_classes` places; `table`, any other `(batch, n)`;
`map`, with the height and width of the images (or a whole multiple or part of them, where the user calls it a mask); or
the length of the series, where that is what is cut; `layers`, a map with several channels that are not `num_classes`;
`block`, any other of rank 3 and more; `stray`, which is a block beside images that are cut: it may be a map of another
size.

Methods: those that average examples, those that cut images, and those that do now the one and now the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_mixup.roles import BOXES, FEATURES, INPUTS, MASK, MASKS, MULTI_HOT, PADDING, PASS, SAMPLE_WEIGHT, TARGETS

PAIRS = "pairs"

# The forms.
MIX, SHARE, ONE_HOT, ROWS, CUT, UNITE = "mix", "share", "one-hot", "rows of 0 and 1", "cut", "unite"
LEFT = "left"

MEANING = {
    MIX: "mixed by the weight, and cut where images are cut; floats keep their dtype, integers become floats",
    SHARE: "mixed as float32 by the share of the images; a map is cut where they are cut",
    ONE_HOT: "class ids become float32 one-hot rows, which are mixed by the share; a map is cut where images are cut. "
    "What is not a whole number in [0, num_classes) is an error, or NaN in a compiled step, which cannot raise",
    ROWS: "as they are, as float32, mixed by the share. What is neither 0 nor 1 is an error, or NaN in a compiled step",
    CUT: "cut where images are cut, never averaged; keeps its dtype",
    UNITE: "the larger of both examples' numbers (of those of weight > 0): a position, or a label, counts if it does "
    "so in either. Masks keep their dtype, labels become float32",
    PAIRS: "float32 with a last axis (target, partner's target, weight of the original); a map's is that of each pixel",
    BOXES: "the boxes of both, where both have a share; see `keras_mixup/boxes.py`",
    LEFT: "passes through bit for bit",
}

INTEGERS = ("small", "large")
NUMBERS = ("float", "small", "large", "bool")
KINDS = (*NUMBERS, "other")
SHAPES = ("(batch,)", "(batch, 1)", "rows", "table", "map", "layers", "block", "stray")
A_MAP = ("map", "layers")
AVERAGES, CUTS, BOTH = "averages", "cuts", "both"
METHODS = (AVERAGES, CUTS, BOTH)
GIVEN, NOT_GIVEN = (True,), (False,)
EITHER = (True, False)

NOUNS = {
    FEATURES: "features",
    TARGETS: "targets",
    MULTI_HOT: "multi-hot rows",
    MASKS: "masks",
    SAMPLE_WEIGHT: "sample weights",
    PADDING: "padding masks",
    MASK: "masks",
    BOXES: "bounding boxes",
}
# What is wrong, and what to do; `{received}` is the dtype and shape, `{key}` how the user names the tensor.
NOT_NUMBERS = "These {role} cannot be mixed. Received: `{name}` of {received}. Make them dense numeric tensors first."
ARE_IDS = (
    "These features cannot be mixed. Received: `{name}` of {received}. If they are quantities, cast them: "
    "`keras.ops.cast(x, 'float32')`. If they are ids (words, tokens, categories), their average means nothing: mix "
    "their embeddings instead. `MixupModel(network, at='embedding')` mixes what the layer of that name returns."
)
NO_CLASSES = (
    "Class ids cannot be averaged. Received: `{name}` of {received}. Give `num_classes=...` (or, for several targets, "
    "`num_classes={{{key}: ...}}`) to mix them as one-hot rows; or, if they are quantities or one-hot rows already, "
    "cast them to float32."
)
NO_CLASSES_OF_MAP = (
    "Class ids cannot be averaged. Received: `{name}` of {received}. Give `num_classes={{{key}: ...}}` to mix them as "
    "one-hot maps; or use a method that only cuts, like `CutMix`, which leaves them class ids; or, if they are "
    "quantities, cast them to float32."
)
OTHER_WIDTH = (
    "With `num_classes` targets should be class ids of shape `(batch,)` or `(batch, 1)`, or rows of shape `(batch, "
    "num_classes)`, here (batch, {classes}). Received: `{name}` of {received}. If they are quantities, name the other "
    "targets in `num_classes={{...}}` and leave this one out; if they are ids of several positions, write "
    "`roles={{{key}: 'masks'}}`."
)
MAY_BE_A_MAP = (
    "`{name}` may belong to the images' pixels, and these are cut. Received: {received} beside images of size "
    "{size}. If it does, write `roles={{{key}: 'masks'}}` (their sizes should be whole multiples of each other); if "
    "not, `roles={{{key}: 'targets'}}`, and it is mixed by the share of the pixels that are left."
)
NOT_A_MAP = (
    "Masks should be as high and wide as the images to be cut with them, or a whole multiple or part of it, here "
    "{size}. Received: `{name}` of {received}. Resize it, or use a method that does not cut, like `Mixup`; if it is no "
    "map, write `roles={{{key}: 'targets'}}`, and it is mixed by the share of the pixels that are left."
)
TWO_KINDS = (
    "This mask may be of two kinds. Received: `{name}` of {received}. If it says which positions count, cast it to "
    "bool or name it `padding_mask`; if it holds class ids, name it `segmentation_mask`, or write "
    "`roles={{{key}: 'masks'}}`."
)
NOT_CUT = (
    "What cuts images cannot cut padding masks. Received: `{name}` of {received}. Use a method like `Mixup`; cut along "
    "time, with `axes=1`; or, if it is a map of classes, name it `segmentation_mask`."
)
NOT_ROWS = (
    "Multi-hot targets should be rows with a place for each label. Received: `{name}` of {received}. If these are "
    "class ids, leave the role out and give `num_classes=...`."
)
RAGGED_BOXES = (
    "Bounding boxes should be dense numeric tensors. Received: `{name}` of {received}. Fill ragged ones up, boxes with "
    "zeros and labels with -1: `boxes.to_tensor(0)`, `labels.to_tensor(-1)`."
)


class Rule(NamedTuple):
    """One row of the table: for which cells it speaks, and the form or why there is none."""

    role: str
    kinds: tuple[str, ...] = KINDS
    shapes: tuple[str, ...] = SHAPES
    classes: tuple[bool, ...] = EITHER
    methods: tuple[str, ...] = METHODS
    form: str | None = None
    refusal: str | None = None

    def fits(self, role: str, kind: str, shape: str, classes: bool, method: str) -> bool:
        """Whether this rule speaks of a cell."""
        return (
            role == self.role
            and kind in self.kinds
            and shape in self.shapes
            and classes in self.classes
            and method in self.methods
        )


TABLE = (
    Rule(FEATURES, ("float", "small"), form=MIX),
    Rule(FEATURES, ("large", "bool"), refusal=ARE_IDS),
    Rule(FEATURES, refusal=NOT_NUMBERS),
    #
    Rule(TARGETS, ("other",), refusal=NOT_NUMBERS),
    Rule(TARGETS, shapes=("stray",), methods=(CUTS, BOTH), refusal=MAY_BE_A_MAP),
    Rule(TARGETS, shapes=("(batch,)", "(batch, 1)"), classes=GIVEN, form=ONE_HOT),
    Rule(TARGETS, ("float",), ("rows",), GIVEN, form=SHARE),
    Rule(TARGETS, shapes=("rows",), classes=GIVEN, form=ROWS),
    Rule(TARGETS, shapes=("table",), classes=GIVEN, refusal=OTHER_WIDTH),
    Rule(TARGETS, shapes=("map",), classes=GIVEN, form=ONE_HOT),
    Rule(TARGETS, ("small", "large", "bool"), ("block", "stray"), GIVEN, form=ONE_HOT),
    Rule(TARGETS, classes=GIVEN, refusal=OTHER_WIDTH),
    Rule(TARGETS, ("small", "large", "bool"), A_MAP, NOT_GIVEN, (CUTS,), form=CUT),
    Rule(TARGETS, ("float", "bool"), classes=NOT_GIVEN, form=SHARE),
    Rule(TARGETS, INTEGERS, A_MAP, NOT_GIVEN, refusal=NO_CLASSES_OF_MAP),
    Rule(TARGETS, INTEGERS, classes=NOT_GIVEN, refusal=NO_CLASSES),
    #
    Rule(PAIRS, ("other",), refusal=NOT_NUMBERS),
    Rule(PAIRS, shapes=("stray",), methods=(CUTS, BOTH), refusal=MAY_BE_A_MAP),
    Rule(PAIRS, form=PAIRS),
    #
    Rule(MULTI_HOT, ("other",), refusal=NOT_NUMBERS),
    Rule(MULTI_HOT, shapes=("(batch,)", "(batch, 1)"), refusal=NOT_ROWS),
    Rule(MULTI_HOT, form=UNITE),
    #
    Rule(MASKS, ("other",), refusal=NOT_NUMBERS),
    Rule(MASKS, shapes=("stray",), methods=(CUTS, BOTH), refusal=NOT_A_MAP),
    Rule(MASKS, ("float",), ("rows",), GIVEN, form=SHARE),
    Rule(MASKS, shapes=("rows",), classes=GIVEN, form=ROWS),
    Rule(MASKS, shapes=("layers",), classes=GIVEN, refusal=OTHER_WIDTH),
    Rule(MASKS, classes=GIVEN, form=ONE_HOT),
    Rule(MASKS, ("small", "large", "bool"), classes=NOT_GIVEN, methods=(CUTS,), form=CUT),
    Rule(MASKS, ("float", "bool"), classes=NOT_GIVEN, form=SHARE),
    Rule(MASKS, INTEGERS, classes=NOT_GIVEN, refusal=NO_CLASSES_OF_MAP),
    #
    Rule(SAMPLE_WEIGHT, ("other",), refusal=NOT_NUMBERS),
    Rule(SAMPLE_WEIGHT, shapes=("stray",), methods=(CUTS, BOTH), refusal=MAY_BE_A_MAP),
    Rule(SAMPLE_WEIGHT, form=SHARE),
    #
    Rule(PADDING, ("other",), refusal=NOT_NUMBERS),
    Rule(PADDING, ("small", "large", "bool"), A_MAP, methods=(CUTS,), form=CUT),
    Rule(PADDING, ("float",), A_MAP, form=MIX),
    Rule(PADDING, methods=(CUTS, BOTH), refusal=NOT_CUT),
    Rule(PADDING, ("float",), form=MIX),
    Rule(PADDING, form=UNITE),
    #
    Rule(MASK, ("other",), refusal=NOT_NUMBERS),
    Rule(MASK, ("small", "large", "bool"), A_MAP, methods=(CUTS,), form=CUT),
    Rule(MASK, ("bool",), A_MAP, refusal=TWO_KINDS),
    Rule(MASK, INTEGERS, refusal=TWO_KINDS),
    Rule(MASK, ("float",), A_MAP, form=MIX),
    Rule(MASK, methods=(CUTS, BOTH), refusal=NOT_CUT),
    Rule(MASK, ("float",), form=MIX),
    Rule(MASK, form=UNITE),
    #
    Rule(BOXES, NUMBERS, form=BOXES),
    Rule(BOXES, refusal=RAGGED_BOXES),
    #
    Rule(PASS, form=LEFT),
    Rule(INPUTS, form=LEFT),
)


def rule_for(role: str, kind: str, shape: str, classes: bool, method: str) -> Rule:
    """The rule that decides a cell.

    Args:
        role: What the tensor is.
        kind: One of `KINDS`.
        shape: One of `SHAPES`.
        classes: Whether `num_classes` speaks of it.
        method: One of `METHODS`.
    """
    return next(rule for rule in TABLE if rule.fits(role, kind, shape, classes, method))


def kind_of(leaf_dtype: str, dense: bool) -> str:
    """The kind of a dtype."""
    if not dense:
        return "other"
    if leaf_dtype.startswith(("float", "bfloat")):
        return "float"
    if leaf_dtype in ("uint8", "int8", "uint16", "int16"):
        return "small"
    if leaf_dtype in ("uint32", "int32", "uint64", "int64"):
        return "large"
    return "bool" if leaf_dtype == "bool" else "other"


def as_markdown() -> str:
    """The table, and what its forms mean, for the documentation."""

    def cell(values: tuple[Any, ...], everything: tuple[Any, ...], all_: str = "any") -> str:
        return all_ if tuple(values) == tuple(everything) else ", ".join(str(value) for value in values)

    lines = [
        "| what it is | dtype | shape | `num_classes` | method | becomes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rule in TABLE:
        given = {EITHER: "either", GIVEN: "given", NOT_GIVEN: "not given"}[rule.classes]
        form = (
            f"**{rule.form}**"
            if rule.form
            else f"refused: {str(rule.refusal).split('. ')[0].replace('{role}', NOUNS.get(rule.role, rule.role))}"
        )
        form = form.replace("{name}", "name").replace("{size}", "theirs").replace("{classes}", "n")
        cells = (
            rule.role,
            cell(rule.kinds, KINDS),
            cell(rule.shapes, SHAPES),
            given,
            cell(rule.methods, METHODS),
            form,
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"- **{form}**: {meaning}." for form, meaning in MEANING.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
