"""A worker that loses nothing: it takes a queue's tasks and runs a handler on each."""

from streamlab.worker.report import Moment, WorkerReport
from streamlab.worker.worker import Worker

__all__ = ["Moment", "Worker", "WorkerReport"]
