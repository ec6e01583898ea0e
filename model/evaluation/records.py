"""A recorded evaluation: what was evaluated, how, by which command, and the figures."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.contract import Precision, replace_text
from model.data.folds import COCO_CLASSES, PASCAL_CLASSES, FoldScheme, barred_classes
from model.data.mixture import PROCEDURAL
from model.data.procedural import DEFECT_CLASSES
from model.data.trained_sets import TrainedSet
from model.evaluation.absence import USUAL_ABSENT, AbsenceReport
from model.evaluation.episodes import EpisodeReport
from model.evaluation.generalised import GeneralisedReport

# Lists of one family have the same classes, and some the same images, whether read as VOC or in our
# own format; splits of FSS-1000 have neither in common.
_FAMILIES = {"pascal_": "pascal", "pascal5i_": "pascal", "voc_": "pascal", "coco_": "coco"}
# Of sets whose classes a record of an earlier release does not name.
_KNOWN_CLASSES: dict[str, tuple[str, ...]] = {
    "pascal": PASCAL_CLASSES,
    "coco": COCO_CLASSES,
    PROCEDURAL: DEFECT_CLASSES,
}

_SAME_LENGTH = 0.1  # of the episodes of training

Report = Annotated[EpisodeReport | AbsenceReport | GeneralisedReport, Field(discriminator="kind")]


class RecordError(ValueError):
    """A file is no recorded evaluation, or records do not fit together."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(_Record):
    """What was evaluated.

    kind: `baseline` is trained on no set: it has the weights of ImageNet classification alone.
    sha256: of each graph of the bundle's tier, or of the checkpoint's or the weights' file.
    precision: the tier.
    trained_on: the sets, each a line of `TrainedSet`; empty when that is not recorded.
    excluded_classes: names excluded from all of them.
    episodes, minutes: length of its training; None where it is not recorded.
    recipe: digest of the recipe without fold, seed and length; None where it is not recorded.
    """

    kind: Literal["bundle", "checkpoint", "baseline"]
    name: str
    preset: str
    input_side: int
    sha256: dict[str, str]
    trained_on: tuple[str, ...]
    excluded_classes: tuple[str, ...]
    precision: Precision = "fp32"
    episodes: int | None = None
    minutes: float | None = None
    recipe: str | None = None

    def trained_as(self, other: "Subject") -> bool:
        """Whether both were trained in the same way, as far as that is recorded.

        Lengths may differ by a tenth, since folds of one recipe have different numbers of images.
        """
        if None not in (self.recipe, other.recipe) and self.recipe != other.recipe:
            return False
        if self.episodes is None or other.episodes is None:
            return True
        shorter, longer = sorted((self.episodes, other.episodes))
        return longer <= (1 + _SAME_LENGTH) * shorter

    def has_seen(self, data: str, classes: tuple[str, ...], *, fold: int | None) -> bool:
        """Whether training may have seen these classes: it did not leave them out by name.

        It has if it asked for one of them by name, in whatever set, as far as its classes are
        recorded or known. Without a fold, every class of a set is asked for, and it may also have
        seen them if that set or its family was in training. Where no training sets are recorded,
        training may have seen everything.
        """
        if self.kind == "baseline" or set(classes) <= set(self.excluded_classes):
            return False
        if not self.trained_on:
            return True
        sets = {_family(each.name) for each in self._trained_sets}
        return fold is not None or _family(data) in sets or self._asked_for(classes)

    def _asked_for(self, classes: tuple[str, ...]) -> bool:
        """Whether training asked for one of these classes by name."""
        trained = frozenset(
            name
            for each in self._trained_sets
            for name in each.classes or _KNOWN_CLASSES.get(_family(each.name), ())
        )
        names = dict(enumerate(classes))
        left_out = barred_classes(names, frozenset(self.excluded_classes))
        return not barred_classes(names, trained) <= left_out

    @property
    def _trained_sets(self) -> tuple[TrainedSet, ...]:
        return tuple(map(TrainedSet.parse, self.trained_on))

    def shares_images(self, data: str) -> bool:
        """Whether images of this very set may have been in training: it is among the training sets.

        Where no training sets are recorded, any image may have been.
        """
        if self.kind == "baseline":
            return False
        sets = {_whole(each.name) for each in self._trained_sets}
        return not sets or _whole(data) in sets


def _whole(name: str) -> str:
    """The set of a share such as `magnetic_tile[0/2]`."""
    return name.partition("[")[0]


def _family(name: str) -> str:
    """The family of a set or of a share of it."""
    name = _whole(name)
    families = (family for prefix, family in _FAMILIES.items() if name.startswith(prefix))
    return next(families, name)


class Protocol(_Record):
    """How it was evaluated; `episodes` are query images for the generalised kind, at most.

    absent: share of the queries that lack the class, in lists that evaluate presence.
    """

    data: str
    images: int
    episodes: int
    min_area: int
    labels: Literal["original", "scaled"]
    scales: tuple[float, ...]
    flip: bool
    adapted: bool | Literal["auto"] = False
    threshold: float
    scheme: FoldScheme = "pascal"
    absent: float | None = None

    @property
    def settings(self) -> str:
        """The settings that differ from the plain test, in words."""
        parts = []
        if self.scheme == "coco-contiguous":
            parts.append("contiguous folds")
        if self.labels == "scaled":
            parts.append("scaled labels †")
        if self.scales != (1.0,):
            parts.append("scales " + ", ".join(f"{scale:g}" for scale in self.scales))
        if self.flip:
            parts.append("mirrored too")
        if self.adapted:
            where = " where that helps" if self.adapted == "auto" else ""
            parts.append(f"adapted on the supports{where}")
        if self.absent not in (None, USUAL_ABSENT):
            parts.append(f"{self.absent:.0%} absent")
        return "; ".join(parts)


class Result(_Record):
    """One list: a fold (None: every class of the set), and its report.

    seen: training did not leave the tested classes out, see `Subject.has_seen`.
    """

    fold: int | None
    seen: bool
    seconds: float
    report: Report


class Evaluation(_Record):
    """One run of `python -m model evaluate`."""

    format_version: Literal[1] = 1
    command: str
    subject: Subject
    protocol: Protocol
    results: tuple[Result, ...]


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write a record as JSON, replacing what was there as a whole."""
    replace_text(path, evaluation.model_dump_json(indent=1) + "\n")


def read_evaluations(folder: Path) -> dict[str, Evaluation]:
    """All records under a folder, by path inside it, in the order of the paths.

    Raises:
        RecordError: there is none, or a JSON file is something else.
    """
    paths = sorted(folder.rglob("*.json"))
    if not paths:
        raise RecordError(f"no recorded evaluation in {folder}: `model evaluate --json` writes one")
    found = {}
    for path in paths:
        try:
            evaluation = Evaluation.model_validate_json(path.read_bytes())
        except ValidationError as exc:
            raise RecordError(f"{path} was not written by `model evaluate --json`: {exc}") from exc
        found[path.relative_to(folder).as_posix()] = evaluation
    return found
