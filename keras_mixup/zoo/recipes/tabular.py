"""Tables of UCI, or your own: ERM against mixup, MixupE and C-Mixup (mixup, table 4; MixupE, table 4).

The whole table was run: 450 runs, ten splits for each row, about 45 minutes on one core shared with other work;
2026-11-21. Table and plot: `keras_mixup/zoo/results/tabular`. Mixup gains nothing on these tables. None of the 26
differences in error to plain training is shown: of random splits the training parts overlap, and the t-test that is
corrected for it finds p from 0.06 upwards before Holm's correction. Five published gains are refuted, those of mixup
with alpha 0.2 on arcene, arrhythmia, iris and phishing, and that of MixupE on iris. Where the papers compare:

- MixupE's figures for plain training are met within the splits' spread (abalone in 3 classes 33.5 against 35.05 %,
  arrhythmia 33.9 against 34.60 %, iris 13.3 against 9.06 %); its gains on abalone and iris, 0.1 and 1.8 points,
  are not seen.
- Mixup's are not met: plain training gives 21 % on arcene, 33 % on arrhythmia and 3.7 % on phishing, where its table
  has 57.6, 56.6 and 16.3 %. On two classes 57.6 % is worse than guessing. Why is not known: for phishing it
  is not the standardised columns, as plain training on columns as they are gave 4.1 % in a trial that is not kept.
- C-Mixup is better than mixup on airfoil, RMSE 2.98 against 3.13, and no better on concrete; plain training is better
  than both, 1.75 and 4.90, which is shown of all but C-Mixup on concrete. Columns and targets are standardised here;
  whether that leaves no room was not tested.

    keras-mixup run tabular --data-dir DIR
    keras-mixup run tabular --row iris-erm iris-mixup-0.2 iris-mixup-1.0
    keras-mixup run tabular --set csv=FILE target=COLUMN epochs=50

The first is 450 runs. Iris needs no file, as it comes with scikit-learn. A CSV file of your own takes the place of the
rows: with a class to predict they are ERM, mixup and MixupE, with a number ERM, mixup and C-Mixup.

Data: in DIR the files as https://archive.ics.uci.edu ships them, `concrete.csv` being its `Concrete_Data.xls` saved as
CSV. How a table is read, split and standardised says `zoo/datasets/tables.py`; each of the ten seeds is a split of its
own. Abalone has 28 classes, its numbers of rings; `abalone3` groups them as its description proposes.

Network: two hidden layers of 128 ReLU units, trained by Adam, with a weight per batch.

    10 epochs     batches of 16, rate 0.001, as in mixup; the whole table of its paper
    25 epochs     batches of 100, rate 0.001, as in MixupE; three of its 15 sets, and the others
    100 epochs    batches of 16, rate 0.01, as in C-Mixup's program for airfoil

Not found, and so chosen beforehand: how the papers split and standardise; the alpha of mixup, here 0.2 and 1.0;
the alpha and eta that MixupE chose for each table, here those that it chose for speech; the classes of its abalone,
whose error of 35 % fits three; the bandwidth for concrete, here in standard deviations that of C-Mixup for airfoil.
C-Mixup's partners are drawn from all the training data, as in its paper; its program scales features to [0, 1] and
trains on targets as they are, here both are standardised. From the batch of 16 alone, where one is mostly one's own
partner, C-Mixup came out at 2.54 and 5.68.

There is no row of MixupE with eta 0, the control of the other recipes: this network has neither batch normalisation nor
dropout, so a second pass leaves no trace, and mixup is that control.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.pairing import LabelDistance
from keras_mixup.zoo.recipe import Published, Row
from keras_mixup.zoo.tabular import TabularRecipe

# Test error in percent of ERM and mixup: mixup (arXiv 1710.09412), table 4.
_MIXUP = {
    "abalone": (74.0, 73.6),
    "arcene": (57.6, 48.0),
    "arrhythmia": (56.6, 46.3),
    "htru2": (2.0, 2.0),
    "iris": (21.3, 17.3),
    "phishing": (16.3, 15.2),
}
# Test error in percent and its standard deviation of ERM, mixup and MixupE: MixupE (arXiv 2212.13381), table 4.
_MIXUPE = {
    "abalone3": ((35.05, 0.61), (35.07, 0.69), (34.91, 0.70)),
    "arrhythmia": ((34.60, 3.10), (35.49, 3.88), (34.85, 3.99)),
    "iris": ((9.06, 7.01), (8.14, 6.48), (7.29, 6.95)),
}
_TITLES = {
    "abalone": "Abalone",
    "abalone3": "Abalone in 3 classes",
    "arcene": "Arcene",
    "arrhythmia": "Arrhythmia",
    "htru2": "HTRU2",
    "iris": "Iris",
    "phishing": "Phishing",
    "airfoil": "Airfoil",
    "concrete": "Concrete",
}


def _as_in_mixup(dataset, erm=None, mixup=None):
    def published(error):
        return error and Published(error, "arXiv 1710.09412, table 4", "from memory")

    settings, title = {"dataset": dataset}, f"{_TITLES[dataset]}, 10 epochs"
    return (
        Row(f"{dataset}-erm", f"{title}, ERM", None, published(erm), settings),
        Row(f"{dataset}-mixup-0.2", f"{title}, mixup, alpha 0.2", Mixup(0.2, per="batch"), published(mixup), settings),
        Row(f"{dataset}-mixup-1.0", f"{title}, mixup, alpha 1.0", Mixup(1.0, per="batch"), None, settings),
    )


def _as_in_mixupe(dataset, *errors):
    methods = {
        "erm": ("ERM", None),
        "mixup": ("mixup, alpha 0.2", Mixup(0.2, per="batch")),
        "mixupe": ("MixupE, alpha 0.2, eta 0.01", MixupE(0.2, eta=0.01)),
    }
    settings = {"dataset": dataset, "epochs": 25, "batch_size": 100}
    for i, (name, (title, method)) in enumerate(methods.items()):
        published = None
        if errors:
            published = Published(errors[i][0], "arXiv 2212.13381, table 4", "verified", std=errors[i][1])
        yield Row(f"{dataset}-{name}-25", f"{_TITLES[dataset]}, 25 epochs, {title}", method, published, settings)


def _as_in_c_mixup(dataset, bandwidth):
    methods = {
        "erm": ("ERM", None),
        "mixup": ("mixup, alpha 2", Mixup(2.0, per="batch")),
        "c-mixup": ("C-Mixup, alpha 2", Mixup(2.0, per="batch", pairing=LabelDistance(bandwidth))),
    }
    for name, (title, method) in methods.items():
        settings = {"dataset": dataset, "epochs": 100, "learning_rate": 0.01}
        settings |= {"pairs": "near_targets"} if name == "c-mixup" else {}
        yield Row(f"{dataset}-{name}", f"{_TITLES[dataset]}, 100 epochs, {title}", method, settings=settings)


RECIPE = TabularRecipe(
    name="tabular",
    title="Tables of UCI, or any CSV file: ERM against mixup, MixupE and C-Mixup",
    dataset="iris",
    network="mlp",
    rows=(
        *(row for dataset, errors in _MIXUP.items() for row in _as_in_mixup(dataset, *errors)),
        *(row for dataset in ("abalone3", *_MIXUP) for row in _as_in_mixupe(dataset, *_MIXUPE.get(dataset, ()))),
        *_as_in_c_mixup("airfoil", bandwidth=1.75),
        *_as_in_c_mixup("concrete", bandwidth=4.2),
    ),
    epochs=10,
    batch_size=16,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    steps_at_once=1000,
    seeds=10,
)
