"""What `n_jobs` means: what it means to joblib, which is not needed for it."""

import subprocess
import sys

import joblib
import numpy as np
import pytest

from tabkd._threads import lightgbm_threads, n_threads, xgboost_threads


@pytest.mark.parametrize("n_jobs", [None, 1, 3, -1, -2, -100, np.int64(2)])
def test_threads_are_as_many_as_joblib_would_start(n_jobs):
    expected = joblib.effective_n_jobs(-1 if n_jobs is None else n_jobs)
    assert n_threads(n_jobs) == expected
    program = f"from tabkd._threads import n_threads; import sys; print(n_threads({n_jobs and int(n_jobs)}))"
    alone = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(alone.stdout) == expected


@pytest.mark.parametrize("n_jobs", [0, 1.5, "2", True])
def test_what_is_no_number_of_threads_is_refused(n_jobs):
    with pytest.raises(ValueError, match=rf"n_jobs is {n_jobs!r}; expected a number of threads such as 2, or -1"):
        n_threads(n_jobs)


def in_parallel(function):
    return joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(function)() for _ in range(2))


def test_workers_of_workers_of_joblib_start_no_threads():
    assert in_parallel(lambda: in_parallel(lambda: n_threads(None))) == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("threads", "few", "many"), [(lightgbm_threads, 499_999, 500_000), (xgboost_threads, 4_999, 5_000)]
)
def test_small_fits_of_boosters_start_no_threads_unless_asked_to(threads, few, many):
    assert (threads(None, few), threads(None, many)) == (1, n_threads(None))
    assert threads(3, few) == threads(3, many) == 3
    assert threads(-1, few) == n_threads(-1)
