"""With FSS_BUNDLE_KEY only bundles that the key's owner has signed are served."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from export import sign
from model.contract import MANIFEST_FILE, SIGNATURE_FILE, BundleKey, BundleKeyError
from service.app import create_app
from service.cli import main
from service.settings import Settings
from tests.service.http_api import running
from tests.service.tiny_bundle import write_tiny_bundle

PRIVATE = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with a pair of keys, the public one in both of its forms."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key()
    (tmp_path / "private.pem").write_bytes(key.private_bytes(*PRIVATE))
    (tmp_path / "public.pem").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "public.txt").write_bytes(base64.b64encode(public.public_bytes_raw()) + b"\n")
    return tmp_path


@pytest.fixture
def bundle(tmp_path: Path, keys: Path) -> Path:
    """A signed bundle."""
    bundle = write_tiny_bundle(tmp_path / "signed")
    arguments = ["--bundle", str(bundle), "--key", str(keys / "private.pem")]
    assert sign.main(arguments) == 0
    return bundle


@pytest.mark.parametrize("form", ["public.pem", "public.txt"])
async def test_signed_bundles_are_served(
    settings: Settings, keys: Path, bundle: Path, form: str
) -> None:
    signed = settings.model_copy(update={"bundle": bundle, "bundle_key": keys / form})
    async with running(create_app(signed)) as client:
        assert (await client.get("/models")).json()["models"][0]["model"] == "tiny@test"


def alter_the_manifest(bundle: Path) -> None:
    path = bundle / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threshold": 0.01}))


def alter_the_signature(bundle: Path) -> None:
    signature = bytearray((bundle / SIGNATURE_FILE).read_bytes())
    signature[10] ^= 1
    (bundle / SIGNATURE_FILE).write_bytes(signature)


def cut_the_signature(bundle: Path) -> None:
    (bundle / SIGNATURE_FILE).write_bytes(b"short")


def sign_by_another(bundle: Path) -> None:
    manifest = (bundle / MANIFEST_FILE).read_bytes()
    (bundle / SIGNATURE_FILE).write_bytes(Ed25519PrivateKey.generate().sign(manifest))


def take_the_signature(bundle: Path) -> None:
    (bundle / SIGNATURE_FILE).unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (alter_the_manifest, "no signature of the manifest by the key"),
        (alter_the_signature, "no signature of the manifest by the key"),
        (cut_the_signature, "no signature of the manifest by the key"),
        (sign_by_another, "no signature of the manifest by the key"),
        (take_the_signature, "only signed bundles are accepted; `python -m export.sign` signs"),
    ],
)
def test_others_stop_the_start(
    keys: Path,
    bundle: Path,
    spoil: Callable[[Path], None],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(bundle)
    monkeypatch.setenv("FSS_BUNDLE", str(bundle))
    monkeypatch.setenv("FSS_BUNDLE_KEY", str(keys / "public.pem"))
    assert main(["serve"]) == 2
    assert reason in capsys.readouterr().err


async def test_an_unsigned_bundle_beside_a_signed_one_is_refused(
    settings: Settings, keys: Path, bundle: Path, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "bundles" / "unsigned", revision="2")
    shutil.copytree(bundle, tmp_path / "bundles" / "stolen")
    alter_the_manifest(tmp_path / "bundles" / "stolen")
    only_signed = {
        "bundle": bundle,
        "bundles": tmp_path / "bundles",
        "bundle_key": keys / "public.pem",
    }
    app = create_app(settings.model_copy(update=only_signed))
    async with running(app) as client:
        models = (await client.get("/models")).json()["models"]
        assert [each["model"] for each in models] == ["tiny@test"]
        assert app.state.bundle_watcher.refused == 2


def test_openssl_signs_as_well(keys: Path, bundle: Path) -> None:
    take_the_signature(bundle)
    command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(keys / "private.pem")]
    paths = ["-in", str(bundle / MANIFEST_FILE), "-out", str(bundle / SIGNATURE_FILE)]
    subprocess.run([*command, *paths], check=True)
    manifest = (bundle / MANIFEST_FILE).read_bytes()
    BundleKey(keys / "public.pem").require_signature(bundle, manifest)


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=", b"-----BEGIN NONSENSE", b"\xff" * 32])
def test_a_file_that_is_no_public_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(BundleKeyError, match="holds no Ed25519 public key"):
        BundleKey(tmp_path / "key")


def test_a_private_key_of_another_kind(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ec.pem").write_bytes(generate_private_key(SECP256R1()).private_bytes(*PRIVATE))
    for name, reason in (("ec.pem", "openssl genpkey -algorithm ed25519"), ("none", "no key at")):
        assert sign.main(["--bundle", str(bundle), "--key", str(tmp_path / name)]) == 2
        assert reason in capsys.readouterr().err


def test_a_bundle_that_is_not_intact_is_not_signed(
    keys: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "head.onnx").write_bytes(b"other")
    assert sign.main(["--bundle", str(bundle), "--key", str(keys / "private.pem")]) == 2
    assert "does not match the hash" in capsys.readouterr().err
