"""What both users have: a client and an alarm of their own, and how they tell Locust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
import redis
from locust import User, constant

from streamlab.errors import StreamlabError
from swarm.alarm import Alarm
from swarm.here import HERE

if TYPE_CHECKING:
    from swarm.here import Test


class StreamUser(User):
    """A greenlet with a client of its own. Consumers that share a process share its one core."""

    abstract = True
    wait_time = constant(0)
    test: Test
    client: redis.Redis
    alarm: Alarm

    def on_start(self) -> None:
        """Connect: here, and never at import, since --processes forks after that."""
        if HERE.test is None:
            raise gevent.GreenletExit  # in silence: why has been said where the test was begun
        HERE.used, self.test = True, HERE.test
        self.load, self.place = self.test.settings.load, self.test.place
        try:
            self.client = self.test.connect(single_connection_client=True)
        except (StreamlabError, redis.RedisError) as exc:
            HERE.fail("connect", exc)
            raise gevent.GreenletExit from None
        self.alarm = Alarm()

    def on_stop(self) -> None:
        """Close the connection; one that never began has none."""
        if hasattr(self, "alarm"):
            self.alarm.close()
            self.client.close()

    def show(
        self, name: str, latency_us: float, length: int, error: Exception | None = None
    ) -> None:
        """Tell Locust, for its live display, and count an error."""
        self.environment.events.request.fire(
            request_type="stream",
            name=name,
            response_time=latency_us / 1000,
            response_length=length,
            exception=error,
            context={},
        )
        if error is not None:
            HERE.fail(name, error)
