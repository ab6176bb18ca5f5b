"""Processes: instances that are streams, what they wait for, and what they have sent."""
