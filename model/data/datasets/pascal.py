"""PASCAL-5i: VOC 2012 with SBD's labels, in the folders of the two archives."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from model.data.datasets.base import DatasetError, read_label_map, read_lines, read_pair
from model.data.folds import PASCAL_CLASSES

VOC_FOLDER = Path("VOCdevkit", "VOC2012")
SBD_FOLDER = Path("benchmark_RELEASE", "dataset")
PASCAL_LAYOUT = (
    f"{VOC_FOLDER}/{{JPEGImages,SegmentationClass,ImageSets}} and, to train, "
    f"{SBD_FOLDER}/{{cls,train.txt,val.txt}}"
)


def validation_ids(root: Path) -> tuple[str, ...]:
    """PASCAL-5i's test images: VOC 2012's segmentation val list (1,449).

    Raises:
        DatasetError: the list is missing.
    """
    return read_lines(root / VOC_FOLDER / "ImageSets" / "Segmentation" / "val.txt")


def training_ids(root: Path) -> tuple[str, ...]:
    """PASCAL-5i's training images in the order of the field's usual list (5,953).

    It is made of SBD's train and val lists without VOC 2012's val images, and then of VOC's
    segmentation train list without what is there already. VOC's val images are here those of its
    main list (5,823), which holds more than the segmentation one: SBD's authors leave all of them
    out in their `train_noval.txt` (5,623, sorted), and PFENet and HSNet start from that file.
    Leaving out the 1,449 alone would give the 10,582 of semantic segmentation's `trainaug`.

    Raises:
        DatasetError: a list is missing.
    """
    voc, sbd = root / VOC_FOLDER / "ImageSets", root / SBD_FOLDER
    held_out = {*read_lines(voc / "Main" / "val.txt"), *validation_ids(root)}
    labelled = {*read_lines(sbd / "train.txt"), *read_lines(sbd / "val.txt")}
    from_sbd = labelled - held_out
    from_voc = read_lines(voc / "Segmentation" / "train.txt")
    return (*sorted(from_sbd), *(i for i in from_voc if i not in from_sbd))


@dataclass(frozen=True)
class PascalDataset:
    """VOC 2012 and SBD as their archives unpack.

    A label map is VOC's own where VOC has one, whose objects have an ignored border (255), and
    else SBD's, which has none. SBD's photographs are VOC's and are read from `JPEGImages`.

    Args:
        root: where both archives were unpacked, see `PASCAL_LAYOUT`.
        split: `train` or `val`.

    Raises:
        DatasetError: no such split; or on first use, when files are missing.
    """

    root: Path
    split: str

    def __post_init__(self) -> None:
        if self.split not in ("train", "val"):
            raise DatasetError(f"{self.root}: PASCAL-5i has splits train and val, not {self.split}")

    @property
    def name(self) -> str:
        return f"pascal_{self.split}"

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Image ids in the order of the list."""
        return (training_ids if self.split == "train" else validation_ids)(self.root)

    @cached_property
    def class_names(self) -> dict[int, str]:
        return dict(enumerate(PASCAL_CLASSES, start=1))

    def __len__(self) -> int:
        return len(self.ids)

    def label(self, index: int) -> NDArray[np.uint8]:
        path = self.files(index)[1]
        return read_label_map(path) if path.suffix == ".png" else _sbd_label(path)

    def read(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_pair(self.files(index)[0], self.label(index))

    def files(self, index: int) -> tuple[Path, Path]:
        image_id = self.ids[index]
        image = self.root / VOC_FOLDER / "JPEGImages" / f"{image_id}.jpg"
        from_voc = self.root / VOC_FOLDER / "SegmentationClass" / f"{image_id}.png"
        from_sbd = self.root / SBD_FOLDER / "cls" / f"{image_id}.mat"
        if from_voc.is_file():
            return image, from_voc
        if from_sbd.is_file():
            return image, from_sbd
        raise DatasetError(f"expected a label map at {from_voc} or {from_sbd}")


def _sbd_label(path: Path) -> NDArray[np.uint8]:
    """Field `Segmentation` of the struct `GTcls`: class indices (H, W)."""
    try:
        truth = loadmat(path, variable_names=("GTcls",))["GTcls"]
        return np.asarray(truth[0, 0]["Segmentation"], dtype=np.uint8)
    except (MatReadError, KeyError, IndexError, ValueError, TypeError) as exc:
        raise DatasetError(f"expected SBD's struct GTcls with a Segmentation in {path}") from exc
