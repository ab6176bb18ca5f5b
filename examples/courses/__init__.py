"""Rules that no single stream can hold, each as a decision model whose boundary is derived from what it reads.

The cases are those by which dynamic consistency boundaries are usually explained (dcb.events, "Examples").
"""
