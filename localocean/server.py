"""The server process: one per state directory, on loopback only; its end is the end of its machines."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from localocean import credentials, daemon, lock, network, tls
from localocean.api.app import build
from localocean.api.metadata import Doors
from localocean.api.middleware import CUT
from localocean.config import Config
from localocean.engine.cloud import Cloud
from localocean.engine.machinery import Machinery
from localocean.host import limits, orphans, requirements
from localocean.host.errors import HostError
from localocean.log import begin as begin_log

# Longer than any client waits between two polls, so that a kept connection is never closed under a POST.
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 5
MOST_OF_A_DROPLET = 16
"""Connections at once: what is left must do for everybody else."""
IP_FREEBIND = 15
BASE_SECONDS = 30.0

log = logging.getLogger("localocean.server")


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then power everything off. Raises HostError when it cannot start."""
    begin_log(config.state / daemon.LOG)
    requirements.check(config)
    limits.lift()
    config.state.mkdir(mode=0o711, parents=True, exist_ok=True)
    with lock.claim(config):
        listener, tls_listener = _listener(config.port, "PORT"), _listener(config.tls_port, "TLS_PORT")
        droplets_listener = _listener(config.port, "PORT", str(config.gateway))
        network.check(config)  # before anything of a neighbour's is touched
        config.save()
        token = credentials.ensure(config).token
        secure = tls.context(config)
        orphans.end()
        cloud = Cloud(config, Machinery.of(config))
        try:
            cloud.start()
        except BaseException:
            cloud.stop()
            raise
        log.info("serving %s and %s from %s", credentials.endpoint(config), tls.endpoint(config), config.state)
        app = Doors(cloud, build(cloud, token, _lifespan(cloud)))
        server = Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                proxy_headers=False,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            ),
            tls_listener,
            secure,
        )
        server.run(sockets=[listener, droplets_listener])


class _CanCut:
    """An application that can end a request's connection without an answer."""

    def __init__(self, app: ASGIApp, transport: asyncio.Transport) -> None:
        self._app, self._transport = app, transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[CUT] = self._transport.abort
        await self._app(scope, receive, send)


class Connection(H11Protocol):
    """A connection that does not keep others out: it ends when it is silent, and a droplet has but a few at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = _CanCut(self.app, transport)
        self._watch(self)
        if self._caller != str(tls.LOOPBACK) and len(self._of_the_same()) > MOST_OF_A_DROPLET:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def _of_the_same(self) -> list[Connection]:
        return [one for one in self.connections if isinstance(one, Connection) and one._caller == self._caller]

    @property
    def _caller(self) -> str:
        return self.client[0] if self.client else ""

    def _watch(self, before: object) -> None:
        """End it when it was waiting for a request already the last time, for the one after the same as now."""
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self.cycle is before:
            self.transport.close()
        self._timer = self.loop.call_later(self.timeout_keep_alive, self._watch, self.cycle if waiting else self)


class Server(uvicorn.Server):
    """One server with two doors: whatever holds for a connection over HTTP holds for one over HTTPS."""

    def __init__(self, config: uvicorn.Config, tls_listener: socket.socket, secure: ssl.SSLContext) -> None:
        super().__init__(config)
        self._tls_listener = tls_listener
        self._secure = secure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        door = await asyncio.get_running_loop().create_server(
            self._protocol, sock=self._tls_listener, ssl=self._secure, backlog=self.config.backlog
        )
        self.servers.append(door)

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _lifespan(cloud: Cloud) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(_stop, cloud)

    return lifespan


def _stop(cloud: Cloud) -> None:
    log.info("stopping")
    try:
        cloud.stop()
    except HostError as error:
        log.error("stopping: %s", error)
    if cloud.bases.busy() and os.getpgrp() == os.getpid():
        # Whatever makes a base image is in our process group and would outlive us; on this signal it unmounts
        # what it mounted. We ourselves are stopping already, and take no notice of it.
        os.killpg(os.getpgrp(), signal.SIGTERM)
        cloud.bases.join(BASE_SECONDS)
    log.info("stopped")


def _listener(port: int, setting: str, address: str = "127.0.0.1") -> socket.socket:
    # Only with its protocol named does asyncio set TCP_NODELAY on what the socket accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        # The droplets' door is at an address that is only there once the network is up.
        listener.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise daemon.port_busy(port, setting) from None
    return listener
