"""Patching rules that are learnt from data: fit, store, score their borders."""
