"""What a recipe for GANs is: like `keras_mixup.zoo.recipe.Recipe`, with the settings of a GAN."""

import dataclasses
from typing import ClassVar

from keras_mixup.zoo import datasets
from keras_mixup.zoo.errors import UserError
from keras_mixup.zoo.recipe import Row, check, choice, finite, integer, known, setting


@dataclasses.dataclass(frozen=True)
class Gan:
    """One way to train a GAN: the `method` of a row.

    Args:
        data: The data it learns: a name in `keras_mixup.zoo.gan.mixtures`, or `"images"`.
        alpha: As for `keras_mixup.MixupGAN`; 0 is the plain GAN.
        generator_sees: As for `keras_mixup.MixupGAN`.
        baseline: As for `keras_mixup.MixupGAN`.
        pairs: As for `keras_mixup.MixupGAN`.
        generator_loss: As for `keras_mixup.MixupGAN`; None for that of the recipe.
    """

    data: str
    alpha: float = 0.0
    generator_sees: str = "blends"
    baseline: str | None = None
    pairs: str = "real_fake"
    generator_loss: str | None = None

    label: ClassVar = "mixup"  # what a row with an alpha is called

    def get_config(self):
        """The arguments as plain data, as the methods of `keras_mixup.methods` give them."""
        return dataclasses.asdict(self)


def check_methods(recipe):
    """Raise a `UserError` if a row of a recipe for GANs would not train a GAN."""
    for row in recipe.rows:
        if not isinstance(row.method, Gan):
            raise UserError(
                f"`method` should be a Gan in {recipe.name}, where there are no labels to mix; `--alpha` adds rows of "
                f"other alphas. Received: {type(row.method).__name__}, in the row {row.name}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyRecipe:
    """Points in the plane, and everything that decides the figures.

    Args:
        name: The name of its file.
        title: One line for `keras-mixup list`.
        rows: What is compared; the `method` of each is a `Gan`.
        iterations: Steps of the generator, a positive multiple of 10.
        discriminator_steps: Steps of the discriminator before each of them, >= 1.
        batch_size: Real examples per step, >= 1.
        width: Units of each of the three hidden layers of both networks, >= 1.
        noise_size: Dimensions of the noise, >= 1.
        learning_rate: Of Adam, > 0.
        generator_loss: As for `keras_mixup.MixupGAN`.
        seeds: Runs per row, >= 1, with the seeds 0, 1, ...

    Raises:
        UserError: If a setting is out of its range.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    iterations: int = setting("a positive multiple of 10", lambda x: integer(10)(x) and x % 10 == 0)
    discriminator_steps: int = setting("a positive integer", integer(1))
    batch_size: int = setting("a positive integer", integer(1))
    width: int = setting("a positive integer", integer(1))
    noise_size: int = setting("a positive integer", integer(1))
    learning_rate: float = setting("a finite number > 0", lambda x: finite(x) and x > 0)
    generator_loss: str = setting(*choice(("saturating", "non_saturating")))
    seeds: int = setting("a positive integer", integer(1))

    def __post_init__(self):
        check(self)
        check_methods(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesRecipe:
    """Small images, and everything that decides the figures.

    Args:
        name: The name of its file.
        title: One line for `keras-mixup list`.
        dataset: A name in `keras_mixup.zoo.datasets`.
        rows: What is compared; the `method` of each is a `Gan`.
        train_size: Number of real images, >= 100; drawn anew for each seed, the same for each row.
        iterations: Steps of the generator, a positive multiple of 10.
        discriminator_steps: Steps of the discriminator before each of them, >= 1.
        batch_size: Real images per step, >= 1.
        filters: Of the discriminator's first convolution, >= 1; the others have multiples of it.
        noise_size: Dimensions of the noise, >= 1.
        learning_rate: Of Adam, > 0.
        momentum: Adam's beta_1, in [0, 1).
        batch_norm: 1 to normalise batches in the generator, as DCGAN does; 0 for the harder setting.
        generator_loss: As for `keras_mixup.MixupGAN`.
        seeds: Runs per row, >= 1, with the seeds 0, 1, ...

    Raises:
        UserError: If a setting is out of its range.
    """

    name: str
    title: str
    dataset: str = setting(*known(datasets.NAMES, datasets.is_file), kind="data")
    rows: tuple[Row, ...]
    train_size: int = setting("an integer >= 100", integer(100), kind="data")
    iterations: int = setting("a positive multiple of 10", lambda x: integer(10)(x) and x % 10 == 0)
    discriminator_steps: int = setting("a positive integer", integer(1))
    batch_size: int = setting("a positive integer", integer(1))
    filters: int = setting("a positive integer", integer(1))
    noise_size: int = setting("a positive integer", integer(1))
    learning_rate: float = setting("a finite number > 0", lambda x: finite(x) and x > 0)
    momentum: float = setting("a number in [0, 1)", lambda x: 0 <= x < 1)
    batch_norm: int = setting(*choice((0, 1)))
    generator_loss: str = setting(*choice(("saturating", "non_saturating")))
    seeds: int = setting("a positive integer", integer(1))

    def __post_init__(self):
        check(self)
        check_methods(self)
