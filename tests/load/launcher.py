"""`python -m tests.load.launcher`: the service, with a way to hurt it from outside.

SIGUSR1 raises SystemExit in the engine's worker threads, which is how a thread dies of what no
handler of ordinary errors catches. It strikes once a thread works, and is told on standard error.
"""

import argparse
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from service.cli import main as serve

KILLED = "killed a worker"
_WATCH_S = 0.0002
_WORKER_NAME = "engine"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.launcher", description=__doc__)
    parser.add_argument(
        "--no-files", action="store_true", help="no file may get a single byte: the disk is full"
    )
    if parser.parse_args(arguments).no_files:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGUSR1, _kill_workers)
    return serve([])


def _kill_workers(_: int, __: FrameType | None) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(_WORKER_NAME) and thread.ident is not None:
            # Watched from a thread: here the event loop would stand still, and no work would come.
            threading.Thread(target=_strike, args=(thread.ident,), daemon=True).start()


def _strike(identity: int) -> None:
    """Wait until a thread does something else than wait, and raise in it."""
    while sys._current_frames()[identity].f_code.co_filename == threading.__file__:
        time.sleep(_WATCH_S)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(identity), ctypes.py_object(SystemExit)
    )
    # In one piece: `print` writes the end of the line apart, and the log gets in between.
    os.write(sys.stderr.fileno(), f"{KILLED}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
