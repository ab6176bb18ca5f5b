"""The whole shop, named to tools as `--app refold.demo.app:app`."""

from __future__ import annotations

from refold import App
from refold.demo.fulfilment import fulfilment
from refold.demo.labels import labels
from refold.demo.orders import orders
from refold.demo.payments import payments
from refold.demo.sales import sales
from refold.demo.stock import stock
from refold.demo.vouchers import vouchers

app = App(orders, stock, payments, vouchers, sales, labels, fulfilment)
