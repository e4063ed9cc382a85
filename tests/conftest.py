"""What holds for all tests."""

import os

from hypothesis import settings

# Before NumPy, LightGBM and JAX are imported: the tables are small, and threads would wait for each other.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A busy machine is no failure.
settings.register_profile("tabkd", deadline=None)
settings.load_profile("tabkd")
