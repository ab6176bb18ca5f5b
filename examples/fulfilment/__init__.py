"""Fulfilment, twice: stock, a bank and a carrier, tied by a process and by a saga; `python -m examples.fulfilment` plays both."""
