"""``python -m streamlab`` is the shell command ``streamlab``."""

from streamlab.cli import main

main()
