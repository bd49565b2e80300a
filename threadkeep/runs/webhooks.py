"""Delivers what waits in the outbox: at least once, under one id, until the target has taken it or its time is up.

A target has taken a webhook when it answers 2xx in time; redirects are not followed, for they could lead anywhere.
Tries are 1, 2, 4, ... seconds apart, at most an hour. However many wait for a host that does not answer, a few at a
time are tried, and other hosts' are not held up.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta

import httpx
import structlog
from starlette.types import ASGIApp

from threadkeep import __version__
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import InvalidError, ThreadkeepError
from threadkeep.metrics import Metrics
from threadkeep.runs.webhook_targets import WebhookTargets, is_own_route
from threadkeep.settings import Settings
from threadkeep.storage.outbox import Outbox, Webhook

log = structlog.get_logger("threadkeep.webhooks")

_A_HOST = 4
_TOGETHER = 100
_LONGEST_PAUSE_SECONDS = 3600.0
_LOOK_EVERY_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_TAKEN_SECONDS = 5.0  # beyond the time a target may take, until another process tries
_GONE = 410


class NotTakenError(ThreadkeepError):
    """The target did not take the webhook."""


class GoneError(NotTakenError):
    """The target says that it wants no more."""


class WebhookSender:
    def __init__(
        self, outbox: Outbox, targets: WebhookTargets, metrics: Metrics, clock: Clock, settings: Settings
    ) -> None:
        self._outbox = outbox
        self._targets = targets
        self._metrics = metrics
        self._clock = clock
        self._settings = settings
        self._headers = {
            **targets.rules.resolved_headers(os.environ),
            "content-type": "application/json",
            "user-agent": f"threadkeep/{__version__}",
        }
        self._client: httpx.AsyncClient | None = None
        self._wanted = asyncio.Event()
        self._trying: dict[str, asyncio.Task[None]] = {}
        self.own_app: ASGIApp | None = None
        """Takes webhooks that are a path on this server."""

    def wake(self) -> None:
        """Something may wait in the outbox."""
        self._wanted.set()

    async def serve(self) -> None:
        """Deliver until cancelled; what is under way then is tried again after the next start."""
        try:
            while True:
                now = self._clock.now()
                try:
                    await self._start_due(now)
                    await self._until_wanted(now)
                except ThreadkeepError as error:
                    log.error("webhooks_waiting", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            for task in self._trying.values():
                task.cancel()
            await asyncio.gather(*self._trying.values(), return_exceptions=True)
            if self._client is not None:
                await self._client.aclose()

    async def _until_wanted(self, now: datetime) -> None:
        """Return when there is more than was due at `now`: another's time has come, or something has changed."""
        seconds = _LOOK_EVERY_SECONDS
        if (due := await self._outbox.next_time(after=timestamp(now))) is not None:
            seconds = min(seconds, (datetime.fromisoformat(due) - self._clock.now()).total_seconds())
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def _start_due(self, now: datetime) -> None:
        until = timestamp(now + timedelta(seconds=self._settings.webhook_timeout_seconds + _TAKEN_SECONDS))
        taken = await self._outbox.take(now=timestamp(now), until=until, a_host=_A_HOST, limit=_TOGETHER)
        for webhook in taken:
            if webhook.webhook_id not in self._trying:
                task = asyncio.create_task(self._deliver(webhook), name=f"webhook {webhook.webhook_id}")
                self._trying[webhook.webhook_id] = task

    async def _deliver(self, webhook: Webhook) -> None:
        # Gathered, so that whatever goes wrong with one target is a value here, and the outbox is told of it.
        [problem] = await asyncio.gather(self._send(webhook), return_exceptions=True)
        try:
            await self._settle(webhook, problem)
        except ThreadkeepError as error:
            log.error("webhook_not_settled", webhook_id=webhook.webhook_id, error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self._trying.pop(webhook.webhook_id, None)
            self.wake()

    async def _send(self, webhook: Webhook) -> None:
        """One try; raises what went wrong."""
        sent_at = timestamp(self._clock.now())
        content = webhook.payload[:-1] + f',"webhook_sent_at":"{sent_at}"}}'.encode()
        headers = {**self._headers, "webhook-id": webhook.webhook_id, "webhook-attempt": str(webhook.attempts + 1)}
        client = await self._opened()  # the target is not at fault for how long this takes
        async with asyncio.timeout(self._settings.webhook_timeout_seconds):
            if is_own_route(webhook.url):
                status = await self._send_here(webhook.url, content, headers)
            else:
                status = await self._send_there(client, webhook.url, content, headers)
        if status == _GONE:
            raise GoneError(f"status {status}")
        if not 200 <= status < 300:
            raise NotTakenError(f"status {status}")

    async def _send_there(self, client: httpx.AsyncClient, url: str, content: bytes, headers: dict[str, str]) -> int:
        target = await self._targets.pinned(url)
        request = client.build_request(
            "POST",
            target.url,
            content=content,
            headers={**headers, "host": target.host_header},
            extensions={"sni_hostname": target.server_name},
        )
        response = await client.send(request, stream=True)  # what the target has to say is not read
        await response.aclose()
        return response.status_code

    async def _opened(self) -> httpx.AsyncClient:
        """The client, made for the first webhook: reading the certificates takes a tenth of a second."""
        if self._client is None:
            certificates = await asyncio.to_thread(httpx.create_ssl_context)
            # No connection is kept: they are pooled by address, and one made for a name must not serve another.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._client = self._client or httpx.AsyncClient(
                verify=certificates, trust_env=False, follow_redirects=False, limits=limits
            )
        return self._client

    async def _send_here(self, path: str, content: bytes, headers: dict[str, str]) -> int:
        if self.own_app is None or not self._targets.rules.own_routes:
            raise InvalidError("Webhooks to paths on this server are not allowed.")
        transport = httpx.ASGITransport(self.own_app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.post(path, content=content, headers=headers)).status_code

    async def _settle(self, webhook: Webhook, problem: BaseException | None) -> None:
        said = {"webhook_id": webhook.webhook_id, "run_id": webhook.run_id, "attempt": webhook.attempts + 1}
        if problem is None:
            await self._outbox.remove(webhook)
            self._metrics.webhook_tried("delivered")
            log.info("webhook_delivered", **said)
            return
        now = self._clock.now()
        error = f"{type(problem).__name__}: {problem}"
        last = datetime.fromisoformat(webhook.created_at) + timedelta(hours=self._settings.webhook_retry_hours)
        if now >= last or isinstance(problem, GoneError):
            await self._outbox.remove(webhook)
            self._metrics.webhook_tried("given_up")
            log.error("webhook_given_up", **said, error=error)
            return
        pause = timedelta(seconds=min(2.0**webhook.attempts, _LONGEST_PAUSE_SECONDS))
        await self._outbox.postpone(webhook, due_at=timestamp(min(now + pause, last)), error=error)
        self._metrics.webhook_tried("failed")
        log.warning("webhook_failed", **said, error=error)
