"""What the label maps of a mixture hold: checked before any feature, told before any step."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tqdm import tqdm

from model.data.datasets import BACKGROUND, IGNORE, FromFiles, LabelledImages, class_areas
from model.data.mixture import SetConfig, SourceImage
from model.data.sampler import no_class

_LISTED = 8  # names or values in a line; the others are counted


def check_label_maps(
    configs: Sequence[SetConfig],
    sets: Sequence[LabelledImages],
    images: Sequence[SourceImage],
    *,
    shots: int,
    workers: int,
) -> None:
    """Read every label map of the sets that are read from files.

    Raises:
        DatasetError: one cannot be read, or has another size than its image in the project's own
            format; or a set with a positive weight shows no class in enough images, whatever the
            size of the objects.
    """
    shown = [Counter[int]() for _ in sets]
    for image, classes in _classes_of(sets, images, workers):
        shown[image.set_index].update(classes)
    for config, dataset, counts in zip(configs, sets, shown, strict=True):
        named = dataset.class_names
        if not config.weight or not isinstance(dataset, FromFiles):
            continue
        if not any(counts[c] > shots for c in named):
            raise no_class(config.name, named, shots)


def _classes_of(
    sets: Sequence[LabelledImages], images: Sequence[SourceImage], workers: int
) -> Iterator[tuple[SourceImage, tuple[int, ...]]]:
    """Images from files with the class indices that they show."""

    def classes_of(image: SourceImage) -> tuple[int, ...]:
        return tuple(class_areas(sets[image.set_index], image.image_index))

    rows = [image for image in images if isinstance(sets[image.set_index], FromFiles)]
    with ThreadPoolExecutor(workers, "label maps") as pool:
        passed = pool.map(classes_of, rows)
        try:
            yield from zip(rows, tqdm(passed, "label maps", len(rows)), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)  # or an interrupt would wait for all of them


class SetSurvey(NamedTuple):
    """What a run finds in a set, after images with unseen classes were left out.

    images: how many there are.
    names: of the classes that are not unseen, by index.
    shown_in: class or other value of label maps → number of images that show it.
    drawn_in: class → number of images that show enough of it to be drawn.
    shots: K; a class is drawn if more images than that show enough of it.
    """

    name: str
    images: int
    names: Mapping[int, str]
    shown_in: Mapping[int, int]
    drawn_in: Mapping[int, int]
    shots: int

    def __str__(self) -> str:
        """A line such as `parts: 48 images, 3 of 4 classes; spring in 1 image`."""
        rare = [c for c in self.names if self.drawn_in.get(c, 0) <= self.shots]
        used = f"{len(self.names) - len(rare)} of {len(self.names)} classes"
        parts = [f"{self.name}: {_counted(self.images)}, {used}"]
        if rare:
            parts.append(_listed([self._rarity(c) for c in rare]))
        strange = sorted(set(self.shown_in) - set(self.names) - {BACKGROUND, IGNORE})
        if strange:
            values = _listed([str(value) for value in strange])
            parts.append(f"label value{'s' * (len(strange) > 1)} {values} not in classes.csv")
        return "; ".join(parts)

    def _rarity(self, c: int) -> str:
        shown, drawn = self.shown_in.get(c, 0), self.drawn_in.get(c, 0)
        if shown == drawn:
            return f"{self.names[c]} in {_counted(shown)}"
        return f"{self.names[c]} in {_counted(shown)}, {drawn} of them above min_share"


def _counted(images: int) -> str:
    return f"{images or 'no'} image{'' if images == 1 else 's'}"


def _listed(parts: Sequence[str]) -> str:
    more = len(parts) - _LISTED
    return ", ".join(parts[:_LISTED]) + (f" and {more} more" if more > 0 else "")
