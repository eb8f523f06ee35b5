"""A task queue on one stream and one group: put tasks on it, see how many wait, look after it.

The consuming side is the room above, `streamlab.worker`.
"""

from streamlab.queue.dead_letter import DeadLetter
from streamlab.queue.depth import QueueDepth
from streamlab.queue.task import Task
from streamlab.queue.task_queue import TaskQueue

__all__ = ["DeadLetter", "QueueDepth", "Task", "TaskQueue"]
