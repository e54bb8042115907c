from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lst_cli.reports.paper.paper_tables import SPECS
from lst_cli.reports.paper.table_spec import ROWS

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("name", SPECS)
def test_lines_have_labels_of_their_own_and_as_many_numbers_as_columns(name: str) -> None:
    spec = SPECS[name]
    labels = [line.label for line in spec.lines]
    assert spec.name == name and len(set(labels)) == len(labels)
    for line in spec.lines:
        assert len(line.paper) in (0, len(spec.columns)), line.label
        assert line.row in ROWS
    assert set(spec.against) <= set(labels) and set(spec.against.values()) <= set(labels)


def test_the_papers_numbers_stand_where_the_paper_has_them() -> None:
    def row(name: str, label: str) -> list[float | None]:
        return next(list(line.paper) for line in SPECS[name].lines if line.label == label)

    assert row("table3", "LST curriculum") == [0.455, 0.522, 0.612, 0.716, 0.879, 0.961]
    assert row("table3", "BPE") == [0.380, 0.475, 0.580, 0.664, 0.870, 0.935]
    assert row("table4", "LST static") == pytest.approx([0.193, 0.443, 0.511, 0.605, 0.703, 0.877, 0.962])
    assert row("table4", "Base") == [None, *map(pytest.approx, (0.402, 0.496, 0.602, 0.691, 0.875, 0.952))]
    assert row("table5", "Base, 25% of the steps") == [1.40, 2.02, 1.0, None, None, None]
    assert row("table5", "Base, 50% of the steps") == [0.447, 0.732, 1.0, None, None, None]
    assert row("table5", "Base, 100% of the steps") == [0.207, 0.424, 1.0, 0.141, 0.151, 1.0]
    assert row("table5", "LST, 25% of the steps") == [0.068, 0.104, 0.25, None, None, None]
    assert row("table5", "LST, 50% of the steps") == [0.060, 0.133, 0.25, None, None, None]
    assert row("table5", "LST, 100% of the steps") == [None, None, None, 0.141, 0.162, 0.25]
    assert row("table6", "LST static, 9 tokens") == pytest.approx([0.372, 0.494, 0.575, 0.697, 0.847, 0.959])
    assert row("table8", "LST, larger (paper: 7B)") == pytest.approx([0.442, 0.553])
    assert row("table9", "Base") == pytest.approx([0.365, 0.463, 0.583, 0.666, 0.863, 0.939])
    assert row("table10", "LST BPE-aligned") == pytest.approx([0.392, 0.501, 0.556, 0.691, 0.796, 0.956])
    assert row("table11", "LST curriculum") == pytest.approx([0.608, 0.612, 0.795, 0.879])
    assert row("table12", "Base") == [0.725, 0.589]
    assert row("fig1", "LST, 100% of the steps") == pytest.approx([0.455, 0.522])
    assert row("fig1b", "Base, 100% of the steps") == pytest.approx([0.402, 0.496])
    assert row("fig4", "Base, smaller (paper: 420M)") == pytest.approx([0.284, 0.311])
    assert row("fig6", "LST, speech to text 1:3") == [pytest.approx(0.402), None]
    stds = next(line.paper_std for line in SPECS["table9"].lines if line.label == "LST curriculum")
    assert stds == pytest.approx([0.0013, 0.0006, 0.0068, 0.0156, 0.0045, 0.0045])


def test_pure_aligned_models_are_scored_with_aligned_patches() -> None:
    named = {line.row for spec in SPECS.values() for line in spec.lines if line.scored_with == "as-trained"}
    assert named == {"aligned", "aligned-merged", "aligned-piece"}


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("table13")])
def test_make_trains_the_rows_of_the_table_and_hands_their_scores_over(name: str) -> None:
    done = subprocess.run(
        ["make", "-n", "-f", "recipes/tables.mk", name], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    planned = done.stdout.replace("\\\n", " ")
    trained = set(re.findall(r" pretrain \S+.*? --name (\S+)", planned))
    spec = SPECS[name]
    assert {re.sub(r"-(data|seed\d|micro|tiny|half|quarter|long|1to\d)", "", model) for model in trained} == {
        line.row for line in spec.lines
    }
    (report,) = [line for line in planned.splitlines() if f" report {name} " in line]
    scored = set(re.findall(r"--scores scores/(\S+)", report))
    tasks = {column.task for column in spec.columns if column.task}
    if name == "table5":
        shares = ("-quarter", "-half", "")
        assert scored == {f"{model}-{task}{share}" for model in trained for task in tasks for share in shares}
        return
    ends = {"table11": ("", "-original"), "boundary-noise": ("", "-noise20", "-noise40")}.get(name, ("",))
    assert scored == {f"{model}-{task}{end}" for model in trained for task in tasks for end in ends}
