"""A small shop: orders, stock, payments and vouchers, all of it pure; `python -m examples.shop` plays one day of it."""
