"""Keeps the terminal to what a command says itself."""

import logging
import warnings

_NOWHERE = logging.NullHandler()
_ERRORS = 3  # of onnxruntime's severities, from 0 (verbose) to 4 (fatal)


def quiet_engine() -> None:
    """Drop what the engine logs and onnxruntime warns of, from now on.

    For commands that say in a line why a device does not work, which a traceback would hide.
    """
    import onnxruntime

    logging.getLogger("service.engine").addHandler(_NOWHERE)
    warnings.filterwarnings("ignore", category=UserWarning, module="onnxruntime")
    onnxruntime.set_default_logger_severity(_ERRORS)
