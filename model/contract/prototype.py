"""Prototypes of supports, and how a batch of classes is laid out for the head."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# How the gates of K shots become one: by their mean, or multiplied as in the authors' code.
GateFusion = Literal["mean", "product"]
# Two shots of a class show the same if their identities are no further apart: a squared distance,
# as a share of their mean squared length. An image stored again as JPEG moves by 0.01 to 0.04, and
# two photographs of a class are 0.25 apart or more (docs/experiments/presence.md).
_SAME = 0.05
JUDGEMENT_SIZE = 35  # J, numbers in [0, 1] that are kept of each judged shot
PIXEL_FEATURES = 11  # F of a pixel classifier: a logit, three colours at three scales, the contrast
# Q numbers: the share of the regression, F means, F scales, and a weight for each unordered product
# of two of (F features, 1), squares and the constant included: (F + 1)(F + 2) / 2 of these.
PIXEL_CLASSIFIER_SIZE = 1 + 2 * PIXEL_FEATURES + (PIXEL_FEATURES + 1) * (PIXEL_FEATURES + 2) // 2


class SupportPrototype(NamedTuple):
    """One shot of one class, all that a query needs of it; half precision throughout.

    affinity: (C,) masked average of the support feature, what SAAM compares with.
    guided: (C,) masked average of the reweighted support feature, SDPM's p_s.
    gate: (C,) SSE gate in (0, 1).
    tokens: (T, D) L2-normalised foreground high-level features for the prior; T >= 1.
    """

    affinity: NDArray[np.float16]
    guided: NDArray[np.float16]
    gate: NDArray[np.float16]
    tokens: NDArray[np.float16]

    @property
    def nbytes(self) -> int:
        """Bytes the arrays occupy."""
        return sum(array.nbytes for array in self)

    @property
    def mean_token(self) -> NDArray[np.float32]:
        """The mean of the tokens (D,)."""
        return np.asarray(self.tokens.mean(axis=0, dtype=np.float32))


def thin_tokens(
    tokens: NDArray[np.float16], *, channels: int, max_bytes: int
) -> NDArray[np.float16]:
    """Tokens (T, D) spread evenly over those of a shot, so that it takes at most `max_bytes`.

    They come in raster order, so every one left out has near neighbours that stay.

    Args:
        tokens: of the whole foreground.
        channels: C of the shot's three vectors.
        max_bytes: of the whole shot; room for one token at least is taken as given.
    """
    itemsize, depth = tokens.itemsize, tokens.shape[1]
    room = max(1, (max_bytes - 3 * channels * itemsize) // (depth * itemsize))
    if len(tokens) <= room:
        return tokens
    return tokens[np.linspace(0, len(tokens) - 1, room).round().astype(np.intp)]


@dataclass(frozen=True, eq=False)
class SupportSet:
    """One class: its shots, and how the head's answer is corrected for it, if it is.

    Attributes:
        shots: K, of the class as a whole.
        refit: (R,) as in `graphs.HEAD`; see `model.runtime.refit`.
        pixel_classifier: (Q,) see `model.runtime.pixel_classifier`; it corrects what the refit
            gives, so there is none without.
        unfamiliar: the correction was learned from a single image, unlike those of training; in an
            image like these, the head's answer is not corrected.
        side: pixels of the image that one side of the network's square covered; None: unknown.
        close_up: the same objects cropped to close-ups, where they are small in their images.
        judgements: (K, J) what was measured of each shot when it came, a row of zeros for one that
            was not judged; the head makes no use of them.
        identities: (K, D) what each shot's object looks like: its mean token over several views,
            for all objects of one image the same (docs/adr/0010); None: the mean tokens of the
            shots in close-up stand for them.
    """

    shots: tuple[SupportPrototype, ...]
    refit: NDArray[np.float32] | None = None
    _: KW_ONLY
    pixel_classifier: NDArray[np.float32] | None = None
    unfamiliar: bool = False
    side: int | None = None
    close_up: "SupportSet | None" = None
    judgements: NDArray[np.float32] | None = None
    identities: NDArray[np.float16] | None = None

    @property
    def close_up_or_self(self) -> "SupportSet":
        """The class in close-ups; as a whole where it has none."""
        return self if self.close_up is None else self.close_up

    @property
    def adapted(self) -> bool:
        """Whether the head's answer is corrected for it, as a whole or in close-ups."""
        return self.refit is not None or (self.close_up is not None and self.close_up.adapted)

    @cached_property
    def uncorrected(self) -> "SupportSet":
        """The same without its corrections, always the same object."""
        return replace(self, refit=None, pixel_classifier=None, unfamiliar=False)

    @property
    def nbytes(self) -> int:
        """Bytes the arrays occupy."""
        optional = (
            self.refit,
            self.pixel_classifier,
            self.close_up,
            self.judgements,
            self.identities,
        )
        extra_bytes = sum(each.nbytes for each in optional if each is not None)
        return extra_bytes + sum(shot.nbytes for shot in self.shots)

    @property
    def most_nbytes(self) -> int:
        """The most bytes that its shots take in a class whose other shots have more views of them.

        See `extended`, which makes a close-up, identities and judgements of those that lack them.
        """
        row_nbytes = 0
        if self.identities is None:
            row_nbytes += self.shots[0].tokens[0].nbytes
        if self.judgements is None:
            row_nbytes += JUDGEMENT_SIZE * np.dtype(np.float32).itemsize
        most = self.nbytes + 2 * len(self.shots) * row_nbytes
        if self.close_up is None:
            most += sum(shot.nbytes for shot in self.shots)
        return most

    @cached_property
    def mean_affinity(self) -> NDArray[np.float32]:
        """The mean of the shots' affinities (C,)."""
        return self._mean("affinity")

    @cached_property
    def mean_guided(self) -> NDArray[np.float32]:
        """The mean of the shots' guided prototypes (C,)."""
        return self._mean("guided")

    @cached_property
    def mean_gate(self) -> NDArray[np.float32]:
        """The mean of the shots' gates (C,)."""
        return self._mean("gate")

    @cached_property
    def product_gate(self) -> NDArray[np.float32]:
        """The gate (C,) that stands for K gates and their mean applied in turn (docs/adr/0009)."""
        factors = (1 + np.stack([shot.gate for shot in self.shots]).astype(np.float64)) / 2
        product = factors.prod(axis=0) * (1 + factors.mean(axis=0)) / 2
        return np.asarray(2 * product - 1, np.float32)

    @property
    def shot_identities(self) -> NDArray[np.float32]:
        """What the object of each shot looks like (K, D), which presence is judged by."""
        if self.identities is not None:
            return self.identities.astype(np.float32)
        return np.stack([shot.mean_token for shot in self.close_up_or_self.shots])

    @cached_property
    def identity(self) -> NDArray[np.float32]:
        """What the class looks like: the mean over the shots (D,)."""
        return np.asarray(self.shot_identities.mean(axis=0, dtype=np.float64), np.float32)

    @cached_property
    def independent_shots(self) -> float:
        """How many shots tell something of their own; see the function of this name."""
        return independent_shots(self.shot_identities)

    def averaged(self) -> "SupportSet":
        """The same, with its means computed; they go along where it is sent."""
        _ = self.mean_affinity, self.mean_guided, self.mean_gate
        _ = self.identity, self.independent_shots
        return self

    def _mean(self, field: str) -> NDArray[np.float32]:
        """In float64, so that the order of the shots leaves no trace."""
        rows = [getattr(shot, field) for shot in self.shots]
        return np.asarray(np.mean(rows, axis=0, dtype=np.float64), np.float32)

    def thinned(self, max_bytes: int) -> "SupportSet":
        """The class with shots of at most `max_bytes` each; see `thin_tokens`."""

        def thin(shot: SupportPrototype) -> SupportPrototype:
            channels = len(shot.affinity)
            return shot._replace(
                tokens=thin_tokens(shot.tokens, channels=channels, max_bytes=max_bytes)
            )

        return replace(self, shots=tuple(thin(shot) for shot in self.shots))

    def extended(self, more: "SupportSet") -> "SupportSet":
        """The class with the shots of `more` too, whose adaptation, if any, replaces the one here.

        Where only one of the two has a close-up, the shots of the other are their own close-up,
        without their adaptation.
        """
        first, second, close_up = self, more, None
        if self.close_up is not None or more.close_up is not None:
            first, second = self._in_both_views(), more._in_both_views()
            close_up = first.close_up_or_self.extended(second.close_up_or_self)
        adapted = self if more.refit is None else more
        return SupportSet(
            (*first.shots, *second.shots),
            refit=adapted.refit,
            pixel_classifier=adapted.pixel_classifier,
            unfamiliar=adapted.unfamiliar,
            side=_mean_side(self, more),
            close_up=close_up,
            judgements=_joined_judgements(self, more),
            identities=_joined_identities(self, more),
        )

    def _in_both_views(self) -> "SupportSet":
        """With a close-up; a missing one is made of the shots, thinned so that both fit."""
        if self.close_up is not None:
            return self
        whole = self.thinned(max(shot.nbytes for shot in self.shots) // 2)
        return replace(whole, close_up=replace(whole.uncorrected, judgements=None))


def _mean_side(first: SupportSet, second: SupportSet) -> int | None:
    """The geometric mean over all shots of both, as if they had come together."""
    sides = [(len(each.shots), each.side) for each in (first, second) if each.side is not None]
    if not sides:
        return None
    shots = sum(count for count, _ in sides)
    return round(math.exp(sum(count * math.log(side) for count, side in sides) / shots))


def _joined_judgements(first: SupportSet, second: SupportSet) -> NDArray[np.float32] | None:
    """The judgements of both, with zeros for the shots of the one that has none."""
    known = [each.judgements for each in (first, second) if each.judgements is not None]
    if not known:
        return None
    rows = [
        np.zeros((len(each.shots), known[0].shape[1]), np.float32)
        if each.judgements is None
        else each.judgements
        for each in (first, second)
    ]
    return np.concatenate(rows)


def _joined_identities(first: SupportSet, second: SupportSet) -> NDArray[np.float16] | None:
    """The identities of both, if one of them has any."""
    if first.identities is None and second.identities is None:
        return None
    rows = np.concatenate([first.shot_identities, second.shot_identities])
    return rows.astype(np.float16)


def independent_shots(identities: NDArray[np.float32]) -> float:
    """How many different shots the mean over K identities (K, D) is worth, from 1 to K.

    Shots that show the same tell no more than one of them, and weigh more in the mean. So this is
    K² divided by the number of pairs (k, l) that show the same, (k, k) among them: K where all
    differ, 1 for copies of one shot.
    """
    products = identities @ identities.T  # (K, K)
    square = np.diag(products)
    lengths = square[:, None] + square
    same = lengths - 2 * products <= _SAME * lengths / 2
    return float(len(identities) ** 2 / same.sum())


class HeadInputs(NamedTuple):
    """The class side of the head graph for P pairs; names and axes as in `graphs.HEAD`."""

    affinity: NDArray[np.float32]  # (P, C)
    guided: NDArray[np.float32]  # (P, C)
    gate: NDArray[np.float32]  # (P, C)
    tokens: NDArray[np.float16]  # (P, K, T, D)
    token_valid: NDArray[np.bool_]  # (P, K, T)
    refit: NDArray[np.float32]  # (P, R)
    identity: NDArray[np.float32]  # (P, D)


def collate_classes(classes: Sequence[SupportSet], *, gates: GateFusion = "mean") -> HeadInputs:
    """Lay out P classes, each of one or more shots, for the head.

    Vectors are averaged over the shots; tokens stay apart, since the prior is normalised for each
    shot, and are padded to the longest.
    Presence is judged by near views of the class, since cells of a whole image show as much of a
    small object's surroundings as of the object.

    Args:
        classes: shots of each.
        gates: how the shots' gates are fused, as the bundle's manifest says.

    Raises:
        ValueError: no class, or a class without shots.
    """
    if not classes or not all(support_set.shots for support_set in classes):
        raise ValueError("every class needs at least one shot")
    max_shots = max(len(support_set.shots) for support_set in classes)
    max_tokens = max(len(shot.tokens) for each in classes for shot in each.shots)
    depth = classes[0].shots[0].tokens.shape[1]
    tokens = np.zeros((len(classes), max_shots, max_tokens, depth), np.float16)
    token_valid = np.zeros((len(classes), max_shots, max_tokens), np.bool_)
    for p, support_set in enumerate(classes):
        for k, shot in enumerate(support_set.shots):
            tokens[p, k, : len(shot.tokens)] = shot.tokens
            token_valid[p, k, : len(shot.tokens)] = True

    plain = np.zeros(2 * len(classes[0].mean_affinity) + 2, np.float32)
    plain[0] = 1.0  # the network's own logit alone
    fused = [each.product_gate if gates == "product" else each.mean_gate for each in classes]
    return HeadInputs(
        affinity=np.stack([each.mean_affinity for each in classes]),
        guided=np.stack([each.mean_guided for each in classes]),
        gate=np.stack(fused),
        tokens=tokens,
        token_valid=token_valid,
        refit=np.stack([plain if each.refit is None else each.refit for each in classes]),
        identity=np.stack([each.identity for each in classes]),
    )
