"""Connections that know the call they carry: when its first byte is written, and its deadline.

Only `connector.core.http` uses this module, and imports it with the first client, because it loads `requests`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests
import requests.adapters
import requests.auth
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connector.core.answer import Deadline, NotSent

IDLE_S: Final = 4.0  #: a kept connection older than this is not trusted with a request that cannot be repeated
#: Exceptions of a call without an answer.
FAULTS: Final = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


@dataclass(slots=True)
class Call:
    """The state that a connection shares with the call it carries."""

    deadline: Deadline
    connection: Any = None
    sock: Any = None  #: a connection drops its own reference once the vendor announces that it will close
    writing: bool = False
    was_cut: bool = False


class _Current(threading.local):
    """This thread's call."""

    call: Call | None = None


current = _Current()


class _Guarded:
    """Mixed into urllib3's connections: records when the first byte is written; refuses after the deadline."""

    sock: Any
    timeout: Any
    _last_used_s: float = 0.0

    @property
    def is_connected(self) -> bool:
        """Checked by the pool before it reuses a connection; if False, it connects again, also through a proxy."""
        idle = time.monotonic() - self._last_used_s > IDLE_S
        return not idle and bool(super().is_connected)  # type: ignore[misc]

    def connect(self) -> None:
        if (call := current.call) is not None:
            call.connection = self
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        if (call := current.call) is not None:
            call.connection, call.sock = self, self.sock
            left_s = call.deadline.left_s()
            if call.deadline.left_to_write_s() <= 0:
                raise NotSent("not sent: its time had passed before it could be written")
            self.timeout = left_s  # for writing; it is the connect timeout still, too short for a large body
        self._last_used_s = time.monotonic()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if (call := current.call) is not None and call.sock is not None:  # else it speaks to the proxy, of a tunnel
            call.writing = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        self._last_used_s = time.monotonic()
        return super().getresponse()  # type: ignore[misc]


class _Plain(_Guarded, HTTPConnection):
    """http, guarded."""


class _Secure(_Guarded, HTTPSConnection):
    """https, guarded."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class Transport(requests.adapters.HTTPAdapter):
    """Requests' own transport over guarded connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        proxy = super().proxy_manager_for(*args, **kwargs)
        proxy.pool_classes_by_scheme = _POOLS
        return proxy


_POOLS: Final = {"http": _PlainPool, "https": _SecurePool}


class Headers(requests.auth.AuthBase):
    """Puts the credential on each request. As `auth`, so that a netrc file cannot replace it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Session(requests.Session):
    """A requests session whose calls do only what ours need.

    `requests.Session.request` reads the environment twice in each call, merges cookies and looks up the target of a
    redirect: two thirds of a call's processor time.
    """

    auth: Headers

    def __init__(self) -> None:
        super().__init__()
        self._environment: dict[str, dict[str, Any]] = {}  # by scheme, host and port

    def ask(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        timeout: tuple[float, float],
    ) -> requests.Response:
        """One request, once; the body of its answer is not read yet."""
        request = requests.PreparedRequest()
        request.prepare_method(method)
        request.prepare_url(url, params)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        request.prepare_headers({**self.headers, **kind})
        request.prepare_body(body, None)
        self.auth(request)
        whole = str(request.url)
        transport = self.get_adapter(url=whole)
        return transport.send(request, stream=True, timeout=timeout, **self._settings(whole))

    def _settings(self, url: str) -> dict[str, Any]:
        """Proxies and certificates, which depend on the environment and on the host."""
        host = url[: url.find("/", len("https://"))]
        found = self._environment.get(host)
        if found is None:
            merged = self.merge_environment_settings(url, {}, None, None, None)
            found = {name: value for name, value in merged.items() if name != "stream"}
            self._environment[host] = found
        return found
