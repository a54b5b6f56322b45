"""The forms in which handlers get a request and give an answer, and the way between them and Starlette."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from localocean.api.bodies import Body
from localocean.engine.cloud import Cloud
from localocean.engine.errors import BadRequest, NotFound, TooLarge
from localocean.store.records import Listing, Page

PER_PAGE, MOST_PER_PAGE = 20, 200
MOST_BYTES = 1 << 20
"""Of a request's body: sixteen times the largest user data."""

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A request as a handler sees it; `base` is the scheme and host that the caller used, without a slash."""

    cloud: Cloud
    base: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def number(self, name: str) -> int:
        """A path parameter that is an id. Raises NotFound, since no resource has any other."""
        return identifier(self.params[name])

    @property
    def page(self) -> Page:
        """Which page is wanted; what cannot be read as one means the first, and 200 is the longest."""
        size = _positive(self.query.get("per_page"), PER_PAGE)
        return Page(_positive(self.query.get("page"), 1), min(size, MOST_PER_PAGE))


@dataclass(frozen=True)
class Reply:
    """An answer; no body means none at all, which DigitalOcean sends with 204 only."""

    status: int = 200
    body: Mapping[str, Any] | None = None


Handler = Callable[..., Reply]
"""Takes the call, and after it the body when it has one."""
NOTHING = Reply(204)


def listing(call: Call, key: str, found: Listing[T], render: Callable[[T], Mapping[str, Any]]) -> Reply:
    """A page of a list with its links, which name the neighbours that exist by absolute URLs."""
    page = call.page
    last = max(1, -(-found.total // page.size))
    numbers: dict[str, int] = {}
    if page.number > 1:
        numbers |= {"first": 1, "prev": min(page.number - 1, last)}
    if page.number < last:
        numbers |= {"next": page.number + 1, "last": last}
    pages = {name: _page_url(call, number) for name, number in numbers.items()}
    return Reply(
        200,
        {
            key: [render(item) for item in found.items],
            "links": {"pages": pages} if pages else {},
            "meta": {"total": found.total},
        },
    )


def whole(items: Iterable[T], page: Page) -> Listing[T]:
    """A page of a list that is at hand entirely."""
    everything = list(items)
    return Listing(everything[page.offset : page.offset + page.size], len(everything))


def identifier(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise NotFound
    return int(text)


def render(status: int, body: Mapping[str, Any] | None) -> Response:
    """Exactly these bytes: an empty body has no content type."""
    if body is None:
        return Response(status_code=status)
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


def endpoint(handler: Handler, body: type[Body] | None) -> Callable[[Request], Any]:
    """What Starlette calls for a handler, which gets the body that it takes."""

    async def answer(request: Request) -> Response:
        call = Call(
            cloud=request.app.state.cloud,
            base=f"{request.url.scheme}://{request.url.netloc}",
            path=request.url.path,
            params=request.path_params,
            query=request.query_params,
            headers=request.headers,
        )
        given = _body(await _read(request))
        reply = await run_in_threadpool(lambda: handler(call, body.read(given)) if body else handler(call))
        return render(reply.status, reply.body)

    return answer


async def _read(request: Request) -> bytes:
    """The body, of which never more is held than anybody may send."""
    raw = bytearray()
    try:
        async for part in request.stream():
            raw += part
            if len(raw) > MOST_BYTES:
                raise TooLarge(f"The request body is larger than {MOST_BYTES} bytes.")
    except ClientDisconnect:
        raise BadRequest("The request body was cut short.") from None
    return bytes(raw)


def _body(raw: bytes) -> Mapping[str, Any]:
    """What the database can hold: no half characters, no numbers beyond 64 bits, nothing nested without end."""
    try:
        text = raw.decode()
        value = json.loads(text, parse_int=_integer, parse_constant=_no_number) if text.strip() else {}
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest("The request body is not valid JSON.") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object.")
    return value


def _integer(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(text)
    return number


def _no_number(text: str) -> float:
    """NaN and the infinities, which Python reads although JSON has none of them."""
    raise ValueError(text)


def _positive(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 and int(text) > 0 else otherwise


def _page_url(call: Call, number: int) -> str:
    query = {key: value for key, value in call.query.items() if key not in ("page", "per_page")}
    query |= {"page": str(number), "per_page": str(call.page.size)}
    return f"{call.base}{call.path}?{urlencode(query)}"
