"""Training on examples of a JSONL file: preference pairs and dialogues."""
