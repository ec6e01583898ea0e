"""Predictions for the tasks of Label Studio."""

import logging
import math
from dataclasses import replace
from functools import partial
from typing import Any

from service.errors import EmptySessionError, ServiceError
from service.labelling_tools.label_config import LabelConfig
from service.labelling_tools.mirror import ProjectMirror
from service.labelling_tools.regions import to_regions
from service.labelling_tools.studio import ImageTask
from service.schemas import SegmentForm
from service.sessions import Resources, segment
from service.stores import Session

_log = logging.getLogger(__name__)

Prediction = dict[str, Any]


async def predict_tasks(
    resources: Resources,
    mirror: ProjectMirror,
    session: Session,
    version: str,
    config: LabelConfig,
    tasks: list[ImageTask],
) -> list[Prediction]:
    """One prediction for each task, in order; among several, one that fails is empty.

    Args:
        resources: of the use cases.
        mirror: of the project.
        session: of the project.
        version: of the session, which each prediction names.
        config: how the project draws.
        tasks: to predict.

    Raises:
        ServiceError: the only task failed.
    """
    # The request was admitted with all of them: the wait must not leave the last ones empty.
    admitted = replace(resources, max_wait_s=math.inf)
    predictions: list[Prediction] = []
    for task in tasks:
        try:
            result, score = await _predict(admitted, mirror, session, config, task)
        except ServiceError as exc:
            if len(tasks) == 1:
                raise
            _log.warning("task not predicted", extra={"code": exc.code})
            result, score = [], 0.0
        predictions.append({"result": result, "score": score, "model_version": version})
    return predictions


async def _predict(
    resources: Resources,
    mirror: ProjectMirror,
    session: Session,
    config: LabelConfig,
    task: ImageTask,
) -> tuple[list[dict[str, Any]], float]:
    """Regions, and the score of the least certain class: Label Studio sorts tasks by it."""
    if not session.classes:
        return [], 0.0
    image = await mirror.studio.image(task.data.get(config.image_key))
    form = SegmentForm(images=[image], session_id=session.session_id, absent="drop")
    try:
        (result,) = (await segment(resources, form, session.key.owner)).results
    except EmptySessionError:
        return [], 0.0
    regions = await resources.pool.run(partial(to_regions, result, config))
    found = [each.score for each in result.classes if each.area]
    return regions, min(found, default=0.0)
