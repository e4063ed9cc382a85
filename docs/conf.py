"""How Sphinx builds the site, without a network: ``sphinx-build -W --keep-going docs docs/_build``."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "extensions"), str(DOCS.parent)]

from tabkd import __version__  # noqa: E402 - the clone's own, whatever else is installed

project = "tabkd"
author = "The tabkd developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    # Our own, in the folder `extensions`.
    "contents",
    "llms",
    "mathml",
    "reference",
]
exclude_patterns = ["_build", "benchmarks", "extensions"]

# Markdown is written so that it also reads well where no Sphinx has been: links have headings as GitHub names them.
myst_heading_anchors = 4
html_math_renderer = "mathml"

default_role = "literal"  # what docstrings put into single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
python_use_unqualified_type_names = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    # All are run, except for the one that needs AutoGluon: its page has what `.ci/autogluon --record` put there.
    "filename_pattern": r"/(?!\d+_autogluon)[^/]*\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "notebook_images": True,  # the pictures of text cells are inside the notebooks
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "ignore_repr_types": r"matplotlib\.legend",
    "backreferences_dir": None,
    "plot_gallery": "True",  # `-D plot_gallery=0` builds the rest of the site without running them
}

html_theme = "pydata_sphinx_theme"
html_title = "tabkd"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_sidebars = {"get-started": [], "benchmarks": []}  # without pages below them
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": ["page-toc"],
}
html_context = {"default_mode": "auto"}
