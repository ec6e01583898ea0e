"""Runs inference threads at a lower priority than request threads."""

import os
import threading

_NICENESS = 5


def lower_priority() -> None:
    """Lower the priority of the calling thread, and of those it will start.

    The event loop and the codecs go first then: an inference takes long anyway, while an answer
    that waits for a core behind it keeps its client waiting, as does a refusal under overload.
    On Linux every thread has a priority of its own.
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
