"""The architect: the model of an application, derived from its parts and their code, and what is to be said of it."""

from refold.architect.finding import Finding, Rule, Stored
from refold.architect.model import Model, derive
from refold.architect.review import review

__all__ = ["Finding", "Model", "Rule", "Stored", "derive", "review"]
