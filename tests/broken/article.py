"""The article's own consumer: one name for all, only ">", nothing is recovered (F01, F10, F23)."""

from __future__ import annotations

import redis

CONSUMER_NAME = "consumer_1"


def consume(arena):
    r = arena.client
    try:
        r.xgroup_create(arena.stream, arena.group, id="0", mkstream=True)
    except redis.exceptions.ResponseError as e:
        if str(e) != "BUSYGROUP Consumer Group name already exists":
            raise
    while True:
        try:
            response = r.xreadgroup(
                arena.group, CONSUMER_NAME, streams={arena.stream: ">"}, block=1000
            )
            if response:
                _, messages = response[0]
                for message_id, message_data in messages:
                    arena.handle(message_data["task_id"], message_id)
                    r.xack(arena.stream, arena.group, message_id)
        except redis.exceptions.ConnectionError:
            pass  # the article sleeps for 5 seconds; the run is shorter
