"""The rows of the ablation: which parts a network has and how it is distilled."""

from typing import NamedTuple

from model.losses import Strategy
from model.training import Parts, TrainConfig


class AblationError(ValueError):
    """Rows that cannot be asked for, or a folder with rows of another setup."""


class Variant(NamedTuple):
    """A network to train; `shots` in training and evaluation alike."""

    name: str
    parts: Parts
    strategy: Strategy
    shots: int

    def recipe(self, base: TrainConfig, *, steps: int, seed: int) -> TrainConfig:
        """The base recipe with the parts of this row and its first stage alone, of `steps`."""
        stage = base.stages[0].model_copy(update={"steps": steps, "epochs": None})
        own = {"parts": self.parts, "strategy": self.strategy, "shots": self.shots, "seed": seed}
        return base.model_copy(update={**own, "stages": (stage,)})


class Comparison(NamedTuple):
    """Rows read together; gains are over the first."""

    title: str
    rows: tuple[Variant, ...]


def comparisons(shots: int) -> tuple[Comparison, ...]:
    """The paper's three comparisons; `shots` are those of the distillation strategies.

    With one shot both strategies are the same function, so they are compared at more.

    Raises:
        AblationError: fewer than two shots.
    """
    if shots < 2:
        raise AblationError(f"strategies differ from 2 shots on, not at {shots}")
    both = Variant("both", Parts(), "separate", 1)
    # As in the paper's ablation on PASCAL-5i, every row of this comparison has the prior.
    modules = (
        Variant("baseline", Parts(saam=False, sdpm=False), "separate", 1),
        Variant("saam", Parts(sdpm=False), "separate", 1),
        Variant("sdpm", Parts(saam=False), "separate", 1),
        both,
    )
    without_prior = Variant("no-prior", Parts(prior=False), "separate", 1)
    strategies = (
        Variant("integral", Parts(), "integral", shots),
        Variant("separate", Parts(), "separate", shots),
    )
    return (
        Comparison("SAAM and SDPM", modules),
        Comparison("The prior", (without_prior, both)),
        Comparison("Distillation of several shots", strategies),
    )
