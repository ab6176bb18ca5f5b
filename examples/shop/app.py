"""The whole shop, named to tools as `--app examples.shop.app:app`."""

from __future__ import annotations

from examples.shop.fulfilment import fulfilment
from examples.shop.orders import orders
from examples.shop.payments import payments
from examples.shop.sales import sales
from examples.shop.stock import stock
from examples.shop.vouchers import vouchers

from refold import App

app = App(orders, stock, payments, vouchers, sales, fulfilment)
