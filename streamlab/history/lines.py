r"""An event as one line of printable ASCII, and back: whatever the texts hold, nothing breaks it.

::

    kind TAB task_id TAB at_ns TAB actor TAB entry_id TAB detail LF

Texts are written as Python's ``unicode_escape`` says: a tab becomes ``\t``, NUL ``\x00``, a byte
that was no UTF-8 (``surrogateescape``) ``\udc80``. Every ``str`` comes back as it was.
"""

from __future__ import annotations

import re

from streamlab.history.events import Event, Kind

#: ASCII's own sign that what stands before it is void. No text of a whole line can hold it.
CANCEL = b"\x18"

_ESCAPE = rb"\\(?:[\\tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"
# Runs of plain characters are matched at once, and never tried again in another way (`*+`).
_PLAIN = rb"[ -\[\]-~]*+"
_TEXT = rb"(" + _PLAIN + rb"(?:" + _ESCAPE + _PLAIN + rb")*+)"
_KINDS = "|".join(Kind).encode("ascii")

#: A whole line; its groups are the fields in the order above.
LINE = re.compile(
    rb"\t".join([rb"(" + _KINDS + rb")", _TEXT, rb"([0-9]++)", *[_TEXT] * 3]) + rb"\n"
)


def to_line(kind: Kind, task_id: str, at_ns: int, actor: str, entry_id: str, detail: str) -> bytes:
    """The fields of an event as a line."""
    return b"%b\t%b\t%d\t%b\t%b\t%b\n" % (
        kind.encode("ascii"),
        task_id.encode("unicode_escape"),
        at_ns,
        actor.encode("unicode_escape"),
        entry_id.encode("unicode_escape"),
        detail.encode("unicode_escape"),
    )


def to_text(raw: bytes) -> str:
    """A text as it was before `to_line` wrote it."""
    return raw.decode("unicode_escape")


def to_event(line: re.Match[bytes]) -> Event:
    """The event in a line that `LINE` matched."""
    kind, task_id, at_ns, *texts = line.groups()
    return Event(Kind(kind.decode("ascii")), to_text(task_id), int(at_ns), *map(to_text, texts))
