"""A correct task queue on one stream and one group.

`TaskQueue` puts tasks on the stream; `Worker` takes them off it and loses none.
"""

from streamlab.queue.depth import QueueDepth
from streamlab.queue.shift import WorkerReport
from streamlab.queue.task import Task
from streamlab.queue.task_queue import TaskQueue
from streamlab.queue.worker import Worker

__all__ = ["QueueDepth", "Task", "TaskQueue", "Worker", "WorkerReport"]
