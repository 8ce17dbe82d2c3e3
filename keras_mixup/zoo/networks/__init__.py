"""The networks, by name: functions `(shape, classes) -> keras.Model` whose output is logits, one per class.

Shapes are those of one example. What other settings a network has is in its family's file.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from keras_mixup.zoo import names
from keras_mixup.zoo.errors import UserError

# Of each: its file and function, and the settings that make it this member of its family.
_NETWORKS = {
    "gin": ("gin.gin", {}),
    "lenet": ("lenet.lenet", {}),
    "mlp": ("mlp.mlp", {}),
    "small_cnn": ("small_cnn.small_cnn", {}),
    "vgg11": ("vgg.vgg11", {}),
    "vgg11_quarter": ("vgg.vgg11", {"filters": 16}),
    "vgg13": ("vgg.vgg13", {}),
    "preact_resnet10": ("preact_resnet.preact_resnet", {"depth": 10}),
    "preact_resnet14": ("preact_resnet.preact_resnet", {"depth": 14}),
    "preact_resnet18": ("preact_resnet.preact_resnet", {"depth": 18}),
    "preact_resnet18_quarter": ("preact_resnet.preact_resnet", {"depth": 18, "filters": 16}),
    "preact_resnet34": ("preact_resnet.preact_resnet", {"depth": 34}),
    "preact_resnet50": ("preact_resnet.preact_resnet", {"depth": 50}),
    "preact_resnet101": ("preact_resnet.preact_resnet", {"depth": 101}),
    "wide_resnet10_1": ("wide_resnet.wide_resnet", {"depth": 10, "width": 1}),
    "wide_resnet10_2": ("wide_resnet.wide_resnet", {"depth": 10, "width": 2}),
    "wide_resnet10_2_half": ("wide_resnet.wide_resnet", {"depth": 10, "width": 2, "stem_stride": 2}),
    "wide_resnet16_1": ("wide_resnet.wide_resnet", {"depth": 16, "width": 1}),
    "wide_resnet16_2": ("wide_resnet.wide_resnet", {"depth": 16, "width": 2}),
    "wide_resnet28_2": ("wide_resnet.wide_resnet", {"depth": 28, "width": 2}),
    "wide_resnet28_10": ("wide_resnet.wide_resnet", {"depth": 28, "width": 10}),
    "mixmatch_resnet": ("wide_resnet.mixmatch_resnet", {}),
    "densenet_bc10": ("densenet_bc.densenet_bc", {"depth": 10, "growth": 12}),
    "densenet_bc100": ("densenet_bc.densenet_bc", {"depth": 100, "growth": 12}),
    "densenet_bc190": ("densenet_bc.densenet_bc", {"depth": 190, "growth": 40}),
    "resnext29_8x64d": ("resnext29.resnext29", {"cardinality": 8, "width": 64}),
    "resnet14": ("resnet.resnet", {"depth": 14}),
    "resnet50": ("resnet.resnet", {"depth": 50}),
    "resnet101": ("resnet.resnet", {"depth": 101}),
    "resnext14_4x4d": ("resnet.resnet", {"depth": 14, "cardinality": 4, "width": 4}),
    "resnext50_32x4d": ("resnet.resnet", {"depth": 50, "cardinality": 32, "width": 4}),
    "resnext101_32x4d": ("resnet.resnet", {"depth": 101, "cardinality": 32, "width": 4}),
    "resnext101_64x4d": ("resnet.resnet", {"depth": 101, "cardinality": 64, "width": 4}),
    "vit1_b16": ("vit.vit", {"depth": 1}),
    "vit_b16": ("vit.vit", {}),
    "coatnet4": ("coatnet.coatnet", {"depths": (1, 1, 1, 1)}),
    "coatnet0": ("coatnet.coatnet", {}),
}
# Of the same kind, with one block in each stage, and few groups of convolutions, as each of them is compiled.
_SMALL = {
    **dict.fromkeys(("preact_resnet18", "preact_resnet34"), "preact_resnet10"),
    **dict.fromkeys(("preact_resnet50", "preact_resnet101"), "preact_resnet14"),
    **dict.fromkeys(("wide_resnet16_2", "wide_resnet28_2", "wide_resnet28_10"), "wide_resnet10_2"),
    "wide_resnet16_1": "wide_resnet10_1",
    **dict.fromkeys(("densenet_bc100", "densenet_bc190"), "densenet_bc10"),
    **dict.fromkeys(("resnet50", "resnet101"), "resnet14"),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x4d", "resnext101_64x4d"), "resnext14_4x4d"),
    "vit_b16": "vit1_b16",
    "coatnet0": "coatnet4",
}

NAMES = tuple(_NETWORKS)


def get(name: str) -> Callable[..., Any]:
    """The function that builds that network. Only the file of its family is imported.

    Args:
        name: One of `NAMES`, or `module:NAME`, a function of your own.

    Raises:
        UserError: If there is none.
    """
    if name not in _NETWORKS:
        if not names.is_own(name):
            raise names.unknown("network", name, NAMES)
        build = names.own("network", name)
        if not callable(build):
            raise UserError(
                "`network` should be a function `(shape, classes) -> keras.Model`. "
                f"Received: network={name}, a {type(build).__name__}."
            )
        return build
    path, settings = _NETWORKS[name]
    module, function = path.split(".")
    build = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return functools.partial(build, **settings) if settings else build


def small(name):
    """The name of a network of the same kind and few blocks, to try out what is slow to build; of others their own.

    Most of a short run of a deep network goes into building it: TensorFlow traces it block by block.
    """
    return _SMALL.get(name, name)
