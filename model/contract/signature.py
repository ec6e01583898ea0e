"""Signatures of bundles: Ed25519 over the bytes of the manifest, which holds all other hashes.

`cryptography` is imported where a key is used: serving without one does not need it.
"""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from model.contract.errors import BundleKeyError, InvalidBundleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_FILE = "manifest.sig"
_PEM = b"-----BEGIN"


class BundleKey:
    """A public key; only bundles that bear its signature are accepted.

    Args:
        path: of the key as PEM, or as base64 of its 32 bytes.

    Raises:
        BundleKeyError: there is no such key, or no `cryptography` to use it with.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._key = _read(path.read_bytes().strip())
        except OSError as exc:
            raise BundleKeyError(f"no bundle key at {path}") from exc
        except ImportError as exc:
            raise BundleKeyError("signatures need the package cryptography: install it") from exc
        except ValueError as exc:  # binascii.Error is one
            raise BundleKeyError(
                f"{path} holds no Ed25519 public key, as PEM or as base64 of its 32 bytes"
            ) from exc

    def require_signature(self, bundle: Path, manifest: bytes) -> None:
        """Refuse a bundle without the signature of its manifest.

        Args:
            bundle: the directory, which holds the signature: 64 bytes.
            manifest: as it was read.

        Raises:
            InvalidBundleError.
        """
        from cryptography.exceptions import InvalidSignature

        path = bundle / SIGNATURE_FILE
        try:
            self._key.verify(path.read_bytes(), manifest)
        except OSError as exc:
            raise InvalidBundleError(
                f"no bundle at {bundle}: {SIGNATURE_FILE} is not readable, and only signed bundles "
                "are accepted; `python -m export.sign` signs"
            ) from exc
        except InvalidSignature as exc:
            raise InvalidBundleError(
                f"{path} is no signature of the manifest by the key that bundles need"
            ) from exc


def _read(text: bytes) -> "Ed25519PublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if not text.startswith(_PEM):
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    try:
        key = load_pem_public_key(text)
    except UnsupportedAlgorithm as exc:
        raise ValueError("a kind of key that is not known") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("another kind of key")
    return key
