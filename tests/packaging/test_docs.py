"""Links of the docs lead somewhere, their pages of commands run, and the API reference is true."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from service.settings import Settings
from tests.packaging import settings_reference
from tests.packaging.api_reference import OPENAPI, reference
from tests.service.processes import serving, unused_port

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# Their bash and Python blocks are run in order, in one folder and one shell.
FOLLOWED = [
    "quick-start.md",
    "jobs.md",
    *(f"recipes/{page.name}" for page in sorted((ROOT / "docs/recipes").glob("*.md"))),
]
# The smaller bundle, which starts in a third of the time; README's pages run with the default.
BUNDLE = {"FSS_BUNDLE": str(ROOT / "model/bundles/lite")}
# What the pages write of the service that `make run` starts.
ADDRESS = "http://127.0.0.1:8000"
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)


def slugs(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower().strip()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{i}" if i else slug for slug, last in found.items() for i in range(last + 1)}


def broken_links(page: Path) -> Iterator[str]:
    """Links within the repository that lead nowhere."""
    text = re.sub(r"`[^`\n]*`", "", _FENCED.sub("", page.read_text()))
    for link in re.findall(r"\]\(<?([^)>\s]+)>?\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and target.suffix == ".md" and anchor not in slugs(target.read_text()):
            yield f"{link}: no such heading"


def test_slugs_are_those_of_github() -> None:
    text = "# POST /jobs/{id}\n## A, *b*: c-d\n## A, *b*: c-d\n```\n# no heading\n```\n"
    assert slugs(text) == {"post-jobsid", "a-b-c-d", "a-b-c-d-1"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not list(broken_links(page))


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.name != "README.md"}
    assert not [name for name in pages if not name.startswith("adr/") and f"({name})" not in index]


def test_the_api_reference_is_up_to_date() -> None:
    assert (ROOT / "docs/api.md").read_text() == reference(json.loads(OPENAPI.read_text())), (
        "run python -m tests.packaging.api_reference > docs/api.md"
    )


def test_the_settings_are_up_to_date_and_each_says_what_it_is() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    assert page == settings_reference.reference(), (
        "run python -m tests.packaging.settings_reference > docs/settings.md"
    )
    assert str(ROOT) not in page
    assert all(field.description for field in Settings.model_fields.values())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service as the pages start it, on a port of its own."""
    folder = tmp_path_factory.mktemp("service")
    environment = BUNDLE | {"FSS_JOBS_DIR": str(folder / "jobs")}
    with serving(folder / "log", environment, command=["service"]) as server:
        yield str(server.client.base_url).rstrip("/")


def as_script(page: str, address: str) -> str:
    """A page's blocks as one script; the service that it starts is there already."""
    lines = ["set -euo pipefail"]
    for language, block in re.findall(r"^```(bash|python)\n(.*?)^```$", page, re.M | re.S):
        if language == "python":
            lines.append(f"{sys.executable} - <<'PYTHON_BLOCK'\n{block}PYTHON_BLOCK")
        elif "make run" not in block:
            lines.append(block.replace(".venv-serve/bin/python", sys.executable))
    return "\n".join(lines).replace(ADDRESS, address)


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_can_be_followed(name: str, address: str) -> None:
    script = as_script((ROOT / "docs" / name).read_text(), address)
    environment = os.environ | BUNDLE | {"FSS_CLIENT_URL": address}
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def bash_block(page: Path, words: str) -> str:
    """The one block of shell commands of a page that holds these words."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.M | re.S)
    (found,) = (block for block in blocks if words in block)
    return str(found)


def run_by_hand(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Commands as a person enters them, one after another, whatever became of the one before."""
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("docs/recipes/inspection-line.md", "out/line.fss"),
        ("docs/serving.md", "session.fss"),
        ("docs/jobs.md", "out/results.zip"),
        ("docs/recipes/label-a-dataset.md", "out/recipe/results.zip"),
        ("README.md", "out/label_map.png"),
    ],
)
def test_a_file_that_cannot_be_fetched_leaves_the_earlier_one(
    name: str, kept: str, address: str, tmp_path: Path
) -> None:
    (save,) = re.findall(
        rf"^curl (?:.*\\\n)*.*--output {re.escape(kept)}.*\n(?:  && .*\n)?",
        (ROOT / name).read_text(),
        re.M,
    )
    (tmp_path / kept).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / kept).write_text("of before")
    (tmp_path / "service").symlink_to(ROOT / "service")
    run = run_by_hand(f"SESSION=gone JOB=gone\n{save.replace(ADDRESS, address)}", tmp_path)
    assert "404" in run.stderr
    assert (tmp_path / kept).read_text() == "of before"


REGISTERING = [page for page in PAGES if "SESSION=$(curl" in page.read_text()]


@pytest.mark.parametrize("page", REGISTERING, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_registration_shows_what_is_wrong(page: Path, address: str) -> None:
    block = bash_block(page, "SESSION=$(curl").partition("JOB=")[0]
    right = run_by_hand(block.replace(ADDRESS, address), ROOT)
    assert '"suggestion":' in right.stderr
    wrong = re.sub(r"class_name=\w+", f"class_name={'x' * 65}", block)
    assert "class_name" in run_by_hand(wrong.replace(ADDRESS, address), ROOT).stderr
    closed = block.replace(ADDRESS, f"http://127.0.0.1:{unused_port()}")
    assert "Failed to connect" in run_by_hand(closed, ROOT).stderr
