"""The test clips of Speech Commands, split by speaker, VGG-11 at a quarter of its width: ERM against mixup.

Announced; one of 15 runs is finished (`keras_mixup/zoo/results/speech_speakers/runs`), so there are no results. What
follows was written before the first run.

    keras-mixup run speech_speakers --data-dir DIR

Hypothesis: mixup with alpha 0.1 and 0.2 lowers the test error of VGG-11. In the paper it does, 4.6, 3.8 and 3.4 %
(from memory; arXiv 1710.09412, figure 4: 30 words, thirteen times the clips, full width: beside ours, not the same
experiment), while LeNet loses, as it does in `speech_test_clips`. Score: test error after the last epoch, differences
paired by seed; five seeds, each with speakers of its own to test on. Their training parts overlap, so an interval that
takes them for independent is too short, and Nadeau and Bengio's correction belongs to it. NLL and ECE stand beside, and
no claim rests on them.

Data: the 4,890 clips of 12 classes that `speech_test_clips` describes; DIR as there. Budget: that of the paper, 30
epochs of Adam, 0.003 divided by 10 every 10, batches of 100, no mixing in the first five (not verified), a weight per
batch. The convolutions have 16 to 128 filters instead of 64 to 512, the dense layer 128 units. Nothing was tuned.
"""

from keras_mixup.methods import Mixup
from keras_mixup.zoo.recipe import Recipe, Row

RECIPE = Recipe(
    name="speech_speakers",
    title="Test clips of Speech Commands, VGG-11 at a quarter of the width: ERM against mixup",
    dataset="speech_commands_test",
    network="vgg11_quarter",
    rows=(
        Row("erm", "ERM"),
        Row("mixup-0.1", "mixup, alpha 0.1", Mixup(alpha=0.1, per="batch")),
        Row("mixup-0.2", "mixup, alpha 0.2", Mixup(alpha=0.2, per="batch")),
    ),
    epochs=30,
    batch_size=100,
    optimizer="adam",
    learning_rate=3e-3,
    schedule="step",
    milestones=(10, 20),
    decay_factor=0.1,
    weight_decay=0.0,
    unmixed_epochs=5,
    seeds=5,
)
