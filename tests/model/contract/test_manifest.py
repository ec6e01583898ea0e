"""A bundle is what its manifest says, file for file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from model.contract import (
    MANIFEST_FILE,
    GraphFile,
    InvalidBundleError,
    Manifest,
    Tier,
    load_manifest,
    read_graph,
    write_manifest,
)
from tests.service.tiny_bundle import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """In two precisions, whose heads are files of their own."""
    bundle = write_tiny_bundle(tmp_path / "bundle")
    head = bundle / "head.int8.onnx"
    head.write_bytes((bundle / "head.onnx").read_bytes() + b"\0")
    manifest = load_manifest(bundle)
    listed = GraphFile.of(head)
    tier = Tier(graphs=manifest.graphs | {"head": listed}, metrics={})
    lowered = manifest.model_copy(update={"tiers": {"int8": tier}})
    (bundle / MANIFEST_FILE).write_text(lowered.model_dump_json())
    return bundle


def test_files_that_the_manifest_does_not_list_do_not_matter(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("mine")
    (bundle / "more").mkdir()
    assert load_manifest(bundle).model == "tiny@test"


def test_whoever_reads_a_manifest_while_it_is_written_reads_the_earlier_one(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    before = (bundle / MANIFEST_FILE).read_text(encoding="utf-8")
    with (bundle / MANIFEST_FILE).open(encoding="utf-8") as reader:
        write_manifest(bundle, manifest.model_copy(update={"revision": "next"}))
        assert reader.read() == before
    assert load_manifest(bundle).revision == "next"
    assert not list(bundle.glob("*.partial"))


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["encoder.onnx", "prototype.onnx", "head.onnx", "head.int8.onnx"])
@pytest.mark.parametrize("spoil", [alter, Path.unlink])
def test_every_graph_of_every_tier_is_held_to_its_hash(
    bundle: Path, file: str, spoil: Callable[[Path], None]
) -> None:
    spoil(bundle / file)
    with pytest.raises(InvalidBundleError, match=r"missing|does not match the hash"):
        load_manifest(bundle)


def test_what_is_run_is_what_was_hashed(bundle: Path) -> None:
    graph = load_manifest(bundle).graphs["head"]
    assert read_graph(bundle, graph) == (bundle / "head.onnx").read_bytes()
    alter(bundle / "head.onnx")
    with pytest.raises(InvalidBundleError, match="does not match its hash"):
        read_graph(bundle, graph)


@pytest.mark.parametrize("revision", ["", "a@b", "a b", "../x", "x" * 65])
def test_a_revision_is_fit_to_be_part_of_a_name(bundle: Path, revision: str) -> None:
    fields = json.loads((bundle / MANIFEST_FILE).read_text()) | {"revision": revision}
    with pytest.raises(ValueError, match="revision"):
        Manifest.model_validate(fields)


def test_a_graph_that_cannot_be_read_is_refused(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: Path) -> str:
        raise PermissionError

    monkeypatch.setattr("model.contract.manifest.file_sha256", unreadable)
    with pytest.raises(InvalidBundleError, match="graph encoder is not readable"):
        load_manifest(bundle)


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_numbers_of_a_manifest_are_finite(bundle: Path, number: str) -> None:
    path = bundle / MANIFEST_FILE
    path.write_text(path.read_text().replace('"threshold":0.5', f'"threshold":{number}'))
    with pytest.raises(InvalidBundleError, match="is not a manifest"):
        load_manifest(bundle)
    familiar = f'"familiar":{{"centre":[0,0,0],"distance":{number}}}'
    path.write_text(path.read_text().replace(number, "0.5").replace('"familiar":null', familiar))
    with pytest.raises(InvalidBundleError, match="is not a manifest"):
        load_manifest(bundle)
    path.write_text(path.read_text().replace(number, "0.5"))
    measured = load_manifest(bundle).model_copy(update={"metrics": {"miou": float(number)}})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_manifest(bundle, measured)
    assert load_manifest(bundle).metrics == {}
