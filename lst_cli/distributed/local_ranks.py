"""``lst --ranks N``: ranks on this machine, started by torchrun, whose common error is reported once.

torchrun itself reports a failed rank with a traceback of its own code, even if the rank has reported its error.
"""

from __future__ import annotations

import logging
import signal
import sys
import uuid
from collections.abc import Sequence

from lst_cli.errors import LstError


def run_ranks(ranks: int, arguments: Sequence[str]) -> int:
    """Run a command of ``lst`` in several processes; return the exit code of the first one that failed, or 0.

    :param arguments: without the program.
    :raises LstError: a rank was killed.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("torch.distributed.elastic", "torch.distributed.launcher"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "lst_cli.main", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise LstError(
                f"rank {rank} was killed by {signal.Signals(-failure.exitcode).name}",
                fix="run the same command again: it resumes (out of memory is a usual cause)",
            ) from None
        return int(failure.exitcode)
    return 0
