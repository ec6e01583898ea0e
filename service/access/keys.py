"""API keys: how they are made and checked.

Only hashes are kept. A key is 256 random bits, which cannot be guessed, so one round of SHA-256
protects it; a slow hash, as for passwords, would cost every request.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Self

_KEY_BYTES = 32
# Lets secret scanners recognise a key.
_PREFIX = "fss_"
_OWNER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_MAX_KEYS = 4096


class KeyFileError(ValueError):
    """The file of keys cannot be used; the message names a line and never quotes it."""


def new_key() -> str:
    """A new random key."""
    return _PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def key_line(owner: str, key: str) -> str:
    """The line of the key file for a key.

    Raises:
        ValueError: the owner's name is not valid.
    """
    if not _OWNER.fullmatch(owner):
        raise ValueError("an owner is 1 to 64 letters, digits, dots, dashes and underscores")
    return f"{owner} {_digest(key).hex()}"


class KeyRing:
    """The keys that are valid together, as hashes; several may have one owner.

    Args:
        owners: by digest of the key.
    """

    def __init__(self, owners: Mapping[bytes, str]) -> None:
        self._owners = dict(owners)

    def __len__(self) -> int:
        return len(self._owners)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read lines of an owner and a hash; `#` starts a comment, empty lines are skipped.

        Raises:
            KeyFileError: a line is malformed or repeated, or there are no keys or too many.
        """
        owners: dict[bytes, str] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            digest, owner = _entry(words, number)
            if digest in owners:
                raise KeyFileError(f"line {number}: its key stands on an earlier line already")
            owners[digest] = owner
        if not 0 < len(owners) <= _MAX_KEYS:
            raise KeyFileError(f"{len(owners)} keys; there must be 1 to {_MAX_KEYS}")
        return cls(owners)

    def owner_of(self, key: str) -> str | None:
        """The owner of a valid key, or none.

        It is found by the digest, which nobody can choose: the time that takes gives no key away.
        """
        return self._owners.get(_digest(key))


def _entry(words: list[str], number: int) -> tuple[bytes, str]:
    if len(words) != 2 or not _OWNER.fullmatch(words[0]) or not _HASH.fullmatch(words[1]):
        raise KeyFileError(
            f"line {number}: must be an owner and the SHA-256 of a key in 64 hexadecimal digits, "
            "as `fss key OWNER` prints it"
        )
    return bytes.fromhex(words[1]), words[0]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
