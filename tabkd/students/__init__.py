"""Students: scikit-learn regressors on soft targets, small enough to ship.

To write your own student, derive a class from `Student`: see its example.
"""

from tabkd.students._additive.student import AdditiveStudent
from tabkd.students._encoding.encoder import TableEncoder
from tabkd.students._encoding.float32 import to_float32
from tabkd.students._network.mlp import MLPStudent
from tabkd.students._registry import STUDENTS
from tabkd.students._soft_rows import SoftRows, SoftStream
from tabkd.students._student import Student
from tabkd.students._student_graph import Edges, Tensors
from tabkd.students._trees.boosted_trees import BoostedTreesStudent
from tabkd.students._trees.tree import TreeStudent

__all__ = [
    "STUDENTS",
    "AdditiveStudent",
    "BoostedTreesStudent",
    "Edges",
    "MLPStudent",
    "SoftRows",
    "SoftStream",
    "Student",
    "TableEncoder",
    "Tensors",
    "TreeStudent",
    "to_float32",
]
