"""Other libraries at the same work, each run by a Python of its own. They import nothing of Refold."""
