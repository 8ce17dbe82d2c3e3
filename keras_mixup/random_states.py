"""Models whose random states are saved with their weights, so that a resumed run is the one that was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import numpy as np

KEY = "random_states"

if TYPE_CHECKING:  # what `super()` means once it stands before `keras.Model`
    Base: TypeAlias = keras.Model
else:
    Base = object


class RandomStates(Base):
    """A base of models that save the state of every `keras.random.SeedGenerator` in them, that of dropout among them.

    Keras saves none. With it training goes on with the draws that would have followed, after `.keras` files, files of
    weights, `BackupAndRestore`, and TensorFlow's checkpoints alike. Put it before `keras.Model`.

    On torch Keras' dropout draws from torch's own generator, of which no model knows.
    """

    def random_states(self) -> list[Any]:
        """The variables that hold the states, in the order of the layers."""
        found = {id(v): v for v in self.non_trainable_variables if v.name == "seed_generator_state"}
        return list(found.values())

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        states = [keras.ops.convert_to_numpy(state) for state in self.random_states()]
        store[KEY] = np.stack(states) if states else np.zeros((0, 2), "int64")

    def load_own_variables(self, store: Any) -> None:
        saved = np.asarray(store[KEY]) if KEY in store.keys() else None
        super().load_own_variables({key: store[key] for key in store.keys() if key != KEY})
        states = self.random_states()
        if saved is None or len(saved) != len(states):
            raise ValueError(
                f"What is loaded should hold the states of the {len(states)} random generators of the model. "
                f"Received: {'none' if saved is None else len(saved)}. The model that was saved had other random "
                "layers. To take the weights alone, load them with `skip_mismatch=True`."
            )
        for state, value in zip(states, saved, strict=True):
            state.assign(value)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        # What `tf.train.Checkpoint` writes; only TensorFlow asks for it.
        children = super()._trackable_children(save_type, **kwargs)
        if save_type == "checkpoint":
            children |= {f"random_state_{k}": state.value for k, state in enumerate(self.random_states())}
        return children
