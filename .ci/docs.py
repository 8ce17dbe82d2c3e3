"""Build the pages of the API from the docstrings, without the internet: `python .ci/docs.py FOLDER`."""

import pathlib
import re
import sys

import pdoc

MODULES = ("keras_mixup", "keras_mixup.attacks", "keras_mixup.zoo")


def build(folder):
    """Write the pages of the public names, and of the zoo's modules.

    Args:
        folder: Where to; open `keras_mixup.html` in it.
    """
    pdoc.render.configure(docformat="google", footer_text="keras_mixup, mixup training for Keras and TensorFlow")
    pdoc.pdoc(*MODULES, output_directory=pathlib.Path(folder))
    for page in pathlib.Path(folder).rglob("*.html"):
        page.write_text(without_dead_links(page.read_text(encoding="utf-8")), encoding="utf-8")


def without_dead_links(page):
    """A page whose links to members that are described elsewhere, those inherited from Keras, are plain words."""
    there = set(re.findall(r'\bid="([^"]+)"', page))
    return re.sub(r'<a href="#([^"]+)">([^<]*)</a>', lambda link: link[0] if link[1] in there else link[2], page)


if __name__ == "__main__":
    build(*sys.argv[1:])
