"""Before any test uses MKL: runs are compared bit for bit."""

from model.training import repeat_sums

repeat_sums()
