"""Students: scikit-learn regressors on soft targets, small enough to ship."""

from tabkd.students.encoder import TableEncoder
from tabkd.students.mlp import MLPStudent

#: The students by the names that the distilled estimators take.
STUDENTS = {"mlp": MLPStudent}

__all__ = ["STUDENTS", "MLPStudent", "TableEncoder"]
