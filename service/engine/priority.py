"""Runs inference threads at a lower priority than request threads."""

import os
import threading

_NICENESS = 5  # added to that of the process
_LOWEST = 19


def lower_priority() -> None:
    """Lower the priority of the calling thread, and of those it will start.

    The event loop and the codecs go first then: an inference takes long anyway, while an answer
    that waits for a core behind it keeps its client waiting, as does a refusal under overload.
    On Linux every thread has a priority of its own. The process may have been started with a low
    one, which it must not raise and may not.
    """
    thread = threading.get_native_id()
    niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
    os.setpriority(os.PRIO_PROCESS, thread, min(_LOWEST, niceness))
