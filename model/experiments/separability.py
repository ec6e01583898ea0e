"""How well prototypes separate by class: a silhouette score, and a t-SNE picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

_PERPLEXITY = 30.0


class PrototypeMap(NamedTuple):
    """Prototypes on a plane: points (N, 2), and the silhouette of the prototypes themselves."""

    title: str
    points: NDArray[np.float32]
    silhouette: float


def map_prototypes(
    title: str, vectors: NDArray[np.float32], classes: NDArray[np.int64], *, seed: int
) -> PrototypeMap:
    """Embed vectors (N, C) by t-SNE and score them, both by cosine distance.

    The score, in [-1, 1], is taken in the C dimensions: distances of a t-SNE picture mean little.
    Two images of each of two classes are the least that can be scored.
    """
    tsne = TSNE(
        metric="cosine",
        init="pca",
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        random_state=seed,
    )
    points = tsne.fit_transform(vectors)
    score = float(silhouette_score(vectors, classes, metric="cosine"))
    return PrototypeMap(title, np.asarray(points, dtype=np.float32), score)


def draw_maps(
    path: Path,
    maps: Sequence[PrototypeMap],
    classes: NDArray[np.int64],
    names: Mapping[int, str],
) -> None:
    """Maps side by side as a PNG, coloured by class, the score over each."""
    figure = Figure(figsize=(6.4 * len(maps) + 1.8, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    for axis, mapped in zip(axes, maps, strict=True):
        _scatter(axis, mapped, classes)
    _label(figure, axes[0].collections, [names[int(c)] for c in np.unique(classes)])
    figure.savefig(path, dpi=130)


def _label(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """A legend that shows names as they are: `_` may begin one, and `$` does not mean maths."""
    places = [str(place) for place in range(len(names))]  # Matplotlib drops labels such as `_x`
    legend = figure.legend(handles, places, loc="outside right upper", frameon=False, markerscale=2)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def _colours(count: int) -> Colormap:
    """Colours by integers below `count`: distinct ones up to 20, then a continuous wheel."""
    for name, size in (("tab10", 10), ("tab20", 20)):
        if count <= size:
            return mpl.colormaps[name]
    return mpl.colormaps["hsv"].resampled(count)


def _scatter(axis: Axes, mapped: PrototypeMap, classes: NDArray[np.int64]) -> None:
    present = np.unique(classes)
    colours = _colours(len(present))
    for place, c in enumerate(present):
        points = mapped.points[classes == c]
        axis.scatter(
            points[:, 0], points[:, 1], s=18, color=colours(place), alpha=0.85, linewidths=0,
        )  # fmt: skip
    axis.set_title(f"{mapped.title}\nsilhouette {mapped.silhouette:.3f}")
    axis.set_xticks([])
    axis.set_yticks([])
