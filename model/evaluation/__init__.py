"""Metrics and the episode loop, over any segmenter."""

from model.evaluation.episodes import EpisodeReport, Segmenter, evaluate_episodes
from model.evaluation.metrics import IoUTotals

__all__ = ["EpisodeReport", "IoUTotals", "Segmenter", "evaluate_episodes"]
