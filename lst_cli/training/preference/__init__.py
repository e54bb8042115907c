"""Preference tuning: direct preference optimisation (DPO) on pairs of continuations."""
