"""Mixing inside the train step: the step with and without it, and the mix by itself against a copy of the same size.

The mix reads a batch and writes one of the same shape; nothing that does this can be faster than a copy. Its bytes per
second count what has to move, one batch in and one out, whatever else a poor program would move besides. The copy
changes signs (or casts pixels to floats), because a compiler leaves out a copy that changes nothing.

On TensorFlow the mix is compiled by XLA, and the step is timed with and without XLA; on JAX all is compiled; on torch
nothing is.
"""

import math
import statistics

from keras_mixup.bench import family, turns
from keras_mixup.bench.table import dimensions, headings, legend, table
from keras_mixup.zoo.errors import UserError

SMALL = "small"
SHAPES = {SMALL: (128, 32, 32, 3)}
IMAGENET = (16, 224, 224, 3)  # for every other network
MEMORY = (128, 224, 224, 3)
KINDS = (("float32", "float32"), ("bfloat16", "bfloat16"), ("uint8", "float32"))
CALLS = 5  # of the mix in a turn
ALPHA = 0.2
WITHOUT, WITH, ALONE = "without mixing", "with MixupModel", "the mix by itself"
MIXUPE, ONE_PASS = "MixupE, two passes", "MixupE, one pass"

STEP_COLUMNS = {
    "ms": ("ms per step", "median over steps: forward, backward, update, metrics"),
    "cpu_ms": ("processor ms", "the same in processor time, all cores together"),
    "more_percent": ("% more", "how much longer than the step without mixing, median over turns"),
    "more_percent_low": (
        "% from",
        "the first quartile of that; where it is below 0, the machine was louder than the mix",
    ),
    "more_percent_high": ("% to", "the third quartile"),
    "to_mixup": ("/ mixup", "how many times as long as the step with MixupModel and mixup"),
    "of_step_percent": ("% of step", "what mixes, by itself, as a share of the step without mixing"),
}
MEMORY_COLUMNS = {
    "mix_ms": ("mix, ms", "the mix of the features by itself, weights and partners given"),
    "mix_gb_per_s": ("mix, GB/s", "bytes of one batch in and one out by that time"),
    "copy_ms": ("copy, ms", "a copy of the same size"),
    "copy_gb_per_s": ("copy, GB/s", "the same bytes by that time"),
    "to_copy": ("mix / copy", "how many times as long as the copy, median over turns"),
}


def measure(shapes, seconds, say, network=SMALL):
    """Time the train step of a network with and without mixing, and the mix against a copy.

    Args:
        shapes: Shapes of image batches; None for one that suits the network.
        seconds: For how long to take turns, in all.
        say: Function that tells the user what comes next.
        network: `"small"`, or the name of a network of `keras.applications`.

    Returns:
        A dict that JSON can hold: `device`, `network`, `steps` and `memory`.

    Raises:
        UserError: If there is no such network, or it does not take images of that size.
    """
    shapes = shapes or (SHAPES.get(network, IMAGENET),)
    compilers = _compilers()
    made = [(shape, xla) for shape in shapes for xla in compilers]
    for shape in shapes:
        build(network, shape)  # or it is refused, before anything is measured
    result = {"device": device(), "network": network, "alpha": ALPHA, "steps": [], "methods": [], "memory": []}
    for shape, xla in made:
        say(f"{network}, {dimensions(shape)}, {_words(xla)}: the train step, compiled first")
        found = step(network, shape, xla, seconds / (3 * len(made)))
        result["steps"].append({"shape": list(shape), "xla": xla, **found})
        say(f"{dimensions(shape)}, {_words(xla)}: each method by itself, compiled first")
        shares = methods(shape, xla, found["contenders"][WITHOUT]["ms"], seconds / (3 * len(made)))
        result["methods"].append({"shape": list(shape), "xla": xla, "contenders": shares})
    for kind in KINDS:
        say(f"the mix and a copy of {dimensions(MEMORY)} {kind[0]}")
        result["memory"].append(memory(MEMORY, kind, seconds / (3 * len(KINDS))))
    return result


