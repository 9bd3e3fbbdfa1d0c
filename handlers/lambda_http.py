"""HTTP requests as AWS Lambda gets them, answered by the same routes as on a machine."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mangum import Mangum
from starlette.routing import BaseRoute

from core.errors import ConfigurationError, UsageError
from handlers import opening
from handlers.web import Prefixed, make_app

TEXT = ["text/", "application/json", "application/problem+json"]
"""What is not sent in base64, which people would have to read in logs."""

Routes = Callable[[], list[BaseRoute]]


def is_request(event: Mapping[str, Any]) -> bool:
    return "httpMethod" in event or "requestContext" in event


def answer_request(routes: Routes, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Raises UsageError for what is no request that can be answered."""
    # Made anew each time, which costs nothing: it is when it is made that Mangum sees to its loop.
    # Lifespan off: nothing starts with the application, and nothing has to be stopped.
    adapter = Mangum(_app(routes, _prefix(event)), lifespan="off", text_mime_types=TEXT)
    return adapter(dict(event), context)


def _prefix(event: Mapping[str, Any]) -> str:
    """A stage other than `$default`, or a path of one's own domain, stands before the path.

    Raises UsageError for what is no request that can be answered: a WebSocket's, or half of one.
    """
    about = _mapping(event.get("requestContext"))
    second = event.get("version") == "2.0"
    request = _mapping(about.get("http")) if second else event
    method, path = request.get("method" if second else "httpMethod"), request.get("path")
    # By these an answer's form is chosen: load balancer, REST API, HTTP API.
    known = "elb" in about or ("requestContext" in event and {"resource", "version"} & set(event))
    if not (known and isinstance(method, str) and isinstance(path, str)):
        raise UsageError("the event is no HTTP request of an API Gateway or a load balancer")
    stage = about.get("stage", "$default")
    return f"/{stage}" if path.startswith(f"/{stage}/") else _base_path()


def _base_path() -> str:
    """BASE_PATH; none where the settings are wrong, which the call itself will say."""
    try:
        return opening.load_settings().base_path
    except ConfigurationError:
        return ""


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


@cache
def _app(routes: Routes, prefix: str) -> Prefixed:
    return make_app(routes(), prefix)
