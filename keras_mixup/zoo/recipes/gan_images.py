"""Small DCGANs on Fashion-MNIST under hard settings: plain against mixup and two gradient penalties.

Mixup does not help here: Frechet distance 12.9 for the plain GAN, 9.9 to 26.9 for mixup, 2.9 for the plain GAN with the
R1 penalty and 5.3 for WGAN-GP; means of 2 seeds, which for mixup differ by up to 24, so that all differences are open
after Holm's correction. Only the two penalties make images that look like clothes. 14 runs of 1,000 iterations: 11
minutes of training on two cores shared with other work; 2026-11-21. Table and pictures:
`keras_mixup/zoo/results/gan_images`.

    keras-mixup run gan_images --data-dir DIR
    keras-mixup run gan_images --data-dir DIR --set filters=64 iterations=20000 --out runs/gan_images-large

Data: Fashion-MNIST of TensorFlow Datasets, prepared in DIR; each seed draws its own 6,000 images. Hard settings: Adam
with a learning rate of 0.001 and a momentum of 0.9 where DCGAN has 0.0002 and 0.5, and no batch normalisation. The
networks have a quarter of DCGAN's filters and the training is short; the second command has all of them. The settings
were chosen beforehand and not tuned; the two rows `samples` were added after the others were seen. The distance is
taken in the features of a small classifier that the recipe trains (test error 22.7 %): it is not FID, and compares
within this table only.
"""

from keras_mixup.zoo.gan.recipe import Gan, ImagesRecipe
from keras_mixup.zoo.recipe import Row

RECIPE = ImagesRecipe(
    name="gan_images",
    title="GANs on Fashion-MNIST, high learning rate, no batch norm: plain against mixup",
    dataset="fashion_mnist",
    rows=(
        Row("plain", "plain", Gan("images")),
        Row("mixup-0.2", "mixup, alpha 0.2", Gan("images", alpha=0.2)),
        Row("mixup-1.0", "mixup, alpha 1.0", Gan("images", alpha=1.0)),
        Row("mixup-0.2-samples", "mixup, alpha 0.2, samples", Gan("images", alpha=0.2, generator_sees="samples")),
        Row("mixup-1.0-samples", "mixup, alpha 1.0, samples", Gan("images", alpha=1.0, generator_sees="samples")),
        Row("r1", "plain with R1", Gan("images", baseline="r1")),
        Row("wgan-gp", "WGAN-GP", Gan("images", baseline="wgan_gp")),
    ),
    train_size=6000,
    iterations=1000,
    discriminator_steps=1,
    batch_size=64,
    filters=16,
    noise_size=64,
    learning_rate=1e-3,
    momentum=0.9,
    batch_norm=0,
    generator_loss="non_saturating",
    seeds=2,
)
