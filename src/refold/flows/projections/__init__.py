"""Read models: begun, worked on step by step, watched, mended, built anew. Every operation once, for both faces."""
