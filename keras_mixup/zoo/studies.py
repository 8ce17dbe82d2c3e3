"""Which study a recipe is for, by its kind."""

from keras_mixup.zoo.classifiers import Classifiers
from keras_mixup.zoo.gan.images import Images
from keras_mixup.zoo.gan.recipe import ImagesRecipe, ToyRecipe
from keras_mixup.zoo.gan.toy import Toy
from keras_mixup.zoo.recipe import Recipe
from keras_mixup.zoo.semi_supervised import SemiSupervised, SemiSupervisedRecipe
from keras_mixup.zoo.tabular import Tabular, TabularRecipe

KINDS = {
    Recipe: Classifiers,
    SemiSupervisedRecipe: SemiSupervised,
    TabularRecipe: Tabular,
    ToyRecipe: Toy,
    ImagesRecipe: Images,
}


def of(recipe):
    """The study of a recipe: that of its kind, or of the kind that this one is derived from."""
    return next(KINDS[kind] for kind in type(recipe).__mro__ if kind in KINDS)(recipe)
