"""``lst report``: the page as an artifact.

Imports nothing heavy; the page itself is made in :mod:`lst_cli.reports.page.html_page`.
"""

from __future__ import annotations

from collections.abc import Callable

from lst_cli.artifacts import Draft, Request, Store
from lst_cli.reports.page.subject import Subject
from lst_cli.reports.report_kind import PAGE, REPORT

FILES = (PAGE, "tables.md", "tables.csv")

PAGE_VERSION = 6
"""Increased when the same artifacts give another page."""


def plan_report(
    store: Store, subject: Subject, name: str, *, utterances: int, examples: int, spoken: int
) -> tuple[Request, Callable[[Draft], None]]:
    """The request and the maker that :meth:`lst_cli.artifacts.Store.build` needs.

    :param utterances: recordings to draw with their words and patches.
    :param examples: benchmark items to show.
    :param spoken: recordings of each corpus with ASR transcripts.
    """
    parents = {
        f"{role}_{number}": artifact
        for role, artifacts in (
            ("scores", subject.scores),
            ("model", subject.models),
            ("alignment", subject.alignments),
            ("transcripts", subject.transcripts),
        )
        for number, artifact in enumerate(artifacts, start=1)
    }
    config = {"page_version": PAGE_VERSION, "utterances": utterances, "examples": examples, "spoken": spoken}
    request = Request(kind=REPORT, name=name, config=config, parents=parents)

    def make(draft: Draft) -> None:
        from lst_cli.artifacts.parquet import write_bytes_atomic
        from lst_cli.reports.page.contents import gather
        from lst_cli.reports.page.html_page import render
        from lst_cli.reports.page.markdown_tables import csv_table, markdown

        reference = f"{REPORT.name}/{name}/{request.version}"
        contents = gather(store, subject, utterances=utterances, examples=examples, spoken=spoken)
        texts = {
            PAGE: render(contents, name, reference),
            "tables.md": markdown(name, contents.rows, contents.verdicts, contents.remarks),
            "tables.csv": csv_table(contents.rows),
        }
        for file, text in texts.items():
            write_bytes_atomic(draft.path / file, text.encode())
        draft.statistics.update(
            scores=len(contents.rows.scores) + len(contents.rows.asr) + len(contents.rows.spoken),
            recordings=len(contents.utterances),
            page_mb=len(texts[PAGE].encode()) / 1e6,
        )

    return request, make
