"""Loss terms: tiny tensors and the floats they must give."""

import math

import pytest
import torch
from torch import Tensor

from model.losses import (
    IGNORE,
    LossWeights,
    Strategy,
    distillation_loss,
    episode_loss,
    segmentation_loss,
)
from model.nets import SDAANetOutput
from model.nets.pooling import MaskResize

WEIGHTS = LossWeights()


def _logits(background: float, foreground: float) -> Tensor:
    return torch.tensor([background, foreground], dtype=torch.float32).view(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        (_logits(0, 0), [[0, 1]], math.log(2)),
        (_logits(2, 0), [[0]], math.log(1 + math.exp(-2))),
        (_logits(2, 0), [[1]], 2 + math.log(1 + math.exp(-2))),
        (_logits(2, 0), [[0, IGNORE]], math.log(1 + math.exp(-2))),
        (_logits(2, 0), [[0, 1]], 1 + math.log(1 + math.exp(-2))),
        (_logits(2, 0), [[IGNORE, IGNORE]], 0.0),
    ],
    ids=["undecided", "right", "wrong", "ignored left out", "mean", "all ignored"],
)
def test_segmentation_loss(logits: Tensor, labels: list[list[int]], expected: float) -> None:
    loss = segmentation_loss(logits, torch.tensor([labels], dtype=torch.uint8))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def _kl(teacher: list[float], student: list[float], temperature: float) -> float:
    def softmax(values: list[float]) -> list[float]:
        powers = [math.exp(value / temperature) for value in values]
        return [power / sum(powers) for power in powers]

    pairs = zip(softmax(teacher), softmax(student), strict=True)
    return sum(t * math.log(t / s) for t, s in pairs)


def test_distillation_is_the_scaled_divergence_from_the_mean_of_both() -> None:
    loss = distillation_loss(
        torch.tensor([[[8.0, 0.0]]]), torch.tensor([[0.0, 4.0]]),
        strategy="separate", weights=WEIGHTS,
    )  # fmt: skip
    expected = 0.9 * 25 * _kl([4, 2], [8, 0], 5)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_student_at_its_teacher_loses_nothing() -> None:
    shot = torch.tensor([[[3.0, -1.0]]])
    loss = distillation_loss(shot, shot[:, 0], strategy="integral", weights=WEIGHTS)
    assert loss.item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("strategy", ["integral", "separate"])
def test_the_teacher_carries_no_gradient(strategy: Strategy) -> None:
    shots = torch.tensor([[[8.0, 0.0], [1.0, 3.0]]], requires_grad=True)
    query = torch.tensor([[0.0, 4.0]], requires_grad=True)
    distillation_loss(shots, query, strategy=strategy, weights=WEIGHTS).backward()  # type: ignore[no-untyped-call]
    assert query.grad is None
    assert shots.grad is not None
    assert shots.grad.abs().max() > 0


def test_strategies_agree_on_one_shot_and_differ_on_two() -> None:
    shots, query = torch.tensor([[[8.0, 0.0], [1.0, 3.0]]]), torch.tensor([[0.0, 4.0]])

    def loss(count: int, strategy: Strategy) -> float:
        return distillation_loss(shots[:, :count], query, strategy=strategy, weights=WEIGHTS).item()

    assert loss(1, "integral") == pytest.approx(loss(1, "separate"))
    assert loss(2, "integral") != pytest.approx(loss(2, "separate"), rel=0.05)


def test_separate_is_the_mean_over_the_shots() -> None:
    shots, query = torch.tensor([[[8.0, 0.0], [1.0, 3.0]]]), torch.tensor([[0.0, 4.0]])
    both = distillation_loss(shots, query, strategy="separate", weights=WEIGHTS)
    each = [
        distillation_loss(shots[:, i : i + 1], query, strategy="separate", weights=WEIGHTS)
        for i in range(2)
    ]
    torch.testing.assert_close(both, torch.stack(each).mean())


def _output(batch: int) -> SDAANetOutput:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(2, *shape, generator=generator)[:batch]

    return SDAANetOutput(
        logits=random(2, 4, 4),
        auxiliary_logits=(random(2, 4, 4), random(2, 2, 2)),
        support_logits=random(2, 4, 4),
        guided_shots=random(1, 3) * 4,
        gate=random(3).sigmoid(),
        query_feature=random(3, 4, 4) * 4,
    )


def _terms(
    batch: int,
    query_labels: Tensor,
    weights: LossWeights = WEIGHTS,
    output: SDAANetOutput | None = None,
) -> dict[str, float]:
    labels = torch.zeros(batch, 1, 8, 8, dtype=torch.uint8)
    labels[:, :, :4] = 1
    terms = episode_loss(
        output or _output(batch),
        query_labels=query_labels,
        support_labels=labels,
        resize_mask=MaskResize(side=4, mode="area", source_side=8),
        strategy="separate",
        weights=weights,
    )
    return {name: value.item() for name, value in terms._asdict().items()}


def _half_foreground(batch: int) -> Tensor:
    labels = torch.zeros(batch, 8, 8, dtype=torch.uint8)
    labels[:, :, :4] = 1
    return labels


def test_the_total_is_the_weighted_sum() -> None:
    weights = LossWeights(auxiliary=2, distillation=3, support=5)
    terms = _terms(2, _half_foreground(2), weights)
    assert min(terms.values()) > 0
    assert terms["total"] == pytest.approx(
        terms["main"] + 2 * terms["auxiliary"] + 3 * terms["distillation"] + 5 * terms["support"],
        rel=1e-5,
    )


def test_the_weights_are_the_papers() -> None:
    assert LossWeights() == (1.0, 50.0, 0.5, 5.0, 0.9)


def test_a_query_without_the_class_distils_nothing() -> None:
    labels = _half_foreground(2)
    labels[1] = 0
    with_absent, alone = _terms(2, labels), _terms(1, labels[:1])
    assert alone["distillation"] > 0
    assert with_absent["distillation"] == pytest.approx(alone["distillation"], rel=1e-5)


def test_a_batch_in_which_every_query_lacks_the_class_distils_0() -> None:
    assert _terms(2, torch.zeros(2, 8, 8, dtype=torch.uint8))["distillation"] == 0


def test_a_part_that_the_network_lacks_has_no_loss() -> None:
    bare = _output(2)._replace(support_logits=None, guided_shots=None)
    terms = _terms(2, _half_foreground(2), output=bare)
    assert terms["support"] == terms["distillation"] == 0
    assert terms["total"] == pytest.approx(terms["main"] + terms["auxiliary"], rel=1e-6)


def test_an_episode_of_ignored_queries_is_finite() -> None:
    terms = _terms(2, torch.full((2, 8, 8), IGNORE, dtype=torch.uint8))
    assert terms["main"] == terms["auxiliary"] == terms["distillation"] == 0
    assert math.isfinite(terms["total"])
