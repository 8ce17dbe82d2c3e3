"""The pages of the API build without the internet, name everything that is public, and have no dead links."""

import html.parser
import importlib.util
import os
import pathlib
import pkgutil

import pytest

import keras_mixup
from keras_mixup import zoo

SCRIPT = pathlib.Path(__file__).parent.parent / ".ci" / "docs.py"


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("pdoc")
    spec = importlib.util.spec_from_file_location("docs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(html.parser.HTMLParser):
    """What a page can be pointed at, and where it points."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        if tag == "a" and "href" in attrs:
            self.links.add(attrs["href"])
        elif tag in ("script", "img", "link") and attrs.keys() & {"src", "href"}:
            self.loaded.add(attrs.get("src") or attrs.get("href"))


@pytest.fixture(scope="module")
def pages(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    script.build(folder)
    return {path.relative_to(folder).as_posix(): Page(path.read_text("utf-8")) for path in folder.rglob("*.html")}


def test_every_public_name_has_its_place(pages):
    assert set(keras_mixup.__all__) <= pages["keras_mixup.html"].ids
    assert {"fgsm", "iterated_fgsm", "pgd"} <= pages["keras_mixup/attacks.html"].ids
    modules = {name.replace(".", "/") for _, name, _ in pkgutil.walk_packages(zoo.__path__, "keras_mixup.zoo.")}
    assert {f"{name}.html" for name in modules} <= set(pages)


def test_no_link_is_dead_and_nothing_is_loaded_from_elsewhere(pages):
    dead = []
    for name, page in pages.items():
        assert not [address for address in page.loaded if address.startswith(("http", "//"))]
        for link in page.links:
            path, _, place = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            known = target in pages and (not place or place in pages[target].ids)
            if not known and not link.startswith("http"):
                dead.append((name, link))
    assert pages and not dead


def test_dead_links_become_words(script):
    page = '<b id="here"></b><a href="#here">here</a>, <a href="#there">there</a>'
    assert script.without_dead_links(page) == '<b id="here"></b><a href="#here">here</a>, there'
