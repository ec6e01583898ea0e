"""Supports judged: each shot predicted from the others, and what that says of its mask."""

from service.sessions.judging.calibration import class_threshold
from service.sessions.judging.card import report_card
from service.sessions.judging.judge import judge

__all__ = ["class_threshold", "judge", "report_card"]
