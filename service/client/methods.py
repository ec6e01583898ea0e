"""Calls as methods: their names, documentation and signatures, as tools for people show them."""

import inspect
import re
from collections.abc import Callable
from types import NoneType
from typing import Any, TypeVar, get_args

Method = TypeVar("Method", bound=Callable[..., Any])


def method_of(describe: Callable[..., Any], *, bound: bool) -> Callable[[Method], Method]:
    """A decorator that gives a method what a call of `service.client.calls` is known by.

    Args:
        describe: the call, which returns a `Call[T]`; its method returns T.
        bound: whether the object that the method belongs to gives the first argument.
    """
    call = inspect.signature(describe)
    parameters = list(call.parameters.values())
    given, taken = (parameters[:1], parameters[1:]) if bound else ([], parameters)
    (result,) = get_args(call.return_annotation)
    result = None if result is NoneType else result
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)

    def dress(method: Method) -> Method:
        method.__name__, method.__qualname__ = describe.__name__, describe.__qualname__
        method.__doc__ = _without(describe.__doc__ or "", *(each.name for each in given))
        method.__annotations__ = {each.name: each.annotation for each in taken}
        method.__annotations__["return"] = result
        signature = call.replace(parameters=[this, *taken], return_annotation=result)
        # Not `functools.wraps`, whose `__wrapped__` would show the call's own signature.
        vars(method)["__signature__"] = signature
        return method

    return dress


def _without(doc: str, *names: str) -> str:
    """Documentation without some arguments, each of which may have several lines."""
    for name in names:
        doc = re.sub(rf"^ {{8}}{name}: .*\n(?: {{12}}.*\n)*", "", doc, flags=re.MULTILINE)
    return doc
