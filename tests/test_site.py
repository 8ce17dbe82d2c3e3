"""The site builds without the internet, has everything, and has no dead links; in a real browser it can be read."""

import html.parser
import http.server
import importlib.util
import json
import os
import pathlib
import pkgutil
import re
import shutil
import subprocess
import threading

import documents
import pytest

import keras_mixup
from keras_mixup import zoo

SCRIPT = documents.ROOT / ".ci" / "docs.py"


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("furo")
    pytest.importorskip("nbformat")
    spec = importlib.util.spec_from_file_location("docs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(html.parser.HTMLParser):
    """What a page can be pointed at, where it points, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        if tag == "a" and "href" in attrs:
            self.links.add(attrs["href"])
        elif tag in ("script", "img", "link", "iframe", "source") and attrs.keys() & {"src", "href"}:
            self.loaded.add(attrs.get("src") or attrs.get("href"))


@pytest.fixture(scope="module")
def site(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    script.build(folder)
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Page(path.read_text("utf-8")) for path in site.rglob("*.html")}


def test_every_document_and_every_public_name_has_its_place(pages):
    for path in (*documents.ALL[1:], *(documents.ROOT / "notebooks").glob("*.ipynb")):
        assert path.relative_to(documents.ROOT).with_suffix(".html").as_posix() in pages
    ids = {name for page in pages.values() for name in page.ids}
    modules = {name for _, name, package in pkgutil.walk_packages(zoo.__path__, "keras_mixup.zoo.") if not package}
    recipes = {name for name in modules if name.startswith("keras_mixup.zoo.recipes.")}  # `keras-mixup show` has these
    assert {f"keras_mixup.{name}" for name in keras_mixup.__all__} <= ids
    assert {f"module-{name}" for name in modules - recipes} <= ids
    assert {f"keras_mixup.attacks.{name}" for name in ("fgsm", "iterated_fgsm", "pgd")} <= ids


def test_no_link_is_dead_and_nothing_is_loaded_from_elsewhere(pages, site):
    dead = []
    for name, page in pages.items():
        assert not [address for address in page.loaded if re.match(r"(\w+:)?//", address)]
        for link in page.links | page.loaded:
            path, _, place = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(name), path.partition("?")[0])) if path else name
            known = (site / target).is_file() and (not place or target not in pages or place in pages[target].ids)
            if not known and not link.startswith(("http", "mailto:")):
                dead.append((name, link))
    assert len(pages) > 40 and not dead
    styles = [path.read_text("utf-8") for path in site.rglob("*.css")]
    assert styles and not [style for style in styles if re.search(r"@import|url\(\s*[\"']?(https?:)?//", style)]


def test_what_is_not_in_its_place_is_an_error(script, monkeypatch):
    monkeypatch.setattr(script, "API", script.API[1:])
    with pytest.raises(ValueError, match="one place in `API`.*MixupLayer"):
        script.api()
    monkeypatch.setattr(script, "GUIDES", script.GUIDES[1:])
    with pytest.raises(ValueError, match="place in `GUIDES`.*start.md"):
        script.contents()


def test_docstrings_are_read_as_they_are(script):
    text = (
        "Mix `Beta`s of |x|.\n\n    x~ = |w| * x\n\nMore.\n\n- a list\n\n    still of it\n\n"
        "Args:\n    x: An `a|b`.\n\n        More."
    )
    lines = text.splitlines()
    script.as_restructured_text(None, None, None, None, None, lines)
    assert "\n".join(lines) == (
        "Mix `Beta`\\ s of \\|x\\|.\n\n::\n\n    x~ = |w| * x\n\nMore.\n\n- a list\n\n    still of it\n\n"
        "Args:\n    x: An `a|b`.\n\n        More."
    )


def test_formulas_need_no_script(script):
    made = script.with_formulas(r"so $\alpha = 1$ and $$\big(x_i\big) \sim \mathrm{Beta}(\alpha, \alpha)$$")
    assert "munderover" not in script.with_formulas(r"$\tilde x_i$")
    assert made.count("<math") == 2 and "$" not in made and "\n" not in made


# --- In a browser: only where Debian's `chromium` is installed ------------------------------------------------------

CHROMIUM = shutil.which("chromium")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS = [*FLAGS.split(), "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr"]
SHOWN = (
    "index",
    "keras_mixup/guides/methods",
    "keras_mixup/guides/troubleshooting",
    "keras_mixup/guides/results",
    "api/mix",
)
# What a page is asked: what reaches beyond the window and cannot be scrolled to, and which pictures were not loaded.
ASK = """<script>addEventListener("load", () => setTimeout(() => {
  const scrolls = element => element && (/auto|scroll/.test(getComputedStyle(element).overflowX)
    || element.tagName != "ARTICLE" && scrolls(element.parentElement));
  const beyond = [...document.querySelectorAll("article *")].filter(
    element => element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element)).map(e => e.outerHTML);
  const broken = [...document.images].filter(image => !image.naturalWidth).map(image => image.src);
  const theme = getComputedStyle(document.body).backgroundColor;
  parent.document.title = "ASKED" + JSON.stringify({width: innerWidth, beyond: beyond.slice(0, 3), broken, theme});
}, 300));</script></body>"""


FRAME = (
    """<!doctype html><title>-</title><iframe src="{page}" style="border: 0" width="{width}" height="900"></iframe>"""
)


@pytest.fixture(scope="module")
def address(site):
    """The site on this machine, as a browser reads it, each page with a question at its end.

    `/400/PAGE` shows a page in a frame of this width: a window of a browser cannot be narrower than 500.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(site))

        def do_GET(self):
            path = pathlib.Path(self.translate_path(self.path))
            framed = re.fullmatch(r"/(\d+)(/.*)", self.path)
            if framed:
                body = FRAME.format(width=framed[1], page=framed[2]).encode()
            elif path.suffix == ".html" and path.exists():
                body = path.read_text("utf-8").replace("</body>", ASK).encode()
            else:
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def browse(address, profile, *flags):
    """The document after its scripts, and what the console said."""
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, "--virtual-time-budget=8000", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no `chromium`")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_pages_can_be_read_in_a_browser(address, width, dark, tmp_path):
    themes = set()
    for page in SHOWN:
        flags = ["--window-size=1500,1000"] + ["--blink-settings=preferredColorScheme=0"] * dark
        text, console = browse(f"{address}/{width}/{page}.html", tmp_path, *flags)
        assert not console, page
        asked = json.loads(html.unescape(re.search(r"<title>ASKED(.*?)</title>", text)[1]))
        assert not asked["beyond"] and not asked["broken"] and asked["width"] == width, (page, asked)
        themes.add(asked["theme"])
    (theme,) = themes
    assert (sum(map(int, re.findall(r"\d+", theme)[:3])) < 3 * 64) == dark


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no `chromium`")
def test_search_finds_from_the_disk(site, tmp_path):
    text, console = browse(f"{(site / 'search.html').as_uri()}?q=class_weight", tmp_path)
    found = re.findall(r'<li[^>]*><a href="([^"?]+)', text[text.index('id="search-results"') :])
    assert not console and any("troubleshooting" in link for link in found)
