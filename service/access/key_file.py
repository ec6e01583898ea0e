"""A file of keys that is read again when it changes."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from service.access.keys import KeyFileError, KeyRing
from service.units import MIB

_log = logging.getLogger(__name__)

_CHECK_EVERY_S = 1.0
_MAX_BYTES = MIB


class KeyFile:
    """The keys of a file; changes take effect within a second. Used from any thread.

    The content itself is compared. Times and inodes would miss a change within one tick of the
    clock, and a mounted secret changes by swapping a link of a parent directory.

    Args:
        path: of the file.
        clock: seconds, monotonic.

    Raises:
        KeyFileError: the file cannot be read, or is malformed. Later on either keeps the last
            valid keys, is logged and shows in `current`, so that a mistake in the file locks
            nobody out.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._content = self._read()
        self._ring = self._parse(self._content)
        self._fault: str | None = None  # of the file as it was last read
        self._lock = Lock()
        self._next_check = clock() + _CHECK_EVERY_S

    def __len__(self) -> int:
        """How many keys are valid."""
        return len(self._ring)

    @property
    def current(self) -> bool:
        """Whether the valid keys are those of the file now, and not those of an earlier one."""
        self._refresh_when_due()
        return self._fault is None

    def owner_of(self, key: str) -> str | None:
        """The owner of a key, if it is valid now."""
        self._refresh_when_due()
        return self._ring.owner_of(key)

    def _refresh_when_due(self) -> None:
        with self._lock:
            now = self._clock()
            if now >= self._next_check:
                self._next_check = now + _CHECK_EVERY_S
                self._refresh()

    def _refresh(self) -> None:
        try:
            content = self._read()
            if content != self._content:
                self._ring = self._parse(content)
                self._content = content
                _log.info("API keys read again", extra={"keys": len(self._ring)})
            self._fault = None
        except KeyFileError as exc:
            if str(exc) != self._fault:  # logged once, not every second
                _log.error("API keys stay as they were", extra={"reason": str(exc)})
            self._fault = str(exc)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except OSError as exc:
            raise KeyFileError(f"{self._path}: {exc.strerror}") from exc
        if len(content) > _MAX_BYTES:
            raise KeyFileError(f"{self._path}: larger than {_MAX_BYTES} bytes")
        return content

    def _parse(self, content: bytes) -> KeyRing:
        try:
            # Undecodable bytes may stand in a comment; anywhere else their line is malformed.
            return KeyRing.parse(content.decode("utf-8-sig", "replace"))
        except KeyFileError as exc:
            raise KeyFileError(f"{self._path}: {exc}") from None
