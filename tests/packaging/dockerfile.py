"""The Dockerfile as stages and their steps."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One instruction, such as `RUN`, and what stands behind it."""

    instruction: str
    rest: str


class Stage(NamedTuple):
    """One stage: what it starts from and its steps."""

    base: str
    steps: tuple[Step, ...]

    def all(self, instruction: str) -> list[str]:
        """What stands behind every instruction of that name."""
        return [step.rest for step in self.steps if step.instruction == instruction]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that it sets."""
        words = [word for rest in self.all("ENV") for word in shlex.split(rest)]
        return dict(word.split("=", 1) for word in words)

    @property
    def copied(self) -> list[tuple[str, str]]:
        """Source and target of what it copies from the build context."""
        pairs = [rest.split() for rest in self.all("COPY") if not rest.startswith("--from")]
        return [(source, target) for source, target in pairs]


def read_stages(path: Path) -> dict[str, Stage]:
    """Stages by name, in their order."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M).replace("\\\n", " ")
    stages: dict[str, Stage] = {}
    for line in filter(None, text.splitlines()):
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = rest.split()
            stages[name] = Stage(base, ())
        else:
            name, stage = list(stages.items())[-1]
            stages[name] = stage._replace(steps=(*stage.steps, Step(instruction, rest.strip())))
    return stages


def lineage(stages: dict[str, Stage], name: str) -> list[Stage]:
    """A stage and those it starts from, the last first."""
    found = [stages[name]]
    while (base := found[-1].base) in stages:
        found.append(stages[base])
    return found
