"""A small shop, all of it pure: orders, stock, payments, vouchers. `refold demo` plays one day of it, or keeps it open."""
