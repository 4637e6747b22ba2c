"""App: a request comes in, a reply goes out. It has the control endpoints, the key, faults and the log of requests."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import re
import sys
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.sandbox.error_replies import RequestFailure, error_reply, masked
from kosha_connector_openai.sandbox.fault_injection import FaultQueue, InjectedFault
from kosha_connector_openai.sandbox.limits import EnforcedLimits, LimitRules
from kosha_connector_openai.sandbox.media import png
from kosha_connector_openai.sandbox.message import Blob, Incoming, SandboxReply
from kosha_connector_openai.sandbox.operations import Operations
from kosha_connector_openai.sandbox.routes import NoRoute, OperationRoutes
from kosha_connector_openai.text import load_yaml

_CONTROL = "/__sandbox__"
_PICTURE = re.compile(r"/images/(\d{1,4})x(\d{1,4})\.png")
_LOGGED_BODY = 64 * 1024
_LOGGED = 1000
_PLAIN = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"})
"""Headers that carry no key."""
_SECRET = frozenset({"api-key", "cookie", "proxy-authorization", "x-api-key"})


class App:
    """The answers of one connector's description. Safe to use from many threads. ``any_id``: every id stands for an object."""

    def __init__(self, folder: Path, *, key: str, retired: bool = False, any_id: bool = False) -> None:
        self._connector = Connector(folder)
        self._key = key
        self._schemes = {rule.scheme for rule in self._connector.manifest.auth.values()}
        self._keyed = bool(self._schemes - {"none"})
        self._retired = retired
        catalog = self._connector.catalog
        actions = {}
        for name in catalog.document:
            try:
                actions[name] = catalog[name]
            except DocumentError:
                continue
        self.actions: Mapping[str, Any] = actions
        self._behaviour = load_yaml((Path(__file__).parent / "behaviour.yaml").read_bytes(), what="behaviour.yaml")
        self._routes = OperationRoutes(actions)
        self.limits = EnforcedLimits()
        self._operations = Operations(actions, self._behaviour, self._call, self.limits, any_id=any_id)
        self._numbers = itertools.count(1)
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOGGED)
        self.faults = FaultQueue()

    def answer(self, request: Incoming, *, limited: bool = True) -> SandboxReply:
        """Returns the reply to a request; never raises. ``limited``: whether it counts for the limits that are enforced."""
        if request.path.startswith(_CONTROL):
            return self._named(self._answered(lambda: self._control(request)), 0)
        number = next(self._numbers)
        entry = _logged(request, number, self._key)
        self._log.append(entry)
        reply = self._answered(lambda: self._reply(request, number, limited=limited))
        entry["status"] = reply.status
        return self._named(reply, number)

    def _named(self, reply: SandboxReply, number: int) -> SandboxReply:
        """The reply with the headers that every answer has."""
        name = self._request_id(number)
        for header, value in self._behaviour["headers"].items():
            reply.headers.setdefault(header, value.replace("${request_id}", name))
        return reply

    def _answered(self, make: Callable[[], SandboxReply]) -> SandboxReply:
        try:
            return make()
        except RequestFailure as failure:
            return error_reply(self._behaviour, failure)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return error_reply(self._behaviour, RequestFailure("server"))

    def _reply(self, request: Incoming, number: int, *, limited: bool) -> SandboxReply:
        try:
            match = self._routes.match(request.method, request.path, request.query)
            if self._is_closed(match.action):
                self._check_key(request)
        except NoRoute as error:
            if self._keyed:
                self._check_key(request)
            fault = self._fault(request, None)
            if fault and (spoilt := fault.instead(self._behaviour)):
                return spoilt
            facts = {"method": request.method, "path": request.path[:200], "allowed": ", ".join(sorted(error.allowed))}
            raise RequestFailure("no_method" if error.allowed else "no_route", **facts) from None
        fault = self._fault(request, match.action.id)
        if fault and (spoilt := fault.instead(self._behaviour)):
            return spoilt
        limited = limited and match.action.hints.paid
        if limited:
            self.limits.admit()
        if not self._retired and "x-kosha-retired-ok" not in request.headers:
            self._refuse_retired(match.action.operation.extensions.get("x-kosha-retired"))
        origin = f"http://{request.headers.get('host', '127.0.0.1')}"
        facts = {"origin": origin, "request_id": self._request_id(number)}
        reply = self._operations.reply(match, request, number, facts)
        reply = self.limits.count(reply) if limited else reply
        return fault.after(reply) if fault else reply

    def _refuse_retired(self, retired: Any) -> None:
        if isinstance(retired, Mapping):
            raise RequestFailure("retired" if retired.get("successor") else "retired_alone", **retired)

    def _request_id(self, number: int) -> str:
        return str(self._behaviour["request_id"] % number)

    def _fault(self, request: Incoming, operation: str | None) -> InjectedFault | None:
        text = request.headers.get("x-kosha-fault")
        try:
            return InjectedFault.parse(text) if text else self.faults.take(operation)
        except ValueError:
            raise RequestFailure("unreadable", reason="x-kosha-fault names no fault of the sandbox.") from None

    def _is_closed(self, action: Any) -> bool:
        """Whether an operation asks for a credential; where the description does not say, the manifest does."""
        security = action.operation.security
        return self._keyed and () not in security

    def _check_key(self, request: Incoming) -> None:
        """The key in any place that a scheme has: a token or a password in Authorization, a header, the query; signatures are taken."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        found = given.strip()
        if scheme.lower() == "basic":
            found = _password(found)
            if "hmac" in self._schemes:
                return
        elif scheme.lower() != "bearer" and self._schemes & {"api_key"}:
            others = [value.rpartition(" ")[2] for name, value in request.headers.items() if name not in _PLAIN]
            others += [value for _, value in parse_qsl(request.query)]
            found = next(
                (value for value in others if hmac.compare_digest(value.encode(), self._key.encode())), found or self._given(request)
            )
        elif scheme.lower() != "bearer":
            found = ""
        if not found:
            raise RequestFailure("no_key", place=self._place)
        if not hmac.compare_digest(found.encode(), self._key.encode()):
            raise RequestFailure("unauthorized", key=masked(found))

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        """The security scheme of a key whose header or query parameter the description names; empty where there is none."""
        schemes = self._connector.catalog.document.security_schemes.values()
        return next((each for each in schemes if each.get("type") == "apiKey" and each.get("in") in ("header", "query")), {})

    @property
    def _place(self) -> str:
        """Where a key goes, in words."""
        if not self._described or "bearer" in self._schemes:
            return "Authorization: Bearer KEY"
        name = self._described.get("name")
        return f"{name}: KEY" if self._described.get("in") == "header" else f"?{name}=KEY"

    def _given(self, request: Incoming) -> str:
        """What stands where the description has the key."""
        name = str(self._described.get("name", ""))
        in_query = self._described.get("in") == "query"
        return dict(parse_qsl(request.query)).get(name, "") if in_query else request.headers.get(name.lower(), "")

    def _call(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Answers one request of a batch."""
        data = json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        reply = self.answer(Incoming(method, target, headers, Blob.of(data)), limited=False)
        whole = reply.whole()
        return reply.status, json.loads(whole) if reply.content_type == "application/json" else whole.decode("utf-8", "replace")

    def _control(self, request: Incoming) -> SandboxReply:
        place = request.path.removeprefix(_CONTROL)
        if (size := _PICTURE.fullmatch(place)) and request.method == "GET":
            return SandboxReply(200, png(int(size[1]), int(size[2])), "image/png")
        self._check_key(request)
        handler = {
            ("GET", ""): self._about,
            ("GET", "/requests"): lambda _: list(self._log),
            ("DELETE", "/requests"): self._forget,
            ("GET", "/faults"): lambda _: self.faults.waiting(),
            ("POST", "/faults"): self._plan,
            ("POST", "/collections"): self._drive,
            ("POST", "/limits"): self._limit,
        }.get((request.method, place.rstrip("/")))
        if handler is None:
            raise RequestFailure("no_route", method=request.method, path=request.path[:200])
        return SandboxReply.json(handler(request))

    def _about(self, _: Incoming) -> dict[str, Any]:
        document = self._connector.catalog.document
        return {"sandbox": True, "connector": self._connector.id, "operations": len(self.actions), "description": document.digest}

    def _forget(self, _: Incoming) -> dict[str, Any]:
        self._log.clear()
        return {"requests": 0}

    def _plan(self, request: Incoming) -> Any:
        try:
            wanted = json.loads(bytes(request.body))
            self.faults.add(str(wanted.get("fault", "")), int(wanted.get("times", 1)), wanted.get("operation"))
        except (ValueError, TypeError, AttributeError):
            raise RequestFailure("unreadable", reason='Send {"fault": "429", "times": 1, "operation": null}.') from None
        return self.faults.waiting()

    def _limit(self, request: Incoming) -> dict[str, Any]:
        try:
            return self.limits.set(LimitRules.read(json.loads(bytes(request.body))))
        except (ValueError, TypeError):
            raise RequestFailure("unreadable", reason='Send {"requests": N, "tokens": N, "depth": SECONDS, ...}.') from None

    def _drive(self, request: Incoming) -> dict[str, Any]:
        try:
            return self._operations.drive(json.loads(bytes(request.body)))
        except (ValueError, TypeError, AttributeError, KeyError):
            raise RequestFailure("unreadable", reason='Send {"path": "/collection", "steps": ["status", ...], "add": 0}.') from None


def _password(text: str) -> str:
    """The password of a Basic credential (RFC 7617); "" where it is none."""
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _logged(request: Incoming, number: int, key: str) -> dict[str, Any]:
    headers = {
        name: masked(value) if name in _SECRET or (key in value and name != "authorization") else value
        for name, value in request.headers.items()
    }
    if "authorization" in headers:
        scheme, _, key = headers["authorization"].partition(" ")
        headers["authorization"] = f"{scheme} {masked(key)}"
    entry = {"number": number, "method": request.method, "target": request.target.replace(key, masked(key)), "headers": headers}
    entry |= {"size": len(request.body), "sha256": request.digest}
    if len(request.body) < _LOGGED_BODY:
        with suppress(UnicodeDecodeError):
            entry["body"] = bytes(request.body).decode()
    return entry
