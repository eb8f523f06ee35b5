"""The book about itself: what the notebooks show, counted against a real server, and its indexes.

``python -m streamlab.book`` writes what is generated: the interview notebooks, the map of commands
and the tables of ``notebooks/README.md``. It reads notebooks and runs none.
"""
