"""The methods that are timed, by name: one of each kind, with the settings of their papers or of their defaults."""


def averaging():
    """Those that average examples of any kind."""
    from keras_mixup.methods import DMixup, Mixup

    return {"Mixup": Mixup(0.2), "DMixup": DMixup(2)}


def cutting():
    """Those that cut images, at least now and then."""
    from keras_mixup.methods import Choice, CutMix, FMix, Mixup, ResizeMix
    from keras_mixup.smoothmix import SmoothMix

    return {
        "CutMix": CutMix(1.0),
        "Choice of Mixup, CutMix": Choice((Mixup(0.8), CutMix(1.0))),
        "SmoothMix": SmoothMix(),
        "ResizeMix": ResizeMix(),
        "FMix, one per batch": FMix(per="batch"),
        "FMix": FMix(),
    }
