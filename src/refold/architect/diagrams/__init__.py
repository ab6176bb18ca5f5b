"""Diagrams of an application: its event model as slices, laid out, and drawn as SVG or as Mermaid text."""

from __future__ import annotations

from refold.architect.diagrams.board import Board, board_of
from refold.architect.diagrams.drawing import STYLE, names_of, svg_of
from refold.architect.diagrams.layout import Picture, laid_out
from refold.architect.diagrams.mermaid import mermaid_of

__all__ = ["STYLE", "Board", "Picture", "board_of", "laid_out", "mermaid_of", "names_of", "svg_of"]
