"""Results of ablations: the points of each row that are lost without the ablated part."""

from __future__ import annotations

from collections.abc import Mapping

from lst_cli.artifacts import Artifact
from lst_cli.evaluation.ablation import CROSS_ATTENTION
from lst_cli.evaluation.compare import compare
from lst_cli.reports.number_text import direction_name, interval, points
from lst_cli.reports.page.result_rows import AblatedRow, Rows
from lst_cli.reports.paper import published as paper


def ablation_remarks(rows: Rows, artifacts: Mapping[str, Artifact]) -> list[str]:
    """A sentence for each ablated result whose complete model answered the same items.

    :param artifacts: the ``scores`` artifacts by reference.
    """
    found = []
    for ablated in rows.ablated:
        whole = [
            row.scores
            for row in rows.scores
            if (row.model.fingerprint, row.identity) == (ablated.model.fingerprint, ablated.identity)
        ]
        found += [_remark(ablated, artifacts[whole[0]], artifacts[ablated.scores])] if whole else []
    return found


def _remark(ablated: AblatedRow, whole: Artifact, without: Artifact) -> str:
    task = paper.TASKS.get(str(ablated.identity[0]), str(ablated.identity[0]))
    parts = [
        f"{direction_name(each.direction)} {each.a:.1%}, without {each.b:.1%}: {points(-each.difference)} points "
        f"(95%: {interval(-each.high, -each.low)})"
        for each in compare(whole, without)
    ]
    head = "Through the patches" if ablated.ablation == CROSS_ATTENTION else f"Lost with --ablate {ablated.ablation}"
    return f"{head}: {ablated.model.label} on {task}, {'; '.join(parts)}."
