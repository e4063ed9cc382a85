"""The students, by the names that the distilled estimators and the command accept."""

from __future__ import annotations

from tabkd.students._additive.student import AdditiveStudent
from tabkd.students._network.mlp import MLPStudent
from tabkd.students._student import Student
from tabkd.students._trees.boosted_trees import BoostedTreesStudent
from tabkd.students._trees.tree import TreeStudent

#: A new student needs one more entry here: everything that lists students reads this.
STUDENTS: dict[str, type[Student]] = {
    "mlp": MLPStudent,
    "additive": AdditiveStudent,
    "tree": TreeStudent,
    "boosted_trees": BoostedTreesStudent,
}


def check_contributions(student: Student) -> None:
    """Refuse a student without contributions.

    Raises
    ------
    NotImplementedError
        If it does not define them.
    """
    if not _defines_contributions(type(student)):
        known = [repr(name) for name, kind in STUDENTS.items() if _defines_contributions(kind)]
        raise NotImplementedError(
            f"student {type(student.estimator_).__name__} has no contributions. Use one of {', '.join(known)}, or "
            "define raw_scores, explain_codes and write_contributions: see tabkd.students.Student."
        )


def _defines_contributions(kind: type[Student]) -> bool:
    return kind.write_contributions is not Student.write_contributions


def student_names() -> str:
    """The names, as a list for errors.

    Examples
    --------
    >>> student_names()
    "'mlp', 'additive', 'tree', 'boosted_trees'"
    """
    return ", ".join(map(repr, STUDENTS))
