"""The two rates of speech: samples and speech tokens per second. Imports nothing."""

SAMPLE_RATE = 16_000
"""Samples per second of the input of every model."""

RATE_HZ = 25
"""Speech tokens per second (Lu et al. 2025, section 3.1)."""
