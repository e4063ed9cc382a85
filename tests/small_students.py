"""Every student of the registry, small enough for a test."""

from tabkd.students import STUDENTS, Student


def small_students(**settings: dict) -> dict[str, Student]:
    """A student for each name; those that `settings` does not name have their defaults."""
    return {name: student(**settings.get(name, {})) for name, student in STUDENTS.items()}