def step(network, shape, xla, seconds):
    """The train step of equal networks, without mixing, with mixup and with MixupE, and the mix by itself."""
    import keras

    from keras_mixup.mixupe import MixupE
    from keras_mixup.model import MixupModel

    plain = build(network, shape)
    x, y = _batch(shape, "float32", plain.output_shape[-1])

    def train(model):
        model.compile(
            optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            jit_compile=xla,
        )
        return lambda: turns.timed(lambda: model.train_on_batch(x, y))

    methods = {WITH: ALPHA, MIXUPE: MixupE(ALPHA), ONE_PASS: MixupE(ALPHA, one_pass=True)}
    mixing = {name: train(MixupModel(build(network, shape), method, seed=1)) for name, method in methods.items()}
    alone, _ = _mix_and_copy(x, "float32")
    samples = turns.take_turns({WITHOUT: train(plain), **mixing, ALONE: alone}, seconds)
    figures = turns.summary(samples)
    for name in mixing:
        keys = ("more_percent", "more_percent_low", "more_percent_high")
        figures[name] |= dict(zip(keys, turns.percent_more(samples, name, WITHOUT), strict=True))
        figures[name]["to_mixup"] = statistics.median(turns.ratios(samples, name, WITH))
    figures[ALONE]["of_step_percent"] = 100 * statistics.median(turns.ratios(samples, ALONE, WITHOUT))
    return {"rounds": len(samples[WITHOUT]["ms"]), "contenders": figures}


def methods(shape, xla, step_ms, seconds):
    """What each method does to a batch in a step, drawing and targets included, and its share of a step."""
    import keras

    from keras_mixup.batch import mix_batch

    x, y = _batch(shape, "float32", 10)
    named = family.averaging() | family.cutting()

    def contender(method):
        mix = _compiled(lambda x, y, seed: mix_batch((x, y), method, seed)[0], xla)
        number = iter(range(10**9))

        def work():
            mixed = mix(x, y, _seed(next(number)))
            keras.ops.convert_to_numpy(mixed[(slice(0, 1),) * len(mixed.shape)])

        return lambda: turns.timed(work, times=2)

    samples = turns.take_turns({name: contender(method) for name, method in named.items()}, seconds)
    figures = turns.summary(samples)
    for name in figures:
        figures[name]["of_step_percent"] = 100 * figures[name]["ms"] / step_ms
    return figures


def memory(shape, kind, seconds):
    """The mix against a copy: time and bytes per second."""
    given, made = kind
    x, _ = _batch(shape, given, 2)
    mix, copy = _mix_and_copy(x, made)
    samples = turns.take_turns({"mix": mix, "copy": copy}, seconds)
    figures = turns.summary(samples)
    size = {"float32": 4, "bfloat16": 2, "uint8": 1}
    moved = math.prod(shape) * (size[given] + size[made])
    return {
        "shape": list(shape),
        "from": given,
        "to": made,
        "bytes": moved,
        "rounds": len(samples["mix"]["ms"]),
        **{f"{name}_ms": figures[name]["ms"] for name in figures},
        **{f"{name}_gb_per_s": moved / figures[name]["ms"] / 1e6 for name in figures},
        "to_copy": statistics.median(turns.ratios(samples, "mix", "copy")),
    }


def text(result):
    """All tables."""
    parts = []
    for found in result["steps"]:
        title = (
            f"{result['network']}, {dimensions(found['shape'])} float32, {_words(found['xla'])}, "
            f"on {result['device'] or 'the processor'}, {found['rounds']} rounds"
        )
        parts.append(table(title, headings(STEP_COLUMNS), found["contenders"]))
    for found in result["methods"]:
        title = f"Each method by itself, drawing included, {dimensions(found['shape'])} float32, {_words(found['xla'])}"
        parts.append(table(title, headings(STEP_COLUMNS), found["contenders"]))
    parts.append(legend(STEP_COLUMNS))
    rows = {f"{found['from']} to {found['to']}": found for found in result["memory"]}
    parts.append(table(f"{dimensions(MEMORY)}, against a copy", headings(MEMORY_COLUMNS), rows))
    parts.append(legend(MEMORY_COLUMNS))
    return "\n\n".join(parts)


