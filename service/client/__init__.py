"""Python client of the service: blocking and asynchronous, typed, with NumPy masks.

with Client() as client:
    session = client.session()
    session.register("duck", ["a.jpg", "b.jpg"], ["a.png", "b.png"])
    for path, found in session.segment_many(paths, progress=True):
        mask = found["duck"].mask  # (H, W) bool
"""

from service.client.asynchronous import AsyncClient, AsyncJob, AsyncSession
from service.client.blocking import Client, Job, Session
from service.client.errors import ApiError, ClientError
from service.client.results import Found, Segmentation
from service.client.retries import Retries
from service.image_files import ImageLike, MaskLike
from service.schemas import JobResponse

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "AsyncSession",
    "Client",
    "ClientError",
    "Found",
    "ImageLike",
    "Job",
    "JobResponse",
    "MaskLike",
    "Retries",
    "Segmentation",
    "Session",
]
