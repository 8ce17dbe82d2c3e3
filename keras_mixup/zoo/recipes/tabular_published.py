"""Tables of UCI, whole, twenty splits: the rows of `tabular` for which mixup and MixupE published a figure.

Announced, and not run yet: there are no results. What follows was written before the first run.

    keras-mixup run tabular_published --data-dir DIR

Hypotheses are the published ones: mixup has a lower test error than ERM on abalone, arcene, arrhythmia, iris and
phishing, and the same on HTRU2 (arXiv 1710.09412, table 4, from memory: 74.0, 57.6, 56.6, 21.3, 16.3 and 2.0 % for ERM
against 73.6, 48.0, 46.3, 17.3, 15.2 and 2.0); MixupE has a lower one on abalone in three classes and iris, not on
arrhythmia (arXiv 2212.13381, table 4, verified: 35.05, 9.06 and 34.60 % for ERM against 34.91, 7.29 and 34.85).
Score: error on the test part after the last epoch, differences to ERM paired by split. Twenty splits, and all rows of
every table. The training parts of random splits overlap, so the test is the corrected resampled t-test, whose variance
has 1/n + n_test/n_train for 1/n (Nadeau and Bengio, 2003), with Holm's correction over the 12 comparisons.

The first ten splits are those of the table `tabular`, which had been seen, and in which none of these gains showed: so
this is a sharper look with twice the splits and half the comparisons, and not a confirmation by fresh data.

Data, DIR, networks, alphas and budgets: as in `tabular`. Nothing was tuned.
"""

import dataclasses

from keras_mixup.zoo.recipes import tabular

RECIPE = dataclasses.replace(
    tabular.RECIPE,
    name="tabular_published",
    title="Tables of UCI, twenty splits: the published comparisons of mixup and MixupE",
    rows=tuple(row for row in tabular.RECIPE.rows if row.published),
    seeds=20,
)
