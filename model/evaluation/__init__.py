"""Metrics and the episode loops over any segmenter, their records and the results page."""

from model.evaluation.episodes import EpisodeReport, evaluate_episodes
from model.evaluation.metrics import IoUTotals, LabelMapTotals
from model.evaluation.segmenter import Segmenter

__all__ = ["EpisodeReport", "IoUTotals", "LabelMapTotals", "Segmenter", "evaluate_episodes"]
