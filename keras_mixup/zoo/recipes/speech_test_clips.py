"""The test clips of Speech Commands, split by speaker, LeNet: ERM against mixup and MixupE.

Test error 24.63 % for ERM, 25.05 % for mixup with alpha 0.1, 27.52 % with alpha 0.2 and 26.07 % for MixupE; means of 3
seeds, each with its own speakers, and seed by seed the differences to ERM are +0.41 ± 1.06, +2.88 ± 2.60 and +1.43 ±
0.41. So in ten epochs on 4,000 clips nothing is gained, and likelihood and calibration suffer as well: the rows that
mix have learned less by then, as their curves show, and the learning rate has fallen to 0. In the papers, with ten
times the clips and twice the epochs, LeNet gains 0.3 to 0.4 points of 10.4, VGG more. Four to six minutes per run on
one core; 2026-11-21. Table and plots: `keras_mixup/zoo/results/speech_test_clips`.

    keras-mixup run speech_test_clips --data-dir DIR

Data: the 4,890 clips of 12 classes that were published as the test set of version 0.02
(http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz): about 400 of each of ten words, of silence
and of other words. DIR is the unpacked archive, or where they are prepared for TensorFlow Datasets under the name
`speech_commands_test`. For each seed about four fifths of the speakers are trained on and the others tested on; no
speaker is on both sides.

Front end, network, batches, alpha and eta are those of `speech_commands` and `speech_mixupe`; the training set is a
tenth of theirs, the task is another one and the budget is for a laptop, so no figure of a paper compares.

MixupE with eta 0 is a control of our own, announced and not run yet: its second, clean pass in training moves the
averages of batch normalisation, but it has no penalty. What MixupE gains over it, the penalty does; what it gains over
mixup may be either.
"""

from keras_mixup.methods import Mixup
from keras_mixup.mixupe import MixupE
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="speech_test_clips",
    title="Test clips of Speech Commands, LeNet: ERM against mixup and MixupE",
    dataset="speech_commands_test",
    network="lenet",
    rows=(
        Row("erm", "ERM"),
        Row("mixup-0.1", "mixup, alpha 0.1", Mixup(alpha=0.1, per="batch")),
        Row("mixup-0.2", "mixup, alpha 0.2", Mixup(alpha=0.2, per="batch")),
        Row("mixupe", "MixupE, alpha 0.2, eta 0.01", MixupE(alpha=0.2, eta=0.01), against=("mixupe-0",)),
        Row("mixupe-0", "MixupE, alpha 0.2, eta 0", MixupE(alpha=0.2, eta=0.0)),
    ),
    epochs=10,
    batch_size=100,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=0.0,
    seeds=3,
)
