"""Every multi-step operation, once: plain sequential `async def` over the `Backend` port, with no event loop in sight."""
