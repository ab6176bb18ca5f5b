"""Fines: a process that decides beside a real office, on the office's own log; `python -m examples.fines` compares the two."""
