"""numpydoc's own validation, over everything that is public."""

import inspect
from dataclasses import is_dataclass

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import ERROR_MSGS, validate

from docs.extensions.reference import own_members, public_modules

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
    assert errors_of(name) == {}
