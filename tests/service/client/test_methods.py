"""What `help` and editors show of the clients' methods."""

import inspect
import types
from collections.abc import Callable
from typing import Any, get_origin, get_type_hints

import pytest

from service.client import AsyncClient, AsyncJob, AsyncSession, Client, Job, Session
from service.client.calls import Call
from service.schemas import StatusResponse, SupportResponse

KINDS = (Client, Session, Job, AsyncClient, AsyncSession, AsyncJob)
METHODS = [
    pytest.param(method, id=f"{kind.__name__}.{name}")
    for kind in KINDS
    for name, method in vars(kind).items()
    if isinstance(method, types.FunctionType) and not name.startswith("_")
]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_shows_the_arguments_that_it_takes(method: Callable[..., Any]) -> None:
    signature, doc = inspect.signature(method), method.__doc__
    names = [*signature.parameters, *get_type_hints(method)]
    assert names[0] == "self"
    assert not {"args", "kwargs"} & set(names)
    returned = {signature.return_annotation, get_type_hints(method)["return"]}
    assert not any(get_origin(each) is Call for each in returned)
    assert doc
    if method.__name__ not in {"session", "job"}:  # which are told the id
        assert not {"session_id", "job_id"} & set(names)
        assert "_id: " not in doc


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_methods_of_an_object_show_theirs(client: type[Client] | type[AsyncClient]) -> None:
    here = client("http://127.0.0.1:9")
    assert str(inspect.signature(here.jobs).replace(return_annotation="")) == "() -> ''"
    assert inspect.signature(here.ready).return_annotation is StatusResponse
    register = inspect.signature(here.session("s").register)
    assert register.return_annotation is SupportResponse
    names = ["class_name", "images", "masks", "mode", "adapt", "report", "model"]
    assert list(register.parameters) == names
    assert inspect.signature(here.session("s").delete).return_annotation is None
    assert inspect.iscoroutinefunction(here.ready) == (client is AsyncClient)