def build(name, shape):
    """A network for batches of that shape, with logits as outputs."""
    import keras

    if len(shape) != 4:
        like = dimensions(IMAGENET)
        raise UserError(f"`--suite model` needs images, like {like}. Received: --shape {dimensions(shape)}.")
    if name == SMALL:
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input(shape[1:]),
                *(
                    layer
                    for width in (16, 32, 64)
                    for layer in (
                        layers.Conv2D(width, 3, strides=2 if width > 16 else 1, padding="same", use_bias=False),
                        layers.BatchNormalization(),
                        layers.ReLU(),
                    )
                ),
                layers.GlobalAveragePooling2D(),
                layers.Dense(10),
            ]
        )
    known = [known for known in dir(keras.applications) if known[0].isupper()]
    if name not in known:
        raise UserError(f"`--network` should be one of: {SMALL}, {', '.join(known)}. Received: --network {name}.")
    try:
        return getattr(keras.applications, name)(weights=None, input_shape=shape[1:], classifier_activation=None)
    except ValueError as error:
        raise UserError(f"{name} does not take batches of {dimensions(shape)}: {error}") from error


def device():
    """The accelerator in words; None if there is none and the processor does the work."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU") if found else None
    if backend == "jax":
        import jax

        return None if jax.default_backend() == "cpu" else jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _batch(shape, kind, classes):
    """Features of a kind and one-hot rows, on the device."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, shape, dtype="uint8") if kind == "uint8" else rng.random(shape, dtype="float32")
    y = np.eye(classes, dtype="float32")[rng.integers(0, classes, shape[0])]
    return keras.ops.cast(keras.ops.convert_to_tensor(x), kind), keras.ops.convert_to_tensor(y)


def _mix_and_copy(x, kind):
    """Two contenders for `take_turns`: several mixes, and several copies, of the same features."""
    import keras
    import numpy as np

    from keras_mixup.mixing import Draw, blend

    rng, size = np.random.default_rng(1), x.shape[0]
    weight = keras.ops.convert_to_tensor(rng.uniform(size=size).astype("float32"))
    partner = keras.ops.convert_to_tensor(rng.permutation(size).astype("int32"))
    same = keras.backend.standardize_dtype(x.dtype) == kind

    def mix(x, weight, partner):
        return blend(x, Draw(weight, partner), kind)

    def copy(x, weight, partner):
        return -x if same else keras.ops.cast(x, kind)

    def contender(function):
        function = _compiled(function)

        def work():
            for _ in range(CALLS):
                made = function(x, weight, partner)
            # Devices work behind our back: a number that has arrived here tells that all before it is done.
            keras.ops.convert_to_numpy(keras.ops.cast(made[(slice(0, 1),) * len(made.shape)], "float32"))

        def once():
            return {key: value / CALLS for key, value in turns.timed(work).items()}

        return once

    return contender(mix), contender(copy)


def _seed(number):
    """What the mix of a step is given to draw from."""
    import keras

    if keras.backend.backend() == "tensorflow":
        return keras.ops.convert_to_tensor([number, 1], "int64")
    if keras.backend.backend() == "jax":
        import jax

        return jax.random.key(number)
    return number


def _compiled(function, xla=True):
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=xla, autograph=False)
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function


def _compilers():
    """With XLA, without, or both."""
    import keras

    return {"tensorflow": (True, False), "jax": (True,)}.get(keras.backend.backend(), (False,))


def _words(xla):
    return "with XLA" if xla else "without XLA"
