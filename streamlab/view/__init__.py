"""What a learner looks at: pictures of a stream, and redis-cli inside a notebook.

This room reads from Redis and changes nothing there, except what a reader types after ``%redis``.
"""

from streamlab.view.picture import Picture, show

__all__ = ["Picture", "show"]
