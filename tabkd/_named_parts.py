"""Parameters of an estimator that is given by name: ``student__max_iter`` if `student` is "mlp"."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone

from tabkd.augment import AUGMENTERS
from tabkd.students import STUDENTS


class NamedParts(BaseEstimator):
    """Base of an estimator whose `student` and `augmenter` may be names, and whose `teacher` may be None."""

    student: Any
    augmenter: Any
    teacher: Any
    n_jobs: int | None
    _default_teacher: ClassVar[type]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of student, augmenter and teacher, even if these are names.

        Returns
        -------
        dict
            Values by name, as in ``student__max_iter``.
        """
        params = super().get_params(deep)
        if deep:
            for name, part in self._named_parts().items():
                params |= {f"{name}__{key}": value for key, value in part.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        A name such as ``student="mlp"`` is replaced by an estimator as soon as one of its parameters,
        ``student__max_iter``, differs from its default.

        Parameters
        ----------
        **params : object
            Values by name; ``student__…``, ``augmenter__…`` and ``teacher__…`` work even if these are names or None.

        Returns
        -------
        self : estimator
            The estimator.
        """
        super().set_params(**{key: value for key, value in params.items() if "__" not in key})
        nested = {key: value for key, value in params.items() if "__" in key}
        for name, part in self._named_parts().items():
            own = {key: nested.pop(key) for key in list(nested) if key.startswith(f"{name}__")}
            own = {key.removeprefix(f"{name}__"): value for key, value in own.items()}
            usual = part.get_params()
            if any(key not in usual or not _same(value, usual[key]) for key, value in own.items()):
                setattr(self, name, part.set_params(**own))
        return super().set_params(**nested)

    def _named_parts(self) -> dict:
        """The estimators that names, and None as teacher, refer to, with the parameters that they would have."""
        parts = {}
        if isinstance(self.student, str) and self.student in STUDENTS:
            parts["student"] = self._make_student(self.student)
        if isinstance(self.augmenter, str) and self.augmenter in AUGMENTERS:
            parts["augmenter"] = self._make_augmenter(self.augmenter)
        if self.teacher is None:
            parts["teacher"] = self._make_teacher(None)
        return parts

    def _make_student(self, student: str | BaseEstimator) -> Any:
        if isinstance(student, str):
            return STUDENTS[student](n_jobs=self.n_jobs)
        return clone(student)

    def _make_augmenter(self, augmenter: str | BaseEstimator | None) -> Any:
        if not isinstance(augmenter, str):
            return augmenter
        made = AUGMENTERS[augmenter]()
        return made.set_params(n_jobs=self.n_jobs) if "n_jobs" in made.get_params() else made

    def _make_teacher(self, teacher: Any) -> Any:
        return self._default_teacher(n_jobs=self.n_jobs) if teacher is None else teacher


def _same(value: Any, usual: Any) -> bool:
    """Whether a parameter has its default; False if the comparison does not give a single truth value."""
    if value is usual:
        return True
    try:
        return type(value) is type(usual) and bool(value == usual)
    except ValueError:
        return False
