"""The engines that a store can live in. Each is written in its own colour, and none knows another."""
