"""The ``report`` artifact: pages, tables and figures. Imports nothing heavy."""

from __future__ import annotations

from lst_cli.artifacts import Kind

REPORT = Kind("report", 1)

PAGE = "index.html"
"""File of a report that is a page."""
