"""Before any test uses MKL: runs are compared bit for bit."""

from model.training import use_deterministic_mkl_sums

use_deterministic_mkl_sums()
