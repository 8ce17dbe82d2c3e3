r"""GANs on eight Gaussians at the paper's budget: plain, mixup in three forms, and two gradient penalties.

Announced, and not run yet: there are no results. What follows was written before the first run.

    keras-mixup run gan_toy_full

Hypotheses, against the plain GAN with the saturating loss: the paper's published program (`pools`) covers more modes,
and so does mixup whose generator is judged by its samples alone; mixup by the formula does not, but runs away. That the
non-saturating loss, R1 and WGAN-GP cover more is expected as well. Score: the share of the eight modes covered after
the last iteration, judged as in `gan_toy`; differences paired by seed, 95 % intervals, Holm's correction over all of
the table; five seeds. The paper has a picture of samples, its figure 5, and no number, so nothing can be refuted here.

One seed of three of these rows had been seen at this budget (`gan_toy`: plain stood still, the formula ran away,
samples alone covered all eight), and two seeds of `pools` and of the plain GAN with the non-saturating loss, which
covered 8 of 8 modes and 25 to 38 % of them. They suggested the hypotheses; nothing was tuned.

Budget: three hidden layers of 512 units in both networks, 20,000 iterations of five steps of the discriminator, batches
of 128, Adam at 0.001 (verified in the paper's program). A run takes some 12 minutes on two cores.

    plain, non-saturating     the generator minimises l(d(g(z)), 1)
    formula                   max_g min_d E l(d(w x + (1 - w) g(z)), w), w from Beta(0.2, 0.2)
    samples                   the same for the discriminator; the generator is judged by its samples alone
    pools                     `MixupGAN(..., pairs="pools")`: as in the paper's published program, in which real meets
                              real and generated meets generated, too, and w is from Uniform(0, 0.2)
    R1, WGAN-GP               penalties on the gradient of the discriminator, of strength 10
"""

from keras_mixup.zoo.gan.recipe import Gan, ToyRecipe
from keras_mixup.zoo.recipe import Row

_ANOTHER = {"generator_loss": "non_saturating"}

RECIPE = ToyRecipe(
    name="gan_toy_full",
    title="GANs on eight Gaussians at the paper's budget: plain against mixup and gradient penalties",
    rows=(
        Row("plain", "plain, saturating", Gan("ring")),
        Row("plain-ns", "plain, non-saturating", Gan("ring", **_ANOTHER)),
        Row("mixup-formula", "mixup, alpha 0.2, formula", Gan("ring", 0.2)),
        Row("mixup-formula-ns", "mixup, alpha 0.2, formula, non-saturating", Gan("ring", 0.2, **_ANOTHER)),
        Row("mixup-samples", "mixup, alpha 0.2, samples", Gan("ring", 0.2, generator_sees="samples")),
        Row(
            "mixup-pools",
            "mixup, alpha 0.2, pools, samples",
            Gan("ring", 0.2, generator_sees="samples", pairs="pools"),
        ),
        Row(
            "mixup-pools-ns",
            "mixup, alpha 0.2, pools, samples, non-saturating",
            Gan("ring", 0.2, generator_sees="samples", pairs="pools", **_ANOTHER),
        ),
        Row("r1", "plain, R1", Gan("ring", baseline="r1")),
        Row("wgan-gp", "plain, WGAN-GP", Gan("ring", baseline="wgan_gp")),
    ),
    iterations=20000,
    discriminator_steps=5,
    batch_size=128,
    width=512,
    noise_size=2,
    learning_rate=1e-3,
    generator_loss="saturating",
    seeds=5,
)
