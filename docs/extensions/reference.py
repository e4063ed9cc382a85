"""The reference, written when the site is built: a page for each name of `__all__`, and one for the commands."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import click
from sphinx.application import Sphinx

import tabkd
from tabkd._cli import app

FOLDER = "reference"


def public_modules() -> Iterator[ModuleType]:
    """The package and those of its modules whose names have no underscore."""
    yield tabkd
    for module in pkgutil.iter_modules(tabkd.__path__, "tabkd."):
        if not module.name.startswith("tabkd._"):
            yield importlib.import_module(module.name)


def own_members(cls: type) -> dict[str, Any]:
    """The public methods and properties that tabkd gives a class, by their names."""
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        written_here = base.__module__.startswith("tabkd.")
        for name, member in vars(base).items():
            if not name.startswith("_"):
                members[name] = member if written_here else None
    kinds = (FunctionType, property, cached_property, classmethod, staticmethod)
    return {name: member for name, member in members.items() if isinstance(member, kinds)}


def pages() -> dict[str, str]:
    """The page of each public name, such as ``tabkd.load``; names of one class or function share a page."""
    first: dict[int, str] = {}
    found = {}
    for module in public_modules():
        for name in module.__all__:
            if not name.startswith("__"):
                full = f"{module.__name__}.{name}"
                found[full] = first.setdefault(id(getattr(module, name)), full)
    return found


def page_of(full: str) -> str:
    """The text of the page of a public name."""
    module, name = full.rsplit(".", 1)
    documented = getattr(importlib.import_module(module), name)
    lines = [name, "=" * len(name), "", f".. currentmodule:: {module}", ""]
    if inspect.isclass(documented):
        lines += [f".. autoclass:: {name}", *_methods(documented)]
    elif inspect.isfunction(documented):
        lines += [f".. autofunction:: {name}"]
    else:
        lines += [f".. autodata:: {name}", "   :no-value:"]
    return "\n".join([*lines, ""])


def _methods(cls: type) -> list[str]:
    lines = []
    for name, member in own_members(cls).items():
        kind = "autoproperty" if isinstance(member, property | cached_property) else "automethod"
        lines += ["", f"   .. {kind}:: {cls.__name__}.{name}"]
    return lines


def page_of_module(module: ModuleType, found: dict[str, str]) -> str:
    """The text of the page of a module: its docstring, and its names with their summaries."""
    name = module.__name__
    own = [full for full in found if full.rpartition(".")[0] == name]
    rows = [line for full in own for line in (f"   * - :py:obj:`~{found[full]}`", f"     - {summary(full)}")]
    hidden = [f"   {page}" for full, page in found.items() if full in own and page == full]
    table = [".. list-table::", "   :widths: 30 70", "", *rows]
    tree = [".. toctree::", "   :hidden:", "", *hidden]
    return "\n".join([name, "=" * len(name), "", f".. automodule:: {name}", "", *table, "", *tree, ""])


def summary(full: str) -> str:
    """The first sentence of what a public name documents."""
    module, name = full.rsplit(".", 1)
    documented = getattr(importlib.import_module(module), name)
    if isinstance(documented, dict):
        return f"The names of {', '.join(f'``{key}``' for key in documented)}, and what they stand for."
    paragraph = (inspect.getdoc(documented) or "").split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0]


def page_of_commands() -> str:
    """The text of the page of the commands: their help, as a terminal of 100 columns shows it."""
    lines = ["Commands", "========", "", "What ``--help`` prints.", ""]
    group = click.Context(app, info_name="tabkd", terminal_width=100, max_content_width=100)
    for name in app.list_commands(group):
        command = app.get_command(group, name)
        shown = command.get_help(click.Context(command, info_name=name, parent=group)).splitlines()
        title = f"tabkd {name}"
        lines += [title, "-" * len(title), "", ".. code-block:: none", "", *(f"   {line}" for line in shown), ""]
    return "\n".join(lines)


def texts() -> dict[str, str]:
    """The name and the text of every file of the reference."""
    found = pages()
    modules = list(public_modules())
    files = {page: page_of(page) for page in found.values()}
    files |= {module.__name__: page_of_module(module, found) for module in modules}
    files["commands"] = page_of_commands()
    rows = ["   commands", *(f"   {module.__name__}" for module in modules)]
    title = ["Reference", "=========", "", _ABOUT, ""]
    files["index"] = "\n".join([*title, ".. toctree::", "   :maxdepth: 2", "   :titlesonly:", "", *rows, ""])
    return files


_ABOUT = """Everything that is public stands in the ``__all__`` of a module without an underscore. Anything else may
change without notice."""


def write(site: Sphinx, config: Any) -> None:
    """Write the files, but leave those that are as they should be, so that Sphinx need not read them again."""
    folder = Path(site.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    files = {f"{name}.rst": text for name, text in texts().items()}
    for old in folder.glob("*.rst"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(site: Sphinx) -> dict:
    """Write the reference before Sphinx looks for pages."""
    site.connect("config-inited", write)
    return {"parallel_read_safe": True}
