"""The version of Refold, written down once: the build reads this line and `refold --version` prints it."""

__version__ = "0.1.0"
