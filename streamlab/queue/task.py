"""A task, and its three fields on the wire, which are the article's."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from streamlab.errors import BadArgumentError, PayloadError
from streamlab.queue.names import check_name, check_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work.

    Attributes
    ----------
    data
        The payload, always text: what the producer gave if that was text, else its JSON.
    task_id
        Unique among all tasks; a UUID4 unless the producer chose it.
    created_at
        Seconds since 1970 by the producer's clock.
    entry_id
        The id that XADD gave, such as ``"1666886400000-0"``; None until it is on a stream.
    """

    data: str
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)
    entry_id: str | None = None

    @classmethod
    def of(cls, data: object, task_id: str | None = None) -> Self:
        """A new task: text is taken as it is, anything else becomes JSON.

        Raises
        ------
        BadArgumentError
            If `data` is not text and JSON cannot say it, or `task_id` is not text or is empty.
        """
        if not isinstance(data, str):
            try:
                data = json.dumps(data, allow_nan=False)
            except (TypeError, ValueError, RecursionError) as exc:
                msg = f"data must be text or something JSON can say, got {type(data).__name__}"
                raise BadArgumentError(f"{msg} ({exc}): convert it first") from exc
        check_utf8("data", data)
        if task_id is None:
            return cls(data)
        return cls(data, check_name("task_id", task_id))

    def fields(self) -> dict[str, str]:
        """The entry's fields, as XADD takes them."""
        return {"task_id": self.task_id, "data": self.data, "created_at": str(self.created_at)}

    @classmethod
    def from_entry(cls, entry_id: str, fields: Mapping[str, str]) -> Self:
        """The task in an entry; fields beyond the three are ignored.

        Raises
        ------
        PayloadError
            If a field is missing, or ``created_at`` is not a number.
        """
        try:
            return cls(fields["data"], fields["task_id"], float(fields["created_at"]), entry_id)
        except KeyError as exc:
            names = ", ".join(sorted(fields)) or "none"
            has = names.encode("utf-8", "backslashreplace").decode()  # it will stand in logs
            msg = f"entry {entry_id} has no field {exc}: a task needs all three (it has: {has:.80})"
            raise PayloadError(msg) from exc
        except ValueError as exc:
            value = fields["created_at"]
            msg = f"entry {entry_id}: created_at must be seconds since 1970, got {value[:40]!r}"
            raise PayloadError(msg) from exc

    def json(self) -> Any:
        """The payload, read as JSON.

        Raises
        ------
        PayloadError
            If `data` is not JSON.
        """
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as exc:
            msg = f"the data of task {self.task_id} is not JSON ({exc}): read it as text"
            raise PayloadError(msg) from exc

    def at(self, entry_id: str) -> Self:
        """The same task, once it is on a stream."""
        return type(self)(self.data, self.task_id, self.created_at, entry_id)
