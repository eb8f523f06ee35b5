"""What a learner looks at: pictures of a stream, and redis-cli inside a notebook.

This room reads from Redis and changes nothing there, except what a reader types after ``%redis``.
"""

from streamlab.view.picture import Picture, show
from streamlab.view.plot import Plot, plot

__all__ = ["Picture", "Plot", "plot", "show"]
