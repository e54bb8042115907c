"""Patching rules that are learnt from data: fit them, keep them, score their borders."""
