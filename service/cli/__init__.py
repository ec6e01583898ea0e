"""The command line: `fss`, which is also `python -m service`."""

from service.cli.program import main

__all__ = ["main"]
