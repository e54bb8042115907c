"""Config keys that were renamed in version 0.1.0.

A config with a former key is refused with an error that names the new one. Manifests with former keys are still read,
and fingerprints are still computed from the former keys: models made before are found up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "data.sequences_per_step": "data.global_batch_size",
    "optimizer.clip": "optimizer.max_grad_norm",
    "run.hybrid": "run.hsdp",
    "run.log_order": "run.log_batches",
    "run.sequences_per_batch": "run.micro_batch_size",
    "schedule.final": "schedule.min_lr_ratio",
    "schedule.warmup": "schedule.warmup_steps",
    "validation.stop_after": "validation.patience",
}
"""Former ``section.key`` → new one."""

_VALUES = {"budget.mode": {"compute": "compute-controlled", "data": "data-controlled"}}
"""New ``section.key`` → its former values → new ones."""


def with_new_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A training config, as a manifest of any version has it, with the keys and values of this version."""
    return _rewritten(config, RENAMED, _VALUES)


def with_former_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A training config with the keys and values that fingerprints are computed from."""
    values = {key: {new: old for old, new in names.items()} for key, names in _VALUES.items()}
    return _rewritten(config, {new: old for old, new in RENAMED.items()}, values)


def _rewritten(
    config: Mapping[str, Any], keys: Mapping[str, str], values: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    rewritten = dict(config)
    for section, content in config.items():
        if isinstance(content, Mapping):
            named = {keys.get(f"{section}.{key}", f"{section}.{key}"): value for key, value in content.items()}
            rewritten[section] = {
                path.partition(".")[2]: values[path].get(value, value) if path in values else value
                for path, value in named.items()
            }
    return rewritten
