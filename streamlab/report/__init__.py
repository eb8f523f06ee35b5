"""A results folder as figures, sentences and one page; whatever it draws, it reads from there.

A folder that was stored is drawn again without a server: `streamlab.report.page.write_report`,
``streamlab bench report FOLDER``, or in a notebook `streamlab.report.charts.figure`.
"""

from __future__ import annotations
