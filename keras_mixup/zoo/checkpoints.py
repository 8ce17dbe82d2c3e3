"""Checkpoints of a run: one file per epoch, whole or not there, checked when read. The last two are kept.

    checkpoint-0007.npz    all variables of the model and the optimiser after 7 epochs, and the records of these epochs

A file is a NumPy archive without pickled objects; the archive keeps a checksum of each array.
"""

import itertools
import json

import numpy as np

from keras_mixup.zoo import atomic

KEPT = 2


def save(folder, model, history):
    """Write a checkpoint after an epoch.

    Args:
        folder: The run's folder.
        model: A compiled Keras model; its layers' random state, its optimiser and moving averages are variables, too.
        history: The records of all epochs so far.
    """
    arrays = {f"{i:05}": value for i, value in enumerate(values(_variables(model)))}
    records = np.frombuffer(json.dumps(history).encode(), "uint8")
    with atomic.replacing(folder / f"checkpoint-{len(history):04}.npz") as path:
        np.savez(path, history=records, **arrays)
    for path in paths(folder)[KEPT:]:
        path.unlink()


def restore(folder, model, report):
    """Bring a model to where the newest readable checkpoint left it.

    Args:
        folder: The run's folder.
        model: The model, compiled, as it was built in the run that wrote the checkpoints.
        report: Called with a line of text for each checkpoint that cannot be used.

    Returns:
        The records of the epochs that are done; an empty list if there is no checkpoint.
    """
    variables = _variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    found = paths(folder)
    for path, older in itertools.zip_longest(found, found[1:]):
        try:
            history, stored = _read(path)
            if [value.shape for value in stored] != shapes:
                raise ValueError("it is of another network or optimiser")
        except Exception as error:  # a damaged archive makes its reader raise almost anything
            instead = "starting anew" if older is None else f"trying {older.name}"
            report(f"{path} cannot be used ({type(error).__name__}: {error}); {instead}")
            continue
        for variable, value in zip(variables, stored, strict=True):
            variable.assign(value)
        return history
    return []


def paths(folder):
    """The checkpoints of a run, newest first."""
    found = [path for path in folder.glob("checkpoint-*.npz") if _epoch(path).isdecimal()]
    return sorted(found, key=lambda path: int(_epoch(path)), reverse=True)


def remove(folder):
    """Delete the checkpoints of a run that has its result."""
    for path in paths(folder):
        path.unlink()


def values(variables):
    """Copies of variables as arrays, wherever they lie."""
    import keras

    # By way of tensors, as a variable on several devices is not an array to NumPy.
    return [np.array(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))) for variable in variables]


def _epoch(path):
    return path.stem.removeprefix("checkpoint-")


def _variables(model):
    # A wrapped optimiser, as for float16, lists the variables of the inner one.
    return [*model.variables, *model.optimizer.variables]


def _read(path):
    with np.load(path, allow_pickle=False) as archive:  # reading an array compares its checksum
        history = json.loads(archive["history"].tobytes())
        return history, [archive[name] for name in sorted(archive.files) if name != "history"]
