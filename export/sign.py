"""`python -m export.sign`: sign a bundle, for services that accept signed ones alone.

Sign last: whatever changes the manifest, such as `export.tiers` and `export.record`, leaves the
signature behind.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from model.contract import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleKeyError,
    InvalidBundleError,
    load_manifest,
)


def sign_bundle(bundle: Path, key: Path) -> Path:
    """Write the signature of a bundle's manifest beside it; returns its path.

    Args:
        bundle: its directory, which must be intact.
        key: an Ed25519 private key, PEM without a password.

    Raises:
        InvalidBundleError: the directory is no intact bundle.
        BundleKeyError: the file holds no such key.
    """
    private_key = _read_private_key(key)
    load_manifest(bundle)
    path = bundle / SIGNATURE_FILE
    path.write_bytes(private_key.sign((bundle / MANIFEST_FILE).read_bytes()))
    return path


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as exc:
        raise BundleKeyError(f"no key at {path}") from exc
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise BundleKeyError(f"{path} holds no private key as PEM without a password") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleKeyError(
            f"{path} holds another kind of key than Ed25519: make one with "
            f"openssl genpkey -algorithm ed25519 -out {path.name}"
        )
    return key


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and sign; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m export.sign", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True, help="Ed25519 private key, PEM")
    args = parser.parse_args(arguments)
    try:
        print(sign_bundle(args.bundle, args.key))
    except (InvalidBundleError, BundleKeyError) as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
