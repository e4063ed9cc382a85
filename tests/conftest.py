"""What holds for all tests."""

import os

# Before NumPy, LightGBM and JAX are imported: the tables are small, and threads would wait for each other.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
