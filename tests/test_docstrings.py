"""numpydoc's own validation, over everything that is public."""

import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass
from functools import cached_property

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import ERROR_MSGS, validate

import tabkd

NOT_ASKED = {
    "SS05": "a summary may also name what is returned",
    "SS06": "a summary may take two lines",
    "ES01": "one sentence is often enough",
    "SA01": "the reference lists what belongs together",
    "RT02": "scikit-learn writes `self : object`",
    "EX01": "an example must have code, and is asked for only where `needs_example` says so",
}
ASKED = ERROR_MSGS.keys() - NOT_ASKED

#: Sections whose entries need a description too, which numpydoc does not check.
DESCRIBED = ("Attributes", "Raises", "Warns", "Yields")

#: What is still wrong: make each entry shorter, and delete it with its last code.
PENDING: dict[str, set[str]] = {
    "tabkd.batch.score_dataset": {"EX01", "RT03"},
    "tabkd.load": {"EX01", "PR07"},
    "tabkd.scoring.ExportedStudent": {"Attributes", "EX01"},
    "tabkd.scoring.ExportedStudent.check_column": {"PR07"},
    "tabkd.scoring.ExportedStudent.predict": {"PR01", "RT01"},
    "tabkd.scoring.ExportedStudent.predict_proba": {"RT01"},
    "tabkd.spark.label": {"EX01", "PR07"},
    "tabkd.spark.score": {"EX01"},
    "tabkd.spark.score_dataset": {"EX01", "PR03", "PR04", "RT03"},
}


def public_modules():
    yield tabkd
    for module in pkgutil.iter_modules(tabkd.__path__, "tabkd."):
        if not module.name.startswith("tabkd._"):
            yield importlib.import_module(module.name)


def own_members(cls):
    """The public methods and properties that tabkd gives a class, by their names."""
    members = {}
    for base in reversed(cls.__mro__):
        written_here = base.__module__.startswith("tabkd.")
        for name, member in vars(base).items():
            if not name.startswith("_"):
                members[name] = member if written_here else None
    kinds = (type(own_members), property, cached_property, classmethod, staticmethod)
    return {name: member for name, member in members.items() if isinstance(member, kinds)}


def public_objects():
    """Public classes, functions, methods and properties by name; each once, whatever else imports or inherits it."""
    names = {}
    for module in public_modules():
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isclass(found) or inspect.isfunction(found):
                names.setdefault(found, f"{module.__name__}.{name}")
            if inspect.isclass(found):
                for member_name, member in own_members(found).items():
                    names.setdefault(member, f"{module.__name__}.{name}.{member_name}")
    return {name: found for found, name in names.items()}


OBJECTS = public_objects()


def needs_example(name):
    """Whether a name is a class or a function; methods are shown by their class, exceptions by what raises them."""
    found = OBJECTS[name]
    if inspect.isclass(found):
        return not issubclass(found, Exception)
    return inspect.isfunction(found) and "." not in found.__qualname__


def errors_of(name):
    """What is wrong with a docstring: messages by numpydoc's code, or by the section with an empty entry."""
    result = validate(name)
    errors = {code: message for code, message in result["errors"] if code in ASKED}
    if is_dataclass(OBJECTS[name]) or hasattr(OBJECTS[name], "_fields"):  # fields are attributes
        errors.pop("PR01", None)
    sections = NumpyDocString(result["docstring"])
    if needs_example(name) and ">>>" not in "".join(sections["Examples"]):
        errors["EX01"] = "No example with code"
    for section in DESCRIBED:
        empty = [entry.name or entry.type for entry in sections[section] if not entry.desc]
        if empty:
            errors[section] = f"{section} without a description: {', '.join(empty)}"
    return errors


@pytest.mark.parametrize("name", OBJECTS)
def test_a_docstring_is_complete(name):
    errors = errors_of(name)
    assert errors.keys() == PENDING.get(name, set()), f"{name}: {errors}"


def test_what_is_pending_exists():
    assert PENDING.keys() <= OBJECTS.keys()
