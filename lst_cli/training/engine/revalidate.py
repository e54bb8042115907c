"""A validation that a crash or a stop interrupted is re-run on resume, so that the metrics log has no gap."""

from __future__ import annotations

from collections.abc import Sequence

import fairseq2.recipe  # noqa: F401 -- fairseq2.trainer can't be imported before it
from fairseq2.gang import Gangs, all_sum

from lst_cli.training.engine.job import Job
from lst_cli.training.engine.stopping import StopRequest
from lst_cli.training.metrics.metrics_log import read_metrics_log, write_metrics_log
from lst_cli.training.run.checkpoints import score_file


def lacks_validation(job: Job, last: int, gangs: Gangs, stop: StopRequest) -> bool:
    """Whether the validation after the checkpoint to resume from is incomplete in the metrics log, or has no score.

    fairseq2 may finish a checkpoint in the middle of the validation after it, and writes the score by which the best
    checkpoint is chosen after the log. Records of an incomplete validation are removed.
    """
    validation = job.validation
    if validation is None or not last or (last % validation.every and last != job.steps):
        return False
    sources = [*validation.make_readers(gangs, stop), *validation.stories]
    missing = gangs.root.rank == 0 and not _is_complete(job, sources, last)
    return bool(all_sum(gangs.root, int(missing)).item())  # only the first process has the log


def _is_complete(job: Job, sources: Sequence[str], step: int) -> bool:
    records = read_metrics_log(job.metrics_log)
    kept = [record for record in records if record["split"] == "train" or record["step"] != step]
    validated = {record.get("source", "") for record in records if record not in kept}
    score = score_file(job.checkpoints, step)
    scored = job.best is None or (score.is_file() and score.read_text().strip())
    if validated == set(sources) and scored:
        return True
    score.unlink(missing_ok=True)  # fairseq2 can't read one that a kill has left empty
    write_metrics_log(job.metrics_log, kept)
    return False
