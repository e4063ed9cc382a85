"""The site that Sphinx makes of the documents."""

import html
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs import record
from docs.extensions import reference
from tabkd._cli import app

pytest.importorskip("myst_parser", reason="Sphinx's extensions are not installed: pip install -e '.[docs]'")

ROOT = Path(__file__).parents[1]
BUILT = ("_build", "gallery", "reference")
_FROM_A_NETWORK = re.compile(r"(?:url\(|@import)\W*(?:https?:)?//")  # in a style sheet


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site built from a copy without anything that an earlier build left; examples are not run."""
    clone = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "docs", clone / "docs", ignore=shutil.ignore_patterns(*BUILT))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "examples", "tabkd"):
        (clone / name).symlink_to(ROOT / name)
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-D",
        "plot_gallery=0",
        "docs",
        "docs/_build",
    ]
    done = subprocess.run(command, cwd=clone, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return clone / "docs" / "_build"


class _Loaded(HTMLParser):
    """The addresses of what a browser loads by itself with a page: not of its links."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        attribute = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}.get(tag)
        self.addresses += [value for name, value in attributes if name == attribute and value]


def test_a_page_loads_nothing_from_a_network(site):
    for page in site.rglob("*.html"):
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert [address for address in loaded.addresses if "//" in address] == [], page.name
    for style in site.rglob("*.css"):
        assert not _FROM_A_NETWORK.search(style.read_text(encoding="utf-8")), style.name


def test_every_public_name_has_a_page(site):
    documented = set()
    for page in site.glob("reference/*.html"):
        documented |= set(re.findall(r'<dt class="sig [^>]* id="(tabkd[^"]*)"', page.read_text(encoding="utf-8")))
    assert len(documented) > 100
    for module in reference.public_modules():
        listed = (site / "reference" / f"{module.__name__}.html").read_text(encoding="utf-8")
        for name in module.__all__:
            if name != "__version__":
                page = reference.pages()[f"{module.__name__}.{name}"]
                assert page in documented, f"{module.__name__}.{name} is not documented"
                assert f'href="{page}.html#{page}"' in listed, f"{module.__name__} does not list {name}"


def test_a_page_of_a_class_has_its_methods(site):
    page = (site / "reference" / "tabkd.DistilledClassifier.html").read_text(encoding="utf-8")
    for name in ("fit", "predict_proba", "to_onnx", "report"):
        assert f'id="tabkd.DistilledClassifier.{name}"' in page


def test_the_page_of_an_example_that_the_site_cannot_run_has_its_output(site):
    example = ROOT / "examples" / "gallery" / "7_autogluon_to_one_file.py"
    page = html.unescape(re.sub("<[^>]*>", "", (site / "gallery" / f"{example.stem}.html").read_text(encoding="utf-8")))
    outputs = record.recorded(example)
    assert len(outputs) > 3
    for output in outputs:
        assert output in page
    assert (site / "_images" / record.picture(example).name).exists()


def test_every_command_is_listed(site):
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for name in app.commands:
        assert f"Usage: tabkd {name} " in page


def test_an_equation_is_drawn_by_the_browser(site):
    assert "<math" in (site / "reference" / "tabkd.augment.Mixup.html").read_text(encoding="utf-8")


def test_the_list_for_programs_names_every_page(site):
    links = re.findall(r"^- \[.+?\]\((\S+?)\)", (site / "llms.txt").read_text(encoding="utf-8"), re.MULTILINE)
    sources = {path.relative_to(site.parent) for pattern in ("*.md", "*.rst") for path in site.parent.rglob(pattern)}
    pages = {source.with_suffix(".html").as_posix() for source in sources if source.parts[0] != "benchmarks"}
    assert sorted(links) == sorted(pages - {"index.html"})
    assert all((site / link).exists() for link in links)
