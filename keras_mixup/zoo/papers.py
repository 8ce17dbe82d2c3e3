"""What the recipes of the two papers have in common: budgets on small images, networks, methods.

How far a published figure was verified, its tag:

    verified                    read in the paper, or in the authors' program or its description
    transcribed                 read in somebody's copy or quotation of it
    from memory, fits the text  remembered, and it agrees with sentences of the paper that were read
    from memory                 remembered
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Published, Row

# mixup (arXiv 1710.09412), section 3.2, and its programs.
MIXUP = {
    "epochs": 200,
    "batch_size": 128,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "schedule": "step",
    "milestones": (100, 150),
    "decay_factor": 0.1,
    "weight_decay": 1e-4,
    "decay": "l2",
    "augment": "pad_crop_flip",
}
# The schedule of wide residual networks (arXiv 1605.07146), section 3.
WRN = {"milestones": (60, 120, 160), "decay_factor": 0.2}
# MixupE (arXiv 2212.13381) and, where the paper is silent, its program: in what it differs from mixup.
MIXUPE = {
    "batch_size": 100,
    "optimizer": "nesterov",
    "warmup_epochs": 10,
    "warmup_from": 0.01,
    "augment": "pad2_crop_flip",
}
TITLES = {
    "preact_resnet18": "PreAct ResNet-18",
    "preact_resnet34": "PreAct ResNet-34",
    "preact_resnet50": "PreAct ResNet-50",
    "preact_resnet101": "PreAct ResNet-101",
    "wide_resnet28_10": "WRN-28-10",
    "densenet_bc190": "DenseNet-BC-190",
}


def mixup_rows(name, network, *errors, **settings):
    """ERM and mixup on one network, as in mixup's section 3.2.

    Args:
        name: What the names of the rows begin with.
        network: A name in `keras_mixup.zoo.networks`.
        *errors: The published errors, each in percent with its tag.
        **settings: Other settings of the rows.

    Returns:
        Two rows.
    """
    methods = {"erm": ("ERM", None), "mixup": ("mixup", Mixup(alpha=1.0, per="batch"))}
    return tuple(
        Row(
            f"{name}-{key}",
            f"{TITLES[network]}, {label}",
            method,
            Published(error, "arXiv 1710.09412, section 3.2", tag),
            {"network": network, **settings},
        )
        for (key, (label, method)), (error, tag) in zip(methods.items(), errors, strict=True)
    )


def mixupe_rows(name, network, *published, alpha=1.0, eta=1e-3, label="", **settings):
    """ERM, mixup and MixupE on one network, as in MixupE's tables, and MixupE with eta 0.

    The last is a control of our own. Its second, clean pass in training moves the averages of batch normalisation, but
    it has no penalty: what MixupE gains over it, the penalty does.

    Args:
        name: What the names of the rows begin with.
        network: A name in `keras_mixup.zoo.networks`.
        *published: Three `Published`; the control has none.
        alpha: Of both methods.
        eta: Of MixupE.
        label: What the titles say after the network.
        **settings: Other settings of the rows.

    Returns:
        Four rows.
    """
    methods = {
        "erm": ("ERM", None),
        "mixup": ("mixup", Mixup(alpha=alpha, per="batch")),
        "mixupe": (f"MixupE, eta {eta:g}", MixupE(alpha=alpha, eta=eta)),
        "mixupe-0": ("MixupE, eta 0", MixupE(alpha=alpha, eta=0.0)),
    }
    return tuple(
        Row(
            f"{name}-{key}",
            f"{TITLES[network]}{label}, {method_label}",
            method,
            figure,
            {"network": network, **settings},
        )
        for (key, (method_label, method)), figure in zip(methods.items(), (*published, None), strict=True)
    )


def mixupe_table1(*figures):
    """Published errors of MixupE's table 1, from pairs of an error and its standard deviation, in percent."""
    return tuple(Published(error, "arXiv 2212.13381, table 1", "verified", std) for error, std in figures)
