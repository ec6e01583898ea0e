"""What a Label Studio project asks for: its image, and which control draws each label."""

from typing import NamedTuple
from xml.parsers import expat

from service.errors import InvalidRequestError

MAX_CONFIG_CHARACTERS = 1_000_000
# The most exact first: a label of several controls is answered in the first of them.
KINDS = ("brushlabels", "polygonlabels", "rectanglelabels")


class Control(NamedTuple):
    """A tag that draws regions of some labels on an image; `kind` is one of `KINDS`."""

    kind: str
    name: str
    image: str


class LabelConfig(NamedTuple):
    """The image tags, by name the key of the task's data, and the control of each label."""

    image_keys: dict[str, str]
    controls: dict[str, Control]

    @property
    def image_key(self) -> str:
        """Where the image that the labels are drawn on is in a task's data.

        Raises:
            InvalidRequestError: labels on none, or on several.
        """
        keys = {self.image_keys[control.image] for control in self.controls.values()}
        if len(keys) != 1:
            raise InvalidRequestError(
                "the label config needs BrushLabels, PolygonLabels or RectangleLabels on one Image"
            )
        return keys.pop()


class _Collector:
    """Listens to the parser."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.drawn: list[tuple[Control, list[str]]] = []
        self._open: list[list[str] | None] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        labels: list[str] | None = None
        kind, name = tag.lower(), attributes.get("name", "")
        if kind == "image":
            self.images[name] = attributes.get("value", "").lstrip("$")
        elif kind in KINDS:
            labels = []
            self.drawn.append((Control(kind, name, attributes.get("toName", "")), labels))
        elif kind == "label" and self._open and self._open[-1] is not None:
            self._open[-1].append(attributes.get("alias") or attributes.get("value", ""))
        self._open.append(labels)

    def end(self, _: str) -> None:
        self._open.pop()


def parse_label_config(text: str) -> LabelConfig:
    """Read the XML of a label config.

    Raises:
        InvalidRequestError: no XML, or with a document type, whose entities could expand
            without bounds.
    """
    if len(text) > MAX_CONFIG_CHARACTERS:
        raise InvalidRequestError("the label config is too long")
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as exc:
        raise InvalidRequestError("the label config is not valid XML") from exc
    return LabelConfig(collector.images, _controls(collector))


def _controls(collector: _Collector) -> dict[str, Control]:
    """The first control of each label; the labels of later controls come first."""
    drawn = sorted(collector.drawn, key=lambda each: KINDS.index(each[0].kind))
    drawn = [each for each in drawn if each[0].image in collector.images]
    return {label: control for control, labels in reversed(drawn) for label in labels}


def _refuse_doctype(*_: object) -> None:
    raise InvalidRequestError("the label config must not have a document type")
