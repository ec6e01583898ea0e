"""What `help` and editors show of the clients' methods."""

import inspect
import types
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from service.client import (
    AsyncClient,
    AsyncJob,
    AsyncSession,
    Client,
    Job,
    Session,
    calls,
    job_calls,
)
from service.client.calls import Call
from service.schemas import StatusResponse, SupportResponse

KINDS = (Client, Session, Job, AsyncClient, AsyncSession, AsyncJob)
METHODS = [
    pytest.param(method, id=f"{kind.__name__}.{name}")
    for kind in KINDS
    for name, method in vars(kind).items()
    if isinstance(method, types.FunctionType) and not name.startswith("_")
]
PAIRS = ((Client, AsyncClient), (Session, AsyncSession), (Job, AsyncJob))
OF_SESSIONS = ("register", "restore", "describe", "report", "archive", "delete", "delete_class")
SENT = [
    pytest.param(getattr(kind, name), getattr(sent, name), id=f"{kind.__name__}.{name}")
    for kind, sent, names in (
        (Client, calls, ("ready", "models")),
        (Client, job_calls, ("jobs",)),
        (Session, calls, OF_SESSIONS),
        (Job, job_calls, ("status", "cancel", "resume", "delete")),
    )
    for name in names
]


def public(kind: type) -> dict[str, Callable[..., Any]]:
    """The methods of a class, and the getters of its properties."""
    members = {name: getattr(member, "fget", member) for name, member in vars(kind).items()}
    return {name: member for name, member in members.items() if not name.startswith("_")}


def told(function: Callable[..., Any]) -> str:
    return " ".join((function.__doc__ or "").split())


@pytest.mark.parametrize(
    ("method", "call"), [*SENT, pytest.param(Session.segment_request, calls.segment, id="segment")]
)
def test_a_method_takes_and_tells_what_its_call_does(
    method: Callable[..., Any], call: Callable[..., Any]
) -> None:
    signature, of_call = inspect.signature(method), inspect.signature(call)
    ids = {"session_id", "job_id"}
    taken = [each for each in of_call.parameters.values() if each.name not in ids]
    assert list(signature.parameters.values())[1:] == taken
    assert [signature.return_annotation or type(None)] == [*get_args(of_call.return_annotation)]
    summary, _, arguments = told(method).partition("Args:")
    assert summary
    assert told(call).startswith(summary)
    assert told(call).endswith(arguments)


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_clients_take_and_tell_the_same(blocking: type, asynchronous: type) -> None:
    one, other = public(blocking), public(asynchronous)
    assert list(one) == list(other)
    for name, method in one.items():
        awaited = other[name]
        of_one, of_other = inspect.signature(method), inspect.signature(awaited)
        assert of_one.parameters == of_other.parameters, name
        returned = str(of_other.return_annotation).replace("Async", "")
        assert returned == str(of_one.return_annotation), name
        as_one = f"as `{blocking.__name__}.{name}`."
        assert told(awaited) == told(method) or told(awaited).endswith(as_one), name
        waits = inspect.iscoroutinefunction(awaited) or inspect.isasyncgenfunction(awaited)
        assert waits == (name not in {"session", "job", "id"}), name


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
