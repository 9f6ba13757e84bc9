"""Imports the app and checks its functions as the host and the Python worker do at start.

https://github.com/Azure/azure-functions-python-worker/blob/dev/azure_functions_worker/functions.py
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
import typing
from itertools import pairwise
from pathlib import Path
from typing import Any

import azure.functions as func

from local.host.bindings import GENERIC, accepts, may_return
from local.host.functions import Function, Trigger
from local.host.queue_storage import is_connection, is_name
from local.host.settings import expand
from local.terminal import Stop

MODULE = "function_app"
SUPPORTED = ("httpTrigger", "timerTrigger", "queueTrigger")
_NAMES = {"serviceBusTrigger": "Service Bus triggers"}


def load_functions(root: Path) -> list[Function]:
    return read_functions(_app(_imported(root)))


def read_functions(app: func.FunctionRegister) -> list[Function]:
    """In the order in which the host tries them: that of their names, case aside."""
    try:
        found = app.get_functions()  # once: a second call takes every name for a duplicate
    except ValueError as error:
        raise Stop(f"{MODULE}.py: {str(error).strip().rstrip('.')}.") from error
    functions = sorted((_function(each) for each in found), key=lambda f: f.name.lower())
    for one, other in pairwise(functions):
        if one.name.lower() == other.name.lower():
            raise Stop(f"Two functions are named {one.name} (case makes no difference).")
    return functions


def _imported(root: Path) -> Any:
    if not (root / f"{MODULE}.py").is_file():
        raise Stop(f"There is no {MODULE}.py in {root}.")
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module(MODULE)
    except (Exception, SystemExit) as error:
        where = _where(error, root)
        raise Stop(
            f"{MODULE}.py could not be imported: {type(error).__name__}: {_one_line(error)}{where}."
        ) from error


def _one_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(text.split()).rstrip(".")


def _where(error: BaseException, root: Path) -> str:
    """The innermost place in the app's own files."""
    places = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    for name, line in reversed(places):
        path = Path(name)
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            return f" ({path.relative_to(root)}, line {line})"
    return ""


def _app(module: Any) -> func.FunctionRegister:
    apps = {id(value): value for value in vars(module).values() if isinstance(value, _REGISTER)}
    if len(apps) != 1:
        many = "no" if not apps else "more than one"
        raise Stop(f"{MODULE}.py defines {many} FunctionApp at its top level: it needs one.")
    app: func.FunctionRegister = next(iter(apps.values()))
    return app


_REGISTER = func.FunctionRegister


def _function(found: Any) -> Function:
    name, handler = str(found.get_function_name()), found.get_user_function()
    bindings = {str(b.name): b for b in found.get_bindings()}
    if len(bindings) != len(found.get_bindings()):
        raise Stop(f"Function {name} has two bindings of the same name.")
    disabled = _disabled(name)
    binding = found.get_trigger()
    returned = bindings.pop("$return", None)
    for other in bindings.values():
        if other is not binding:
            raise Stop(f"Function {name}: the local host has no {other.type} binding.")
    wants_context = _check_parameters(name, handler, set(bindings))
    if returned:
        _check_return(name, handler, returned.type)
    return Function(
        name=name,
        handler=handler,
        folder=Path(inspect.getfile(handler)).parent,
        trigger=_trigger(name, handler, binding, disabled),
        wants_context=wants_context,
        is_async=inspect.iscoroutinefunction(handler),
        returns=returned.type if returned else None,
        disabled=disabled,
        connection="" if disabled else _connection(name, binding),
    )


def _disabled(name: str) -> bool:
    """https://learn.microsoft.com/azure/azure-functions/disable-function"""
    return os.environ.get(f"AzureWebJobs.{name}.Disabled", "").strip().lower() in ("true", "1")


def _check_parameters(name: str, handler: Any, bound: set[str]) -> bool:
    """Whether the handler wants the context."""
    declared = set(inspect.signature(handler).parameters)
    wants_context = "context" in declared - bound
    declared -= {"context"} - bound
    for extra in sorted(declared - bound):
        raise Stop(f"Function {name} has the parameter {extra}, which no binding gives it.")
    for missing in sorted(bound - declared):
        raise Stop(f"Function {name} lacks the parameter {missing}, which its trigger gives it.")
    if wants_context and _hints(name, handler).get("context", func.Context) is not func.Context:
        raise Stop(f"Function {name}: its parameter context should be a func.Context.")
    return wants_context


def _check_return(name: str, handler: Any, binding: str) -> None:
    if binding != "http":
        raise Stop(f"Function {name}: the local host has no {binding} binding.")
    hints = _hints(name, handler)
    if "return" not in hints or may_return(hints["return"]):
        return
    hint = hints["return"]
    kind = "None" if hint is type(None) else hint.__name__ if type(hint) is type else hint
    raise Stop(
        f"Function {name} is said to return {kind}; the worker takes func.HttpResponse or str only."
    )


def _hints(name: str, handler: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(handler)
    except Exception as error:
        raise Stop(f"Function {name}: its annotations do not resolve: {error}.") from error


def _trigger(name: str, handler: Any, binding: Any, disabled: bool) -> Trigger:
    if binding.type not in SUPPORTED and not disabled:
        raise Stop(
            f"Function {name}: the local host has no {_NAMES.get(binding.type, binding.type)};"
            f" AzureWebJobs.{name}.Disabled=true leaves the function out."
        )
    converter = binding.type
    hint = _hints(name, handler).get(binding.name)
    if hint in (str, bytes):
        converter = GENERIC
    elif hint is not None and binding.type in SUPPORTED and not accepts(converter, hint):
        kind = getattr(hint, "__name__", hint)
        raise Stop(f"Function {name}: its parameter {binding.name} cannot be a {kind}.")
    return Trigger(
        type=binding.type,
        parameter=binding.name,
        converter=converter,
        binary=str(binding.get_dict_repr().get("dataType") or "") == "BINARY" or hint is bytes,
        properties=_properties(name, binding, disabled),
    )


def _properties(name: str, binding: Any, disabled: bool) -> dict[str, Any]:
    properties = dict(binding.get_dict_repr())
    for key, value in properties.items():
        if isinstance(value, str):
            try:
                properties[key] = expand(value)
            except KeyError as error:
                if not disabled:
                    raise Stop(
                        f"Function {name}: its {key} says %{error.args[0]}%, and there is no such"
                        " setting."
                    ) from None
    if binding.type == "queueTrigger" and not disabled:
        properties["queueName"] = _queue_name(name, str(properties.get("queueName")))
    return properties


def _queue_name(function: str, text: str) -> str:
    if not is_name(text.lower()):  # the host lowers it, too
        raise Stop(
            f"Function {function}: «{text}» is no queue's name; that has 3 to 63 lower-case"
            " letters, digits and single dashes."
        )
    return text.lower()


def _connection(name: str, binding: Any) -> str:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#connections"""
    if binding.type != "queueTrigger":
        return ""
    setting = str(binding.connection or "Storage")
    for known in (f"AzureWebJobs{setting}", setting):
        value = os.environ.get(known)
        if value and not is_connection(value):
            raise Stop(
                f"Function {name}: its connection, the setting {known}, is no connection string."
            )
        if value:
            return value
    raise Stop(
        f"Function {name}: its connection is the setting {setting}, which is not set; the local"
        " host needs a connection string."
    )
