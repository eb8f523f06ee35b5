"""Consumers that lose tasks, each by one mistake: the checker must convict them all."""
